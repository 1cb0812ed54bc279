"""`mend token`: what a person signs with at the command line."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.markup import escape

from pipeline.cli_terminal import argument, err
from pipeline.errors import InputError
from pipeline.identity.tokens import new_token, token_hash
from pipeline.settings import load_settings
from pipeline.settings_identity import UNKNOWN_TOKEN
from pipeline.settings_types import parse_day

token_app = typer.Typer(help="Tokens that say who somebody is at the command line.", no_args_is_help=True)


@token_app.callback()
def tokens() -> None:
    """Keeps `new` a command of its own; typer would drop the name of an only one."""


@token_app.command()
def new(
    name: Annotated[str, typer.Argument(help="Whose it is, as approval.approvers names them.")],
    until: Annotated[str, typer.Option(help="When it ends, as in 2027-01-31, UTC. Default: never.")] = "",
) -> None:
    """Print a new token, once, and the settings line that knows it by its SHA-256 alone."""
    settings = load_settings()
    if name.strip() in ("", UNKNOWN_TOKEN) or not name.isprintable():
        raise InputError("mend token new", "expected whose it is, as approval.approvers names them", repr(name))
    ends = f" until {argument('--until', parse_day, until):%Y-%m-%d}" if until else ""
    token = new_token()
    print(token)  # noqa: T201  alone on standard output, for `mend token new NAME > FILE`
    line = f'{json.dumps(name.strip(), ensure_ascii=False)} = "{token_hash(token)}{ends}"'
    err.print("This was the only look at it. Keep it in a file that only its owner reads (umask 077).", style="bold")
    err.print(f"Put this into {escape(str(settings.source))}, in place of any older line of that name:\n")
    err.print(escape(f"[identity.tokens]\n{line}"))
    if name.strip() not in settings.approval.approvers:
        err.print(f"\nNot on the list yet: add {escape(name.strip())} to approval.approvers.", style="yellow")
