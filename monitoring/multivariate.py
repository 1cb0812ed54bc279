"""What single features miss: can a classifier tell the window from the reference by how features go together?

The single-feature checks see margins; this one sees what is left once every margin is given. Each feature is cut into
a few classes. A main-effects model of "is this row from the window" takes up whatever the margins say (it weights the
reference to the window's margins, as raking does); products of two features' scores are then tested against labels
redrawn from that model. With equal margins the model is one constant and redrawing is a permutation of the labels.

A margin can move in two ways: other applicants come (classes change their shares), or the scale changes (every income
times 1.3: ranks stay). Neither is a change of how features go together, so the window is looked at both ways, with its
values cut where the reference's are and with its ranks matched to the reference's, and only what shows both ways is
drift (intersection-union: Berger 1982).

A gap is a value too: if more incomes are missing, and no longer those of the same applicants, that is drift here.
What it cannot see: a change of association that is neither monotone nor in a category or in what is missing (a V that
turns over), and one among three features that no two of them show.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.stats import rankdata

from monitoring.joint_coding import Codes, Coding, Floats, Numbers, PreparedJoint, cut, matched, values_of
from monitoring.joint_null import (
    indicators,
    main_effects,
    products_of,
    quadratic,
    redrawn_sums,
    tail_p,
    without_margins,
)
from monitoring.joint_values import JointDrift, PairChange
from monitoring.values import State, finite, whole

FLOOR_D = 0.2  # we chose: "small" (Cohen 1988, chapter 2); for normal scores AUC = Phi(0.2 / sqrt 2) = 0.556
MIN_ROWS = 200  # we chose: as DriftPolicy
MIN_OVERLAP = 0.2  # we chose: with less of its distribution shared, a feature has nothing to compare the others at
MIN_CARRIERS = 10  # we chose: rows of the window expected to carry a product; fewer, and one odd applicant is an alarm
MAX_REFERENCE_ROWS = 10_000  # beside 2,000 rows of a window, 20,000 more would make the error 6 % smaller
MAX_CELLS = 3_000_000  # rows times products: bounds time and memory for wide portfolios
RIDGE = 1.0  # on products standardised to variance 1: as much as the data say about one of them
FOLDS = 5
Z95 = NormalDist().inv_cdf(0.975)
MIN_PERMUTATIONS = 200  # a tenth of them, 20, is the least to draw a tail from
PAIRS_SHOWN = 3


def joint_drift(
    prepared: PreparedJoint, current: pd.DataFrame, *, level: float, seed: int, permutations: int
) -> JointDrift:
    """Judge whether features go together in the window as they did in the reference, beyond every margin.

    Args:
        prepared: From `prepare_joint`.
        current: The window's rows, same columns; not changed.
        level: Chance of a false alarm that is accepted, in (0, 1); may be far below 1 / permutations.
        seed: Of the rows drawn from a large reference, the folds and the redrawn labels.
        permutations: How often labels are redrawn, >= 200 (the tail is drawn from a tenth of them).

    Returns:
        The verdict. Features that cannot be compared are left out and named; with fewer than two left, or nothing
        like the window in the reference, the state is FAILED, never OK.

    Raises:
        ValueError: `level` or `permutations` out of range. Never for what the frame holds.

    Source:
        Classifier two-sample tests: Friedman (2003), "On multivariate goodness-of-fit and two-sample testing"; labels
        redrawn given the margins: Rosenbaum (1984), "Conditional permutation tests and the propensity score in
        observational studies", JASA 79; the larger of two p-values: Berger (1982), "Multiparameter hypothesis testing
        and acceptance sampling", Technometrics 24.

    >>> from monitoring.joint_coding import prepare_joint
    >>> rng = np.random.default_rng(1)
    >>> age, income = rng.normal(size=(2, 4000))
    >>> before = pd.DataFrame({"age": age, "income": age + income})
    >>> now = pd.DataFrame({"age": age[:500], "income": (income - age)[:500]})
    >>> prepared = prepare_joint(before, {"age": "numeric", "income": "numeric"})
    >>> found = joint_drift(prepared, now, level=0.001, seed=1, permutations=500)
    >>> found.state.value, found.pairs[0].reference > 0.6, found.pairs[0].window < -0.6
    ('drift', True, True)
    """
    if not 0 < finite(level, "level") < 1:
        raise ValueError(f"level must be in (0, 1), got {level}")
    if whole(permutations, "permutations") < MIN_PERMUTATIONS:
        raise ValueError(f"permutations must be >= {MIN_PERMUTATIONS}, got {permutations}")
    rng = np.random.default_rng(seed)
    rows = _rows(prepared, len(current), rng)
    values, left_out = _comparable(prepared, current.iloc[rows[1]])
    features = tuple(values)
    state, reason, shown = State.FAILED, None, None
    pairs: tuple[PairChange, ...] = ()
    if min(len(current), len(prepared.codes)) < MIN_ROWS:
        state = State.TOO_FEW_ROWS if len(current) else State.NO_DATA
        reason = f"{len(current)} rows in the window, {len(prepared.codes)} in the reference: need {MIN_ROWS} of each"
    elif len(features) < 2:
        reason = f"{len(features)} features can be compared, need two"
    else:
        codings = [prepared.codings[feature] for feature in features]
        before = prepared.codes[rows[0]][:, [list(prepared.codings).index(feature) for feature in features]]
        now = np.column_stack([cut(values[feature], prepared.codings[feature]) for feature in features])
        views, reasons = _both_views(codings, before, now, list(values.values()), rng, permutations)
        shown = max(views, key=lambda view: (not view.drift(level), view.p_value), default=None)
        if shown is None or (reasons and shown.drift(level)):  # calm one way is calm; drift must show both ways
            shown, reason = None, "; ".join(reasons)
        else:
            state = State.DRIFT if shown.drift(level) else State.OK
            pairs = tuple(_pair_change(features, codings, before, now, shown, place) for place in shown.leading())
    return JointDrift(
        state=state,
        reason=reason,
        level=level,
        floor_d=FLOOR_D,
        p_value=shown.p_value if shown else None,
        from_tail=shown is not None and shown.p_value < 2 / (1 + permutations),
        permutations=permutations,
        distance_d=shown.separation.distance_d if shown else None,
        distance_d_interval=shown.separation.distance_d_interval if shown else None,
        auc=shown.separation.auc if shown else None,
        auc_interval=shown.separation.auc_interval if shown else None,
        window_rows=len(rows[1]),
        reference_rows=len(rows[0]),
        features=features,
        left_out=left_out,
        pairs=pairs,
    )


def _comparable(
    prepared: PreparedJoint, current: pd.DataFrame
) -> tuple[dict[str, NDArray[Any]], tuple[tuple[str, str], ...]]:
    """The window's values of the features that can be compared, and why the others cannot."""
    values, left_out = {}, list(prepared.left_out)
    for place, (feature, coding) in enumerate(prepared.codings.items()):
        try:
            column = values_of(current, feature, prepared.kinds[feature], "window")
        except ValueError as error:
            left_out.append((feature, str(error)))
            continue
        before = np.bincount(prepared.codes[:, place], minlength=coding.missing + 1) / len(prepared.codes)
        now = np.bincount(cut(column, coding), minlength=coding.missing + 1) / len(current)
        if (shared := float(np.minimum(before, now).sum())) < MIN_OVERLAP:
            left_out.append((feature, f"its own distribution overlaps by {shared:.2f} only, need {MIN_OVERLAP}"))
        else:
            values[feature] = column
    return values, tuple(left_out)


def _rows(
    prepared: PreparedJoint, window: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Which rows of the reference and of the window are looked at: all, or a draw that bounds the cost."""
    scores = [len(coding.names) for coding in prepared.codings.values()]
    products = sum(a * b for a, b in combinations(scores, 2))
    most = max(MIN_ROWS, min(MAX_REFERENCE_ROWS, MAX_CELLS // max(products, 1)))
    reference = np.sort(rng.permutation(len(prepared.codes))[:most])
    return reference, np.sort(rng.permutation(window)[: max(most // 2, MIN_ROWS)])


@dataclass(frozen=True, slots=True, eq=False)
class _View:
    """What one way of cutting the window into classes says. `columns`: features' and scores' places of each product."""

    p_value: float
    separation: _Separation
    z: Numbers
    columns: list[tuple[tuple[int, int], tuple[int, int]]]

    def drift(self, level: float) -> bool:
        return self.p_value <= level and self.separation.distance_d >= FLOOR_D

    def leading(self) -> list[int]:
        """Products with the largest change, one for each pair of features."""
        best: dict[tuple[int, int], int] = {}
        for place in np.argsort(-np.abs(self.z), kind="stable"):
            (first, _), (second, _) = self.columns[place]
            best.setdefault((first, second), int(place))
        return list(best.values())[:PAIRS_SHOWN]


def _both_views(
    codings: list[Coding],
    before: Codes,
    now: Codes,
    values: list[NDArray[Any]],
    rng: np.random.Generator,
    permutations: int,
) -> tuple[list[_View], list[str]]:
    """By value and by rank; and why one of them could not be had."""
    by_ranks = [matched(own, coding, before[:, k]) for k, (own, coding) in enumerate(zip(values, codings, strict=True))]
    recut, references, windows = zip(*by_ranks, strict=True)
    by_rank = (list(recut), np.column_stack(references), np.column_stack(windows))
    views, reasons = [], []
    for cutting, reference, window in ((codings, before, now), by_rank):
        try:
            views.append(_view(cutting, reference, window, rng, permutations))
        except ValueError as error:
            reasons.append(str(error))
    return views, reasons


def _view(codings: list[Coding], before: Codes, now: Codes, rng: np.random.Generator, permutations: int) -> _View:
    """The test and the classifier, on the reference's and the window's classes.

    Raises:
        ValueError: Nothing like the window in the reference, or no product that enough rows carry.
    """
    codes = np.vstack([before, now])
    in_window = np.arange(len(codes)) >= len(before)
    classes = indicators(codes, [coding.missing + 1 for coding in codings])
    chance = main_effects(classes, in_window)
    odds = np.where(in_window, 0, chance / (1 - chance))
    if (alike := float(odds.sum() ** 2 / (odds @ odds))) < MIN_ROWS:
        raise ValueError(f"only {alike:.0f} rows of the reference are like the window in every margin, need {MIN_ROWS}")
    products, columns = products_of(codings, codes)
    weight = (chance * (1 - chance)).astype(np.float32)
    products = without_margins(classes, products, weight)
    squares = np.square(products)
    carriers = (chance @ squares) ** 2 / np.maximum(chance @ np.square(squares), 1e-12)
    if not (enough := carriers >= MIN_CARRIERS).any():
        raise ValueError(f"no pair of features varies on {MIN_CARRIERS} rows of the window")
    products, columns = products[:, enough], [c for c, kept in zip(columns, enough, strict=True) if kept]
    products /= np.sqrt(weight @ np.square(products))  # sums over the window have variance 1 where nothing changed
    together = ((products * weight[:, None]).T @ products).astype(np.float64)
    inverse: Numbers = np.linalg.inv(together + RIDGE * np.eye(len(columns))).astype(np.float64)
    z = (in_window - chance) @ products
    redrawn = redrawn_sums(products, chance, rng, permutations)
    p_all = tail_p(np.sqrt(quadratic(z[None], inverse))[0], np.sqrt(quadratic(redrawn, inverse)))
    p_one = tail_p(float(np.abs(z).max()), np.abs(redrawn).max(axis=1))
    separation = _separation(_cross_fitted(products, in_window - chance, inverse, rng), in_window, odds)
    return _View(min(1.0, 2 * min(p_all, p_one)), separation, z, columns)


def _cross_fitted(products: Floats, residual: Numbers, inverse: Numbers, rng: np.random.Generator) -> Numbers:
    """The classifier's score of each row, fitted to the other folds: the products' matrix needs no labels."""
    fold = rng.permutation(len(residual)) % FOLDS
    everybody = residual @ products
    score = np.empty(len(residual))
    for part in range(FOLDS):
        inside = fold == part
        score[inside] = products[inside] @ (inverse @ (everybody - residual[inside] @ products[inside]))
    return score


class _Separation(NamedTuple):
    """How far apart a score holds window and reference, with 95 % intervals."""

    distance_d: float
    distance_d_interval: tuple[float, float]
    auc: float
    auc_interval: tuple[float, float]


def _separation(score: Numbers, in_window: NDArray[np.bool_], odds: Numbers) -> _Separation:
    """Standardised distance and AUC, the reference's rows weighted by their odds of being the window's.

    Source:
        Hedges (1981), "Distribution theory for Glass's estimator of effect size", for d's large-sample error; DeLong,
        DeLong & Clarke-Pearson (1988), Biometrics 44, for AUC's; both with weights on the reference's rows.

    >>> score, in_window = np.array([0.0, 1.0, 1.0, 2.0]), np.array([False, False, True, True])
    >>> found = _separation(score, in_window, np.array([1.0, 1.0, 0.0, 0.0]))
    >>> found.distance_d, found.auc
    (2.0, 0.875)
    """
    window, reference, weight = score[in_window], score[~in_window], odds[~in_window] / odds.sum()
    alike = 1 / float(weight @ weight)
    centre = float(weight @ reference)
    spread = float(np.sqrt((window.var() + weight @ (reference - centre) ** 2) / 2))
    d = (float(window.mean()) - centre) / spread if spread else 0.0
    d_error = float(np.sqrt(1 / len(window) + 1 / alike + d**2 / 2 / (len(window) + alike)))
    order = np.argsort(reference)
    below, ordered, ranked = np.append(0, np.cumsum(weight[order])), reference[order], np.sort(window)
    placed = (below[ordered.searchsorted(window)] + below[ordered.searchsorted(window, "right")]) / 2
    beaten = 1 - (ranked.searchsorted(reference) + ranked.searchsorted(reference, "right")) / 2 / len(window)
    auc = float(np.clip(placed.mean(), 0, 1))
    error = float(np.sqrt(placed.var() / len(window) + weight**2 @ (beaten - auc) ** 2))
    return _Separation(
        d,
        (d - Z95 * d_error, d + Z95 * d_error),
        auc,
        (max(0.0, auc - Z95 * error), min(1.0, auc + Z95 * error)),
    )


def _pair_change(
    features: tuple[str, ...], codings: list[Coding], before: Codes, now: Codes, view: _View, place: int
) -> PairChange:
    (f, j), (g, k) = view.columns[place]
    sides = [_association(codings[f], j, codes[:, f], codings[g], k, codes[:, g]) for codes in (before, now)]
    return PairChange(
        first=features[f],
        first_score=codings[f].names[j],
        second=features[g],
        second_score=codings[g].names[k],
        reference=sides[0][0],
        reference_interval=sides[0][1],
        reference_rows=sides[0][2],
        window=sides[1][0],
        window_interval=sides[1][1],
        window_rows=sides[1][2],
        z=float(view.z[place]),
    )


def _association(
    one: Coding, j: int, ones: Codes, other: Coding, k: int, others: Codes
) -> tuple[float | None, tuple[float, float] | None, int]:
    """Correlation of two scores over the rows where both are defined, its 95 % interval, and how many rows.

    Source:
        Bonett & Wright (2000), "Sample size requirements for estimating Pearson, Kendall and Spearman correlations",
        Psychometrika 65: the standard error of Fisher's z for ranks.
    """
    defined = np.ones(len(ones), dtype=np.bool_)
    for coding, column, codes in ((one, j, ones), (other, k, others)):
        if coding.names[column] != "missing":
            defined &= codes != coding.missing
    x, y = rankdata(one.scores[ones[defined], j]), rankdata(other.scores[others[defined], k])
    rows = len(x)
    if rows < 10 or not (x.std() and y.std()):
        return None, None, rows
    r = float(np.clip(np.corrcoef(x, y)[0, 1], -1, 1))
    z, half = np.arctanh(np.clip(r, -1 + 1e-9, 1 - 1e-9)), Z95 * np.sqrt((1 + r**2 / 2) / (rows - 3))
    return r, (float(np.tanh(z - half)), float(np.tanh(z + half))), rows
