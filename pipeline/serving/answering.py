"""From a question to an answer on record: one thread scores and commits whatever has queued, and only then answers."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime

from pipeline.errors import MendError, RefusedError, StoreError
from pipeline.serving.scorer import Scorer, Value
from pipeline.stores.prediction_log import Answer, PredictionLog, TakenError

_MOST_AT_ONCE = 2_000  # applications in one transaction: 130 ms of CPU to score and write
_RACES = 5  # tries to agree with another process on who was first


class TakenIdError(MendError):
    """The id is on record with another application."""

    code, exit_code = "serving.id_taken", 4


@dataclass(frozen=True, slots=True)
class Question:
    """Applications of one request, answered together or not at all. Ids the client chose may be on record already."""

    prediction_ids: Sequence[str]
    rows: Sequence[tuple[Value, ...]]
    chosen_by_client: bool
    answers: Future[list[Answer]] = field(default_factory=Future)


class AnsweringThread:
    """Takes questions from any thread. An answer comes when its row is on disk; an error, when nothing is.

    While one batch is on its way to the disk the next one queues, so a batch is as large as the disk is slow, and
    nobody waits for a clock.
    """

    def __init__(
        self,
        log: PredictionLog,
        features: Sequence[str],
        *,
        scorer: Callable[[], Scorer],
        clock: Callable[[], datetime],
        max_waiting: int,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            log: Where answers go on record.
            features: Names of a row's values.
            scorer: Who scores now; asked once for each batch, so that a batch has one model.
            clock: What time it is, UTC.
            max_waiting: Applications that may queue; more are refused.
        """
        self._log, self._features, self._scorer, self._clock = log, tuple(features), scorer, clock
        self._max_waiting, self._waiting, self._lock = max_waiting, 0, threading.Lock()
        self._questions: queue.SimpleQueue[Question | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="answering", daemon=True)

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()

    def stop(self) -> None:
        """Answer what has queued, then end."""
        self._questions.put(None)
        self._thread.join()

    def ask(self, question: Question) -> None:
        """Queue a question.

        Raises:
            StoreError: Too many wait already.
        """
        with self._lock:
            if self._waiting + len(question.rows) > self._max_waiting:
                raise StoreError("scoring service", f"{self._waiting} applications wait already", "try again")
            self._waiting += len(question.rows)
        self._questions.put(question)

    def _run(self) -> None:
        going = True
        while going:
            batch = [self._questions.get()]
            rows = 0
            while batch[-1] is not None and (rows := rows + len(batch[-1].rows)) < _MOST_AT_ONCE:
                try:
                    batch.append(self._questions.get_nowait())
                except queue.Empty:
                    break
            going = batch[-1] is not None
            self._answer([question for question in batch if question is not None])

    def _answer(self, batch: list[Question]) -> None:
        try:
            found = self._on_record(batch)
        except Exception as error:  # noqa: BLE001  whatever it was, nothing is on record and somebody waits
            found = [error] * len(batch)
        with self._lock:
            self._waiting -= sum(len(question.rows) for question in batch)
        for question, answer in zip(batch, found, strict=True):
            if isinstance(answer, Exception):
                question.answers.set_exception(answer)
            else:
                question.answers.set_result(answer)

    def _on_record(self, batch: list[Question]) -> list[list[Answer] | Exception]:
        for _ in range(_RACES):
            try:
                return self._commit(batch)
            except TakenError:
                continue
        raise StoreError("traffic store", "another process takes the same ids again and again", "try again")

    def _commit(self, batch: list[Question]) -> list[list[Answer] | Exception]:
        """Score what is new and commit it; what is on record gets its first answer."""
        chosen = [key for question in batch if question.chosen_by_client for key in question.prediction_ids]
        texts = [[self._text(row) for row in question.rows] for question in batch]
        scorer, now = self._scorer(), self._clock()
        with self._log.writing() as log:
            known = log.answers(chosen)
            new: dict[str, tuple[tuple[Value, ...], str]] = {}
            refused: list[Exception | None] = []
            for question, features in zip(batch, texts, strict=True):
                asked = dict(zip(question.prediction_ids, zip(question.rows, features, strict=True), strict=True))
                taken = [key for key, (_, text) in asked.items() if _text_of(key, known, new) not in (None, text)]
                refused.append(TakenIdError(f"{taken[0]} is on record with another application") if taken else None)
                if not taken:
                    new |= {key: each for key, each in asked.items() if key not in known}
            scores = scorer.score([row for row, _ in new.values()])
            made = {
                key: Answer(
                    prediction_id=key,
                    features=text,
                    model_version=scorer.version,
                    model_sha256=scorer.sha256,
                    score=float(score),
                    threshold=scorer.threshold,
                    decision=int(score >= scorer.threshold),
                    scored_at=now,
                )
                for (key, (_, text)), score in zip(new.items(), scores, strict=True)
            }
            log.add(list(made.values()))
        on_record = known | made
        return [
            no or [on_record[key] for key in question.prediction_ids]
            for question, no in zip(batch, refused, strict=True)
        ]

    def _text(self, row: Sequence[Value]) -> str:
        return json.dumps(dict(zip(self._features, row, strict=True)), ensure_ascii=False, allow_nan=False)


def _text_of(key: str, known: dict[str, Answer], new: dict[str, tuple[tuple[Value, ...], str]]) -> str | None:
    if key in known:
        return known[key].features
    return new[key][1] if key in new else None


def require_different(prediction_ids: Sequence[str]) -> None:
    """One request asks for each id once.

    Raises:
        RefusedError: An id stands twice.
    """
    if len(set(prediction_ids)) < len(prediction_ids):
        raise RefusedError("prediction_id", "stands twice in one request")
