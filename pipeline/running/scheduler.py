"""`mend monitor`: a cycle every interval on the wall clock. A failing cycle is recorded and the next one still runs."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from types import FrameType

import schedule

from pipeline.clock import wall_clock
from pipeline.errors import MendError
from pipeline.running.cycle import run_cycle
from pipeline.running.steps import Steps
from pipeline.traffic.arrivals import arrive
from pipeline.traffic.portfolio import read_portfolio


def slot(moment: datetime, interval: timedelta) -> datetime:
    """The start of the interval a moment falls in: the cycle's key, so that a slot is judged once.

    >>> slot(datetime(2026, 5, 4, 10, 8, 30, tzinfo=UTC), timedelta(minutes=5)).time().isoformat()
    '10:05:00'
    """
    seconds = int(interval.total_seconds())
    return datetime.fromtimestamp(int(moment.timestamp()) // seconds * seconds, tz=UTC)


def monitor_once(steps: Steps, as_of: datetime, *, clock: str) -> None:
    """Take in what the data file has brought since the last cycle, then run the cycle of `as_of`."""
    workspace = steps.workspace
    last = workspace.ledger.last_cycle()
    since = last["as_of"] if last else workspace.settings.train.go_live
    if as_of > since:
        arrive(workspace, read_portfolio(workspace.settings), since=since, until=as_of)
    row = run_cycle(steps, as_of, clock=clock)
    rows = "" if row["rows"] is None else f", {row['rows']:,} rows"
    steps.say(f"{_spelled(as_of)} {row['status']}{rows}: {row['note']}")


def monitor(steps: Steps, interval: timedelta) -> None:
    """Run a cycle now and then every interval until told to stop; SIGTERM and Ctrl-C let the running cycle finish."""
    stop = _stop_on_signals(steps.say)
    scheduler = schedule.Scheduler()
    # asked more often than the interval: missed slots collapse into one, and a slot on record is not run again
    scheduler.every(max(1, int(interval.total_seconds()) // 10)).seconds.do(_guarded(steps, interval))
    scheduler.run_all()
    while not stop.is_set():
        stop.wait(max(0.2, min(scheduler.idle_seconds or 0.2, 5.0)))
        if not stop.is_set():
            scheduler.run_pending()
    steps.say("stopped")


def _guarded(steps: Steps, interval: timedelta) -> Callable[[], None]:
    """A job whose failure is told and waits longer each time, instead of ending the loop or running hot."""
    failures, rest_until = 0, datetime.min.replace(tzinfo=UTC)

    def job() -> None:
        nonlocal failures, rest_until
        now = wall_clock()
        as_of = slot(now, interval)
        if now < rest_until or steps.workspace.ledger.get("cycle", as_of.isoformat()) is not None:
            return
        try:
            monitor_once(steps, as_of, clock="wall")
            failures = 0
        except Exception as error:  # noqa: BLE001  the loop must outlive whatever a cycle meets; it is told, not hidden
            failures += 1
            rest_until = now + interval * min(2**failures, 12)
            what = str(error) if isinstance(error, MendError) else f"{type(error).__name__}: {error}"
            steps.say(f"{_spelled(as_of)} cycle failed ({failures} in a row), next try {rest_until:%H:%M}: {what}")

    return job


def _spelled(as_of: datetime) -> str:
    """With seconds where there are any.

    >>> _spelled(datetime(2026, 5, 4, 10, 5, tzinfo=UTC)), _spelled(datetime(2026, 5, 4, 10, 5, 15, tzinfo=UTC))
    ('2026-05-04 10:05', '2026-05-04 10:05:15')
    """
    return f"{as_of:%Y-%m-%d %H:%M:%S}" if as_of.second else f"{as_of:%Y-%m-%d %H:%M}"


def _stop_on_signals(say: Callable[[str], None]) -> threading.Event:
    stop = threading.Event()

    def handler(_number: int, _frame: FrameType | None) -> None:
        if not stop.is_set():
            say("stopping after the running cycle")
        stop.set()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, handler)
    return stop
