"""What a challenger would have decided on traffic that the champion decided: how much changes, before any outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from monitoring.performance import wilson_interval
from monitoring.values import utc
from pipeline.errors import InputError
from pipeline.gate.rows import Applicants
from pipeline.gate.swap import ALL, IN, OUT, SwapCell, swap_set

KIND = "shadow"  # in the ledger: an entry each time that a challenger was held beside the champion on live traffic


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """Two models on the same applications, outcomes aside. It says how much would change, never whether it is better.

    `rows` are compared; `others` are applications of the same stretch that another version than the champion scored.
    """

    champion: str
    challenger: str
    start: datetime
    end: datetime
    rows: int
    others: int
    approved_by_champion: int
    approved_by_challenger: int
    cells: tuple[SwapCell, ...]

    @property
    def swapped_in(self) -> SwapCell:
        """Everybody whom the champion declined and the challenger would approve."""
        return next(cell for cell in self.cells if (cell.segment, cell.direction) == (ALL, IN))

    @property
    def swapped_out(self) -> SwapCell:
        """Everybody whom the champion approved and the challenger would decline."""
        return next(cell for cell in self.cells if (cell.segment, cell.direction) == (ALL, OUT))

    @property
    def disagreements(self) -> int:
        """Applications that the two decide differently."""
        return self.swapped_in.applicants + self.swapped_out.applicants

    @property
    def share(self) -> tuple[float, float, float] | None:
        """Share decided differently with its Wilson 95 % interval; None of no rows."""
        if not self.rows:
            return None
        return (self.disagreements / self.rows, *wilson_interval(self.disagreements, self.rows))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        share = self.share
        return {
            "schema_version": 1,
            "champion": self.champion,
            "challenger": self.challenger,
            "start": self.start.isoformat(),
            "end": self.end.isoformat(),
            "rows": self.rows,
            "others": self.others,
            "approved_by_champion": self.approved_by_champion,
            "approved_by_challenger": self.approved_by_challenger,
            "disagreements": self.disagreements,
            "share": None if share is None else share[0],
            "interval": None if share is None else [share[1], share[2]],
            "cells": [asdict(cell) for cell in self.cells],
        }

    @staticmethod
    def from_json(content: Mapping[str, Any]) -> Shadow:
        """What was written.

        Raises:
            InputError: It is not of this schema.
        """
        if content.get("schema_version") != 1:
            raise InputError(KIND, f"expected schema 1, got {content.get('schema_version')!r}")
        names = ("champion", "challenger", "rows", "others", "approved_by_champion", "approved_by_challenger")
        return Shadow(
            **{name: content[name] for name in names},
            start=utc(datetime.fromisoformat(content["start"]), "start"),
            end=utc(datetime.fromisoformat(content["end"]), "end"),
            cells=tuple(SwapCell(**cell) for cell in content["cells"]),
        )


def beside(
    applicants: Applicants, *, champion: str, challenger: str, start: datetime, end: datetime, others: int
) -> Shadow:
    """Hold two models side by side on the applicants of a stretch of traffic.

    Args:
        applicants: Under both models; their outcomes are not looked at for anything but the counts of the swap set.
        champion: Version that decided them.
        challenger: Version that would.
        start: First moment of the stretch.
        end: The moment after it.
        others: Applications of the stretch that are left out, since another version scored them.
    """
    return Shadow(
        champion=champion,
        challenger=challenger,
        start=start,
        end=end,
        rows=len(applicants.ids),
        others=others,
        approved_by_champion=int((applicants.champion_score < applicants.champion_threshold).sum()),
        approved_by_challenger=int((applicants.challenger_score < applicants.challenger_threshold).sum()),
        cells=swap_set(applicants, cost_of_bad=0.0, gain_of_good=0.0),
    )
