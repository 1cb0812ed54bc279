"""`mend rollback`: back to an earlier champion, or where one can go back to."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

import typer
from rich.markup import escape

from pipeline.cli_terminal import As, Json, Reason, TokenFile, out, print_json, table, tell_registry
from pipeline.settings import load_settings
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace, open_workspace

rollback_app = typer.Typer()


@rollback_app.command()
def rollback(
    version: Annotated[str, typer.Argument(help="Which earlier champion. Without one: where one can go back to.")] = "",
    as_: As = "",
    reason: Reason = "",
    token_file: TokenFile = "",
    as_json: Json = False,
) -> None:
    """Put an earlier champion back in its place; starts the promotion cooldown."""
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.promotion.rollback import rollback as put_back

    settings = load_settings()
    if not version:
        _list(open_workspace(settings), as_json=as_json)
        return
    person = person_at_terminal(settings, as_, token_file)
    workspace = open_workspace(settings)
    workspace.require_champion()
    done = put_back(workspace, version, person=person, reason=reason, now=workspace.now())
    champion, told = workspace.require_champion(), tell_registry(workspace)
    if as_json:
        print_json({**done, "champion": champion["version"], "since": iso(champion["since"]), "registry": told})
        return
    by = f"{person.actor}{'' if person.verified else ' (local, unverified)'}"
    what = f"rolled back from version {done['from_version']} to version {done['to_version']}"
    out.print(escape(f"{what} by {by} as of {done['at'][:10]}: {done['reason']}"))
    out.print(f"champion is version {champion['version']} since {champion['since']:%Y-%m-%d}")
    for line in told:
        out.print(f"registry: {escape(line)}")


def _list(workspace: Workspace, *, as_json: bool) -> None:
    from pipeline.promotion.rollback import earlier_champions

    champion, found = workspace.require_champion(), earlier_champions(workspace)
    if as_json:
        times = [{"since": iso(each.since), "until": iso(each.until)} for each in found]
        earlier = [asdict(each) | when for each, when in zip(found, times, strict=True)]
        print_json({"champion": champion["version"], "since": iso(champion["since"]), "earlier": earlier})
        return
    out.print(f"champion is version {champion['version']} since {champion['since']:%Y-%m-%d}")
    if not found:
        out.print("there is no earlier champion to go back to")
        return
    rows: list[dict[Any, Any]] = [
        {
            "version": each.version,
            "from": f"{each.since:%Y-%m-%d}",
            "to": f"{each.until:%Y-%m-%d}",
            "how": each.how,
            "can go back": each.why_not is None,
            "why not": each.why_not or "",
        }
        for each in found
    ]
    table(rows)
