"""The house rules that a reader relies on, read from the source itself; each rule is shown a source that breaks it."""

from __future__ import annotations

import ast
import io
import json
import os
import re
import subprocess
import sys
import tokenize
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.metadata import packages_distributions
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
PRODUCT = ("monitoring", "pipeline", "dashboard")

# --- reading source ----------------------------------------------------------------------------------------------


def product_files() -> list[str]:
    return sorted(path.relative_to(ROOT).as_posix() for package in PRODUCT for path in (ROOT / package).rglob("*.py"))


def imports(path: str, tree: ast.AST) -> set[str]:
    """Every module a file names, wherever and however: inside functions, relative, for typing only, by string."""
    package = PurePosixPath(path).parent.parts
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found |= {alias.name for alias in names}
            case ast.ImportFrom(module=module, names=names, level=level):
                parent = package[: len(package) - level + 1] if level else ()
                base = ".".join([*parent, *([module] if module else [])])
                found |= {base, *(f"{base}.{alias.name}" for alias in names)}
            case ast.Call(func=func, args=[ast.Constant(value=str(name)), *_]) if ast.unparse(func).endswith(
                ("import_module", "__import__")
            ):
                found.add(name)
    return found


def references(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Every name and dotted name, with imported aliases spelt out: `dt.now` is `datetime.datetime.now`."""
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                aliases |= {alias.asname: alias.name for alias in names if alias.asname}
            case ast.ImportFrom(module=str(module), names=names):
                aliases |= {alias.asname or alias.name: f"{module}.{alias.name}" for alias in names}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute | ast.Name):
            head, dot, tail = ast.unparse(node).partition(".")
            yield node.lineno, aliases.get(head, head) + dot + tail


def inside(name: str, package: str) -> bool:
    return name == package or name.startswith(f"{package}.")


# --- rules: (path, tree) -> complaints ---------------------------------------------------------------------------

LAYERS = {"monitoring": ("pipeline", "dashboard"), "pipeline": ("dashboard",), "dashboard": ()}

NOTEBOOK_RUNNERS = ("pipeline/running/notebooks.py", "pipeline/running/warm_kernel.py")
OWNERS: dict[str, tuple[str, ...]] = {
    "apprise": ("pipeline/alerts/delivery_apprise.py",),
    "cryptography": ("pipeline/training/signing.py",),
    "mlflow": ("pipeline/training/registry_mlflow.py",),
    "papermill": NOTEBOOK_RUNNERS,
    "nbclient": NOTEBOOK_RUNNERS,
    "jupyter_client": NOTEBOOK_RUNNERS,
    "ipykernel": (*NOTEBOOK_RUNNERS, "pipeline/kernelspec.py"),
    "evidently": ("monitoring/report_evidently.py",),
    "schedule": ("pipeline/running/scheduler.py",),
    "sqlalchemy": ("pipeline/stores/*",),
    "alembic": ("pipeline/stores/*",),
    "streamlit": ("dashboard/*",),
    "skops": ("pipeline/training/*",),
    "typer": ("pipeline/cli*.py",),
    "fastapi": ("pipeline/serving/*",),
    "uvicorn": ("pipeline/cli_serve.py",),
}
WITHOUT_STREAMLIT = (  # what a notebook, a test and the evidence pack use as well
    "dashboard/*charts.py",
    "dashboard/applicant_tables.py",
    "dashboard/check_pack.py",
    "dashboard/judgement.py",
    "dashboard/pack_*.py",
    "dashboard/policy_frames.py",
    "dashboard/policy_knobs.py",
    "dashboard/verdicts.py",
    "dashboard/words.py",
)

INSTALLED = sys.stdlib_module_names | set(packages_distributions())
PURE = ("monitoring/*", "pipeline/gate/*")
IMPURE_FILE = "monitoring/report_evidently.py"
IMPURE_MODULES = (
    *("time", "os", "io", "shutil", "tempfile", "subprocess", "socket", "urllib", "http", "random", "secrets"),
    *("requests", "httpx", "sqlite3", "pysqlite3", "sqlalchemy", "duckdb", "psycopg", "logging"),
)
FILE_FUNCTIONS = {"open", "builtins.open", "numpy.load", "numpy.save"}
FILE_METHOD = re.compile(
    r"\.(open|(read|write)_(text|bytes)|mkdir|touch|unlink|iterdir|rglob|tofile|fromfile|(load|save)txt|genfromtxt|memmap"
    r"|savez\w*|to_(csv|parquet|pickle|sql|excel|feather|hdf|orc))$"
)
PANDAS_READER = re.compile(r"\.read_(csv|parquet|pickle|sql\w*|excel|feather|json|table|hdf|orc|fwf)$")
CLOCK = re.compile(
    r"(^|\.)(datetime|date|Timestamp)\.(now|utcnow|today)$"
    r"|^time\.(time|time_ns|gmtime|localtime|ctime)$"
    r"|^sqlalchemy\.func\.(now|current_timestamp|current_date)$"
)
CLOCK_OWNER = "pipeline/clock.py"
VAGUE = {"util", "utils", "helper", "helpers", "common", "manager", "managers", "misc"}

Complaints = Iterator[str]


def imports_point_one_way(path: str, tree: ast.AST) -> Complaints:
    forbidden = LAYERS[path.partition("/")[0]]
    yield from (f"imports {name}" for name in imports(path, tree) if any(inside(name, layer) for layer in forbidden))


def each_library_has_one_owner(path: str, tree: ast.AST) -> Complaints:
    for name in imports(path, tree):
        owners = OWNERS.get(name.partition(".")[0], ("*",))
        if not any(fnmatch(path, owner) for owner in owners) or (
            inside(name, "streamlit") and any(fnmatch(path, without) for without in WITHOUT_STREAMLIT)
        ):
            yield f"imports {name}, which belongs to {', '.join(owners)}"


def pure_files_touch_nothing(path: str, tree: ast.AST) -> Complaints:
    if path == IMPURE_FILE or not any(fnmatch(path, pure) for pure in PURE):
        return
    yield from (f"imports {name}" for name in imports(path, tree) if any(inside(name, bad) for bad in IMPURE_MODULES))
    for node in ast.walk(tree):
        # The same windows must give the same signal: chance needs a seed that the caller chose.
        if isinstance(node, ast.Call) and ast.unparse(node).endswith("default_rng()"):
            yield f"line {node.lineno}: draws without a seed"
    for line, name in references(tree):
        if name in FILE_FUNCTIONS or PANDAS_READER.search(name) or FILE_METHOD.search(name):
            yield f"line {line}: {name} touches files"
        if re.match(r"numpy\.random\.(?!Generator|default_rng|SeedSequence|PCG64|BitGenerator)\w", name):
            yield f"line {line}: {name} draws from hidden state"


def only_the_clock_reads_the_clock(path: str, tree: ast.AST) -> Complaints:
    if path != CLOCK_OWNER:
        yield from (f"line {line}: {name} reads the clock" for line, name in references(tree) if CLOCK.search(name))


def names_say_what_is_inside(path: str, tree: ast.AST) -> Complaints:
    folders, stem = PurePosixPath(path).parts[:-1], PurePosixPath(path).stem
    yield from (f"{name} says nothing" for name in (*folders, stem) if name in VAGUE)
    if "pages" in folders:
        yield "a folder called pages wakes Streamlit's automatic discovery"
    if folders[0] == "dashboard" and stem in PRODUCT:
        yield f"{stem} is the name of a package"
    # Streamlit puts the folder of app.py first on sys.path, so that a file there replaces whatever has its name.
    if folders == ("dashboard",) and stem in INSTALLED - {"__init__"}:
        yield f"{stem} would shadow an installed module"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    check: Callable[[str, ast.AST], Complaints]
    broken_by: tuple[tuple[str, str], ...]
    kept_by: tuple[tuple[str, str], ...]


RULES = (
    Rule(
        check=imports_point_one_way,
        broken_by=(
            ("monitoring/psi.py", "import pipeline.settings"),
            ("monitoring/psi.py", "from pipeline import settings"),
            ("monitoring/psi.py", "def f():\n    from dashboard.charts import c"),
            ("monitoring/deep/psi.py", "from ...pipeline import settings"),
            ("pipeline/cli.py", "from importlib import import_module\nimport_module('dashboard.app')"),
        ),
        kept_by=(
            ("pipeline/cli.py", "import monitoring.psi"),
            ("dashboard/app.py", "from pipeline.settings import load"),
            ("monitoring/psi.py", "from .values import Window\nimport pipelines"),
        ),
    ),
    Rule(
        check=each_library_has_one_owner,
        broken_by=(
            ("pipeline/wiring.py", "import mlflow"),
            ("pipeline/training/fit.py", "from mlflow.tracking import MlflowClient"),
            ("pipeline/cli.py", "def f():\n    import papermill as pm"),
            ("pipeline/kernelspec.py", "import jupyter_client"),
            ("dashboard/app.py", "from sqlalchemy import select"),
            ("dashboard/charts.py", "import streamlit as st"),
            ("dashboard/pack_front.py", "import streamlit as st"),
            ("pipeline/running/cycle.py", "import schedule"),
            ("pipeline/serving.py", "import typer"),
            ("pipeline/alerts/alerting.py", "import apprise"),
            ("pipeline/training/model_files.py", "from cryptography.hazmat.primitives import hashes"),
        ),
        kept_by=(
            ("pipeline/training/registry_mlflow.py", "import mlflow, skops"),
            ("pipeline/stores/migrations/env.py", "import alembic, sqlalchemy as sa"),
            ("pipeline/cli_review.py", "import typer"),
            ("pipeline/kernelspec.py", "import ipykernel.kernelspec"),
            ("dashboard/views/drift.py", "import streamlit as st"),
            ("pipeline/running/cycle.py", "from pipeline.running import scheduler, schedule_slots"),
        ),
    ),
    Rule(
        check=pure_files_touch_nothing,
        broken_by=(
            ("monitoring/drift.py", "open('x')"),
            ("monitoring/drift.py", "from pathlib import Path\nPath('x').read_text()"),
            ("monitoring/drift.py", "path.open()"),
            ("monitoring/drift.py", "import pandas as pd\npd.read_csv('x')"),
            ("monitoring/drift.py", "from pandas import read_parquet as load\nload('x')"),
            ("pipeline/gate/policy.py", "frame.to_parquet('x')"),
            ("pipeline/gate/policy.py", "import requests"),
            ("pipeline/gate/policy.py", "from time import monotonic"),
            ("pipeline/gate/evidence.py", "import numpy as np\nnp.random.default_rng()"),
            ("pipeline/gate/evidence.py", "import numpy as np\nnp.random.shuffle(x)"),
        ),
        kept_by=(
            ("monitoring/report_evidently.py", "path.write_text('x')"),
            ("pipeline/artefacts.py", "open('x')"),
            ("monitoring/drift.py", "opened = is_open(frame.to_numpy(), frame.rename(columns={}))"),
            ("pipeline/gate/evidence.py", "import numpy as np\nrng: np.random.Generator = np.random.default_rng(seed)"),
        ),
    ),
    Rule(
        check=only_the_clock_reads_the_clock,
        broken_by=(
            ("dashboard/app.py", "import datetime\ndatetime.datetime.now(datetime.UTC)"),
            ("pipeline/cli.py", "from datetime import datetime as dt\ndt.utcnow()"),
            ("pipeline/cli.py", "from datetime import datetime\nfield(default_factory=datetime.now)"),
            ("pipeline/cli.py", "from datetime import date\ndate.today()"),
            ("monitoring/drift.py", "import pandas as pd\npd.Timestamp.now('UTC')"),
            ("pipeline/cli.py", "from time import time\ntime()"),
            ("pipeline/stores/ledger.py", "import sqlalchemy as sa\nsa.func.now()"),
        ),
        kept_by=(
            ("pipeline/clock.py", "from datetime import UTC, datetime\ndatetime.now(UTC)"),
            ("pipeline/cli.py", "import time\nclock.now(), time.monotonic(), time.sleep(1)"),
        ),
    ),
    Rule(
        check=names_say_what_is_inside,
        broken_by=(
            ("pipeline/utils.py", ""),
            ("pipeline/common/x.py", ""),
            ("dashboard/pages/drift.py", ""),
            ("dashboard/monitoring.py", ""),
            ("dashboard/views/pipeline.py", ""),
            ("dashboard/calendar.py", ""),
            ("dashboard/altair.py", ""),
        ),
        kept_by=(("dashboard/views/drift.py", ""), ("dashboard/app.py", ""), ("dashboard/__init__.py", "")),
    ),
)
by_name = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.check.__name__)


@by_name
def test_product_obeys(rule: Rule) -> None:
    files = product_files()
    assert len(files) >= len(PRODUCT), "found no product to look at"
    complaints = [
        f"{path}: {complaint}"
        for path in files
        for complaint in rule.check(path, ast.parse((ROOT / path).read_text(encoding="utf-8"), path))
    ]
    assert complaints == []


@by_name
def test_rule_sees_what_breaks_it_and_lets_the_rest_pass(rule: Rule) -> None:
    unseen = [sample for sample in rule.broken_by if not list(rule.check(sample[0], ast.parse(sample[1])))]
    wronged = [sample for sample in rule.kept_by if list(rule.check(sample[0], ast.parse(sample[1])))]
    assert (unseen, wronged) == ([], [])


# --- notebooks ---------------------------------------------------------------------------------------------------

SCHEDULED = {"train", "drift", "gate"}
BY_HAND = "explore"  # ends in a look, not in an artefact


def notebook_complaints(name: str, notebook: dict[str, Any]) -> Complaints:
    cells = notebook["cells"]
    code = [cell for cell in cells if cell["cell_type"] == "code"]
    tagged = [cell for cell in cells if "parameters" in tags(cell)]

    if notebook["metadata"].get("kernelspec", {}).get("name") != "mend":
        yield "its kernel is not called mend: JupyterLab would pick another environment's"
    if any(cell["outputs"] or cell["execution_count"] is not None for cell in code):
        yield "carries outputs or execution counts"
    if any({"papermill", "execution", "widgets"} & set(part["metadata"]) for part in [notebook, *cells]):
        yield "carries traces of a run in its metadata"
    if not cells or cells[0]["cell_type"] != "markdown" or "?" not in text(cells[0]):
        yield "does not open with a question"
    if [cell["cell_type"] for cell in tagged] != ["code"]:
        yield f"has {len(tagged)} cells tagged parameters, not one cell of code"
    yield from (complaint for cell in tagged for complaint in parameter_complaints(text(cell)))
    if name != BY_HAND and not (code and "result" in tags(code[-1])):
        yield "its last code cell is not tagged result"
    if len(code) > 8:
        yield f"has {len(code)} code cells, more than 8"
    for number, cell in enumerate(code, start=1):
        if (lines := len(text(cell).splitlines())) > 15:
            yield f"code cell {number} has {lines} lines, more than 15"
        try:
            tree = ast.parse(text(cell))
        except SyntaxError:
            yield f"code cell {number} is not plain Python"
            continue
        if any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) for node in ast.walk(tree)):
            yield f"code cell {number} defines a function or a class: that belongs in a package"
        yield from (f"code cell {number}: {each}" for each in only_the_clock_reads_the_clock("notebook", tree))


def parameter_complaints(source: str) -> Complaints:
    """Papermill reads name, type and help from `name: type = value  # help`, and from nothing else."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    commented = {token.start[0] for token in tokens if token.type == tokenize.COMMENT and token.string.strip("# ")}
    for statement in ast.parse(source).body:
        if not isinstance(statement, ast.AnnAssign) or statement.value is None:
            yield f"parameters: `{ast.unparse(statement)}` has no type, or no default"
        elif statement.end_lineno not in commented:
            yield f"parameters: `{ast.unparse(statement)}` has no comment beside it"


def tags(cell: dict[str, Any]) -> list[str]:
    return list(cell["metadata"].get("tags", []))


def text(cell: dict[str, Any]) -> str:
    return "".join(cell["source"]).strip()  # on disk a list of lines or one string


def a_cell(source: str, *, tag: str = "", **changes: Any) -> dict[str, Any]:
    metadata = {"tags": [tag]} if tag else {}
    code: dict[str, Any] = {
        "cell_type": "code",
        "metadata": metadata,
        "source": source,
        "outputs": [],
        "execution_count": None,
    }
    return code | changes


def a_notebook(*middle: dict[str, Any], kernel: str = "mend", **changes: dict[str, Any] | None) -> dict[str, Any]:
    """A notebook that obeys, but for the cells put in its middle and those named (`None` leaves one out)."""
    named: dict[str, dict[str, Any] | None] = {
        "question": a_cell("# Has it moved?", cell_type="markdown"),
        "parameters": a_cell('as_of: str = ""  # UTC time to judge', tag="parameters"),
        "result": a_cell("result", tag="result"),
    }
    named |= changes
    cells = [named["question"], named["parameters"], *middle, named["result"]]
    return {"metadata": {"kernelspec": {"name": kernel}}, "cells": [cell for cell in cells if cell is not None]}


def test_notebooks_are_thin_clean_and_ask_a_question() -> None:
    notebooks = {path.stem: json.loads(path.read_text()) for path in (ROOT / "notebooks").glob("*.ipynb")}
    assert set(notebooks) >= SCHEDULED
    found = [f"{name}: {each}" for name, notebook in notebooks.items() for each in notebook_complaints(name, notebook)]
    assert found == []


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        pytest.param(a_notebook(kernel="python3"), "kernel", id="another kernel"),
        pytest.param(a_notebook(a_cell("1", outputs=[{}])), "outputs", id="an output"),
        pytest.param(a_notebook(a_cell("1", execution_count=3)), "execution counts", id="an execution count"),
        pytest.param(a_notebook(a_cell("1", metadata={"papermill": {}})), "traces", id="papermill was here"),
        pytest.param(a_notebook(question=None), "question", id="no markdown first"),
        pytest.param(a_notebook(question=a_cell("# Drift", cell_type="markdown")), "question", id="no question"),
        pytest.param(a_notebook(parameters=None), "parameters", id="no parameters"),
        pytest.param(a_notebook(a_cell("x: int = 1  # x", tag="parameters")), "2 cells", id="two cells of parameters"),
        pytest.param(a_notebook(parameters=a_cell("x = 1  # x", tag="parameters")), "no type", id="no type"),
        pytest.param(a_notebook(parameters=a_cell("x: int = 1", tag="parameters")), "no comment", id="no comment"),
        pytest.param(a_notebook(result=a_cell("result")), "result", id="no result"),
        pytest.param(a_notebook(*[a_cell("1")] * 7), "more than 8", id="nine code cells"),
        pytest.param(a_notebook(a_cell("1\n" * 16)), "more than 15", id="sixteen lines"),
        pytest.param(a_notebook(a_cell("def f(): ...")), "defines", id="a function"),
        pytest.param(a_notebook(a_cell("if True:\n    class A: ...")), "defines", id="a class inside an if"),
        pytest.param(a_notebook(a_cell("%matplotlib inline")), "plain Python", id="a magic"),
        pytest.param(a_notebook(a_cell("import datetime\ndatetime.datetime.now()")), "clock", id="the clock"),
    ],
)
def test_notebook_rule_sees(broken: dict[str, Any], complaint: str) -> None:
    complaints = list(notebook_complaints("drift", broken))
    assert len(complaints) == 1
    assert complaint in complaints[0]


def test_obedient_notebook_gets_no_complaint() -> None:
    assert list(notebook_complaints("drift", a_notebook(*[a_cell("1\n" * 15)] * 6))) == []
    assert list(notebook_complaints(BY_HAND, a_notebook(result=a_cell("chart")))) == []


# --- what is published -------------------------------------------------------------------------------------------

SOMEBODYS_MACHINE = re.compile(r"""(^|[\s"'`(=:])/(work|root|opt|tmp/w)/""", re.MULTILINE)


def test_nothing_published_names_a_folder_of_somebodys_machine() -> None:
    # Files not yet added count too: they are the next commit. `safe.directory`: a container may own the checkout.
    listing = ["git", "-c", f"safe.directory={ROOT}", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    if not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says what is published")
    # A hook runs with GIT_DIR and friends set, which would point git elsewhere.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    names = subprocess.run(listing, cwd=ROOT, env=environment, capture_output=True, check=True, text=True).stdout
    files = [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]
    assert Path(__file__).resolve() in files
    found = []
    for path in files:
        try:
            content = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue  # not a text
        found += [f"{path.relative_to(ROOT)}: {hit.group().strip()}" for hit in SOMEBODYS_MACHINE.finditer(content)]
    assert found == []


@pytest.mark.parametrize("prefix", ["", " ", '"', "'", "(", "=", "a line\n"])
@pytest.mark.parametrize("folder", ["work", "root", "opt"])
def test_folder_scan_sees(prefix: str, folder: str) -> None:
    assert SOMEBODYS_MACHINE.search(f"{prefix}/{folder}/x")
    assert not SOMEBODYS_MACHINE.search(f"{prefix}net{folder}/x")
    assert not SOMEBODYS_MACHINE.search(f"https://example.org/{folder}/x")
