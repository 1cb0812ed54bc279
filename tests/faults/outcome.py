"""What a fault did: one row of the table in docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A fault brought about `tries` times; `problems` says, one line each, what did not hold afterwards."""

    fault: str
    stores: str
    tries: int
    seen: str
    problems: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def markdown(outcomes: Iterable[Outcome]) -> str:
    """The table."""
    lines = ["| fault | stores | tries | held | what was seen |", "|---|---|---|---|---|"]
    for each in outcomes:
        held = each.tries - len(each.problems)
        broken = "".join(f"<br>**{line}**" for line in each.problems[:3])
        lines.append(f"| {each.fault} | {each.stores} | {each.tries} | {held} | {each.seen}{broken} |")
    return "\n".join(lines)
