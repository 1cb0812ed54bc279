"""The swap set: applicants whose decision changes between champion and challenger, and what booking them is worth."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Annotated, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from pydantic import Field
from pydantic.dataclasses import dataclass

from monitoring.performance import Confusion
from pipeline.errors import InputError
from pipeline.gate.rows import UNKNOWN, Applicants
from pipeline.gate.values import STRICT, Count, Name

Direction = Literal["swapped in", "swapped out"]
IN: Direction = "swapped in"  # the champion declines, the challenger approves
OUT: Direction = "swapped out"  # the champion approves, the challenger declines
DIRECTIONS = (IN, OUT)
ALL, ANY = "all applicants", "all"  # segment and value of the totals
SUBJECT = "swap set"
ROUNDING = 1e-12  # of the money added up: far above float error, far below a cent in a million


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class SwapCell:
    """Applicants of one segment value whose decision changes in one direction.

    Args:
        segment: Name of the segment column, or "all applicants".
        value: The column's value; "all" for the totals.
        direction: "swapped in" (champion declines, challenger approves) or "swapped out" (the reverse).
        good: Applicants whose final outcome is good.
        bad: Applicants whose final outcome is bad.
        unknown: Applicants without a label, or not mature yet: an early label is not a final outcome.
        amount: Money at stake of all of them, in the applicants' currency.
        result: Money that booking those of known outcome earns (+) or loses (-), in the same currency. Swapped in: what
            the challenger adds. Swapped out: what it forgoes, so a negative number there is a loss avoided.

    >>> SwapCell(segment="state", value="CA", direction="swapped in", good=3, bad=1, unknown=2, amount=6.0,
    ...          result=-0.5).applicants
    6
    """

    segment: Name
    value: str
    direction: Direction
    good: Count
    bad: Count
    unknown: Count
    amount: Annotated[float, Field(ge=0)]
    result: float

    @property
    def applicants(self) -> int:
        """All of them, whatever their outcome."""
        return self.good + self.bad + self.unknown


def booking_value(y: ArrayLike, amount: ArrayLike, *, cost_of_bad: float, gain_of_good: float) -> NDArray[np.float64]:
    """What approving each row is worth; declining it is worth 0, so a model's profit is the sum over what it approves.

    Args:
        y: Final outcomes, shape (n,), 1 bad and 0 good.
        amount: Money at stake per row, shape (n,), finite, >= 0, in one currency.
        cost_of_bad: Share of the amount lost on a bad row, unitless, finite, >= 0.
        gain_of_good: Share of the amount earned on a good row, unitless, finite, >= 0.

    Returns:
        Money per row, shape (n,), in the currency of `amount`: gain_of_good * amount for a good row and
        -cost_of_bad * amount for a bad one.

    Raises:
        InputError: Any of this does not hold, or a product is too large for a float.

    >>> booking_value([0, 1], [1000.0, 200.0], cost_of_bad=0.5, gain_of_good=0.1).tolist()
    [100.0, -100.0]
    """
    for name, share in (("cost_of_bad", cost_of_bad), ("gain_of_good", gain_of_good)):
        if not (math.isfinite(share) and share >= 0):
            raise InputError(SUBJECT, name, f"expected a finite number >= 0, got {share}")
    outcome, money = np.asarray(y), np.asarray(amount, dtype=np.float64)
    if outcome.ndim != 1 or outcome.shape != money.shape:
        raise InputError(SUBJECT, "amount", f"expected one per outcome, got {money.shape} for {outcome.shape}")
    if not np.isin(outcome, (0, 1)).all():
        raise InputError(SUBJECT, "y", "expected only 0 and 1")
    if not ((money >= 0) & np.isfinite(money)).all():
        raise InputError(SUBJECT, "amount", "expected finite amounts >= 0")
    with np.errstate(over="ignore"):
        value = np.where(outcome == 1, -cost_of_bad, gain_of_good) * money
    if not np.isfinite(value).all():
        raise InputError(SUBJECT, "amount", "too large: cost or gain cannot be written as a number")
    return value + 0.0  # -0.0 becomes 0.0


def swap_set(applicants: Applicants, *, cost_of_bad: float, gain_of_good: float) -> tuple[SwapCell, ...]:
    """Who is approved instead of whom: over all applicants, then per segment column and value.

    Args:
        applicants: Everybody who applied since the judged window began. Outcomes are taken from `labelled` rows only.
        cost_of_bad: Share of the amount lost on a bad applicant, as in `booking_value`.
        gain_of_good: Share of the amount earned on a good applicant, as in `booking_value`.

    Returns:
        Swapped in and swapped out over all applicants, both even when empty; then, sorted by column and value, the
        cells that hold an applicant.

    Raises:
        InputError: A cost or gain is not finite or below 0, money is too large to add up, or a segment column has no
            name or the name of the totals.
    """
    for column in applicants.segments:
        if column in ("", ALL):
            raise InputError(SUBJECT, "segments", f"expected a column name other than {ALL!r}, got {column!r}")
    known = applicants.labelled
    outcome = np.where(known, applicants.y, UNKNOWN)
    worth = np.zeros(len(outcome))
    worth[known] = booking_value(
        applicants.y[known], applicants.amount[known], cost_of_bad=cost_of_bad, gain_of_good=gain_of_good
    )
    return tuple(
        SwapCell(
            segment=segment,
            value=value,
            direction=direction,
            good=int((outcome[rows] == 0).sum()),
            bad=int((outcome[rows] == 1).sum()),
            unknown=int((outcome[rows] == UNKNOWN).sum()),
            amount=_total(applicants.amount[rows].tolist()),
            result=_total(worth[rows].tolist()),
        )
        for segment, value, direction, rows in _groups(applicants)
    )


def _groups(applicants: Applicants) -> Iterator[tuple[str, str, Direction, NDArray[np.intp]]]:
    """Segment, value, direction, and the positions of the applicants in them."""
    ours = applicants.champion_score >= applicants.champion_threshold
    theirs = applicants.challenger_score >= applicants.challenger_threshold
    changed = {IN: np.flatnonzero(ours & ~theirs), OUT: np.flatnonzero(~ours & theirs)}
    yield from ((ALL, ANY, direction, changed[direction]) for direction in DIRECTIONS)
    for segment, column in sorted(applicants.segments.items()):
        for value in sorted({value for rows in changed.values() for value in column[rows].tolist()}):
            for direction in DIRECTIONS:
                rows = changed[direction][column[changed[direction]] == value]
                if len(rows):
                    yield segment, value, direction, rows


def require_reconciled(cells: Sequence[SwapCell], *, champion: Confusion, challenger: Confusion) -> None:
    """Hold the swap set against the decisions it explains: not one applicant or one unit of money more or less.

    A bad applicant who is approved is a false negative and a good one a true negative, as positive means bad. So over
    all applicants the challenger's false negatives exceed the champion's by bad swapped in - bad swapped out, and its
    true negatives by good swapped in - good swapped out; and each segment column's cells add up to the totals.

    Args:
        cells: What `swap_set` returned.
        champion: The champion's decisions by outcome over the labelled applicants.
        challenger: The challenger's, over the same ones.

    Raises:
        InputError: Any of this does not hold; says where, what was found, and what was expected.

    >>> one_in = SwapCell(segment=ALL, value=ANY, direction=IN, good=1, bad=0, unknown=0, amount=9.0, result=0.9)
    >>> none_out = SwapCell(segment=ALL, value=ANY, direction=OUT, good=0, bad=0, unknown=0, amount=0.0, result=0.0)
    >>> before, after = Confusion(2, 5, 1, 10), Confusion(2, 4, 1, 11)
    >>> require_reconciled([one_in, none_out], champion=before, challenger=after)
    >>> require_reconciled([one_in, none_out], champion=before, challenger=before)
    Traceback (most recent call last):
    ...
    pipeline.errors.InputError: swap set: good: 1 swapped in - 0 swapped out, but true negatives change by 0
    """
    places = [(cell.segment, cell.value, cell.direction) for cell in cells]
    if len(set(places)) != len(places):
        raise InputError(SUBJECT, "the same segment, value and direction twice")
    totals = {cell.direction: cell for cell in cells if cell.segment == ALL}
    if sorted(place for place in places if place[0] == ALL) != [(ALL, ANY, IN), (ALL, ANY, OUT)]:
        raise InputError(SUBJECT, ALL, f"expected {ANY!r} in both directions, got {sorted(totals)}")
    _require_same_rows(champion, challenger)
    for name, matrix_cell in (("bad", "false_negative"), ("good", "true_negative")):
        gained, lost = getattr(totals[IN], name), getattr(totals[OUT], name)
        change = getattr(challenger, matrix_cell) - getattr(champion, matrix_cell)
        if gained - lost != change:
            told = f"{gained} swapped in - {lost} swapped out, but {matrix_cell.replace('_', ' ')}s change by {change}"
            raise InputError(SUBJECT, name, told)
    for segment in sorted({cell.segment for cell in cells} - {ALL}):
        for direction, total in totals.items():
            parts = [cell for cell in cells if (cell.segment, cell.direction) == (segment, direction)]
            _require_sum(parts, total, segment=segment)


def _require_same_rows(champion: Confusion, challenger: Confusion) -> None:
    ours, theirs = (
        (model.true_positive + model.false_negative, model.false_positive + model.true_negative)
        for model in (champion, challenger)
    )
    if ours != theirs:
        told = f"expected the same rows, got {ours} bad and good for the champion and {theirs} for the challenger"
        raise InputError(SUBJECT, "confusion", told)


def _require_sum(parts: Sequence[SwapCell], total: SwapCell, *, segment: str) -> None:
    """The parts of one segment column and direction add up to the total, money to float rounding."""
    for name in ("good", "bad", "unknown", "amount", "result"):
        shares, whole = [getattr(part, name) for part in parts], getattr(total, name)
        found = sum(shares) if isinstance(whole, int) else _total(shares)
        slack = 0.0 if isinstance(whole, int) else ROUNDING * max(map(abs, [*shares, whole])) * (len(shares) + 1)
        if abs(found - whole) > slack:
            raise InputError(SUBJECT, repr(segment), f"{name} {total.direction}: expected {whole} in all, got {found}")


def _total(money: Iterable[float]) -> float:
    """Correctly rounded sum, so that the order of rows does not matter."""
    try:
        return math.fsum(money) + 0.0  # -0.0 becomes 0.0
    except OverflowError:
        raise InputError(SUBJECT, "amount", "too large to add up") from None
