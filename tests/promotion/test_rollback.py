"""Back to an earlier champion: only to one that was properly promoted and is whole, once, and everything is recorded."""

import json
import threading
from datetime import timedelta

import pytest
from builders import AS_OF, GO_LIVE, HEAD, OFFICER, a_dossier, a_workspace, judged, mend, put_on_record
from small_bank import SETTINGS, model_of

from pipeline.errors import InputError, IntegrityError, RefusedError
from pipeline.gate.checks import all_checks, promotion_cooldown
from pipeline.gate.values import Outcome
from pipeline.judging import bind, case_of, measure
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.promotion.reconcile import projection
from pipeline.promotion.review import pending, reviewed
from pipeline.promotion.rollback import earlier_champions, rollback, rollback_by_rule
from pipeline.promotion.state import Standing
from pipeline.stores.verify import verify

LATER = AS_OF + timedelta(days=1)
DAY = timedelta(days=1)


@pytest.fixture
def workspace(workspace):
    """Version 2 was promoted after version 1."""
    promote(workspace, "2")
    return workspace


def person(actor=OFFICER):
    return Person(actor=actor, method="local", name=actor)


def promote(workspace, challenger, *, champion="1", at=AS_OF):
    dossier = a_dossier(challenger=challenger, champion=champion, as_of=at)
    digest = judged(workspace, dossier)
    decide(workspace, digest, "approved", person=person(), reason="better", now=at)
    return digest


def back(workspace, version="1", *, actor=OFFICER, reason="it harms", now=LATER, seen=None):
    return rollback(workspace, version, person=person(actor), reason=reason, now=now, seen=seen)


def refusals(workspace):
    return [entry.body["why"] for entry in workspace.ledger.entries(kind="refused_rollback")]


def reigns(workspace):
    return [(row["number"], row["version"], row["how"]) for row in workspace.ledger.acts("champion")]


def standings(workspace, now=LATER):
    return {item.row["challenger"]: item.standing for item in reviewed(workspace, now=now)}


def test_an_earlier_champion_comes_back_and_the_record_says_who_why_and_when(workspace):
    done = back(workspace)
    expected = {"from_number": 2, "from_version": "2", "to_version": "1", "reason": "it harms"}
    assert {name: done[name] for name in expected} == expected
    assert (done["person"]["actor"], done["person"]["verified"], done["at"]) == (
        OFFICER,
        False,
        "2006-07-02T00:00:00.000000Z",
    )
    assert reigns(workspace)[-1] == (3, "1", "rollback")
    assert workspace.ledger.entry("rollback", "2 1").body == done
    assert workspace.ledger.champion(LATER)["version"] == "1"
    assert workspace.ledger.champion(AS_OF)["version"] == "2"
    assert projection(workspace, now=LATER).stages == {"1": "Production", "2": "Archived"}
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_a_promoted_version_comes_back_with_the_digest_that_was_signed_for_it(workspace):
    signed = workspace.ledger.champion()["digest"]
    back(workspace)
    back(workspace, "2", now=LATER + DAY)
    assert workspace.ledger.champion()["digest"] == signed
    assert reigns(workspace)[-2:] == [(3, "1", "rollback"), (4, "2", "rollback")]
    back(workspace, "1", now=LATER + 2 * DAY, reason="and back again")
    assert workspace.ledger.champion()["version"] == "1"
    assert len(workspace.ledger.entries(kind="rollback")) == 3


def test_the_same_act_twice_gets_the_first_answer(workspace):
    first = back(workspace, seen=2)
    assert back(workspace, seen=2, reason="another", now=LATER + 90 * DAY) == first
    assert back(workspace, reason="another", now=LATER + 90 * DAY) == first  # as `mend rollback` typed again
    assert len(reigns(workspace)) == 3
    assert refusals(workspace) == []


def test_a_rival_is_refused_and_told_who_was_faster(workspace):
    back(workspace, seen=2)
    with pytest.raises(RefusedError, match=rf"version 1 is champion since 2006-07-02 \(rollback by {OFFICER}\)"):
        back(workspace, actor=HEAD, seen=2)
    assert OFFICER in refusals(workspace)[0]
    assert len(reigns(workspace)) == 3


def test_what_was_seen_is_what_one_goes_back_from(workspace):
    promote(workspace, "3", champion="2", at=AS_OF + DAY)
    with pytest.raises(RefusedError, match=r"version 3 is champion since 2006-07-02 \(promotion by"):
        back(workspace, seen=2, now=LATER + DAY)
    assert workspace.ledger.champion()["version"] == "3"


def without_decision(workspace):
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        put_on_record(writer, version="4")
        at = {"at": AS_OF, "actor": "eve", "how": "promotion"}
        writer.swap_champion(expected="2", new="4", digest=None, **at)
        writer.swap_champion(expected="4", new="3", digest="f" * 64, **at)
    return "4"


def promoted_by_hand(workspace):
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        at = {"at": AS_OF, "actor": "eve", "digest": workspace.ledger.champion()["digest"]}
        writer.swap_champion(expected="2", new="4", how="by hand", **at)
        writer.swap_champion(expected="4", new="3", how="promotion", **at)
    return "4"


def anothers_dossier(workspace):
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        digest = workspace.ledger.champion()["digest"]
        writer.swap_champion(expected="2", new="4", how="promotion", at=AS_OF, actor="eve", digest=digest)
        writer.swap_champion(expected="4", new="3", how="promotion", at=AS_OF, actor="eve", digest=digest)
    return "4"


def rejected(workspace):
    digest = judged(workspace, a_dossier(challenger="3", champion="2", as_of=AS_OF))
    decide(workspace, digest, "rejected", person=person(), reason="no", now=AS_OF)
    return "3"


def undecided(workspace):
    judged(workspace, a_dossier(challenger="3", champion="2", as_of=AS_OF))
    return "3"


def refused_by_the_gates(workspace):
    judged(workspace, a_dossier(challenger="3", champion="2", as_of=AS_OF, better=False))
    return "3"


def rejected_and_yet_champion(workspace):
    """Somebody with the database put a rejected version in the champion's place, and another after it."""
    version, digest = rejected(workspace), workspace.ledger.acts("dossier")[-1]["digest"]
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.swap_champion(expected="2", new=version, how="promotion", at=AS_OF, actor="eve", digest=digest)
        writer.swap_champion(expected=version, new="4", how="promotion", at=AS_OF, actor="eve", digest=digest)
    return version


@pytest.mark.parametrize(
    ("target", "says"),
    [
        pytest.param(lambda _: "9", "version 9 was never champion", id="unknown"),
        pytest.param(lambda _: "", "was never champion", id="nothing"),
        pytest.param(lambda _: "2", "version 2 is the champion", id="present champion"),
        pytest.param(rejected, "version 3 was never champion", id="rejected"),
        pytest.param(undecided, "version 3 was never champion", id="undecided"),
        pytest.param(refused_by_the_gates, "version 3 was never champion", id="refused by the gates"),
        pytest.param(without_decision, "without an approved decision", id="no decision on record"),
        pytest.param(rejected_and_yet_champion, "without an approved decision", id="rejected and yet champion"),
        pytest.param(anothers_dossier, "by the dossier of another version", id="another's dossier"),
        pytest.param(promoted_by_hand, "version 4 was never promoted", id="not by a promotion"),
    ],
)
def test_nobody_goes_back_to_what_was_never_properly_champion(workspace, target, says):
    version = target(workspace)
    before = reigns(workspace)
    with pytest.raises(RefusedError, match=says):
        back(workspace, version)
    assert reigns(workspace) == before
    assert says in refusals(workspace)[0]
    assert workspace.ledger.entries(kind="rollback") == []


@pytest.mark.parametrize(
    ("given", "says"),
    [
        pytest.param({"actor": "eve"}, "not on the list", id="not on the list"),
        pytest.param({"actor": ""}, "not on the list", id="nobody"),
        pytest.param({"reason": " \n"}, "needs a reason", id="no reason"),
        pytest.param({"seen": 1}, "version 2 is champion", id="saw another champion"),
    ],
)
def test_who_may_not_or_does_not_say_why_changes_nothing(workspace, given, says):
    with pytest.raises(RefusedError, match=says):
        back(workspace, **given)
    assert len(reigns(workspace)) == 2
    assert says in refusals(workspace)[0]


def spoilt(workspace):
    (workspace.root / "mlflow" / "1" / "model.skops").write_bytes(b"other")


def extra(workspace):
    (workspace.root / "mlflow" / "1" / "more.pkl").write_bytes(b"")


def gone(workspace):
    (workspace.root / "mlflow" / "1" / "model.skops").unlink()


def swapped(workspace):
    (workspace.root / "mlflow" / "1" / "model.skops").write_bytes(model_of("2").content)


@pytest.mark.parametrize("harm", [spoilt, extra, gone, swapped])
def test_files_that_do_not_verify_keep_a_version_out(workspace, harm):
    harm(workspace)
    (listed,) = earlier_champions(workspace)
    assert listed.version == "1"
    assert "model.skops" in listed.why_not or "more.pkl" in listed.why_not
    with pytest.raises(IntegrityError):
        back(workspace)
    assert len(reigns(workspace)) == 2
    assert len(refusals(workspace)) == 1


def test_the_list_names_every_earlier_champion_once_with_its_last_reign(workspace):
    promote(workspace, "3", champion="2", at=AS_OF + DAY)
    back(workspace, "1", now=LATER + DAY)
    found = [(each.version, each.how, each.since, each.until, each.why_not) for each in earlier_champions(workspace)]
    assert found == [
        ("3", "promotion", AS_OF + DAY, LATER + DAY, None),
        ("2", "promotion", AS_OF, AS_OF + DAY, None),
    ]
    assert earlier_champions(workspace)[0].digest == workspace.ledger.acts("champion")[2]["digest"]


def test_a_reign_names_the_one_who_put_the_champion_back_not_the_one_who_once_promoted_it(workspace):
    assert workspace.ledger.reign()["by"] == OFFICER
    promote(workspace, "3", champion="2", at=AS_OF + DAY)
    known = Person(actor=HEAD, method="token", name=HEAD)
    rollback(workspace, "2", person=known, reason="it harms", now=LATER + DAY)
    reign = workspace.ledger.reign()
    assert (reign["by"], reign["how"], reign["signature"]["method"]) == (HEAD, "rollback", "token")
    assert workspace.ledger.reign(AS_OF)["signature"]["method"] == "local"


def test_of_two_clicks_and_a_rival_at_once_one_rollback_is_made(workspace):
    promote(workspace, "3", champion="2", at=AS_OF + DAY)
    barrier, answers = threading.Barrier(6), []

    def click(actor, version):
        barrier.wait()
        try:
            answers.append(back(workspace, version, actor=actor, seen=3, now=LATER + DAY)["to_version"])
        except RefusedError as refusal:
            answers.append(str(refusal))

    clicks = [(OFFICER, "1"), (OFFICER, "1"), (OFFICER, "1"), (HEAD, "2"), (HEAD, "2"), (HEAD, "1")]
    threads = [threading.Thread(target=click, args=each) for each in clicks]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    winner = workspace.ledger.champion()
    assert len(reigns(workspace)) == 4
    assert len(workspace.ledger.entries(kind="rollback")) == 1
    assert len(answers) == 6
    assert {answer for answer in answers if len(answer) == 1} == {winner["version"]}
    for refusal in (answer for answer in answers if len(answer) > 1):
        assert f"version {winner['version']} is champion since" in refusal
    assert verify(workspace.ledger, workspace=None).verified


def test_a_rollback_starts_the_cooldown_in_the_real_gate(workspace):
    back(workspace)
    made, at = "3", LATER + DAY
    with workspace.ledger.transaction(recorded_at=at) as writer:
        put_on_record(writer, version=made, as_of=AS_OF)
    model_of(made).write(workspace.root / "mlflow" / made)
    case = case_of(workspace, made, as_of=at)
    policy = workspace.settings.gate_policy
    since = workspace.require_champion()["since"]
    dossier = bind(
        workspace, case, measure(case, policy, None), policy=policy, promoted_at=since, expires_at=at + 14 * DAY
    )
    assert dossier.champion == "1"
    (cooldown,) = [check for check in dossier.checks if check.code == "G3"]
    assert (cooldown.outcome, cooldown.observed, cooldown.note) == (Outcome.FAILED, 1.0, "over in 6.0 days")
    assert not dossier.promotable


def test_what_waits_for_a_signature_is_out_of_date_even_if_its_champion_is_back(workspace):
    stale = judged(workspace, a_dossier(challenger="3", champion="2", as_of=AS_OF))
    assert [item.digest for item in pending(workspace, now=AS_OF)] == [stale]
    back(workspace)
    assert standings(workspace)["3"] is Standing.STALE
    back(workspace, "2", now=LATER + DAY)
    assert standings(workspace, LATER + DAY)["3"] is Standing.STALE
    with pytest.raises(RefusedError, match="champion is now"):
        decide(workspace, stale, "approved", person=person(), reason="r", now=LATER + DAY)


@pytest.mark.parametrize(
    ("last", "outcome", "says"),
    [
        pytest.param(None, Outcome.UNDECIDED, "no record", id="no record"),
        pytest.param(AS_OF + DAY, Outcome.FAILED, "clock or record is wrong", id="in the future"),
        pytest.param(AS_OF - DAY, Outcome.FAILED, "over in 6.0 days", id="yesterday"),
        pytest.param(AS_OF - 7 * DAY, Outcome.PASSED, "", id="over"),
    ],
)
def test_a_promotion_on_no_record_or_in_the_future_keeps_the_cooldown_on_and_says_so(last, outcome, says):
    policy, found = SETTINGS.gate_policy, a_dossier().evidence
    check = promotion_cooldown(policy=policy, as_of=AS_OF, last_promotion_at=last)
    assert check.outcome is outcome
    assert says in check.note
    checks = all_checks(found, policy=policy, as_of=AS_OF, last_promotion_at=last, last_try_at=None)
    assert all(each.outcome is Outcome.PASSED for each in checks) is (outcome is Outcome.PASSED)


def test_by_rule_only_where_the_settings_say_so_to_the_version_replaced_and_once(workspace):
    given = {"number": 2, "reason": "worse", "evidence": {"look": 3}, "now": LATER}
    with pytest.raises(RefusedError, match="takes a person"):
        rollback_by_rule(workspace, "1", **given)
    with pytest.raises(RefusedError, match="takes a person"):
        rollback_by_rule(workspace, "1", **given)
    assert len(refusals(workspace)) == 1  # a rule would try at every cycle
    allowed = workspace.settings.model_copy(update={"watch": workspace.settings.watch.model_copy(update={"act": True})})
    workspace.settings = allowed
    with pytest.raises(RefusedError, match="replaced version 1"):
        rollback_by_rule(workspace, "2", **given)
    done = rollback_by_rule(workspace, "1", **given)
    assert rollback_by_rule(workspace, "1", **given) == done
    assert (done["person"], done["evidence"], done["reason"]) == (None, {"look": 3}, "worse")
    assert workspace.ledger.entry("rollback", "2 1").actor == "mend"
    assert reigns(workspace)[1:] == [(2, "2", "promotion"), (3, "1", "rollback")]


def test_a_version_that_no_ledger_can_hold_is_refused_in_one_line(workspace):
    with pytest.raises((RefusedError, InputError)):
        back(workspace, "1\0")
    with pytest.raises(RefusedError, match="never champion"):
        back(workspace, "x" * 5000)
    assert len(reigns(workspace)) == 2


def test_the_command_line_lists_rolls_back_and_tells_the_registry(workspace):
    config = workspace.settings.source
    listed = mend("rollback", config=config).stdout
    assert "champion is version 2" in listed
    assert "init" in listed
    content = json.loads(mend("rollback", "--json", config=config).stdout)
    assert [(each["version"], each["why_not"]) for each in content["earlier"]] == [("1", None)]
    refused = mend("rollback", "1", "--as", "eve", "--reason", "r", config=config, exit_code=4)
    assert "not on the list" in refused.stderr
    done = mend("rollback", "1", "--as", OFFICER, "--reason", "it [harms]", config=config)
    assert "rolled back from version 2 to version 1" in done.stdout
    assert "it [harms]" in done.stdout
    assert "champion is version 1 since" in done.stdout
    assert "registry" in done.stdout
    again = json.loads(mend("rollback", "1", "--as", OFFICER, "--reason", "r", "--json", config=config).stdout)
    assert (again["reason"], again["champion"]) == ("it [harms]", "1")


def test_of_a_first_champion_the_list_is_empty(stores, tmp_path):
    fresh = a_workspace(tmp_path)
    assert earlier_champions(fresh) == []
    assert fresh.ledger.champion()["since"] == GO_LIVE
    with pytest.raises(RefusedError, match="version 1 is the champion"):
        back(fresh)
    fresh.ledger.engine.dispose()
    fresh.traffic.engine.dispose()


def test_a_clock_set_back_behind_the_record_rolls_nothing_back(workspace, monkeypatch):
    monkeypatch.setattr("pipeline.promotion.rollback.wall_clock", lambda: AS_OF)  # the promotion was recorded today
    with pytest.raises(RefusedError, match="clock says"):
        back(workspace)
    assert workspace.ledger.champion()["version"] == "2"
    assert [entry.actor for entry in workspace.ledger.entries(kind="refused_clock")] == [OFFICER]
