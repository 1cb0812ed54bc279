"""The quick way scores as the pipeline does, and a scorer that would not is not made."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import small_bank
from small_bank import SETTINGS

from pipeline.errors import IntegrityError
from pipeline.serving.scorer import Scorer, plain
from pipeline.training.model_files import ScoringModel
from pipeline.training.recipes import build

KINDS = SETTINGS.data.kinds
NAMES = list(KINDS)


def people(n, *, seed):
    """Applicants with rare categories, missing values in every column, and numbers of every size."""
    rng = np.random.default_rng(seed)
    rows = {}
    for name, kind in KINDS.items():
        if kind == "categorical":
            column = rng.choice(np.array(["a", "b", "c", "rare", "rarer", None], dtype=object), n, p=SHARES)
        else:
            column = np.where(rng.random(n) < 0.1, np.nan, rng.lognormal(8, 3, n))
        rows[name] = column
    return pd.DataFrame(rows)


SHARES = (0.4, 0.3, 0.2, 0.015, 0.005, 0.08)


@pytest.fixture(scope="module", params=["hist_gradient_boosting", "logistic_regression"])
def model(request):
    rows = people(3_000, seed=1)
    bad = (rows["loan_amount"].fillna(0) > 3_000) ^ (rows["new_business"] == "a")
    pipeline, _ = build(request.param, KINDS, seed=7)
    pipeline.fit(rows, bad)
    return ScoringModel(version="1", sha256="f" * 64, threshold=0.5, pipeline=pipeline, features=tuple(NAMES))


def test_it_scores_as_the_pipeline_does_with_missing_rare_and_new_values(model):
    scorer = Scorer(model, KINDS, warm_up=people(50, seed=2))
    rows = people(2_000, seed=3)
    rows.loc[:40, "borrower_state"] = "never seen"
    rows.loc[30:60, "naics_sector"] = "a\0b"
    rows.loc[100, NAMES] = None
    rows = rows.astype({name: "float64" for name, kind in KINDS.items() if kind == "numeric"})
    assert np.abs(scorer.score(plain(rows)) - model.score(rows)).max() < 1e-12
    one_by_one = np.concatenate([scorer.score([row]) for row in plain(rows[:100])])
    assert np.abs(one_by_one - model.score(rows)[:100]).max() < 1e-12


def test_no_rows_have_no_scores(model):
    assert Scorer(model, KINDS, warm_up=people(5, seed=2)).score([]).shape == (0,)


def test_it_names_what_the_model_has_never_seen(model):
    scorer = Scorer(model, KINDS, warm_up=people(5, seed=2))
    row = dict.fromkeys(NAMES)
    assert scorer.unknown([*row.values()]) == ()
    row |= {"borrower_state": "new", "franchise": "rarer", "low_doc": "newer"}
    assert scorer.unknown([*row.values()]) == ("borrower_state", "low_doc")


def test_a_scorer_that_differs_from_its_pipeline_is_not_made(model):
    class Other(ScoringModel):
        def score(self, rows):
            return super().score(rows) + 1e-9

    other = Other(**{name: getattr(model, name) for name in ("version", "sha256", "threshold", "pipeline", "features")})
    with pytest.raises(IntegrityError, match="does not score 50 rows as its own pipeline does"):
        Scorer(other, KINDS, warm_up=people(50, seed=2))


def test_the_small_banks_models_are_taken_apart_too():
    made = small_bank.model_of("3")
    model = ScoringModel(
        version="3", sha256=made.sha256, threshold=made.threshold, pipeline=made.pipeline, features=tuple(NAMES)
    )
    scorer = Scorer(replace(model), KINDS, warm_up=small_bank.reference())
    assert scorer.version == "3"
