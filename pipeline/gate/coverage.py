"""Whose outcomes are known: counts per score band, vintage and segment, what the missing ones can hide, and when.

Three applicants whose outcomes are final, one of them not known, and one who applied too lately to tell:

>>> from datetime import timedelta
>>> four = Applicants(
...     ids=["a", "b", "c", "d"],
...     event_time=np.array(["2004-01-02", "2004-02-01", "2004-05-31", "2004-08-01"], dtype="datetime64[us]"),
...     y=[0, -1, 1, -1],
...     champion_score=[0.1, 0.3, 0.3, 0.2], champion_threshold=0.5,
...     challenger_score=[0.2, 0.4, 0.6, 0.3], challenger_threshold=0.5,
...     as_of=datetime(2004, 8, 29, tzinfo=UTC), horizon=timedelta(days=90),
... )
>>> for cell in coverage_cells(four, bands=2):
...     print(cell.value, cell.applicants, cell.mature, cell.labelled, cell.final_at and cell.final_at.date())
below 0.30 2 1 1 None
0.30 and more 2 2 1 None
2004 Q1 2 2 1 2004-05-01
2004 Q2 1 1 1 2004-08-29
2004 Q3 1 0 0 2004-10-30
>>> round(brier_shift(four, bands=2), 3)  # squared errors 0.01 and 0.49 weigh 1/2 each, and should 1/3 and 2/3
0.08
>>> labels_per_day(four)  # 2 in the 150 days from the first application to the last that is mature
0.013333333333333334
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime
from pydantic.dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.gate.columns import Numbers
from pipeline.gate.rows import Applicants
from pipeline.gate.values import STRICT, Count, Name

SCORE_BAND, VINTAGE = "score band", "vintage"
MAX_SEGMENT_VALUES = 500  # more are ids or numbers, not segments
MAX_BANDS = 100
RECENT_DAYS = 365.0  # a year, so that no season counts twice

Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class CoverageCell:
    """How many of a group of applicants are old enough to be judged, and of how many of those the outcome is known.

    Args:
        group: What divides the applicants: "score band", "vintage", or a segment column's name.
        value: Which part this is.
        applicants: All of them.
        mature: Those old enough for the outcome to be final.
        labelled: Mature, and the outcome is known.
        bad: Labelled, and bad.
        final_at: Vintages only: when the outcome of its youngest applicant so far is final.

    Raises:
        ValueError: Not bad <= labelled <= mature <= applicants.

    >>> CoverageCell(group="state", value="CA", applicants=9, mature=4, labelled=3, bad=1).share
    0.75
    """

    group: Name
    value: str
    applicants: Count
    mature: Count
    labelled: Count
    bad: Count
    final_at: AwareDatetime | None = None

    def __post_init__(self) -> None:
        if not self.bad <= self.labelled <= self.mature <= self.applicants:
            counts = f"{self.bad}, {self.labelled}, {self.mature}, {self.applicants}"
            raise ValueError(f"{self.group} {self.value}: expected bad <= labelled <= mature <= all, got {counts}")

    @property
    def share(self) -> float | None:
        """Labelled share of the mature, in [0, 1]; None when nobody is mature."""
        return self.labelled / self.mature if self.mature else None


def coverage_cells(applicants: Applicants, *, bands: int = 5) -> tuple[CoverageCell, ...]:
    """Count applicants, mature, labelled and bad per score band, vintage and segment. Each group adds up to the whole.

    Args:
        applicants: Everybody who applied, mature or not.
        bands: Most score bands there may be, 1 to 100. They hold equally many mature applicants (of all, when none is
            mature) by the champion's score; equal scores share a band, so fewer come out when scores repeat. A band
            named "0.02 to 0.07" holds 0.02 and not 0.07.

    Returns:
        Score bands rising, vintages (calendar quarters of application, UTC) rising, then segment columns by name with
        their values sorted; empty without applicants.

    Raises:
        InputError: `bands` is out of range; a segment column has no name, one of the two names taken here, over 500
            values or one that is not Unicode text; an outcome is final outside the years 1 to 9999.
    """
    edges = _band_edges(applicants, bands)
    for name, column in applicants.segments.items():
        _refuse_segment(name, column)
    if not len(applicants.ids):
        return ()
    cells = _cells(applicants, SCORE_BAND, _band_names(edges), _band_of(applicants, edges))
    quarters, position = np.unique(_quarters(applicants), return_inverse=True)
    vintages = [f"{1970 + quarter // 4:04d} Q{1 + quarter % 4}" for quarter in quarters.tolist()]
    cells += _cells(applicants, VINTAGE, vintages, position, _final_times(applicants, position, len(vintages)))
    for name, column in applicants.segments.items():
        values, position = np.unique(column, return_inverse=True)
        cells += _cells(applicants, name, values.tolist(), position)
    return tuple(cells)


def brier_shift(applicants: Applicants, *, bands: int = 5) -> float | None:
    """How far the Brier score would move if every score band counted as it does among all mature applicants.

    The labelled rows of a band stand in for its unlabelled ones (post-stratification). Both models are weighted by the
    champion's bands: outcomes go missing by what the champion decided, the two stay comparable, and the bands are
    those of `coverage_cells`. What it cannot see: outcomes that go missing within a band because of what they are.

    Args:
        applicants: Everybody who applied; only the mature are read.
        bands: As in `coverage_cells`.

    Returns:
        The larger absolute move of the two models, in [0, 1]; 0.0 when all mature applicants are labelled. None when it
        cannot be known: nothing is labelled, or a whole band of mature applicants is without a label.

    Raises:
        InputError: `bands` is out of range.

    Source:
        Holt & Smith (1979), "Post stratification", Journal of the Royal Statistical Society A 142.
    """
    edges = _band_edges(applicants, bands)
    mature, labelled = applicants.mature, applicants.labelled
    band, n_bands = _band_of(applicants, edges), len(edges) + 1
    of_mature = np.bincount(band[mature], minlength=n_bands)
    of_labelled = np.bincount(band[labelled], minlength=n_bands)
    if not (of_labelled > 0).all():
        return None
    move = of_mature / of_mature.sum() - of_labelled / of_labelled.sum()
    shifts = []
    for score in (applicants.champion_score, applicants.challenger_score):
        squared_error = (score[labelled] - applicants.y[labelled]) ** 2
        per_band = np.bincount(band[labelled], weights=squared_error, minlength=n_bands) / of_labelled
        shifts.append(abs(float(move @ per_band)))
    return max(shifts)


def labels_per_day(applicants: Applicants) -> float | None:
    """Judged rows per day of application, over the latest 365 days whose applicants are mature.

    A shorter mature stretch (from the first application on) is taken whole, and one under a day counts as a day.

    Returns:
        Rows per day, >= 0; None when nobody is mature.
    """
    past = _days_past_maturity(applicants)
    if not (past >= 0).any():
        return None
    counted = applicants.labelled & (past < RECENT_DAYS)
    return int(counted.sum()) / min(max(float(past.max()), 1.0), RECENT_DAYS)


def _cells(
    applicants: Applicants,
    group: str,
    values: Sequence[str],
    position: Positions,
    final_at: Sequence[datetime | None] | None = None,
) -> list[CoverageCell]:
    everybody, labelled = np.ones(len(position), dtype=np.bool_), applicants.labelled
    groups = (everybody, applicants.mature, labelled, labelled & (applicants.y == 1))
    counts = [np.bincount(position[chosen], minlength=len(values)).tolist() for chosen in groups]
    return [
        CoverageCell(group=group, value=value, applicants=n, mature=mature, labelled=known, bad=bad, final_at=final)
        for value, n, mature, known, bad, final in zip(values, *counts, final_at or [None] * len(values), strict=True)
    ]


def _band_edges(applicants: Applicants, bands: int) -> Numbers:
    """Lowest score of every band but the first, rising; each is a score that occurs, so that no band is empty."""
    if not 1 <= bands <= MAX_BANDS:
        raise InputError("coverage", "bands", f"expected 1 to {MAX_BANDS}, got {bands}")
    mature = applicants.mature
    scores = np.sort(applicants.champion_score[mature] if mature.any() else applicants.champion_score)
    if not len(scores):
        return scores
    edges = np.unique(scores[np.arange(1, bands) * len(scores) // bands])
    return np.asarray(edges[edges > scores[0]])


def _band_of(applicants: Applicants, edges: Numbers) -> Positions:
    return np.searchsorted(edges, applicants.champion_score, side="right")


def _band_names(edges: Numbers) -> list[str]:
    """With two decimals, or as many more as it takes to tell the edges from each other and from 0 and 1.

    >>> _band_names(np.array([0.02, 0.07])), _band_names(np.array([0.002, 0.5])), _band_names(np.array([]))
    (['below 0.02', '0.02 to 0.07', '0.07 and more'], ['below 0.002', '0.002 to 0.500', '0.500 and more'], ['all'])
    """
    if not len(edges):
        return ["all"]
    apart = {0.0, 1.0, *edges.tolist()}
    enough = (places for places in range(2, 9) if len({f"{edge:.{places}f}" for edge in apart}) == len(apart))
    places = next(enough, None)
    shown = [repr(edge) if places is None else f"{edge:.{places}f}" for edge in edges.tolist()]
    return [f"below {shown[0]}", *(f"{low} to {high}" for low, high in pairwise(shown)), f"{shown[-1]} and more"]


def _quarters(applicants: Applicants) -> Positions:
    """Calendar quarters since the first of 1970."""
    return applicants.event_time.astype("datetime64[M]").astype(np.int64) // 3


def _final_times(applicants: Applicants, position: Positions, n_vintages: int) -> list[datetime]:
    latest = np.full(n_vintages, np.iinfo(np.int64).min)
    np.maximum.at(latest, position, applicants.event_time.astype(np.int64))
    youngest = latest.astype("datetime64[us]").tolist()
    try:
        return [applied.replace(tzinfo=UTC) + applicants.horizon for applied in youngest]
    except (AttributeError, OverflowError):  # a year that Python does not know comes out of numpy as a whole number
        raise InputError("applicants", "event_time", "expected final outcomes in the years 1 to 9999") from None


def _refuse_segment(name: str, column: NDArray[np.str_]) -> None:
    if name in ("", SCORE_BAND, VINTAGE):
        raise InputError("coverage", f"segment column {name!r}", "expected a name that is not empty and not taken")
    values = np.unique(column)
    if len(values) > MAX_SEGMENT_VALUES:
        expected = f"expected at most {MAX_SEGMENT_VALUES} values, got {len(values)}"
        raise InputError("coverage", f"segment column {name!r}", expected)
    try:
        "".join([name, *values.tolist()]).encode()
    except UnicodeEncodeError:
        raise InputError("coverage", f"segment column {name!r}", "expected Unicode text") from None


def _days_past_maturity(applicants: Applicants) -> Numbers:
    """Days since each outcome became final, shape (n,); negative while it is not."""
    mature_until = (applicants.as_of - applicants.horizon).astimezone(UTC).replace(tzinfo=None)
    return np.asarray((np.datetime64(mature_until, "us") - applicants.event_time) / np.timedelta64(1, "D"))
