"""`mend signing`: the key pair that signs model files, and a signature for a model that has none yet."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from pipeline.cli_terminal import out
from pipeline.errors import SettingsError
from pipeline.settings import load_settings

signing_app = typer.Typer(help="Keys that sign model files, and signatures made with them.", no_args_is_help=True)


@signing_app.command()
def keygen(
    folder: Annotated[Path, typer.Argument(help="Where the two files go; outside the workspace and its backups.")],
) -> None:
    """Make a key pair. Nothing is overwritten; the private key is readable by you alone."""
    from pipeline.training.signing import make_keys

    private, public = make_keys(folder)
    out.print(f"private key: {escape(str(private))} (mode 0600; only where models are trained)")
    out.print(f"public key:  {escape(str(public))} (wherever models are loaded or promoted)")
    out.print("Then sign the models on record (`mend signing sign VERSION`): signing.public_key refuses the rest.")


@signing_app.command()
def sign(version: Annotated[str, typer.Argument(help="The model version, as in 1.")]) -> None:
    """Sign a version trained before [signing] was set, or with an older key. Its files must be those on record."""
    from pipeline.clock import wall_clock
    from pipeline.training.signing import sign_again
    from pipeline.wiring import open_workspace

    settings = load_settings()
    if settings.signing.private_key is None:
        raise SettingsError(settings.source, "signing.private_key: not set; `mend signing keygen DIR` makes a key")
    workspace = open_workspace(settings)
    path = sign_again(workspace, version, at=workspace.now(), recorded_at=wall_clock())
    out.print(f"signed version {escape(version)}: {escape(path)}")
