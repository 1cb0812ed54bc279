"""From a question to an answer on record: one thread scores and commits whatever has queued, and only then answers."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from pipeline.errors import MendError, StoreError
from pipeline.labels.rules import Report, Verdict
from pipeline.labels.taking import take
from pipeline.serving.counting import Counts
from pipeline.serving.scorer import Scorer, Value
from pipeline.stores.prediction_log import Answer, LogWriter, PredictionLog, TakenError

_MOST_AT_ONCE = 2_000  # applications in one transaction: 130 ms of CPU to score and write
_JSON = json.JSONEncoder(ensure_ascii=False, allow_nan=False)  # json.dumps would make a new one each time
_RACES = 5  # tries to agree with another process on who was first


class TakenIdError(MendError):
    """The id is on record with another application."""

    code, exit_code = "serving.id_taken", 4


@dataclass(frozen=True, slots=True)
class Question:
    """Applications of one request, answered together or not at all. Ids the client chose may be on record already.

    `done` takes the answers, or why there are none.
    """

    prediction_ids: Sequence[str]
    rows: Sequence[tuple[Value, ...]]
    chosen_by_client: bool
    done: Callable[[list[Answer] | Exception], None]
    with_reasons: bool = False

    def __len__(self) -> int:
        return len(self.rows)


@dataclass(frozen=True, slots=True)
class Outcomes:
    """Reported outcomes of one request. `done` takes what became of each, or why nothing did."""

    reports: Sequence[Report]
    done: Callable[[list[Verdict] | Exception], None]

    def __len__(self) -> int:
        return len(self.reports)


class AnsweringThread:
    """Takes questions and outcomes from any thread. An answer comes when its rows are on disk; an error, when none is.

    While one batch is on its way to the disk the next one queues, and a batch begins when whoever takes the answers has
    passed on those of the last one: so it holds everybody who had asked by then, and nobody waits for a clock.
    """

    def __init__(
        self,
        log: PredictionLog,
        features: Sequence[str],
        *,
        scorer: Callable[[], Scorer],
        clock: Callable[[], datetime],
        max_waiting: int,
        counts: Counts,
    ) -> None:
        """Prepare; `start` begins.

        Args:
            log: Where answers go on record.
            features: Names of a row's values.
            scorer: Who scores now; asked once for each batch, so that a batch has one model.
            clock: What time it is, UTC.
            max_waiting: Rows that may queue; more are refused.
            counts: What was done, for those who ask.
        """
        self._log, self._features, self._scorer, self._clock = log, tuple(features), scorer, clock
        self._max_waiting, self._waiting, self._lock = max_waiting, 0, threading.Lock()
        self._counts = counts
        counts.waiting.set_function(lambda: self._waiting)
        self._queue: queue.SimpleQueue[Question | Outcomes | None] = queue.SimpleQueue()
        self._hand_over: Callable[[Callable[[], None]], object] = _at_once
        self._passed_on, self._ending = threading.Event(), False
        self._thread = threading.Thread(target=self._run, name="answering", daemon=True)

    def start(self, hand_over: Callable[[Callable[[], None]], object] | None = None) -> None:
        """Begin to answer.

        Args:
            hand_over: Has a function called where the answers are wanted, once for each batch: waking an event loop for
                each answer costs more than finding it. Default: they are given in this object's own thread.
        """
        self._hand_over = hand_over or _at_once
        self._passed_on.set()
        self._thread.start()

    def stop(self) -> None:
        """Answer what has queued, then end."""
        self._ending = True  # nobody passes answers on while he waits here
        self._passed_on.set()
        self._queue.put(None)
        self._thread.join()

    def ask(self, asked: Question | Outcomes) -> None:
        """Queue a question, or outcomes.

        Raises:
            StoreError: Too many wait already.
        """
        with self._lock:
            if self._waiting + len(asked) > self._max_waiting:
                raise StoreError("scoring service", f"{self._waiting} rows wait already", "try again")
            self._waiting += len(asked)
        self._queue.put(asked)

    def _run(self) -> None:
        going = True
        while going:
            self._passed_on.wait()
            batch = [self._queue.get()]
            rows = 0
            while batch[-1] is not None and (rows := rows + len(batch[-1])) < _MOST_AT_ONCE:
                try:
                    batch.append(self._queue.get_nowait())
                except queue.Empty:
                    break
            going = batch[-1] is not None
            self._answer([asked for asked in batch if asked is not None])

    def _answer(self, batch: list[Question | Outcomes]) -> None:
        questions = [asked for asked in batch if isinstance(asked, Question)]
        outcomes = [asked for asked in batch if isinstance(asked, Outcomes)]
        answers: Sequence[list[Answer] | Exception]
        verdicts: Sequence[list[Verdict] | Exception]
        try:
            answers, verdicts = self._on_record(questions, outcomes)
        except Exception as error:  # noqa: BLE001  whatever it was, nothing is on record and somebody waits
            answers, verdicts = [error] * len(questions), [error] * len(outcomes)
            self._counts.failed()
        with self._lock:
            self._waiting -= sum(len(asked) for asked in batch)

        def tell() -> None:
            self._hand_over(self._passed_on.set)  # in the loop's next turn: those who ask on in this one are heard
            for question, answer in zip(questions, answers, strict=True):
                question.done(answer)
            for reported, verdict in zip(outcomes, verdicts, strict=True):
                reported.done(verdict)

        self._passed_on.clear()
        if self._ending:
            self._passed_on.set()
        self._hand_over(tell)

    def _on_record(
        self, questions: list[Question], outcomes: list[Outcomes]
    ) -> tuple[list[list[Answer] | Exception], list[list[Verdict]]]:
        began = time.perf_counter()
        for _ in range(_RACES):
            scorer, now = self._scorer(), self._clock()
            try:
                with self._log.writing() as log:
                    new, answers = self._commit(log, questions, scorer, now) if questions else ([], [])
                    verdicts = [take(log.labels, reported.reports, now=now) for reported in outcomes]
            except TakenError:
                continue
            self._count(new, answers, verdicts, scorer, time.perf_counter() - began)
            return answers, verdicts
        raise StoreError("traffic store", "another process takes the same ids again and again", "try again")

    def _count(
        self,
        new: Sequence[tuple[Value, ...]],
        answers: Sequence[list[Answer] | Exception],
        verdicts: Sequence[list[Verdict]],
        scorer: Scorer,
        seconds: float,
    ) -> None:
        given = sum(len(found) for found in answers if not isinstance(found, Exception))
        missing = [
            name for row in new if None in row for name, value in zip(self._features, row, strict=True) if value is None
        ]
        unknown = [name for row in new for name in scorer.unknown(row)]
        self._counts.committed(new=len(new), again=given - len(new), seconds=seconds, unknown=unknown, missing=missing)
        self._counts.labelled(verdict.status for told in verdicts for verdict in told)

    def _commit(
        self, log: LogWriter, batch: list[Question], scorer: Scorer, now: datetime
    ) -> tuple[list[tuple[Value, ...]], list[list[Answer] | Exception]]:
        """Score what is new and write it down; what is on record gets its first answer. Returns the new rows, too."""
        chosen = [key for question in batch if question.chosen_by_client for key in question.prediction_ids]
        texts = [[features_json(self._features, row) for row in question.rows] for question in batch]
        known = log.answers(chosen)
        new: dict[str, tuple[tuple[Value, ...], str]] = {}
        refused: list[Exception | None] = []
        for question, features in zip(batch, texts, strict=True):
            asked = dict(zip(question.prediction_ids, zip(question.rows, features, strict=True), strict=True))
            taken = [key for key, (_, text) in asked.items() if _text_of(key, known, new) not in (None, text)]
            refused.append(TakenIdError(f"{taken[0]} is on record with another application") if taken else None)
            if not taken:
                new |= {key: each for key, each in asked.items() if key not in known}
        rows = [row for row, _ in new.values()]
        explained = {key for question in batch if question.with_reasons for key in question.prediction_ids}
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
                reasons=scorer.reasons(row) if key in explained else None,
            )
            for (key, (row, text)), score in zip(new.items(), scorer.score(rows), strict=True)
        }
        log.add(list(made.values()))
        on_record = known | made
        answers = [
            no or [on_record[key] for key in question.prediction_ids]
            for question, no in zip(batch, refused, strict=True)
        ]
        return rows, answers


def features_json(features: Sequence[str], row: Sequence[Value]) -> str:
    """An application as it is on record: the same one always in the same words."""
    return _JSON.encode(dict(zip(features, row, strict=True)))


def _at_once(act: Callable[[], None]) -> None:
    act()


def _text_of(key: str, known: dict[str, Answer], new: dict[str, tuple[tuple[Value, ...], str]]) -> str | None:
    if key in known:
        return known[key].features
    return new[key][1] if key in new else None


def require_different(prediction_ids: Sequence[str]) -> None:
    """One request asks for each id once.

    Raises:
        TakenIdError: An id stands twice.
    """
    if len(set(prediction_ids)) < len(prediction_ids):
        raise TakenIdError("an id stands twice in one request")
