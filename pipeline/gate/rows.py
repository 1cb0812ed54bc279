"""What is judged: identical mature labelled rows under every model, and the applicants they were taken from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.artefacts import canonical_json, sha256_text
from pipeline.errors import InputError
from pipeline.gate.columns import Numbers, amounts, frozen, moments, numbers, share, shares, texts, utc64

ROWS, APPLICANTS = "judged rows", "applicants"
_FIRST = datetime(1, 1, 2, tzinfo=UTC)  # a day of room for any timezone
_LAST = datetime(9999, 12, 30, tzinfo=UTC)
UNKNOWN = -1  # outcome of an applicant whose label is not known


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Scored:
    """Rows under champion, challenger and first champion: what judged rows and applicants have in common.

    Arrays have shape (n,), n >= 0, and are copied, made read-only, and put in order of id, so that neither the evidence
    nor a digest depends on the order the rows were fetched in.
    """

    ids: NDArray[np.str_]
    y: NDArray[np.int8]
    champion_score: Numbers
    challenger_score: Numbers
    champion_threshold: float
    challenger_threshold: float
    original_score: Numbers = None  # type: ignore[assignment]  # filled in at birth, like the two below
    original_threshold: float = None  # type: ignore[assignment]
    amount: Numbers = None  # type: ignore[assignment]
    segments: Mapping[str, NDArray[np.str_]] = field(default_factory=dict)

    def _settle(self, subject: str, ids: NDArray[np.str_], outcomes: Mapping[int, str], **more: NDArray[Any]) -> None:
        """Check every column and put it in order; `more` are columns of the same length, checked already."""
        order = np.argsort(ids, kind="stable")
        if (ids[order][1:] == ids[order][:-1]).any():
            raise InputError(subject, "ids", "the same one twice")
        y = numbers(subject, "y", self.y, len(ids))
        if not np.isin(y, list(outcomes)).all():
            raise InputError(
                subject, "y", f"expected only {', '.join(f'{key} ({name})' for key, name in outcomes.items())}"
            )
        put: dict[str, NDArray[Any]] = {"ids": ids, "y": y.astype(np.int8), **more}
        if (self.original_score is None) != (self.original_threshold is None):
            raise InputError(subject, "original_score", "expected with original_threshold, or neither")
        if self.original_score is None:  # without a first champion of its own, today's champion is the first
            object.__setattr__(self, "original_score", self.champion_score)
            object.__setattr__(self, "original_threshold", self.champion_threshold)
        for model in ("champion", "challenger", "original"):
            score, threshold = f"{model}_score", f"{model}_threshold"
            put[score] = shares(subject, score, getattr(self, score), len(ids))
            object.__setattr__(self, threshold, share(subject, threshold, getattr(self, threshold)))
        put["amount"] = amounts(subject, self.amount, len(ids))
        object.__setattr__(self, "segments", _segments(subject, self.segments, order))
        for name, array in put.items():
            object.__setattr__(self, name, frozen(array[order]))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class JudgedRows(_Scored):
    """The same mature, labelled rows under both models. A row is called bad when its score >= the model's threshold.

    Args:
        ids: Prediction ids, distinct strings.
        y: Outcomes, 1 bad and 0 good.
        champion_score: Probabilities of bad, each in [0, 1]. `challenger_score` and `original_score` (the first
            champion's; today's champion's when it is not given) likewise.
        champion_threshold: In [0, 1]. `challenger_threshold` and `original_threshold` likewise.
        amount: Money at stake per row, >= 0, in one currency; 1 each when it is not given.
        segments: Each segment column's value per row, as strings; a missing value is spelled "missing".
        mature_rows: Rows in the mature window, labelled or not, >= n.

    Raises:
        InputError: Any of this does not hold.
    """

    mature_rows: int

    def __post_init__(self) -> None:
        ids = texts(ROWS, "ids", self.ids, None)
        self._settle(ROWS, ids, {0: "good", 1: "bad"})
        if not isinstance(self.mature_rows, (int, np.integer)) or not len(ids) <= self.mature_rows <= 2**53:
            raise InputError(ROWS, "mature_rows", f"expected at least {len(ids)}, got {self.mature_rows}")
        object.__setattr__(self, "mature_rows", int(self.mature_rows))

    @property
    def row_ids_sha256(self) -> str:
        """Which rows these are, whatever they hold."""
        return sha256_text(canonical_json(self.ids.tolist()))

    @property
    def data_sha256(self) -> str:
        """All that the evidence is computed from: ids, outcomes, scores, thresholds, segments, mature rows."""
        parts = {spec.name: getattr(self, spec.name) for spec in fields(self) if spec.name != "segments"}
        parts |= {f"segment {name}": column for name, column in self.segments.items()}
        plain = {name: part.tolist() if isinstance(part, np.ndarray) else part for name, part in parts.items()}
        return sha256_text(canonical_json(plain))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Applicants(_Scored):
    """Everybody who applied since the judged window began, mature or not, labelled or not, under both models.

    Args:
        ids: Prediction ids, distinct strings.
        event_time: When each applied, datetime64, UTC, not after `as_of`.
        y: Outcome known at `as_of`: 1 bad, 0 good, -1 not known.
        champion_score: Probabilities of bad, each in [0, 1]. `challenger_score` and `original_score` (the first
            champion's; today's champion's when it is not given) likewise.
        champion_threshold: In [0, 1]; a score at or above it is declined. `challenger_threshold` and
            `original_threshold` likewise.
        amount: Money at stake per applicant, >= 0, in one currency; 1 each when it is not given.
        segments: Each segment column's value per applicant, as strings.
        as_of: Time of judging, timezone-aware.
        horizon: Age from which an outcome is final, >= 0.

    Raises:
        InputError: Any of this does not hold.
    """

    event_time: NDArray[np.datetime64]
    as_of: datetime
    horizon: timedelta

    def __post_init__(self) -> None:
        ids = texts(APPLICANTS, "ids", self.ids, None)
        if self.as_of.tzinfo is None or not _FIRST <= self.as_of <= _LAST:
            raise InputError(APPLICANTS, "as_of", "expected a time with a timezone, in the years 1 to 9999")
        if not timedelta(0) <= self.horizon <= self.as_of - _FIRST:
            raise InputError(APPLICANTS, "horizon", "expected at least 0, and less than as_of can be taken back")
        event_time = moments(APPLICANTS, "event_time", self.event_time, len(ids), not_after=self.as_of)
        self._settle(APPLICANTS, ids, {0: "good", 1: "bad", UNKNOWN: "not known"}, event_time=event_time)

    @property
    def mature(self) -> NDArray[np.bool_]:
        """Old enough for the outcome to be final, shape (n,)."""
        return np.asarray(self.event_time <= utc64(self.as_of - self.horizon))

    @property
    def labelled(self) -> NDArray[np.bool_]:
        """Mature, and the outcome is known: the rows that are judged. Shape (n,)."""
        return np.asarray(self.mature & (self.y != UNKNOWN))

    def judged(self) -> JudgedRows:
        """The mature labelled ones."""
        chosen = self.labelled
        return JudgedRows(
            ids=self.ids[chosen],
            y=self.y[chosen],
            champion_score=self.champion_score[chosen],
            challenger_score=self.challenger_score[chosen],
            original_score=self.original_score[chosen],
            champion_threshold=self.champion_threshold,
            challenger_threshold=self.challenger_threshold,
            original_threshold=self.original_threshold,
            amount=self.amount[chosen],
            segments={name: column[chosen] for name, column in self.segments.items()},
            mature_rows=int(self.mature.sum()),
        )

    @property
    def sha256(self) -> str:
        """All that is read from the applicants, the unlabelled ones included."""
        parts: dict[str, Any] = {
            "as_of": self.as_of.isoformat(),
            "horizon_s": self.horizon.total_seconds(),
            "event_time": self.event_time.astype("datetime64[us]").astype(np.int64).tolist(),
        }
        for name in ("ids", "y", "champion_score", "challenger_score", "original_score", "amount"):
            parts[name] = getattr(self, name).tolist()
        for name in ("champion_threshold", "challenger_threshold", "original_threshold"):
            parts[name] = getattr(self, name)
        parts |= {f"segment {name}": column.tolist() for name, column in self.segments.items()}
        return sha256_text(canonical_json(parts))


def _segments(
    subject: str, given: Mapping[str, NDArray[np.str_]], order: NDArray[np.int64]
) -> dict[str, NDArray[np.str_]]:
    """Segment columns by name, each in the order of the ids."""
    for name in given:
        if not isinstance(name, str) or not name or not name.isprintable():
            raise InputError(subject, "segments", f"expected a printable name for each column, got {name!r}")
    return {name: frozen(texts(subject, f"segment {name}", given[name], len(order))[order]) for name in sorted(given)}
