"""Files that were taken away on record: absent, they are no break of the record."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from pipeline.stores.ledger import Entry, Ledger

KINDS = ("pruned", "erasure")  # of entries whose body holds `pruned_files`: SHA-256 by path in the workspace


def pruned_files(entries: Iterable[Mapping[str, Any]]) -> dict[str, tuple[int, str]]:
    """What was taken away: by path, the number of the entry that says so and the SHA-256 that the file had.

    Args:
        entries: Rows of the ledger's `entries`, in order; `body` as the stored text.

    >>> row = {"seq": 7, "kind": "pruned", "body": '{"pruned_files":{"a.html":"00ff"}}'}
    >>> pruned_files([{"seq": 6, "kind": "cycle", "body": "{}"}, row])
    {'a.html': (7, '00ff')}
    """
    found: dict[str, tuple[int, str]] = {}
    for row in entries:
        if row["kind"] not in KINDS:
            continue
        try:
            named = json.loads(row["body"]).get("pruned_files", {})
        except (ValueError, AttributeError):
            continue  # the chain check has named this entry already
        found.update({path: (row["seq"], digest) for path, digest in named.items()})
    return found


def may_be_absent(path: str, *, seq: int, digest: str, pruned: Mapping[str, tuple[int, str]]) -> bool:
    """Whether a file that entry `seq` recorded with this SHA-256 was taken away by a later one, that very file.

    >>> pruned = {"a.html": (7, "00ff")}
    >>> may_be_absent("a.html", seq=6, digest="00ff", pruned=pruned)
    True
    >>> may_be_absent("a.html", seq=8, digest="00ff", pruned=pruned)  # made again after it
    False
    >>> may_be_absent("a.html", seq=6, digest="11aa", pruned=pruned)  # another file was taken away
    False
    """
    taken_by, was = pruned.get(path, (0, ""))
    return taken_by > seq and was == digest


def taken_away(ledger: Ledger, path: str, sha256: str | None) -> Entry | None:
    """The last entry that says that this very file was taken away; None where none does."""
    said = (entry for kind in KINDS for entry in ledger.entries(kind=kind))
    found = [entry for entry in said if entry.body.get("pruned_files", {}).get(path, "") == sha256]
    return max(found, key=lambda entry: entry.seq, default=None)
