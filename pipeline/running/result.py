"""What a notebook delivers: its last line promises a file, and the executed copy is judged by that promise.

Papermill's own flags call a dead kernel, a cell timeout and `sys.exit(0)` a success, so they are not asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pipeline.artefacts import sha256_file
from pipeline.errors import NotebookFailedError

Notebook = Any  # nbformat.NotebookNode, which is untyped and not imported here: kernels load this file

RESULT_MIME = "application/vnd.mend.result+json"
LONGEST_MESSAGE = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """A promise: this file exists, with this content."""

    artefact: Path
    sha256: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, object]:  # noqa: ARG002
        """What Jupyter stores as the cell's output: the record for the runner, one line for the reader."""
        return {
            RESULT_MIME: {"artefact": str(self.artefact), "sha256": self.sha256},
            "text/plain": f"artefact {self.artefact} sha256 {self.sha256}",
        }


def show_result(path: Path) -> Result:
    """Promise an artefact; the last expression of a notebook's `result` cell.

    Raises:
        FileNotFoundError: The file was never written.
    """
    artefact = path.resolve(strict=True)
    return Result(artefact=artefact, sha256=sha256_file(artefact))


def judge(executed: Notebook, trouble: str | None) -> Result:
    """The result of a run, if it has one.

    Raises:
        NotebookFailedError: One line that says where and why not.
    """
    cells = code_cells(executed)
    for number, cell in enumerate(cells, start=1):
        for output in cell.outputs:
            if output.output_type == "error":
                raise NotebookFailedError(f"cell {number}", output.ename, one_line(output.evalue))
    if trouble:
        raise NotebookFailedError(trouble)
    for number, cell in enumerate(cells, start=1):
        if cell.execution_count is None:
            raise NotebookFailedError(f"cell {number}", "was not executed")
    try:
        return _read_result(cells[-1].outputs)
    except ValueError as error:
        raise NotebookFailedError(f"cell {len(cells)}", str(error)) from None


def _read_result(outputs: Iterable[Mapping[str, Any]]) -> Result:
    """The promise among a cell's outputs, held against the file.

    Raises:
        ValueError: There is not exactly one promise, or the file does not keep it.
    """
    promises = [output["data"][RESULT_MIME] for output in outputs if RESULT_MIME in output.get("data", {})]
    if len(promises) != 1:
        raise ValueError(f"shows {len(promises)} results, expected one (`show_result` at the end of the notebook)")
    try:
        result = Result(artefact=Path(promises[0]["artefact"]), sha256=promises[0]["sha256"])
    except (KeyError, TypeError):
        raise ValueError(f"the result {promises[0]!r} is not an artefact and its sha256") from None
    if not result.artefact.is_absolute() or not result.artefact.is_file():
        raise ValueError(f"artefact {result.artefact} does not exist")
    found = sha256_file(result.artefact)
    if found != result.sha256:
        raise ValueError(f"artefact {result.artefact} has SHA-256 {found}, promised {result.sha256}")
    return result


def code_cells(notebook: Notebook) -> list[Any]:
    """The cells that run, so that their numbers are the In [n] of the executed copy."""
    return [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.strip()]


def one_line(text: str) -> str:
    """A message without its line breaks, and not too long for a log."""
    return " ".join(text.split())[:LONGEST_MESSAGE]
