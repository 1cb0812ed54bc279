"""`mend`: every act and every question from the command line.

Exit codes: 0 done, 1 bug, 2 bad input, 3 not enough data, 4 refused by a rule.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipeline.cli_alerts import alerts_app
from pipeline.cli_ask import ask_app
from pipeline.cli_identity import token_app
from pipeline.cli_keeping import keeping_app
from pipeline.cli_key import key_app
from pipeline.cli_labels import labels_app
from pipeline.cli_pack import pack_app
from pipeline.cli_policy import policy_app
from pipeline.cli_rollback import rollback_app
from pipeline.cli_scenarios import scenario_app
from pipeline.cli_score import score_app
from pipeline.cli_serve import serve_app
from pipeline.cli_signing import signing_app
from pipeline.cli_simulate import simulate_app
from pipeline.cli_terminal import (
    As,
    AsOf,
    Digest,
    Reason,
    TokenFile,
    argument,
    err,
    out,
    progress,
    steps_over,
    tell_registry,
    waiting,
)
from pipeline.cli_traffic import traffic_app
from pipeline.errors import InputError, MendError
from pipeline.settings import CONFIG_VARIABLE, load_settings
from pipeline.settings_types import parse_day, parse_duration
from pipeline.wiring import NOTEBOOKS, Workspace, open_workspace

app = typer.Typer(
    help="Mend keeps a credit-risk model healthy: it watches, retrains, judges, and stops in front of a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (
    ask_app,
    simulate_app,
    scenario_app,
    alerts_app,
    rollback_app,
    keeping_app,
    pack_app,
    serve_app,
    score_app,
    traffic_app,
):
    app.add_typer(commands)  # without a name: they stand beside ours
app.add_typer(key_app, name="key")
app.add_typer(labels_app, name="labels")
app.add_typer(token_app, name="token")
app.add_typer(policy_app, name="policy")
app.add_typer(signing_app, name="signing")


@app.callback()
def options(
    config: Annotated[
        str, typer.Option("--config", help="Settings file. Default: the nearest mend.toml.", metavar="FILE")
    ] = "",
) -> None:
    """Options that every command takes, before or after its name."""
    if config:
        os.environ[CONFIG_VARIABLE] = str(Path(config).resolve())


@app.command()
def init() -> None:
    """Load history, freeze the reference, train the first champion. Safe to run again."""
    from pipeline.initialise import initialise
    from pipeline.traffic.portfolio import read_portfolio

    settings = load_settings()
    portfolio = read_portfolio(settings)
    workspace = open_workspace(settings)
    with workspace.alone(), steps_over(workspace) as steps:
        if not workspace.initialised:
            with waiting("training the first champion"):
                initialise(steps, portfolio, say=steps.say)
        champion = workspace.require_champion()
    out.print(
        f"ready in {workspace.root}: champion is version {champion['version']} since {champion['since']:%Y-%m-%d}"
    )


@app.command()
def replay(
    step: Annotated[str, typer.Option(help="Time between cycles, as in 30d.")] = "30d",
    until: Annotated[str, typer.Option(help="Stop at this date. Default: when every application has arrived.")] = "",
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Do not stop when something waits for a person.")
    ] = False,
) -> None:
    """Live through the portfolio's history on a simulated clock, until a person is needed."""
    from pipeline.promotion.review import pending
    from pipeline.traffic.portfolio import read_portfolio
    from pipeline.traffic.replay import plan_replay
    from pipeline.traffic.replay import replay as run

    settings, length = load_settings(), argument("--step", parse_duration, step)
    end = argument("--until", parse_day, until) if until else None
    portfolio = read_portfolio(settings)
    workspace = open_workspace(settings)
    workspace.require_champion()
    with workspace.alone(), steps_over(workspace, ahead=2) as steps:
        plan = plan_replay(workspace, portfolio, step=length, until=end)
        with progress(len(plan.moments)) as tick:
            stopped = run(steps, portfolio, plan, keep_going=keep_going, tick=tick)
    if stopped:
        for item in pending(workspace, now=workspace.now()):
            out.print(
                f"waiting for a person: version {item.row['challenger']}, "
                f"as of {item.row['as_of']:%Y-%m-%d}. Look and decide:"
            )
            out.print(f"  mend review {item.digest[:12]}")
            known_by = "--as NAME" if settings.identity.mode == "local" else "--token-file FILE"
            out.print(f"  mend approve {item.digest[:12]} {known_by} --reason WHY")
    else:
        out.print(f"replayed to {workspace.now():%Y-%m-%d}; nothing waits for a person")


@app.command()
def monitor(
    once: Annotated[bool, typer.Option("--once", help="One cycle, then stop.")] = False,
    as_of: AsOf = "",
) -> None:
    """Run a cycle now and then every monitor.interval, on the wall clock."""
    from pipeline.clock import wall_clock
    from pipeline.running.scheduler import monitor as run_forever
    from pipeline.running.scheduler import monitor_once, slot

    settings = load_settings()
    workspace = open_workspace(settings)
    workspace.require_champion()
    last = workspace.ledger.last_cycle()
    simulated = last is not None and last["clock"] == "replay"
    if not as_of:
        workspace.require_wall_clock()
    if as_of and not once:
        once = True  # a given moment is judged once
    with workspace.alone(), steps_over(workspace) as steps:
        if not once:
            run_forever(steps, settings.monitor.interval)
            return
        moment = argument("--as-of", parse_day, as_of) if as_of else slot(wall_clock(), settings.monitor.interval)
        if last is not None and moment < last["as_of"]:
            raise InputError("--as-of", f"expected a time after the last cycle ({last['as_of']:%Y-%m-%d %H:%M})", as_of)
        with waiting("running one cycle"):
            monitor_once(steps, moment, clock="replay" if simulated else "wall")


@app.command()
def train(
    as_: As = "",
    reason: Reason = "",
    as_of: AsOf = "",
    token_file: TokenFile = "",
) -> None:
    """Ask for a challenger now: train one and put it through the gates."""
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.running.request import request_challenger

    settings = load_settings()
    person = person_at_terminal(settings, as_, token_file)
    workspace = open_workspace(settings)
    workspace.require_champion()
    moment = argument("--as-of", parse_day, as_of) if as_of else workspace.now()
    with workspace.alone(), steps_over(workspace) as steps, waiting("training and judging"):
        row = request_challenger(steps, moment, person=person, reason=reason)
    out.print(f"version {row['challenger']}: {row['status']}, dossier {row['digest'][:12]}")


@app.command()
def approve(digest: Digest, as_: As = "", reason: Reason = "", token_file: TokenFile = "") -> None:
    """Sign a dossier: its challenger becomes the champion."""
    _decide(digest, "approved", as_, reason, token_file)


@app.command()
def reject(digest: Digest, as_: As = "", reason: Reason = "", token_file: TokenFile = "") -> None:
    """Refuse a dossier for good."""
    _decide(digest, "rejected", as_, reason, token_file)


@app.command()
def reconcile() -> None:
    """Make the MLflow registry say what the ledger says. Runs by itself at every cycle."""
    from pipeline.promotion.reconcile import reconcile as run

    workspace = open_workspace(load_settings())
    changes = run(workspace, now=workspace.now())
    out.print("\n".join(changes) if changes else "the registry says what the ledger says")


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="Port to listen on.")] = 8501,
    address: Annotated[
        str, typer.Option(help="Address to listen on; with identity.mode local, only this machine's.")
    ] = "127.0.0.1",
) -> None:
    """Open the review desk in a browser."""
    from pipeline.identity.desk import require_fit_desk, streamlit_options
    from pipeline.promotion.reconcile import has_followed

    settings = load_settings()
    require_fit_desk(settings, address=address)
    workspace = open_workspace(settings)
    if not has_followed(workspace):  # a crash came between a decision and its registry
        _print_registry(workspace)
    os.environ[CONFIG_VARIABLE] = str(settings.source)
    script = NOTEBOOKS.parent / "dashboard" / "desk.py"
    os.chdir(script.parent)  # where .streamlit/config.toml is
    options = ["--server.port", str(port), *streamlit_options(settings, address=address)]
    command = [sys.executable, "-m", "streamlit", "run", str(script), *options]
    os.execv(command[0], command)  # noqa: S606  our own interpreter and our own script


def _decide(digest: str, verdict: Any, as_: str, reason: str, token_file: str) -> None:
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.promotion.decide import decide
    from pipeline.promotion.review import find_digest

    settings = load_settings()
    person = person_at_terminal(settings, as_, token_file)
    workspace = open_workspace(settings)
    workspace.require_champion()
    now = workspace.now()
    decision = decide(workspace, find_digest(workspace, digest), verdict, person=person, reason=reason, now=now)
    champion = workspace.require_champion()
    by = f"{decision['actor']}{'' if person.verified else ' (local, unverified)'}"
    out.print(escape(f"{decision['verdict']} by {by} as of {decision['at']:%Y-%m-%d}: {decision['reason']}"))
    out.print(f"champion is version {champion['version']} since {champion['since']:%Y-%m-%d}")
    _print_registry(workspace)


def _print_registry(workspace: Workspace) -> None:
    for line in tell_registry(workspace):
        out.print(f"registry: {escape(line)}")


def main(arguments: list[str] | None = None) -> None:
    """Entry point: one clear line for every fault we know, a traceback only for our own bugs."""
    # Histogram trees on a portfolio of thousands gain nothing from a second thread, and on a busy machine two threads
    # waiting for each other made training five times slower. Kernels inherit it; set it yourself for millions of rows.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    given = _config_first(list(sys.argv[1:] if arguments is None else arguments))
    try:
        app(given, prog_name="mend")
    except MendError as error:
        err.print(f"mend: {escape(str(error))}", style="red")
        raise SystemExit(error.exit_code) from None


def _config_first(arguments: list[str]) -> list[str]:
    """`--config FILE` is welcome anywhere on the line; typer wants it before the command."""
    for position, given in enumerate(arguments):
        if given == "--config" and position + 1 < len(arguments):
            return [*arguments[position : position + 2], *arguments[:position], *arguments[position + 2 :]]
        if given.startswith("--config="):
            return [given, *arguments[:position], *arguments[position + 1 :]]
    return arguments


if __name__ == "__main__":
    main()
