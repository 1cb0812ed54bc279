"""The evidence pack: one self-contained file per decision, for whoever asks a year later and has no Mend.

`python -m dashboard.pack DIGEST --out FILE` writes it. `mend pack` and the Review page start that, in a process of its
own: the renderer of charts takes 300 MB that a desk has no use for, and a fault in it would end the desk too.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
from datetime import datetime
from pathlib import Path

from pipeline.artefacts import write_atomically
from pipeline.errors import InputError, MendError, StoreError
from pipeline.promotion.review import Reviewed, find_digest
from pipeline.settings import CONFIG_VARIABLE, load_settings
from pipeline.settings_types import parse_day
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace, open_workspace

ROOT = Path(__file__).parent.parent
LONGEST_S = 300  # until a pack that is not made is given up; the demo's takes 10 s on a busy machine


def make(workspace: Workspace, digest: str, *, as_of: datetime) -> bytes:
    """The pack of a dossier as things stood at a moment; the same ledger and moment give the same bytes.

    Raises:
        InputError: No such dossier, or not yet at that moment.
        IntegrityError: The dossier is not what was judged.
    """
    from dashboard.pack_case import gather  # only here: what imports this file for its button draws nothing
    from dashboard.pack_page import page

    return page(gather(workspace, digest, as_of=as_of)).encode()


def file_name(version: str, digest: str) -> str:
    """What the pack of a dossier is called.

    >>> file_name("9", "95ffb16af9662aa7745a593d50c8d7007e3c110e56b42b49b74092ff5ab3e7d9")
    'evidence_pack_v9_95ffb16af966.html'
    """
    return f"evidence_pack_v{version}_{digest[:12]}.html"


def button(workspace: Workspace, item: Reviewed) -> None:
    """Makes the pack when it is clicked, and lets the browser save it."""
    import streamlit as st  # only here: whoever writes a pack at a terminal needs no desk

    st.download_button(
        "Evidence pack (HTML)",
        data=lambda: made_apart(workspace, item.digest),
        file_name=file_name(item.row["challenger"], item.digest),
        mime="text/html",
        icon=":material/inventory_2:",
        on_click="ignore",
        help="The whole decision in one file, with how to check it without Mend. It opens in any browser, offline, and "
        "prints to PDF.",
    )


def made_apart(workspace: Workspace, digest: str) -> bytes:
    """The pack as things stand now, made in a process of its own.

    Raises:
        StoreError: It could not be made; with the one line that says why.
    """
    with tempfile.TemporaryDirectory(prefix="mend_pack_") as folder:
        out = Path(folder) / "pack.html"
        command = [sys.executable, "-m", "dashboard.pack", digest, "--out", str(out), "--as-of", iso(workspace.now())]
        variables = {**os.environ, CONFIG_VARIABLE: str(workspace.settings.source)}
        done = subprocess.run(  # noqa: S603  our own interpreter and our own file
            command, cwd=ROOT, env=variables, capture_output=True, text=True, timeout=LONGEST_S, check=False
        )
        if done.returncode:
            raise StoreError("evidence pack", done.stderr.strip().rpartition("\n")[2] or f"exit code {done.returncode}")
        return out.read_bytes()


def main(arguments: list[str] | None = None) -> int:
    """Write the pack of one dossier and say where it is and what its SHA-256 is."""
    parser = argparse.ArgumentParser(prog="mend pack", description="Write the evidence pack of one dossier.")
    parser.add_argument("digest")
    parser.add_argument("--out", default="")
    parser.add_argument("--as-of", default="")
    given = parser.parse_args(arguments)
    try:
        workspace = open_workspace(load_settings())
        workspace.require_champion()
        digest = find_digest(workspace, given.digest)
        as_of = _moment(given.as_of) if given.as_of else workspace.now()
        content = make(workspace, digest, as_of=as_of)
        row = workspace.ledger.get("dossier", digest) or {}
        path = Path(given.out or file_name(row["challenger"], digest))
        write_atomically(path, content)
    except MendError as error:
        sys.stderr.write(f"mend: {error}\n")
        return error.exit_code
    except OSError as error:
        sys.stderr.write(f"mend: {given.out}: not written: {error.strerror}\n")
        return StoreError.exit_code
    print(f"{path}: {len(content):,} bytes, SHA-256 {hashlib.sha256(content).hexdigest()}, as of {iso(as_of)}")  # noqa: T201
    return 0


def _moment(text: str) -> datetime:
    try:
        return parse_day(text)
    except ValueError as error:
        raise InputError("--as-of", error) from None


if __name__ == "__main__":
    sys.exit(main())
