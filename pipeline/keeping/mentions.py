"""Where an id is still spelled after an erasure: in texts that people wrote or notebooks printed."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pipeline.artefacts import canonical_json
from pipeline.wiring import Workspace

SHORTEST = 6  # characters; a shorter id, as 4711, is found in any column of numbers
_TEXTS = {".ipynb", ".json", ".csv", ".html", ".txt", ".md"}


def mentions(workspace: Workspace, application_id: str) -> Iterator[str]:
    """Text files of the workspace and ledger entries that spell an id as a word of its own, one line each.

    Mend's own artefacts hold counts and no ids; an analyst's notebook or a typed reason may.
    """
    if len(application_id) < SHORTEST:
        return
    word = re.compile(rf"(?<!\w){re.escape(application_id)}(?!\w)")
    for entry in workspace.ledger.entries():
        if word.search(canonical_json(entry.body)):
            yield f"ledger entry {entry.seq} ({entry.kind})"
    for path in sorted(workspace.root.rglob("*")):
        if path.suffix in _TEXTS and path.is_file() and word.search(path.read_text(encoding="utf-8", errors="replace")):
            yield workspace.relative(path)
