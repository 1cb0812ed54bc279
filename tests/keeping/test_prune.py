"""Pruning deletes what is old and nothing stands on; the ledger keeps what it was, and the record stays whole."""

from __future__ import annotations

from datetime import timedelta

import pytest
from builders import AS_OF
from keeping.killing import kill_at, lines_of
from keeping.lived_in import LOOKS, a_copy, a_person, close, everything, keeping, looked, opened

from dashboard import loaders
from pipeline.errors import InputError, IntegrityError, RefusedError, SettingsError
from pipeline.keeping.finishing import finish, unfinished
from pipeline.keeping.prune import least_traffic, plan, prune
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.recompute import recompute
from pipeline.stores.engine import iso
from pipeline.stores.verify import verify

KEPT_LOOKS = 3  # monitor.of_last of the shipped settings
AGES = {"reports": "1d", "notebooks": "1d", "results": "1d"}


def pruned(workspace, **changes):
    given = {"as_of": AS_OF, "person": a_person(), "reason": "retention", "now": AS_OF} | changes
    return prune(workspace, **given)


@pytest.fixture
def tidy(bank):
    """Everything as old as a day may go, traffic once it is past what Mend computes with."""
    found = opened(keeping(bank, **AGES, traffic="4500d"))
    assert found.settings.monitor.of_last == KEPT_LOOKS
    yield found
    close(found)


def test_nothing_is_deleted_unless_an_age_is_given(workspace):
    before = everything(workspace.root)
    assert pruned(workspace, as_of=AS_OF).empty
    assert everything(workspace.root).keys() == before.keys()
    assert not workspace.ledger.entries(kind="pruned")


def test_old_looks_go_and_the_ledger_says_what_they_were(tidy):
    before = {path: digest for entry in tidy.ledger.entries(kind="cycle") for path, digest in entry.files.items()}
    found = pruned(tidy)
    [entry] = tidy.ledger.entries(kind="pruned")
    assert entry.body["pruned_files"] == found.files
    assert len(found.files) == 4 * (len(LOOKS) - KEPT_LOOKS)
    for path, digest in found.files.items():
        assert not (tidy.root / path).exists()
        assert before.get(path, digest) == digest
    assert (entry.actor, entry.body["reason"], entry.body["person"]["method"]) == (
        a_person().actor,
        "retention",
        "local",
    )
    checked = verify(tidy.ledger, workspace=tidy.root)
    assert checked.verified, checked.breaks


def test_only_what_has_an_age_goes(bank):
    workspace = opened(keeping(bank, reports="1d"))
    found = pruned(workspace)
    assert found.files
    assert all(path.endswith(".html") for path in found.files)
    close(workspace)


def test_age_is_counted_from_as_of_and_its_edge_stays(bank):
    workspace = opened(keeping(bank, reports="14d"))
    moment = LOOKS[-4]  # 21 days before AS_OF; the newest three are kept anyway
    days_later = moment + timedelta(days=14)
    assert not [path for path in plan(workspace, as_of=days_later, now=AS_OF).files if f"{moment:%Y%m%d}" in path]
    a_second_later = days_later + timedelta(seconds=1)
    assert [path for path in plan(workspace, as_of=a_second_later, now=AS_OF).files if f"{moment:%Y%m%d}" in path]
    close(workspace)


def test_old_traffic_goes_with_its_predictions_and_labels(tidy):
    before = tidy.traffic.counts()
    found = pruned(tidy)
    assert found.rows == {"applications": 40, "predictions": 40, "labels": 40, "quarantine": 0}
    assert tidy.traffic.counts() == {table: before[table] - 40 for table in before}
    assert tidy.ledger.entries(kind="pruned")[0].body["rows"] == found.rows


def test_what_decisions_stand_on_is_never_pruned(bank):
    workspace = opened(keeping(bank, **AGES))
    for moment in (AS_OF + timedelta(days=400 + n) for n in range(5)):
        looked(workspace, moment)  # so that the judged moment is no longer among the newest
    values = {"key": "s" * 64, "as_of": LOOKS[5], "reason": "drift", "note": "", "windows": "[]"}
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("signal", "s" * 64, values, at=LOOKS[5], actor="mend")
    now = AS_OF + timedelta(days=500)
    found = pruned(workspace, as_of=now, now=now)
    gone = {path for path in found.files if path.endswith(".html")}
    stamps = {path.rpartition("_report_")[2][:8] for path in gone}
    kept = {f"{moment:%Y%m%d}" for moment in [*LOOKS[3:6], AS_OF]}  # the looks up to the signal; where it was judged
    assert stamps
    assert not stamps & kept
    named = {path for entry in workspace.ledger.entries() if entry.kind not in ("cycle", "run") for path in entry.files}
    assert all((workspace.root / path).exists() for path in named)
    [dossier] = workspace.ledger.acts("dossier")
    signed = decide(
        workspace, dossier["digest"], "approved", person=a_person(), reason="better", now=AS_OF + timedelta(days=1)
    )
    assert signed["verdict"] == "approved"  # with every check of what it stands on
    close(workspace)


def test_pruned_traffic_that_no_dossier_stands_on_leaves_it_recomputable(tidy):
    found = pruned(tidy)
    assert found.dossiers == ()
    [dossier] = tidy.ledger.acts("dossier")
    assert recompute(tidy, dossier["digest"]).identical


def test_dossiers_that_lose_their_rows_are_named(bank):
    workspace = opened(keeping(bank, traffic="4500d"))
    later = AS_OF + timedelta(days=9000)
    looked(workspace, later)
    found = plan(workspace, as_of=later, now=later)
    assert found.dossiers == (workspace.ledger.acts("dossier")[0]["digest"],)
    assert plan(workspace, as_of=AS_OF, now=later).dossiers == ()
    close(workspace)


def test_retention_shorter_than_what_mend_computes_with_is_refused(bank):
    workspace = opened(bank)
    least = -(-least_traffic(workspace) // timedelta(days=1))
    close(workspace)
    workspace = opened(keeping(bank, traffic=f"{least - 1}d"))
    with pytest.raises(SettingsError, match=rf"keep_traffic: expected at least {least}d.*got {least - 1}d"):
        pruned(workspace)
    assert not workspace.ledger.entries(kind="pruned")
    close(workspace)


def test_future_is_refused(tidy):
    with pytest.raises(InputError, match="or earlier"):
        pruned(tidy, as_of=AS_OF + timedelta(days=1))


@pytest.mark.parametrize("how", ["changed", "gone"])
def test_pruning_does_not_tidy_away_what_was_tampered_with(tidy, how):
    victim = next(iter(sorted(plan(tidy, as_of=AS_OF, now=AS_OF).files)))
    (tidy.root / victim).write_text("other") if how == "changed" else (tidy.root / victim).unlink()
    with pytest.raises(IntegrityError, match="mend ledger verify"):
        pruned(tidy)
    assert not tidy.ledger.entries(kind="pruned")
    assert victim in verify(tidy.ledger, workspace=tidy.root).breaks[0]


def test_plan_changes_nothing(tidy):
    before, rows = everything(tidy.root), tidy.traffic.counts()
    assert not plan(tidy, as_of=AS_OF, now=AS_OF).empty
    assert everything(tidy.root).keys() == before.keys()
    assert (tidy.traffic.counts(), len(tidy.ledger.entries(kind="pruned"))) == (rows, 0)


def test_pruning_twice_records_once(tidy):
    assert not pruned(tidy).empty
    assert pruned(tidy).empty
    assert len(tidy.ledger.entries(kind="pruned")) == 1


@pytest.mark.parametrize(
    ("person", "reason", "why"),
    [
        pytest.param(Person(actor="nobody@bank.example", method="local"), "r", "not on the list", id="not on the list"),
        pytest.param(Person(actor=a_person().actor, method="oidc"), "r", "knows people by", id="known otherwise"),
        pytest.param(a_person(), "  ", "expected a reason", id="no reason"),
    ],
)
def test_who_may_not_is_refused_on_record(tidy, person, reason, why):
    before = everything(tidy.root)
    with pytest.raises(RefusedError, match=why):
        pruned(tidy, person=person, reason=reason)
    assert everything(tidy.root).keys() == before.keys()
    [refusal] = tidy.ledger.entries(kind="refused_prune")
    assert refusal.actor == person.actor
    assert why in refusal.body["why"]


def test_pruned_file_that_comes_back_must_be_the_one_that_was_recorded(tidy):
    path = next(iter(pruned(tidy).files))
    (tidy.root / path).parent.mkdir(parents=True, exist_ok=True)
    (tidy.root / path).write_text("another")
    assert verify(tidy.ledger, workspace=tidy.root).breaks[0].startswith(f"{path}: not the file")
    finish(tidy)
    assert (tidy.root / path).exists(), "what was not recorded is not deleted, it is evidence"


def test_file_made_again_after_it_was_pruned_must_be_there(tidy):
    path, digest = next(iter(pruned(tidy).files.items()))
    with tidy.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("made_again", "1", {}, at=AS_OF, actor="mend", files={path: digest})
    assert verify(tidy.ledger, workspace=tidy.root).breaks[0].startswith(f"{path}: gone")


def test_prune_killed_anywhere_is_healed_by_a_repeat(original, tmp_path):
    def act(folder):
        workspace = opened(folder / "mend.toml")
        pruned(workspace)
        close(workspace)

    keeping(a_copy(original, tmp_path / "first"), **AGES, traffic="4500d")
    a_copy(tmp_path / "first", tmp_path / "counted")
    total = lines_of(lambda: act(tmp_path / "counted"))
    half_done, recorded = 0, 0
    for number, line in enumerate(sorted({1 + round((total - 1) * n / 15) for n in range(16)})):
        folder = tmp_path / f"k{number}"
        a_copy(tmp_path / "first", folder)
        kill_at(lambda folder=folder: act(folder), line)
        workspace = opened(folder / "mend.toml")
        recorded += bool(workspace.ledger.entries(kind="pruned"))
        left = unfinished(workspace)
        half_done += bool(left.lines)
        assert verify(workspace.ledger, workspace=workspace.root).verified, "a crash looks like tampering"
        pruned(workspace)
        assert unfinished(workspace).lines == []
        [entry] = workspace.ledger.entries(kind="pruned")
        assert not [path for path in entry.body["pruned_files"] if (workspace.root / path).exists()]
        assert workspace.traffic.count_before(AS_OF - timedelta(days=4500)) == {
            "labels": 0,
            "quarantine": 0,
            "predictions": 0,
            "applications": 0,
        }
        assert verify(workspace.ledger, workspace=workspace.root).verified
        close(workspace)
    assert half_done > 0, "it was never killed between the record and the deletion"
    assert 0 < recorded < 16


def test_recorded_as_of_is_the_one_that_was_asked_for(tidy):
    asked = AS_OF - timedelta(days=30)
    found = pruned(tidy, as_of=asked)
    [entry] = tidy.ledger.entries(kind="pruned")
    assert entry.body["as_of"] == iso(asked)
    assert entry.body["traffic_before"] == iso(found.traffic_before)
    assert entry.at == AS_OF


def test_a_page_that_wants_a_pruned_file_says_when_and_by_whom_it_was_taken_away(tidy):
    pruned(tidy)
    (entry,) = tidy.ledger.entries(kind="pruned")
    path, sha256 = next(iter(entry.body["pruned_files"].items()))
    with pytest.raises(IntegrityError, match=rf"pruned on \d{{4}}-\d\d-\d\d by {entry.actor} \(entry {entry.seq} "):
        loaders.recorded(tidy, path, sha256)
    with pytest.raises(IntegrityError, match="not readable: No such file"):
        loaders.recorded(tidy, path, "0" * 64)
