"""How far are estimates without labels from what comes true, and does the record find out when they go wrong?

    .venv/bin/python benchmarks/estimates.py [--seed 1] [--without-nannyml]

Parts 1 and 2: windows drawn from a pool of real scores and outcomes, estimated with labels drawn from the same pool;
in part 2 the windows hold other applicants than the labels do. A cell is the mean absolute error over the sampling
floor, and the share of 90 % intervals that held the realised metric. The floor is the mean absolute error of the same
windows' estimates when 100,000 labels, drawn as the window's rows are, made the scores right: chance alone is left.
"raw" takes the scores as they are. NannyML's CBPE gets the same reference and windows; it shows a band of three
sampling errors, here its interval is 1.645 of them, like ours.

Part 3: 24 windows one after the other, outcomes known two windows late, and from the 9th on the outcomes of equal
scores are others. Part 4: real time. A cell: share of windows whose estimate abstained before the change could be
known and after it; checks it took to abstain (median); how far the change is, in standard errors of the estimate; and
of the estimates shown, how many intervals held what came true.

Give Me Some Credit, the Census and the car loans are read from `MEND_SHARED`, by default `shared/data` beside the
checkout. NannyML gets an environment of its own in the user's cache folder (see peers_nannyml.py).
"""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from peers_nannyml import nannyml_python, run_cbpe
from pools import REPOSITORY, SHARED, Portfolio, best_cut, fit, give_me_some_credit, shipped_loans
from rich.console import Console
from scipy.special import expit, logit
from sklearn.ensemble import RandomForestClassifier

from monitoring.estimate_track import Checked, trust
from monitoring.estimated import METRICS, Estimate, estimates, moved, realised, recalibration
from pipeline.estimating import BACK_TESTS, LOOKBACKS_OF_LABELS

Numbers = NDArray[np.float64]

REFERENCES, WINDOWS_EACH = 20, 10
NANNYML_REFERENCES = 5  # it takes seconds for each; its errors are over the floor of the same windows
LABELS_OF_THE_FLOOR = 100_000
Z = 1.6448536
START = datetime(2000, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, kw_only=True, eq=False)
class Scored:
    """Scores, decisions and outcomes of a pool of rows, shape (n,), and one feature to shift it by."""

    name: str
    y: NDArray[np.int64]
    p: Numbers
    decision: NDArray[np.int64]
    feature: Numbers
    feature_name: str

    def take(self, rows: NDArray[np.int64]) -> Scored:
        """Some rows of it, in this order."""
        parts = {name: getattr(self, name)[rows] for name in ("y", "p", "decision", "feature")}
        return replace(self, **parts)


# --- data ---------------------------------------------------------------------------------------------------------


def pools_of_scores(said: Console, *, seed: int) -> Iterator[Scored]:
    """Held-out scores of real models, those data sets that are there."""
    credit, census, cars = (SHARED / f"{name}.parquet" for name in ("give_me_some_credit", "acs_employment", CARS))
    for path in (credit, census, cars):
        if not path.exists():
            said.print(f"[bold red]MISSING: {path}. Going on without it.[/]")
    if credit.exists():
        data = give_me_some_credit(credit, seed=seed)
        yield _boosted(data, "age", seed=seed)
        yield _forest(data, "age", seed=seed)
    yield _boosted(shipped_loans(REPOSITORY / "data" / "sba_loans.csv.gz", seed=seed), "loan_amount", seed=seed)
    if census.exists():
        yield census_in_time(census)
    if cars.exists():
        yield cars_in_time(cars, part="reference")


CARS = "car_loan_planted_drift"


def _boosted(data: Portfolio, feature: str, *, seed: int) -> Scored:
    model = fit(data, data.samples[0], seed=seed)
    return _held_out(data, data.name, model.score, model.threshold, feature)


def _forest(data: Portfolio, feature: str, *, seed: int) -> Scored:
    """A forest as it comes: its scores are known to be off at both ends."""
    x = data.x.fillna(-1)
    model = RandomForestClassifier(200, min_samples_leaf=5, random_state=seed, n_jobs=1)
    model.fit(x.iloc[data.samples[0]], data.y[data.samples[0]])
    tuning, pool = (model.predict_proba(x.iloc[rows])[:, 1] for rows in (data.tuning, data.pool))
    return _held_out(data, f"{data.name}, forest", pool, best_cut(data.y[data.tuning], tuning), feature)


def _held_out(data: Portfolio, name: str, p: Numbers, threshold: float, feature: str) -> Scored:
    values = data.x[feature].iloc[data.pool]
    return Scored(
        name=name,
        y=data.y[data.pool].astype(np.int64),
        p=p,
        decision=(p >= threshold).astype(np.int64),
        feature=values.fillna(values.median()).to_numpy(float),
        feature_name=feature,
    )


def census_in_time(path: Path) -> Scored:
    """Employment in Massachusetts, 2015 to 2018, with the scores that come with it; shuffled within each year."""
    rows = pd.read_parquet(path).sample(frac=1, random_state=1).sort_values("year", kind="stable")
    return Scored(
        name="Census",
        y=rows["employed"].to_numpy(np.int64),
        p=rows["predicted_probability"].to_numpy(float),
        decision=rows["prediction"].to_numpy(np.int64),
        feature=rows["AGEP"].to_numpy(float),
        feature_name="AGEP",
    )


def cars_in_time(path: Path, *, part: str | None = None) -> Scored:
    """Synthetic car loans in order of time, with the scores that come with them."""
    rows = pd.read_parquet(path).sort_values("timestamp", kind="stable")
    rows = rows if part is None else rows[rows["partition"] == part]
    return Scored(
        name="Car loans",
        y=rows["repaid"].to_numpy(np.int64),
        p=rows["y_pred_proba"].to_numpy(float),
        decision=rows["y_pred"].to_numpy(np.int64),
        feature=rows["car_value"].to_numpy(float),
        feature_name="car_value",
    )


def loans_in_time(*, seed: int) -> tuple[Scored, NDArray[np.int64]]:
    """The shipped loans approved since 2001 in order of time, by a model of 1998 to 2000; and when, in days."""
    data = shipped_loans(REPOSITORY / "data" / "sba_loans.csv.gz", seed=seed)
    when = pd.to_datetime(pd.read_csv(REPOSITORY / "data" / "sba_loans.csv.gz")["application_date"])
    early = np.flatnonzero(when.dt.year.between(1998, 2000).to_numpy())
    train, tuning = np.split(np.random.default_rng(seed).permutation(early), [len(early) * 3 // 4])
    later = np.flatnonzero((when.dt.year >= 2001).to_numpy())
    later = later[np.argsort(when.to_numpy()[later], kind="stable")]
    model = fit(replace(data, tuning=tuning, pool=later), train, seed=seed)
    scored = _held_out(replace(data, pool=later), data.name, model.score, model.threshold, "loan_amount")
    return scored, (when.iloc[later] - pd.Timestamp("2001-01-01")).dt.days.to_numpy()


# --- parts 1 and 2: windows drawn from a pool ---------------------------------------------------------------------


def no_shift(data: Scored) -> Numbers:
    """Every row alike."""
    return np.full(len(data.y), 1 / len(data.y))


def riskier(data: Scored) -> Numbers:
    """Weight e per standard deviation of the log-odds: outcomes given the score stay what they are."""
    return _tilted(logit(np.clip(data.p, 0.01, 0.99)))


def other_feature(data: Scored) -> Numbers:
    """Weight e per standard deviation of a feature's rank: outcomes given the features stay what they are."""
    return _tilted(np.argsort(np.argsort(data.feature)).astype(float))


def _tilted(values: Numbers) -> Numbers:
    weight = np.exp((values - values.mean()) / values.std())
    return np.asarray(weight / weight.sum())


@dataclass(frozen=True, kw_only=True, eq=False)
class Errors:
    """Estimated less realised per window and metric, shape (windows, 4), and whether the interval held it."""

    error: Numbers
    held: Numbers  # NaN where there is no interval

    def cells(self, floor: Numbers) -> list[str]:
        """Error over the floor, and coverage, per metric."""
        return [self._cell(number, least) for number, least in enumerate(floor)]

    def _cell(self, number: int, floor: float) -> str:
        off, held = (column[np.isfinite(column)] for column in (self.error[:, number], self.held[:, number]))
        if not len(off):
            return "none"
        covered = f"{held.mean():.0%}".replace("%", " %") if len(held) else "no interval"
        return f"{np.abs(off).mean() / floor:.2f} ({covered})"


def drawn_lines(
    data: Scored,
    situation: str,
    shift: Callable[[Scored], Numbers],
    *,
    rows: int,
    labels: int,
    folder: Path | None,
    seed: int,
) -> Iterator[list[str]]:
    """One line per estimator: Mend, raw scores, and NannyML where a folder for its files is given."""
    rng = np.random.default_rng([seed, rows, labels])
    weight, everybody = shift(data), len(data.y)
    oracle = data.take(rng.choice(everybody, LABELS_OF_THE_FLOOR, p=weight))
    right = recalibration(oracle.y, oracle.p, oracle.decision)
    found: dict[str, list[tuple[Numbers, Numbers]]] = {"floor": [], "Mend": [], "raw": []}
    truths = []
    for number in range(REFERENCES):
        reference = data.take(rng.choice(everybody, labels))
        windows = [data.take(rng.choice(everybody, rows, p=weight)) for _ in range(WINDOWS_EACH)]
        known = recalibration(reference.y, reference.p, reference.decision)
        for window in windows:
            true = _true(window)
            truths.append(true)
            for name, used in (("floor", right), ("Mend", known), ("raw", None)):
                found[name].append(_against(estimates(window.p, window.decision, used), true))
        if folder is not None and number < NANNYML_REFERENCES:
            _hand_over(folder, number, reference, windows)
    if folder is not None:
        run_cbpe(folder)
        found["NannyML"] = _theirs(folder, truths)
        found["Mend, NannyML's windows"] = found["Mend"][: len(found["NannyML"])]
    for name in ("Mend", "raw", "Mend, NannyML's windows", "NannyML"):
        if name in found:
            errors = Errors(error=np.array([e for e, _ in found[name]]), held=np.array([h for _, h in found[name]]))
            floor = np.nanmean([np.abs(error) for error, _ in found["floor"][: len(found[name])]], axis=0)
            least = ", ".join(f"{value:.4f}" for value in floor)
            size = f"{labels:,} labels, {len(found[name])} windows of {rows:,}; floor {least}"
            yield [situation, data.name, size, name, *errors.cells(floor)]


def _true(window: Scored) -> Numbers:
    return np.array(list(realised(window.y, window.p, window.decision).values()), dtype=float)


def _against(found: Sequence[Estimate], true: Numbers) -> tuple[Numbers, Numbers]:
    value = np.array([estimate.value for estimate in found], dtype=float)
    low, high = (np.array([getattr(estimate, end) for estimate in found], dtype=float) for end in ("low", "high"))
    return value - true, np.where(np.isfinite(value), (low <= true) & (true <= high), np.nan)


def _hand_over(folder: Path, number: int, reference: Scored, windows: Sequence[Scored]) -> None:
    for name, parts in (("reference", [reference]), ("windows", windows)):
        columns = {key: np.concatenate([getattr(part, key) for part in parts]) for key in ("y", "p", "decision")}
        pd.DataFrame(columns).to_parquet(folder / f"{name}_{number:03d}.parquet")
    (folder / f"rows_{number:03d}.txt").write_text(str(len(windows[0].y)), encoding="utf-8")


def _theirs(folder: Path, truths: Sequence[Numbers]) -> list[tuple[Numbers, Numbers]]:
    found = []
    for number in range(NANNYML_REFERENCES):
        table = pd.read_parquet(folder / f"estimates_{number:03d}.parquet").astype({"error": float})
        for window in range(WINDOWS_EACH):
            here = table[table["window"] == window].set_index("metric").reindex(METRICS)
            off = here["value"].to_numpy() - truths[number * WINDOWS_EACH + window]
            error = here["error"].to_numpy()
            found.append((off, np.where(np.isfinite(error), np.abs(off) <= Z * error, np.nan)))
    return found


# --- parts 3 and 4: windows one after the other -------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was said of one window when it was current, and what came true."""

    estimate: Estimate
    realised: float
    trusted: bool


def walk(data: Scored, ends: Sequence[int], known: Sequence[int], *, first: int) -> list[dict[str, Look]]:
    """Estimate window after window as a cycle would: with the labels and the record of that time.

    Args:
        data: Rows in order of time.
        ends: Where each window ends; each begins where the one before it ends.
        known: How many rows had a known outcome when that window was current.
        first: The first window to look at; those before it only give labels.
    """
    looks: list[dict[str, Look]] = []
    starts = [0, *ends[:-1]]
    for number in range(first, len(ends)):
        reach = known[number] - LOOKBACKS_OF_LABELS * (ends[number] - starts[number])
        labelled = data.take(np.arange(max(0, reach), max(0, known[number])))
        window = data.take(np.arange(starts[number], ends[number]))
        fitted = recalibration(labelled.y, labelled.p, labelled.decision) if len(labelled.y) else None
        found, true = estimates(window.p, window.decision, fitted), realised(window.y, window.p, window.decision)
        said = {}
        for estimate in found:
            came_true = true[estimate.metric]
            if estimate.value is None or came_true is None:
                continue
            past = [
                Checked(end=START + timedelta(hours=first + k), estimate=look.estimate, realised=look.realised)
                for k, earlier in enumerate(looks)
                if (look := earlier.get(estimate.metric)) and ends[first + k] <= known[number]
            ]
            verdict = trust(estimate.metric, past[-BACK_TESTS:])
            said[estimate.metric] = Look(estimate=estimate, realised=came_true, trusted=verdict.trusted)
        looks.append(said)
    return looks


def doubled_odds(data: Scored, chance: Numbers, rng: np.random.Generator) -> NDArray[np.int64]:
    """The odds of bad doubled, whatever the score."""
    worse = expit(logit(np.clip(chance, 1e-6, 1 - 1e-6)) + np.log(2))
    return np.where(rng.random(len(chance)) < (worse - chance) / (1 - chance), 1, data.y)


def no_order_at_the_top(data: Scored, chance: Numbers, rng: np.random.Generator) -> NDArray[np.int64]:
    """The riskiest fifth go bad as often as everybody: the score says nothing of them any more."""
    top = data.p >= np.quantile(data.p, 0.8)
    return np.where(top, (rng.random(len(chance)) < chance.mean()).astype(np.int64), data.y)


def unchanged(data: Scored, chance: Numbers, rng: np.random.Generator) -> NDArray[np.int64]:  # noqa: ARG001
    """The outcomes as they are."""
    return data.y


WARM_UP, BEFORE, AFTER, LATE, WALKS = 8, 14, 16, 2, 10


def changed_line(
    data: Scored,
    situation: str,
    change: Callable[[Scored, Numbers, np.random.Generator], NDArray[np.int64]],
    *,
    rows: int,
    seed: int,
) -> list[str]:
    """Walks through windows drawn from a pool, whose outcomes change after some of them."""
    rng = np.random.default_rng([seed, rows, 3])
    fitted = recalibration(data.y, data.p, data.decision)
    if fitted is None:
        raise ValueError(f"{data.name}: too few outcomes")
    chance = moved(data.p, data.decision, fitted)[0]
    turned = replace(data, y=change(data, chance, rng))
    windows = WARM_UP + BEFORE + AFTER
    ends = [rows * (k + 1) for k in range(windows)]
    known = [rows * max(0, k - LATE + 1) for k in range(windows)]
    walks = []
    for _ in range(WALKS):
        calm = data.take(rng.choice(len(data.y), rows * (WARM_UP + BEFORE)))
        later = turned.take(rng.choice(len(data.y), rows * AFTER))
        joined = {key: np.concatenate([getattr(calm, key), getattr(later, key)]) for key in ("y", "p", "decision")}
        joined["feature"] = np.zeros(rows * windows)
        walks.append(walk(replace(data, **joined), ends, known, first=WARM_UP))
    cells = [_changed_cell([[look.get(metric) for look in looks] for looks in walks]) for metric in METRICS]
    return [situation, data.name, f"{rows:,} rows, {WALKS} walks", "Mend", *cells]


def _changed_cell(walks: Sequence[Sequence[Look | None]]) -> str:
    """Window BEFORE is the first changed one; its outcomes are known from window BEFORE + LATE on."""
    settled, seen = LATE + 4, BEFORE + LATE
    before = [look for looks in walks for look in looks[settled:seen] if look]
    after = [look for looks in walks for look in looks[seen:] if look]
    shift = [_standardised(look) for looks in walks for look in looks[BEFORE : BEFORE + LATE] if look]
    waits = [next((k + 1 for k, look in enumerate(looks[seen:]) if look and not look.trusted), None) for looks in walks]
    stopped = [wait for wait in waits if wait is not None]
    took = f"{np.median(stopped):.0f} in {len(stopped)} of {len(walks)}" if stopped else f"none of {len(walks)}"
    return f"{_abstained(before)} → {_abstained(after)}; after {took}; change {np.mean(shift):+.1f}; {_held(after)}"


def _standardised(look: Look) -> float:
    return (look.realised - (look.estimate.value or 0.0)) / (look.estimate.standard_error or 1.0)


def _abstained(looks: Sequence[Look]) -> str:
    return f"{np.mean([not look.trusted for look in looks]):.0%}".replace("%", " %") if looks else "–"


def _held(looks: Sequence[Look]) -> str:
    shown = [
        (look.estimate.low or 0.0) <= look.realised <= (look.estimate.high or 0.0) for look in looks if look.trusted
    ]
    return f"shown held {sum(shown)} of {len(shown)}"


def timed_line(data: Scored, situation: str, ends: Sequence[int], known: Sequence[int], *, first: int) -> list[str]:
    """A walk through real time."""
    looks = walk(data, ends, known, first=first)
    cells = []
    for metric in METRICS:
        mine = [look[metric] for look in looks if metric in look]
        error = np.mean([abs(_standardised(look)) for look in mine]) if mine else np.nan
        cells.append(f"abstained {_abstained(mine)}; {_held(mine)}; all off by {error:.1f}")
    return [situation, data.name, f"{len(looks)} windows", "Mend", *cells]


def timed_lines(said: Console, *, seed: int) -> Iterator[list[str]]:
    """Real time, as far as the data are there."""
    rows = 2000
    for path, read in ((SHARED / "acs_employment.parquet", census_in_time), (SHARED / f"{CARS}.parquet", cars_in_time)):
        if path.exists():
            data = read(path)
            ends = list(range(rows, len(data.y) + 1, rows))
            known = [max(0, end - LATE * rows) for end in ends]
            yield timed_line(data, "4 time", ends, known, first=WARM_UP)
        else:
            said.print(f"[bold red]MISSING: {path}. Going on without it.[/]")
    loans, day = loans_in_time(seed=seed)
    ends = [int(np.searchsorted(day, last)) for last in range(180, int(day.max()), 180)]
    known = [int(np.searchsorted(day, last - 1096, side="right")) for last in range(180, int(day.max()), 180)]
    yield timed_line(loans, "4 time", ends, known, first=0)


# --- the table ----------------------------------------------------------------------------------------------------


def lines(said: Console, *, seed: int, nannyml: bool) -> Iterator[list[str]]:
    """Every line of the table."""
    for data in pools_of_scores(said, seed=seed):
        drawn: list[tuple[str, Callable[[Scored], Numbers], int, int]] = [
            ("1 no change", no_shift, 2000, LOOKBACKS_OF_LABELS * 2000),
            ("1 no change", no_shift, 500, LOOKBACKS_OF_LABELS * 500),
            ("1 no change, few labels", no_shift, 2000, 2000),
            ("2 riskier applicants", riskier, 2000, LOOKBACKS_OF_LABELS * 2000),
            (f"2 more {data.feature_name}", other_feature, 2000, LOOKBACKS_OF_LABELS * 2000),
        ]
        for situation, shift, rows, labels in drawn:
            said.print(f"{situation}: {data.name}, windows of {rows}")
            with tempfile.TemporaryDirectory() as name:
                folder = Path(name) if nannyml else None
                yield from drawn_lines(data, situation, shift, rows=rows, labels=labels, folder=folder, seed=seed)
        for situation, change in (
            ("3 nothing changes", unchanged),
            ("3 odds doubled", doubled_odds),
            ("3 no order at the top", no_order_at_the_top),
        ):
            said.print(f"{situation}: {data.name}")
            yield changed_line(data, situation, change, rows=2000, seed=seed)
    said.print("4 time")
    yield from timed_lines(said, seed=seed)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--without-nannyml", action="store_true")
    asked = parser.parse_args()
    said, out = Console(stderr=True, highlight=False), Console(highlight=False, width=1000, markup=False)
    nannyml = not asked.without_nannyml and _there(said)
    out.print(f"| situation | data | size | estimator | {' | '.join(METRICS)} |")
    out.print("|---|---|---|---|---|---|---|---|")
    for line in lines(said, seed=asked.seed, nannyml=nannyml):
        out.print(f"| {' | '.join(line)} |")


def _there(said: Console) -> bool:
    try:
        said.print(f"NannyML: {nannyml_python()}")
    except RuntimeError as error:
        said.print(f"[bold red]{error}. Going on without it.[/]")
        return False
    return True


if __name__ == "__main__":
    main()
