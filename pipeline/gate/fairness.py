"""Approval rates side by side, before and after a promotion: information, not a finding and not legal advice."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from statistics import NormalDist
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from pydantic.dataclasses import dataclass

from pipeline.errors import InputError
from pipeline.gate.rows import Applicants
from pipeline.gate.values import STRICT, AtLeastOne, Count, Interval, Name, Share

DISCLAIMER = "information, not a finding and not legal advice"  # goes wherever these numbers are shown


def _distinct(columns: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(columns)) != len(columns):
        raise ValueError("the same column twice")
    return columns


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class FairnessPolicy:
    """What to look at, and from where on to point at it. Dated, because views change; sourced, because somebody asks.

    Args:
        dated: The day from which this policy is meant to be used.
        title: What it is called where its numbers are shown.
        source: Where the floor comes from.
        adverse_impact_floor: Ratio of approval rates below which a value is pointed at, unitless, in (0, 1].
        min_applicants: Fewest applicants of a value that is compared, >= 1.
        columns: Segment columns to look at, each once; empty for all.
        note: What a reader must know beside the numbers.
    """

    dated: date
    title: Name
    source: Name
    adverse_impact_floor: Annotated[float, Field(gt=0, le=1)]
    min_applicants: AtLeastOne
    columns: Annotated[tuple[Name, ...], AfterValidator(_distinct)]
    note: str


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class ApprovalCell:
    """Whom each model approves among the applicants of one segment value: information, not a finding.

    Args:
        segment: Name of the segment column.
        value: The column's value.
        applicants: How many applied, >= 1, mature or not.
        champion_approved: How many of them the champion approves. `challenger_approved` likewise.
        champion_impact_ratio: Approval rate over the highest one under the same model, in [0, 1]; None when there is
            nothing to compare. `challenger_impact_ratio` likewise.
        below_floor: The challenger's ratio is below the policy's floor; None when there is no ratio.
        rate_change_interval: Where the change of the approval rate may lie; None with too few applicants.
    """

    segment: Name
    value: str
    applicants: AtLeastOne
    champion_approved: Count
    challenger_approved: Count
    champion_impact_ratio: Share | None
    challenger_impact_ratio: Share | None
    below_floor: bool | None
    rate_change_interval: Interval | None

    def __post_init__(self) -> None:
        if max(self.champion_approved, self.challenger_approved) > self.applicants:
            raise ValueError(f"{self.segment} {self.value}: more approved than applied")
        if (self.below_floor is None) != (self.challenger_impact_ratio is None):
            raise ValueError(f"{self.segment} {self.value}: below_floor goes with the challenger's ratio")

    @property
    def champion_rate(self) -> float:
        """Share of the applicants that the champion approves, in [0, 1]."""
        return self.champion_approved / self.applicants

    @property
    def challenger_rate(self) -> float:
        """Share of the applicants that the challenger approves, in [0, 1]."""
        return self.challenger_approved / self.applicants

    @property
    def rate_change(self) -> float:
        """Challenger's approval rate - champion's, in [-1, 1]."""
        return (self.challenger_approved - self.champion_approved) / self.applicants


def rate_change_interval(gained: int, lost: int, applicants: int, *, level: float) -> Interval:
    """Interval of the change of an approval rate, when the same applicants are decided twice.

    Only those whose decision changes carry information; one pseudo-applicant is added to either side, so that the
    interval has a width even when no decision changes.

    Args:
        gained: Applicants declined before and approved now, >= 0.
        lost: Applicants approved before and declined now, >= 0.
        applicants: All applicants, >= 1 and >= gained + lost.
        level: Two-sided confidence level, in (0, 1).

    Returns:
        Where the change (now - before) may lie, within [-1, 1].

    Raises:
        InputError: Counts or level do not hold.

    Source:
        Bonett & Price (2012), "Adjusted Wald confidence interval for a difference of binomial proportions based on
        paired data", Journal of Educational and Behavioral Statistics 37. Recommended by Fagerland, Lydersen & Laake
        (2014), Statistics in Medicine 33.

    >>> change = rate_change_interval(1, 7, 21, level=0.95)
    >>> round(change.low, 3), round(change.high, 3)
    (-0.508, -0.013)
    """
    if applicants < 1 or min(gained, lost) < 0 or gained + lost > applicants:
        told = f"expected 0 <= gained + lost <= applicants, got {gained} + {lost} of {applicants}"
        raise InputError("fairness", "changed decisions", told)
    if not 0 < level < 1:
        raise InputError("fairness", "level", f"expected a number in (0, 1), got {level}")
    size = applicants + 2
    up, down = (gained + 1) / size, (lost + 1) / size
    change = up - down
    half = -NormalDist().inv_cdf((1 - level) / 2) * ((up + down - change**2) / size) ** 0.5
    return Interval(max(-1.0, change - half), min(1.0, change + half), level)


def impact_ratios(approved: list[int], applicants: list[int], *, min_applicants: int) -> list[float | None]:
    """Each approval rate over the highest one, among the groups that are large enough.

    Args:
        approved: Approved applicants per group, each from 0 to that group's applicants.
        applicants: Applicants per group, each >= 1.
        min_applicants: Fewest applicants of a group that is compared.

    Returns:
        A ratio in [0, 1] per group, correctly rounded: 4 of 10 against 5 of 10 is 0.8 and not a hair less. None for a
        group that is too small, and for all when nobody is approved or fewer than two groups are large enough: a
        group compared with itself alone would show a 1 that says nothing.

    Source:
        The "four-fifths rule", 29 CFR 1607.4(D) (1978): "the rate for the group with the highest rate". An employment
        rule, used in lending as a first screen.

    >>> impact_ratios([40, 50, 9], [100, 100, 9], min_applicants=100)
    [0.8, 1.0, None]
    """
    rates = [Fraction(part, whole) for part, whole in zip(approved, applicants, strict=True)]
    large = [rate for rate, whole in zip(rates, applicants, strict=True) if whole >= min_applicants]
    if len(large) < 2 or not any(large):
        return [None] * len(rates)
    highest = max(large)
    return [
        float(rate / highest) if whole >= min_applicants else None
        for rate, whole in zip(rates, applicants, strict=True)
    ]


def approvals(applicants: Applicants, policy: FairnessPolicy, *, level: float = 0.90) -> tuple[ApprovalCell, ...]:
    """Approval rates per segment value under both models, mature or not: an approval needs no outcome.

    Args:
        applicants: Everybody who applied since the judged window began.
        policy: What to look at. The ratios do not say why rates differ, nor whether they may.
        level: Two-sided confidence level of each interval by itself, in (0, 1).

    Returns:
        A cell per column (sorted) and value (sorted).

    Raises:
        InputError: The policy names a column that is not a segment column, a segment column has no name, or the level
            is not in (0, 1).
    """
    if unknown := sorted(set(policy.columns) - set(applicants.segments)):
        there = ", ".join(map(repr, applicants.segments)) or "none"
        raise InputError("fairness policy", "columns", f"{unknown[0]!r} is not a segment column; there are: {there}")
    if "" in applicants.segments:
        raise InputError("fairness", "segments", "expected a column name, got ''")
    ours = applicants.champion_score < applicants.champion_threshold
    theirs = applicants.challenger_score < applicants.challenger_threshold
    return tuple(
        cell
        for segment in sorted(policy.columns or applicants.segments)
        for cell in _column(segment, applicants.segments[segment], ours, theirs, policy=policy, level=level)
    )


def _column(
    segment: str,
    column: NDArray[np.str_],
    ours: NDArray[np.bool_],
    theirs: NDArray[np.bool_],
    *,
    policy: FairnessPolicy,
    level: float,
) -> list[ApprovalCell]:
    """The cells of one segment column; `ours` and `theirs` say whom champion and challenger approve."""
    values, position = np.unique(column, return_inverse=True)
    applied, before, now, gained, lost = (
        np.bincount(position[rows], minlength=len(values)).tolist()
        for rows in (np.ones(len(column), dtype=bool), ours, theirs, theirs & ~ours, ours & ~theirs)
    )
    ratios_before = impact_ratios(before, applied, min_applicants=policy.min_applicants)
    ratios_now = impact_ratios(now, applied, min_applicants=policy.min_applicants)
    return [
        ApprovalCell(
            segment=segment,
            value=value,
            applicants=applied[i],
            champion_approved=before[i],
            challenger_approved=now[i],
            champion_impact_ratio=ratios_before[i],
            challenger_impact_ratio=(ratio := ratios_now[i]),
            below_floor=None if ratio is None else ratio < policy.adverse_impact_floor,
            rate_change_interval=(
                rate_change_interval(gained[i], lost[i], applied[i], level=level)
                if applied[i] >= policy.min_applicants
                else None
            ),
        )
        for i, value in enumerate(values.tolist())
    ]
