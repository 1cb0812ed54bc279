"""A reader without Mend follows the instructions in the pack, letter by letter; and a forger is found out."""

from __future__ import annotations

import ast
import hashlib
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from builders import AS_OF, a_dossier, judged, mend
from dashboard_builders import config_of
from pack_builders import Read, decided, read

from dashboard import pack
from pipeline.wiring import Workspace

REASON = 'better – «später»\u2028\u202e\x85 and \x1b[31m\n\t\'quoted\' "twice" <pre id="dossier">{}</pre>'


class Auditor:
    """A folder with the pack in it, a shell, and Python; no Mend."""

    def __init__(self, folder: Path, content: bytes, name: str) -> None:
        self.folder, self.name, self.page = folder, name, read(content)
        (folder / name).write_bytes(content)
        (folder / "check_pack.py").write_text(self.page.blocks["check_pack"], encoding="utf-8")
        (folder / "bin").mkdir()
        (folder / "bin" / "python3").symlink_to(shutil.which("python3", path=os.defpath) or sys.executable)

    def types(self, name: str) -> subprocess.CompletedProcess[str]:
        """One command of the instructions, in a bare environment, as in LANG=C on an old machine."""
        command = shlex.split(self.page.blocks[name])
        assert command[0] == "python3"
        environment = {"PATH": str(self.folder / "bin"), "LANG": "C", "PYTHONIOENCODING": "ascii"}
        return subprocess.run(
            [str(self.folder / "bin" / "python3"), "-I", *command[1:]],
            cwd=self.folder, env=environment, capture_output=True, check=False, text=True, encoding="utf-8",
        )  # fmt: skip


@pytest.fixture
def digest(workspace: Workspace) -> str:
    made = judged(workspace, a_dossier())
    decided(workspace, made, "approved", reason=REASON)
    return made


@pytest.fixture
def auditor(workspace: Workspace, digest: str, tmp_path: Path) -> Callable[[bytes], Auditor]:
    made = []

    def audits(content: bytes) -> Auditor:
        made.append(content)
        folder = tmp_path / f"audit{len(made)}"
        folder.mkdir()
        return Auditor(folder, content, pack.file_name("2", digest))

    return audits


def test_the_instructions_prove_what_was_signed(workspace: Workspace, digest: str, auditor) -> None:
    me = auditor(pack.make(workspace, digest, as_of=AS_OF))
    done = me.types("command-1")
    assert (done.returncode, done.stderr) == (0, "")
    assert f"holds   dossier: its SHA-256 is {digest}" in done.stdout
    assert "G4 F1 improvement: passed" in done.stdout
    assert "approved by credit.officer@bank.example, as of 2006-07-01" in done.stdout
    assert done.stdout.endswith("what is embedded holds\n")
    assert "\x1b" not in done.stdout
    assert hashlib.sha256((me.folder / "dossier.json").read_bytes()).hexdigest() == digest


def test_the_instructions_find_the_entries_in_an_export_of_the_ledger(
    workspace: Workspace, digest: str, auditor
) -> None:
    me = auditor(pack.make(workspace, digest, as_of=AS_OF))
    assert me.types("command-1").returncode == 0
    mend("ledger", "export", str(me.folder / "ledger.jsonl"), config=config_of(workspace))
    done = me.types("command-2")
    assert (done.returncode, done.stderr) == (0, "")
    assert ": 0 breaks, verified" in done.stdout


def test_an_export_without_the_decision_does_not_match_the_anchors(workspace: Workspace, digest: str, auditor) -> None:
    me = auditor(pack.make(workspace, digest, as_of=AS_OF))
    assert me.types("command-1").returncode == 0
    mend("ledger", "export", str(me.folder / "ledger.jsonl"), config=config_of(workspace))
    lines = (me.folder / "ledger.jsonl").read_text(encoding="utf-8").splitlines(keepends=True)
    cut = next(place for place, line in enumerate(lines) if '"kind": "signature"' in line)
    (me.folder / "ledger.jsonl").write_text("".join([*lines[:cut], lines[-1]]), encoding="utf-8")
    done = me.types("command-2")
    assert done.returncode == 4
    assert "is cut off" in done.stdout


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        pytest.param("relative gain of F1", "relative gain of F2", "BROKEN  dossier", id="a letter of the dossier"),
        pytest.param('\\&#34;verdict\\&#34;:\\&#34;approved', '\\&#34;verdict\\&#34;:\\&#34;rejected', "decision: hash",
                     id="the verdict in an entry"),
        pytest.param('<pre id="digest">', '<pre id="digest">0', "BROKEN  dossier", id="the digest"),
    ],
)  # fmt: skip
def test_what_was_changed_in_the_file_is_found(
    old: str, new: str, found: str, workspace: Workspace, digest: str, auditor
) -> None:
    content = pack.make(workspace, digest, as_of=AS_OF).decode()
    start = content.index('id="digest"') if old.startswith("<pre") else content.index('<pre id="dossier"')
    assert old in content[start - 10 :]
    done = auditor((content[: start - 10] + content[start - 10 :].replace(old, new)).encode()).types("command-1")
    assert done.returncode == 4
    assert any(
        line.startswith("BROKEN") and found.removeprefix("BROKEN  ") in line for line in done.stdout.splitlines()
    )
    assert "what is embedded does not hold" in done.stdout


def test_the_programs_need_the_standard_library_alone(workspace: Workspace, digest: str) -> None:
    page: Read = read(pack.make(workspace, digest, as_of=AS_OF))
    for name in ("check_pack", "verify_alone"):
        tree = ast.parse(page.blocks[name], feature_version=(3, 9))
        imported = {each.name for node in ast.walk(tree) if isinstance(node, ast.Import) for each in node.names}
        imported |= {str(node.module) for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
        assert {each.partition(".")[0] for each in imported} <= sys.stdlib_module_names


def test_the_commands_for_the_bank_do_what_they_say(workspace: Workspace, digest: str, tmp_path: Path) -> None:
    content = pack.make(workspace, digest, as_of=AS_OF)
    page = read(content)
    for name in ("command-4", "command-5"):
        program, *arguments = shlex.split(page.blocks[name])
        assert program == "mend"
        mend(*arguments, config=config_of(workspace))
    again = config_of(workspace).parent / f"again_{pack.file_name('2', digest)}"
    assert again.read_bytes() == content
    assert shlex.split(page.blocks["command-3"]) == ["mend", "recompute", digest[:12]]
