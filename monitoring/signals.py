"""When there is cause to train: drift that has lasted, performance below its floor, the calendar, or a person."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from monitoring.values import Window, time_text, utc, whole

Reason = Literal["drift", "performance", "schedule", "person"]
REASONS: tuple[Reason, ...] = ("drift", "performance", "schedule", "person")


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalPolicy:
    """When a challenger is trained.

    Drift must last: at least `min_violations` of the last `of_last` windows call for it, the latest included. Between
    two trainings lies `min_gap`; `schedule` asks for one that long after the last, drift or not.
    """

    min_violations: int = 2
    of_last: int = 3
    min_gap: timedelta = timedelta(0)
    schedule: timedelta | None = None

    def __post_init__(self) -> None:
        if not 1 <= whole(self.min_violations, "min_violations") <= whole(self.of_last, "of_last"):
            raise ValueError(f"need 1 <= min_violations <= of_last, got {self.min_violations} of {self.of_last}")
        if self.min_gap < timedelta(0) or (self.schedule is not None and self.schedule <= timedelta(0)):
            raise ValueError(f"need min_gap >= 0 and schedule > 0, got {self.min_gap} and {self.schedule}")


@dataclass(frozen=True, slots=True, kw_only=True)
class LookedAt:
    """One judged window: whether its diagnosis calls for a new model; None when it could not be judged."""

    window: Window
    as_of: datetime
    calls: bool | None

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, "as_of"))


@dataclass(frozen=True, slots=True, kw_only=True)
class BelowFloor:
    """Realised performance is below its floor: whose, on outcomes up to which vintage, and the sentence for it."""

    champion: str
    vintage: str
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RetrainSignal:
    """A reason to train a challenger. `evidence`: what caused it and must not cause it twice.

    Drift: ids of its windows, oldest first. Performance: champion and vintage.
    """

    reason: Reason
    evidence: tuple[str, ...] = ()
    as_of: datetime
    note: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "as_of", utc(self.as_of, "as_of"))
        if self.reason not in REASONS:
            raise ValueError(f"reason must be one of {', '.join(REASONS)}, got {self.reason!r}")
        if bool(self.evidence) is not (self.reason in ("drift", "performance")):
            raise ValueError(f"drift and performance name their evidence, the others none; got {self}")

    @property
    def key(self) -> str:
        """Identity of the cause, 16 hex digits: what must not start a second training.

        Drift and performance are their evidence, whenever it was judged and however it is worded; a schedule is its
        time; a person's request is its time and words.
        """
        cause = {"schedule": [time_text(self.as_of)], "person": [time_text(self.as_of), self.note]}
        canonical = json.dumps([self.reason, *cause.get(self.reason, self.evidence)], separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trigger:
    """One of the triggers, asked: whether it holds, and why or why not."""

    reason: Reason
    holds: bool
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalDecision:
    """Whether a challenger is trained now. `signal` is the cause, if any; it fires unless something is in its way."""

    triggers: tuple[Trigger, ...]
    signal: RetrainSignal | None
    obstacle: str | None

    @property
    def fires(self) -> bool:
        """There is a cause, and nothing stands in its way."""
        return self.signal is not None and self.obstacle is None

    @property
    def why(self) -> str:
        """In a sentence or two: the trigger that holds, or all that do not; and what stands in the way."""
        said = [item.why for item in self.triggers if item.holds] or [item.why for item in self.triggers]
        return "; ".join([*said, *([self.obstacle] if self.obstacle else [])])

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        signal = None if self.signal is None else {"reason": self.signal.reason, "key": self.signal.key}
        return {
            "fires": self.fires,
            "why": self.why,
            "signal": signal,
            "obstacle": self.obstacle,
            "triggers": [asdict(item) for item in self.triggers],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Trainings:
    """What was trained before: when last, whether that was the first champion, causes acted on, what is still open."""

    last_at: datetime
    last_version: str
    last_is_first: bool
    causes: Collection[str] = ()
    in_the_way: str | None = None


def decide_signal(
    looks: Sequence[LookedAt],
    *,
    policy: SignalPolicy,
    as_of: datetime,
    trainings: Trainings,
    below: BelowFloor | None = None,
) -> SignalDecision:
    """Ask every trigger, and then whether anything stands in the way.

    Args:
        looks: Judged windows, in any order, the latest included. Windows that overlap repeat one another's evidence: to
            ask that drift *lasts*, pass windows that follow one another. A window judged twice counts as last judged.
        policy: How long drift must last, gaps and calendar.
        as_of: Now.
        trainings: What was trained before, and what waits for labels or a signature.
        below: Realised performance below its floor, if it is.

    Returns:
        The decision. The first trigger that holds gives the signal: performance, drift, schedule; one that was acted
        on before comes last. A cause acted on before, a training less than `min_gap` ago (the first champion's does
        not count) and a challenger that is still open each stand in the way. The same input gives the same answer.
    """
    asked = [_performance(below, as_of), _drift(looks, policy), _schedule(policy, as_of, trainings)]
    triggers = tuple(trigger for trigger, _ in asked)
    causes = [signal for _, signal in asked if signal is not None]
    new = [signal for signal in causes if signal.key not in trainings.causes]
    signal = next(iter(new or causes), None)
    obstacle = None if signal is None else _obstacle(signal, policy, as_of, trainings)
    return SignalDecision(triggers=triggers, signal=signal, obstacle=obstacle)


_Asked = tuple[Trigger, RetrainSignal | None]


def _performance(below: BelowFloor | None, as_of: datetime) -> _Asked:
    if below is None:
        return Trigger(reason="performance", holds=False, why="realised performance is not below its floor"), None
    signal = RetrainSignal(reason="performance", evidence=(below.champion, below.vintage), as_of=as_of, note=below.note)
    return Trigger(reason="performance", holds=True, why=below.note), signal


def _drift(looks: Sequence[LookedAt], policy: SignalPolicy) -> _Asked:
    recent = _recent(looks, policy)
    calling = [look for look in recent if look.calls]
    why = explain(looks, policy=policy)
    if len(calling) < policy.min_violations or calling[-1] is not recent[-1]:
        return Trigger(reason="drift", holds=False, why=why), None
    evidence = tuple(look.window.window_id for look in calling)
    signal = RetrainSignal(reason="drift", evidence=evidence, as_of=recent[-1].as_of, note=why)
    return Trigger(reason="drift", holds=True, why=why), signal


def _schedule(policy: SignalPolicy, as_of: datetime, trainings: Trainings) -> _Asked:
    if policy.schedule is None:
        return Trigger(reason="schedule", holds=False, why="no schedule is set"), None
    days = (as_of - trainings.last_at).days
    why = f"{days} days since the last training, the schedule says {policy.schedule.days}"
    if as_of - trainings.last_at < policy.schedule:
        return Trigger(reason="schedule", holds=False, why=why), None
    signal = RetrainSignal(reason="schedule", as_of=as_of, note=why)
    return Trigger(reason="schedule", holds=True, why=why), signal


def _obstacle(signal: RetrainSignal, policy: SignalPolicy, as_of: datetime, trainings: Trainings) -> str | None:
    if signal.key in trainings.causes:
        return "acted on already"
    gap = as_of - trainings.last_at
    if not trainings.last_is_first and gap < policy.min_gap:
        long_ago, least = _spelled(gap), _spelled(policy.min_gap)
        return f"version {trainings.last_version} was trained {long_ago} ago, retrain.min_gap is {least}"
    return trainings.in_the_way


def _spelled(length: timedelta) -> str:
    """Whole days from two on, seconds below.

    >>> _spelled(timedelta(days=89, hours=3)), _spelled(timedelta(seconds=120))
    ('89 days', '120 s')
    """
    return f"{length.days} days" if length >= timedelta(days=2) else f"{length.total_seconds():.0f} s"


def explain(looks: Sequence[LookedAt], *, policy: SignalPolicy) -> str:
    """How many of the last windows call for a new model, in one sentence.

    >>> explain([], policy=SignalPolicy())
    'no window has been judged yet'
    """
    recent = _recent(looks, policy)
    if not recent:
        return "no window has been judged yet"
    calls = [look.calls for look in recent]
    latest = {True: "the latest included", False: "the latest did not", None: "the latest could not be judged"}
    windows = "window" if len(recent) == 1 else f"{len(recent)} windows"
    unjudged = f"{calls.count(None)} not judged; " if None in calls else ""
    needs = f"{unjudged}a signal needs {policy.min_violations} of {policy.of_last} and the latest"
    return f"{calls.count(True)} of the last {windows} called for a new model, {latest[calls[-1]]} ({needs})"


def _recent(looks: Sequence[LookedAt], policy: SignalPolicy) -> list[LookedAt]:
    """The last windows, oldest first; of a window judged twice, the later judgement."""
    by_judgement = sorted(looks, key=lambda look: look.as_of)
    distinct = {look.window.window_id: look for look in by_judgement}
    in_order = sorted(distinct.values(), key=lambda look: (look.window.end, look.window.start))
    return in_order[-policy.of_last :]
