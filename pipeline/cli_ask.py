"""Questions at the command line: they read, and change nothing on record."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipeline.cli_ledger import ledger_app
from pipeline.cli_terminal import AsOf, Digest, Json, argument, notebook_runner, out, print_json, table, waiting
from pipeline.errors import NotebookFailedError
from pipeline.settings import load_settings
from pipeline.settings_types import parse_day
from pipeline.wiring import open_workspace

ask_app = typer.Typer()
ask_app.add_typer(ledger_app, name="ledger")


@ask_app.command()
def drift(as_of: AsOf = "", as_json: Json = False) -> None:
    """Look at one window by hand: runs drift.ipynb off the record and prints what moved."""
    from pipeline.drift_frames import drift_checks_frame, joint_sentence
    from pipeline.watching import read_summary, units

    result = _by_hand("drift", as_of, {})
    workspace = open_workspace(load_settings())
    summary = read_summary(workspace, result["summary"])
    if as_json:
        told = {name: result[name] for name in ("moved", "diagnosis", "contributions", "segments", "joint", "outcomes")}
        print_json(summary.to_json() | told)
        return
    out.print(f"{summary.window.window_id}: {summary.state.value}, {summary.rows:,} rows. {summary.reason or ''}")
    out.print(f"change: {result['diagnosis']['change']}; recommended: {result['diagnosis']['recommendation']}")
    out.print(escape(result["diagnosis"]["reason"]))
    for sentence in result["moved"]:
        out.print(f"  {escape(sentence)}")
    out.print(escape(joint_sentence(result["joint"])))
    frame = drift_checks_frame(summary, units(workspace.settings))
    shown = frame[["feature", "question", "seen", "limit", "drifted", "since", "rows"]]
    table(shown.assign(since=shown["since"].map(lambda day: f"{day:%Y-%m-%d}", na_action="ignore")).to_dict("records"))


@ask_app.command()
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
    table(
        [
            {name: check[name] for name in ("code", "name", "outcome", "observed", "threshold", "note")}
            for check in result["checks"]
        ]
    )


@ask_app.command()
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
        columns = ["gate", "name", "outcome", "observed", "threshold", "unit", "note"]
        table(checks_frame(dossier)[columns].to_dict("records"))


@ask_app.command()
def shadow(
    challenger: Annotated[str, typer.Argument(help="Version. Default: the newest that waits.")] = "",
    as_of: AsOf = "",
    as_json: Json = False,
) -> None:
    """What a challenger would have decided on live traffic of the last lookback: how much changes, outcomes aside."""
    from pipeline.shadowing import require_open_challenger, shadow_sentence
    from pipeline.shadowing import shadow as hold_beside

    workspace = open_workspace(load_settings())
    workspace.require_champion()
    moment = argument("--as-of", parse_day, as_of) if as_of else workspace.now()
    version = challenger or require_open_challenger(workspace, as_of=moment)
    found = hold_beside(workspace, version, as_of=moment)
    if as_json:
        print_json(found.to_json())
        return
    out.print(escape(shadow_sentence(found)))
    if found.others:
        out.print(f"{found.others:,} applications of the window were scored by another version and are left out")
    unit = workspace.settings.profit.unit
    table(
        [
            {"segment": cell.segment, "value": cell.value, "change": cell.direction, "applicants": cell.applicants}
            | {f"amount, {unit}" if unit else "amount": f"{cell.amount:,.0f}"}
            for cell in found.cells
        ]
    )


@ask_app.command()
def recompute(digest: Digest, as_json: Json = False) -> None:
    """Derive a dossier anew from the stored rows and models, and say where it differs. Exit 4 if it does."""
    from pipeline.promotion.review import find_digest
    from pipeline.recompute import recompute as derive

    workspace = open_workspace(load_settings())
    workspace.require_champion()
    with waiting("deriving the dossier anew"):
        found = derive(workspace, find_digest(workspace, digest))
    if as_json:
        print_json(found.to_json())
    else:
        told = "identical" if found.identical else f"differs in {len(found.differences)} places"
        out.print(f"{found.digest[:12]}: {told}")
        out.print(
            f"made with other code: {'; '.join(found.made_with)}" if found.made_with else "made with today's code"
        )
        if not found.identical:
            table([asdict(each) for each in found.differences])
    if not found.identical:
        raise typer.Exit(4)


@ask_app.command()
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
    out.print(
        f"last cycle: {last['as_of'][:16]} {last['status']}"
        if last
        else "last cycle: none yet; run `mend replay` or `mend monitor`"
    )
    if (look := found["last_look"]) is not None:
        out.print(
            f"drift: {look['features_drifted']} of {look['features_judged']} features past their limit on "
            f"{look['rows']:,} rows; change: {look['change_kind']}, recommended: {look['recommendation']}. "
            f"{escape(look.get('reason', ''))}"
        )
        for sentence in look.get("moved", [])[:3]:
            out.print(f"  {escape(sentence)}")
    out.print("waiting for a person: " + (", ".join(digest[:12] for digest in found["pending"]) or "nothing"))
    budget = found["error_budget"]
    out.print(
        f"error budget: {budget['spent_365_days']:.2%} of {budget['yearly']:.0%} a year spent by "
        f"{budget['tries_365_days']} tries in 365 days; a try today may take {budget['next_try']:.2%}"
    )
    state = "verified" if found["ledger"]["verified"] else "BROKEN, run `mend ledger verify`"
    out.print(f"ledger: {found['ledger']['entries']} entries, {state}; reference: {found['reference']['rows']} rows")


@ask_app.command()
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


def _by_hand(name: str, as_of: str, parameters: dict[str, Any]) -> dict[str, Any]:
    """Run a notebook off the record; its artefact as a dict."""
    from pipeline.stores.engine import iso

    settings = load_settings()
    workspace = open_workspace(settings)
    workspace.require_champion()
    moment = argument("--as-of", parse_day, as_of) if as_of else workspace.now()
    with notebook_runner(settings, settings.workspace / "by_hand") as runner, waiting(f"running {name}.ipynb"):
        run = runner.run(
            name, {"config": str(settings.source), "as_of": iso(moment), **parameters}, run_id=f"by_hand_{name}"
        )
    if run.artefact is None:
        raise NotebookFailedError(f"{name}.ipynb", run.error, f"executed copy: {run.path}")
    content: dict[str, Any] = json.loads(run.artefact.read_text(encoding="utf-8"))
    return content
