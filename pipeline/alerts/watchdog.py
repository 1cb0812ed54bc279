"""The dead man's switch: `mend doctor --alert`, run by cron, tells people when nothing else can.

Its memory is a file beside the heartbeat, because the ledger may be what is broken.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from pipeline.alerts import rules
from pipeline.alerts.alerting import alert_policy
from pipeline.alerts.heartbeat import heartbeat_path
from pipeline.alerts.message import Message
from pipeline.alerts.sending import send_owed
from pipeline.alerts.values import Alert, Condition, Severity, State
from pipeline.artefacts import canonical_json, write_atomically
from pipeline.errors import RefusedError
from pipeline.settings import Settings

if TYPE_CHECKING:
    from pipeline.doctor import Finding


def tell_findings(
    settings: Settings, findings: Sequence[Finding], *, wall: datetime, say: Callable[[str], None]
) -> None:
    """Tell what the doctor found, by the rules of alerts: once, again after remind_after, and when it is well again."""
    addresses, policy = settings.alerts.addresses, alert_policy(settings)
    path = _memory_path(settings)
    with _alone(path):
        conditions = [_condition(finding, wall) for finding in findings if not finding.ok]
        before = _remembered(path)
        if before.as_of is not None and before.as_of >= wall:  # the clock was set back: that must not silence anybody
            before = replace(before, as_of=None)
        state = rules.step(before, conditions, as_of=wall, policy=policy, targets=list(addresses)).state
        memory = [state]
        _remember(path, state)

        def record(target: str, alerts: Sequence[Alert], _message: Message, failure: str | None) -> None:
            if failure is None:
                memory[0] = rules.told(memory[0], alerts, target=target, at=wall, targets=list(addresses))
            else:
                memory[0] = rules.not_told(memory[0], target=target, at=wall, why=failure)
            _remember(path, memory[0])

        send_owed(
            state,
            addresses=addresses,
            model=settings.model.name,
            at=wall,
            policy=policy,
            record=record,
            say=say,
            from_doctor=True,
        )


def without_passwords(text: str) -> str:
    """A text in which no address says who logs in and how.

    >>> without_passwords("no answer from postgresql://mend:secret@db/ledger")
    'no answer from postgresql://…@db/ledger'
    """
    return re.sub(r"://[^/\s@]*@", "://…@", text)


def _condition(finding: Finding, wall: datetime) -> Condition:
    code = "doctor." + re.sub(r"[^a-z]+", "_", finding.check.lower())
    text = without_passwords(f"{_sentence(finding.detail)} What to do: {_sentence(finding.do)}")
    return Condition(code=code, subject="", severity=Severity.PAGE, text=text, since=wall)


def _sentence(text: str) -> str:
    return text if text.endswith((".", "?")) else f"{text}."


def _memory_path(settings: Settings) -> Path:
    heartbeat = heartbeat_path(settings)
    return heartbeat.with_name(f"{heartbeat.stem}.doctor.json")


def _remembered(path: Path) -> State:
    try:
        return State.from_json(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return State()  # forgotten is told twice, which is better than not at all


def _remember(path: Path, state: State) -> None:
    try:
        write_atomically(path, canonical_json(state.to_json()))
    except OSError:
        return  # a full disk must not keep the doctor from telling that the disk is full


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """One doctor at a time tells; cron may start the next before the last is done."""
    with ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            held.enter_context(FileLock(path.with_suffix(".lock"), timeout=0))
        except Timeout:
            raise RefusedError(path.parent, "another `mend doctor --alert` is at work") from None
        except OSError:
            pass  # no place for a lock: telling twice is better than not at all
        yield
