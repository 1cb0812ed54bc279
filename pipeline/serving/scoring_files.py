"""A file of applications scored by the champion, on record like everything the service answers."""

from __future__ import annotations

import csv
import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.errors import RefusedError, StoreError
from pipeline.serving.answering import features_json
from pipeline.serving.application_files import Piece
from pipeline.serving.scorer import Scorer, plain
from pipeline.stores.prediction_log import Answer, PredictionLog

SCHEMA = pa.schema(
    [
        ("prediction_id", pa.string()),
        ("prediction", pa.int64()),
        ("probability", pa.float64()),
        ("threshold", pa.float64()),
        ("model_version", pa.string()),
        ("timestamp", pa.timestamp("us", tz="UTC")),
    ]
)
_TAKEN = "on record with another application"
_ERASED = "the applicant was erased"


@dataclass(slots=True, kw_only=True)
class Scored:
    """What came of a file, in rows. `again`: answered from the record. `unknown`: categories never seen, by feature."""

    new: int = 0
    again: int = 0
    refused: int = 0
    unknown: Counter[str] = field(default_factory=Counter)


@contextmanager
def output(path: Path) -> Iterator[Callable[[pd.DataFrame], None]]:
    """Write answers as Parquet or CSV, as the name says; the file appears when it is whole.

    Raises:
        StoreError: No room, no permission.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    parquet = path.suffix == ".parquet"
    try:
        make = pq.ParquetWriter if parquet else pacsv.CSVWriter
        with make(str(unfinished), SCHEMA) as writer:
            yield lambda answers: writer.write_table(pa.Table.from_pandas(answers, SCHEMA, preserve_index=False))
        unfinished.replace(path)
    except OSError as error:
        raise StoreError(path, f"cannot be written: {error.strerror}", "name another file with --out") from None
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def refusals(path: Path) -> Iterator[Callable[[Iterable[tuple[int, str, str]]], None]]:
    """Write a list of rows that were refused: number, id, what was expected; no file when there are none."""
    unfinished, any_row = path.with_name(f".{path.name}.{os.getpid()}"), False
    try:
        with unfinished.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(("row", "prediction_id", "why"))

            def add(rows: Iterable[tuple[int, str, str]]) -> None:
                nonlocal any_row
                for number, key, why in rows:
                    writer.writerow((number, f"'{key}" if key[:1] in "=+-@\t\r" else key, why))
                    any_row = True

            yield add
        if any_row:
            unfinished.replace(path)
        else:
            path.unlink(missing_ok=True)
    finally:
        unfinished.unlink(missing_ok=True)


class FileScoring:
    """Scores pieces of a file, one transaction each: killed and run again, it goes on, and no row is there twice."""

    def __init__(
        self,
        scorer: Scorer,
        log: PredictionLog | None,
        *,
        erased: Callable[[str], bool] | None,
        clock: Callable[[], datetime],
    ) -> None:
        """Prepare.

        Args:
            scorer: Of the champion.
            log: Where answers go on record; None to leave no trace.
            erased: Tells of an id whether its applicant was erased.
            clock: What time it is, UTC.
        """
        self._scorer, self._log, self._erased, self._clock = scorer, log, erased, clock
        self.scored = Scored()

    def piece(self, piece: Piece) -> tuple[pd.DataFrame, list[tuple[int, str, str]]]:
        """The answers in the file's order, with the columns of SCHEMA, and the rows that get none: number, id, why."""
        why = piece.why
        if self._erased is not None:
            why = why.mask(why.eq("") & piece.ids.map(self._erased).astype(bool), _ERASED)
        good = why.eq("").to_numpy()
        rows = piece.rows[good]
        self.scored.unknown.update(self._scorer.unknown_in(rows))
        now = self._clock()
        answers, taken = self._made(piece.ids[good], self._scorer.score_frame(rows), now), set[str]()
        if self._log is None:
            self.scored.new += len(answers)
        else:
            answers, taken = self._on_record(self._log, self._to_answers(answers, rows, now), answers)
            why = why.mask(piece.ids.isin(taken), _TAKEN)
        refused = [
            (piece.first + place, str(piece.ids.iat[place]), str(why.iat[place]))
            for place in np.flatnonzero(why.ne("")).tolist()
        ]
        self.scored.refused += len(refused)
        return answers, refused

    def _made(self, ids: pd.Series[str], scores: NDArray[np.float64], now: datetime) -> pd.DataFrame:
        scorer = self._scorer
        return pd.DataFrame(
            {
                "prediction_id": ids.to_numpy(),
                "prediction": (scores >= scorer.threshold).astype(np.int64),
                "probability": scores,
                "threshold": scorer.threshold,
                "model_version": scorer.version,
                "timestamp": pd.Timestamp(now),
            }
        )

    def _on_record(
        self, log: PredictionLog, asked: dict[str, Answer], made: pd.DataFrame
    ) -> tuple[pd.DataFrame, set[str]]:
        """The same answers, those that were given before as they were; and the ids of other applications."""
        with log.writing() as writer:
            known = writer.answers(list(asked))
            new = [answer for key, answer in asked.items() if key not in known]
            writer.add(new)
        taken = {key for key, first in known.items() if first.features != asked[key].features}
        self.scored.new += len(new)
        self.scored.again += len(known) - len(taken)
        if not known:
            return made, taken
        return _frame([known.get(key, answer) for key, answer in asked.items() if key not in taken]), taken

    def _to_answers(self, made: pd.DataFrame, rows: pd.DataFrame, now: datetime) -> dict[str, Answer]:
        scorer, names = self._scorer, list(rows.columns)
        columns = (made[name].tolist() for name in ("prediction_id", "probability", "prediction"))
        return {
            key: Answer(
                prediction_id=key,
                features=features_json(names, row),
                model_version=scorer.version,
                model_sha256=scorer.sha256,
                score=score,
                threshold=scorer.threshold,
                decision=decision,
                scored_at=now,
            )
            for key, score, decision, row in zip(*columns, plain(rows), strict=True)
        }


def _frame(answers: list[Answer]) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "prediction_id": [answer.prediction_id for answer in answers],
            "prediction": [answer.decision for answer in answers],
            "probability": [answer.score for answer in answers],
            "threshold": [answer.threshold for answer in answers],
            "model_version": [answer.model_version for answer in answers],
            "timestamp": pd.Series([answer.scored_at for answer in answers], dtype="datetime64[us, UTC]"),
        }
    )


def require_free(path: Path, *, force: bool) -> None:
    """RefusedError where a file would be overwritten."""
    if path.exists() and not force:
        raise RefusedError(path, "is there already; --force writes it anew, --out names another")
