"""Model recipes: scikit-learn pipelines that take raw features, missing values and unseen categories included."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, QuantileTransformer

# A category seen in fewer training rows than this is grouped with the other rare ones: its own default rate would rest
# on too few cases to estimate (20 rows at a 10 % default rate give a standard error of 7 percentage points).
_RARE_ROWS = 20
_MOST_CATEGORIES = 250  # scikit-learn's histogram trees take at most 255 categories


def build(recipe: str, kinds: Mapping[str, str], *, seed: int) -> tuple[Pipeline, dict[str, tuple[Any, ...]]]:
    """An unfitted pipeline and the grid it is searched over when the settings give none.

    Args:
        recipe: "hist_gradient_boosting" or "logistic_regression".
        kinds: Feature name to "numeric" or "categorical".
        seed: Fixes every random choice inside.
    """
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    categorical = [name for name, kind in kinds.items() if kind == "categorical"]
    if recipe == "hist_gradient_boosting":
        return _boosting(numeric, categorical, seed), {"max_leaf_nodes": (7, 15)}
    return _logistic(numeric, categorical, seed), {"C": (0.1, 1.0)}


def _boosting(numeric: list[str], categorical: list[str], seed: int) -> Pipeline:
    codes = OrdinalEncoder(
        handle_unknown="use_encoded_value",
        unknown_value=np.nan,
        encoded_missing_value=np.nan,
        min_frequency=_RARE_ROWS,
        max_categories=_MOST_CATEGORIES,
    )
    inputs = ColumnTransformer([("categorical", codes, categorical), ("numeric", "passthrough", numeric)])
    trees = HistGradientBoostingClassifier(
        categorical_features=list(range(len(categorical))),
        learning_rate=0.06,
        max_iter=100,
        l2_regularization=1.0,
        random_state=seed,
    )
    return Pipeline([("inputs", inputs), ("model", trees)])


def _logistic(numeric: list[str], categorical: list[str], seed: int) -> Pipeline:
    codes = Pipeline(
        [
            ("missing", SimpleImputer(missing_values=None, strategy="constant", fill_value="missing")),
            ("codes", OneHotEncoder(handle_unknown="infrequent_if_exist", min_frequency=_RARE_ROWS)),
        ]
    )
    # ranks instead of amounts: money is heavy-tailed, and one loan of 4 million must not set the slope
    ranks = Pipeline(
        [
            ("missing", SimpleImputer(strategy="median", add_indicator=True)),
            ("ranks", QuantileTransformer(n_quantiles=100, random_state=seed)),
        ]
    )
    inputs = ColumnTransformer([("categorical", codes, categorical), ("numeric", ranks, numeric)])
    return Pipeline([("inputs", inputs), ("model", LogisticRegression(max_iter=2000, random_state=seed))])
