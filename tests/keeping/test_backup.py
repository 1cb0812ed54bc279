"""A backup holds everything that its ledger names, and is written whole or not at all."""

from __future__ import annotations

import gzip
import resource
import shutil
import signal
import tarfile
import threading
from datetime import timedelta

import pytest
from builders import AS_OF
from keeping.killing import kill_at, lines_of
from keeping.lived_in import close, looked, opened

from pipeline.errors import InputError, IntegrityError, RefusedError
from pipeline.keeping.acting import only_keeper
from pipeline.keeping.archive import check_seal
from pipeline.keeping.backup import back_up
from pipeline.keeping.restore import restore
from pipeline.settings import load_settings
from pipeline.stores.verify import verify

WALL = AS_OF + timedelta(days=1)


def test_backup_holds_every_file_the_ledger_names_and_every_row(workspace, tmp_path):
    made = back_up(workspace, tmp_path / "set.tar.gz", wall=WALL)
    named = {path for entry in workspace.ledger.entries() for path in entry.files}
    assert named <= set(made.files)
    assert (made.entries, made.head) == workspace.ledger.head()
    restored = restore(tmp_path / "set.tar.gz", tmp_path / "new")
    moved = tmp_path / "there.toml"
    moved.write_text(
        workspace.settings.source.read_text().replace('workspace = "ws"', f'workspace = "{restored.folder}"')
    )
    again = opened(moved)
    assert again.traffic.counts() == workspace.traffic.counts()
    assert verify(again.ledger, workspace=again.root).verified
    assert len(again.reference()) == 300
    close(again)


def test_backup_leaves_the_workspace_as_it_was_and_nothing_beside_the_file(workspace, tmp_path):
    out = tmp_path / "out"
    out.mkdir()
    before = workspace.ledger.head()
    back_up(workspace, out / "set.tar.gz", wall=WALL)
    assert [path.name for path in out.iterdir()] == ["set.tar.gz"]
    assert workspace.ledger.head() == before
    assert (out / "set.tar.gz").stat().st_mode & 0o777 == 0o600


def test_any_tar_reads_a_backup(workspace, tmp_path):
    back_up(workspace, tmp_path / "set.tar.gz", wall=WALL)
    with gzip.open(tmp_path / "set.tar.gz") as packed, tarfile.open(fileobj=packed, mode="r|") as tar:
        names = tar.getnames()
    assert names[:2] == ["workspace/ledger.db", "workspace/traffic.db"]
    assert names[-1] == "manifest.json"
    assert not [name for name in names if name.endswith((".lock", "-wal", "-shm"))]


def test_backup_while_cycles_are_recorded_is_a_consistent_set(workspace, tmp_path):
    stop, written = threading.Event(), []

    def live():
        moment = AS_OF
        while not stop.is_set():
            moment += timedelta(minutes=5)
            looked(workspace, moment)
            written.append(moment)

    living = threading.Thread(target=live)
    with workspace.alone():  # as `mend monitor` holds it for ever
        living.start()
        try:
            made = [back_up(workspace, tmp_path / f"{n}.tar.gz", wall=WALL) for n in range(5)]
        finally:
            stop.set()
            living.join()
    assert len(written) >= 5
    assert made[0].entries < made[-1].entries, "nothing was recorded meanwhile: this showed nothing"
    for n in range(5):
        restore(tmp_path / f"{n}.tar.gz", tmp_path / f"ws{n}")  # verifies chain, rows and files


def test_ledger_is_copied_before_the_other_stores(workspace, tmp_path, monkeypatch):
    order = []
    from pipeline.keeping import backup

    real = backup.snapshot
    monkeypatch.setattr(backup, "snapshot", lambda source, target: (order.append(source.name), real(source, target)))
    back_up(workspace, tmp_path / "set.tar.gz", wall=WALL)
    assert order[0] == "ledger.db"


@pytest.mark.parametrize(
    ("place", "why"),
    [
        pytest.param("there.tar.gz", "never overwrites", id="something is there"),
        pytest.param("nowhere/set.tar.gz", "not a folder", id="no such folder"),
        pytest.param("bank/ws/set.tar.gz", "inside the workspace", id="inside the workspace"),
    ],
)
def test_backup_refuses_a_place(workspace, tmp_path, place, why):
    (tmp_path / "there.tar.gz").write_text("mine")
    with pytest.raises(InputError, match=why):
        back_up(workspace, tmp_path / place, wall=WALL)
    assert (tmp_path / "there.tar.gz").read_text() == "mine"


def test_workspace_that_could_not_be_restored_is_not_backed_up(workspace, tmp_path):
    victim = next((workspace.root / "monitoring").rglob("drift.ipynb"))
    victim.write_text(victim.read_text() + " ")
    with pytest.raises(IntegrityError, match=r"drift.ipynb.*not what ledger entry"):
        back_up(workspace, tmp_path / "set.tar.gz", wall=WALL)
    victim.unlink()
    with pytest.raises(IntegrityError, match=r"drift.ipynb.*gone"):
        back_up(workspace, tmp_path / "set.tar.gz", wall=WALL)
    assert not list(tmp_path.glob("*.tar.gz*"))


def test_backup_waits_for_nobody_who_prunes_or_erases(workspace, tmp_path):
    with only_keeper(workspace.root), pytest.raises(RefusedError, match="at work here"):
        back_up(workspace, tmp_path / "set.tar.gz", wall=WALL)


def test_backup_of_postgresql_says_what_to_run(bank, tmp_path, monkeypatch):
    found = opened(bank)
    url = "postgresql://mend:secret@db.bank.example/ledger"
    elsewhere = load_settings(bank)
    monkeypatch.setattr(
        found, "settings", elsewhere.model_copy(update={"stores": elsewhere.stores.model_copy(update={"ledger": url})})
    )
    with pytest.raises(RefusedError, match=r"pg_dump --format=custom") as refused:
        back_up(found, tmp_path / "set.tar.gz", wall=WALL)
    assert "secret" not in str(refused.value)
    close(found)


def test_backup_killed_anywhere_leaves_a_whole_file_or_none_and_can_be_repeated(bank, tmp_path):
    target = tmp_path / "set.tar.gz"

    def act():
        back_up(opened(bank), target, wall=WALL)

    total = lines_of(act)
    target.unlink()
    whole = 0
    for line in _spread(total, 12):
        kill_at(act, line)
        if target.exists():
            whole += 1
            check_seal(target)
            target.unlink()
        act()
        check_seal(target)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["bank", "set.tar.gz"]
        target.unlink()
    assert 0 < whole < 20, "it was never killed after the rename, or always"


@pytest.mark.parametrize("megabytes", [0.01, 0.1, 0.3])
def test_backup_on_a_full_disk_is_one_line_and_leaves_nothing(bank, tmp_path, megabytes):
    found = opened(bank)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    out = tmp_path / "out"
    out.mkdir()
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(megabytes * 1e6), hard))
    try:
        with pytest.raises(InputError, match="nothing is left of it") as full:
            back_up(found, out / "set.tar.gz", wall=WALL)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert "\n" not in str(full.value)
    assert not list(out.iterdir())
    back_up(found, out / "set.tar.gz", wall=WALL)
    shutil.rmtree(out)
    close(found)


def _spread(total: int, points: int) -> list[int]:
    """Lines over the whole act, its last ones among them: there it makes its result count."""
    return sorted({1 + round((total - 1) * n / (points - 1)) for n in range(points)} | set(range(total - 8, total + 1)))
