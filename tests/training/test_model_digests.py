"""A model's files are those on record or they are not used, and the message names the file."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa
from builders import REPOSITORY, a_settings_file
from model_builders import applicants, put_model_on_record, recorded, saved, write_model
from tampering import behind_its_back

from pipeline.errors import IntegrityError, NotInitialisedError
from pipeline.settings import load_settings
from pipeline.stores.verify import verify
from pipeline.training import model_digests, model_files
from pipeline.training.model_digests import recorded_model, require_model_files
from pipeline.training.model_files import load_model
from pipeline.wiring import Workspace, open_workspace

ROWS = applicants(50, seed=9)[0]


@pytest.fixture
def workspace(tmp_path: Path) -> Workspace:
    """Two versions with real files on record."""
    made = open_workspace(load_settings(a_settings_file(tmp_path)))
    put_model_on_record(made, "1", saved())
    put_model_on_record(made, "2", saved(seed=2))
    return made


def folder_of(workspace: Workspace, version: str) -> Path:
    return workspace.root / f"mlflow/artifacts/models/m-{version}/artifacts"


def test_untouched_files_are_loaded_and_score_as_the_model_did(workspace: Workspace) -> None:
    model = workspace.model("1")
    require_model_files(workspace, "1")
    assert (model.version, model.threshold) == ("1", 0.25)
    assert model.sha256 == workspace.challenger("1")["model_sha256"]
    assert not np.array_equal(model.score(ROWS), workspace.model("2").score(ROWS))
    assert verify(workspace.ledger, workspace=workspace.root).verified


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


def exchange(one: Path, other: Path) -> None:
    held = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(held)


def replace_by_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def replace_by_link(path: Path) -> None:
    copy = path.parents[1] / "elsewhere"
    path.rename(copy)
    path.symlink_to(copy)


def replace_folder_by_link(folder: Path) -> None:
    copy = folder.with_name("elsewhere")
    folder.rename(copy)
    folder.symlink_to(copy)


def replace_by_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def make_sparse(path: Path) -> None:
    with path.open("ab") as file:
        file.truncate(2**40)


TAMPERING: list[tuple[str, Callable[[Path], object], str]] = [
    ("one bit of the model", lambda at: flip(at / "model.skops"), r"model\.skops: changed, SHA-256 "),
    ("one bit of what is beside it", lambda at: flip(at / "MLmodel"), "MLmodel: changed, SHA-256 "),
    ("cut off", lambda at: os.truncate(at / "model.skops", 1000), r"model\.skops: changed"),
    ("emptied", lambda at: os.truncate(at / "model.skops", 0), r"model\.skops: changed"),
    ("an extra file", lambda at: (at / "evil.py").write_text("x"), "evil.py: extra"),
    ("an extra model", lambda at: (at / "a.skops").write_bytes(saved()), "a.skops: extra"),
    ("an extra hidden file", lambda at: (at / ".gitignore").write_text("x"), ".gitignore: extra"),
    ("an extra file in a folder", lambda at: shutil.copytree(at, at / "deep"), "deep/MLmodel: extra"),
    ("a name over two lines", lambda at: (at / "a\nb").write_text("x"), r"'a\\nb': extra"),
    ("a name that is no text", lambda at: (at / os.fsdecode(b"\xff")).write_text("x"), r"'\\udcff': extra"),
    ("a file gone", lambda at: (at / "MLmodel").unlink(), "MLmodel: missing"),
    ("the model gone", lambda at: (at / "model.skops").unlink(), r"model\.skops: missing"),
    ("renamed", lambda at: (at / "MLmodel").rename(at / "mlmodel"), "MLmodel: missing.*; mlmodel: extra"),
    ("contents exchanged", lambda at: exchange(at / "MLmodel", at / "requirements.txt"),
     r"MLmodel: swapped, it holds what was recorded as requirements\.txt"),
    ("another version's model", lambda at: shutil.copy(at.parents[1] / "m-2/artifacts/model.skops", at),
     r"model\.skops: changed"),
    ("a folder in its place", lambda at: replace_by_folder(at / "MLmodel"), "MLmodel: missing, or a folder"),
    ("a link to the same file", lambda at: replace_by_link(at / "MLmodel"), "MLmodel: a symbolic link"),
    ("a dangling link", lambda at: (at / "x").symlink_to(at / "nowhere"), "x: a symbolic link"),
    ("a link to a folder", lambda at: (at / "x").symlink_to(at.parent), "x: a symbolic link"),
    ("the whole folder a link", replace_folder_by_link, "folder is a symbolic link"),
    ("the whole folder gone", shutil.rmtree, "folder is gone"),
    ("a pipe that nobody writes to", lambda at: replace_by_pipe(at / "model.skops"), r"model\.skops: not a plain file"),
    ("a file of a terabyte", lambda at: make_sparse(at / "MLmodel"), "MLmodel: 1,099,511,627,776 bytes; a model may"),
]  # fmt: skip


@pytest.mark.parametrize(("tamper", "says"), [pytest.param(*case, id=name) for name, *case in TAMPERING])
def test_tampered_files_are_refused_by_name_with_and_without_loading(
    workspace: Workspace, tamper: Callable[[Path], object], says: str
) -> None:
    tamper(folder_of(workspace, "1"))
    for use in (lambda: require_model_files(workspace, "1"), lambda: workspace.model("1")):
        with pytest.raises(IntegrityError, match=says) as refused:
            use()
        assert "\n" not in str(refused.value)
    require_model_files(workspace, "2")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every file")
def test_a_file_that_may_not_be_read_is_refused(workspace: Workspace) -> None:
    (folder_of(workspace, "1") / "MLmodel").chmod(0)
    with pytest.raises(IntegrityError, match="MLmodel: not readable: Permission denied"):
        require_model_files(workspace, "1")


def test_many_wrong_files_are_named_in_one_line(workspace: Workspace) -> None:
    for number in range(10):
        (folder_of(workspace, "1") / f"x{number}").touch()
    with pytest.raises(IntegrityError, match=r"x0: extra.*; x1: extra.*; x2: extra.* \(and 7 more\)$"):
        require_model_files(workspace, "1")


def test_a_version_that_nobody_recorded_is_not_loaded(workspace: Workspace) -> None:
    with pytest.raises(NotInitialisedError, match="version 7 is not in the ledger"):
        require_model_files(workspace, "7")


@pytest.mark.parametrize(
    ("column", "value"), [("threshold", 0.9), ("model_sha256", "f" * 64), ("model_path", "mlflow")]
)
def test_a_row_that_contradicts_its_entry_is_refused(workspace: Workspace, column: str, value: object) -> None:
    """The cut-off decides as much as the model does, so a changed row must not be believed either."""
    with behind_its_back(workspace.ledger) as connection:
        connection.execute(sa.text(f"UPDATE challengers SET {column} = :value WHERE version = '1'"), {"value": value})
    with pytest.raises(IntegrityError, match=f"{column} is {value} in its row"):
        workspace.model("1")


def test_a_version_recorded_without_files_is_refused(workspace: Workspace) -> None:
    with behind_its_back(workspace.ledger) as connection:
        connection.execute(sa.text("UPDATE entries SET files = '{}' WHERE kind = 'challenger' AND key = '1'"))
    with pytest.raises(IntegrityError, match="no file of mlflow/artifacts/models/m-1/artifacts is on record"):
        require_model_files(workspace, "1")


def test_recorded_files_must_add_up_to_the_folders_digest(workspace: Workspace) -> None:
    with behind_its_back(workspace.ledger) as connection:
        connection.execute(
            sa.text("UPDATE entries SET files = replace(files, 'MLmodel', 'MLmodal') WHERE kind = 'challenger'")
        )
    with pytest.raises(IntegrityError, match="not those that model_sha256 was taken of"):
        require_model_files(workspace, "1")


def test_a_model_swapped_after_the_check_is_not_what_scores(
    workspace: Workspace, monkeypatch: pytest.MonkeyPatch
) -> None:
    good, folder, build = workspace.model("1").score(ROWS), folder_of(workspace, "1"), model_files.load_pipeline

    def swapped_at_the_last_moment(content: bytes) -> object:
        (folder / "model.skops").write_bytes(saved(seed=2))
        return build(content)

    monkeypatch.setattr(model_files, "load_pipeline", swapped_at_the_last_moment)
    loaded = load_model(recorded_model(workspace, "1"), workspace.settings)
    assert (folder / "model.skops").read_bytes() == saved(seed=2)
    assert np.array_equal(loaded.score(ROWS), good)


def test_a_model_swapped_back_and_forth_is_refused_or_is_the_recorded_one(workspace: Workspace) -> None:
    good, target = workspace.model("1").score(ROWS), folder_of(workspace, "1") / "model.skops"
    record, stop = recorded_model(workspace, "1"), threading.Event()

    def swap() -> None:
        while not stop.is_set():
            for content in (saved(seed=2), saved()):
                (target.parents[1] / "new").write_bytes(content)
                (target.parents[1] / "new").replace(target)

    swapper = threading.Thread(target=swap)
    swapper.start()
    refused = 0
    try:
        for _ in range(40):
            try:
                assert np.array_equal(load_model(record, workspace.settings).score(ROWS), good)
            except IntegrityError:
                refused += 1
    finally:
        stop.set()
        swapper.join()
    assert refused > 0, "no swap was met: the test saw nothing"


def test_a_loaded_model_goes_on_scoring_from_its_verified_bytes(workspace: Workspace) -> None:
    before = workspace.model("1").score(ROWS)
    (folder_of(workspace, "1") / "model.skops").write_bytes(saved(seed=2))
    assert np.array_equal(workspace.model("1").score(ROWS), before)
    with pytest.raises(IntegrityError, match="changed"):
        require_model_files(workspace, "1")


def test_the_check_imports_nothing_that_could_run_a_model(tmp_path: Path) -> None:
    script = "import sys, pipeline.training.model_digests, pipeline.wiring\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=REPOSITORY)
    assert {"sklearn", "skops", "mlflow", "cryptography"}.isdisjoint(done.stdout.split())


def test_a_model_too_large_to_load_is_not_recorded_either(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = write_model(tmp_path / "model", saved())
    recorded(folder)
    monkeypatch.setattr(model_digests, "LARGEST_MODEL_BYTES", len(saved()))
    with pytest.raises(IntegrityError, match="a model may have"):
        recorded(folder)
