"""`mend simulate`: what would Mend's drift judgement have said, had this happened to my portfolio?"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli_terminal import Json, argument, err, out, print_json, table
from pipeline.errors import InputError
from pipeline.settings import CONFIG_VARIABLE, load_settings
from pipeline.settings_types import parse_duration

if TYPE_CHECKING:
    from monitoring.checks import Check
    from pipeline.settings import Settings
    from pipeline.traffic.simulation import Look, Plan, Simulated, Verdict

scenario_app = typer.Typer()

_SEEN = {
    "psi": "PSI",
    "missing": "missing share",
    "range": "share out of range",
    "new_category": "share never seen",
}


@scenario_app.command()
def simulate(
    scenario: Annotated[str, typer.Option(help="What happens; --list shows them.", metavar="NAME")] = "",
    feature: Annotated[str, typer.Option(help="To which feature. Default: the most informative one.")] = "",
    strength: Annotated[float | None, typer.Option(help="How much, in the scenario's own unit; see --list.")] = None,
    rows_per_day: Annotated[int, typer.Option(help="Applications a day.")] = 2000,
    days: Annotated[int, typer.Option(help="Days from go-live on.")] = 30,
    change_at: Annotated[int, typer.Option(help="Day on which it starts, counted from 0.")] = 10,
    seed: Annotated[int, typer.Option(help="The same seed gives the same traffic.")] = 7,
    every: Annotated[str, typer.Option(help="Time between two looks.")] = "1d",
    lookback: Annotated[str, typer.Option(help="How far back a look goes.")] = "24h",
    period: Annotated[str, typer.Option(help="Length of a wave of seasonality.")] = "7d",
    folder: Annotated[str, typer.Option("--out", help="Write it as a portfolio with settings.", metavar="FOLDER")] = "",
    predictions: Annotated[
        int,
        typer.Option(help="Instead: put so many, scored, into this workspace's last lookback.", min=0, max=1_000_000),
    ] = 0,
    show_list: Annotated[bool, typer.Option("--list", help="Show the scenarios and stop.")] = False,
    as_json: Json = False,
) -> None:
    """Draw the portfolio's own applicants again, change them on a day, and show what drift monitoring would have said.

    Needs no workspace, but with --predictions. There is no champion here: its score is not looked at.
    """
    from monitoring.scenarios import describe, named

    if show_list:
        _show_list(describe(), as_json)
        return
    if not scenario:
        raise InputError("--scenario", f"expected one of {', '.join(describe())}")
    from pipeline.traffic import simulated_files, simulation
    from pipeline.traffic.portfolio import read_portfolio

    what = argument("--scenario", named, scenario)
    apart, back = argument("--every", parse_duration, every), argument("--lookback", parse_duration, lookback)
    plan = simulation.Plan(
        scenario=scenario,
        feature=feature or None,
        strength=strength,
        period=argument("--period", parse_duration, period),
        rows_per_day=rows_per_day,
        days=days,
        change_at=change_at,
        seed=seed,
    )
    if folder:
        simulated_files.require_free(Path(folder))
    settings = load_settings()
    if predictions:
        _fill_window(settings, plan, predictions, as_json=as_json)
        return
    with _progress(quiet=as_json) as bar:
        portfolio = read_portfolio(settings)
        made = simulation.simulate(portfolio, settings, plan)
        moments = simulation.look_times(made, every=apart, lookback=back)
        bar("preparing", total=len(settings.data.features) + len(moments))
        reference = simulation.get_ready(portfolio, settings, tick=bar)
        policy = simulation.policy_for(settings, every=apart, lookback=back)
        found: list[Look] = []
        for look in simulation.looks(made, reference, policy, every=apart, lookback=back):
            found.append(look)
            bar(f"{look.summary.timestamp:%Y-%m-%d}")
            if not (as_json or out.is_terminal):
                out.print(escape(_line(look)))
    written = {}
    if folder:
        written = simulated_files.write(made, portfolio, settings, folder=Path(folder), every=apart, lookback=back)
    if as_json:
        asked = {"every_s": apart.total_seconds(), "lookback_s": back.total_seconds(), "look_level": policy.look_level}
        print_json(asked | _told(made, found) | {"written": written or None})
    else:
        _show(made, found, unseen=what.unseen)
    if folder and not as_json:
        _show_folder(Path(folder), every)


def _fill_window(settings: Settings, plan: Plan, count: int, *, as_json: bool) -> None:
    from pipeline.clock import wall_clock
    from pipeline.traffic.portfolio import read_portfolio
    from pipeline.traffic.straight import fill_window
    from pipeline.wiring import open_workspace

    workspace = open_workspace(settings)
    workspace.require_champion()
    workspace.require_wall_clock()
    done = fill_window(workspace, read_portfolio(settings), plan, count=count, now=wall_clock())
    if as_json:
        print_json({"applications": done.applications, "labels": done.labels})
        return
    out.print(
        f"{done.applications:,} scored applications in the last {settings.monitor.lookback}, {done.labels:,} outcomes"
    )


def _told(made: Simulated, found: list[Look]) -> dict[str, Any]:
    from pipeline.traffic.simulation import told, verdict

    result = verdict(found)
    first = result.first
    return {
        "simulated": told(made),
        "verdict": {
            "looks_before": result.before,
            "false_alarms": result.false_alarms,
            "looks_after": result.after,
            "alarms_after": result.alarms_after,
            "unjudged": result.unjudged,
            "first_alarm_look": result.first_at,
            "first_alarm_days": None if first is None else _days(made, first),
            "named": [] if first is None else [check.to_json() for check in first.summary.drifted],
            "sentence": _sentence(made, result),
        },
        "looks": [{"after_change": look.after, "summary": look.summary.to_json()} for look in found],
    }


def _show(made: Simulated, found: list[Look], *, unseen: str) -> None:
    from pipeline.traffic.simulation import verdict

    result = verdict(found)
    if out.is_terminal:
        table([_row(look) for look in found])
    out.print(escape(made.applied.log))
    if made.outside:
        out.print(f"{made.outside:,} rows lie outside the settings' ranges: left out, as when a file is read")
    out.print(escape(_sentence(made, result)))
    if unseen and result.first is None:
        out.print(f"not to be seen here: {unseen}")


def _show_list(texts: dict[str, str], as_json: bool) -> None:
    if as_json:
        print_json(texts)
    else:
        table([{"scenario": name, "what happens": text} for name, text in texts.items()])


def _show_folder(folder: Path, every: str) -> None:
    config = folder / "mend.toml"
    out.print(f"written to {folder}: live through it with")
    out.print(f"  mend --config {config} init")
    out.print(f"  mend --config {config} replay --step {every}")
    if overriding := sorted(name for name in os.environ if name.startswith("MEND_") and name != CONFIG_VARIABLE):
        err.print(f"unset these first, they override the settings there: {', '.join(overriding)}")


def _row(look: Look) -> dict[str, Any]:
    summary = look.summary
    first = summary.drifted[0] if summary.drifted else None
    return {
        "look": f"{summary.timestamp:%Y-%m-%d %H:%M}",
        "rows": f"{summary.rows:,}",
        "state": summary.state.value,
        "features drifted": f"{len(summary.drifted_features)} of {summary.num_features_total}",
        "first": _named(first) if first else summary.reason,
        "limit": None if first is None or first.limit is None else f"{first.limit:.3g}",
        "changed": look.after,
    }


def _line(look: Look) -> str:
    cells = _row(look)
    said = f": {cells['first']}" if cells["first"] else ""
    limit = f", limit {cells['limit']}" if cells["limit"] else ""
    changed = " (changed)" if look.after else ""
    return f"{cells['look']}{changed}  {cells['rows']} rows  {cells['state']}  {cells['features drifted']}{said}{limit}"


def _named(check: Check) -> str:
    seen = _SEEN[check.code]
    if check.code == "psi":
        return f"{check.feature} ({seen} {check.observed:.3g} over {check.rows:,} values)"
    return f"{check.feature} ({seen} {check.expected:.3g} → {check.observed:.3g} of {check.rows:,})"


def _sentence(made: Simulated, result: Verdict) -> str:
    false = f"{result.false_alarms} of {result.before} looks"
    unjudged = f"; {result.unjudged} looks could not be judged" if result.unjudged else ""
    if not made.applied.touched:
        return f"no change; false alarms: {false}{unjudged}"
    change = f"change at {made.change:%Y-%m-%d}"
    if not result.after:
        told = "no look after it"
    elif result.first is None or result.first_at is None:
        told = f"no alarm in {result.after} looks after it"
    else:
        looked = "1 look" if result.first_at == 1 else f"{result.first_at} looks"
        passed = _days(made, result.first)
        told = f"first alarm after {looked} ({passed:.3g} day{'s' * (passed != 1)}), named: "
        told += "; ".join(_named(check) for check in result.first.summary.drifted[:3])
        told += f"; {result.alarms_after} of {result.after} looks alarm"
    return f"{change}, {told}. False alarms before the change: {false}{unjudged}"


def _days(made: Simulated, look: Look) -> float:
    return (look.summary.timestamp - made.change) / timedelta(days=1)


@contextmanager
def _progress(*, quiet: bool) -> Iterator[Any]:
    """A bar on a terminal, on the error stream so that what is printed stays alone. `total` is given once, first."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=quiet or not err.is_terminal, transient=True) as shown:
        task = shown.add_task("reading", total=None)

        def step(what: str, total: int | None = None) -> None:
            shown.update(task, description=what, total=total, advance=1 if total is None else 0)

        yield step
