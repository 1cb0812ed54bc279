"""The watch of a promotion over real stores, real models and real outcomes: what it sees, records, tells and does."""

from datetime import timedelta

import pytest
from builders import AS_OF, OFFICER, a_dossier, a_workspace, judged
from watch_builders import LOOK, new_people, promoted

from pipeline.alerts.journal import read_state
from pipeline.baseline import record_baseline
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.promotion.rollback import rollback
from pipeline.promotion.watching_period import standing_watch, watch
from pipeline.running.telling import tell, watched
from pipeline.stores.verify import verify
from pipeline.training.model_files import ScoringModel

DAY = timedelta(days=1)


@pytest.fixture
def workspace(tmp_path):
    """Version 2 was promoted after version 1 at AS_OF, and both have scores of the reference on record."""
    made = a_workspace(tmp_path)
    promoted(made)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


def looked(workspace, as_of=LOOK, seen=None):
    said = []
    found = watch(workspace, as_of, seen or {}, say=said.append)
    return found, said


def entries(workspace):
    return [(entry.key, entry.body["look"], entry.body["state"]) for entry in workspace.ledger.entries(kind="watch")]


def acting(workspace):
    settings = workspace.settings
    workspace.settings = settings.model_copy(update={"watch": settings.watch.model_copy(update={"act": True})})


def test_a_champion_that_is_worse_than_the_one_before_is_proposed_against_with_its_numbers(workspace):
    new_people(workspace, seen_by="1")
    found, said = looked(workspace)
    assert (found["state"], found["grounds"], found["look"], found["looks"]) == ("proposes", ["outcomes"], 1, 6)
    auc = found["metrics"][0]
    assert auc["replaced"] > 0.95 > 0.6 > auc["value"]
    assert auc["high"] < 0 < auc["promised_gain"]
    assert found["rows"]["labelled"] == 600
    assert "worse than version 1 and than promised" in said[0]
    assert workspace.ledger.champion()["version"] == "2"  # it proposes, it does not act
    assert workspace.ledger.entries(kind="refused_rollback") == []  # nor does it try to
    assert standing_watch(workspace) == found
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_one_that_gains_as_promised_goes_on_and_has_kept_it_in_the_end(workspace):
    new_people(workspace, seen_by="2")
    found, _ = looked(workspace)
    assert found["state"] == "watching"
    assert found["metrics"][0]["gain"] > 0.3
    final, _ = looked(workspace, AS_OF + 180 * DAY)
    assert (final["state"], final["look"], final["over"]) == ("kept", 6, True)
    again, said = looked(workspace, AS_OF + 400 * DAY)
    assert (again, said) == (final, [])


@pytest.mark.parametrize(
    ("people", "says"),
    [
        pytest.param(None, "0 outcomes final since the dossier", id="no label"),
        pytest.param(150, "150 outcomes final since the dossier, 30 bad", id="too few"),
    ],
)
def test_without_outcomes_nothing_is_said_but_that(workspace, people, says):
    if people:
        new_people(workspace, seen_by="1", n=people)
    found, _ = looked(workspace)
    assert found["state"] == "watching"
    assert says in found["reason"]
    ended, _ = looked(workspace, AS_OF + 181 * DAY)
    assert ended["state"] == "not told"
    assert list(watched(workspace, AS_OF + 181 * DAY)) == []


def test_outcomes_are_looked_at_at_set_times_and_each_look_is_one_entry(workspace):
    for day in (0, 1, 29, 30, 31, 59, 61, 61):
        looked(workspace, AS_OF + day * DAY)
    assert [(look, state) for _, look, state in entries(workspace)] == [
        (0, "watching"),
        (1, "watching"),
        (2, "watching"),
    ]
    new_people(workspace, seen_by="1")
    found, said = looked(workspace, AS_OF + 62 * DAY)
    assert (found["state"], said) == ("watching", [])  # until the next look is due
    assert looked(workspace, AS_OF + 90 * DAY)[0]["state"] == "proposes"


def test_a_proposal_stands_and_a_person_ends_it_by_going_back(workspace):
    new_people(workspace, seen_by="1")
    first, _ = looked(workspace)
    for start in (AS_OF, AS_OF + 60 * DAY):
        new_people(workspace, seen_by="2", n=1200, start=start)
    later, _ = looked(workspace, LOOK + 145 * DAY)
    assert later["metrics"][0]["harm"] is False  # by then it would not be proposed any more
    assert (later["state"], later["proposed_at"]) == ("proposes", first["as_of"])
    person = Person(actor=OFFICER, method="local")
    rollback(workspace, "1", person=person, reason="as proposed", now=LOOK + 146 * DAY)
    assert standing_watch(workspace) is None
    assert looked(workspace, LOOK + 147 * DAY) == (None, [])
    assert list(watched(workspace, LOOK + 147 * DAY)) == []


def test_the_first_champion_and_one_put_back_are_not_watched(tmp_path):
    made = a_workspace(tmp_path)
    assert watch(made, LOOK, {}, say=print) is None
    assert made.ledger.entries(kind="watch") == []


def test_allowed_to_act_it_goes_back_once_to_the_version_replaced_and_says_by_whom(workspace):
    acting(workspace)
    new_people(workspace, seen_by="1")
    _, said = looked(workspace)
    assert said[-1] == "rolled back to version 1 by rule (watch.act)"
    champion = workspace.ledger.champion()
    assert (champion["version"], champion["how"], champion["since"]) == ("1", "rollback", LOOK)
    (done,) = workspace.ledger.entries(kind="rollback")
    assert done.actor == "mend"
    assert done.body["person"] is None
    assert done.body["evidence"]["metrics"][0]["harm"] is True
    assert "worse than version 1" in done.body["reason"]
    assert looked(workspace, LOOK + DAY) == (None, [])
    (told,) = watched(workspace, LOOK + DAY)
    assert (told.code, told.subject, told.severity.value) == ("watch.rolled_back", "version 1", "page")
    assert list(watched(workspace, LOOK + 8 * DAY)) == []


def test_allowed_to_act_it_does_not_go_back_to_files_that_do_not_verify(workspace):
    acting(workspace)
    new_people(workspace, seen_by="1")
    workspace.model("1")  # it is in memory already, and can be compared
    (workspace.root / "mlflow" / "1" / "model.skops").write_bytes(b"other")
    for day in (0, 1, 2):
        found, said = looked(workspace, LOOK + day * DAY)
        assert "refused" in said[-1]
    assert found["state"] == "proposes"
    assert workspace.ledger.champion()["version"] == "2"
    assert len(workspace.ledger.entries(kind="refused_rollback")) == 1


def test_other_scores_for_the_same_rows_are_seen_at_once_and_between_looks(workspace, monkeypatch):
    assert looked(workspace, AS_OF + DAY)[0]["canary"] == {
        "rows": 200,
        "differ": 0,
        "largest": 0.0,
        "reason": None,
        "broken": False,
    }
    libraries_change(monkeypatch, "2", rows=slice(3, 8), by=0.25)
    found, _ = looked(workspace, AS_OF + 2 * DAY)
    assert (found["state"], found["grounds"], found["look"]) == ("proposes", ["scores"], 0)
    assert found["canary"]["differ"] == 5
    assert "5 of 200 reference rows get another score from version 2 than on record, by up to 0.25" in found["reason"]
    (told,) = watched(workspace, AS_OF + 2 * DAY)
    assert (told.code, told.severity.value, told.since) == ("watch.rollback", "page", AS_OF + 2 * DAY)
    monkeypatch.undo()
    well, _ = looked(workspace, AS_OF + 3 * DAY)
    assert (well["state"], well["proposed_at"]) == ("watching", None)
    assert [state for *_, state in entries(workspace)] == ["watching", "proposes", "watching"]


def libraries_change(monkeypatch, *versions, rows, by):
    """From now on the same files give some rows other scores, as after an upgrade that went wrong."""
    unchanged = ScoringModel.score

    def score(self, given):
        found = unchanged(self, given)
        found[rows] += by if self.version in versions else 0.0
        return found

    monkeypatch.setattr(ScoringModel, "score", score)


def test_where_both_versions_score_otherwise_the_platform_changed_and_that_is_told(workspace, monkeypatch):
    libraries_change(monkeypatch, "1", "2", rows=slice(0, 4), by=0.1)
    found, _ = looked(workspace, AS_OF + 2 * DAY)
    assert found["state"] == "watching"
    assert found["canary_of_replaced"]["differ"] == 4
    assert "would not mend it" in found["reason"]
    (told,) = watched(workspace, AS_OF + 2 * DAY)
    assert (told.code, told.severity.value) == ("watch.scores", "page")


def test_a_champion_whose_file_was_changed_is_proposed_against(workspace):
    looked(workspace)
    (workspace.root / "mlflow" / "2" / "model.skops").write_bytes(b"other")
    found, _ = looked(workspace, LOOK + DAY)
    assert (found["state"], found["canary"]["broken"]) == ("proposes", True)
    assert "model.skops" in found["reason"]


@pytest.mark.parametrize("lost", ["file", "entry"])
def test_canary_rows_without_a_record_are_neither_well_nor_ill(workspace, lost):
    if lost == "file":
        (workspace.root / "monitoring/reference/reference_scores_v2.parquet").unlink()
    else:
        promote_third(workspace)
    found, _ = looked(workspace)
    assert found["canary"]["rows"] == 0
    assert found["canary"]["reason"]
    assert found["state"] == "watching"


def promote_third(workspace):
    digest = judged(workspace, a_dossier(challenger="3", champion="2"))
    decide(workspace, digest, "approved", person=Person(actor=OFFICER, method="local"), reason="r", now=AS_OF)


def test_what_cannot_be_read_is_said_and_tried_again(workspace):
    new_people(workspace, seen_by="1")
    path = workspace.root / workspace.ledger.acts("dossier")[0]["path"]
    text = path.read_text()
    path.write_text(text.replace('"rows":1000', '"rows":1001'))
    found, _ = looked(workspace)
    assert found["state"] == "watching"
    assert "Outcomes could not be looked at" in found["reason"]
    assert "changed after it was judged" in found["reason"]
    assert looked(workspace, LOOK + DAY)[1] == []
    path.write_text(text)
    assert looked(workspace, LOOK + 2 * DAY)[0]["state"] == "proposes"


def estimated(value=0.6, *, trusted=True, champion="2"):
    numbers = {"low": 0.55, "high": 0.65, "level": 0.9, "rows": 400, "reason": None}
    each = [{"metric": name, "value": value, **numbers} for name in ("auc", "f1", "brier", "default_rate")]
    trust = [{"metric": one["metric"], "trusted": trusted, "reason": "no past estimate yet"} for one in each]
    return {"outcomes": {"champion": champion, "estimated": {"estimates": each, "trust": trust}}}


def test_estimates_stand_beside_the_promise_and_propose_nothing(workspace):
    found, _ = looked(workspace, LOOK, estimated(0.01))
    assert [(each["metric"], each["value"], each["why"]) for each in found["estimated"]] == [
        ("auc", 0.01, None),
        ("brier", 0.01, None),
    ]
    assert found["state"] == "watching"
    unsure, _ = looked(workspace, LOOK + 30 * DAY, estimated(0.01, trusted=False))
    assert [(each["value"], each["why"]) for each in unsure["estimated"]] == [(None, "no past estimate yet")] * 2
    anothers, _ = looked(workspace, LOOK + 60 * DAY, estimated(champion="1"))
    assert anothers["estimated"] == []


def test_what_it_scored_itself_is_counted_and_not_judged_before_it_is_final(workspace):
    new_people(workspace, seen_by="2", n=300, start=AS_OF)
    rows = workspace.traffic.outcomes(AS_OF, AS_OF + 60 * DAY, as_of=AS_OF + 60 * DAY)
    answers = rows[["application_id", "event_time"]].assign(
        prediction_id=rows["application_id"], model_version="2", model_sha256="b" * 64, score=0.5, threshold=0.4,
        decision=1, scored_at=rows["event_time"],
    )  # fmt: skip
    workspace.traffic.add_predictions(answers)
    found, _ = looked(workspace, AS_OF + 13 * DAY)
    assert found["own"] == {
        "scored": 300,
        "mature": 0,
        "known_bad": 60,
        "first_mature_at": "2006-07-31T01:00:00.000000Z",
    }
    assert found["metrics"][0]["reason"].startswith("0 outcomes final")


def test_the_canary_reads_what_a_real_baseline_left(tmp_path):
    made = a_workspace(tmp_path)
    digest = judged(made, a_dossier())
    decide(made, digest, "approved", person=Person(actor=OFFICER, method="local"), reason="r", now=AS_OF)
    record_baseline(made, at=AS_OF, actor="mend", say=print)
    found = watch(made, AS_OF + DAY, {}, say=print)
    assert (found["canary"]["rows"], found["canary"]["differ"]) == (200, 0)
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


def test_a_proposal_opens_an_alert_that_ends_when_the_champion_changes(workspace):
    new_people(workspace, seen_by="1")
    codes = []
    for day in range(8):
        at = LOOK + day * DAY
        looked(workspace, at)
        cycle = {"as_of": at, "note": "drift.ipynb failed", "clock": "replay", "status": "failed", "champion": "2"}
        tell(workspace, cycle, {}, None, say=lambda _: None)
        codes.append([alert.code for alert in read_state(workspace.ledger).open if alert.code.startswith("watch")])
        if day == 1:
            person = Person(actor=OFFICER, method="local")
            rollback(workspace, "1", person=person, reason="as proposed", now=at + DAY / 2)
    assert codes[1] == ["watch.rollback"]
    assert codes[-1] == []
