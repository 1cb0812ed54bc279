"""Anchors: the ledger's newest hash, left where whoever rewrites the ledger does not reach, and read back.

A chain proves that nothing in it was changed, but not that it is all there: a ledger whose newest entries were cut off,
or that was written anew from the start, is a good chain too. It disagrees with what was said about it before.
"""

from __future__ import annotations

import json
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from pipeline.artefacts import canonical_json, sha256_text, sync_folder, write_atomically
from pipeline.clock import wall_clock
from pipeline.errors import InputError, MendError
from pipeline.settings_ledger import LedgerSettings
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Entry, Ledger

KIND = "anchor"  # of the entries that say when an anchor began to fail, and when it held again
_PATIENCE_S = 5.0  # of a server that hangs; a cycle and a person who signs wait for it
_TURN_S = 20.0  # until another process of this workspace has set its anchors
_TAIL_BYTES = 65_536  # far more than two lines take
_logger = logging.getLogger("mend.ledger.anchor")


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """What was said about the ledger: its entry of this number had this hash. `file` and `line` say where it stands."""

    entry: int
    hash: str
    file: str = ""
    line: int = 0


def anchor(
    ledger: Ledger,
    settings: LedgerSettings,
    *,
    model: str,
    folder: Path,
    now: datetime,
    say: Callable[[str], None],
) -> list[str]:
    """Leave the ledger's head at every address; one that knows it already is not told again. Never raises.

    Args:
        ledger: Whose head.
        settings: The addresses.
        model: The model's name, for whoever reads the anchors of several.
        folder: The workspace.
        now: The act's time, should an anchor's failure go on record.
        say: Prints a line.

    Returns:
        What went wrong, a line for each address; each is also said, and put on record when it begins and ends.
    """
    if not settings.anchors:
        return []
    try:
        with FileLock(folder / "anchor.lock", timeout=_TURN_S):
            failed = _tell_all(ledger, settings, model, folder)
            _record_changes(ledger, failed, now)
    except Timeout:
        failed = {"all": "another process holds anchor.lock; the next cycle sets them"}
    except (MendError, OSError) as error:  # what was done is done and on record: it must not look as if it had failed
        failed = {"all": str(error)}
    lines = [f"anchor {name}: {why}" for name, why in failed.items() if why is not None]
    for line in lines:
        say(line)
    return lines


def anchor_files(settings: LedgerSettings, folder: Path) -> list[Path]:
    """The files among the addresses."""
    return [_path(each, folder) for each in settings.addresses.values() if each.startswith("file:")]


def read_anchors(path: Path) -> tuple[list[Anchor], list[str]]:
    """Anchors of a file, and a line for each of its lines that cannot be read, as a crash or a full disk leaves one.

    Raises:
        InputError: There is no such file, or it is not a text.
    """
    anchors, notes = [], []
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                found = _parsed(line, path, number)
                if found is not None:
                    anchors.append(found)
                elif line.strip():
                    notes.append(f"{path} line {number}: not a whole anchor, as a crash leaves one; not used")
    except OSError as error:
        raise InputError(path, f"anchors not readable: {error.strerror}") from None
    return anchors, notes


def _tell_all(ledger: Ledger, settings: LedgerSettings, model: str, folder: Path) -> dict[str, str | None]:
    """Why not, by address; None where the head is known now."""
    head = ledger.at(ledger.head()[0])
    if head is None:
        return {}
    line = canonical_json(
        {"entry": head.seq, "hash": head.hash, "recorded_at": iso(head.recorded_at), "model": model}
    ).encode()
    told, answers = _read_told(folder), dict[str, str | None]()
    for name, address in settings.addresses.items():
        try:
            answers[name] = _tell(ledger, address, head, line, told, folder)
        except urllib.error.HTTPError as error:
            answers[name] = f"answered with status {error.code}"
        except Exception as error:  # noqa: BLE001  whatever a disk or network does; its words may quote the address
            answers[name] = f"not reached ({getattr(error, 'strerror', None) or type(error).__name__})"
    _write_told(folder, told)
    return answers


def _tell(
    ledger: Ledger, address: str, head: Entry, line: bytes, told: dict[str, list[Any]], folder: Path
) -> str | None:
    is_file = address.startswith("file:")
    last = _last_anchor(_path(address, folder)) if is_file else _last_told(told, address)
    if last == (head.seq, head.hash):
        return None
    if last is not None and ((known := ledger.at(last[0])) is None or known.hash != last[1]):
        return f"knows entry {last[0]} otherwise: another ledger's, or this one was cut; run `mend ledger verify`"
    if is_file:
        _append(_path(address, folder), line)
    elif address == "log:":
        _log(line)
    else:
        _post(address, line)
    told[_secretless(address)] = [head.seq, head.hash]
    return None


def _path(address: str, folder: Path) -> Path:
    return folder / Path(address.removeprefix("file:")).expanduser()


def _last_anchor(path: Path) -> tuple[int, str] | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(max(0, size - _TAIL_BYTES))
            lines = file.read().splitlines()
    except FileNotFoundError:
        return None
    found = [each for line in lines if (each := _parsed(line, path, 0)) is not None]
    return (found[-1].entry, found[-1].hash) if found else None


def _parsed(line: bytes, path: Path, number: int) -> Anchor | None:
    try:
        content = json.loads(line)
        entry, value = content["entry"], content["hash"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if type(entry) is not int or entry < 1 or not isinstance(value, str):
        return None
    return Anchor(entry=entry, hash=value, file=str(path), line=number)


def _append(path: Path, line: bytes) -> None:
    """Add a line and see it on the disk. The folder is not made: if it is missing, a mount may not be there."""
    new = not path.exists()
    with path.open("ab+") as file:
        if file.seek(0, os.SEEK_END) > 0:
            file.seek(-1, os.SEEK_END)
            if file.read(1) != b"\n":  # the last line was cut by a crash: it stays alone
                line = b"\n" + line
        file.write(line + b"\n")
        file.flush()
        os.fsync(file.fileno())
    if new:
        sync_folder(path.parent)


def _log(line: bytes) -> None:
    """To Python's logger of this name; on standard error, where nobody has said what happens to it."""
    _logger.setLevel(logging.INFO)
    if not _logger.hasHandlers():
        _logger.addHandler(logging.StreamHandler())
    _logger.info("%s", line.decode())


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """A redirected POST becomes a GET that carries nothing, and would be taken for an answer."""

    def redirect_request(self, *_arguments: object) -> None:
        """Refuse: the answer's own status is the error."""


def _post(url: str, line: bytes) -> None:
    request = urllib.request.Request(url, data=line, headers={"Content-Type": "application/json"})  # noqa: S310  settings allow http and https only
    with urllib.request.build_opener(_NoRedirect).open(request, timeout=_PATIENCE_S):
        return


def _secretless(address: str) -> str:
    return sha256_text(address)[:16]


def _last_told(told: Mapping[str, list[Any]], address: str) -> tuple[int, str] | None:
    """What a log or a web address was told last; it cannot be asked."""
    known = told.get(_secretless(address))
    return None if known is None else (known[0], known[1])


def _read_told(folder: Path) -> dict[str, list[Any]]:
    try:
        content = json.loads((folder / "anchored.json").read_bytes())
        return {str(key): [int(entry), str(value)] for key, (entry, value) in content.items()}
    except (OSError, ValueError, TypeError, AttributeError):
        return {}  # none yet, or not readable: an address is told again


def _write_told(folder: Path, told: dict[str, list[Any]]) -> None:
    if told != _read_told(folder):
        write_atomically(folder / "anchored.json", canonical_json(told))


def _record_changes(ledger: Ledger, answers: Mapping[str, str | None], now: datetime) -> None:
    """Put on record which addresses began to fail and which answer again: once, not at every cycle."""
    states: dict[str, bool] = {}
    for entry in ledger.entries(kind=KIND):
        states[entry.body["anchor"]] = entry.body["state"] == "failing"
    changed = {name: why for name, why in answers.items() if (why is not None) != states.get(name, False)}
    if not changed:
        return
    with ledger.transaction(recorded_at=wall_clock()) as writer:
        for name, why in changed.items():
            state = "holds again" if why is None else "failing"
            body = {"anchor": name, "state": state, "why": why}
            writer.record(KIND, f"{writer.next_seq()} {name}"[:200], body, at=now, actor="mend")
