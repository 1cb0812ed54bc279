"""How good is the model on rows without labels? Confidence-based performance estimation, with an honest interval.

If the probability of bad is right for every score, then the scores alone say what a metric will be once the outcomes
are known: its expected value, and how far chance will take it from there. The scores are first recalibrated on older
rows with known outcomes, and the uncertainty of that is part of the interval.

Source:
    Kivimäki, Białek, Kuberski & Nurminen (2025), "Performance estimation in binary classification using calibrated
    confidence", arXiv:2505.05295: metrics of the confusion matrix from calibrated scores. Białek, Kivimäki, Kuberski &
    Perrakis (2024), "Estimating model performance under covariate shift without labels", arXiv:2401.08348: where the
    method holds under covariate shift, and that no such method can see concept shift.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from math import sqrt
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from monitoring.calibration import log_odds
from monitoring.performance import Ranked, auc, brier, checked_scores, f1, ranked
from monitoring.values import finite, whole

Numbers = NDArray[np.float64]

METRICS = ("auc", "f1", "brier", "default_rate")

# Shown beside every estimate, whatever its record.
CANNOT_SEE = (
    "An estimate without labels rests on past outcomes: if applicants of the same score now default more or less often "
    "(concept change), it does not move, and only outcomes that are known later can show it."
)

# The interval is a normal one: it takes 10 outcomes in doubt, expected bad x share good, as the textbook rule for the
# binomial asks (n p (1 - p) >= 10). Measured at 10: 90 % intervals hold 85 to 92 % of realised metrics.
MIN_IN_DOUBT = 10.0

COVARIATES = 4
EVENTS_PER_COVARIATE = 10  # Peduzzi et al. (1996), Journal of Clinical Epidemiology 49: fewer make the fit unreliable
MIN_OF_EACH = COVARIATES * EVENTS_PER_COVARIATE
# We chose: a recalibration may add a tenth to the error that chance leaves, which is what we promise. Five labels per
# row do: sqrt(1 + 1/5) = 1.095. One that would add more, for want of labels or of labels like these rows, is shrunk.
MOST_ADDED = 1.10
_STEPS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What one metric of these rows will be, once their outcomes are known.

    Args:
        metric: One of `METRICS`.
        value: Expected value, in [0, 1]; None when it cannot be estimated.
        low, high: Where the realised value lies with probability `level`; None with `value`.
        standard_error: Of realised less estimated: chance, and the uncertainty of the calibration.
        sampling_error: The part of it that is chance alone: what even the true probabilities would leave.
        rows: How many were estimated from.
        labels: How many known outcomes the scores were recalibrated on; 0 for scores taken as they are.
        reason: In words, why there is no value; None when there is one.

    Raises:
        ValueError: A value without an interval around it, a reason with a value, or neither.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    level: float
    standard_error: float | None
    sampling_error: float | None
    rows: int
    labels: int
    reason: str | None = None

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ValueError(f"metric: expected one of {', '.join(METRICS)}, got {self.metric!r}")
        if min(whole(self.rows, "rows"), whole(self.labels, "labels")) < 0:
            raise ValueError(f"{self.metric}: rows and labels must be >= 0, got {self.rows} and {self.labels}")
        if not 0 < finite(self.level, "level") < 1:
            raise ValueError(f"{self.metric}: level must be in (0, 1), got {self.level}")
        numbers = (self.low, self.value, self.high, self.standard_error, self.sampling_error)
        if self.reason is not None and numbers != (None,) * 5:
            raise ValueError(f"{self.metric}: a reason for having no value goes with no numbers, got {numbers}")
        if self.reason is None:
            low, value, high, error, chance = (finite(number, self.metric) for number in numbers)
            if not (0 <= low <= value <= high <= 1 and 0 < chance <= error):
                raise ValueError(
                    f"{self.metric}: expected 0 <= low <= value <= high <= 1 and errors > 0, got {numbers}"
                )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Recalibration:
    """By how much log-odds are to be moved, given a score and a decision.

    Args:
        coefficients: Per covariate, each in units of its standard deviation, shape (4,).
        covariance: Of these, shape (4, 4).
        evidence: Wald statistic against "the scores are right as they are", >= 0; about 4 when they are.
        labels: Outcomes it was fitted on.
        scores: The scores fitted on, rising: a score's rank is its rank among these.
        centre, scale: Of the covariates, shape (4,).
    """

    coefficients: Numbers
    covariance: Numbers
    evidence: float
    labels: int
    scores: Numbers
    centre: Numbers
    scale: Numbers

    @property
    def shrunk(self) -> float:
        """Share of the move that the labels bear out when they are few, in [0, 1].

        Source:
            James & Stein (1961), "Estimation with quadratic loss", positive part: nearer to the truth in expectation
            than the whole move, wherever the truth lies.
        """
        return max(0.0, 1 - (COVARIATES - 2) / self.evidence) if self.evidence > 0 else 0.0


def recalibration(y: ArrayLike, p: ArrayLike, decision: ArrayLike) -> Recalibration | None:
    """Fit how far log-odds are off, as a function of score and decision.

    Logistic regression with the given log-odds as offset on a constant, the score, its rank and the decision. These are
    the directions in which an outcome moves default rate, Brier score, AUC and F1: the fit leaves no residual along
    them, so that none of these metrics is misread over the rows fitted on, whatever the shape of the miscalibration.
    A fit with two parameters leaves some wherever the true curve is no straight line in the log-odds.

    Args:
        y: Outcomes, shape (m,), 0 or 1.
        p: Scores, shape (m,), in [0, 1].
        decision: 1 for called bad, shape (m,).

    Returns:
        None with fewer than 40 rows of either outcome. A standard normal prior on each coefficient keeps the fit finite
        where a cut-off separates the outcomes.

    Raises:
        ValueError: As in `performance.brier`; or decisions of another length.

    Source:
        Cox (1958), "Two further applications of a model for binary regression", Biometrika 45, with further covariates
        chosen as in targeted estimation: van der Laan & Rubin (2006), "Targeted maximum likelihood learning".

    >>> p, y = np.tile([0.1, 0.2, 0.4], 1000), np.arange(3000) % 4 == 0  # a quarter goes bad, whatever the score
    >>> fitted = recalibration(y, p, p >= 0.3)
    >>> moved(p[:3], p[:3] >= 0.3, fitted)[0].round(2).tolist()
    [0.25, 0.25, 0.25]
    """
    outcome, scores = checked_scores(y, p)
    called = np.asarray(decision, dtype=np.float64)
    if called.shape != scores.shape:
        raise ValueError(f"decision: expected one value per score, got shape {called.shape} for {scores.shape}")
    if min(int(outcome.sum()), len(outcome) - int(outcome.sum())) < MIN_OF_EACH:
        return None
    ordered = np.sort(scores)
    covariates = _covariates(scores, called, ordered)
    centre, scale = covariates.mean(axis=0), covariates.std(axis=0)
    centre[0] = 0.0
    scale[scale < 1e-12] = 1.0
    standardised = (covariates - centre) / scale
    coefficients, information = _fitted(outcome.astype(np.float64), log_odds(scores), standardised)
    return Recalibration(
        coefficients=coefficients,
        covariance=np.asarray(np.linalg.inv(information), dtype=np.float64),
        evidence=float(coefficients @ information @ coefficients),
        labels=len(outcome),
        scores=ordered,
        centre=centre,
        scale=scale,
    )


def moved(
    p: ArrayLike,
    decision: ArrayLike,
    fitted: Recalibration | None,
    *,
    own: NDArray[np.bool_] | None = None,
    strength: float = 1.0,
) -> tuple[Numbers, Numbers]:
    """Recalibrated probabilities, shape (n,), and how their log-odds move per coefficient, shape (n, 4).

    Rows that are not `own` keep their score and do not move; without a fit, none does. `strength`: share of the move
    that is made, in [0, 1].
    """
    scores, called = np.asarray(p, dtype=np.float64), np.asarray(decision, dtype=np.float64)
    if fitted is None:
        return scores, np.zeros((len(scores), COVARIATES))
    slopes = (_covariates(scores, called, fitted.scores) - fitted.centre) / fitted.scale
    if own is not None:
        slopes[~own] = 0.0
    by = slopes @ fitted.coefficients * strength
    return np.where(by == 0, scores, _expit(log_odds(scores) + by)), slopes


def estimates(
    p: ArrayLike,
    decision: ArrayLike,
    recalibration: Recalibration | None = None,
    *,
    own: ArrayLike | None = None,
    level: float = 0.9,
) -> tuple[Estimate, ...]:
    """Estimate AUC, F1 at the model's own cut-off, Brier score and default rate without labels.

    Each metric is linearised in the outcomes. With q the recalibrated probabilities of bad, the realised metric then
    varies by sum(I^2 q (1 - q)) around its expected value, I being what one more bad outcome in that row adds to it;
    and the same I, times how q moves with the calibration, carries the calibration's uncertainty over. Where that would
    add more than a tenth to the error, the recalibration is shrunk, and what it leaves out counts as a possible error.

    Args:
        p: Scores as the model gave them, shape (n,), in [0, 1]. AUC and Brier are those of these.
        decision: 1 for called bad, 0 for called good, shape (n,).
        recalibration: Fitted on outcomes known before; None takes the scores as probabilities, as they are.
        own: Which rows the recalibration is for, shape (n,), bool: those scored by the model it was fitted for. Others
            keep their score. None: all.
        level: Of the interval, in (0, 1).

    Returns:
        One estimate per metric, in the order of `METRICS`; without a value, and with a reason, where there is nothing
        to estimate from.

    Raises:
        ValueError: Lengths differ, a score is not in [0, 1], a decision not 0 or 1, or level outside (0, 1).

    Source:
        See the module. Interval: the delta method; for AUC over placements, as in DeLong, DeLong & Clarke-Pearson
        (1988), Biometrics 44.

    >>> p = np.tile([0.1, 0.2, 0.4, 0.8], 100)
    >>> for found in estimates(p, p >= 0.3):
    ...     print(f"{found.metric}: {found.value:.3f}, between {found.low:.3f} and {found.high:.3f}")
    auc: 0.807, between 0.772 and 0.842
    f1: 0.686, between 0.643 and 0.728
    brier: 0.163, between 0.145 and 0.180
    default_rate: 0.375, between 0.342 and 0.408
    """
    if not 0 < level < 1:
        raise ValueError(f"level: expected a number in (0, 1), got {level}")
    rows = np.size(p)
    if not rows:
        return tuple(_none(metric, "no rows", 0, level, recalibration) for metric in METRICS)
    scores, called, order = _decided(p, decision)
    mine = np.ones(rows, dtype=np.bool_) if own is None else np.asarray(own, dtype=np.bool_)
    if mine.shape != scores.shape:
        raise ValueError(f"own: expected one value per score, got shape {mine.shape} for {scores.shape}")
    full = _measured(scores, called, order, recalibration, own=mine, strength=1.0)
    if isinstance(full, str):
        return tuple(_none(metric, full, rows, level, recalibration) for metric in METRICS)
    strength, found = 1.0, full
    if recalibration is not None and any(part.added > MOST_ADDED for part in full if not isinstance(part, str)):
        strength = recalibration.shrunk
        made = _measured(scores, called, order, recalibration, own=mine, strength=strength)
        found = full if isinstance(made, str) else made
    half, labels = NormalDist().inv_cdf((1 + level) / 2), recalibration.labels if recalibration else 0
    told = []
    for metric, part, at_most in zip(METRICS, found, full, strict=True):
        if isinstance(part, str) or isinstance(at_most, str):
            told.append(_none(metric, str(part), rows, level, recalibration))
            continue
        error = sqrt(part.chance + strength * part.carried + (at_most.value - part.value) ** 2)
        told.append(
            Estimate(
                metric=metric,
                value=part.value,
                low=max(0.0, part.value - half * error),
                high=min(1.0, part.value + half * error),
                level=level,
                standard_error=error,
                sampling_error=min(sqrt(part.chance), error),
                rows=rows,
                labels=labels,
            )
        )
    return tuple(told)


def realised(y: ArrayLike, p: ArrayLike, decision: ArrayLike) -> dict[str, float | None]:
    """The same metrics from outcomes, shape (n,), 0 or 1, n >= 1; AUC is None with one outcome only.

    >>> realised([1, 0, 1, 0], [0.9, 0.1, 0.5, 0.5], [1, 0, 0, 0])["f1"].__round__(3)
    0.667
    """
    rate = float(np.mean(np.asarray(y, dtype=np.float64)))
    return dict(zip(METRICS, (auc(y, p), f1(y, decision), brier(y, p), rate), strict=True))


class _Expected(NamedTuple):
    """A metric's expected value, and what one more bad outcome in each row adds to it, shape (n,)."""

    value: float
    influence: Numbers


class _Measured(NamedTuple):
    """A metric's expected value, and the variance around it: by chance, and carried over from the calibration."""

    value: float
    chance: float
    carried: float

    @property
    def added(self) -> float:
        """The error over what chance alone leaves, >= 1."""
        return sqrt(1 + self.carried / self.chance)


def _measured(
    p: Numbers,
    called: Numbers,
    order: Ranked,
    fitted: Recalibration | None,
    *,
    own: NDArray[np.bool_],
    strength: float,
) -> tuple[_Measured | str, ...] | str:
    """Per metric, in the order of `METRICS`; a string says why there is no value, for one metric or for all."""
    q, slopes = moved(p, called, fitted, own=own, strength=strength)
    in_doubt = q * (1 - q)
    if in_doubt.sum() < MIN_IN_DOUBT:
        return f"{in_doubt.sum():.1f} outcomes are in doubt by the scores, the interval needs {MIN_IN_DOUBT:.0f}"
    found: list[_Measured | str] = []
    for metric, expected in zip(METRICS, _expectations(p, called, order, q), strict=True):
        if isinstance(expected, str):
            found.append(expected)
            continue
        value, influence = expected
        chance = float(influence**2 @ in_doubt)
        gradient = (influence * in_doubt) @ slopes
        carried = 0.0 if fitted is None else float(gradient @ fitted.covariance @ gradient)
        certain = f"{metric} is {value:.3g} whatever the outcomes"
        found.append(_Measured(value, chance, carried) if chance > 0 else certain)
    return tuple(found)


def _expectations(p: Numbers, called: Numbers, order: Ranked, q: Numbers) -> tuple[_Expected | str, ...]:
    """Per metric, in the order of `METRICS`; a string says why there is none."""
    n, bad = len(p), float(q.sum())
    area: _Expected | str = "every row has the same score: nothing is ranked"
    if len(order.cuts) > 1:
        area = _expected_auc(order, q)
    effectiveness: _Expected | str = "no row was called bad: F1 is 0 whatever the outcomes"
    if called.any():
        value = 2 * float(q @ called) / (float(called.sum()) + bad)
        effectiveness = _Expected(value, (2 * called - value) / (float(called.sum()) + bad))
    squared = _Expected(float(np.mean(p**2 + q * (1 - 2 * p))), (1 - 2 * p) / n)
    return area, effectiveness, squared, _Expected(bad / n, np.full(n, 1 / n))


def _expected_auc(order: Ranked, q: Numbers) -> _Expected:
    """Pairs of different rows, one bad and one good, that the scores put in the right order, over all such pairs."""
    of_bad = np.bincount(order.position, weights=q)
    of_good = np.bincount(order.position, weights=1 - q)
    bad, good = float(of_bad.sum()), float(of_good.sum())
    below = (np.cumsum(of_good) - of_good / 2)[order.position] - (1 - q) / 2  # a row is no pair with itself
    above = (bad - np.cumsum(of_bad) + of_bad / 2)[order.position] - q / 2
    pairs = bad * good - float(q @ (1 - q))
    value = float(np.clip(float(q @ below) / pairs, 0, 1))
    return _Expected(value, (below - above - value * (good - bad)) / pairs)


def _decided(p: ArrayLike, decision: ArrayLike) -> tuple[Numbers, Numbers, Ranked]:
    order = ranked(p)
    called: NDArray[np.float64] = np.asarray(decision, dtype=np.float64)
    if called.shape != order.position.shape:
        raise ValueError(f"decision: expected one value per score, got shape {called.shape} for {np.shape(p)}")
    if not ((called == 0) | (called == 1)).all():  # false for NaN too
        raise ValueError("decision: expected only 0 and 1")
    return order.cuts[order.position], called, order


def _none(metric: str, reason: str, rows: int, level: float, recalibration: Recalibration | None) -> Estimate:
    return Estimate(
        metric=metric,
        value=None,
        low=None,
        high=None,
        level=level,
        standard_error=None,
        sampling_error=None,
        rows=rows,
        labels=recalibration.labels if recalibration else 0,
        reason=reason,
    )


def _covariates(p: Numbers, called: Numbers, ordered: Numbers) -> Numbers:
    rank = (np.searchsorted(ordered, p, side="left") + np.searchsorted(ordered, p, side="right")) / (2 * len(ordered))
    return np.stack([np.ones_like(p), p, rank, called], axis=1)


def _fitted(y: Numbers, offset: Numbers, x: Numbers) -> tuple[Numbers, Numbers]:
    """Coefficients of the largest penalised likelihood, by Newton's method with halved steps, and the information."""
    coefficients = np.zeros(x.shape[1])
    loss = _loss(y, offset, coefficients)
    for _ in range(_STEPS):
        q = _expit(offset + x @ coefficients)
        information = (x * (q * (1 - q))[:, None]).T @ x + np.eye(x.shape[1])
        step = np.linalg.solve(information, x.T @ (y - q) - coefficients)
        after = _loss(y, offset + x @ (coefficients + step), coefficients + step)
        while after > loss + 1e-9 and np.abs(step).max() > 1e-9:
            step = step / 2
            after = _loss(y, offset + x @ (coefficients + step), coefficients + step)
        coefficients, loss = coefficients + step, after
        if np.abs(step).max() < 1e-8:
            break
    return coefficients, information


def _loss(y: Numbers, eta: Numbers, coefficients: Numbers) -> float:
    return float(np.sum(np.logaddexp(0, eta) - y * eta) + coefficients @ coefficients / 2)


def _expit(x: Numbers) -> Numbers:
    return np.asarray(1 / (1 + np.exp(-np.clip(x, -700, 700))))
