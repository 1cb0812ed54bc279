"""Rows that are scored again: the same model gives them the same scores, on every machine and after every upgrade."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from monitoring.values import finite

TOLERANCE = 1e-9  # the order in which a sum is taken may change its last digits, no more


@dataclass(frozen=True, slots=True, kw_only=True)
class Canary:
    """Reference rows scored again. `differ` of `rows` by more than 1e-9, `largest` is the largest difference.

    No rows with a `reason`: nothing could be compared. That is neither well nor ill, unless the model is `broken`: its
    files are not those on record.
    """

    rows: int
    differ: int = 0
    largest: float | None = None
    reason: str | None = None
    broken: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.differ <= self.rows or (self.rows == 0) is not (self.reason is not None):
            raise ValueError(f"expected 0 <= differ <= rows, or a reason, got {self}")
        if self.broken and self.rows:
            raise ValueError(f"a broken model scored {self.rows} rows")
        if self.largest is not None:
            finite(self.largest, "largest")

    @property
    def wrong(self) -> bool:
        """The model is not what it was, or not where it was."""
        return self.differ > 0 or self.broken

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def canary(recorded: NDArray[np.float64], again: NDArray[np.float64]) -> Canary:
    """Compare scores on record with the same rows' scores now; one that is not a number now differs.

    >>> canary(np.array([0.1, 0.2]), np.array([0.1, 0.25]))
    Canary(rows=2, differ=1, largest=0.04999999999999999, reason=None, broken=False)
    """
    if recorded.shape != again.shape:
        raise ValueError(f"expected as many scores as are on record, got {again.shape} for {recorded.shape}")
    if not len(recorded):
        return Canary(rows=0, reason="no score is on record")
    apart = np.abs(again - recorded)
    same = apart <= TOLERANCE  # false for NaN
    numbers = apart[np.isfinite(apart)]
    return Canary(rows=len(recorded), differ=int((~same).sum()), largest=float(numbers.max()) if len(numbers) else None)
