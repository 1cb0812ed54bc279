"""`mend pack`: the evidence pack of a dossier, by a process of its own, as `mend dashboard` starts Streamlit."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from pipeline.cli_terminal import Digest, argument
from pipeline.settings import CONFIG_VARIABLE, load_settings
from pipeline.settings_types import parse_day

pack_app = typer.Typer()


@pack_app.command()
def pack(
    digest: Digest,
    out: Annotated[
        str, typer.Option("--out", help="Where to; a file there is replaced. Default: named after the dossier, here.")
    ] = "",
    as_of: Annotated[
        str, typer.Option("--as-of", help="UTC time, ISO 8601: as things stood then. Default: this workspace's now.")
    ] = "",
) -> None:
    """Write the evidence pack of a dossier: one HTML file for auditors, without Mend, offline, for the screen and A4.

    The same ledger, dossier and --as-of give the same bytes.
    """
    settings = load_settings()
    if as_of:
        argument("--as-of", parse_day, as_of)
    os.environ[CONFIG_VARIABLE] = str(settings.source)
    options = [*(["--out", out] if out else []), *(["--as-of", as_of] if as_of else [])]
    command = [sys.executable, "-m", "dashboard.pack", *options, "--", digest]
    os.execv(command[0], command)  # noqa: S606  our own interpreter and our own module
