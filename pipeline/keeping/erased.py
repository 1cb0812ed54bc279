"""Which applications were erased, without their ids.

The ledger holds a commitment, SHA-256(receipt + id), and no id. The receipt is HMAC-SHA-256(key, id), where the key is
random and lies in the workspace: it is kept nowhere, and yet

- the applicant, who was given it, can show with `mend erase --check` that their own erasure is on record, and needs
  neither us nor the key for that: SHA-256 is all there is to it;
- whoever erases the same id again gets the first answer with the same receipt, also when a crash swallowed the first;
- a replay of the portfolio, which still holds the row, knows the id again and leaves it out.

A random salt could do the first only. The price: with the key and the ledger in hand, one can test whether a given id
was erased; anybody who can read the workspace has both. Without the key the ledger says nothing about anybody.
"""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Callable
from pathlib import Path

import pandas as pd

from pipeline.artefacts import sha256_text, write_atomically
from pipeline.errors import IntegrityError
from pipeline.stores.ledger import Entry, Ledger
from pipeline.wiring import Workspace

KIND = "erasure"  # in the ledger, keyed by the commitment
KEY = "erasure.key"  # in the workspace, and in every backup of it
_DIGITS = 32  # of hex, 128 bits: beyond guessing


def receipt_of(key: bytes, application_id: str) -> str:
    """What the applicant is given.

    >>> receipt_of(b"k" * 32, "A-1")
    'cd40fe3fb7edbe1c65a307e3f377dd86'
    """
    return hmac.digest(key, application_id.encode(), "sha256").hex()[:_DIGITS]


def commitment(receipt: str, application_id: str) -> str:
    """What the ledger holds.

    >>> commitment("00ff", "A-1")[:12]
    '7b36288109fd'
    """
    return sha256_text(receipt + application_id)


def find_erasure(ledger: Ledger, receipt: str, application_id: str) -> Entry | None:
    """The entry that a receipt and an id belong to."""
    return ledger.entry(KIND, commitment(receipt.strip().lower(), application_id))


def read_key(root: Path) -> bytes | None:
    """The workspace's key; None before the first erasure.

    Raises:
        IntegrityError: It is not a key.
    """
    try:
        key = bytes.fromhex((root / KEY).read_text(encoding="ascii"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise IntegrityError(root / KEY, f"not readable: {error}; restore it from a backup") from None
    if len(key) != secrets.DEFAULT_ENTROPY:
        raise IntegrityError(root / KEY, f"expected {secrets.DEFAULT_ENTROPY} bytes, got {len(key)}")
    return key


def make_key(root: Path) -> bytes:
    """The workspace's key, made at the first erasure."""
    if (known := read_key(root)) is not None:
        return known
    key = secrets.token_bytes()
    write_atomically(root / KEY, key.hex())  # of a temporary file's mode: nobody else's to read
    return key


def is_erased(workspace: Workspace) -> Callable[[str], bool] | None:
    """Tells of an id whether it was erased; None where nobody was.

    Raises:
        IntegrityError: Somebody was, and the key to know them by is gone.
    """
    known = {entry.key for entry in workspace.ledger.entries(kind=KIND)}
    if not known:
        return None
    key = read_key(workspace.root)
    if key is None:
        raise IntegrityError(workspace.root / KEY, "gone, so that nobody who was erased can be known; restore it")
    return lambda application_id: commitment(receipt_of(key, application_id), application_id) in known


def without_erased(workspace: Workspace, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of all who were not erased: what may be stored.

    Args:
        workspace: Whose ledger says who was.
        rows: With `application_id`.
    """
    erased = is_erased(workspace)
    return rows if erased is None else rows[~rows["application_id"].map(erased).astype(bool)]
