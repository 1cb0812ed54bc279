"""One question about one feature of a window: what was seen, where chance and materiality end, and since when."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Literal, Self

from monitoring.values import Types, fields, finite, time_of, time_text, utc, whole

Code = Literal["psi", "missing", "range", "new_category"]
CODES: tuple[Code, ...] = ("psi", "missing", "range", "new_category")
FEED_CODES: tuple[Code, ...] = ("missing", "range", "new_category")
SCORE = "score"  # the name under which the champion's score is asked about

_CHECK: Types = {
    "feature": (str,),
    "code": (str,),
    "rows": (int,),
    "expected": (int, float),
    "observed": (int, float),
    "critical": (int, float, type(None)),
    "limit": (int, float, type(None)),
    "drifted": (bool,),
    "since": (str, type(None)),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One answer.

    `psi`: nats, over the bins of the reference. The others are shares in [0, 1] of the window's rows (`missing`) or of
    the values present: `range` beyond the smallest or largest of the reference, `new_category` never seen in it.
    `expected` is the reference's own (0 for a PSI). `critical`: where chance alone ends, at this number of rows and
    this share of the false-alarm budget; `limit`: the farther of it and the materiality floor, None where no window of
    so few rows can be told from chance. Beyond the limit it has drifted, `since` the end of the first such window.
    """

    feature: str
    code: Code
    rows: int
    expected: float
    observed: float
    critical: float | None
    limit: float | None
    drifted: bool
    since: datetime | None = None

    def __post_init__(self) -> None:
        if self.code not in CODES:
            raise ValueError(f"{self.feature}: code must be one of {', '.join(CODES)}, got {self.code!r}")
        whole(self.rows, f"{self.feature}: rows")
        for name in ("expected", "observed", "critical", "limit"):
            value = getattr(self, name)
            if value is not None or name in ("expected", "observed"):
                object.__setattr__(self, name, finite(value, f"{self.feature}: {name}"))
        if self.drifted is not self.beyond(self.observed):
            raise ValueError(
                f"{self.feature} {self.code}: drifted must say whether {self.observed} is past {self.limit}"
            )
        if self.since is not None:
            object.__setattr__(self, "since", utc(self.since, f"{self.feature}: since"))
        if self.drifted is (self.since is None):
            raise ValueError(f"{self.feature} {self.code}: what has drifted says since when, and only that")

    def beyond(self, value: float) -> bool:
        """Whether a value is past the limit, on the limit's side of what was expected."""
        if self.limit is None:
            return False
        return value >= self.limit if self.limit >= self.expected else value <= self.limit

    @property
    def feed_fault(self) -> bool:
        """Drifted as a broken feed does: more missing, out of range or never seen. Less missing is no fault."""
        return self.drifted and self.code in FEED_CODES and self.observed > self.expected

    @property
    def fold(self) -> float:
        """How far past the limit, as a multiple of the way there; >= 1 when drifted, 0 where there is no limit."""
        if self.limit is None or self.limit == self.expected:
            return 0.0
        return (self.observed - self.expected) / (self.limit - self.expected)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self) | {"since": None if self.since is None else time_text(self.since)}

    @classmethod
    def from_json(cls, content: object) -> Self:
        """A check from its JSON values; ValueError for anything else."""
        found = fields(content, "checks", _CHECK)
        return cls(**found | {"since": None if found["since"] is None else time_of(found["since"])})
