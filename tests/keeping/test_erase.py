"""Erasing an applicant: their rows go everywhere, the record says so without naming them, and they stay away."""

from __future__ import annotations

import json
import re
import resource
import signal
from datetime import timedelta

import pandas as pd
import pytest
from builders import AS_OF
from hypothesis import given
from hypothesis import strategies as st
from keeping.killing import kill_at, lines_of
from keeping.lived_in import a_copy, a_person, close, frame_of, opened
from small_bank import applicants

from pipeline.baseline import load_baseline, record_baseline
from pipeline.errors import InputError, IntegrityError, NotEnoughDataError, RefusedError, StoreError
from pipeline.initialise import SET_ASIDE
from pipeline.keeping.acting import only_keeper
from pipeline.keeping.erase import erase, find
from pipeline.keeping.erased import KEY, commitment, find_erasure, is_erased, receipt_of, without_erased
from pipeline.keeping.finishing import finish, staged, unfinished
from pipeline.keeping.mentions import mentions
from pipeline.promotion.decide import decide
from pipeline.promotion.person import Person
from pipeline.reference import DATA, METADATA, read_metadata
from pipeline.stores.verify import verify
from pipeline.traffic.arrivals import arrive, load_history
from pipeline.traffic.portfolio import Portfolio

APPLICANT, REFERENCED, ASIDE = "row0007", "ref0042", "aside-0003"  # row0007 is set aside, too


def erased(workspace, application_id=APPLICANT, **changes):
    return erase(workspace, application_id, **({"person": a_person(), "reason": "asked to", "now": AS_OF} | changes))


def bytes_of(workspace):
    """Every byte on the disk, write-ahead logs included."""
    return b"".join(path.read_bytes() for path in sorted(workspace.root.rglob("*")) if path.is_file())


def a_portfolio(rows=None):
    rows = applicants() if rows is None else rows
    return Portfolio(rows=rows, set_aside=pd.DataFrame(), horizon=timedelta(days=30), sha256="e" * 64)


def test_rows_go_from_every_table_and_nobody_else_s(workspace):
    before = workspace.traffic.counts()
    done = erased(workspace)
    assert done.entry.body["rows"] == {"labels": 1, "quarantine": 0, "predictions": 1, "applications": 1}
    assert workspace.traffic.counts() == {table: count - 1 for table, count in before.items()}
    assert not find(workspace, APPLICANT).anything
    assert find(workspace, "row0008").anything


def test_id_is_on_no_byte_of_the_disk_afterwards(workspace):
    assert APPLICANT.encode() in bytes_of(workspace)
    erased(workspace)
    workspace.ledger.head()  # connections are open, logs may be there
    assert APPLICANT.encode() not in bytes_of(workspace)


def test_ledger_holds_a_commitment_and_no_id(workspace):
    done = erased(workspace)
    [entry] = workspace.ledger.entries(kind="erasure")
    assert entry.key == entry.body["commitment"] == commitment(done.receipt, APPLICANT)
    for found in workspace.ledger.entries():
        assert APPLICANT not in json.dumps(found.to_json())
    assert done.receipt.encode() not in bytes_of(workspace), "the receipt is kept nowhere"
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_receipt_and_id_find_their_entry_and_nothing_else(workspace):
    done, other = erased(workspace), erased(workspace, "row0009")
    assert find_erasure(workspace.ledger, done.receipt, APPLICANT) == done.entry
    assert find_erasure(workspace.ledger, f" {done.receipt.upper()}\n", APPLICANT) == done.entry
    assert find_erasure(workspace.ledger, done.receipt, "row0009") is None
    assert find_erasure(workspace.ledger, other.receipt, APPLICANT) is None
    assert find_erasure(workspace.ledger, "", APPLICANT) is None


def test_receipt_needs_no_key(workspace):
    done = erased(workspace)
    (workspace.root / KEY).unlink()
    assert find_erasure(workspace.ledger, done.receipt, APPLICANT) == done.entry


@given(key=st.binary(min_size=32, max_size=32), one=st.text(min_size=1), other=st.text(min_size=1))
def test_commitments_tell_applicants_apart(key, one, other):
    made = [commitment(receipt_of(key, each), each) for each in (one, other)]
    assert (made[0] == made[1]) is (one == other)
    assert re.fullmatch(r"[0-9a-f]{32}", receipt_of(key, one))


def test_erasing_again_gives_the_first_answer(workspace):
    first = erased(workspace)
    again = erased(workspace, reason="once more")
    assert (again.entry, again.receipt, again.again, first.again) == (first.entry, first.receipt, True, False)
    assert len(workspace.ledger.entries(kind="erasure")) == 1


def test_id_that_is_nowhere_is_one_line_and_no_record(workspace):
    before = workspace.ledger.head()
    with pytest.raises(NotEnoughDataError, match="no row here is of application 'nobody'") as error:
        erased(workspace, "nobody")
    assert error.value.exit_code == 3
    assert workspace.ledger.head() == before
    assert not (workspace.root / KEY).exists()


@pytest.mark.parametrize("application_id", ["row000", "ROW0007", "row0007 ", "%", "row0007' OR '1'='1"])
def test_id_is_taken_to_the_letter(workspace, application_id):
    with pytest.raises(NotEnoughDataError):
        erased(workspace, application_id)
    assert find(workspace, APPLICANT).anything


def test_reason_must_not_name_the_applicant(workspace):
    before = workspace.ledger.head()
    with pytest.raises(InputError, match="does not name the applicant"):
        erased(workspace, reason=f"{APPLICANT} wrote to us")
    assert workspace.ledger.head() == before


@pytest.mark.parametrize(
    ("person", "reason", "why"),
    [
        pytest.param(Person(actor="nobody@bank.example", method="local"), "r", "not on the list", id="not on the list"),
        pytest.param(a_person(), "", "expected a reason", id="no reason"),
    ],
)
def test_who_may_not_is_refused_on_record_without_the_id(workspace, person, reason, why):
    with pytest.raises(RefusedError, match=why):
        erased(workspace, person=person, reason=reason)
    [refusal] = workspace.ledger.entries(kind="refused_erasure")
    assert APPLICANT not in json.dumps(refusal.to_json())
    assert find(workspace, APPLICANT).anything


def test_erasing_waits_for_no_cycle_and_no_backup(workspace):
    with workspace.alone(), pytest.raises(RefusedError, match="running cycles"):
        erased(workspace)
    with only_keeper(workspace.root), pytest.raises(RefusedError, match="at work here"):
        erased(workspace)
    assert find(workspace, APPLICANT).anything


# --- the reference, and rows set aside ----------------------------------------------------------------------------


def test_applicant_leaves_the_reference_which_is_frozen_anew_on_record(workspace):
    before = frame_of(workspace.root / DATA)
    old = workspace.reference_sha256
    erased(workspace, REFERENCED)
    rest = before[before["application_id"] != REFERENCED].reset_index(drop=True)
    pd.testing.assert_frame_equal(workspace.reference(), rest)
    first, second = workspace.ledger.entries(kind="reference")
    assert (first.body["sha256"], second.key) == (old, "2")
    assert second.body["sha256"] == workspace.reference_sha256 != old
    about = read_metadata(workspace.root)
    assert (about["sha256"], about["rows"]) == (workspace.reference_sha256, len(rest))
    assert about["label_horizon_s"] == timedelta(days=30).total_seconds()
    assert not (workspace.root / DATA).stat().st_mode & 0o222
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_limits_prepared_from_the_old_reference_go_with_it(workspace):
    names = [f"monitoring/reference/{name}" for name in ("reference_limits_v1.json", "reference_scores_v1.parquet")]
    done = erased(workspace, REFERENCED)
    assert sorted(done.entry.body["pruned_files"]) == names
    assert not [name for name in names if (workspace.root / name).exists()]


def test_who_is_not_in_the_reference_leaves_it_alone(workspace):
    before = (workspace.root / DATA).read_bytes(), (workspace.root / METADATA).read_bytes()
    assert erased(workspace).entry.body["pruned_files"] == {}
    assert ((workspace.root / DATA).read_bytes(), (workspace.root / METADATA).read_bytes()) == before
    assert len(workspace.ledger.entries(kind="reference")) == 1


def test_next_look_prepares_its_limits_anew(workspace):
    record_baseline(workspace, at=AS_OF, actor="mend", say=lambda _: None)  # finds those of the fixture
    erased(workspace, REFERENCED)
    assert len(load_baseline(workspace, "1").rows) == 299  # by hand: in memory
    said = []
    record_baseline(workspace, at=AS_OF, actor="mend", say=said.append)
    assert len(said) == 1
    assert len(load_baseline(workspace, "1").rows) == 299
    assert verify(workspace.ledger, workspace=workspace.root).verified
    erased(workspace, "ref0043")  # and once more
    record_baseline(workspace, at=AS_OF, actor="mend", say=said.append)
    assert len(load_baseline(workspace, "1").rows) == 298
    assert verify(workspace.ledger, workspace=workspace.root).verified


def test_dossier_that_waits_cannot_be_signed_once_its_evidence_was_erased(workspace):
    [dossier] = workspace.ledger.acts("dossier")
    assert erased(workspace).entry.body["dossiers"] == [dossier["digest"]]
    with pytest.raises(RefusedError, match=r"is void.*which rows are judged"):
        decide(workspace, dossier["digest"], "approved", person=a_person(), reason="better", now=AS_OF)


@pytest.mark.parametrize("application_id", [APPLICANT, ASIDE])
def test_applicant_leaves_the_list_of_rows_set_aside(workspace, application_id):
    done = erased(workspace, application_id)
    assert done.entry.body["set_aside"] == 1
    text = (workspace.root / SET_ASIDE).read_text()
    assert application_id not in text
    assert len(text.splitlines()) == 2  # the header and the other one
    assert verify(workspace.ledger, workspace=workspace.root).verified


# --- staying away -------------------------------------------------------------------------------------------------


def test_replay_does_not_load_an_erased_applicant_again(workspace):
    erased(workspace)
    day = timedelta(days=1)
    arrive(workspace, a_portfolio(), since=AS_OF - 900 * day, until=AS_OF + 900 * day)
    load_history(workspace, a_portfolio(), go_live=AS_OF + 900 * day)
    assert not find(workspace, APPLICANT).anything
    assert find(workspace, "row0008").anything


def test_nobody_erased_costs_no_key(workspace):
    assert is_erased(workspace) is None
    assert len(without_erased(workspace, applicants())) == len(applicants())


def test_without_the_key_nothing_is_loaded(workspace):
    erased(workspace)
    (workspace.root / KEY).unlink()
    with pytest.raises(IntegrityError, match=r"erasure.key: gone"):
        without_erased(workspace, applicants())
    assert f"{KEY}: gone" in verify(workspace.ledger, workspace=workspace.root).breaks[0]


@pytest.mark.parametrize("content", ["", "00", "zz" * 32, "é"])
def test_spoiled_key_is_one_line(workspace, content):
    erased(workspace)
    (workspace.root / KEY).write_text(content)
    with pytest.raises(IntegrityError, match=r"erasure\.key"):
        without_erased(workspace, applicants())


def test_key_is_nobody_else_s_to_read(workspace):
    erased(workspace)
    assert (workspace.root / KEY).stat().st_mode & 0o777 == 0o600


def test_rows_that_came_back_past_us_are_found_and_go_again(workspace):
    erased(workspace)
    workspace.traffic.add_applications(applicants(), received_at=AS_OF)
    assert unfinished(workspace).lines == ["rows of 1 erased applicants"]
    assert erased(workspace).again
    assert not find(workspace, APPLICANT).anything
    assert unfinished(workspace).lines == []


# --- what is left -------------------------------------------------------------------------------------------------


def test_texts_that_spell_the_id_are_named(workspace):
    (workspace.root / "by_hand").mkdir()
    (workspace.root / "by_hand" / "look.ipynb").write_text(f'{{"id": "{APPLICANT}"}}')
    (workspace.root / "by_hand" / "other.ipynb").write_text(f"{APPLICANT}5 my{APPLICANT}")
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        writer.record("note", "1", {"text": f"about {APPLICANT}."}, at=AS_OF, actor="mend")
    seq, _ = workspace.ledger.head()
    erased(workspace)
    assert list(mentions(workspace, APPLICANT)) == [f"ledger entry {seq} (note)", "by_hand/look.ipynb"]
    assert list(mentions(workspace, "row7")) == []  # too short to look for


# --- kill -9 ------------------------------------------------------------------------------------------------------


def test_erase_killed_anywhere_is_healed_by_a_repeat(original, tmp_path):
    def act(folder):
        workspace = opened(folder / "mend.toml")
        erased(workspace, "both")
        close(workspace)

    a_copy(original, tmp_path / "first")
    workspace = opened(tmp_path / "first" / "mend.toml")
    _put_everywhere(workspace, "both")
    close(workspace)
    a_copy(tmp_path / "first", tmp_path / "counted")
    total = lines_of(lambda: act(tmp_path / "counted"))
    half_done, recorded = 0, 0
    for number, line in enumerate(sorted({1 + round((total - 1) * n / 19) for n in range(20)})):
        folder = tmp_path / f"k{number}"
        a_copy(tmp_path / "first", folder)
        kill_at(lambda folder=folder: act(folder), line)
        workspace = opened(folder / "mend.toml")
        on_record = bool(workspace.ledger.entries(kind="erasure"))
        recorded += on_record
        half_done += bool(unfinished(workspace).lines)
        done = erased(workspace, "both")
        assert done.again is on_record
        assert find_erasure(workspace.ledger, done.receipt, "both") == done.entry
        assert len(workspace.ledger.entries(kind="erasure")) == 1
        assert not find(workspace, "both").anything
        assert unfinished(workspace).lines == []
        checked = verify(workspace.ledger, workspace=workspace.root)
        assert checked.verified, checked.breaks
        close(workspace)
        left = [path.name for path in folder.rglob("*") if path.name.endswith(".next")]
        assert left == []
    assert half_done > 0, "it was never killed between the record and the deletion"
    assert 0 < recorded < 20


def _put_everywhere(workspace, application_id):
    """In the traffic store, the reference and the list set aside: as `mend init` would have frozen it."""
    from pipeline.artefacts import write_atomically
    from pipeline.reference import freeze

    rows = applicants().head(1).assign(application_id=application_id)
    workspace.traffic.add_applications(rows, received_at=AS_OF)
    reference = workspace.reference()
    reference.loc[0, "application_id"] = application_id
    files = freeze(reference, workspace.settings, horizon=timedelta(days=30))
    aside = f"row,application_id,reason\n1,{application_id},r\n"
    digest = write_atomically(workspace.root / SET_ASIDE, aside)
    with workspace.ledger.transaction(recorded_at=AS_OF) as writer:
        body = {"sha256": files[DATA.as_posix()], "rows": len(reference)}
        writer.record("reference", "2", body, at=AS_OF, actor="mend", files=files)
        writer.record("set_aside", digest, {}, at=AS_OF, actor="mend", files={SET_ASIDE: digest})
    workspace.__dict__.pop("reference_sha256", None)


def test_reference_that_was_never_recorded_is_not_put_in_place(workspace):
    waiting = staged(workspace.root / DATA)
    waiting.write_bytes(b"of an erasure that was killed before its record")
    assert unfinished(workspace).lines == []
    finish(workspace)
    assert not waiting.exists()
    assert len(workspace.reference()) == 300


@pytest.mark.parametrize("kilobytes", [0.03, 1, 20, 100, 400])
def test_erase_on_a_full_disk_is_one_line_and_is_healed_by_a_repeat(workspace, kilobytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(kilobytes * 1e3), hard))
    try:
        with pytest.raises(StoreError) as full:
            erased(workspace, REFERENCED)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(full.value)
    erased(workspace, REFERENCED)
    assert unfinished(workspace).lines == []
    assert len(workspace.reference()) == 299
    checked = verify(workspace.ledger, workspace=workspace.root)
    assert checked.verified, checked.breaks
