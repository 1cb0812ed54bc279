"""A page asked for as a browser asks, by a client that draws nothing: what the server takes to make it, and no more.

A browser on the same two cores would compete with the server that it waits for. This client opens the desk's WebSocket,
asks for a page, and reads until the server says that the script of the page has finished: Streamlit's own protocol.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from desk_servers import Served
from streamlit.proto.BackMsg_pb2 import BackMsg
from streamlit.proto.ForwardMsg_pb2 import ForwardMsg
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

PATIENCE_S = 300.0


@dataclass(frozen=True, kw_only=True)
class Render:
    """One page made once, for somebody who has just come in."""

    wall_s: float  # from the question to "finished"
    cpu_s: float  # of the server meanwhile: what a busy machine does not blur
    sent_kb: float


def render(served: Served, path: str, query: str = "") -> Render:
    """Ask for a page in a session of its own.

    Args:
        served: The desk.
        path: Of the page, as in its address; empty for the first.
        query: As in the address, without the question mark.

    Raises:
        RuntimeError: The page's script failed, or did not finish in time.
    """
    asked = BackMsg()
    asked.rerun_script.page_name, asked.rerun_script.query_string = path, query
    address = served.address.replace("http", "ws", 1) + "/_stcore/stream"
    options = {"origin": Origin(served.address), "subprotocols": [Subprotocol("streamlit")], "max_size": None}
    with connect(address, **options, open_timeout=PATIENCE_S) as wire:  # type: ignore[arg-type]
        cpu, began, received = served.cpu_s(), time.perf_counter(), 0
        wire.send(asked.SerializeToString())
        while True:
            frame = wire.recv(timeout=PATIENCE_S, decode=False)
            received += len(frame)
            message = ForwardMsg.FromString(bytes(frame))
            if message.WhichOneof("type") == "script_finished":
                break
        if message.script_finished != ForwardMsg.FINISHED_SUCCESSFULLY:
            raise RuntimeError(f"/{path}: {ForwardMsg.ScriptFinishedStatus.Name(message.script_finished)}")
        wall = time.perf_counter() - began
        return Render(wall_s=wall, cpu_s=served.cpu_s() - cpu, sent_kb=received / 1024)
