"""`mend serve`: the scoring service."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli_terminal import out
from pipeline.errors import RefusedError
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

serve_app = typer.Typer()
_GRACE_S = 30  # for requests in flight when told to stop; a second turned answers that were on disk into errors


@serve_app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    address: Annotated[str, typer.Option(help="Address to listen on; this machine's only.")] = "127.0.0.1",
) -> None:
    """Score applications over HTTP; every answer is on record before it is given."""
    import uvicorn

    from pipeline.identity.desk import is_loopback
    from pipeline.serving.app import create_app

    if not is_loopback(address):
        raise RefusedError("--address", f"{address} is not this machine's own; the service asks for no key yet")
    workspace = open_workspace(load_settings())
    workspace.require_wall_clock()
    app = create_app(workspace, hosts=("localhost", "127.0.0.1", address))
    out.print(f"scoring on http://{address}:{port} (what it takes: /openapi.json, its state: /health)")
    uvicorn.run(app, host=address, port=port, log_level="warning", access_log=False, timeout_graceful_shutdown=_GRACE_S)
