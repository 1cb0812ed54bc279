"""`mend key`: keys for the scoring service."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli_terminal import As, Json, Reason, TokenFile, argument, err, out, print_json, table
from pipeline.errors import InputError, NotEnoughDataError
from pipeline.settings import load_settings
from pipeline.settings_types import parse_duration
from pipeline.wiring import open_workspace

key_app = typer.Typer(help="Keys for the scoring service.", no_args_is_help=True)
_LONGEST_NAME = 100


@key_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose it is: one for each program, so that one can be revoked alone.")],
    scope: Annotated[list[str], typer.Option("--scope", help="score, label or read; give it again for more.")],
    expires_after: Annotated[str, typer.Option(help="As in 365d. Default: never.")] = "",
    as_: As = "",
    reason: Reason = "",
    token_file: TokenFile = "",
) -> None:
    """Print a new key, once. It holds at once in every running service; the ledger keeps its SHA-256 alone."""
    from pipeline.clock import wall_clock
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.keeping.acting import require_person
    from pipeline.serving.keys import KIND, Scope, body_of, new_secret

    if unknown := [each for each in scope if each not in set(Scope)]:
        raise InputError("--scope", f"expected {', '.join(Scope)}, got {unknown[0]!r}")
    if not name.strip() or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise InputError("NAME", f"expected one line of at most {_LONGEST_NAME} letters")
    length = argument("--expires-after", parse_duration, expires_after) if expires_after else None
    settings = load_settings()
    person = person_at_terminal(settings, as_, token_file)
    workspace = open_workspace(settings)
    now = wall_clock()
    require_person(workspace, person, reason, act=KIND, now=now)
    secret, key_id = new_secret()
    ends = now + length if length else None
    body = body_of(secret, name=name.strip(), scopes=[Scope(each) for each in set(scope)], expires_at=ends)
    with workspace.ledger.transaction(recorded_at=now) as writer:
        writer.record(KIND, key_id, {**body, "reason": reason, "by": person.to_json()}, at=now, actor=person.actor)
    print(secret)  # noqa: T201  alone on standard output, for `mend key new NAME --scope score > FILE`
    err.print(f"This was the only look at it. It goes by {key_id}: `mend key revoke {key_id}` ends it.", style="bold")
    if not settings.serving.require_key:
        err.print("The service asks for no key yet: set serving.require_key = true.", style="yellow")


@key_app.command()
def revoke(
    key_id: Annotated[str, typer.Argument(help="As `mend key list` shows it.")],
    as_: As = "",
    reason: Reason = "",
    token_file: TokenFile = "",
) -> None:
    """End a key for good, within a second in every running service."""
    from pipeline.clock import wall_clock
    from pipeline.identity.at_terminal import person_at_terminal
    from pipeline.keeping.acting import require_person
    from pipeline.serving.keys import REVOKED, keys_on_record

    settings = load_settings()
    person = person_at_terminal(settings, as_, token_file)
    workspace = open_workspace(settings)
    now = wall_clock()
    require_person(workspace, person, reason, act=REVOKED, now=now)
    found = keys_on_record(workspace.ledger).get(key_id)
    if found is None:
        raise NotEnoughDataError("KEY_ID", f"no key goes by {key_id!r}; see `mend key list`")
    with workspace.ledger.transaction(recorded_at=now) as writer:
        body = {"reason": reason, "by": person.to_json()}
        new_one = writer.record(REVOKED, key_id, body, at=now, actor=person.actor)
    out.print(f"{key_id} ({found.name}) " + ("is revoked" if new_one else "was revoked before"), markup=False)


@key_app.command("list")
def show(as_json: Json = False) -> None:
    """Show the keys, never what they open with."""
    from pipeline.clock import wall_clock
    from pipeline.serving.keys import keys_on_record
    from pipeline.stores.engine import iso

    now = wall_clock()
    rows = [
        {
            "key": key.key_id,
            "name": key.name,
            "scopes": ", ".join(sorted(key.scopes)),
            "expires_at": iso(key.expires_at) if key.expires_at else None,
            "holds": key.holds(now),
            "revoked": key.revoked,
        }
        for key in keys_on_record(open_workspace(load_settings()).ledger).values()
    ]
    if as_json:
        print_json(rows)
    elif rows:
        table(rows)
    else:
        out.print("no keys; `mend key new NAME --scope score` makes one")
