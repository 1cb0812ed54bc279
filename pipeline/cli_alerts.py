"""Alerts at the command line, and the doctor that can raise one."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipeline.alerts.precision import Precision
from pipeline.cli_terminal import Json, Reason, argument, err, out, print_json, table, waiting
from pipeline.errors import InputError, MendError
from pipeline.settings import Settings, load_settings
from pipeline.settings_types import parse_duration
from pipeline.wiring import Workspace, open_workspace

alerts_app = typer.Typer()
_alerts = typer.Typer(help="What is wrong now, who was told, and what became of it.", invoke_without_command=True)
alerts_app.add_typer(_alerts, name="alerts")

_DEADLINE_S = 300.0  # we chose: the ledger is verified at some 3,000 entries a second, a year of it in two minutes
Id = Annotated[str, typer.Argument(help="The alert's number, as in 12.")]
Who = Annotated[str, typer.Option("--as", help="Who you are. Local and unverified.")]


@_alerts.callback()
def list_alerts(
    context: typer.Context,
    every: Annotated[bool, typer.Option("--all", help="Closed ones too.")] = False,
    as_json: Json = False,
) -> None:
    """What is wrong now, who was told, and what became of it."""
    if context.invoked_subcommand is not None:
        return
    from pipeline.alerts.journal import read_state
    from pipeline.alerts.precision import history, precision

    workspace = open_workspace(load_settings())
    rows, state = history(workspace.ledger), read_state(workspace.ledger)
    shown = [row for row in rows if every or row["closed_at"] is None]
    addresses = list(workspace.settings.alerts.addresses)
    found = precision(rows)
    if as_json:
        failing = [each for each in state.to_json()["failing"] if each["target"] in addresses]
        told = {"addresses": addresses, "not_reached": failing}
        print_json({"alerts": shown, "precision": found.to_json(), **told})
        return
    out.print(f"{len(shown)} alerts" if every else f"{len(state.open)} alerts open, {len(rows)} so far")
    if shown:
        table([_shown(row) for row in shown])
    out.print(_precision_line(found))
    if not addresses:
        out.print("nobody is told: alerts.urls is empty")
    for each in state.failing:
        if each.target in addresses:
            out.print(
                f"not reached: {each.target} since {each.since:%Y-%m-%d %H:%M}, {each.attempts} attempts: {each.why}"
            )


@_alerts.command("test")
def test_message() -> None:
    """Send a test message now, and say for each address whether its service took it."""
    from pipeline.alerts.delivery_apprise import deliver

    settings = load_settings()
    addresses = _addresses(settings)
    title = f"[mend] {settings.model.name}: a test"
    body = f"{settings.model.name}: somebody typed `mend alerts test`. Nothing is wrong."
    failed = 0
    for name, url in addresses.items():
        with waiting(f"sending to {name}"):
            failure = deliver(url, title=title, body=body, severe=False)
        failed += failure is not None
        out.print(f"{'ok     ' if failure is None else 'PROBLEM'} {name}: {failure or 'delivered to its service'}")
    if failed:
        raise typer.Exit(4)


@_alerts.command()
def snooze(
    alert: Id,
    length: Annotated[str, typer.Option("--for", help="How long, as in 2d.")] = "",
    as_: Who = "",
    reason: Reason = "",
) -> None:
    """Silence for one open alert; its end is still told."""
    from pipeline.alerts.alerting import snooze as run

    workspace, number = _of(alert)
    now, quiet = workspace.now(), argument("--for", parse_duration, length)
    if quiet <= timedelta(0):
        raise InputError("--for", f"expected longer than nothing, got {length!r}")
    run(workspace, number, until=now + quiet, actor=as_, reason=reason, now=now)
    out.print(f"alert {number} is silent until {now + quiet:%Y-%m-%d %H:%M} UTC")


@_alerts.command()
def own(alert: Id, as_: Who = "") -> None:
    """Take one open alert: no more reminders, its end is still told."""
    from pipeline.alerts.alerting import own as run

    workspace, number = _of(alert)
    run(workspace, number, actor=as_, now=workspace.now())
    out.print(f"alert {number} is owned by {escape(as_)}")


@_alerts.command()
def judge(
    alert: Id,
    real: Annotated[bool | None, typer.Option("--real/--false", help="Was there something to it?")] = None,
    as_: Who = "",
    reason: Reason = "",
) -> None:
    """Say whether an alert, open or closed, was right. The last word counts."""
    from pipeline.alerts.alerting import judge as run
    from pipeline.alerts.precision import history, precision

    if real is None:
        raise InputError("judge", "expected --real or --false")
    workspace, number = _of(alert)
    run(workspace, number, real=real, actor=as_, reason=reason, now=workspace.now())
    out.print(f"alert {number} was {'real' if real else 'false'}, says {escape(as_)}")
    out.print(_precision_line(precision(history(workspace.ledger))))


@alerts_app.command()
def doctor(
    alert: Annotated[
        bool, typer.Option("--alert", help="For cron: tell alerts.urls what is wrong, once, and when it is well again.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Check cycles, alerts, environment, stores, reference, registry against ledger, and data file; say what to do."""
    from pipeline.alerts.watchdog import tell_findings
    from pipeline.clock import wall_clock
    from pipeline.doctor import look_over, look_over_within

    settings, wall = load_settings(), wall_clock()
    if alert:
        _addresses(settings)
        findings = look_over_within(_DEADLINE_S, settings, wall=wall, watched=True)
        tell_findings(settings, findings, wall=wall, say=lambda line: err.print(escape(line)))
    else:
        with waiting("examining"):
            findings = list(look_over(settings, wall=wall))
    well = all(item.ok for item in findings)
    if as_json:
        print_json({"ok": well, "checks": [item.to_json() for item in findings]})
    else:
        for item in findings:
            what_to_do = f" → {item.do}" if item.do else ""
            out.print(f"{'ok     ' if item.ok else 'PROBLEM'} {item.check}: {escape(item.detail)}{escape(what_to_do)}")
    if not well:
        raise typer.Exit(4)


def _addresses(settings: Settings) -> dict[str, str]:
    if not settings.alerts.addresses:
        raise MendError(settings.source, "alerts.urls is empty: there is nobody to tell")
    return settings.alerts.addresses


def _of(alert: str) -> tuple[Workspace, int]:
    number = alert.removeprefix("#")
    if not number.isdecimal() or not number.isascii() or len(number) > 9:
        raise InputError("alert", f"expected its number, as in 12, got {alert!r}")
    return open_workspace(load_settings()), int(number)


def _shown(row: dict[str, Any]) -> dict[str, Any]:
    until = row["snoozed_until"]
    hands = f"silent until {until[:16]}" if until else row["owner"]
    ending = {"closed": row["closed_at"][:16]} if row["closed_at"] else {"closed": None}
    return {
        "id": row["id"],
        "severity": row["severity"],
        "what": " ".join(part for part in (row["code"], row["subject"]) if part),
        "opened": row["opened_at"][:16],
        **ending,
        "with": hands,
        "judged": row["verdict"],
        "text": row["text"],
    }


def _precision_line(found: Precision) -> str:
    judged = found.real + found.false
    if found.share is None or found.interval is None:
        return f"precision: not known, none of {found.not_judged} alerts is judged (`mend alerts judge`)"
    low, high = found.interval
    return (
        f"precision: {found.share:.0%} ({found.real} real of {judged} judged, 95 % interval {low:.0%} to {high:.0%}); "
        f"{found.not_judged} not judged"
    )
