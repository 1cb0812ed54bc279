"""What a look at one window says: scores, notes, checks and a state, with one JSON spelling that reads back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

from monitoring.checks import SCORE, Check
from monitoring.values import (
    Kind,
    State,
    Types,
    Window,
    fields,
    finite,
    text_of,
    time_of,
    time_text,
    utc,
    whole,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPolicy:
    """When a window has drifted.

    `look_level`: chance of a false alarm that one look may take, shared out over its questions (Bonferroni); the
    default is one false alarm in 91 days at a look every five minutes. `material_psi`: a move smaller than this stays
    quiet however sure it is; 0.04 is what a shift by a fifth of a standard deviation gives, a small effect in Cohen's
    (1988) words. `min_rows`: fewest rows of a window that is judged. `stale_after`: a window whose newest row is older
    says how things were, not how they are.

    `threshold` and `drift_share` are for comparison with other tools: the limits of Evidently 0.7.23 for its scores and
    for the share of features past them. The verdict does not rest on them.
    """

    threshold: float = 0.1
    drift_share: float = 0.5
    min_rows: int = 200
    look_level: float = 1 / (91 * 288)
    material_psi: float = 0.04
    stale_after: timedelta | None = None

    def __post_init__(self) -> None:
        if finite(self.threshold, "threshold") <= 0:
            raise ValueError(f"threshold must be > 0, got {self.threshold}")
        if not 0 < finite(self.drift_share, "drift_share") <= 1:
            raise ValueError(f"drift_share must be in (0, 1], got {self.drift_share}")
        if whole(self.min_rows, "min_rows") < 1:
            raise ValueError(f"min_rows must be >= 1, got {self.min_rows}")
        if not 0 < finite(self.look_level, "look_level") <= 0.01:
            raise ValueError(f"look_level must be in (0, 0.01], got {self.look_level}")
        if not 0 < finite(self.material_psi, "material_psi") <= 1:
            raise ValueError(f"material_psi must be in (0, 1], got {self.material_psi}")
        if self.stale_after is not None and self.stale_after <= timedelta(0):
            raise ValueError(f"stale_after must be longer than nothing, got {self.stale_after}")

    def judge(self, *, rows: int, stale: bool, drifted: bool, failed: bool, too_few: bool) -> State:
        """The verdict on a window. What could not be judged silences no alarm, and never reads as calm.

        Args:
            rows: Rows in the window.
            stale: Its newest row is older than `stale_after`.
            drifted: Some check is past its limit.
            failed: Some feature could not be computed.
            too_few: Some feature has too few values to be judged.

        >>> DriftPolicy().judge(rows=500, stale=False, drifted=False, failed=True, too_few=False)
        <State.FAILED: 'failed'>
        """
        if rows < self.min_rows:
            return State.TOO_FEW_ROWS if rows else State.NO_DATA
        if stale or drifted:
            return State.STALE if stale else State.DRIFT
        if failed or too_few:
            return State.FAILED if failed else State.TOO_FEW_ROWS
        return State.OK


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
    `{top: [{category, reference_share, current_share}], new_categories, new_category_share}`. `too_few`: not judged for
    no other reason than that too few values are present.
    """

    feature: str
    kind: Kind
    evaluated: bool
    reason: str | None = None
    too_few: bool = False
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
        if self.too_few and self.evaluated:
            raise ValueError(f"{self.feature}: judged, so it did not have too few values")
        for share in (self.reference_missing_share, self.current_missing_share):
            if share is not None and not 0 <= finite(share, f"{self.feature}: missing share") <= 1:
                raise ValueError(f"{self.feature}: missing share must be in [0, 1], got {share}")
        json.dumps(self.summary, allow_nan=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftSummary:
    """What one window looks like against the reference. `timestamp` is `as_of`; `rows` are the window's.

    `checks` decide the state; `features` are the scores of other tools beside them. `score_note` is about the
    champion's score, None where no score was given. `newest_event`: of the window's rows, None where not known.
    """

    timestamp: datetime
    state: State
    reason: str | None = None
    window: Window
    rows: int
    newest_event: datetime | None = None
    reference_sha256: str
    reference_rows: int
    policy: DriftPolicy
    features: tuple[FeatureDrift, ...]
    notes: tuple[FeatureNote, ...]
    excluded_features: tuple[str, ...]
    checks: tuple[Check, ...] = ()
    score_note: FeatureNote | None = None

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
        self._agree_on_checks(judged | excluded)
        due = self.policy.judge(rows=self.rows, **self._found())
        if self.state is not due or (self.rows < self.policy.min_rows and (judged or self.checks)):
            raise ValueError(f"state is {self.state}, but {self.rows} rows and {self._found()} make it {due}")

    def _agree_on_checks(self, features: set[str]) -> None:
        if self.newest_event is not None:
            object.__setattr__(self, "newest_event", utc(self.newest_event, "newest_event"))
        asked = [(check.feature, check.code) for check in self.checks]
        if len(asked) != len(set(asked)):
            raise ValueError("a check is named twice")
        if unknown := {feature for feature, _ in asked} - features - {SCORE}:
            raise ValueError(f"checks name {', '.join(sorted(unknown))}, which features do not")
        if self.rows >= self.policy.min_rows and (
            missing := {item.feature for item in self.features} - dict(asked).keys()
        ):
            raise ValueError(f"{', '.join(sorted(missing))}: judged, but no check was made")

    def _found(self) -> dict[str, bool]:
        left = [note for note in (*self.notes, self.score_note) if note is not None and not note.evaluated]
        newest, after = self.newest_event, self.policy.stale_after
        return {
            "stale": after is not None and newest is not None and self.timestamp - newest > after,
            "drifted": bool(self.drifted),
            "failed": any(not note.too_few for note in left) or len(self.excluded_features) > len(left),
            "too_few": any(note.too_few for note in left),
        }

    @property
    def drifted(self) -> tuple[Check, ...]:
        """Checks past their limit, the farthest first."""
        return tuple(sorted((check for check in self.checks if check.drifted), key=lambda check: -check.fold))

    @property
    def drifted_features(self) -> tuple[str, ...]:
        """Features with a check past its limit, the farthest first; the score is not one."""
        return tuple(dict.fromkeys(check.feature for check in self.drifted if check.feature != SCORE))

    @property
    def judged(self) -> bool:
        """Whether there is a verdict."""
        return self.state in (State.OK, State.DRIFT)

    @property
    def dataset_drift_detected(self) -> bool | None:
        """What other tools call drift of the whole: `drift_share` at or above its limit. None without a verdict."""
        return None if self.drift_share is None else self.drift_share >= self.policy.drift_share

    @property
    def drift_share(self) -> float | None:
        """Observed share of evaluated features whose score is at or above `threshold`; None without a verdict."""
        if not self.judged or not self.features:
            return None
        return self.num_drifted_features / self.num_features_evaluated

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
            "schema_version": 2,
            "state": self.state.value,
            "reason": self.reason,
            "window": {
                "start": time_text(self.window.start),
                "end": time_text(self.window.end),
                "rows": self.rows,
                "newest_event": None if self.newest_event is None else time_text(self.newest_event),
            },
            "reference": {"sha256": self.reference_sha256, "rows": self.reference_rows},
            "threshold": self.policy.threshold,
            "drift_share_threshold": self.policy.drift_share,
            "min_rows": self.policy.min_rows,
            "look_level": self.policy.look_level,
            "material_psi": self.policy.material_psi,
            "stale_after_s": None if self.policy.stale_after is None else self.policy.stale_after.total_seconds(),
            "checks": [check.to_json() for check in self.checks],
            "feature_notes": [asdict(note) for note in self.notes],
            "score_note": None if self.score_note is None else asdict(self.score_note),
        }

    @classmethod
    def from_json(cls, document: object) -> Self:
        """Read what `to_json` wrote.

        Raises:
            ValueError: One line: a key is missing or unknown, a type is wrong, a number is not finite, a time is not
                ISO 8601 in UTC with Z, or a count or the verdict disagrees with the features.
        """
        top = fields(document, "drift summary", _TOP)
        window = fields(top["window"], "window", _WINDOW)
        reference = fields(top["reference"], "reference", {"sha256": (str,), "rows": (int,)})
        if top["schema_version"] != 2 or top["state"] not in list(State):
            raise ValueError(f"schema_version {top['schema_version']} with state {top['state']!r} is not known here")
        summary = cls(
            timestamp=time_of(top["timestamp"]),
            state=State(top["state"]),
            reason=top["reason"],
            window=Window(start=time_of(window["start"]), end=time_of(window["end"])),
            rows=window["rows"],
            newest_event=None if window["newest_event"] is None else time_of(window["newest_event"]),
            reference_sha256=reference["sha256"],
            reference_rows=reference["rows"],
            policy=_policy(top),
            features=tuple(FeatureDrift(**fields(item, "features", _FEATURE)) for item in top["features"]),
            notes=tuple(FeatureNote(**fields(item, "feature_notes", _NOTE)) for item in top["feature_notes"]),
            excluded_features=tuple(text_of(name) for name in top["excluded_features"]),
            checks=tuple(Check.from_json(item) for item in top["checks"]),
            score_note=None
            if top["score_note"] is None
            else FeatureNote(**fields(top["score_note"], "score_note", _NOTE)),
        )
        for key in _DERIVED:
            due = getattr(summary, key)
            if top[key] != due or isinstance(top[key], bool) is not isinstance(due, bool):
                raise ValueError(f"{key} is {top[key]!r}, but the features make it {due!r}")
        return summary


def _policy(top: Mapping[str, Any]) -> DriftPolicy:
    return DriftPolicy(
        threshold=top["threshold"],
        drift_share=top["drift_share_threshold"],
        min_rows=top["min_rows"],
        look_level=top["look_level"],
        material_psi=top["material_psi"],
        stale_after=_length(top["stale_after_s"]),
    )


def _length(seconds: float | None) -> timedelta | None:
    try:
        return None if seconds is None else timedelta(seconds=finite(seconds, "stale_after_s"))
    except OverflowError as error:
        raise ValueError(f"stale_after_s is longer than time, got {seconds}") from error


_NUMBER, _OPTIONAL_NUMBER = (int, float), (int, float, type(None))
_FEATURE: Types = {
    "feature": (str,),
    "drift_detected": (bool,),
    "stat_test": (str,),
    "drift_score": _NUMBER,
    "threshold": _NUMBER,
}
_NOTE: Types = {
    "feature": (str,),
    "kind": (str,),
    "evaluated": (bool,),
    "reason": (str, type(None)),
    "too_few": (bool,),
    "reference_missing_share": _OPTIONAL_NUMBER,
    "current_missing_share": _OPTIONAL_NUMBER,
    "reference_rows": (int,),
    "current_rows": (int,),
    "summary": (dict,),
}
_DERIVED: Types = {
    "dataset_drift_detected": (bool, type(None)),
    "drift_share": _OPTIONAL_NUMBER,
    "num_drifted_features": (int,),
    "num_features_total": (int,),
    "num_features_evaluated": (int,),
}
_TOP: Types = {
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
    "look_level": _NUMBER,
    "material_psi": _NUMBER,
    "stale_after_s": _OPTIONAL_NUMBER,
    "checks": (list,),
    "feature_notes": (list,),
    "score_note": (dict, type(None)),
}
_WINDOW: Types = {"start": (str,), "end": (str,), "rows": (int,), "newest_event": (str, type(None))}
