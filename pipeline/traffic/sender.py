"""Applications drawn from the portfolio to a running service, and later what came of them."""

from __future__ import annotations

import heapq
import json
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from http.client import HTTPException
from typing import Any

import pandas as pd

from pipeline.errors import InputError, StoreError
from pipeline.settings import Settings
from pipeline.stores.engine import iso
from pipeline.traffic.portfolio import Portfolio
from pipeline.traffic.simulation import Plan, draw, in_range

_TICK = timedelta(milliseconds=250)
_AT_ONCE = 500  # rows in a request
_NOT_VALID = 422
_PATIENCE = timedelta(seconds=60)  # for a service that does not answer; the ids stay, so asking again is safe


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """What is to be sent: `rows` in order of `event_time`, from `start` on, changed from `change` on."""

    rows: pd.DataFrame
    start: datetime
    change: datetime
    done: str
    outside: int


@dataclass(slots=True, kw_only=True)
class Sent:
    """What was sent so far, and what was answered."""

    applications: int = 0
    positive: int = 0
    labels: int = 0
    refused: int = 0
    why_refused: str = ""  # the first
    not_counted: Counter[str] = field(default_factory=Counter)
    versions: Counter[str] = field(default_factory=Counter)
    later: int = 0  # outcomes that become known only after the end


def stream(
    portfolio: Portfolio,
    settings: Settings,
    plan: Plan,
    *,
    start: datetime,
    rate: float,
    length: timedelta,
    change_after: timedelta,
) -> Stream:
    """Draw the applications of a stretch of time, evenly spread.

    Args:
        portfolio: Where applicants, outcomes and their delays are drawn from: its reference window.
        settings: Features and their ranges; rows outside are left out, as the service would refuse them.
        plan: Scenario, feature, strength, period and seed.
        start: When the first is sent, UTC.
        rate: Applications a second.
        length: For how long.
        change_after: When the scenario starts, counted from `start`.

    Raises:
        InputError: Nothing to send, or the scenario cannot be done.
    """
    count = int(rate * length.total_seconds())
    if count < 1 or not timedelta(0) <= change_after < length:
        raise InputError("traffic", f"expected one application or more and a change before the end, got {count}")
    offsets = pd.to_timedelta(pd.Series(range(count)) / rate, unit="s")
    times = (pd.Timestamp(start) + offsets).astype("datetime64[us, UTC]")
    unchanged = int(rate * change_after.total_seconds())
    rows, applied = draw(portfolio, settings, plan, times, unchanged=unchanged)
    rows.insert(0, "application_id", [f"T{start:%y%m%d%H%M%S}-{number:07d}" for number in range(count)])
    inside = in_range(rows, settings)
    return Stream(
        rows=rows[inside].reset_index(drop=True),
        start=start,
        change=start + change_after,
        done=applied.log,
        outside=int((~inside).sum()),
    )


class _NotValidError(Exception):
    """The service takes it for no valid request."""


class Sender:
    """Sends a stream as its time comes; what a dead service missed is sent when it lives again."""

    def __init__(self, url: str, features: list[str], *, key: str, clock: Callable[[], datetime]) -> None:
        self._url, self._features, self._clock = url.rstrip("/"), features, clock
        self._headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {key}"} if key else {})
        self.sent = Sent()
        self._refused: set[str] = set()

    def run(self, stream: Stream) -> Iterator[Sent]:
        """Send everything; what was sent so far, after each tick.

        Raises:
            StoreError: The service has not answered for a minute.
            InputError: It refuses what it is sent.
        """
        rows = stream.rows
        bodies = _bodies(rows, self._features)
        moments = list(rows["event_time"])
        owed = [
            (known_at, key, int(y))
            for known_at, key, y in zip(rows["known_at"], rows["application_id"], rows["y"], strict=True)
            if pd.notna(known_at) and pd.notna(y)
        ]
        heapq.heapify(owed)
        place = 0
        while place < len(bodies):
            now = pd.Timestamp(self._clock())
            due = place
            while due < len(bodies) and due - place < _AT_ONCE and moments[due] <= now:
                due += 1
            self._applications(bodies[place:due])
            place = due
            self._labels(_ripe(owed, now))
            yield self.sent
            if place < len(bodies) and moments[place] > now:
                time.sleep(_TICK.total_seconds())
        self.sent.later = len(owed)
        yield self.sent

    def _applications(self, bodies: list[dict[str, Any]]) -> None:
        if not bodies:
            return
        try:
            answers = self._post("/predict/batch", {"applications": bodies})["predictions"]
        except _NotValidError as error:
            self._one_by_one(bodies, error)
            return
        self.sent.applications += len(answers)
        self.sent.positive += sum(answer["prediction"] for answer in answers)
        self.sent.versions.update(answer["model_version"] for answer in answers)

    def _one_by_one(self, bodies: list[dict[str, Any]], error: _NotValidError) -> None:
        """A request is refused whole: find out which applications it was, and send the others."""
        if len(bodies) == 1:
            self.sent.refused += 1
            self.sent.why_refused = self.sent.why_refused or str(error)
            self._refused.add(bodies[0]["prediction_id"])
            return
        half = len(bodies) // 2
        self._applications(bodies[:half])
        self._applications(bodies[half:])

    def _labels(self, ripe: list[dict[str, Any]]) -> None:
        if not ripe:
            return
        ripe = [each for each in ripe if each["prediction_id"] not in self._refused]
        counts = self._post("/labels", {"labels": ripe})["counts"] if ripe else {}
        self.sent.labels += sum(counts.values())
        self.sent.not_counted.update({k: n for k, n in counts.items() if k not in ("recorded", "known")})

    def _post(self, path: str, body: Any) -> Any:
        request = urllib.request.Request(  # noqa: S310  an address the operator gave
            self._url + path, json.dumps(body).encode(), self._headers, method="POST"
        )
        end = time.monotonic() + _PATIENCE.total_seconds()
        while True:
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                said = error.read(500).decode(errors="replace")
                if error.code == _NOT_VALID:
                    raise _NotValidError(said) from None
                if error.code < 500:
                    raise InputError(self._url + path, f"answered {error.code}: {said}") from None
                why = f"{error.code}: {said}"
            except (OSError, ValueError, HTTPException) as error:  # killed in the middle of an answer, too
                why = str(error)
            if time.monotonic() > end:
                raise StoreError(self._url, f"no answer for a minute ({why})", "is `mend serve` running?")
            time.sleep(1)


def _bodies(rows: pd.DataFrame, features: list[str]) -> list[dict[str, Any]]:
    plain = rows[features].astype(object).where(rows[features].notna(), None).to_dict("records")
    return [
        {str(name): value for name, value in row.items()} | {"prediction_id": key}
        for row, key in zip(plain, rows["application_id"], strict=True)
    ]


def _ripe(owed: list[tuple[Any, str, int]], now: pd.Timestamp) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    while owed and owed[0][0] <= now and len(found) < _AT_ONCE:
        known_at, key, y = heapq.heappop(owed)
        found.append({"prediction_id": key, "label": y, "known_at": iso(known_at.to_pydatetime())})
    return found
