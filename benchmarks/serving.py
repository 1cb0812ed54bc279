"""How fast the scoring service answers, beside other ways to serve the same model, and what a long log costs.

    .venv/bin/python benchmarks/serving.py [--part load|files|growth|all] [--rounds 3] [--seconds 5]
        [--file-rows 2000000] [--rows 10000000]

Part "load": real servers over loopback, one worker and one thread of numerical work each, the same
HistGradientBoosting pipeline with ten features of the shipped loans, and a client process with keep-alive that asks
about 500 different applications in turn. Servers take turns, round after round, each warmed for a second before it is
counted; a cell is the median of the rounds with the smallest and the largest, and a ratio the median of the rounds' own
ratios. The run fails unless every answer is a 200, all servers score one application alike, and the log holds as many
rows as were answered. Client and server share the machine, so ratios say more than rates.

Part "files": a Parquet file of applications scored by `mend score`, with and without a log, and by a plain script; a
process each, one after the other, round after round. Rows a second are those between a short and a long file, so that
imports are not counted; beside them the same with the start.

Part "growth": the same window of newest rows, read from a small log and from a long one, in turn. Filling the long one
takes minutes and 1 GB a million rows in the folder for temporary files (`TMPDIR`).
"""

from __future__ import annotations

import argparse
import time

from printed import as_markdown, circumstances
from rich.console import Console
from serving_files import HEADINGS as FILE_HEADINGS
from serving_files import files, target_of
from serving_growth import HEADINGS as GROWTH_HEADINGS
from serving_growth import growth
from serving_load import HEADINGS, Effort, measured, rows_of, targets_of

PACKAGES = ("fastapi", "uvicorn", "mlflow", "scikit-learn", "sqlalchemy", "pysqlite3")


def main() -> None:
    """Measure, and print the tables."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--part", choices=("load", "files", "growth", "all"), default="all")
    ask.add_argument("--rounds", type=int, default=3, help="of the load, each server once at 1 and 16 connections")
    ask.add_argument("--seconds", type=float, default=5, help="counted of each server in each round")
    ask.add_argument("--file-rows", type=int, default=2_000_000, help="of the file that is scored")
    ask.add_argument("--rows", type=int, default=10_000_000, help="of the long log")
    given = ask.parse_args()
    began, said = time.monotonic(), Console(stderr=True, highlight=False, soft_wrap=True)
    out = Console(soft_wrap=True, highlight=False)

    def say(what: str) -> None:
        said.print(f"{time.monotonic() - began:4.0f} s  {what}", markup=False)

    out.print(circumstances(PACKAGES), markup=False)
    if given.part in ("load", "all"):
        runs = measured(Effort(rounds=given.rounds, seconds=given.seconds), say=say)
        out.print("\n" + as_markdown(HEADINGS, rows_of(runs)), markup=False)
        out.print("\n" + "\n".join(f"- {each}" for each in targets_of(runs)), markup=False)
        out.print(f"\n{given.rounds} rounds of {given.seconds:g} s; all answers 200, all of Mend's in its log.")
    if given.part in ("files", "all"):
        lines = files(given.file_rows, rounds=given.rounds, say=say)
        out.print("\n" + as_markdown(FILE_HEADINGS, lines), markup=False)
        out.print(f"\n- {target_of(lines)}", markup=False)
    if given.part in ("growth", "all"):
        out.print("\n" + as_markdown(GROWTH_HEADINGS, growth(given.rows, console=said)), markup=False)


if __name__ == "__main__":
    main()
