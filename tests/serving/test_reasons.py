"""Reasons: near the exact Shapley value, the same each time, and none for what does not matter."""

from itertools import permutations

import numpy as np
import pytest
from service import an_application, serving
from small_bank import SETTINGS, applicants, model_of, reference

from pipeline.serving.reasons import PERMUTATIONS, contributions, orders
from pipeline.serving.scorer import Scorer, plain
from pipeline.training.model_files import ScoringModel

NAMES = list(SETTINGS.data.features)
ROWS = plain(applicants()[NAMES])


@pytest.fixture(scope="module")
def scorer():
    model = model_of("2")
    return Scorer(
        ScoringModel(
            version="2", sha256=model.sha256, threshold=model.threshold, pipeline=model.pipeline, features=tuple(NAMES)
        ),
        SETTINGS.data.kinds,
        warm_up=reference(),
    )


def crooked(rows):
    """Features that work together, and one that does nothing."""
    x = np.array(rows, dtype=float)
    return 1 / (1 + np.exp(-(x[:, 0] * x[:, 1] + 0.5 * x[:, 2] - x[:, 3] ** 2)))


def test_it_is_near_the_value_over_every_order():
    rng = np.random.default_rng(1)
    background = [tuple(row) for row in rng.random((PERMUTATIONS, 5))]
    every = np.array(list(permutations(range(5))))
    for row in rng.random((20, 5)) * 2:
        exact = np.mean(
            [contributions(crooked, tuple(row), background=[b] * len(every), orders=every) for b in background], axis=0
        )
        found = contributions(crooked, tuple(row), background=background, orders=orders(5, seed=7))
        assert np.abs(found - exact).max() < 0.03
        assert found.sum() == pytest.approx(crooked([row])[0] - crooked(background).mean())
        assert found[4] == 0


def test_a_model_that_looks_at_one_feature_gives_it_as_its_first_reason(scorer):
    scores = scorer.score(ROWS)
    worst, best = ROWS[int(np.argmax(scores))], ROWS[int(np.argmin(scores))]
    assert scorer.reasons(worst) == scorer.reasons(worst)
    assert scorer.reasons(worst)[0] == "jobs_created"  # by which version 2 sees the truth
    assert "jobs_created" not in scorer.reasons(best)
    assert len(scorer.reasons(worst)) <= 4


def test_they_are_given_and_kept_when_asked_for(workspace):
    with serving(workspace.settings.source) as service:
        plain_answer = service.ask("/predict", an_application(prediction_id="a"))[1]
        asked = service.ask("/predict?reasons=true", an_application(prediction_id="b"))[1]
        assert "reasons" not in plain_answer
        assert set(asked["reasons"]) <= set(NAMES)
        assert asked["reasons"]
        assert service.ask("/predict?reasons=true", an_application(prediction_id="b"))[1] == asked
        assert service.ask("/predict?reasons=true", an_application(prediction_id="a"))[1]["reasons"] is None
        assert "reasons" not in service.ask("/predict?reasons=false", an_application())[1]
        for wrong in ("reasons=1", "reasons=", "reasons=true&reasons=true", "reasons=%00"):
            assert service.ask(f"/predict?{wrong}", an_application())[0] == 422
