"""Broken judgements by the thousand, each with what is broken and what must follow, and an oracle that knows no gate.

Seven kinds: `rows` (data at the door), `windows` (rows that get in, and say the wrong thing), `numbers` (evidence at and
beside every threshold), `clocks`, `records` (a dossier's file), `forgeries` (a verdict put beside other evidence) and
`policies` (thresholds that no rule could mean). A few good cases stand in every kind, so that a gate that never opens is
found as well as one that opens by accident.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise
from statistics import NormalDist
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from scipy import stats

from pipeline.artefacts import canonical_json
from pipeline.errors import MendError
from pipeline.gate.budget import spendable
from pipeline.gate.checks import all_checks
from pipeline.gate.dossier import Dossier
from pipeline.gate.evidence import evidence
from pipeline.gate.measured import METRICS, Evidence, ModelMetrics, Paired, SegmentEvidence, Trial
from pipeline.gate.provenance import Provenance
from pipeline.gate.rows import UNKNOWN, Applicants, JudgedRows
from pipeline.gate.values import GatePolicy, Interval, Outcome

REFUSED, CLOSED, OPEN, TOLD = "refused at the door", "not promotable", "promotable", "as the numbers say"

AS_OF = datetime(2006, 7, 1, tzinfo=UTC)
LONG_AGO = AS_OF - timedelta(days=900)
HORIZON = timedelta(days=30)
DAY = timedelta(days=1)
PRIMARIES = ("f1", "auc", "brier", "profit")
POLICIES = {metric: GatePolicy(primary=metric) for metric in PRIMARIES}
SMALL = {
    metric: GatePolicy(primary=metric, resamples=200, min_samples=30, min_positives=8, min_segment_samples=25)
    for metric in PRIMARIES
}

Rng = np.random.Generator
Columns = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Judged:
    """What came out, and on being asked what the plain numbers have against it."""

    promotable: bool
    objections: Callable[[], list[str]]


@dataclass(frozen=True, slots=True)
class Case:
    """One broken judgement."""

    broken: str
    follows: str
    judge: Callable[[], Judged]


MADE_WITH = Provenance(
    release="0.1.0", code_sha256="8" * 64, notebooks={"gate": "9" * 64}, libraries={"python": "3.11.7"}
)


class NotAValueError(MendError):
    """A value class, or the dossier, was made in Python from what it documents to refuse with a ValueError."""


def made(value: Callable[..., Any], *arguments: Any, **fields: Any) -> Any:
    """Make a value. Its own refusal is a refusal; whatever a gate raises later on is not."""
    try:
        return value(*arguments, **fields)
    except ValueError as refusal:
        raise NotAValueError(str(refusal)) from None


def outcome_of(case: Case) -> str:
    """Judge a case: REFUSED, CLOSED or OPEN. Anything but our own error is raised on; so is an accident."""
    try:
        judged = case.judge()
    except MendError as refusal:
        assert str(refusal), f"{case.broken}: refused without a word"
        return REFUSED
    if not judged.promotable:
        return CLOSED
    objections = judged.objections()
    assert not objections, f"{case.broken}: promoted by accident: {objections}"
    return OPEN


def holds(case: Case) -> bool:
    """Whether what follows is what must follow."""
    allowed = {REFUSED: {REFUSED}, CLOSED: {REFUSED, CLOSED}, OPEN: {OPEN}, TOLD: {REFUSED, CLOSED, OPEN}}
    return outcome_of(case) in allowed[case.follows]


# The oracle: nothing below calls the gates, and nothing of it is fast.


def objections_to_record(record: dict[str, Any]) -> list[str]:
    """What a dossier's own numbers have against promoting."""
    found, policy = record["evidence"], record["policy"]
    moment = {name: record[name] and datetime.fromisoformat(record[name]) for name in _TIMES}
    told = [
        *_too_little(found["rows"], found["positives"], found["mature_rows"], found["brier_shift"], policy),
        *_too_soon(moment["as_of"], moment["last_promotion_at"], policy),
    ]
    models = [found[name] for name in ("champion", "challenger", "original", "everyone_bad", "base_rate")]
    for model in models:
        f1 = 2 * model["caught_bad"] / max(model["called_bad"] + found["positives"], 1)
        told += [] if math.isclose(f1, model["f1"], abs_tol=1e-12) else ["F1 does not follow from the counts"]
    alpha = _accrued(moment["as_of"], moment["last_try_at"], policy)
    told += _no_gain(*(model[policy["primary"]] for model in models), policy=policy)
    trial = found["trial"]["interval"]
    told += [] if trial and trial["low"] > 0 and alpha > 0 else ["the gain may be luck"]
    told += [] if trial and math.isclose(1 - trial["level"], 2 * alpha, rel_tol=1e-6) else ["not at the error allowed"]
    rise, reach = models[1]["brier"] - models[0]["brier"], found["paired"][METRICS.index("brier")]["interval"]
    told += [] if rise <= policy["max_brier_rise"] else ["the Brier score rises"]
    told += [] if reach and reach["high"] <= policy["max_brier_rise"] else ["the Brier score may rise"]
    told += [] if reach and math.isclose(reach["level"], policy["interval_level"]) else ["Brier at another level"]
    big = [s for s in found["segments"] if s["rows"] >= policy["min_segment_samples"]]
    big = [s for s in big if min(s["positives"], s["rows"] - s["positives"]) >= 2]
    told += [] if big else ["no segment can be judged"]
    for segment in big:
        f1, both = segment["interval"], segment["loss_interval"]
        level = 1 - 2 * policy["segment_error"] / len(big)
        if not f1 or not both or not all(math.isclose(i["level"], level) for i in (f1, both)):
            told.append("a segment is not measured at the level it needs")
        elif segment["challenger_f1"] < segment["champion_f1"] and f1["high"] > policy["max_segment_f1_drop"]:
            told += ["a segment is harmed"] if both["low"] > 0 or f1["low"] > policy["max_segment_f1_drop"] else []
    return told


def objections_to_rows(columns: Columns, policy: GatePolicy, *, labelled: Any = None) -> list[str]:
    """What the raw rows have against promoting: every number again by another road, errors by leaving each row out.

    `columns` are those of all mature rows, `labelled` says which are judged (all of them when not given). Where the
    gate's interval is a bootstrap or corrected for skewness, only what no correct interval could say is objected to.
    """
    plain = policy.to_json()
    keep = np.ones(len(columns["y"]), dtype=bool) if labelled is None else labelled
    y = np.asarray(columns["y"])[keep].astype(float)
    champion, challenger = (np.asarray(columns[f"{name}_score"])[keep] for name in ("champion", "challenger"))
    amount = np.asarray(columns.get("amount", np.ones(len(keep))))[keep]
    mature, shift = max(len(keep), columns.get("mature_rows", 0)), None
    if keep.all() and mature == len(keep):
        shift = 0.0
    elif columns.get("mature_rows") is None:
        shift = _weighted_shift(columns, keep)
    told = _too_little(len(y), int(y.sum()), mature, shift, plain)
    if told:
        return told
    cuts = [columns["champion_threshold"], columns["challenger_threshold"]]
    original = columns.get("original_score"), columns.get("original_threshold")
    first = (champion, cuts[0]) if original[0] is None else (np.asarray(original[0])[keep], original[1])
    models = [
        (champion, cuts[0]),
        (challenger, cuts[1]),
        first,
        (np.ones(len(y)), 1.0),
        (np.full(len(y), y.mean()), 1.0),
    ]
    told += _no_gain(*(_level(policy, y, *model, amount) for model in models), policy=plain)
    sign = -1 if policy.primary == "brier" else 1
    gained = [
        sign * (_level(policy, *part) - _level(policy, *other)) for part, other in _leaving_out(y, models, amount)
    ]
    whole = sign * (_level(policy, y, *models[1], amount) - _level(policy, y, *models[0], amount))
    z = NormalDist().inv_cdf(1 - spendable(policy=policy, as_of=AS_OF, last_try_at=None))
    told += [] if whole - z * _jackknife_error(gained) > 0 else ["the gain may be luck"]
    rises = (challenger - y) ** 2 - (champion - y) ** 2
    reach = rises.mean() + 0.5 * NormalDist().inv_cdf((1 + policy.interval_level) / 2) * rises.std() / len(y) ** 0.5
    told += [] if reach <= policy.max_brier_rise else ["the Brier score may rise"]
    segments = columns.get("segments") or {"all rows": np.full(len(keep), "")}
    places = [np.asarray(values)[keep] == value for values in segments.values() for value in np.unique(values)]
    big = [at for at in places if at.sum() >= policy.min_segment_samples and 2 <= y[at].sum() <= at.sum() - 2]
    told += [] if big else ["no segment can be judged"]
    for at in big:
        told += _clearly_harmed(y[at], champion[at], challenger[at], cuts, policy, len(big))
    return told


_TIMES = ("as_of", "last_promotion_at", "last_try_at")
_seconds = TypeAdapter(timedelta).validate_python


def _too_little(rows: int, positives: int, mature: int, shift: float | None, policy: Columns) -> list[str]:
    told = [] if rows >= policy["min_samples"] else ["too few rows"]
    told += [] if positives >= policy["min_positives"] else ["too few bad outcomes"]
    told += [] if rows - positives >= 2 else ["too few good outcomes"]
    told += [] if mature and rows / mature >= policy["min_coverage"] else ["too few labels"]
    even = rows == mature or (shift is not None and shift <= policy["max_brier_shift"])
    return told + ([] if even else ["labels are missing unevenly"])


def _too_soon(as_of: datetime, last_promotion: datetime | None, policy: Columns) -> list[str]:
    if last_promotion is None:
        return ["no promotion on record"]
    return [] if as_of - last_promotion >= _seconds(policy["cooldown"]) else ["the cooldown is not over"]


def _accrued(as_of: datetime, last_try: datetime | None, policy: Columns) -> float:
    most = _seconds(policy["budget_carry"]).total_seconds()
    waited = most if last_try is None else max(0.0, min((as_of - last_try).total_seconds(), most))
    return policy["yearly_false_promotions"] * waited / (365 * 86_400 + most)


def _no_gain(champion: Any, challenger: Any, original: Any, *baselines: Any, policy: Columns) -> list[str]:
    """In the primary metric: enough of a gain, no baseline as good, the first champion no better."""
    metric = policy["primary"]
    if champion is None or challenger is None or original is None:
        return ["the primary metric is not measured"]
    sign = -1 if metric == "brier" else 1
    gained = sign * (challenger - champion)
    if metric in ("f1", "brier") and champion:
        enough = gained / champion >= policy[f"min_{metric}_gain"] - 1e-12
    else:
        enough = metric == "f1" or gained >= policy[f"min_{metric}_gain"] - 1e-12
    told = [] if gained > 0 and enough else ["too small a gain"]
    told += (
        ["no better than a baseline"] if any(b is not None and sign * (challenger - b) <= 0 for b in baselines) else []
    )
    return told + ([] if sign * (challenger - original) >= 0 else ["the first champion is better"])


def _level(policy: GatePolicy, y: Any, score: Any, cut: float, amount: Any) -> float:
    """One model's primary metric, written out."""
    called = score >= cut
    if policy.primary == "f1":
        return float(2 * (called * y).sum() / max(called.sum() + y.sum(), 1))
    if policy.primary == "brier":
        return float(((score - y) ** 2).mean())
    if policy.primary == "profit":
        worth = np.where(y == 1, -policy.cost_of_bad, policy.gain_of_good) * amount
        return float(np.where(called, 0.0, worth).mean())
    bad, good = score[y == 1][:, None], score[y == 0][None, :]
    return float(((bad > good) + 0.5 * (bad == good)).mean())


def _leaving_out(y: Any, models: list[Any], amount: Any) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Challenger's and champion's arguments of `_level` without each row in turn."""
    (ours, our_cut), (theirs, their_cut) = models[:2]
    for i in range(len(y)):
        rest = np.arange(len(y)) != i
        yield (y[rest], theirs[rest], their_cut, amount[rest]), (y[rest], ours[rest], our_cut, amount[rest])


def _jackknife_error(values: list[float]) -> float:
    """Quenouille (1956), Tukey (1958)."""
    return float(np.std(values) * (len(values) - 1) ** 0.5)


def _weighted_shift(columns: Columns, keep: Any) -> float | None:
    """By how much the Brier scores move when each fifth by the champion's score weighs as it does in the whole."""
    score = np.asarray(columns["champion_score"])
    ordered = sorted(score.tolist())
    edges = sorted({ordered[k * len(ordered) // 5] for k in range(1, 5)} - {ordered[0]})
    band = np.array([sum(value >= edge for edge in edges) for value in score.tolist()])
    moves = []
    for name in ("champion", "challenger"):
        error = (np.asarray(columns[f"{name}_score"]) - np.asarray(columns["y"])) ** 2
        per_band = []
        for b in set(band.tolist()):
            if not (keep & (band == b)).any():
                return None
            per_band.append((band == b).mean() * error[keep & (band == b)].mean())
        moves.append(abs(sum(per_band) - error[keep].mean()))
    return max(moves) - 1e-12


def _clearly_harmed(y: Any, ours: Any, theirs: Any, cuts: list[float], policy: GatePolicy, judged: int) -> list[str]:
    """A loss of F1 in a segment, over the limit and three times as far from 0 as luck could reach."""
    by_f1 = dataclasses.replace(policy, primary="f1")
    ones = np.ones(len(y))
    before, now = _level(by_f1, y, ours, cuts[0], ones), _level(by_f1, y, theirs, cuts[1], ones)
    if before == 0 or 1 - now / before <= policy.max_segment_f1_drop:
        return []
    allowed = policy.max_segment_f1_drop * before
    models = [(ours, cuts[0]), (theirs, cuts[1])]
    lost = [_level(by_f1, *other) - _level(by_f1, *part) for part, other in _leaving_out(y, models, ones)]
    rarer = min(int(y.sum()), len(y) - int(y.sum()))
    reach = 3 * stats.t.isf(policy.segment_error / judged, rarer - 1) * _jackknife_error(lost)
    return ["a segment is harmed"] if before - now - reach > allowed else []


# Making a dossier the way the product does


def dossier_of(found: Evidence, policy: GatePolicy, **changes: Any) -> Dossier:
    """Evidence judged and bound into a dossier; `changes` replace its other fields, the checks following them."""
    context = {"as_of": AS_OF, "last_promotion_at": LONG_AGO, "last_try_at": None}
    context |= {name: changes.pop(name) for name in tuple(context) if name in changes}
    start = min(AS_OF, context["as_of"]) if context["as_of"].tzinfo else AS_OF
    fields = {
        "model_name": "test",
        "challenger": "2",
        "champion": "1",
        "original": "1",
        "expires_at": AS_OF + 14 * DAY,
        "window_start": start,
        "window_end": start,
        "row_ids_sha256": "1" * 64,
        "data_sha256": "2" * 64,
        "applicants_sha256": None,
        "champion_model_sha256": "a" * 64,
        "challenger_model_sha256": "b" * 64,
        "original_model_sha256": "a" * 64,
        "reference_sha256": "c" * 64,
        "signal_key": "s",
        "made_with": MADE_WITH,
    }
    checks = all_checks(found, policy=policy, **context)
    return made(Dossier, policy=policy, evidence=found, **fields | {"checks": checks} | context | changes)


def judged_dossier(dossier: Dossier) -> Judged:
    """Held against its own numbers."""
    return Judged(dossier.promotable, lambda: objections_to_record(dossier.to_json()))


def budget(policy: GatePolicy, last_try: datetime | None = None) -> float:
    """What a try at AS_OF may take."""
    return spendable(policy=policy, as_of=AS_OF, last_try_at=last_try)


# rows: data at the door

_MOST = 60


def some_columns(rng: Rng, n: int) -> Columns:
    """Columns that JudgedRows takes."""
    return {
        "ids": [f"row-{i:03d}" for i in range(n)],
        "y": (rng.random(n) < 0.3).astype(float),
        "champion_score": rng.random(n),
        "challenger_score": rng.random(n),
        "original_score": rng.random(n),
        "champion_threshold": 0.5,
        "challenger_threshold": 0.4,
        "original_threshold": 0.5,
        "amount": rng.random(n) * 1000,
        "segments": {"state": ["CA" if i % 2 else "NY" for i in range(n)]},
    }


def _put(name: str, value: Any) -> Callable[[Columns, int], None]:
    """One value of a column, at a place that the dice choose."""

    def broken(columns: Columns, place: int) -> None:
        values = list(columns[name])
        values[place] = value
        columns[name] = np.array(values, dtype=object) if isinstance(value, (str, type(None))) else np.array(values)

    return broken


def _set(**changes: Any) -> Callable[[Columns, int], None]:
    return lambda columns, place: columns.update(changes)


def _short(name: str) -> Callable[[Columns, int], None]:
    return lambda columns, place: columns.update({name: columns[name][:-1]})


def _twice(columns: Columns, place: int) -> None:
    columns["ids"][place] = columns["ids"][place - 1]


def _segment(values: Callable[[list[str], int], Any]) -> Callable[[Columns, int], None]:
    return lambda columns, place: columns.update(segments={"state": values(columns["segments"]["state"], place)})


_SCORES = ("champion_score", "challenger_score", "original_score")
_CUTS = ("champion_threshold", "challenger_threshold", "original_threshold")
_NO_NUMBER = {"NaN": math.nan, "inf": math.inf, "-inf": -math.inf, "text": "high", "nothing": None}

BROKEN_COLUMNS: dict[str, Callable[[Columns, int], None]] = {
    **{
        f"{name}: {what}": _put(name, value) for name in (*_SCORES, "y", "amount") for what, value in _NO_NUMBER.items()
    },
    **{f"{name}: {what}": _set(**{name: value}) for name in _CUTS for what, value in _NO_NUMBER.items()},
    **{f"{name}: {value}": _put(name, value) for name in _SCORES for value in (-0.01, 1.01, -1e-300, 1e300)},
    **{f"{name}: {value}": _set(**{name: value}) for name in _CUTS for value in (-0.01, 1.01, -1e300, 1e300)},
    **{f"{name}: empty": _set(**{name: []}) for name in (*_SCORES, "y", "amount")},
    **{f"{name}: one short": _short(name) for name in (*_SCORES, "y", "amount", "ids")},
    **{f"{name}: two dimensions": _set(**{name: [[0.5, 0.5]]}) for name in (*_SCORES, "y", "amount")},
    **{f"y: {value}": _put("y", value) for value in (2.0, -2.0, 0.5, 1e-9, 255.0)},
    "amount: negative": _put("amount", -0.01),
    "ids: the same twice": _twice,
    "ids: a missing one": _put("ids", None),
    "ids: numbers": lambda columns, place: columns.update(ids=np.arange(len(columns["ids"]))),
    "ids: none at all": _set(ids=None),
    "ids: one string": _set(ids="row"),
    "ids: two dimensions": _set(ids=[["a"], ["b"]]),
    "segments: one short": _segment(lambda values, place: values[:-1]),
    "segments: a missing value": _segment(lambda values, place: np.array([None, *values[1:]], dtype=object)),
    "segments: NaN": _segment(lambda values, place: np.array([math.nan, *values[1:]], dtype=object)),
    "segments: numbers": _segment(lambda values, place: np.arange(len(values))),
    "segments: empty": _segment(lambda values, place: []),
    "original: scores without a threshold": _set(original_threshold=None),
    "original: a threshold without scores": _set(original_score=None),
}
BROKEN_ROWS: dict[str, Callable[[Columns, int], None]] = {
    "coverage over 100 %": lambda columns, place: columns.update(mature_rows=len(columns["ids"]) - 1 - place),
    "y: a label that is not known": _put("y", -1.0),
    **{f"mature_rows: {value!r}": _set(mature_rows=value) for value in (-1, math.nan, 1e9, "60", None, math.inf)},
}
_NAT = np.datetime64("NaT", "us")
BROKEN_APPLICANTS: dict[str, Callable[[Columns, int], None]] = {
    "event_time: not known": _put("event_time", _NAT),
    "event_time: a second after as_of": _put("event_time", np.datetime64("2006-07-01T00:00:01", "us")),
    "event_time: in the year 9999": _put("event_time", np.datetime64("9999-12-31", "us")),
    "event_time: strings": lambda columns, place: columns.update(event_time=["2005-01-01"] * len(columns["ids"])),
    "event_time: numbers": lambda columns, place: columns.update(event_time=np.arange(len(columns["ids"]))),
    "event_time: one short": _short("event_time"),
    "as_of: no timezone": _set(as_of=AS_OF.replace(tzinfo=None)),
    "as_of: before all rows": _set(as_of=datetime(1900, 1, 1, tzinfo=UTC)),
    "as_of: in the year 1": _set(as_of=datetime(1, 1, 1, tzinfo=UTC)),
    "horizon: negative": _set(horizon=-DAY),
    "horizon: longer than time": _set(horizon=timedelta.max),
}


def as_applicants(columns: Columns, *, as_of: datetime = AS_OF) -> Columns:
    """Columns of JudgedRows as those of Applicants, all mature."""
    times = np.datetime64("2006-01-01", "us") + np.arange(len(columns["y"])) * np.timedelta64(1, "h")
    kept = {name: value for name, value in columns.items() if name != "mature_rows"}
    return {"event_time": times, "as_of": as_of, "horizon": HORIZON, **kept}


def broken_rows(rng: Rng, count: int) -> Iterator[Case]:
    """Every way in which data can be refused at the door, and now and then data that must be let in."""
    doors = [(name, break_, JudgedRows) for name, break_ in (BROKEN_COLUMNS | BROKEN_ROWS).items()]
    doors += [
        (f"applicants, {name}", break_, Applicants) for name, break_ in (BROKEN_COLUMNS | BROKEN_APPLICANTS).items()
    ]
    doors += [("nothing, rows", lambda columns, place: None, JudgedRows)]
    doors += [("nothing, applicants", lambda columns, place: None, Applicants)]
    sizes, dice = rng.integers(3, _MOST, count), rng.random(count)
    for i in range(count):
        name, break_, door = doors[i % len(doors)]
        columns = some_columns(rng, int(sizes[i]))
        columns = columns | {"mature_rows": int(sizes[i])} if door is JudgedRows else as_applicants(columns)
        break_(columns, int(dice[i] * sizes[i]))
        yield Case(name, CLOSED if name.startswith("nothing") else REFUSED, lambda d=door, c=columns: _let_in(d(**c)))


def _let_in(rows: JudgedRows | Applicants) -> Judged:
    assert len(rows.ids) >= 3
    return Judged(False, list)


# windows: rows that get in, and say the wrong thing


def a_window(rng: Rng, n: int = 72, *, share: float = 1 / 3) -> Columns:
    """A champion that guesses, and a challenger that knows: promotable by any primary metric."""
    y = np.zeros(n)
    y[rng.permutation(n)[: round(n * share)]] = 1
    guess = rng.permutation((np.arange(n) + 0.5) / n)
    return {
        "ids": [f"row-{i:03d}" for i in range(n)],
        "y": y,
        "champion_score": 0.1 + 0.8 * guess,
        "challenger_score": np.where(y == 1, 0.85, 0.1) + 0.1 * rng.random(n),
        "champion_threshold": 0.5,
        "challenger_threshold": 0.5,
        "amount": np.full(n, 2.0),
    }


def _flipped(columns: Columns, rng: Rng) -> None:
    columns["y"] = 1 - columns["y"]


def _swapped(columns: Columns, rng: Rng) -> None:
    for name in ("score", "threshold"):
        a, b = f"champion_{name}", f"challenger_{name}"
        columns[a], columns[b] = columns[b], columns[a]


def _dead(columns: Columns, rng: Rng) -> None:
    columns.update(champion_threshold=1.0)


def _both_dead(columns: Columns, rng: Rng) -> None:
    columns.update(champion_threshold=1.0, challenger_threshold=1.0)
    columns["challenger_score"] = columns["champion_score"]


def _few(n: int, share: float) -> Callable[[Columns, Rng], None]:
    return lambda columns, rng: columns.update(a_window(rng, n, share=share))


def _one_class(value: float) -> Callable[[Columns, Rng], None]:
    return lambda columns, rng: columns.update(y=np.full(len(columns["y"]), value))


def _same(columns: Columns, rng: Rng) -> None:
    columns.update(challenger_score=columns["champion_score"])


def _flat(columns: Columns, rng: Rng) -> None:
    columns.update(champion_score=np.full(len(columns["y"]), 0.5), challenger_score=np.full(len(columns["y"]), 0.5))


def _ruined(columns: Columns, rng: Rng) -> None:
    """Right decisions from probabilities that mean nothing, against wrong decisions from good probabilities."""
    columns["champion_score"] = columns["challenger_score"]
    columns.update(champion_threshold=0.99, challenger_score=np.where(columns["y"] == 1, 0.51, 0.49))


def _everyone(columns: Columns, rng: Rng) -> None:
    columns.update(champion_threshold=1.0, challenger_threshold=0.0)


def _first_better(columns: Columns, rng: Rng) -> None:
    columns.update(original_score=columns["challenger_score"], original_threshold=0.5)
    wrong = rng.permutation(len(columns["y"]))[:6]
    worse = columns["challenger_score"].copy()
    worse[wrong] = 1 - worse[wrong]
    columns.update(challenger_score=worse)


def _harmed(columns: Columns, rng: Rng) -> None:
    """Good where few are, upside down where the champion knew."""
    there = np.arange(len(columns["y"])) % 5 < 2
    knows = columns["challenger_score"]
    columns["champion_score"] = np.where(there, knows, columns["champion_score"])
    columns["challenger_score"] = np.where(there, 1 - knows, knows)
    columns["segments"] = {"state": np.where(there, "CA", "NY")}


def _small_segments(columns: Columns, rng: Rng) -> None:
    columns["segments"] = {"state": np.array([f"{i % 4}" for i in range(len(columns["y"]))])}


def _one_segment_small(columns: Columns, rng: Rng) -> None:
    columns["segments"] = {"state": np.where(np.arange(len(columns["y"])) < 10, "CA", "NY")}


def _noise(columns: Columns, rng: Rng) -> None:
    y, n = columns["y"], len(columns["y"])
    for name in ("champion", "challenger"):
        columns[f"{name}_score"] = np.clip(rng.random() * (y - 0.5) + rng.random(n), 0, 1)
        columns[f"{name}_threshold"] = float(rng.choice([0.2, 0.5, 0.8]))


def _worthless(columns: Columns, rng: Rng) -> None:
    columns.update(amount=np.zeros(len(columns["y"])))


def _keep(columns: Columns, rng: Rng) -> None:
    """As it is."""


BROKEN_WINDOWS: dict[str, tuple[Callable[[Columns, Rng], None], str, tuple[str, ...]]] = {
    "nothing": (_keep, OPEN, PRIMARIES),
    "a dead champion, and a challenger that knows": (_dead, OPEN, PRIMARIES),
    "a segment too small beside one that is not": (_one_segment_small, OPEN, PRIMARIES),
    "two dead models": (_both_dead, CLOSED, PRIMARIES),
    "no rows": (_few(0, 0.3), CLOSED, PRIMARIES),
    "one row": (_few(1, 1.0), CLOSED, PRIMARIES),
    "too few rows": (_few(29, 0.4), CLOSED, PRIMARIES),
    "too few bad outcomes": (_few(72, 0.09), CLOSED, PRIMARIES),
    "one good outcome": (_few(72, 71 / 72), CLOSED, PRIMARIES),
    "only good outcomes": (_one_class(0.0), CLOSED, PRIMARIES),
    "only bad outcomes": (_one_class(1.0), CLOSED, PRIMARIES),
    "labels flipped": (_flipped, CLOSED, PRIMARIES),
    "models swapped": (_swapped, CLOSED, PRIMARIES),
    "the same model twice": (_same, CLOSED, PRIMARIES),
    "one score for all": (_flat, CLOSED, PRIMARIES),
    "probabilities ruined": (_ruined, CLOSED, ("f1", "profit", "auc")),
    "everyone called bad": (_everyone, CLOSED, ("f1", "profit")),
    "worse than the first champion": (_first_better, CLOSED, PRIMARIES),
    "a segment harmed": (_harmed, CLOSED, PRIMARIES),
    "every segment too small": (_small_segments, CLOSED, PRIMARIES),
    "money of no worth": (_worthless, CLOSED, ("profit",)),
    "noise": (_noise, TOLD, PRIMARIES),
}
# Labels missing: which of the mature rows have one, what follows, and whether the applicants are known.
MISSING_LABELS: dict[str, tuple[Callable[[Columns, Rng], Any], str, bool]] = {
    "a label missing, and nobody knows whose": (
        lambda c, rng: c["champion_score"] < c["champion_score"].max(),
        CLOSED,
        False,
    ),
    "too few labels": (lambda c, rng: np.arange(len(c["y"])) % 4 == 0, CLOSED, True),
    "a score band without a label": (lambda c, rng: c["champion_score"] < 0.7, CLOSED, True),
    "labels missing for the bad": (lambda c, rng: (c["y"] == 0) | (rng.random(len(c["y"])) < 0.6), TOLD, True),
    "labels missing by luck": (lambda c, rng: rng.random(len(c["y"])) < 0.9, TOLD, True),
    "nothing missing": (lambda c, rng: np.ones(len(c["y"]), dtype=bool), OPEN, True),
}


def broken_windows(rng: Rng, count: int) -> Iterator[Case]:
    """Windows measured in full, by every primary metric in turn."""
    forms = [(name, *form) for name, form in BROKEN_WINDOWS.items()]
    forms += [(name, *form) for name, form in MISSING_LABELS.items()]
    first = int(rng.integers(4))
    for i in range(count):
        name, form, follows, more = forms[i % len(forms)]
        turn = first + i // len(forms)
        columns = a_window(rng, int(rng.integers(66, 80)) if name in MISSING_LABELS else 72)
        if name in MISSING_LABELS:
            policy = SMALL[PRIMARIES[turn % 4]]
            yield Case(name, follows, _with_labels(columns, form(columns, rng), policy, known=more))
        else:
            policy = SMALL[more[turn % len(more)]]
            form(columns, rng)
            yield Case(name, follows, lambda c=columns, p=policy: judged_window(c, p))


def judged_window(columns: Columns, policy: GatePolicy) -> Judged:
    """Measured and judged; objections come from the raw rows and from the dossier's own numbers."""
    rows = JudgedRows(**{"mature_rows": len(columns["ids"]), **columns})
    dossier = dossier_of(evidence(rows, policy=policy, alpha=budget(policy)), policy)
    return Judged(
        dossier.promotable,
        lambda: [*objections_to_rows(columns, policy), *objections_to_record(dossier.to_json())],
    )


def _with_labels(columns: Columns, labelled: Any, policy: GatePolicy, *, known: bool) -> Callable[[], Judged]:
    def judge() -> Judged:
        everybody = Applicants(**as_applicants(columns | {"y": np.where(labelled, columns["y"], UNKNOWN)}))
        measured = evidence(
            everybody.judged(), policy=policy, alpha=budget(policy), applicants=everybody if known else None
        )
        dossier = dossier_of(measured, policy)
        return Judged(
            dossier.promotable,
            lambda: [*objections_to_rows(columns, policy, labelled=labelled), *objections_to_record(dossier.to_json())],
        )

    return judge


# numbers: evidence at and beside every threshold


def good_numbers(policy: GatePolicy, rng: Rng) -> Columns:
    """Counts and levels from which `evidence_of` makes evidence that passes every gate."""
    rows = int(rng.integers(300, 500))
    positives = rows // 4
    return {
        "rows": rows,
        "positives": positives,
        "mature": rows,
        "shift": None,
        "champion": (rows * 3 // 10, rows // 8),  # called bad, caught
        "challenger": (rows * 3 // 10, rows // 5),
        "original": None,  # as the champion
        "brier": (0.15, 0.14),
        "auc": (0.7, 0.8),
        "profit": (-0.05, 0.03),
        "original_level": None,  # of the primary metric, where it is not F1
        "baseline": None,  # likewise, of the base rate
        "metric": policy.primary,
        "alpha": budget(policy),
        "level": None,  # of the trial's interval; follows from alpha
        "reach": float(rng.uniform(0.3, 0.95)),  # of the trial's interval below the gain, as a share of it
        "trial": True,
        "error": True,
        "original_interval": True,
        "brier_reach": 0.005,
        "brier_level": policy.interval_level,
        "segments": [
            (rows, positives, -0.3, -0.1, -0.2, -0.05)
        ],  # rows, bad, ends of the drop, of both losses together
        "segment_level": None,
        "segment_f1": None,
    }


def evidence_of(told: Columns, policy: GatePolicy) -> Evidence:
    """Evidence written by hand. Whatever is inconsistent in it is refused where it is made."""
    rows, positives, share = told["rows"], told["positives"], told["positives"] / max(told["rows"], 1)
    places = {name: i for i, name in enumerate(("champion", "challenger"))}
    levels = {metric: told[metric] for metric in ("brier", "auc", "profit")}
    primary = told["metric"]

    def model(name: str, counts: tuple[int, int], **level: float | None) -> ModelMetrics:
        called, caught = counts
        fixed = dict.fromkeys(METRICS) | {m: pair[places.get(name, 0)] for m, pair in levels.items()} | level
        f1 = 2 * caught / (called + positives) if called + positives else 0.0
        return ModelMetrics(threshold=0.5, called_bad=called, caught_bad=caught, **fixed | {"f1": f1})

    champion, challenger = (model(name, told[name]) for name in places)
    first_level = {} if told["original_level"] is None else {primary: told["original_level"]}
    first = model("original", told["original"] or told["champion"], **first_level)
    baseline = {} if told["baseline"] is None else {primary: told["baseline"]}
    ignorant = {"brier": share * (1 - share), "auc": 0.5, "profit": 0.05 * (1 - share) - 0.45 * share}
    sign = -1 if primary == "brier" else 1

    def gain(before: ModelMetrics) -> float | None:
        ours, theirs = getattr(before, primary), getattr(challenger, primary)
        return None if ours is None or theirs is None else sign * (theirs - ours) + 0.0

    def pair(metric: str) -> Paired:
        ours, theirs = getattr(champion, metric), getattr(challenger, metric)
        change = None if ours is None or theirs is None else theirs - ours
        reach = told["brier_reach"] if metric == "brier" else None
        around = (
            None
            if reach is None or change is None
            else Interval(change - abs(reach), change + reach, told["brier_level"])
        )
        return Paired(metric=metric, champion=ours, challenger=theirs, difference=change, interval=around)

    gained, over_first = gain(champion), gain(first)
    error = None if gained is None or not told["error"] else abs(gained) * told["reach"] / 2.5
    level = told["level"] or 1 - 2 * told["alpha"]
    low = None if gained is None else gained - abs(gained) * told["reach"]
    judged = max(sum(s[0] >= policy.min_segment_samples and 2 <= s[1] <= s[0] - 2 for s in told["segments"]), 1)
    at = told["segment_level"] or 1 - 2 * policy.segment_error / judged
    before, after = told["segment_f1"] or (champion.f1, challenger.f1)
    return Evidence(
        rows=rows,
        positives=positives,
        mature_rows=told["mature"],
        coverage=rows / told["mature"] if told["mature"] else None,
        coverage_interval=None,
        brier_shift=told["shift"],
        labels_per_day=1.0,
        champion=champion,
        challenger=challenger,
        original=first,
        everyone_bad=model("everyone_bad", (rows, positives), brier=1 - share, auc=0.5, profit=0.0),
        base_rate=model("base_rate", (0, 0), **ignorant | baseline),
        paired=tuple(pair(metric) for metric in METRICS),
        trial=Trial(
            metric=primary,
            alpha=told["alpha"],
            gain=gained,
            error=error,
            interval=Interval(low, gained + 1.0, level)
            if told["trial"] and low is not None and told["alpha"]
            else None,
            original_gain=over_first,
            original_interval=Interval(-1.0, 1.0, 0.9)
            if told["original_interval"] and over_first is not None
            else None,
        ),
        segments=tuple(
            SegmentEvidence(
                segment="state",
                value=f"{i}",
                rows=size,
                positives=bad,
                champion_f1=before,
                challenger_f1=after,
                drop=1 - after / before if before else 0.0,
                interval=None if at == 1 else Interval(low_f1, high_f1, at),
                log_loss_rise=0.0,
                loss=0.0,
                loss_interval=None if at == 1 else Interval(low_loss, high_loss, at),
                detectable_drop=None,
            )
            for i, (size, bad, low_f1, high_f1, low_loss, high_loss) in enumerate(told["segments"])
        ),
    )


def _whole(told: Columns, *ends: float) -> dict[str, Any]:
    return {"segments": [(told["rows"], told["positives"], *ends)]}


def _scaled(told: Columns, policy: GatePolicy, gain: float) -> dict[str, Any]:
    """Levels of the primary metric that are so much of a gain, in the unit of the policy's threshold."""
    metric = policy.primary
    if metric == "f1":  # in counts: caught of a champion's that makes the gain come out right, or just below
        called, caught = told["champion"]
        return {"challenger": (called, math.ceil(caught * (1 + gain)) - 1 if gain > 0 else caught + min(int(gain), 0))}
    before = told[metric][0]
    after = {"brier": before * (1 - gain), "auc": before + gain, "profit": before + gain}[metric]
    return {metric: (before, after)}


_LEAST = {"f1": 0.02, "auc": 0.005, "brier": 0.005, "profit": 0.0}

BROKEN_NUMBERS: dict[str, tuple[Callable[[Columns, GatePolicy], dict[str, Any]], str]] = {
    "nothing": (lambda t, p: {}, OPEN),
    "a champion that catches nothing": (lambda t, p: {"champion": (0, 0)} if p.primary == "f1" else {}, OPEN),
    "a champion that catches nothing, and a gain under 2 %": (lambda t, p: _rare() if p.primary == "f1" else {}, OPEN),
    "shift exactly as allowed": (lambda t, p: {"mature": t["rows"] + 9, "shift": p.max_brier_shift}, OPEN),
    "a small segment that says nothing": (
        lambda t, p: {"segments": [*t["segments"], (150, 40, 0.3, 0.9, 0.2, 0.5)]},
        OPEN,
    ),
    "rows one short": (lambda t, p: {"rows": 199, "positives": 60, "mature": 199, **_counts(199, 60)}, CLOSED),
    "bad outcomes one short": (lambda t, p: {"positives": 49, **_counts(t["rows"], 49)}, CLOSED),
    "good outcomes one short": (lambda t, p: {"positives": t["rows"] - 1, **_counts(t["rows"], t["rows"] - 1)}, CLOSED),
    "coverage over 100 %": (lambda t, p: {"mature": t["rows"] - 1}, REFUSED),
    "coverage just short": (lambda t, p: {"mature": int(t["rows"] / 0.3) + 1, "shift": 0.0}, CLOSED),
    "shift not known": (lambda t, p: {"mature": t["rows"] + 1}, CLOSED),
    "shift over what is allowed": (lambda t, p: {"mature": t["rows"] + 1, "shift": 0.0020001}, CLOSED),
    "gain just short": (lambda t, p: _scaled(t, p, _LEAST[p.primary] - 1e-9), CLOSED),
    "no gain": (lambda t, p: _scaled(t, p, 0.0), CLOSED),
    "a loss": (lambda t, p: _scaled(t, p, -0.1) | ({"challenger": t["champion"]} if p.primary == "f1" else {}), CLOSED),
    "lower limit at 0": (lambda t, p: {"reach": 1.0}, CLOSED),
    "lower limit below 0": (lambda t, p: {"reach": 1.5}, CLOSED),
    "no interval": (lambda t, p: {"trial": False}, CLOSED),
    "no error": (lambda t, p: {"error": False}, REFUSED),
    "interval at another level": (lambda t, p: {"level": 0.9}, REFUSED),
    "tried at a larger error": (lambda t, p: {"alpha": 0.05}, CLOSED),
    "tried at a smaller error": (lambda t, p: {"alpha": 0.0001}, CLOSED),
    "nothing to spend": (lambda t, p: {"alpha": 0.0}, CLOSED),
    "tried in another metric": (lambda t, p: {"metric": "auc" if p.primary != "auc" else "brier"}, CLOSED),
    "the first champion better": (lambda t, p: _first(t, p), CLOSED),
    "the first champion not measured": (lambda t, p: {"original_interval": False}, CLOSED),
    "a baseline as good": (lambda t, p: _baseline(t, p), CLOSED),
    "Brier score up": (lambda t, p: {"brier": (0.05, 0.0600001), "brier_reach": 0.0}, CLOSED),
    "Brier score perhaps up": (lambda t, p: {"brier_reach": 0.0200001}, CLOSED),
    "Brier score not measured": (lambda t, p: {"brier_reach": None}, CLOSED),
    "Brier score at another level": (lambda t, p: {"brier_level": 0.5}, CLOSED),
    "no segments": (lambda t, p: {"segments": []}, CLOSED),
    "segments one row short": (lambda t, p: {"segments": [(199, 60, -0.3, -0.1, -0.2, -0.05)]}, CLOSED),
    "a segment of one outcome": (lambda t, p: {"segments": [(250, 1, -0.3, -0.1, -0.2, -0.05)]}, CLOSED),
    "a segment larger than the whole": (
        lambda t, p: {"segments": [(t["rows"] + 1, 50, -1.0, 0.0, -1.0, 0.0)]},
        REFUSED,
    ),
    "a segment harmed, by F1": (
        lambda t, p: {**_whole(t, 0.0501, 0.06, -1.0, 0.0), "segment_f1": (0.5, 0.49)},
        CLOSED,
    ),
    "a segment harmed, by F1 and log loss together": (
        lambda t, p: {**_whole(t, -0.1, 0.0501, 0.001, 0.1), "segment_f1": (0.5, 0.49)},
        CLOSED,
    ),
    "segments at another level": (lambda t, p: {"segment_level": 0.5}, CLOSED),
    "segments not measured": (lambda t, p: {"segment_level": 1}, CLOSED),
    "an interval upside down": (lambda t, p: _whole(t, 0.1, -0.1, -1.0, 0.0), REFUSED),
    "more caught than called": (lambda t, p: {"challenger": (10, 11)}, REFUSED),
    "more caught than there are": (lambda t, p: {"challenger": (t["rows"], t["positives"] + 1)}, REFUSED),
    "NaN": (lambda t, p: {"auc": (0.7, math.nan)}, REFUSED),
    "inf": (lambda t, p: {"profit": (0.7, math.inf)}, REFUSED),
    "a share over 1": (lambda t, p: {"brier": (0.1, 1.01)}, REFUSED),
    "a negative count": (lambda t, p: {"champion": (-1, -1)}, REFUSED),
    "text for a number": (lambda t, p: {"shift": "0.001"}, REFUSED),
    "a fraction of a row": (lambda t, p: {"mature": t["rows"] + 0.5}, REFUSED),
}


def _counts(rows: int, positives: int) -> dict[str, Any]:
    """Models and one segment in proportion."""
    counts = {"champion": (positives, positives // 2), "challenger": (positives, positives - 5)}
    return counts | {"segments": [(rows, positives, -0.3, -0.1, -0.2, -0.05)]}


def _rare() -> dict[str, Any]:
    """60 bad outcomes of 10,000: there an F1 of 0.0122 beats calling everyone bad."""
    counts = {"rows": 10_000, "positives": 60, "mature": 10_000, "champion": (0, 0), "challenger": (6000, 37)}
    return counts | {"segments": [(10_000, 60, -0.3, -0.1, -0.2, -0.05)]}


def _first(told: Columns, policy: GatePolicy) -> dict[str, Any]:
    if policy.primary == "f1":
        return {"original": (told["challenger"][0] - 1, told["challenger"][1])}
    return {"original_level": told[policy.primary][1] + (-1e-6 if policy.primary == "brier" else 1e-6)}


def _baseline(told: Columns, policy: GatePolicy) -> dict[str, Any]:
    if policy.primary == "f1":
        return {"challenger": (told["rows"], told["positives"]), "champion": (0, 0)}
    return {"baseline": told[policy.primary][1]}


def broken_numbers(rng: Rng, count: int) -> Iterator[Case]:
    """One number wrong at a time; every fourth case has several drawn at random, near their thresholds."""
    forms = list(BROKEN_NUMBERS.items())
    for i in range(count):
        policy = POLICIES[PRIMARIES[i // 4 % 4]]
        told = good_numbers(policy, rng)
        if i % 4 == 3:
            name, follows = "several at random", TOLD
            told |= _at_random(told, rng)
        else:
            name, (form, follows) = forms[(i // 4 * 3 + i % 4) % len(forms)]
            told |= form(told, policy)
        yield Case(name, follows, lambda t=told, p=policy: judged_dossier(dossier_of(made(evidence_of, t, p), p)))


def _at_random(told: Columns, rng: Rng) -> Columns:
    rows = int(rng.integers(190, 400))
    positives = int(rng.integers(45, 100))
    called = rng.integers(20, 120, 2)
    caught = np.minimum(called, positives) * rng.uniform(0.3, 1.0, 2)
    drops = np.sort(rng.normal(-0.05, 0.1, (3, 4)).reshape(3, 2, 2), axis=2).reshape(3, 4)
    sizes = rng.multinomial(rows, [0.9, 0.07, 0.03]) if rng.random() < 0.7 else [rows, 0, 0]
    return {
        "rows": rows,
        "positives": positives,
        "mature": rows if rng.random() < 0.5 else rows + int(rng.integers(0, rows * 3)),
        "shift": None if rng.random() < 0.2 else float(rng.uniform(0, 0.003)),
        "champion": (int(called[0]), int(caught[0] * 0.8)),
        "challenger": (int(called[1]), int(caught[1])),
        "brier": (0.1, 0.1 + float(rng.normal(-0.004, 0.008))),
        "auc": (0.7, 0.7 + float(rng.normal(0.02, 0.02))),
        "profit": (-0.02, float(rng.normal(0.0, 0.02))),
        "reach": float(rng.uniform(0.1, 1.3)),
        "brier_reach": float(rng.uniform(0, 0.01)),
        "segments": [
            (int(n), min(int(n), int(n) * positives // rows + 1), *ends)
            for n, ends in zip(sizes, drops.tolist(), strict=True)
            if n
        ],
        "segment_f1": tuple(rng.uniform(0.3, 0.6, 2).tolist()) if rng.random() < 0.5 else None,
    }


# clocks


def _clock(**changes: Any) -> Callable[[float], dict[str, Any]]:
    return lambda u: changes


_MICRO = timedelta(microseconds=1)
_FIRST, _END = datetime(1, 1, 1, tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
_WEST, _EAST = timezone(timedelta(hours=-14)), timezone(timedelta(hours=14))
BROKEN_CLOCKS: dict[str, tuple[Callable[[float], dict[str, Any]], str]] = {
    "nothing": (lambda u: {"last_promotion_at": AS_OF - 7 * DAY - u * 2000 * DAY}, OPEN),
    "cooldown over to the second": (_clock(last_promotion_at=AS_OF - 7 * DAY), OPEN),
    "promoted in the year 1": (_clock(last_promotion_at=_FIRST), OPEN),
    "tried in the year 1": (_clock(last_try_at=_FIRST), OPEN),
    "tried long ago": (lambda u: {"last_try_at": AS_OF - 91 * DAY - u * 2000 * DAY}, OPEN),
    "another timezone": (_clock(as_of=AS_OF.astimezone(_EAST), last_promotion_at=LONG_AGO.astimezone(_WEST)), OPEN),
    "the last moment there is": (_clock(as_of=_END - DAY, expires_at=_END, last_promotion_at=AS_OF), OPEN),
    "cooldown not over": (lambda u: {"last_promotion_at": AS_OF - u * 6.99 * DAY}, CLOSED),
    "cooldown short by a microsecond": (_clock(last_promotion_at=AS_OF - 7 * DAY + _MICRO), CLOSED),
    "promoted now": (_clock(last_promotion_at=AS_OF), CLOSED),
    "promoted in the future": (lambda u: {"last_promotion_at": AS_OF + _MICRO + u * 3000 * DAY}, CLOSED),
    "promoted in the year 9999": (_clock(last_promotion_at=_END), CLOSED),
    "no promotion on record": (_clock(last_promotion_at=None), CLOSED),
    "tried now": (_clock(last_try_at=AS_OF), CLOSED),
    "tried in the future": (lambda u: {"last_try_at": AS_OF + _MICRO + u * 3000 * DAY}, CLOSED),
    "tried in the year 9999": (_clock(last_try_at=_END), CLOSED),
    "tried since, and measured as if not": (lambda u: {"last_try_at": AS_OF - u * 90 * DAY}, CLOSED),
    "judged in the year 1": (_clock(as_of=_FIRST, window_start=_FIRST, window_end=_FIRST), CLOSED),
    "expired when it was made": (_clock(expires_at=AS_OF), REFUSED),
    "expired before it was made": (lambda u: {"expires_at": AS_OF - u * 900 * DAY}, REFUSED),
    "rows from after it was judged": (lambda u: {"window_end": AS_OF + _MICRO + u * 900 * DAY}, REFUSED),
    "a window from its end to its start": (
        lambda u: {"window_start": AS_OF, "window_end": AS_OF - _MICRO - u * DAY},
        REFUSED,
    ),
    "as_of without a timezone": (_clock(as_of=AS_OF.replace(tzinfo=None)), REFUSED),
    "a promotion without a timezone": (_clock(last_promotion_at=LONG_AGO.replace(tzinfo=None)), REFUSED),
    "a try without a timezone": (_clock(last_try_at=LONG_AGO.replace(tzinfo=None)), REFUSED),
    "the challenger is the champion": (_clock(challenger="1"), REFUSED),
}


def broken_clocks(rng: Rng, count: int) -> Iterator[Case]:
    """Good evidence at the wrong time, or at a strange one."""
    forms = list(BROKEN_CLOCKS.items())
    good = {metric: evidence_of(good_numbers(policy, rng), policy) for metric, policy in POLICIES.items()}
    dice = rng.random(count)
    for i in range(count):
        name, (form, follows) = forms[i % len(forms)]
        policy = POLICIES[PRIMARIES[i // len(forms) % 4]]
        changes = form(float(dice[i]))
        yield Case(name, follows, lambda c=changes, p=policy: judged_dossier(dossier_of(good[p.primary], p, **c)))


# records: a dossier's file

Path = tuple[str | int, ...]


def nodes(value: Any, path: Path = ()) -> list[Path]:
    """Path of every value in a JSON document, containers included, the document itself not."""
    keys = value if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ()
    return [found for key in keys for found in ((*path, key), *nodes(value[key], (*path, key)))]


def at(record: Any, path: Path) -> Any:
    """The value at a path."""
    for key in path:
        record = record[key]
    return record


_GONE = object()


def altered(record: Any, path: Path, value: Any) -> Any:
    """The record with another value at a path, or none (`_GONE`); nothing else is copied."""
    if not path:
        return value
    changed: Any = dict(record) if isinstance(record, dict) else list(record)
    if len(path) == 1 and value is _GONE:
        del changed[path[0]]
    else:
        changed[path[0]] = value if len(path) == 1 else altered(record[path[0]], path[1:], value)
    return changed


def removed(record: Any, path: Path) -> Any:
    """The record without the value at a path."""
    return altered(record, path, _GONE)


JUNK: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2**53, 2**70, 0.0, -0.0, 0.5, 1.0, 1.5, -1.5, 1e-300, 1e300, math.nan, math.inf, -math.inf,
    "", "passed", "promotable", "failed", "nan", "1", "P0D", "P99999999D", "0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00", "2006-07-01T00:00:00", "a" * 64, "\ud800", "\0", [], {}, [None], {"": None},
)  # fmt: skip


def _retyped(value: Any) -> Any:
    """The same, said in another type."""
    if isinstance(value, bool):
        return int(value)
    if isinstance(value, (int, float)):
        return str(value)
    if isinstance(value, str):
        return [value]
    return json.dumps(value) if isinstance(value, (list, dict)) else "null"


def _nudged(value: Any, u: float) -> Any:
    """A number moved a little or turned around, a time moved by days, a list with its ends exchanged."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, (int, float)):
        return [value + 1, -value, value * (1 + 1e-9), value / 2, 1 - value][int(u * 5)]
    if isinstance(value, str) and value.endswith("Z"):
        return f"{int(value[:4]) + (1 if u < 0.5 else -1):04d}{value[4:]}"
    if isinstance(value, list):
        return value[::-1]
    return "x" if isinstance(value, str) else value


def _doubled(record: Any, path: Path) -> Any:
    parent, value = at(record, path[:-1]), at(record, path)
    if isinstance(parent, list):
        return altered(record, path[:-1], [*parent, value])
    return altered(record, path[:-1], {**parent, f"{path[-1]}_": value})


def _flipped_byte(record: Any, u: float, v: float) -> Any:
    """One character of the file replaced; the text itself where it is no JSON any more."""
    text = canonical_json(record)
    place = int(u * len(text))
    text = f"{text[:place]}{chr(32 + int(v * 95))}{text[place + 1 :]}"
    try:
        return json.loads(text)
    except ValueError:
        return text


Alter = Callable[[Any, list[Path], Rng, Any], Any]


def _pick(rng: Rng, paths: list[Path]) -> Path:
    return paths[int(rng.random() * len(paths))]


def _transplanted(record: Any, paths: list[Path], rng: Rng, donor: Any) -> Any:
    """A value from a promotable dossier in the same place."""
    path = _pick(rng, paths)
    try:
        return altered(record, path, at(donor, path))
    except (KeyError, IndexError, TypeError):
        return altered(record, path, None)


ALTERATIONS: dict[str, Alter] = {
    "a value replaced": lambda r, p, rng, d: altered(r, _pick(rng, p), JUNK[int(rng.random() * len(JUNK))]),
    "a value removed": lambda r, p, rng, d: removed(r, _pick(rng, p)),
    "a value of another type": lambda r, p, rng, d: altered(r, path := _pick(rng, p), _retyped(at(r, path))),
    "a value nudged": lambda r, p, rng, d: altered(r, path := _pick(rng, p), _nudged(at(r, path), rng.random())),
    "a value twice": lambda r, p, rng, d: _doubled(r, _pick(rng, p)),
    "a value from a promotable dossier": _transplanted,
    "two values exchanged": lambda r, p, rng, d: _exchanged(r, _pick(rng, p), _pick(rng, p)),
    "a key added": lambda r, p, rng, d: altered(r, (*_holder(r, _pick(rng, p)), "x"), True),
    "bytes cut off": lambda r, p, rng, d: canonical_json(r)[: int(rng.random() * 7000)],
    "a byte changed": lambda r, p, rng, d: _flipped_byte(r, rng.random(), rng.random()),
    "not a record": lambda r, p, rng, d: JUNK[int(rng.random() * len(JUNK))],
}
REFUSED_ALWAYS = {"a key added", "bytes cut off", "not a record"}


def _holder(record: Any, path: Path) -> Path:
    """The nearest object at or above a path."""
    while not isinstance(at(record, path), dict):
        path = path[:-1]
    return path


def _exchanged(record: Any, one: Path, other: Path) -> Any:
    if one[: len(other)] == other or other[: len(one)] == one:
        return removed(record, one)
    return altered(altered(record, one, at(record, other)), other, at(record, one))


def refused_records() -> dict[str, Any]:
    """A dossier per gate that alone keeps it shut."""
    rng = np.random.default_rng(7)
    policy = POLICIES["f1"]
    shut = {
        "G1": ("rows one short", {}),
        "G2": ("shift over what is allowed", {}),
        "G3": ("nothing", {"last_promotion_at": AS_OF - DAY}),
        "G4, no gain": ("no gain", {}),
        "G4, perhaps luck": ("lower limit at 0", {}),
        "G4, nothing accrued": ("nothing", {"last_try_at": AS_OF}),
        "G5": ("Brier score perhaps up", {}),
        "G6": ("a segment harmed, by F1", {}),
    }
    records = {}
    for gate, (form, context) in shut.items():
        told = good_numbers(policy, rng)
        dossier = dossier_of(evidence_of(told | BROKEN_NUMBERS[form][0](told, policy), policy), policy, **context)
        assert gate[:2] in {check.code for check in dossier.checks if check.outcome is not Outcome.PASSED}, gate
        records[gate] = json.loads(canonical_json(dossier.to_json()))
    return records


def good_record() -> Any:
    """A promotable dossier's record."""
    policy = POLICIES["f1"]
    told = good_numbers(policy, np.random.default_rng(8))
    return json.loads(canonical_json(dossier_of(evidence_of(told, policy), policy).to_json()))


def judged_record(record: Any) -> Judged:
    """Read back through the door that files come through."""
    dossier = Dossier.from_json(record)
    assert canonical_json(dossier.to_json()) == canonical_json(record), "read as something else than it says"
    return judged_dossier(dossier)


def broken_records(rng: Rng, count: int) -> Iterator[Case]:
    """Files that were altered once or twice, most of them of refused dossiers: those must never open."""
    good = good_record()
    bases = [(gate, record, nodes(record)) for gate, record in refused_records().items()]
    bases += [("a promotable one", good, nodes(good))]
    ways = list(ALTERATIONS.items())
    for i in range(count):
        _, record, paths = bases[i // len(ways) % len(bases)]
        name, alter = ways[i % len(ways)]
        changed = alter(record, paths, rng, good)
        if rng.random() < 0.3 and isinstance(changed, dict) and name not in REFUSED_ALWAYS:
            path = _pick(rng, paths[:12])
            changed = changed | {path[0]: good[path[0]]}
        follows = REFUSED if name in REFUSED_ALWAYS else TOLD if record is good else CLOSED
        yield Case(name, follows, lambda r=changed: judged_record(r))


# forgeries: a verdict beside other evidence


def forgeries(rng: Rng, count: int) -> Iterator[Case]:
    """Checks that passed, put beside evidence, a policy or a time they do not follow from; and the honest dossier."""
    policy = POLICIES["f1"]
    for i in range(count):
        told = good_numbers(policy, rng)
        good, bad = evidence_of(told, policy), evidence_of(told | {"reach": 1.5}, policy)
        honest = {"policy": policy, "as_of": AS_OF, "last_promotion_at": LONG_AGO, "last_try_at": None}
        passed = all_checks(good, **honest)
        shut = all_checks(bad, **honest)
        turned = tuple(dataclasses.replace(c, outcome=Outcome.PASSED, more_rows=None, decidable_at=None) for c in shut)
        waived = tuple(dataclasses.replace(c, required=False) if c.code == "G4" else c for c in shut)
        strict = dataclasses.replace(policy, min_f1_gain=0.99)
        ways: list[tuple[str, str, Evidence, GatePolicy, dict[str, Any]]] = [
            ("nothing", OPEN, good, policy, {"checks": passed}),
            ("outcomes turned", REFUSED, bad, policy, {"checks": turned}),
            ("a gate made optional", REFUSED, bad, policy, {"checks": waived}),
            ("checks of other evidence", REFUSED, bad, policy, {"checks": passed}),
            ("checks under another policy", REFUSED, good, strict, {"checks": passed}),
            ("checks of another day", REFUSED, good, policy, {"checks": passed, "last_promotion_at": AS_OF - DAY}),
            ("no checks", REFUSED, good, policy, {"checks": ()}),
            ("a check missing", REFUSED, bad, policy, {"checks": tuple(c for c in shut if c.code != "G4")}),
            ("a check twice", REFUSED, good, policy, {"checks": (*passed, passed[0])}),
            ("checks in another order", REFUSED, good, policy, {"checks": passed[::-1]}),
            ("a hash cut short", REFUSED, good, policy, {"data_sha256": "2" * 63}),
            ("another schema", REFUSED, good, policy, {"schema_version": 1}),
        ]
        name, follows, found, under, changes = ways[i % len(ways)]
        yield Case(name, follows, lambda f=found, u=under, c=changes: judged_dossier(dossier_of(f, u, **c)))


# policies: thresholds that no rule could mean

SENSELESS: tuple[dict[str, Any], ...] = (
    *(
        {name: value}
        for name in ("min_samples", "min_positives", "min_segment_samples")
        for value in (0, -1, 0.5, "1", True)
    ),
    *(
        {name: value}
        for name in ("min_coverage", "max_brier_shift", "max_brier_rise")
        for value in (-0.01, 1.01, math.nan)
    ),
    *({f"min_{m}_gain": value} for m in PRIMARIES for value in (-1e-9, math.nan, math.inf, "0", None)),
    *({name: value} for name in ("cost_of_bad", "gain_of_good") for value in (0.0, -1.0, math.nan, math.inf)),
    *({"yearly_false_promotions": value} for value in (0.0, -0.05, 0.51, 1.0, math.nan, math.inf)),
    *({"segment_error": value} for value in (0.0, -0.1, 0.5, math.nan)),
    *({"interval_level": value} for value in (0.5, 1.0, 1.5, -0.9, math.nan)),
    *({"resamples": value} for value in (199, 0, -1, 2000.5, 2_000_000)),
    *({"budget_carry": value} for value in (timedelta(0), -DAY, 366 * DAY, 7, "91d")),
    *({name: value} for name in ("cooldown", "patience") for value in (-DAY, 99_999 * DAY, 7, None)),
    *({"primary": value} for value in ("accuracy", "F1", "", None)),
    {"min_gain": 0.02},
)


def senseless_policies(rng: Rng, count: int) -> Iterator[Case]:
    """A good dossier under a policy that cannot be; and under a sensible one drawn at random, as its numbers say."""
    found = {metric: evidence_of(good_numbers(policy, rng), policy) for metric, policy in POLICIES.items()}
    for i in range(count):
        metric = PRIMARIES[i % 4]
        if i % 2:
            changes, name, follows = SENSELESS[i // 2 % len(SENSELESS)], "senseless", REFUSED
        else:
            changes, name, follows = _some_policy(rng), "drawn at random", TOLD
        yield Case(name, follows, lambda f=found[metric], c={"primary": metric, **changes}: _under(f, c))


def _under(found: Evidence, thresholds: dict[str, Any]) -> Judged:
    return judged_dossier(dossier_of(found, made(GatePolicy, **thresholds)))


def _some_policy(rng: Rng) -> dict[str, Any]:
    """One threshold moved across the place where it starts to matter, or several."""
    drawn = {
        "min_samples": int(rng.integers(1, 600)),
        "min_positives": int(rng.integers(1, 130)),
        "min_f1_gain": float(rng.uniform(0, 1)),
        "min_auc_gain": float(rng.uniform(0, 0.2)),
        "min_brier_gain": float(rng.uniform(0, 0.15)),
        "min_profit_gain": float(rng.uniform(0, 0.15)),
        "cooldown": float(rng.uniform(0, 1800)) * DAY,
        "max_brier_rise": float(rng.uniform(0, 0.01)),
        "min_segment_samples": int(rng.integers(1, 600)),
        "yearly_false_promotions": float(rng.uniform(0.001, 0.5)),
        "budget_carry": float(rng.uniform(1, 365)) * DAY,
        "segment_error": float(rng.uniform(0.01, 0.49)),
        "interval_level": float(rng.uniform(0.51, 0.99)),
    }
    moved = rng.permutation(list(drawn))[: int(rng.integers(1, 3))]
    return {str(name): drawn[str(name)] for name in moved}


KINDS: dict[str, Callable[[Rng, int], Iterator[Case]]] = {
    "rows": broken_rows,
    "windows": broken_windows,
    "numbers": broken_numbers,
    "clocks": broken_clocks,
    "records": broken_records,
    "forgeries": forgeries,
    "policies": senseless_policies,
}
FORMS: dict[str, set[str]] = {
    "rows": {"nothing, rows", "nothing, applicants", *BROKEN_COLUMNS, *BROKEN_ROWS}
    | {f"applicants, {name}" for name in BROKEN_COLUMNS | BROKEN_APPLICANTS},
    "windows": {*BROKEN_WINDOWS, *MISSING_LABELS},
    "numbers": {"several at random", *BROKEN_NUMBERS},
    "clocks": set(BROKEN_CLOCKS),
    "records": set(ALTERATIONS),
    "forgeries": {case.broken for case in forgeries(np.random.default_rng(0), 12)},
    "policies": {"senseless", "drawn at random"},
}
assert all(a < b for a, b in pairwise([_FIRST, LONG_AGO, AS_OF, _END]))
