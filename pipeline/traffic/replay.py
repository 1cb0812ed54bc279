"""History on a simulated clock: applications and labels arrive when they did, a cycle runs every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

from pipeline.errors import RefusedError
from pipeline.promotion.review import pending
from pipeline.running.cycle import run_cycle
from pipeline.running.steps import Steps
from pipeline.traffic.arrivals import arrive
from pipeline.traffic.portfolio import Portfolio
from pipeline.wiring import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Where a replay starts, ends, and how far a step goes."""

    start: datetime
    end: datetime
    step: timedelta

    @property
    def moments(self) -> list[datetime]:
        """When cycles run: after every step, until every application has arrived."""
        return list(_moments(self))


def plan_replay(workspace: Workspace, portfolio: Portfolio, *, step: timedelta, until: datetime | None) -> Replay:
    """Go on from the last cycle on record, or from go-live.

    Raises:
        RefusedError: The workspace has lived on the wall clock; history cannot be mixed into it.
    """
    if step <= timedelta(0):
        raise RefusedError("--step must be longer than nothing")
    last = workspace.ledger.last_cycle()
    if last is not None and last["clock"] != "replay":
        raise RefusedError(
            workspace.root,
            f"last cycle ran on the wall clock ({last['as_of']:%Y-%m-%d}); replay needs a workspace of its own",
        )
    newest = portfolio.rows["event_time"].iloc[-1].to_pydatetime()
    start = last["as_of"] if last else workspace.settings.train.go_live
    return Replay(start=start, end=min(newest + step, until) if until else newest + step, step=step)


def replay(
    steps: Steps, portfolio: Portfolio, plan: Replay, *, keep_going: bool, tick: Callable[[datetime], None]
) -> bool:
    """Run the plan, `tick` after each cycle; returns True when it stopped because something waits for a person."""
    workspace = steps.workspace
    since = plan.start
    for as_of in plan.moments:
        if not keep_going and pending(workspace, now=since):
            return True
        arrive(workspace, portfolio, since=since, until=as_of)
        run_cycle(steps, as_of, clock="replay")
        tick(as_of)
        since = as_of
    return bool(pending(workspace, now=since))


def _moments(plan: Replay) -> Iterator[datetime]:
    moment = plan.start + plan.step
    while moment <= plan.end:
        yield moment
        moment += plan.step
