"""Part "files": a Parquet file scored by `mend score` and by a plain script, in a process each, one after the other."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from serving_bank import Bank, a_bank, save_for_peers

HEADINGS = ("what scores the file", "rows", "rows a second", "rows a second, start included", "largest, MB")
SHORT_SHARE = 0.25  # of the rows: a short file is subtracted, so that a second of imports is not taken for scoring
_AT_ONCE = 100_000
PEER, TRIAL, LOGGED = "pandas and `predict_proba`", "`mend score --no-log`", "`mend score`, every row on record"
TARGET = 200_000


@dataclass(frozen=True, kw_only=True)
class Took:
    """One process: wall seconds, and the most memory it held."""

    seconds: float
    largest_mb: float


def files(rows: int, *, rounds: int, say: Callable[[str], None]) -> list[tuple[str, ...]]:
    """Score a short and a long file each way, round after round; the table's rows.

    Raises:
        RuntimeError: A process fails; the message is the end of what it said.
    """
    with tempfile.TemporaryDirectory(prefix="mend-files-") as name:
        folder = Path(name)
        say("making the bank, training the champion")
        bank = a_bank(folder / "bank")
        workspace = bank.workspace()
        save_for_peers(workspace, folder)
        workspace.traffic.engine.dispose()
        short = int(rows * SHORT_SHARE)
        took: dict[tuple[str, int], list[Took]] = {}
        for number in range(rounds):
            for many in (short, rows):
                file = folder / f"{number}-{many}.parquet"
                _write(bank, file, many, start=number * 10 * rows + (0 if many == short else short))
                for what, command in _commands(folder, file):
                    took.setdefault((what, many), []).append(_run(bank, command, folder))
                    say(f"round {number + 1} of {rounds}: {what}, {many:,} rows: {took[what, many][-1].seconds:.1f} s")
                file.unlink()
        return [_line(what, short, rows, took[what, short], took[what, rows]) for what in (PEER, TRIAL, LOGGED)]


def _write(bank: Bank, file: Path, rows: int, *, start: int) -> None:
    """Applications of the reference, drawn with replacement, under ids that no other file has."""
    workspace = bank.workspace()
    pool = pa.Table.from_pandas(workspace.reference()[list(workspace.settings.data.kinds)], preserve_index=False)
    workspace.traffic.engine.dispose()
    rng = np.random.default_rng(start)
    schema = pa.schema([("loan_id", pa.string()), *pool.schema])
    with pq.ParquetWriter(file, schema) as writer:
        for first in range(start, start + rows, _AT_ONCE):
            many = min(_AT_ONCE, start + rows - first)
            ids = pa.array([f"B{number:010d}" for number in range(first, first + many)])
            drawn = pool.take(pa.array(rng.integers(pool.num_rows, size=many)))
            writer.write_table(pa.table([ids, *drawn.columns], schema=schema))


def _commands(folder: Path, file: Path) -> list[tuple[str, list[str]]]:
    to, score = str(folder / "out.parquet"), [sys.executable, "-m", "pipeline", "score", str(file), "--force", "--out"]
    return [
        (PEER, [sys.executable, str(Path(__file__).parent / "serving_frame.py"), str(folder), str(file), to]),
        (TRIAL, [*score, to, "--no-log"]),
        (LOGGED, [*score, to]),
    ]


def _run(bank: Bank, command: Sequence[str], folder: Path) -> Took:
    with (folder / "said").open("w+", encoding="utf-8") as said:
        began = time.perf_counter()
        environment = {key: value for key, value in bank.environment.items() if key != "OMP_NUM_THREADS"}
        process = subprocess.Popen(command, env=environment, cwd=folder, stdout=said, stderr=said)  # noqa: S603
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode:
            said.seek(0)
            raise RuntimeError(f"{command[-1]}: {said.read()[-2000:]}")
    return Took(seconds=seconds, largest_mb=usage.ru_maxrss / 1024)


def _line(what: str, short: int, rows: int, few: Sequence[Took], many: Sequence[Took]) -> tuple[str, ...]:
    by_themselves = [(rows - short) / (long.seconds - brief.seconds) for brief, long in zip(few, many, strict=True)]
    with_start = [rows / each.seconds for each in many]
    largest = max(each.largest_mb for each in many)
    return (what, f"{rows:,}", _range(by_themselves), _range(with_start), f"{largest:,.0f}")


def _range(numbers: Sequence[float]) -> str:
    return f"{median(numbers):,.0f} [{min(numbers):,.0f}, {max(numbers):,.0f}]"


def target_of(lines: Sequence[tuple[str, ...]]) -> str:
    """What was promised of a file, and whether it is kept."""
    (found,) = [line[2] for line in lines if line[0] == TRIAL]
    kept = float(found.split(" ")[0].replace(",", "")) >= TARGET
    return f"at least {TARGET:,} rows a second scored: {found}, {'met' if kept else 'MISSED'}"
