"""Run a notebook as a job: checked parameters in, an immutable executed copy and a verified artefact out.

Papermill executes; we judge. Its own flags call a dead kernel, a cell timeout and `sys.exit(0)` a success, so a run
has succeeded only if every code cell ran without an error and the file that the last cell promises is there.
"""

from __future__ import annotations

import ast
import asyncio
import logging
import math
import re
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self

import nbformat
import papermill
from jupyter_core.utils import ensure_event_loop
from papermill.exceptions import PapermillExecutionError

from pipeline.artefacts import write_atomically
from pipeline.errors import InputError, NotebookFailedError
from pipeline.kernelspec import KERNEL_NAME
from pipeline.running.result import code_cells, judge, one_line
from pipeline.running.warm_kernel import Kernel, preload_statements

Parameter = str | int | float | bool
Notebook = Any  # nbformat.NotebookNode, which is untyped

PARAMETER_TYPES = {"str", "int", "float", "bool"}
FILE_NAME = re.compile(r"\w[\w.-]*")
KILLED_KERNEL_GRACE_S = 10.0  # nbclient looks for a dead kernel once a second


@dataclass(frozen=True, slots=True, kw_only=True)
class NotebookRun:
    """What became of a run. A cell is named by its number among the code cells: its In [n] in the executed copy."""

    run_id: str
    notebook: str
    status: Literal["succeeded", "failed"]
    seconds: float
    path: Path
    sha256: str
    artefact: Path | None
    artefact_sha256: str | None
    error: str | None


class NotebookRunner:
    """Runs the notebooks of a folder, each in a fresh kernel that is killed at the end of its run.

    With `kernel="warm"`, `prewarm` starts the kernel of a coming run ahead; with "stock" it does nothing. Either way
    the kernels work in the notebooks' folder. Close it, or use it as a context manager.
    """

    def __init__(
        self,
        *,
        notebooks: Path,
        runs: Path,
        deadline_s: float,
        kernel: Literal["warm", "stock"] = "warm",
        start_timeout_s: float = 60,
    ) -> None:
        self._notebooks, self._runs = notebooks.resolve(), runs.resolve()
        self._deadline_s, self._start_timeout_s = deadline_s, start_timeout_s
        self._warm = kernel == "warm"
        self._lock = threading.Lock()
        self._ready: dict[str, list[Kernel]] = {}
        self._running: set[Kernel] = set()
        self._closed = False
        logging.getLogger("papermill").setLevel(logging.CRITICAL)  # nbclient logs there too; NotebookRun says it all

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def prewarm(self, name: str, *, ready: int = 1) -> None:
        """Have kernels ready for the next runs of a notebook, importing what it will import; returns at once."""
        notebook = self._read(name)
        with self._lock:
            if not self._warm or self._closed:
                return
            imports = preload_statements(cell.source for cell in code_cells(notebook))
            waiting = self._ready.setdefault(name, [])
            while len(waiting) < ready:
                waiting.append(Kernel(working_folder=self._notebooks, preload=imports))

    def run(self, name: str, parameters: Mapping[str, Parameter], *, run_id: str) -> NotebookRun:
        """Execute a notebook and keep the executed copy, whatever happens to it.

        Raises:
            InputError: No such notebook or kernel, or a parameter that it does not take; nothing was started.
        """
        started = time.monotonic()
        if not FILE_NAME.fullmatch(run_id):
            raise InputError(f"run id {run_id!r} cannot be the name of a folder")
        notebook = self._read(name)
        parameters = _checked(name, notebook, parameters)
        with self._a_kernel(name) as kernel:
            executed, trouble = self._execute(kernel, notebook, parameters, deadline=started + self._deadline_s)
        try:
            result, error = judge(executed, trouble), None
        except NotebookFailedError as failure:
            result, error = None, str(failure)
        path = self._runs / run_id / f"{name}.ipynb"
        digest = _keep(executed, path, error=error)
        return NotebookRun(
            run_id=run_id,
            notebook=name,
            status="succeeded" if result else "failed",
            seconds=time.monotonic() - started,
            path=path,
            sha256=digest,
            artefact=result.artefact if result else None,
            artefact_sha256=result.sha256 if result else None,
            error=error,
        )

    def close(self) -> None:
        """Kill every kernel; a run that is under way in another thread ends as failed."""
        with self._lock:
            self._closed = True
            waiting, self._ready = [kernel for kernels in self._ready.values() for kernel in kernels], {}
            for kernel in self._running:
                kernel.kill()
        for kernel in waiting:
            kernel.close()

    def _read(self, name: str) -> Notebook:
        path = self._notebooks / f"{name}.ipynb"
        if not FILE_NAME.fullmatch(name) or not path.is_file():
            known = ", ".join(sorted(file.stem for file in self._notebooks.glob("*.ipynb")))
            raise InputError(f"no notebook {name!r} in {self._notebooks}; there is {known or 'none'}")
        try:
            return nbformat.read(path, as_version=4)
        except ValueError as error:
            raise InputError(f"notebook {name}", f"not a notebook: {one_line(str(error))}") from None

    @contextmanager
    def _a_kernel(self, name: str) -> Iterator[Kernel]:
        with self._lock:
            if self._closed:
                raise RuntimeError("the notebook runner is closed")
            waiting, kernel = self._ready.get(name, []), None
            while waiting and kernel is None:
                kernel = waiting.pop(0)
                if kernel.exit_code is not None:  # it died while it waited
                    kernel.close()
                    kernel = None
            kernel = kernel or Kernel(working_folder=self._notebooks)
            self._running.add(kernel)
        try:
            yield kernel
        finally:
            with self._lock:
                self._running.discard(kernel)
            kernel.close()

    def _execute(
        self, kernel: Kernel, notebook: Notebook, parameters: Mapping[str, Parameter], *, deadline: float
    ) -> tuple[Notebook, str | None]:
        """The notebook as far as it was executed, and what went wrong outside its cells."""
        source, copy = kernel.folder / "source.ipynb", kernel.folder / "executed.ipynb"
        source.write_text(nbformat.writes(notebook), encoding="utf-8")  # what was checked is what runs
        raised: list[Exception] = []
        # A thread, so that the deadline holds whatever nbclient waits for, and also for a caller with an event loop.
        job = (kernel, source, copy, parameters, raised)
        worker = threading.Thread(target=self._work, args=job, name=f"notebook {kernel.folder.name}", daemon=True)
        worker.start()
        worker.join(max(0.0, deadline - time.monotonic()))
        late, exit_code = worker.is_alive(), kernel.exit_code
        kernel.kill()
        worker.join(KILLED_KERNEL_GRACE_S)
        if raised and not copy.exists():
            raise raised[0]
        executed = nbformat.read(copy if copy.exists() else source, as_version=4)
        if late:
            return executed, f"deadline of {self._deadline_s:g} s passed in {_place(executed)}"
        if raised and exit_code is not None:
            return executed, f"{_place(executed)}: kernel died ({_cause(exit_code)})"
        if raised:
            return executed, one_line(f"{_place(executed)}: {type(raised[0]).__name__}: {raised[0]}")
        return executed, None

    def _work(
        self, kernel: Kernel, source: Path, copy: Path, parameters: Mapping[str, Parameter], raised: list[Exception]
    ) -> None:
        try:
            papermill.execute_notebook(
                str(source),
                str(copy),
                dict(parameters),
                kernel_name=KERNEL_NAME,
                language="python",
                progress_bar=False,
                start_timeout=math.ceil(self._start_timeout_s),
                km=kernel.manager,
                iopub_timeout=math.ceil(self._deadline_s),  # 4 s by default: too short for a large report
            )
        except PapermillExecutionError:
            pass  # the copy says more
        except Exception as error:  # noqa: BLE001 (becomes the run's error)
            raised.append(error)
        finally:
            kernel.close_client()
            _close_event_loop()


def _checked(name: str, notebook: Notebook, given: Mapping[str, Parameter]) -> dict[str, Parameter]:
    """Parameters as the notebook declares them. Papermill only warns of an unknown one, and checks no type."""
    declared = _declared(name, notebook)
    for parameter, value in given.items():
        if parameter not in declared:
            takes = ", ".join(declared) or "none"
            raise InputError(f"notebook {name}", f"unknown parameter {parameter!r}; it takes {takes}")
        allowed, got = declared[parameter], type(value).__name__
        if not (got in allowed & PARAMETER_TYPES or (got == "int" and "float" in allowed)):
            expected = " or ".join(sorted(allowed))
            raise InputError(f"notebook {name}", f"parameter {parameter!r} is {expected}, got {got}")
    return {
        key: float(value) if "int" not in declared[key] and type(value) is int else value
        for key, value in given.items()
    }


def _declared(name: str, notebook: Notebook) -> dict[str, set[str]]:
    """Types by parameter, from lines such as `as_of: str = ""`.

    Not by `papermill.inspect_notebook`: its regular expressions lose `x: str | None` and lines with a second `=`.
    """
    cells = [cell for cell in code_cells(notebook) if "parameters" in cell.metadata.get("tags", [])]
    if not cells:
        raise InputError(f"notebook {name}", "no code cell is tagged 'parameters'")
    try:
        statements = ast.parse(cells[0].source).body
    except SyntaxError as error:
        raise InputError(f"notebook {name}", f"parameters cell: {error.msg}") from None
    return {
        node.target.id: set(ast.unparse(node.annotation).split(" | "))
        for node in statements
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def _keep(executed: Notebook, path: Path, *, error: str | None) -> str:
    """Write the executed copy with our verdict in it, and without the temporary places it ran in."""
    executed.metadata["mend"] = {"run_id": path.parent.name, "error": error}
    places = {"input_path": path.name, "output_path": f"{path.parent.name}/{path.name}"}
    executed.metadata.setdefault("papermill", {}).update(places)
    return write_atomically(path, nbformat.writes(executed) + "\n")


def _place(executed: Notebook) -> str:
    """The last cell that was started. (Papermill marks also the cells that never ran as "completed".)"""
    started = [cell for cell in code_cells(executed) if cell.metadata.get("papermill", {}).get("start_time")]
    return f"cell {len(started)}" if started else "the start of the kernel"


def _cause(exit_code: int) -> str:
    return signal.Signals(-exit_code).name if exit_code < 0 else f"exit code {exit_code}"


def _close_event_loop() -> None:
    """Close the loop that nbclient's synchronous calls leave behind in a thread, and what still waits in it."""
    loop = ensure_event_loop()
    waiting = asyncio.all_tasks(loop)
    for task in waiting:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*waiting, return_exceptions=True))
    loop.close()
