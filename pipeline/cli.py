"""`mend`: every act and every question from the command line.

Exit codes: 0 done, 1 bug, 2 bad input, 3 not enough data, 4 refused by a rule.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from pipeline.errors import InputError, MendError, NotebookFailedError
from pipeline.settings import CONFIG_VARIABLE, Settings, load_settings, parse_day, parse_duration
from pipeline.wiring import NOTEBOOKS, Workspace, open_workspace

app = typer.Typer(
    help="Mend keeps a credit-risk model healthy: it watches, retrains, judges, and stops in front of a person.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
ledger_app = typer.Typer(help="The record of every act: append-only and hash-chained.", no_args_is_help=True)
app.add_typer(ledger_app, name="ledger")
_PIPED_WIDTH = None if sys.stdout.isatty() else 160  # columns; rich takes 80 when nobody tells it
out = Console(highlight=False, soft_wrap=True, width=_PIPED_WIDTH)
err = Console(stderr=True, highlight=False, soft_wrap=True)

Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
AsOf = Annotated[str, typer.Option("--as-of", help="UTC time to judge, ISO 8601. Default: this workspace's now.")]
Digest = Annotated[str, typer.Argument(help="The dossier's digest, or its first 8 characters or more.")]
As = Annotated[str, typer.Option("--as", help="Who decides: one of approval.approvers. Local and unverified.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; goes on record.")]


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
    with workspace.alone(), _steps(workspace) as steps:
        if not workspace.initialised:
            with _waiting("training the first champion"):
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

    settings, length = load_settings(), _argument("--step", parse_duration, step)
    end = _argument("--until", parse_day, until) if until else None
    portfolio = read_portfolio(settings)
    workspace = open_workspace(settings)
    workspace.require_champion()
    with workspace.alone(), _steps(workspace, ahead=2) as steps:
        plan = plan_replay(workspace, portfolio, step=length, until=end)
        with _progress(len(plan.moments), steps.say) as tick:
            stopped = run(steps, portfolio, plan, keep_going=keep_going, tick=tick)
    if stopped:
        for item in pending(workspace, now=workspace.now()):
            out.print(
                f"waiting for a person: version {item.row['challenger']}, "
                f"as of {item.row['as_of']:%Y-%m-%d}. Look and decide:"
            )
            out.print(f"  mend review {item.digest[:12]}")
            out.print(f"  mend approve {item.digest[:12]} --as NAME --reason WHY")
    else:
        out.print(f"replayed to {workspace.now():%Y-%m-%d}; nothing waits for a person")


@app.command()
def monitor(
    once: Annotated[bool, typer.Option("--once", help="One cycle, then stop.")] = False,
    as_of: AsOf = "",
) -> None:
    """Run a cycle now and then every monitor.interval, on the wall clock."""
    from pipeline.clock import wall_clock
    from pipeline.errors import RefusedError
    from pipeline.running.scheduler import monitor as run_forever
    from pipeline.running.scheduler import monitor_once, slot

    settings = load_settings()
    workspace = open_workspace(settings)
    workspace.require_champion()
    last = workspace.ledger.last_cycle()
    simulated = last is not None and last["clock"] == "replay"
    if simulated and not as_of:
        raise RefusedError(
            f"this workspace lives on a simulated clock ({last['as_of']:%Y-%m-%d}); " if last else "",
            "give --as-of, or a workspace of its own: MEND_MODEL__WORKSPACE=var/live mend init",
        )
    if as_of and not once:
        once = True  # a given moment is judged once
    with workspace.alone(), _steps(workspace) as steps:
        if not once:
            run_forever(steps, settings.monitor.interval)
            return
        moment = _argument("--as-of", parse_day, as_of) if as_of else slot(wall_clock(), settings.monitor.interval)
        if last is not None and moment < last["as_of"]:
            raise InputError("--as-of", f"expected a time after the last cycle ({last['as_of']:%Y-%m-%d %H:%M})", as_of)
        with _waiting("running one cycle"):
            monitor_once(steps, moment, clock="replay" if simulated else "wall")


@app.command()
def train(
    as_: As = "",
    reason: Reason = "",
    as_of: AsOf = "",
) -> None:
    """Ask for a challenger now: train one and put it through the gates."""
    from pipeline.running.request import request_challenger

    workspace = open_workspace(load_settings())
    workspace.require_champion()
    moment = _argument("--as-of", parse_day, as_of) if as_of else workspace.now()
    with workspace.alone(), _steps(workspace) as steps, _waiting("training and judging"):
        row = request_challenger(steps, moment, actor=as_, reason=reason)
    out.print(f"version {row['challenger']}: {row['status']}, dossier {row['digest'][:12]}")


@app.command()
def drift(as_of: AsOf = "", as_json: Json = False) -> None:
    """Look at one window by hand: runs drift.ipynb off the record and prints what moved."""
    from monitoring.values import DriftSummary
    from pipeline.frames import drift_frame

    result = _by_hand("drift", as_of, {})
    workspace = open_workspace(load_settings())
    summary = DriftSummary.from_json(json.loads((workspace.root / result["summary"]).read_text(encoding="utf-8")))
    if as_json:
        print_json(summary.to_json())
        return
    out.print(f"{summary.window.window_id}: {summary.state.value}, {summary.rows} rows. {summary.reason or ''}")
    frame = drift_frame(summary)
    _table(frame[["feature", "drift_score", "threshold", "drift_detected", "moved", "rows"]].to_dict("records"))


@app.command()
def gate(
    challenger: Annotated[str, typer.Argument(help="Version to judge. Default: the newest.")] = "",
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """Judge a challenger by hand: runs gate.ipynb off the record and prints the six gates."""
    result = _by_hand("gate", as_of, {"challenger": challenger})
    if as_json:
        print_json({name: value for name, value in result.items() if name not in ("path", "sha256")})
        return
    out.print(
        f"version {result['challenger']} against {result['champion']}: {result['status']} (by hand, not on record)"
    )
    _table(
        [
            {name: check[name] for name in ("code", "name", "outcome", "observed", "threshold", "note")}
            for check in result["checks"]
        ]
    )


@app.command()
def review(
    digest: Annotated[str, typer.Argument(help="Show one dossier in full.")] = "",
    every: Annotated[bool, typer.Option("--all", help="Decided and refused ones too.")] = False,
    as_json: Json = False,
) -> None:
    """What waits for a person, with every gate."""
    from pipeline import status as ask
    from pipeline.frames import checks_frame
    from pipeline.promotion.review import find_digest, read_dossier

    workspace = open_workspace(load_settings())
    workspace.require_champion()
    items = ask.review(workspace, now=workspace.now(), every=every or bool(digest))
    if digest:
        full = find_digest(workspace, digest)
        items = [item for item in items if item["digest"] == full]
    if as_json:
        print_json(items)
        return
    if not items:
        out.print("nothing waits for a person; `mend review --all` shows what was decided and refused")
    for item in items:
        out.print(
            f"{item['digest'][:12]}  version {item['challenger']} against {item['champion']}, "
            f"as of {item['as_of'][:10]}: "
            f"{item['standing']}, expires {item['expires_at'][:10]}"
        )
        dossier = read_dossier(workspace, item["digest"])
        _table(
            checks_frame(dossier)[["gate", "name", "outcome", "observed", "threshold", "unit", "note"]].to_dict(
                "records"
            )
        )


@app.command()
def approve(digest: Digest, as_: As = "", reason: Reason = "") -> None:
    """Sign a dossier: its challenger becomes the champion."""
    _decide(digest, "approved", as_, reason)


@app.command()
def reject(digest: Digest, as_: As = "", reason: Reason = "") -> None:
    """Refuse a dossier for good."""
    _decide(digest, "rejected", as_, reason)


@app.command()
def status(as_json: Json = False) -> None:
    """The model, its champion, what waits, and the last cycle."""
    from pipeline import status as ask

    workspace = open_workspace(load_settings())
    found = ask.status(workspace, now=workspace.now())
    if as_json:
        print_json(found)
        return
    last = found["last_cycle"]
    out.print(
        f"{found['model']}: champion is version {found['champion']['version']} since {found['champion']['since'][:10]}"
    )
    share = "" if last is None or last["drift_share"] is None else f", {last['drift_share']:.0%} of features drifted"
    out.print(
        f"last cycle: {last['as_of'][:16]} {last['status']}{share}"
        if last
        else "last cycle: none yet; run `mend replay` or `mend monitor`"
    )
    out.print("waiting for a person: " + (", ".join(digest[:12] for digest in found["pending"]) or "nothing"))
    state = "verified" if found["ledger"]["verified"] else "BROKEN, run `mend ledger verify`"
    out.print(f"ledger: {found['ledger']['entries']} entries, {state}; reference: {found['reference']['rows']} rows")


@app.command()
def story(as_json: Json = False) -> None:
    """Every challenger so far and what came of it, as a Markdown table."""
    from pipeline import status as ask

    workspace = open_workspace(load_settings())
    workspace.require_champion()
    rows = ask.story(workspace, now=workspace.now())
    if as_json:
        print_json(rows)
    else:
        print(ask.story_markdown(rows))  # noqa: T201  plain text for a file, no wrapping


@app.command()
def reconcile() -> None:
    """Make the MLflow registry say what the ledger says. Runs by itself at every cycle."""
    from pipeline.promotion.reconcile import reconcile as run

    workspace = open_workspace(load_settings())
    changes = run(workspace, now=workspace.now())
    out.print("\n".join(changes) if changes else "the registry says what the ledger says")


@app.command()
def doctor(as_json: Json = False) -> None:
    """Check environment, stores, reference, registry against ledger, and data file; say what to do."""
    from pipeline.doctor import examine

    settings = load_settings()
    workspace = open_workspace(settings)
    with _waiting("examining"):
        findings = list(examine(settings, workspace, now=workspace.now()))
    if as_json:
        print_json({"ok": all(item.ok for item in findings), "checks": [item.to_json() for item in findings]})
    else:
        for item in findings:
            out.print(
                f"{'ok     ' if item.ok else 'PROBLEM'} {item.check}: {escape(item.detail)}"
                + (f" → {item.do}" if item.do else "")
            )
    if not all(item.ok for item in findings):
        raise typer.Exit(4)


@app.command()
def dashboard(
    port: Annotated[int, typer.Option(help="Port on this machine.")] = 8501,
) -> None:
    """Open the review desk in a browser, on this machine only."""
    settings = load_settings()
    open_workspace(settings).require_champion()
    os.environ[CONFIG_VARIABLE] = str(settings.source)
    script = NOTEBOOKS.parent / "dashboard" / "app.py"
    os.chdir(script.parent)  # where .streamlit/config.toml is
    command = [sys.executable, "-m", "streamlit", "run", str(script), "--server.port", str(port)]
    os.execv(command[0], command)  # noqa: S606  our own interpreter and our own script


@ledger_app.command("show")
def ledger_show(
    kind: Annotated[str, typer.Option(help="Only entries of this kind, as in decision.")] = "",
    last: Annotated[int, typer.Option(help="How many, from the newest.", min=1)] = 30,
    as_json: Json = False,
) -> None:
    """Who did what, and when."""
    workspace = open_workspace(load_settings())
    entries = workspace.ledger.entries(kind=kind or None, limit=last)
    if as_json:
        print_json([_entry_json(entry) for entry in entries])
        return
    rows = [
        {
            "seq": entry.seq,
            "at": f"{entry.at:%Y-%m-%d %H:%M}",
            "kind": entry.kind,
            "key": entry.key[:28],
            "actor": entry.actor,
            "hash": entry.hash[:12],
        }
        for entry in entries
    ]
    _table(rows)


@ledger_app.command("verify")
def ledger_verify(as_json: Json = False) -> None:
    """Check every entry, every row and every file it names; says where it breaks."""
    from pipeline.stores.verify import verify

    workspace = open_workspace(load_settings())
    with _waiting("reading every file on record"):
        found = verify(workspace.ledger, workspace=workspace.root)
    if as_json:
        print_json(
            {
                "verified": found.verified,
                "entries": found.entries,
                "files": found.files,
                "head": found.head,
                "breaks": list(found.breaks),
            }
        )
    else:
        for line in found.breaks:
            err.print(f"BROKEN {escape(line)}")
        out.print(
            f"{found.entries} entries, {found.files} files, head {found.head[:12]}: "
            + ("verified" if found.verified else f"{len(found.breaks)} breaks")
        )
    if not found.verified:
        raise typer.Exit(4)


def print_json(value: Any) -> None:
    """JSON on standard output, nothing else."""
    print(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False, default=str))  # noqa: T201


def _entry_json(entry: Any) -> dict[str, Any]:
    from pipeline.stores.engine import iso

    return {
        "seq": entry.seq,
        "at": iso(entry.at),
        "recorded_at": iso(entry.recorded_at),
        "kind": entry.kind,
        "key": entry.key,
        "actor": entry.actor,
        "body": entry.body,
        "files": entry.files,
        "prev": entry.prev,
        "hash": entry.hash,
    }


def _decide(digest: str, verdict: Any, actor: str, reason: str) -> None:
    from pipeline.promotion.decide import decide
    from pipeline.promotion.reconcile import reconcile as follow
    from pipeline.promotion.review import find_digest

    workspace = open_workspace(load_settings())
    workspace.require_champion()
    now = workspace.now()
    decision = decide(workspace, find_digest(workspace, digest), verdict, actor=actor, reason=reason, now=now)
    champion = workspace.require_champion()
    out.print(
        f"{decision['verdict']} by {decision['actor']} as of {decision['at']:%Y-%m-%d}: {escape(decision['reason'])}"
    )
    out.print(f"champion is version {champion['version']} since {champion['since']:%Y-%m-%d}")
    with _waiting("telling the registry"):
        for line in follow(workspace, now=now):
            out.print(f"registry: {line}")


def _by_hand(name: str, as_of: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a notebook off the record; its artefact as a dict."""
    from pipeline.stores.engine import iso

    settings = load_settings()
    workspace = open_workspace(settings)
    workspace.require_champion()
    moment = _argument("--as-of", parse_day, as_of) if as_of else workspace.now()
    with _runner(settings, settings.workspace / "by_hand") as runner, _waiting(f"running {name}.ipynb"):
        run = runner.run(
            name, {"config": str(settings.source), "as_of": iso(moment), **parameters}, run_id=f"by_hand_{name}"
        )
    if run.artefact is None:
        raise NotebookFailedError(f"{name}.ipynb", run.error, f"executed copy: {run.path}")
    content: dict[str, Any] = json.loads(run.artefact.read_text(encoding="utf-8"))
    return content


@contextmanager
def _runner(settings: Settings, runs: Path) -> Iterator[Any]:
    from pipeline.running.notebooks import NotebookRunner

    deadline = settings.notebooks.deadline.total_seconds()
    with NotebookRunner(
        notebooks=NOTEBOOKS, runs=runs, deadline_s=deadline, kernel=settings.notebooks.kernel
    ) as runner:
        yield runner


@contextmanager
def _steps(workspace: Workspace, *, ahead: int = 0) -> Iterator[Any]:
    from pipeline.running.steps import Steps

    with _runner(workspace.settings, workspace.root / "monitoring" / "runs") as runner:
        yield Steps(workspace=workspace, runner=runner, say=lambda line: out.print(escape(line)), ahead=ahead)


@contextmanager
def _progress(total: int, _say: Any) -> Iterator[Any]:
    """A bar on a terminal; elsewhere only the events' lines."""
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=out, disable=not out.is_terminal, transient=True) as bar:
        task = bar.add_task("replay", total=total)

        def tick(as_of: datetime) -> None:
            bar.update(task, advance=1, description=f"{as_of:%Y-%m-%d}")

        yield tick


@contextmanager
def _waiting(what: str) -> Iterator[None]:
    with out.status(what) if out.is_terminal else _nothing():
        yield


@contextmanager
def _nothing() -> Iterator[None]:
    yield


def _argument(name: str, parse: Any, text: str) -> Any:
    try:
        return parse(text)
    except ValueError as error:
        raise InputError(name, error) from None


def _table(rows: list[dict[Any, Any]]) -> None:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in rows[0] if rows else ():
        table.add_column(str(name).replace("_", " "), overflow="fold")
    for row in rows:
        table.add_row(*(_cell(value) for value in row.values()))
    out.print(table)


def _cell(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return {True: "yes", False: "no", None: "–"}[value]
    return f"{value:.4g}" if isinstance(value, float) else escape(str(value))


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
    for position, argument in enumerate(arguments):
        if argument == "--config" and position + 1 < len(arguments):
            return [*arguments[position : position + 2], *arguments[:position], *arguments[position + 2 :]]
        if argument.startswith("--config="):
            return [argument, *arguments[:position], *arguments[position + 1 :]]
    return arguments


if __name__ == "__main__":
    main()
