"""`mend serve`: the scoring service."""

from __future__ import annotations

from typing import Annotated

import typer

from pipeline.cli_terminal import err, out
from pipeline.errors import RefusedError
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

serve_app = typer.Typer()
_CONNECTIONS = 1000  # more get 503: each takes memory, and a place among those who wait
_GRACE_S = 30  # for requests in flight when told to stop; a second turned answers that were on disk into errors


@serve_app.command()
def serve(
    port: Annotated[int, typer.Option(help="Port to listen on.", min=1, max=65535)] = 8000,
    address: Annotated[
        str, typer.Option(help="Address to listen on; another than this machine's needs serving.require_key.")
    ] = "127.0.0.1",
) -> None:
    """Score applications over HTTP; every answer is on record before it is given."""
    import uvicorn

    from pipeline.clock import wall_clock
    from pipeline.identity.desk import is_loopback
    from pipeline.serving.app import create_app
    from pipeline.serving.keys import keys_on_record

    workspace = open_workspace(load_settings())
    serving = workspace.settings.serving
    if not is_loopback(address) and not serving.require_key:
        raise RefusedError("--address", f"{address} is not this machine's own; set serving.require_key = true first")
    workspace.require_wall_clock()
    if serving.require_key and not any(key.holds(wall_clock()) for key in keys_on_record(workspace.ledger).values()):
        err.print("serving.require_key is set and no key holds: `mend key new NAME --scope score`", style="yellow")
    app = create_app(workspace, hosts=("localhost", "127.0.0.1", address, *serving.hosts))
    out.print(f"scoring on http://{address}:{port} (what it takes: /openapi.json, its state: /health)")
    uvicorn.run(
        app,
        host=address,
        port=port,
        log_level="warning",
        access_log=False,  # who asked what is in the log that counts, and ids do not belong into another
        timeout_graceful_shutdown=_GRACE_S,
        limit_concurrency=_CONNECTIONS,
    )
