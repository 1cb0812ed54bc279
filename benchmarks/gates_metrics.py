"""Why F1 at a cut-off is the weakest primary: what each metric says of profit, and how many rows it takes to see."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from gates_errors import QUARTER, Effort, alpha_after
from gates_lines import Line
from numpy.typing import NDArray
from pools import Portfolio, bisect, fit, real_pair, with_noise
from scipy.special import ndtri

from monitoring import influence, performance
from pipeline.gate.models import Decided
from pipeline.gate.swap import booking_value
from pipeline.gate.values import GatePolicy

POWER = 0.80
NOISES = 5  # on either of two models
NEAR = (0.03, 0.07)  # relative gains of F1 that count as "about 5 %"

Numbers = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One model on the pool: its metrics (more is better), its profits, each row's influence on each primary."""

    metrics: dict[str, float]
    profit: float
    best_profit: float
    influences: dict[str, NDArray[np.float32]]


def metrics(
    data: Portfolio, *, policy: GatePolicy, effort: Effort, seed: int, tick: Callable[[], object]
) -> list[Line]:
    """Correlation with profit over many models, and rows needed by each primary."""
    y, amount = data.y[data.pool], data.amount[data.pool]
    value = booking_value(y, amount, cost_of_bad=policy.cost_of_bad, gain_of_good=policy.gain_of_good)
    fair = policy.gain_of_good / (policy.gain_of_good + policy.cost_of_bad)
    models = []
    for model in zoo(data, effort.models, seed=seed):
        models.append(_measure(y, value, model, fair))
        tick()
    return [
        *_correlations(data.name, models, fair),
        *_rows_needed(data.name, models, policy),
        _comes_with(data, policy),
    ]


def _comes_with(data: Portfolio, policy: GatePolicy) -> Line:
    """What the least gain of F1 that G4 asks for comes with, when noise on the log-odds takes it away."""
    pair, lost = real_pair(data), []
    for model in (pair.champion, pair.challenger):
        before = performance.f1(pair.y, model.bad)
        for seed in range(NOISES):
            make = with_noise(model, np.random.default_rng(seed))
            goal = (1 - policy.min_f1_gain) * before
            worse = bisect(make, lambda made: performance.f1(pair.y, made.bad), goal, 8.0)
            aucs = [performance.auc(pair.y, each.score) or 0.0 for each in (model, worse)]
            briers = [performance.brier(pair.y, each.score) for each in (model, worse)]
            lost.append((aucs[0] - aucs[1], briers[1] / briers[0] - 1))
    (auc, auc_most), (brier, brier_most) = ((min(part), max(part)) for part in zip(*lost, strict=True))
    told = f"{auc:.4f} to {auc_most:.4f} of AUC, {brier:.1%} to {brier_most:.1%} of the Brier score"
    case = f"what a loss of {policy.min_f1_gain:.0%} of F1 comes with, by noise"
    return Line(
        portfolio=data.name,
        part="6 metric and profit",
        case=case,
        rows="pool",
        mend=told,
        plain="",
        drawn=f"{len(lost)} noises",
    )


def zoo(data: Portfolio, count: int, *, seed: int) -> Iterator[Decided]:
    """Models of different size, regularisation, features and sample."""
    rng = np.random.default_rng(seed)
    for number in range(count):
        sample = rng.permutation(data.samples[number % 2])[: int(len(data.samples[0]) * rng.choice([0.1, 0.3, 1.0]))]
        columns = rng.permutation(data.x.columns.to_numpy())[: int(np.ceil(data.x.shape[1] * rng.uniform(0.4, 1.0)))]
        settings = {
            "max_leaf_nodes": int(rng.choice([3, 7, 15, 31])),
            "learning_rate": float(rng.choice([0.03, 0.1, 0.3])),
            "max_iter": int(rng.choice([20, 60, 120])),
            "l2_regularization": float(rng.choice([0.0, 1.0, 30.0])),
        }
        yield fit(data, sample, columns=sorted(columns), seed=number, **settings)


def _measure(y: NDArray[np.int8], value: Numbers, model: Decided, fair: float) -> Measured:
    profits = np.where(model.bad, 0.0, value)
    found = {
        "f1": influence.of_f1(y, model.bad),
        "auc": influence.of_auc(y, model.score),
        "brier": -influence.of_mean((model.score - y) ** 2),
        "profit": influence.of_mean(profits),
    }
    return Measured(
        metrics={
            "F1 at own cut-off": performance.f1(y, model.bad),
            "F1 at 0.5": performance.f1(y, model.score >= 0.5),
            "AUC": performance.auc(y, model.score) or 0.0,
            "Brier score (less is better)": -performance.brier(y, model.score),
            "KS": performance.ks(y, model.score) or 0.0,
        },
        profit=float(profits.mean()),
        best_profit=float(np.where(model.score >= fair, 0.0, value).mean()),
        influences={name: np.asarray(part, dtype=np.float32) for name, part in found.items() if part is not None},
    )


def _correlations(name: str, models: list[Measured], fair: float) -> Iterator[Line]:
    profits = [[getattr(model, kind) for model in models] for kind in ("best_profit", "profit")]
    for metric in models[0].metrics:
        level = [model.metrics[metric] for model in models]
        paid, own = (_interval_of_correlation(level, profit) for profit in profits)
        yield Line(
            portfolio=name,
            part="6 metric and profit",
            case=f"correlation of {metric} with profit",
            rows="pool",
            mend=f"{own} at each model's own cut-off; {paid} when all decline from {fair:.2f}, as the costs imply",
            plain="",
            drawn=f"{len(models)} models",
        )


def _interval_of_correlation(first: list[float], second: list[float]) -> str:
    if len(first) < 4 or not np.std(first) or not np.std(second):
        return "–"
    r = float(np.corrcoef(first, second)[0, 1])
    z, half = np.arctanh(np.clip(r, -0.999999, 0.999999)), 1.96 / np.sqrt(len(first) - 3)
    return f"{r:+.2f} [{np.tanh(z - half):+.2f}, {np.tanh(z + half):+.2f}]"


def _rows_needed(name: str, models: list[Measured], policy: GatePolicy) -> Iterator[Line]:
    """Median over all pairs of these models whose F1 truly differs by about 5 %."""
    reach = float(ndtri(1 - alpha_after(QUARTER, policy)) + ndtri(POWER))
    pairs = [
        (a, b)
        for a in models
        for b in models
        if NEAR[0] <= b.metrics["F1 at own cut-off"] / max(a.metrics["F1 at own cut-off"], 1e-9) - 1 <= NEAR[1]
    ]
    levels = {"f1": "F1 at own cut-off", "auc": "AUC", "brier": "Brier score (less is better)"}
    for primary in ("f1", "auc", "brier", "profit"):
        need = []
        for a, b in pairs:
            first, second = ((m.metrics[levels[primary]] if primary in levels else m.profit) for m in (a, b))
            spread = float(np.std(b.influences[primary] - a.influences[primary]))
            need.append((reach * spread / (second - first)) ** 2 if second > first else np.inf)
        yield Line(
            portfolio=name,
            part="6 metric and profit",
            case=f"rows for {POWER:.0%} power at a quarterly try, judged by {primary}",
            rows="",
            mend=_quartiles(np.array(need)),
            plain="",
            drawn=f"{len(pairs)} real pairs, F1 apart by {NEAR[0]:.0%} to {NEAR[1]:.0%}",
        )


def _quartiles(need: Numbers) -> str:
    if not len(need):
        return "no such pair"
    ends = [f"{q:,.0f}" if np.isfinite(q) else "never" for q in np.quantile(need, [0.25, 0.5, 0.75], method="nearest")]
    blind = int(np.isinf(need).sum())
    return f"median {ends[1]} (quartiles {ends[0]} and {ends[2]}); {blind} of {len(need)} are worse by it"
