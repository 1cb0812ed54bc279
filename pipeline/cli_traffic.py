"""`mend traffic` and `mend live`: applications for a running service, and a bank whose years take minutes."""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from pipeline.cli_terminal import Json, argument, err, out, print_json
from pipeline.errors import InputError
from pipeline.settings import load_settings
from pipeline.settings_types import parse_duration

traffic_app = typer.Typer()
KEY_VARIABLE = "MEND_API_KEY"


@traffic_app.command()
def traffic(
    scenario: Annotated[str, typer.Option(help="What happens; `mend simulate --list` shows them.")] = "none",
    feature: Annotated[str, typer.Option(help="To which feature. Default: the most informative one.")] = "",
    strength: Annotated[float | None, typer.Option(help="How much, in the scenario's own unit.")] = None,
    rate: Annotated[float, typer.Option(help="Applications a second.", min=0.01, max=5000)] = 20.0,
    duration: Annotated[str, typer.Option(help="For how long.")] = "15m",
    change_after: Annotated[str, typer.Option(help="When the scenario starts.")] = "2m",
    url: Annotated[str, typer.Option(help="Where the service is.")] = "http://127.0.0.1:8000",
    seed: Annotated[int, typer.Option(help="The same seed gives the same applicants.", min=0)] = 7,
    as_json: Json = False,
) -> None:
    """Send applications drawn from the portfolio to the running service, and their outcomes when these become known.

    A service that asks for a key gets that of the variable MEND_API_KEY.
    """
    from monitoring.scenarios import named
    from pipeline.clock import wall_clock
    from pipeline.traffic.portfolio import read_portfolio
    from pipeline.traffic.sender import Sender, stream
    from pipeline.traffic.simulation import Plan

    if not url.startswith(("http://", "https://")):
        raise InputError("--url", f"expected http:// or https://, got {url!r}")
    argument("--scenario", named, scenario)
    length, change = (
        argument("--duration", parse_duration, duration),
        argument("--change-after", parse_duration, change_after),
    )
    settings = load_settings()
    plan = Plan(scenario=scenario, feature=feature or None, strength=strength, seed=seed)
    portfolio = read_portfolio(settings)
    made = stream(
        portfolio, settings, plan, start=wall_clock(), rate=rate, length=length, change_after=min(change, length / 2)
    )
    if not as_json:
        out.print(escape(f"{len(made.rows):,} applications to {url}; from {made.change:%H:%M:%S} UTC on: {made.done}"))
    sender = Sender(url, list(settings.data.features), key=os.environ.get(KEY_VARIABLE, ""), clock=wall_clock)
    known: set[str] = set()
    columns = (TextColumn("{task.description}"), BarColumn(), TimeRemainingColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("sending", total=len(made.rows))
        for sent in sender.run(made):
            bar.update(
                task, completed=sent.applications, description=f"{sent.applications:,} sent, {sent.labels:,} labels"
            )
            for version in sorted(set(sent.versions) - known):
                known.add(version)
                if not as_json:
                    out.print(f"{wall_clock():%H:%M:%S} version {version} scores (after {sent.applications:,})")
    told = {
        "applications": sender.sent.applications,
        "called_bad": sender.sent.positive,
        "labels": sender.sent.labels,
        "labels_not_counted": dict(sender.sent.not_counted),
        "labels_known_later": sender.sent.later,
        "by_version": dict(sender.sent.versions),
        "outside_ranges": made.outside,
        "refused": sender.sent.refused,
        "why_refused": sender.sent.why_refused,
    }
    if as_json:
        print_json(told)
        return
    out.print(f"{told['applications']:,} applications answered, {told['called_bad']:,} of them called bad")
    out.print(f"{told['labels']:,} outcomes reported; {told['labels_known_later']:,} are known only after the end")
    if sender.sent.refused:
        out.print(escape(f"{sender.sent.refused:,} were refused, the first: {sender.sent.why_refused}"))
    for version, count in sorted(sender.sent.versions.items()):
        out.print(f"version {version} scored {count:,}")


@traffic_app.command()
def live(
    folder: Annotated[Path, typer.Argument(help="A new or an empty folder.")] = Path("var/live"),
) -> None:
    """Make a bank whose years take minutes, to live through drift, a challenger and a promotion on the wall clock."""
    from pipeline.clock import wall_clock
    from pipeline.traffic.live_bank import HORIZON, write_live_bank
    from pipeline.traffic.portfolio import read_portfolio

    settings = load_settings()
    portfolio = read_portfolio(settings)
    config = write_live_bank(portfolio, settings, folder=folder.absolute(), now=wall_clock())
    shrunk = portfolio.horizon / timedelta(days=1)
    out.print(f"{config}: an outcome is final after {HORIZON.total_seconds():.0f} s, not {shrunk:,.0f} days.")
    out.print(f"After `mend --config {config} init`, in three terminals:")
    for command in ("serve", "monitor", "traffic --scenario scale --strength 3 --rate 60"):
        out.print(f"  mend --config {config} {command}")
