"""Clocks that are wrong, zones that change theirs, and a record of the last promotion that no clock can have written."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from builders import AS_OF, OFFICER, a_dossier, judged
from kills import on
from outcome import Outcome
from processes import in_child
from stage import NOW, Stage, problems
from tampering import behind_its_back

from pipeline.desk import Desk
from pipeline.errors import MendError
from pipeline.judging import draw_up, gather, open_case
from pipeline.stores import ledger_tables as tables
from pipeline.wiring import Workspace

YEAR = timedelta(days=365)
EXPIRED = AS_OF + timedelta(days=20)  # dossiers are good for 14 days
_SLACK = timedelta(minutes=5)  # between the moment we name and the one at which the process reads its clock
_SAME = ("champion", "pending", "last_cycle", "reference", "ledger")  # the rest of a status grows with time
_NO_FAKETIME = "NOT RUN: no clock can be faked here; apt install faketime"


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """A time that is read in a zone where clocks do something odd."""

    name: str
    at: datetime
    zone: str


MOMENTS = (
    Moment(
        name="Berlin, the hour that comes twice", at=datetime(2006, 10, 29, 0, 30, tzinfo=UTC), zone="Europe/Berlin"
    ),
    Moment(name="Kolkata, tomorrow already", at=datetime(2006, 7, 2, 18, 31, tzinfo=UTC), zone="Asia/Kolkata"),
    Moment(name="Berlin, that hour again", at=datetime(2006, 10, 29, 1, 30, tzinfo=UTC), zone="Europe/Berlin"),
    Moment(name="Berlin, before the hour left out", at=datetime(2007, 3, 25, 0, 58, tzinfo=UTC), zone="Europe/Berlin"),
    Moment(name="Berlin, after it", at=datetime(2007, 3, 25, 1, 2, tzinfo=UTC), zone="Europe/Berlin"),
    Moment(name="New York, twice", at=datetime(2006, 10, 29, 5, 30, tzinfo=UTC), zone="America/New_York"),
    Moment(name="New York, again", at=datetime(2006, 10, 29, 6, 30, tzinfo=UTC), zone="America/New_York"),
    Moment(name="New York, left out", at=datetime(2007, 3, 11, 7, 2, tzinfo=UTC), zone="America/New_York"),
    Moment(name="St John's, half hours", at=datetime(2006, 7, 3, 2, 29, tzinfo=UTC), zone="America/St_Johns"),
    Moment(name="leap day", at=datetime(2008, 2, 29, 23, 50, tzinfo=UTC), zone="UTC"),
    Moment(name="leap day, over in Kolkata", at=datetime(2008, 2, 29, 19, 0, tzinfo=UTC), zone="Asia/Kolkata"),
    Moment(name="leap day, not yet in St John's", at=datetime(2008, 2, 29, 2, 0, tzinfo=UTC), zone="America/St_Johns"),
)


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """Wrong clocks and odd zones around real processes; then a champion's date that was changed behind the ledger."""
    faults = {
        "the clock is a year ahead": _a_year_ahead,
        "the clock is a year behind": _a_year_behind,
        "the clock is set back after the dossier expired": _set_back,
    }
    for fault, bring_about in faults.items():
        yield _row(stage, fault, 1, "refused with the reason, and nothing changed", bring_about)
    moments = MOMENTS[:2] if quick else MOMENTS
    zones = ", ".join(sorted({moment.zone for moment in moments}))
    yield _row(
        stage,
        f"clock changes, leap day and zones ({zones})",
        len(moments),
        "approve, status and verify say the same in every zone, in UTC",
        lambda stage: [line for moment in moments for line in _in_a_zone(stage, moment)[:1]],
    )
    dates = dict(list(SINCE.items())[:2]) if quick else SINCE
    yield _row(
        stage,
        f"a champion's date on record that cannot be: {', '.join(dates)}",
        len(dates),
        "G3 blocks or nothing is judged at all; at the command line one line each, nothing signed",
        lambda stage: [line for name in dates for line in _dated(stage, name)[:1]],
        faketime=True,
    )


def _row(stage: Stage, fault: str, tries: int, seen: str, act: Any, *, faketime: bool = True) -> Outcome:
    if faketime and shutil.which("faketime") is None:
        return Outcome(fault=fault, stores=stage.name, tries=0, seen=_NO_FAKETIME)
    return Outcome(fault=fault, stores=stage.name, tries=tries, seen=seen, problems=tuple(act(stage)))


def mend_at(moment: datetime, config: Path, *arguments: str, zone: str = "UTC") -> subprocess.CompletedProcess[str]:
    """The command line in a process whose wall clock says this moment, and whose zone is this one."""
    ahead_s = (moment - datetime.now(UTC)).total_seconds()
    clock = ["faketime", "--exclude-monotonic", "-f", f"{ahead_s:+.0f}s"]
    command = [*clock, "env", f"TZ={zone}", sys.executable, "-m", "pipeline", "--config", str(config), *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=config.parent, check=False)


def approve_at(moment: datetime, config: Path, digest: str, *, zone: str = "UTC") -> subprocess.CompletedProcess[str]:
    """Sign, at a moment."""
    return mend_at(moment, config, "approve", digest, "--as", OFFICER, "--reason", "better", zone=zone)


def _a_year_ahead(stage: Stage) -> list[str]:
    with stage.copy() as config:
        done = approve_at(NOW + YEAR, config, stage.digests["2"])
        return _refused(done, "expired") + _untouched(config)


def _a_year_behind(stage: Stage) -> list[str]:
    with stage.copy() as config:
        done = approve_at(NOW - YEAR, config, stage.digests["2"])
        return _refused(done, "clock") + _untouched(config)


def _set_back(stage: Stage) -> list[str]:
    """Who may set the clock could sign what has expired, but not unseen: the record already knows a later time."""
    with stage.copy() as config:
        late = approve_at(EXPIRED, config, stage.digests["2"])
        early = approve_at(EXPIRED - timedelta(days=10), config, stage.digests["2"])
        return _refused(late, "expired") + _refused(early, "clock") + _untouched(config)


def _refused(done: subprocess.CompletedProcess[str], why: str) -> list[str]:
    """Exit 4 and one line that says why."""
    lines = done.stderr.strip().splitlines()
    if done.returncode == 4 and len(lines) == 1 and why in lines[0]:
        return []
    told = " | ".join((done.stdout + done.stderr).strip().splitlines()[-2:])
    return [f"expected exit 4 and one line with {why!r}, got exit {done.returncode}: {told}"]


def _untouched(config: Path) -> list[str]:
    return _did(config, lambda ws: problems(ws, expected={"1"}))


def _did(config: Path, act: Any) -> Any:
    answer = in_child(lambda: on(config, act))
    assert "value" in answer, answer
    return answer["value"]


def _in_a_zone(stage: Stage, moment: Moment) -> list[str]:
    with stage.copy() as config:
        digest = _did(config, _a_patient_dossier)
        done = approve_at(moment.at, config, digest, zone=moment.zone)
        if done.returncode:
            return [f"{moment.name}: exit {done.returncode}: {done.stderr.strip()[-300:]}"]
        here, utc = (
            mend_at(moment.at + _SLACK, config, "status", "--json", zone=zone) for zone in (moment.zone, "UTC")
        )
        checked = mend_at(moment.at + _SLACK, config, "ledger", "verify", zone=moment.zone)
        wrong = [] if checked.returncode == 0 else [f"verify: {checked.stderr.strip()[-200:]}"]
        recorded = _did(config, lambda ws: ws.ledger.acts("decision")[0]["at"].isoformat())
        if not moment.at <= datetime.fromisoformat(recorded) < moment.at + _SLACK:
            wrong.append(f"signed at {moment.at.isoformat()}, on record at {recorded}")
        told = [{name: json.loads(each.stdout)[name] for name in _SAME} for each in (here, utc)]
        if told[0] != told[1] or told[0]["champion"]["since"][:19] != recorded[:19]:
            wrong.append(f"status differs: {told[0]} here, {told[1]} in UTC")
        if f"as of {moment.at:%Y-%m-%d}" not in done.stdout:
            wrong.append(f"another day than in UTC: {done.stdout.splitlines()[0]}")
        wrong += _did(config, lambda ws: problems(ws, expected={"2"}))
        return [f"{moment.name}: {line}" for line in wrong]


def _a_patient_dossier(workspace: Workspace) -> str:
    """Version 2 judged again, an hour later, good for two years: it can be signed at any of the moments."""
    again = a_dossier(challenger="2", as_of=AS_OF + timedelta(hours=1))
    return judged(workspace, replace(again, expires_at=AS_OF + timedelta(days=800)))


SINCE: dict[str, str | float | None] = {
    "in the future": "2006-09-01T00:00:00.000000Z",
    "'yesterday'": "yesterday",
    "missing": None,
    "'NaN'": "NaN",
    "without a zone": "2004-01-01T00:00:00",
    "empty": "",
}


def _dated(stage: Stage, name: str) -> list[str]:
    with stage.copy() as config:
        _did(config, lambda ws: _set_since(ws, SINCE[name]))
        wrong = _did(config, _judged_again)
        commands = (("status",), ("review",), ("approve", stage.digests["2"], "--as", OFFICER, "--reason", "better"))
        for command in commands:
            done = mend_at(NOW, config, *command)
            wrong += [f"mend {command[0]}: {line}" for line in _one_line(done, done_is_fine=SINCE[name] == FUTURE)]
            if command[0] == "approve":
                wrong += [f"mend approve: {line}" for line in _refused(done, "")]
        if _did(config, lambda ws: len(ws.ledger.entries(kind="decision"))):
            wrong.append("it was signed")
        return [f"{name}: {line}" for line in wrong]


FUTURE = SINCE["in the future"]


def _one_line(done: subprocess.CompletedProcess[str], *, done_is_fine: bool) -> list[str]:
    """No traceback; and it stops, unless the date can be read and only makes no sense."""
    lines = done.stderr.strip().splitlines()
    if "Traceback" in done.stderr:
        return [f"a traceback: {lines[-1]}"]
    if done.returncode == 0 and done_is_fine:
        return []
    if done.returncode != 4 or len(lines) != 1:
        return [f"expected exit 4 and one line, got exit {done.returncode} and {len(lines)} lines: {lines[-1:]}"]
    return []


def _set_since(workspace: Workspace, since: str | float | None) -> None:
    champions = tables.champions
    with behind_its_back(workspace.ledger) as connection:
        if connection.dialect.name == "postgresql":
            connection.exec_driver_sql("ALTER TABLE champions ALTER COLUMN since DROP NOT NULL")
        else:  # SQLite takes a rule away only with the table
            connection.exec_driver_sql("CREATE TABLE copied AS SELECT * FROM champions")
            connection.exec_driver_sql("DROP TABLE champions")
            connection.exec_driver_sql("ALTER TABLE copied RENAME TO champions")
        text = sa.type_coerce(sa.bindparam("text", since), sa.Text)
        connection.execute(champions.update().values(since=text))


def _judged_again(workspace: Workspace) -> list[str]:
    """The real gates on version 3: they may not pass it while nobody knows since when there has been a champion."""
    try:
        desk = Desk(workspace=workspace, as_of=NOW, scheduled=False)
        case = open_case(desk, "3")
        dossier = draw_up(desk, case, gather(desk, case))
    except MendError as error:
        return [] if "\n" not in str(error) else [f"the gates say more than one line: {error}"]
    except Exception as error:  # noqa: BLE001  whatever it is, it is not a line for a person
        return [f"the gates: a traceback: {type(error).__name__}: {error}"]
    cooldown = next(check for check in dossier.checks if check.code == "G3")
    if dossier.promotable or cooldown.outcome == "passed":
        return ["the gates: G3 passed"]
    told = any(words in cooldown.note for words in ("record is wrong", "no record of a champion"))
    return [] if told else [f"the gates: G3 does not say what is wrong: {cooldown.note!r}"]
