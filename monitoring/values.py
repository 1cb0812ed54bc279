"""What monitoring says, as values: frozen, checked at birth, times in UTC, with one JSON spelling that reads back."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any, Literal, Self

Kind = Literal["numeric", "categorical"]


class State(StrEnum):
    """What became of judging a window. Only `OK` says "no drift"; only `OK` and `DRIFT` are verdicts."""

    OK = "ok"
    DRIFT = "drift"
    NO_DATA = "no_data"
    TOO_FEW_ROWS = "too_few_rows"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Half-open stretch of traffic, [start, end), UTC.

    >>> Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC)).window_id
    '2006-01-02T00:00:00Z/2006-07-01T00:00:00Z'
    """

    start: datetime
    end: datetime

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", utc(self.start, "window start"))
        object.__setattr__(self, "end", utc(self.end, "window end"))
        if self.start >= self.end:
            raise ValueError(f"window is empty: {self.start} >= {self.end}")

    @property
    def window_id(self) -> str:
        return f"{time_text(self.start)}/{time_text(self.end)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """When a feature has drifted (score >= threshold), and when the window has (share of features >= drift_share).

    The defaults 0.1 and 0.5 are Evidently 0.7.23's. `min_rows` is the fewest values, of the window or of one feature,
    that may be judged: without it, a window of one row reports most of its features as drifted.
    """

    threshold: float = 0.1
    drift_share: float = 0.5
    min_rows: int = 200

    def __post_init__(self) -> None:
        if finite(self.threshold, "threshold") <= 0:
            raise ValueError(f"threshold must be > 0, got {self.threshold}")
        if not 0 < finite(self.drift_share, "drift_share") <= 1:
            raise ValueError(f"drift_share must be in (0, 1], got {self.drift_share}")
        if whole(self.min_rows, "min_rows") < 1:
            raise ValueError(f"min_rows must be >= 1, got {self.min_rows}")

    def judge(self, *, rows: int, drifted: int, evaluated: int, total: int) -> State:
        """The verdict on a window: drift when the share of drifted among *evaluated* features reaches `drift_share`.

        A feature that could not be judged never counts as calm: if the share would reach the limit had all of these
        drifted, "no drift" is not known and the window is FAILED. The other way round they silence no alarm.

        >>> policy = DriftPolicy()
        >>> policy.judge(rows=500, drifted=4, evaluated=12, total=13)  # at worst 5 of 13
        <State.OK: 'ok'>
        >>> policy.judge(rows=500, drifted=0, evaluated=1, total=13)  # at worst 12 of 13
        <State.FAILED: 'failed'>
        """
        if rows < self.min_rows:
            return State.TOO_FEW_ROWS if rows else State.NO_DATA
        if evaluated and drifted / evaluated >= self.drift_share:
            return State.DRIFT
        at_worst = drifted + total - evaluated
        return State.OK if evaluated and at_worst / total < self.drift_share else State.FAILED


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureDrift:
    """One judged feature. `drift_score` >= 0, unitless; `stat_test` is the name Evidently displays."""

    feature: str
    drift_detected: bool
    stat_test: str
    drift_score: float
    threshold: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "drift_score", finite(self.drift_score, f"{self.feature}: drift_score"))
        object.__setattr__(self, "threshold", finite(self.threshold, f"{self.feature}: threshold"))
        if self.drift_detected is not (self.drift_score >= self.threshold):
            raise ValueError(f"{self.feature}: drift_detected must say whether {self.drift_score} >= {self.threshold}")


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureNote:
    """What is known about a feature beside its score, judged or not.

    `reason` says why it was not judged; `*_missing_share` is in [0, 1], None for a frame without rows; `*_rows` counts
    the values that are present. `summary` shows it in its own unit, and is `{}` for a feature that was not judged:
    numeric `{reference: {q25, median, q75}, current: {q25, median, q75}}`, categorical
    `{top: [{category, reference_share, current_share}], new_categories, new_category_share}`.
    """

    feature: str
    kind: Kind
    evaluated: bool
    reason: str | None = None
    reference_missing_share: float | None
    current_missing_share: float | None
    reference_rows: int
    current_rows: int
    summary: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in ("numeric", "categorical"):
            raise ValueError(f"{self.feature}: kind must be numeric or categorical, got {self.kind!r}")
        if self.evaluated is (self.reason is not None):
            raise ValueError(f"{self.feature}: a feature that was not judged has a reason, and only such a one")
        for share in (self.reference_missing_share, self.current_missing_share):
            if share is not None and not 0 <= finite(share, f"{self.feature}: missing share") <= 1:
                raise ValueError(f"{self.feature}: missing share must be in [0, 1], got {share}")
        json.dumps(self.summary, allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSummary:
    """What one window looks like against the reference. `timestamp` is `as_of`; `rows` are the window's."""

    timestamp: datetime
    state: State
    reason: str | None = None
    window: Window
    rows: int
    reference_sha256: str
    reference_rows: int
    policy: DriftPolicy
    features: tuple[FeatureDrift, ...]
    notes: tuple[FeatureNote, ...]
    excluded_features: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "timestamp", utc(self.timestamp, "timestamp"))
        if min(whole(self.rows, "rows"), whole(self.reference_rows, "reference rows")) < 0:
            raise ValueError(f"rows must be >= 0, got {self.rows} and {self.reference_rows}")
        judged, excluded = {item.feature for item in self.features}, set(self.excluded_features)
        if self.num_features_total != len(judged | excluded) or len(self.notes) != len({n.feature for n in self.notes}):
            raise ValueError("a feature is named twice in features and excluded_features, or in feature_notes")
        for note in self.notes:
            if note.feature not in (judged if note.evaluated else excluded):
                raise ValueError(f"feature_notes disagree with features about {note.feature}")
        counts = {"drifted": self.num_drifted_features, "evaluated": len(judged), "total": self.num_features_total}
        due = self.policy.judge(rows=self.rows, **counts)
        if self.state is not due or (judged and self.rows < self.policy.min_rows):
            raise ValueError(f"state is {self.state}, but {self.rows} rows and {counts} make it {due}")

    @property
    def dataset_drift_detected(self) -> bool | None:
        """The verdict; None when there is none."""
        return {State.DRIFT: True, State.OK: False}.get(self.state)

    @property
    def drift_share(self) -> float | None:
        """Observed share of drifted among evaluated features, in [0, 1]; None when the window was not judged."""
        judged = self.dataset_drift_detected is not None
        return self.num_drifted_features / self.num_features_evaluated if judged else None

    @property
    def num_drifted_features(self) -> int:
        return sum(item.drift_detected for item in self.features)

    @property
    def num_features_evaluated(self) -> int:
        return len(self.features)

    @property
    def num_features_total(self) -> int:
        return len(self.features) + len(self.excluded_features)

    def to_json(self) -> dict[str, Any]:
        """The documented fields, then ours from `schema_version` on. `drift_share` is observed: it is not the limit."""
        return {
            "timestamp": time_text(self.timestamp),
            **{key: getattr(self, key) for key in _DERIVED},
            "excluded_features": list(self.excluded_features),
            "features": [asdict(item) for item in self.features],
            "schema_version": 1,
            "state": self.state.value,
            "reason": self.reason,
            "window": {"start": time_text(self.window.start), "end": time_text(self.window.end), "rows": self.rows},
            "reference": {"sha256": self.reference_sha256, "rows": self.reference_rows},
            "threshold": self.policy.threshold,
            "drift_share_threshold": self.policy.drift_share,
            "min_rows": self.policy.min_rows,
            "feature_notes": [asdict(note) for note in self.notes],
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: One line: a key is missing or unknown, a type is wrong, a number is not finite, a time is not
                ISO 8601 in UTC with Z, or a count or the verdict disagrees with the features.
        """
        top = _fields(document, "drift summary", _TOP)
        window = _fields(top["window"], "window", {"start": (str,), "end": (str,), "rows": (int,)})
        reference = _fields(top["reference"], "reference", {"sha256": (str,), "rows": (int,)})
        if top["schema_version"] != 1 or top["state"] not in list(State):
            raise ValueError(f"schema_version {top['schema_version']} with state {top['state']!r} is not known here")
        summary = cls(
            timestamp=_time(top["timestamp"]),
            state=State(top["state"]),
            reason=top["reason"],
            window=Window(start=_time(window["start"]), end=_time(window["end"])),
            rows=window["rows"],
            reference_sha256=reference["sha256"],
            reference_rows=reference["rows"],
            policy=DriftPolicy(
                threshold=top["threshold"], drift_share=top["drift_share_threshold"], min_rows=top["min_rows"]
            ),
            features=tuple(FeatureDrift(**_fields(item, "features", _FEATURE)) for item in top["features"]),
            notes=tuple(FeatureNote(**_fields(item, "feature_notes", _NOTE)) for item in top["feature_notes"]),
            excluded_features=tuple(_text(name) for name in top["excluded_features"]),
        )
        for key in _DERIVED:
            due = getattr(summary, key)
            if top[key] != due or isinstance(top[key], bool) is not isinstance(due, bool):
                raise ValueError(f"{key} is {top[key]!r}, but the features make it {due!r}")
        return summary


def utc(value: datetime, name: str) -> datetime:
    """The same instant as a plain datetime in UTC; ValueError for a naive one.

    >>> utc(datetime.fromisoformat("2006-01-02T02:00:00+02:00"), "as_of")
    datetime.datetime(2006, 1, 2, 0, 0, tzinfo=datetime.timezone.utc)
    """
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise ValueError(f"{name} must be timezone-aware, got {value!r}")
    moment = value.astimezone(UTC)  # a pandas Timestamp stays one, nanoseconds and all: rebuild
    return datetime.combine(moment.date(), moment.time(), tzinfo=UTC)


def time_text(value: datetime) -> str:
    """ISO 8601 in UTC with Z."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def finite(value: object, name: str) -> float:
    """The number as a float; ValueError for anything that is not a finite real number (a bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"{name} must be a number, got {value!r}")
    try:
        number = float(value)
    except OverflowError:
        number = math.inf
    if not math.isfinite(number):
        raise ValueError(f"{name} must be finite, got {number}")
    return number


def whole(value: object, name: str) -> int:
    """The value, if it is an int (a bool is not one)."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise ValueError(f"{name} must be a whole number, got {value!r}")
    return value


def _time(value: object) -> datetime:
    moment = utc(datetime.fromisoformat(_text(value)), "time")
    if time_text(moment) != value:
        raise ValueError(f"time must be ISO 8601 in UTC with Z, got {value!r}")
    return moment


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(f"expected text, got {value!r}")
    return value


_Types = Mapping[str, tuple[type, ...]]
_NUMBER, _OPTIONAL_NUMBER = (int, float), (int, float, type(None))
_FEATURE: _Types = {
    "feature": (str,),
    "drift_detected": (bool,),
    "stat_test": (str,),
    "drift_score": _NUMBER,
    "threshold": _NUMBER,
}
_NOTE: _Types = {
    "feature": (str,),
    "kind": (str,),
    "evaluated": (bool,),
    "reason": (str, type(None)),
    "reference_missing_share": _OPTIONAL_NUMBER,
    "current_missing_share": _OPTIONAL_NUMBER,
    "reference_rows": (int,),
    "current_rows": (int,),
    "summary": (dict,),
}
_DERIVED: _Types = {
    "dataset_drift_detected": (bool, type(None)),
    "drift_share": _OPTIONAL_NUMBER,
    "num_drifted_features": (int,),
    "num_features_total": (int,),
    "num_features_evaluated": (int,),
}
_TOP: _Types = {
    "timestamp": (str,),
    **_DERIVED,
    "excluded_features": (list,),
    "features": (list,),
    "schema_version": (int,),
    "state": (str,),
    "reason": (str, type(None)),
    "window": (dict,),
    "reference": (dict,),
    "threshold": _NUMBER,
    "drift_share_threshold": _NUMBER,
    "min_rows": (int,),
    "feature_notes": (list,),
}


def _fields(document: object, name: str, types: _Types) -> dict[str, Any]:
    """The document, if it is an object with exactly these keys, each of its type (True is not a 1)."""
    if not isinstance(document, dict):
        raise ValueError(f"{name}: expected an object, got {type(document).__name__}")
    for problem, keys in ("missing", types.keys() - document.keys()), ("unknown", document.keys() - types.keys()):
        if keys:
            raise ValueError(f"{name}: {problem} {', '.join(sorted(map(str, keys)))}")
    for key, allowed in types.items():
        value = document[key]
        if not isinstance(value, allowed) or (isinstance(value, bool) and bool not in allowed):
            wanted = " or ".join(kind.__name__ for kind in allowed)
            raise ValueError(f"{name}: {key} must be {wanted}, got {value!r}")
    return document
