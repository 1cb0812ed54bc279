"""A model on plain values, as they come out of JSON: what its pipeline says, without a DataFrame for each request."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingClassifier

from pipeline.errors import IntegrityError
from pipeline.serving.reasons import PERMUTATIONS, contributions, orders, reasons
from pipeline.training.model_files import ScoringModel

Value = float | str | None
Numbers = NDArray[np.float64]
_AGREES = 1e-12  # sums in another order differ by rounding, a few times 1e-16; anything larger is a mistake
_REASONS = 4  # the official interpretation of Regulation B takes more for unlikely to help
_SEED = 7  # the same applicants and orders for every model on one reference
_WORTH_THREADS = 10_000  # rows: of a file, never of a request, whose answers share the cores with the event loop
_NEVER_SEEN = "\x00never seen\x00"


@dataclass(frozen=True, slots=True)
class _Codes:
    """How the fitted encoder writes the values of one column: which columns of its output, and what in them."""

    places: NDArray[np.intp]
    of: Mapping[Value, Numbers]
    unknown: Numbers


class Scorer:
    """Scores rows of plain values exactly as the verified pipeline does; anything else is refused when it is made.

    A pipeline spends milliseconds on one row, nearly all of them on building and checking frames. Here the fitted
    encoders are asked once what they make of every category they know, of a missing one and of one never seen; a row
    is then looked up. The numbers go through the same fitted steps, and the same fitted trees or weights score.

    >>> rows = pd.DataFrame({"purpose": ["car", "home"] * 60, "amount": np.arange(120.0)})
    >>> from pipeline.training.recipes import build
    >>> pipeline, _ = build("hist_gradient_boosting", {"purpose": "categorical", "amount": "numeric"}, seed=7)
    >>> fitted = pipeline.fit(rows, np.arange(120) % 3 == 0)
    >>> model = ScoringModel(version="1", sha256="", threshold=0.5, pipeline=fitted, features=("purpose", "amount"))
    >>> scorer = Scorer(model, {"purpose": "categorical", "amount": "numeric"}, warm_up=rows)
    >>> bool(scorer.score([("car", 3.0)])[0] == model.score(rows[rows["amount"].eq(3.0)].assign(purpose="car"))[0])
    True
    >>> scorer.unknown(("boat", 3.0))
    ('purpose',)
    """

    def __init__(self, model: ScoringModel, kinds: Mapping[str, str], *, warm_up: pd.DataFrame) -> None:
        """Take a model apart and hold it against itself.

        Args:
            model: Verified and loaded.
            kinds: Feature name to "numeric" or "categorical", in the order of a row's values.
            warm_up: Rows to compare on, with the features; the reference.

        Raises:
            IntegrityError: It does not score those rows as its own pipeline does.
        """
        self.model, names = model, list(kinds)
        self.version, self.sha256, self.threshold = model.version, model.sha256, model.threshold
        inputs = {name: (step, columns) for name, step, columns in model.pipeline["inputs"].transformers_}
        encoder, self._named = inputs["categorical"]
        self._numbers, numeric = inputs["numeric"]
        self._numeric = list(numeric)
        self._text_at = [names.index(name) for name in self._named]
        self._number_at = [names.index(name) for name in self._numeric]
        self._plain = self._numbers == "passthrough" or type(self._numbers).__name__ == "FunctionTransformer"
        classifier = model.pipeline["model"]
        trees = isinstance(classifier, HistGradientBoostingClassifier)
        self._probability = _of_trees(classifier) if trees else _of_rows(classifier)
        read = _read_by_trees(classifier, len(self._numeric)) if trees else _as_written
        self._missing, self._codes = _codes(encoder, list(self._named), read)
        self._require_agreement(warm_up[names])
        self._names, self._orders = names, orders(len(names), seed=_SEED)
        self._background = plain(warm_up[names].sample(PERMUTATIONS, replace=True, random_state=_SEED))

    def score(self, rows: Sequence[Sequence[Value]]) -> Numbers:
        """Probability of default per row, shape (n_rows,), in [0, 1]; None is a missing value."""
        if not rows:
            return np.empty(0)
        texts = np.tile(self._missing, (len(rows), 1))
        for place, codes in zip(self._text_at, self._codes, strict=True):
            found = [codes.of.get(row[place], codes.unknown) for row in rows]
            texts[:, codes.places] = found
        numbers = np.array([[row[place] for place in self._number_at] for row in rows], dtype=np.float64)
        if not self._plain:
            numbers = self._numbers.transform(pd.DataFrame(numbers, columns=self._numeric))
        return self._probability(np.hstack([texts, numbers]))

    def reasons(self, row: Sequence[Value]) -> tuple[str, ...]:
        """The four features that moved the score of a row up most, in comparison with the warm-up's applicants."""
        found = contributions(self.score, tuple(row), background=self._background, orders=self._orders)
        return reasons(found, self._names, most=_REASONS)

    def score_frame(self, rows: pd.DataFrame) -> Numbers:
        """Probability of default per row of a frame with the features, shape (n_rows,), in [0, 1]; for many at once."""
        if rows.empty:
            return np.empty(0)
        texts = np.tile(self._missing, (len(rows), 1))
        for name, codes in zip(self._named, self._codes, strict=True):
            place, values = pd.factorize(rows[name])
            block = np.array([*(codes.of.get(value, codes.unknown) for value in values), codes.of[None]])
            texts[:, codes.places] = block[place]  # a missing value's place is -1
        numbers = rows[self._numeric].to_numpy(dtype=np.float64)
        if not self._plain:
            numbers = self._numbers.transform(pd.DataFrame(numbers, columns=self._numeric))
        return self._probability(np.hstack([texts, numbers]))

    def unknown_in(self, rows: pd.DataFrame) -> dict[str, int]:
        """Rows with a category that the model has never seen, by feature."""
        found: dict[str, int] = {}
        for name, codes in zip(self._named, self._codes, strict=True):
            place, values = pd.factorize(rows[name])
            new = np.array([*(value not in codes.of for value in values), False])
            found[name] = int(new[place].sum())
        return {name: count for name, count in found.items() if count}

    def unknown(self, row: Sequence[Value]) -> tuple[str, ...]:
        """Features of a row whose category the model has never seen."""
        places = zip(self._named, self._text_at, self._codes, strict=True)
        return tuple(name for name, place, codes in places if row[place] not in codes.of)

    def _require_agreement(self, rows: pd.DataFrame) -> None:
        theirs = self.model.score(rows)
        both = np.abs(self.score(plain(rows)) - theirs), np.abs(self.score_frame(rows) - theirs)
        if not (apart := float(np.max(both, initial=0.0))) <= _AGREES:
            raise IntegrityError(
                f"model version {self.version}", f"does not score {len(rows)} rows as its own pipeline does", apart
            )


def plain(rows: pd.DataFrame) -> list[tuple[Value, ...]]:
    """The rows of a frame as plain values, missing ones None."""
    columns = [column.astype(object).where(column.notna(), None) for _, column in rows.items()]
    return list(zip(*columns, strict=True))


def _of_rows(classifier: Any) -> Callable[[Numbers], Numbers]:
    return lambda rows: classifier.predict_proba(rows)[:, 1]


def _of_trees(classifier: Any) -> Callable[[Numbers], Numbers]:
    """What `predict_proba` does after it has checked and encoded its input, which takes it ten times as long.

    These are scikit-learn's own inner parts, which another version may change: a Scorer holds itself against the public
    way when it is made.
    """

    def probability(rows: Numbers) -> Numbers:
        margin = np.full((len(rows), 1), classifier._baseline_prediction, order="F")
        threads = 1 if len(rows) < _WORTH_THREADS else os.cpu_count() or 1
        classifier._predict_iterations(np.ascontiguousarray(rows), classifier._predictors, margin, False, threads)
        return classifier._loss.predict_proba(margin)[:, 1]  # type: ignore[no-any-return]

    return probability


def _read_by_trees(classifier: Any, numbers: int) -> Callable[[Numbers], Numbers]:
    """The trees write categories once more, in an encoder of their own."""

    def read(codes: Numbers) -> Numbers:
        rows = np.hstack([codes, np.zeros((len(codes), numbers))])
        return classifier._preprocess_X(rows, reset=False)[:, : codes.shape[1]]  # type: ignore[no-any-return]

    return read


def _as_written(codes: Numbers) -> Numbers:
    return codes


def _codes(encoder: Any, names: list[str], read: Callable[[Numbers], Numbers]) -> tuple[Numbers, list[_Codes]]:
    """What a fitted encoder makes of a row without values, and of each value of each column.

    The encoder writes each column for itself, so what it makes of a row is put together from these.
    """
    if not names:
        return np.empty(0), []
    known = getattr(encoder, "categories_", None) or encoder["codes"].categories_
    values = [[None, _NEVER_SEEN, *(each for each in column if isinstance(each, str))] for column in known]
    probes = pd.DataFrame(
        [
            {name: value if place == at else None for at, name in enumerate(names)}
            for place, column in enumerate(values)
            for value in column
        ],
        dtype=object,
    )
    made = encoder.transform(probes)
    written = read(np.asarray(made.todense() if hasattr(made, "todense") else made, dtype=np.float64))
    missing, begin, codes = written[0], 0, []
    for column in values:
        block = written[begin : begin + len(column)]
        begin += len(column)
        differs = (block != missing) & ~(np.isnan(block) & np.isnan(missing))
        places = np.flatnonzero(differs.any(axis=0))
        of: dict[Value, Numbers] = {
            value: row[places] for value, row in zip(column, block, strict=True) if value != _NEVER_SEEN
        }
        codes.append(_Codes(places=places, of=of, unknown=block[1][places]))
    return missing, codes
