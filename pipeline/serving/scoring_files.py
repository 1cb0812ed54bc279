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
from typing import Any

import pyarrow as pa
import pyarrow.csv as pacsv
import pyarrow.parquet as pq

from pipeline.errors import RefusedError, StoreError
from pipeline.serving.answering import features_json
from pipeline.serving.application_files import Piece
from pipeline.serving.scorer import Scorer, plain
from pipeline.stores.prediction_log import Answer, LogWriter, PredictionLog

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
def output(path: Path) -> Iterator[Callable[[list[Answer]], None]]:
    """Write answers as Parquet or CSV, as the name says; the file appears when it is whole.

    Raises:
        StoreError: No room, no permission.
    """
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    parquet = path.suffix == ".parquet"
    try:
        make = pq.ParquetWriter if parquet else pacsv.CSVWriter
        with make(str(unfinished), SCHEMA) as writer:
            yield lambda answers: writer.write_table(_table(answers))
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

    def piece(self, piece: Piece) -> tuple[list[Answer], list[tuple[int, str, str]]]:
        """The answers in the file's order, and the rows that get none: number, id, why."""
        why = piece.why
        if self._erased is not None:
            why = why.mask(why.eq("") & piece.ids.map(self._erased).astype(bool), _ERASED)
        good = why.eq("").to_numpy()
        rows, ids = piece.rows[good], list(piece.ids[good])
        scores = self._scorer.score_frame(rows)
        self.scored.unknown.update(self._scorer.unknown_in(rows))
        now, scorer = self._clock(), self._scorer
        names = list(rows.columns)
        texts = [features_json(names, row) for row in plain(rows)] if self._log else [""] * len(rows)
        made = [
            Answer(
                prediction_id=key,
                features=text,
                model_version=scorer.version,
                model_sha256=scorer.sha256,
                score=score,
                threshold=scorer.threshold,
                decision=int(score >= scorer.threshold),
                scored_at=now,
            )
            for key, text, score in zip(ids, texts, scores.tolist(), strict=True)
        ]
        answers, taken = self._on_record(made)
        why = why.mask(piece.ids.isin(taken), _TAKEN)
        refused = [
            (piece.first + place, key, text)
            for place, (key, text) in enumerate(zip(piece.ids, why, strict=True))
            if text
        ]
        self.scored.refused += len(refused)
        return answers, refused

    def _on_record(self, made: list[Answer]) -> tuple[list[Answer], set[str]]:
        if self._log is None:
            self.scored.new += len(made)
            return made, set()
        with self._log.writing() as log:
            known = _known(log, made)
            new = [answer for answer in made if answer.prediction_id not in known]
            log.add(new)
        taken = {key for key, (first, asked) in known.items() if first.features != asked.features}
        self.scored.new += len(new)
        self.scored.again += len(known) - len(taken)
        answers = [known[each.prediction_id][0] if each.prediction_id in known else each for each in made]
        return [each for each in answers if each.prediction_id not in taken], taken


def _known(log: LogWriter, made: list[Answer]) -> dict[str, tuple[Answer, Answer]]:
    asked = {answer.prediction_id: answer for answer in made}
    return {key: (first, asked[key]) for key, first in log.answers(list(asked)).items()}


def require_free(path: Path, *, force: bool) -> None:
    """RefusedError where a file would be overwritten."""
    if path.exists() and not force:
        raise RefusedError(path, "is there already; --force writes it anew, --out names another")


def _table(answers: list[Answer]) -> pa.Table:
    columns: dict[str, list[Any]] = {
        "prediction_id": [answer.prediction_id for answer in answers],
        "prediction": [answer.decision for answer in answers],
        "probability": [answer.score for answer in answers],
        "threshold": [answer.threshold for answer in answers],
        "model_version": [answer.model_version for answer in answers],
        "timestamp": [answer.scored_at for answer in answers],
    }
    return pa.table(columns, schema=SCHEMA)
