"""What the service did since it was started, for Prometheus and for whoever asks: counts, never values."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_ROWS = (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000)
_SECONDS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5)


class Counts:
    """Counters of one running service.

    >>> counts = Counts(["purpose"])
    >>> counts.committed(new=2, again=1, seconds=0.003, unknown=["purpose"], missing=[])
    >>> counts.answered(3)
    >>> counts.to_json()
    {'logged': 2, 'answered_again': 1, 'answered': 3, 'unknown_category': {'purpose': 1}, 'missing': {}}
    """

    def __init__(self, features: Collection[str]) -> None:
        self.registry = CollectorRegistry()
        told: dict[str, Any] = {"registry": self.registry}
        self._features = tuple(features)
        self._logged = Counter("mend_rows_logged", "Applications put on record with their score", **told)
        self._answered = Counter("mend_rows_answered", "Applications answered, for the first time or again", **told)
        self._again = Counter("mend_rows_answered_again", "Applications whose answer was on record already", **told)
        self._unknown = Counter("mend_unknown_category", "Categories the model never saw", ["feature"], **told)
        self._missing = Counter("mend_missing_value", "Missing values scored", ["feature"], **told)
        self._labels = Counter("mend_labels", "Reported outcomes by what became of them", ["status"], **told)
        self._seconds = Histogram("mend_commit_seconds", "Scoring and committing a batch", buckets=_SECONDS, **told)
        self._rows = Histogram("mend_commit_rows", "Applications in a batch", buckets=_ROWS, **told)
        self._failed = Counter("mend_commits_failed", "Batches of which nothing is on record", **told)
        self.waiting = Gauge("mend_rows_waiting", "Rows that wait for their answer", **told)
        self.stale = Gauge("mend_champion_stale_seconds", "Since when the ledger cannot be followed; 0: it can", **told)
        self.champion = Gauge("mend_champion", "1 for the version that scores now", ["version"], **told)

    def committed(
        self, *, new: int, again: int, seconds: float, unknown: Iterable[str], missing: Iterable[str]
    ) -> None:
        """A batch is on disk: new applications, known ones, and the feature of each unknown or missing value."""
        self._logged.inc(new)
        self._again.inc(again)
        self._seconds.observe(seconds)
        self._rows.observe(new)
        for name in unknown:
            self._unknown.labels(name).inc()
        for name in missing:
            self._missing.labels(name).inc()

    def failed(self) -> None:
        """A batch came to nothing."""
        self._failed.inc()

    def answered(self, applications: int) -> None:
        """Answers are on their way to a client."""
        self._answered.inc(applications)

    def labelled(self, statuses: Iterable[str]) -> None:
        """Outcomes were taken."""
        for status in statuses:
            self._labels.labels(status).inc()

    def text(self) -> bytes:
        """In Prometheus' text format."""
        return generate_latest(self.registry)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values. Once nobody waits, `logged` and `answered_again` add up to `answered`."""
        return {
            "logged": self._value("mend_rows_logged_total"),
            "answered_again": self._value("mend_rows_answered_again_total"),
            "answered": self._value("mend_rows_answered_total"),
            "unknown_category": self._by_feature("mend_unknown_category_total"),
            "missing": self._by_feature("mend_missing_value_total"),
        }

    def _value(self, name: str, **labels: str) -> int:
        return int(self.registry.get_sample_value(name, labels) or 0)

    def _by_feature(self, name: str) -> dict[str, int]:
        found = {feature: self._value(name, feature=feature) for feature in self._features}
        return {feature: count for feature, count in found.items() if count}
