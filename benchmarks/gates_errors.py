"""False promotions and power: how often equal, better and worse challengers pass, tried weekly on windows of n rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import numpy as np
from gates_lines import Line, median_tries, percent, promise
from gates_rows import batches, drawn, rounded, windows_of
from pools import Pair, apart, equal_pairs

from monitoring.performance import auc, brier, f1
from monitoring.skewed_t import Spread
from pipeline.gate.budget import spendable
from pipeline.gate.models import Decided
from pipeline.gate.simulate import Windows, f1_windows, plain_rule_passes, simulate, year_of_tries
from pipeline.gate.swap import booking_value
from pipeline.gate.values import GatePolicy, Primary

WEEK, QUARTER = timedelta(days=7), timedelta(days=91)
A_YEAR = 53  # weekly tries that begin within 365 days
SIZES = (200, 1_000, 5_000, 20_000)
OTHER_PRIMARIES: tuple[Primary, ...] = ("auc", "brier", "profit")

Measure = Callable[[Decided], float]


@dataclass(frozen=True, kw_only=True)
class Effort:
    """How much is drawn."""

    years: int  # of weekly tries, by F1
    row_years: int  # the same for primaries that need every row
    tries: int  # for power, by F1
    row_tries: int
    segments: int
    models: int


FULL = Effort(years=10_000, row_years=2_000, tries=100_000, row_tries=3_000, segments=5_000, models=30)
QUICK = Effort(years=200, row_years=4, tries=2_000, row_tries=40, segments=60, models=4)


def measure_of(pair: Pair, primary: Primary, policy: GatePolicy) -> Measure:
    """A model's level on the whole pool; more is better."""
    value = booking_value(pair.y, pair.amount, cost_of_bad=policy.cost_of_bad, gain_of_good=policy.gain_of_good)
    measures: dict[Primary, Measure] = {
        "f1": lambda model: f1(pair.y, model.bad),
        "auc": lambda model: auc(pair.y, rounded(model).score) or 0.0,
        "brier": lambda model: -brier(pair.y, model.score),
        "profit": lambda model: float(np.where(model.bad, 0.0, value).mean()),
    }
    return measures[primary]


def alpha_after(wait: timedelta, policy: GatePolicy) -> float:
    """Error that a try may take this long after the last."""
    now = datetime(2000, 1, 1, tzinfo=UTC)
    return spendable(policy=policy, as_of=now, last_try_at=now - wait)


def as_trained(name: str, pair: Pair, *, policy: GatePolicy, effort: Effort, seed: int) -> Iterator[Line]:
    """The two models as they came out of training, the better one as challenger; and what the Brier condition adds."""
    ours, theirs = (f1(pair.y, model.bad) for model in (pair.champion, pair.challenger))
    case = f"two samples, one recipe, as trained (F1 {ours:.4f} and {theirs:.4f}, {theirs / ours - 1:+.1%})"
    for rows in (200, 1_000, 2_000, 5_000, 10_000):
        line = _a_year(name, case, pair, theirs / ours - 1, rows, policy, effort.years // 10, seed)
        yield replace(line, part="0 as trained", promise="")
    rng, by_f1, by_both = np.random.default_rng(seed), 0, 0
    for part in batches(effort.row_tries, 1_000):
        place = drawn(pair, part, 1_000, rng)
        passed = plain_rule_passes(windows_of(pair, place, policy), policy)
        rise = -windows_of(pair, place, replace(policy, primary="brier")).gain
        by_f1, by_both = by_f1 + int(passed.sum()), by_both + int((passed & (rise <= policy.max_brier_rise)).sum())
    yield Line(
        portfolio=name,
        part="0 as trained",
        case="the same; how many of the plain rule's promotions its Brier condition stops",
        rows="1,000",
        mend="",
        plain=f"{by_f1 - by_both} of {by_f1}",
        drawn=f"{effort.row_tries:,} tries",
    )


def false_promotions(name: str, pair: Pair, *, policy: GatePolicy, effort: Effort, seed: int) -> Iterator[Line]:
    """Equal by F1, three ways: the chance of one promotion or more in a year of weekly tries."""
    for kind, equal in equal_pairs(pair, rng=np.random.default_rng(seed)).items():
        called = f"calls {equal.champion.bad.mean():.1%} and {equal.challenger.bad.mean():.1%}"
        for rows in SIZES:
            yield _a_year(name, f"equal by F1: {kind} ({called})", equal, 0.0, rows, policy, effort.years, seed)


def worse_promoted(name: str, pair: Pair, *, policy: GatePolicy, effort: Effort, seed: int) -> Iterator[Line]:
    """Truly worse by F1."""
    level = measure_of(pair, "f1", policy)
    for loss in (0.02, 0.05):
        worse = apart(pair, level, by=-loss, rng=np.random.default_rng(seed), relative=True)
        for rows in SIZES:
            yield _a_year(name, f"worse by {loss:.0%} F1", worse, -loss, rows, policy, effort.years, seed)


def _a_year(
    name: str, case: str, pair: Pair, gain: float, rows: int, policy: GatePolicy, years: int, seed: int
) -> Line:
    found = simulate(pair.cells, gain=gain, rows=rows, every=WEEK, years=years, policy=policy, seed=seed)
    return Line(
        portfolio=name,
        part="1 false promotions" if not gain else "3 worse promoted",
        case=case,
        rows=f"{rows:,}",
        mend=f"{percent(found.years.happened, years)} of years; {found.tries.share * A_YEAR:.3f} a year",
        plain=f"{percent(found.plain_tries.happened, found.plain_tries.of)} a try; "
        f"{found.plain_tries.share * A_YEAR:.1f} a year",
        drawn=f"{years:,} years of {A_YEAR} tries",
        promise=promise(found.years.happened, years, at_most=policy.yearly_false_promotions),
    )


def other_primaries(name: str, pair: Pair, *, policy: GatePolicy, effort: Effort, seed: int) -> Iterator[Line]:
    """Equal by AUC, Brier score or profit, and judged by it."""
    for primary in OTHER_PRIMARIES:
        judged = replace(policy, primary=primary)
        equal = apart(pair, measure_of(pair, primary, policy), by=0.0, rng=np.random.default_rng(seed))
        for rows in (1_000, 5_000):
            yield _a_year_of_rows(name, _steps(equal, primary), rows, judged, effort.row_years, seed)


def _steps(pair: Pair, primary: Primary) -> Pair:
    if primary != "auc":
        return pair
    return replace(pair, champion=rounded(pair.champion), challenger=rounded(pair.challenger))


def _a_year_of_rows(name: str, pair: Pair, rows: int, policy: GatePolicy, years: int, seed: int) -> Line:
    rng = np.random.default_rng([seed, rows, OTHER_PRIMARIES.index(policy.primary)])  # luck is not shared by lines
    happened, passed, plain = 0, 0, 0
    for _ in range(years):
        windows = windows_of(pair, drawn(pair, A_YEAR, rows, rng), policy)
        found = year_of_tries(_as_one_year(windows), policy=policy, every=WEEK)
        happened, passed = happened + bool(found.any()), passed + int(found.sum())
        plain += int(plain_rule_passes(windows, policy).sum())
    return Line(
        portfolio=name,
        part="1 false promotions",
        case=f"equal by {policy.primary}, judged by it",
        rows=f"{rows:,}",
        mend=f"{percent(happened, years)} of years; {passed / years:.3f} a year",
        plain=f"{percent(plain, years * A_YEAR)} a try; {plain / years:.1f} a year",
        drawn=f"{years:,} years of {A_YEAR} tries",
        promise=promise(happened, years, at_most=policy.yearly_false_promotions),
    )


def _as_one_year(windows: Windows) -> Windows:
    around = Spread(*(np.asarray(part)[None] for part in windows.around))
    arrays = {name: getattr(windows, name)[None] for name in ("positives", "gain", "scale", "need", "lead")}
    return replace(windows, around=around, **arrays)


def power(name: str, pair: Pair, *, policy: GatePolicy, effort: Effort, seed: int) -> Iterator[Line]:
    """Truly better: the chance that one try passes, a week and a quarter after the last."""
    for gain in (0.02, 0.05, 0.10):
        better = apart(pair, measure_of(pair, "f1", policy), by=gain, rng=np.random.default_rng(seed), relative=True)
        for rows in SIZES:
            counts = np.random.default_rng(seed).multinomial(rows, better.cells, size=effort.tries)
            windows = f1_windows(counts, policy)
            passed = [int(windows.passes(alpha_after(wait, policy), policy).sum()) for wait in (WEEK, QUARTER)]
            plain = int(plain_rule_passes(windows, policy).sum())
            yield _powered(name, f"better by {gain:.0%} F1", rows, passed, plain, effort.tries)
    judged = replace(policy, primary="auc")
    better = _steps(apart(pair, measure_of(pair, "auc", policy), by=0.01, rng=np.random.default_rng(seed)), "auc")
    for rows in SIZES:
        rng, passed, plain = np.random.default_rng(seed), [0, 0], 0
        for part in batches(effort.row_tries, rows):
            windows = windows_of(better, drawn(better, part, rows, rng), judged)
            for place, wait in enumerate((WEEK, QUARTER)):
                passed[place] += int(windows.passes(alpha_after(wait, judged), judged).sum())
            plain += int(plain_rule_passes(windows, judged).sum())
        yield _powered(name, "better by 0.01 AUC, judged by it", rows, passed, plain, effort.row_tries)


def _powered(name: str, case: str, rows: int, passed: list[int], plain: int, tries: int) -> Line:
    weekly, quarterly = passed
    return Line(
        portfolio=name,
        part="2 power",
        case=case,
        rows=f"{rows:,}",
        mend=f"weekly {percent(weekly, tries)}, half passed by week {median_tries(weekly, tries)}; "
        f"quarterly {percent(quarterly, tries)}",
        plain=f"{percent(plain, tries)} a try",
        drawn=f"{tries:,} tries",
    )
