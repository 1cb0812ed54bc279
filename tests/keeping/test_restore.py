"""A restore takes a backup that is whole and true, into an empty place, or leaves nothing."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import random
import resource
import signal
import tarfile
from datetime import timedelta

import pytest
from builders import AS_OF
from keeping.killing import kill_at, lines_of
from keeping.lived_in import everything

from pipeline.artefacts import canonical_json
from pipeline.errors import InputError, IntegrityError, MendError, RefusedError
from pipeline.keeping import archive
from pipeline.keeping.backup import back_up
from pipeline.keeping.restore import _working_folder, restore

WALL = AS_OF + timedelta(days=1)


@pytest.fixture(scope="module")
def backup(original, tmp_path_factory):
    from keeping.lived_in import close, opened

    workspace = opened(original / "mend.toml")
    path = tmp_path_factory.mktemp("backup") / "set.tar.gz"
    back_up(workspace, path, wall=WALL)
    close(workspace)
    return path


def members_of(path):
    with gzip.open(path) as packed, tarfile.open(fileobj=packed) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar}


def packed(path, members, *, seal=True):
    """An archive with these members, an honest seal on it: what somebody who knows the format would forge."""
    with (
        path.open("wb") as file,
        gzip.GzipFile(filename="", mode="wb", fileobj=file, mtime=0) as out,
        tarfile.open(fileobj=out, mode="w") as tar,
    ):
        for about, content in members:
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
    if seal:
        path.write_bytes(path.read_bytes() + archive._seal(hashlib.sha256(path.read_bytes()).hexdigest()))
    return path


def named(members):
    return [(tarfile.TarInfo(name), content) for name, content in members.items()]


def with_manifest(members, **changes):
    manifest = json.loads(members["manifest.json"]) | changes
    return members | {"manifest.json": canonical_json(manifest).encode()}


def refused(path, folder, why):
    with pytest.raises(MendError, match=why) as error:
        restore(path, folder)
    assert "\n" not in str(error.value)
    assert not folder.exists()
    assert not [left for left in folder.parent.iterdir() if "restoring" in left.name]


def test_restored_files_are_those_that_were_backed_up(backup, original, tmp_path):
    restore(backup, tmp_path / "ws")
    before, after = everything(original / "ws"), everything(tmp_path / "ws")
    assert set(before) == set(after)
    same = {name for name in before if before[name] == after[name]}
    assert set(before) - same <= {"ledger.db", "traffic.db"}  # the same rows, in another journal mode
    reference = tmp_path / "ws" / "monitoring/reference/reference_data.parquet"
    assert reference.stat().st_mode & 0o222 == 0


def test_restore_into_an_empty_folder_that_is_there(backup, tmp_path):
    (tmp_path / "ws").mkdir()
    assert restore(backup, tmp_path / "ws").manifest.entries > 0


@pytest.mark.parametrize("what", ["a file", "a folder in it", "a link to an empty folder", "a file of that name"])
def test_restore_never_overwrites(backup, tmp_path, what):
    folder = tmp_path / "ws"
    if what == "a file of that name":
        folder.write_text("mine")
    elif what == "a link to an empty folder":
        (tmp_path / "empty").mkdir()
        folder.symlink_to(tmp_path / "empty")
    else:
        folder.mkdir()
        (folder / "mine").mkdir() if "folder" in what else (folder / "mine").write_text("mine")
    with pytest.raises(InputError, match="never overwrites"):
        restore(backup, folder)
    assert (folder / "mine").exists() or what.endswith(("name", "empty folder"))


def test_any_wrong_byte_is_found(backup, tmp_path):
    whole = backup.read_bytes()
    rng = random.Random(7)
    places = {
        0,
        3,
        4,
        8,
        9,
        10,
        len(whole) - 1,
        *range(len(whole) - 100, len(whole)),
        *rng.sample(range(len(whole)), 300),
    }
    spoiled = tmp_path / "spoiled.tar.gz"
    for place in sorted(places):
        spoiled.write_bytes(whole[:place] + bytes([whole[place] ^ (1 << rng.randrange(8))]) + whole[place + 1 :])
        with pytest.raises(IntegrityError, match=r"not a backup|damaged"):
            archive.check_seal(spoiled)


@pytest.mark.parametrize("left", [0, 1, 50, 5000, -1, -83, -5000])
def test_truncated_backup_is_found(backup, tmp_path, left):
    cut = tmp_path / "cut.tar.gz"
    cut.write_bytes(backup.read_bytes()[:left])
    refused(cut, tmp_path / "ws", "not a backup|damaged")


def test_byte_too_many_is_found(backup, tmp_path):
    longer = tmp_path / "longer.tar.gz"
    longer.write_bytes(backup.read_bytes() + b"\0")
    refused(longer, tmp_path / "ws", "damaged")


def test_missing_backup_is_one_line(tmp_path):
    refused(tmp_path / "nowhere.tar.gz", tmp_path / "ws", "not readable: No such file")


ODD_NAMES = [
    "/etc/cron.d/x",
    "workspace//etc/x",
    "workspace/../../x",
    "workspace/a/../x",
    "workspace/./x",
    "x",
    "../x",
    "workspace/a\\b",
]


@pytest.mark.parametrize("name", ODD_NAMES)
def test_archive_cannot_write_outside_the_folder(backup, tmp_path, name):
    forged = packed(tmp_path / "forged.tar.gz", [*named(members_of(backup)), (tarfile.TarInfo(name), b"x")])
    refused(forged, tmp_path / "deep" / "ws", "is not a place in a workspace")
    assert not (tmp_path / "x").exists()


KINDS = {
    "a symbolic link": tarfile.SYMTYPE,
    "a hard link": tarfile.LNKTYPE,
    "a device": tarfile.CHRTYPE,
    "a folder": tarfile.DIRTYPE,
}


@pytest.mark.parametrize("kind", KINDS)
def test_archive_holds_plain_files_only(backup, tmp_path, kind):
    about = tarfile.TarInfo("workspace/monitoring/x")
    about.type, about.linkname = KINDS[kind], "workspace/ledger.db"
    forged = packed(tmp_path / "forged.tar.gz", [(about, b""), *named(members_of(backup))])
    refused(forged, tmp_path / "ws", "is not a plain file")


def test_file_that_the_manifest_does_not_know_is_refused(backup, tmp_path):
    forged = packed(tmp_path / "f.tar.gz", named(members_of(backup) | {"workspace/sitecustomize.py": b"1"}))
    refused(forged, tmp_path / "ws", "sitecustomize.py: not in the manifest")


def test_file_twice_is_refused(backup, tmp_path):
    members = members_of(backup)
    forged = packed(tmp_path / "f.tar.gz", [*named(members), *named({"workspace/ledger.db": b"another"})])
    refused(forged, tmp_path / "ws", "in it twice")


def test_missing_file_is_refused(backup, tmp_path):
    members = members_of(backup)
    del members["workspace/traffic.db"]
    refused(packed(tmp_path / "f.tar.gz", named(members)), tmp_path / "ws", "traffic.db: missing")


def test_changed_file_is_refused_though_the_seal_is_good(backup, tmp_path):
    members = members_of(backup) | {"workspace/monitoring/set_aside.csv": b"other"}
    refused(packed(tmp_path / "f.tar.gz", named(members)), tmp_path / "ws", "set_aside.csv: not the file")


def test_changed_file_is_found_by_the_ledger_though_the_manifest_agrees(backup, tmp_path):
    members = members_of(backup) | {"workspace/monitoring/set_aside.csv": b"other"}
    files = json.loads(members["manifest.json"])["files"]
    files["monitoring/set_aside.csv"] = hashlib.sha256(b"other").hexdigest()
    forged = packed(tmp_path / "f.tar.gz", named(with_manifest(members, files=files)))
    refused(forged, tmp_path / "ws", r"set_aside.csv: not the file that ledger entry")


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"schema_version": 2}, "of schema 2", id="a later format"),
        pytest.param({"stores": {"ledger": "9999", "traffic": "0001"}}, "newer than", id="a later ledger"),
        pytest.param({"entries": 3}, "the manifest says 3", id="another length"),
        pytest.param({"head": "0" * 64}, "the manifest says", id="another head"),
        pytest.param({"more": 1}, "not spelled", id="an unknown key"),
        pytest.param({"made_at": "yesterday"}, "not spelled", id="no time"),
        pytest.param({"files": {"ledger.db": "xyz"}}, "not spelled", id="no digest"),
        pytest.param({"files": 7}, "not spelled", id="no files"),
    ],
)
def test_manifest_is_believed_in_nothing(backup, tmp_path, changes, why):
    forged = packed(tmp_path / "f.tar.gz", named(with_manifest(members_of(backup), **changes)))
    refused(forged, tmp_path / "ws", why)


@pytest.mark.parametrize("text", [b"", b"[]", b"null", b'{"a":1}', b"\xff", b"[" * 5000])
def test_unreadable_manifest_is_one_line(backup, tmp_path, text):
    forged = packed(tmp_path / "f.tar.gz", named(members_of(backup) | {"manifest.json": text}))
    refused(forged, tmp_path / "ws", "not readable")


def test_archive_that_is_no_tar_is_one_line(tmp_path):
    path = tmp_path / "f.tar.gz"
    path.write_bytes(gzip.compress(b"not a tar" * 100))
    path.write_bytes(path.read_bytes() + archive._seal(hashlib.sha256(path.read_bytes()).hexdigest()))
    refused(path, tmp_path / "ws", "not readable as a backup")


def test_two_restores_into_one_folder_do_not_mix(backup, tmp_path):
    with _working_folder(tmp_path / ".ws.restoring"), pytest.raises(RefusedError, match="another `mend restore`"):
        restore(backup, tmp_path / "ws")


def test_restore_killed_anywhere_leaves_a_whole_workspace_or_none(backup, original, tmp_path):
    whole = set(everything(original / "ws"))
    count = iter(range(1000))
    total = lines_of(lambda: restore(backup, tmp_path / f"ws{next(count)}"))
    finished = 0
    lines = sorted({1 + round((total - 1) * n / 11) for n in range(12)} | set(range(total - 12, total + 1)))
    for number, line in enumerate(lines):
        folder = tmp_path / f"killed{number}"
        kill_at(lambda folder=folder: restore(backup, folder), line)
        if folder.exists():
            finished += 1
        else:
            restore(backup, folder)
        assert set(everything(folder)) == whole
        assert not (tmp_path / f".killed{number}.restoring").exists()
    assert 0 < finished < len(lines)


@pytest.mark.parametrize("megabytes", [0.01, 0.2, 0.35])
def test_restore_on_a_full_disk_is_one_line_and_leaves_nothing(backup, tmp_path, megabytes):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    before = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(megabytes * 1e6), hard))
    try:
        refused(backup, tmp_path / "ws", "nothing is left of it")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        signal.signal(signal.SIGXFSZ, before)
    assert not list(tmp_path.iterdir())
    restore(backup, tmp_path / "ws")
