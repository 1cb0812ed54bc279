"""What the house promises at its front door: targets, pins, documents and the data card say what is so."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import tomllib
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from pydantic import BaseModel

from pipeline.settings_alerts import AlertSettings
from pipeline.settings_deciding import ApprovalSettings, GateSettings, ProfitSettings
from pipeline.settings_identity import IdentitySettings
from pipeline.settings_keeping import KeepingSettings
from pipeline.settings_ledger import LedgerSettings
from pipeline.settings_promotion import WatchSettings
from pipeline.settings_serving import ServingSettings
from pipeline.settings_signing import SigningSettings
from pipeline.settings_watching import MonitorSettings, RetrainSettings

ROOT = Path(__file__).resolve().parents[1]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
DIRECT = [Requirement(line) for line in (*PYPROJECT["project"]["dependencies"], *PYPROJECT["dependency-groups"]["dev"])]
LOCK = [Requirement(line) for line in (ROOT / "requirements.lock").read_text().splitlines()]


def make(*arguments: str, cwd: Path = ROOT) -> str:
    # Under `make test`, MAKEFLAGS would hand this test's own options on to the inner make.
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS", "YES"))}
    return subprocess.run(
        ["make", *arguments], cwd=cwd, env=environment, capture_output=True, check=True, text=True
    ).stdout


# --- pins --------------------------------------------------------------------------------------------------------


def locked(name: str, *, python: str = "3.11", platform: str = "linux") -> list[str]:
    """Every version the lock gives a package on one kind of machine; one is right, none or two is a defect."""
    machine = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform}
    wanted = [pin for pin in LOCK if canonicalize_name(pin.name) == canonicalize_name(name)]
    fitting = [pin for pin in wanted if pin.marker is None or pin.marker.evaluate(machine)]
    return [next(iter(pin.specifier)).version for pin in fitting]


def test_every_line_of_the_lock_pins_one_version() -> None:
    assert len(LOCK) > len(DIRECT)
    assert [str(pin) for pin in LOCK if [clause.operator for clause in pin.specifier] != ["=="]] == []


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
@pytest.mark.parametrize("platform", ["linux", "darwin", "win32"])
def test_lock_satisfies_what_pyproject_asks_for(python: str, platform: str) -> None:
    machine = {"python_version": python, "python_full_version": f"{python}.9", "sys_platform": platform}
    asked = [direct for direct in DIRECT if direct.marker is None or direct.marker.evaluate(machine)]
    unmet = {
        str(direct): versions
        for direct in asked
        if len(versions := locked(direct.name, python=python, platform=platform)) != 1
        or not direct.specifier.contains(versions[0])
    }
    assert unmet == {}


def test_environment_yml_repeats_the_pins_of_the_lock() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    python, pip, section = environment["dependencies"]
    assert (environment["name"], environment["channels"]) == ("mend", ["conda-forge"])
    assert (python, pip) == ("python=3.11", "pip")

    expected = []
    for direct in DIRECT:
        extras = f"[{','.join(sorted(direct.extras))}]" if direct.extras else ""
        marker = f"; {direct.marker}".replace('"', "'") if direct.marker else ""
        (version,) = locked(direct.name)
        expected.append(f"{canonicalize_name(direct.name)}{extras}=={version}{marker}")
    # Sorted lists, so that pytest's difference is the list of lines to edit.
    assert sorted(section["pip"]) == sorted([*expected, "-e .", "-c requirements.lock"])


# --- make --------------------------------------------------------------------------------------------------------

MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^\.PHONY: (.*)$", MAKEFILE, re.MULTILINE)[0].split())


def test_make_alone_lists_every_target_and_every_option() -> None:
    assert make() == make("help")
    listed = re.findall(r"^  (\S+) +\S", make("help"), re.MULTILINE)
    options = re.findall(r"^([A-Z]+) \?=", MAKEFILE, re.MULTILINE)
    assert len(TARGETS) > 10
    assert "ARGS" in options
    assert sorted(listed) == sorted([*TARGETS, *options])


def test_makefile_wants_the_python_that_pyproject_wants() -> None:
    found = re.search(r"\(3, (\d+)\) <= sys\.version_info\[:2\] < \(3, (\d+)\)", MAKEFILE)
    assert found is not None
    low, high = found.groups()
    assert PYPROJECT["project"]["requires-python"] == f">=3.{low},<3.{high}"
    assert f"Python >= 3.{low}, < 3.{high}" in MAKEFILE


@pytest.fixture
def a_checkout(tmp_path: Path) -> Path:
    """A folder with our Makefile, a workspace with a ledger, and a cache."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    for file in ("var/ledger.db", "var/__pycache__/kept", "pipeline/__pycache__/x.pyc", ".venv/__pycache__/kept"):
        (tmp_path / file).parent.mkdir(parents=True)
        (tmp_path / file).touch()
    return tmp_path


def test_clean_takes_caches_and_leaves_environment_and_workspace(a_checkout: Path) -> None:
    make("clean", cwd=a_checkout)
    left = {path.relative_to(a_checkout).as_posix() for path in a_checkout.rglob("*") if path.is_file()}
    assert left == {"Makefile", "var/ledger.db", "var/__pycache__/kept", ".venv/__pycache__/kept"}


def test_workspace_goes_only_when_asked_twice(a_checkout: Path) -> None:
    assert "Nothing was deleted" in make("clean-workspace", cwd=a_checkout)
    assert "Nothing was deleted" in make("clean-workspace", "YES=", cwd=a_checkout)
    assert (a_checkout / "var/ledger.db").exists()
    make("clean-workspace", "YES=1", cwd=a_checkout)
    assert not (a_checkout / "var").exists()


def test_ci_script_can_be_run() -> None:
    assert os.access(ROOT / ".ci/run", os.X_OK)
    subprocess.run(["bash", "-n", str(ROOT / ".ci/run")], check=True)


# --- documents ---------------------------------------------------------------------------------------------------


def commands(markdown: str) -> Iterator[tuple[str, str]]:
    """Every (`make`, target) and (`mend`, subcommand) that a text tells its reader to type: in a block or in backticks.

    >>> list(commands("Type `make lint test ARGS=-x` or `mend status`, then make tea."))
    [('make', 'lint'), ('make', 'test'), ('mend', 'status')]
    """
    blocks = re.compile(r"^ *```(\w*)[^\n]*\n(.*?)^ *```", re.MULTILINE | re.DOTALL)
    shells = [body for language, body in blocks.findall(markdown) if language in {"", "bash", "console", "sh", "shell"}]
    spans = re.findall(r"(?<!`)`([^`\n]+)`", blocks.sub("", markdown))
    for line in [line for text in (*shells, *spans) for line in text.splitlines()]:
        for command in re.split(r"&&|\|\||[;|]", re.sub(r"(^|\s)#.*", "", line)):
            yield from read_command(command)


def read_command(command: str) -> Iterator[tuple[str, str]]:
    try:
        words = shlex.split(command.strip().removeprefix("$ "))
    except ValueError:
        return  # an unclosed quote: prose or output, not a command
    while words and re.match(r"[A-Z_]+=", words[0]):
        words.pop(0)
    name, arguments = (words[0].rpartition("/")[2], words[1:]) if words else ("", [])
    plain = [word for word in arguments if re.fullmatch(r"[a-z][a-z-]*", word)]
    if name == "make":
        yield from ((name, word) for word in plain)
    elif name == "mend" and plain and plain[0] == arguments[0]:
        yield name, arguments[0]


def told() -> dict[str, set[tuple[str, str]]]:
    documents = [ROOT / "README.md", ROOT / "data/README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    found = {path.relative_to(ROOT).as_posix(): set(commands(path.read_text(encoding="utf-8"))) for path in documents}
    return found | {"Makefile": {("mend", name) for name in re.findall(r"\$\(BIN\)/mend ([a-z-]+)", MAKEFILE)}}


def mend_commands() -> set[str]:
    # Imported here, so that a CLI that cannot be imported fails the one test that needs it.
    group: Any = typer.main.get_command(import_module("pipeline.cli").app)
    return set(group.commands)


def test_commands_are_found_where_a_reader_would_copy_them() -> None:
    text = """
    Run `make demo`, or `CI=1 make check clean ARGS="-k psi"  # quick`. Then make sure, and mend fences.
    ```bash
    $ make setup && .venv/bin/mend init   # make haste
    mend replay --until 2008; mend status --json | jq .
    ```
    ```python
    make = mend
    ```
    """
    assert set(commands(text)) == {
        *[("make", name) for name in ("demo", "check", "clean", "setup")],
        *[("mend", name) for name in ("init", "replay", "status")],
    }


def test_readme_starts_with_the_demo() -> None:
    assert ("make", "demo") in told()["README.md"]


def test_every_command_that_a_document_or_the_makefile_names_exists() -> None:
    known = {"make": TARGETS, "mend": mend_commands()}
    assert ("mend", "init") in told()["Makefile"]
    unknown = [
        f"{where}: {tool} {name}" for where, found in told().items() for tool, name in found if name not in known[tool]
    ]
    assert unknown == []


EXPLAINED: dict[str, tuple[type[BaseModel], ...]] = {
    "gates.md": (GateSettings, ProfitSettings),
    "drift.md": (MonitorSettings, RetrainSettings, AlertSettings),
    "reliability.md": (WatchSettings, KeepingSettings),
    "serving.md": (ServingSettings,),
    "security.md": (ApprovalSettings, IdentitySettings, SigningSettings, LedgerSettings),
}


@pytest.mark.parametrize(
    ("note", "section", "name"),
    [(note, section, name) for note, found in EXPLAINED.items() for section in found for name in section.model_fields],
)
def test_the_notes_give_every_setting_with_its_default(note: str, section: type[BaseModel], name: str) -> None:
    """As a line of TOML that means what the default is; a setting without a default is named."""
    text, default = (ROOT / "docs" / note).read_text(), section.model_fields[name].default
    if default in (None, ""):
        assert name in text
        return
    (written,) = set(re.findall(rf"`{name} = ([^`]+)`", text))
    read = section(**tomllib.loads(f"{name} = {written}"))
    assert getattr(read, name) == default


def test_licence_is_apache_2() -> None:
    licence = (ROOT / "LICENSE").read_text()
    assert PYPROJECT["project"]["license"] == "Apache-2.0"
    assert re.match(r"\s*Apache License\n\s*Version 2\.0, January 2004\n", licence)
    assert "END OF TERMS AND CONDITIONS" in licence


def test_tables_of_the_data_card_are_what_its_program_measures(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    card = (ROOT / "data/README.md").read_text(encoding="utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```$", card, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(ROOT)
    exec(compile(program, "data/README.md", "exec"), {})
    tables = capsys.readouterr().out.strip().split("\n\n")
    assert len(tables) == 2
    missing = [line for table in tables for line in table.splitlines() if line not in card.splitlines()]
    assert missing == []
    # And the card shows no row that the program did not measure.
    assert all(f"\n\n{table}\n\n" in card for table in tables)
