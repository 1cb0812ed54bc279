"""A notebook run tells the truth: it succeeded only with a kept promise, and it leaves a copy behind but no process."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import nbformat
import psutil
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from pipeline.artefacts import sha256_file, sha256_text
from pipeline.errors import InputError, NotebookFailedError
from pipeline.kernelspec import KERNEL_NAME, install_kernelspec
from pipeline.running import warm_kernel
from pipeline.running.notebooks import NotebookRunner
from pipeline.running.result import RESULT_MIME, judge, show_result

PARAMETERS = 'as_of: str = ""  # UTC time, as_of=2006-07-01\nrows: int = 3\nshare: float = 0.5\ndry: bool = False'
IMPORTS = "from pathlib import Path\nfrom pipeline.running.result import show_result"
RESULT = 'path = Path("made.json").resolve()\n_ = path.write_text(f"{as_of} {rows} {share} {dry}")\nshow_result(path)'


@pytest.fixture(autouse=True, scope="session")
def installed_kernel():
    if not (Path(sys.prefix) / "share/jupyter/kernels" / KERNEL_NAME).exists():  # other test workers may be using it
        install_kernelspec(Path(sys.prefix))


@pytest.fixture
def a_runner(tmp_path):
    """A runner over `tmp_path/notebooks`, closed at the end of the test, when no kernel may be left."""
    opened = []

    def build(**changes):
        options = {"notebooks": tmp_path / "notebooks", "runs": tmp_path / "runs", "deadline_s": 60} | changes
        opened.append(NotebookRunner(**options))
        return opened[-1]

    yield build
    for runner in opened:
        runner.close()
    assert kernels() == []


def kernels(of=None):
    processes = [process for process in psutil.Process(of).children(recursive=True) if process.is_running()]
    return [process for process in processes if "ipykernel_launcher" in " ".join(process.cmdline())]


def write(tmp_path, *cells, name="drift", parameters=PARAMETERS, imports=IMPORTS, result=RESULT):
    """A notebook of the house's shape, with some cells between its imports and its result."""
    notebook = new_notebook(cells=[new_markdown_cell("Has anything moved?")])
    if parameters is not None:
        notebook.cells.append(new_code_cell(parameters, metadata={"tags": ["parameters"]}))
    notebook.cells += [new_code_cell(source) for source in (imports, *cells)]
    if result is not None:
        notebook.cells.append(new_code_cell(result, metadata={"tags": ["result"]}))
    folder = tmp_path / "notebooks"
    folder.mkdir(exist_ok=True)
    nbformat.write(notebook, folder / f"{name}.ipynb")


def outputs_of(run, cell):
    code = [cell for cell in nbformat.read(run.path, as_version=4).cells if cell.cell_type == "code"]
    return "".join(output.get("text", "") for output in code[cell - 1].outputs)


# --- refused before anything is started --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("parameters", "complaint"),
    [
        pytest.param({"asof": ""}, "unknown parameter 'asof'; it takes as_of, rows, share, dry", id="unknown"),
        pytest.param({"rows": "3"}, "parameter 'rows' is int, got str", id="a text is not a number"),
        pytest.param({"rows": True}, "parameter 'rows' is int, got bool", id="a bool is not an int"),
        pytest.param({"rows": 3.0}, "parameter 'rows' is int, got float", id="a float is not an int"),
        pytest.param({"dry": 1}, "parameter 'dry' is bool, got int", id="an int is not a bool"),
        pytest.param({"share": True}, "parameter 'share' is float, got bool", id="a bool is not a float"),
        pytest.param({"as_of": Path("x")}, "parameter 'as_of' is str, got PosixPath", id="a path is not a text"),
    ],
)
def test_a_parameter_that_the_notebook_does_not_take_is_refused(tmp_path, a_runner, parameters, complaint):
    write(tmp_path)
    with pytest.raises(InputError) as refusal:
        a_runner().run("drift", parameters, run_id="r1")
    assert str(refusal.value) == f"notebook drift: {complaint}"
    assert kernels() == []
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("name", "parameters", "run_id", "complaint"),
    [
        pytest.param("drft", PARAMETERS, "r1", "no notebook 'drft'.*there is drift", id="unknown notebook"),
        pytest.param("../drift", PARAMETERS, "r1", "no notebook '../drift'", id="a path"),
        pytest.param("drift", None, "r1", "no code cell is tagged 'parameters'", id="no parameters cell"),
        pytest.param("drift", "rows: int = ", "r1", "parameters cell: invalid syntax", id="broken parameters cell"),
        pytest.param("drift", PARAMETERS, "../r1", "run id", id="a run id that leaves the folder"),
    ],
)
def test_a_run_that_cannot_be_meant_is_refused(tmp_path, a_runner, name, parameters, run_id, complaint):
    write(tmp_path, parameters=parameters)
    with pytest.raises(InputError, match=complaint):
        a_runner().run(name, {}, run_id=run_id)
    assert kernels() == []


def test_a_missing_kernel_says_what_to_run(tmp_path, a_runner, monkeypatch):
    write(tmp_path)
    monkeypatch.setattr(warm_kernel.sys, "prefix", str(tmp_path))
    with pytest.raises(InputError, match=f"kernel '{KERNEL_NAME}' is not installed here: run `make setup`"):
        a_runner().run("drift", {}, run_id="r1")


def test_the_kernel_is_installed_by_name_and_phones_nobody(tmp_path):
    install_kernelspec(tmp_path)
    folder = install_kernelspec(tmp_path)  # over an older one
    assert folder == tmp_path / "share" / "jupyter" / "kernels" / "mend"
    spec = json.loads((folder / "kernel.json").read_text())
    assert (spec["display_name"], spec["argv"][0]) == ("Mend", sys.executable)
    assert spec["env"].items() >= {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}.items()


# --- success -----------------------------------------------------------------------------------------------------


def test_warm_and_stock_kernels_make_the_same_artefact(tmp_path, a_runner):
    write(tmp_path, "import os\nprint(os.getcwd(), os.environ['MPLBACKEND'], os.environ['DO_NOT_TRACK'])")
    given = {"as_of": 'a "quoted"\n\\ line', "rows": 4, "share": 1, "dry": True}
    warm, stock = a_runner(kernel="warm"), a_runner(kernel="stock")
    for runner in (warm, stock):
        runner.prewarm("drift")
    assert len(kernels()) == 1, "only the warm runner starts a kernel ahead"

    runs = [warm.run("drift", given, run_id="warm"), stock.run("drift", given, run_id="stock")]

    assert [(run.status, run.error) for run in runs] == [("succeeded", None)] * 2
    made = tmp_path / "notebooks" / "made.json"
    assert made.read_text() == 'a "quoted"\n\\ line 4 1.0 True'
    assert {(run.artefact, run.artefact_sha256) for run in runs} == {(made, sha256_file(made))}
    assert {outputs_of(run, 4) for run in runs} == {f"{tmp_path / 'notebooks'} agg 1\n"}


def test_the_executed_copy_is_the_record(tmp_path, a_runner):
    write(tmp_path)
    runner = a_runner()
    run = runner.run("drift", {"rows": 7}, run_id="r1")
    assert run.path == tmp_path / "runs" / "r1" / "drift.ipynb"
    assert run.sha256 == sha256_file(run.path)
    assert 0 < run.seconds < 60
    executed = nbformat.read(run.path, as_version=4)
    assert [cell.source for cell in executed.cells if "injected-parameters" in cell.metadata.tags] == [
        "# Parameters\nrows = 7\n"
    ]
    assert executed.metadata["mend"] == {"run_id": "r1", "error": None}
    assert RESULT_MIME in executed.cells[-1].outputs[0].data
    assert executed.cells[-1].outputs[0].data["text/plain"] == f"artefact {run.artefact} sha256 {run.artefact_sha256}"

    again = runner.run("drift", {"rows": 8}, run_id="r1")
    assert again.sha256 == sha256_file(run.path) != run.sha256, "a repeated run replaces its copy"
    assert [path.name for path in run.path.parent.iterdir()] == ["drift.ipynb"], "nothing temporary is left"


def test_no_run_sees_what_another_run_left_or_what_was_preloaded(tmp_path, a_runner):
    seen = "print(sorted(set(globals()) & {'leaked', 'wave', 'Path'}), 'wave' in __import__('sys').modules)"
    write(tmp_path, "leaked = 1\nimport wave", parameters=f"{PARAMETERS}\n{seen}")
    runner = a_runner()
    seen_by = []
    for run_id in ("r1", "r2"):
        runner.prewarm("drift")
        runner.prewarm("drift")
        assert len(kernels()) == 1, "a second call starts no second kernel"
        run = runner.run("drift", {}, run_id=run_id)
        assert (run.status, kernels()) == ("succeeded", [])
        seen_by.append(outputs_of(run, 1))
    assert seen_by == ["[] True\n"] * 2, "modules are loaded ahead, names are not bound"


def test_an_import_that_fails_fails_in_its_own_cell(tmp_path, a_runner):
    write(tmp_path, "import no_such_module_at_all")
    runner = a_runner()
    runner.prewarm("drift")
    run = runner.run("drift", {}, run_id="r1")
    assert run.error == "cell 3: ModuleNotFoundError: No module named 'no_such_module_at_all'"


def test_a_warm_kernel_that_died_while_waiting_is_replaced(tmp_path, a_runner):
    write(tmp_path)
    runner = a_runner()
    runner.prewarm("drift")
    (waiting,) = kernels()
    waiting.kill()
    wait_until(lambda: waiting.status() == psutil.STATUS_ZOMBIE)
    assert runner.run("drift", {}, run_id="r1").status == "succeeded"


# --- failure -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cell", "error"),
    [
        pytest.param("raise ValueError('no rows\\nat all')", "cell 3: ValueError: no rows at all", id="exception"),
        pytest.param("import sys\nsys.exit(0)", "cell 3: SystemExit: 0", id="sys.exit(0)"),
        pytest.param("import os\nos._exit(0)", "cell 3: kernel died (exit code 0)", id="kernel exits"),
        pytest.param("import os\nos.kill(os.getpid(), 9)", "cell 3: kernel died (SIGKILL)", id="kernel is killed"),
    ],
)
def test_a_run_that_stops_half_way_has_failed(tmp_path, a_runner, cell, error):
    write(tmp_path, f"print('got here', flush=True)\n{cell}", "print('never')")
    run = a_runner().run("drift", {}, run_id="r1")
    assert (run.status, run.error) == ("failed", error)
    assert (run.artefact, run.artefact_sha256) == (None, None)
    assert not (tmp_path / "notebooks" / "made.json").exists()
    assert run.sha256 == sha256_file(run.path)
    assert outputs_of(run, 4) == ""
    if "kernel died" not in error:  # a dying kernel takes its last words with it
        assert outputs_of(run, 3).startswith("got here\n")


def test_a_cell_that_was_skipped_or_allowed_to_fail_fails_the_run(tmp_path, a_runner):
    write(tmp_path, "raise KeyError('x')", "print('skipped')")
    path = tmp_path / "notebooks" / "drift.ipynb"
    notebook = nbformat.read(path, as_version=4)
    notebook.cells[3].metadata["tags"] = ["raises-exception"]
    notebook.cells[4].metadata["tags"] = ["skip-execution"]
    nbformat.write(notebook, path)
    assert a_runner().run("drift", {}, run_id="r1").error == "cell 3: KeyError: 'x'"
    notebook.cells[3].source = "pass"
    nbformat.write(notebook, path)
    assert a_runner().run("drift", {}, run_id="r2").error == "cell 4: was not executed"


@pytest.mark.parametrize(
    ("result", "error"),
    [
        pytest.param(f"{RESULT}\nshow_result(path);", "shows 0 results", id="a result that is not shown"),
        pytest.param("show_result(Path('nothing'))", "FileNotFoundError", id="a file that was never written"),
        pytest.param(
            f"{RESULT}\nr = show_result(path)\n_ = path.write_text('other')\nr",
            f"has SHA-256 {sha256_text('other')}, promised",
            id="a file that was changed",
        ),
    ],
)
def test_a_promise_that_is_not_kept_fails_the_run(tmp_path, a_runner, result, error):
    write(tmp_path, result=result)
    run = a_runner().run("drift", {}, run_id="r1")
    assert run.status == "failed"
    assert run.error.startswith("cell 3: ")
    assert error in run.error
    assert "\n" not in run.error


def test_only_one_whole_promise_of_a_file_that_is_there_counts(tmp_path):
    path = tmp_path / "made.json"
    path.write_text("made")
    kept = {"artefact": str(path), "sha256": sha256_text("made")}

    def verdict(*promises):
        outputs = [new_output("display_data", {RESULT_MIME: promise}) for promise in promises]
        return judge(new_notebook(cells=[new_code_cell("...", execution_count=1, outputs=outputs)]), None)

    assert verdict(kept) == show_result(path)
    for promises, complaint in [
        ([], "shows 0 results"),
        ([kept, kept], "shows 2 results"),
        ([kept | {"artefact": 3}], "is not an artefact"),
        ([{"artefact": str(path)}], "is not an artefact"),
        (["made.json"], "is not an artefact"),
        ([kept | {"artefact": str(tmp_path / "gone.json")}], "does not exist"),
        ([kept | {"artefact": str(tmp_path)}], "does not exist"),
        ([kept | {"artefact": os.path.relpath(path)}], "does not exist"),
    ]:
        with pytest.raises(NotebookFailedError, match=f"^cell 1: .*{complaint}"):
            verdict(*promises)


# --- deadline and orphans ----------------------------------------------------------------------------------------

DEAF = (
    "import signal, time\nfor number in (signal.SIGINT, signal.SIGTERM):\n    _ = signal.signal(number, signal.SIG_IGN)"
)


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param(f"{DEAF}\ntime.sleep(1000)", id="a sleep that ignores signals"),
        pytest.param(f"{DEAF}\nsum(iter(int, 1))", id="a C loop that never yields"),
    ],
)
def test_the_deadline_holds_whatever_the_kernel_does(tmp_path, a_runner, cell):
    child = "import subprocess\nchild = subprocess.Popen(['sleep', '1000'])"
    write(tmp_path, child, cell, imports=f"import ready\n{IMPORTS}")
    (tmp_path / "notebooks" / "ready.py").write_text("open('is_ready', 'w').close()")
    runner = a_runner(deadline_s=2)
    runner.prewarm("drift")
    wait_until(lambda: (tmp_path / "notebooks" / "is_ready").exists())
    run = runner.run("drift", {}, run_id="r1")
    assert (run.status, run.error) == ("failed", "deadline of 2 s passed in cell 4")
    assert 2 <= run.seconds < 6
    assert run.sha256 == sha256_file(run.path)
    assert [process for process in psutil.Process().children(recursive=True) if process.name() == "sleep"] == []


def test_a_deadline_before_the_kernel_is_up_is_a_failed_run_too(tmp_path, a_runner):
    write(tmp_path)
    run = a_runner(deadline_s=0.05).run("drift", {}, run_id="r1")
    assert (run.status, run.error) == ("failed", "deadline of 0.05 s passed in the start of the kernel")
    assert run.path.is_file()


def test_closing_kills_waiting_and_running_kernels(tmp_path, a_runner):
    write(tmp_path, "open('busy', 'w').close()\nimport time\ntime.sleep(1000)")
    write(tmp_path, name="other")
    runner = a_runner()
    runs = []
    thread = threading.Thread(target=lambda: runs.append(runner.run("drift", {}, run_id="r1")))
    thread.start()
    wait_until(lambda: (tmp_path / "notebooks" / "busy").exists())
    runner.prewarm("other")  # also while another notebook runs
    assert len(kernels()) == 2
    runner.close()
    thread.join(10)
    assert (kernels(), [run.error for run in runs]) == ([], ["cell 3: kernel died (SIGKILL)"])
    runner.prewarm("other")
    assert kernels() == [], "a closed runner starts nothing"


def test_an_interrupted_run_leaves_no_kernel(tmp_path, a_runner, monkeypatch):
    write(tmp_path, "import os, signal, time\nos.kill(os.getppid(), signal.SIGINT)\ntime.sleep(1000)")
    # a shell starts what it puts in the background with SIGINT ignored, and Python then leaves it so
    given = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with pytest.raises(KeyboardInterrupt):
            a_runner().run("drift", {}, run_id="r1")
    finally:
        signal.signal(signal.SIGINT, given)
    assert kernels() == []


PARENT = """
import sys
from pathlib import Path
from pipeline.running.notebooks import NotebookRunner
folder = Path(sys.argv[1])
runner = NotebookRunner(notebooks=folder / "notebooks", runs=folder / "runs", deadline_s=60)
runner.prewarm("other")
runner.run("drift", {}, run_id="r1")
"""


@pytest.mark.parametrize(
    "cell",
    [
        pytest.param("import time\ntime.sleep(1000)", id="in a sleep"),
        pytest.param("sum(iter(int, 1))", id="in a C loop that never yields"),
    ],
)
def test_killing_the_parent_leaves_no_kernel(tmp_path, a_runner, monkeypatch, cell):
    write(tmp_path, f"open('busy', 'w').close()\n{cell}")
    write(tmp_path, name="other")
    monkeypatch.setenv("TMPDIR", str(tmp_path))  # where the parent's kernels have their folders
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path)])
    try:
        wait_until(lambda: (tmp_path / "notebooks" / "busy").exists())
        left = kernels(parent.pid)
        assert len(left) == 2
    finally:
        os.kill(parent.pid, signal.SIGKILL)
        parent.wait()
    wait_until(lambda: not any(process.is_running() and process.status() != "zombie" for process in left))

    folders = list(tmp_path.glob("mend-kernel-*"))
    assert len(folders) == 2, "nobody was there to remove them"
    monkeypatch.setattr(warm_kernel.tempfile, "tempdir", str(tmp_path))
    monkeypatch.setattr(warm_kernel, "ABANDONED_S", 0)
    runner = a_runner()
    runner.prewarm("other")
    (claimed,) = tmp_path.glob("mend-kernel-*")
    assert claimed not in folders, "the next kernel sweeps up"
    os.utime(claimed, (0, 0))
    warm_kernel._sweep_abandoned(tmp_path / "notebooks")
    assert claimed.exists(), "and nobody sweeps a folder that is in use"


def wait_until(condition, timeout_s=20):
    give_up = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < give_up, "waited in vain"
        time.sleep(0.02)
