"""A full disk at each write of an approval, a reconcile and a rollback: no file may grow, or a small disk is full."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from attempts import DONE, Told, after, claims, counted, single_acts, tried
from kills import Act, on
from outcome import Outcome
from processes import in_child
from stage import Stage, close, opened

_PAGE = 4096  # bytes; SQLite's page and the kernel's
_NEW_USER, _NEW_MOUNTS = 0x10000000, 0x00020000  # clone flags of unshare(2)
_DISK_MIB = 64
_STEP_KIB, _QUICK_STEP_KIB = 4, 60
_MOST_KIB = 2048
FILES = "ws/monitoring"  # where documents go
_IN_A_ROW = 3  # so many tries that all had room: larger disks are no fault any more


def outcomes(stage: Stage, *, quick: bool) -> Iterator[Outcome]:
    """Each act under each limit, then on each small disk."""
    for act in single_acts(stage):
        yield _files_that_may_not_grow(stage, act, quick=quick)
    no_disk = why_no_small_disk()
    for act in single_acts(stage):
        for folder, name in ((".", "the workspace's disk"), (FILES, "the disk of documents alone")):
            if folder == FILES and act.name != "approve":
                continue  # nothing else writes one
            if no_disk is None:
                yield _a_small_disk(stage, act, folder, name, quick=quick)
            else:
                seen = f"NOT RUN: this machine mounts no small disk for us: {no_disk}"
                yield Outcome(fault=f"{name} (tmpfs) is full: {act.name}", stores=stage.name, tries=0, seen=seen)


def _files_that_may_not_grow(stage: Stage, act: Act, *, quick: bool) -> Outcome:
    with stage.copy() as config:
        _prepared(config, act)
        limits = in_child(lambda: _limits(config, act))["value"]
    asked = limits[:: max(1, len(limits) // 4)] + limits[-1:] if quick else limits
    tolds, found = [], []
    for limit, opened_before in ((limit, when) for limit in asked for when in (True, False)):
        told, wrong = _under_a_limit(stage, act, limit, opened_before)
        tolds.append(told)
        found += [f"{limit} bytes, set {'after' if opened_before else 'before'} opening: {line}" for line in wrong[:1]]
    return _outcome(f"no file may grow past a limit (RLIMIT_FSIZE): {act.name}", stage, tolds, found)


def _under_a_limit(stage: Stage, act: Act, limit: int, opened_before: bool) -> tuple[Told, list[str]]:
    with stage.copy() as config:
        _prepared(config, act)
        told = Told.of(in_child(lambda: tried(lambda: _limited(config, act, limit, opened_before))))
        return told, _wrong(config, act, told)


def _limited(config: Path, act: Act, limit: int, opened_before: bool) -> None:
    """The act, in a process whose files may not grow: from before it opens anything, or from just after."""

    def limit_now() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))

    if not opened_before:
        limit_now()
    workspace = opened(config)
    if opened_before:
        workspace.ledger.head()
        limit_now()
    try:
        act.do(workspace)
    finally:
        close(workspace)


def _limits(config: Path, act: Act) -> list[int]:
    """Limits, in bytes, under which one more write succeeds each time: where each page begins that the act writes.

    From nothing at all to the largest file's size, which is just enough.
    """
    before = _pages(config.parent)
    workspace = opened(config)
    act.do(workspace)
    written = {0, _PAGE // 8, _PAGE // 4}  # documents are smaller than a page
    during = _pages(config.parent)  # while the stores are open: their logs are there
    close(workspace)
    last = _pages(config.parent)
    for seen in (during, last):
        for path, pages in seen.items():
            known = before.get(path, [])
            written |= {
                place * _PAGE for place, page in enumerate(pages) if place >= len(known) or known[place] != page
            }
    return [*sorted(written), (max(len(pages) for pages in last.values()) + 1) * _PAGE]


def _pages(folder: Path) -> dict[str, list[bytes]]:
    files = [path for path in folder.rglob("*") if path.is_file()]
    contents = {str(path): path.read_bytes() for path in files}
    return {name: [each[at : at + _PAGE] for at in range(0, len(each), _PAGE)] for name, each in contents.items()}


def _a_small_disk(stage: Stage, act: Act, folder: str, name: str, *, quick: bool) -> Outcome:
    step_kib = _QUICK_STEP_KIB if quick and folder != FILES else _STEP_KIB
    tolds: list[Told] = []
    found: list[str] = []
    without_file, lately = 0, False
    for room_kib in range(0, _MOST_KIB, step_kib):
        if [told.kind for told in tolds[-_IN_A_ROW:]] == [DONE] * _IN_A_ROW and (folder != FILES or not lately):
            break
        with stage.copy() as config:
            _prepared(config, act)
            answer = in_child(partial(_on_a_small_disk, config, act, folder, room_kib))
        told = Told.of(answer["value"]["told"] if "value" in answer else answer)
        lately = bool(answer.get("value", {}).get("without_file"))
        without_file += lately
        wrong = answer["value"]["wrong"] if "value" in answer else claims(told, on_record=False, act=act.name)
        tolds.append(told)
        found += [f"{room_kib} KiB left: {line}" for line in wrong[:1]]
    fault = f"{name} (tmpfs) has 0, {step_kib}, … {room_kib} KiB left: {act.name}"
    if folder != FILES:
        return _outcome(fault, stage, tolds, found)
    if not 0 < without_file < len(tolds) or {told.kind for told in tolds} != {DONE}:
        found.append(f"{counted(tolds)}, {without_file} times without a file; expected all, some without")
    seen = f"{counted(tolds)}; {without_file} times the decision's file could not be written, and was by the next reconcile"
    return Outcome(fault=fault, stores=stage.name, tries=len(tolds), seen=seen, problems=tuple(found))


def _on_a_small_disk(config: Path, act: Act, folder: str, room_kib: int) -> dict[str, Any]:
    """In a process of its own: a folder of the desk on a small, full disk; the act; then room again, and what holds."""
    small = config.parent / folder
    with tempfile.TemporaryDirectory() as aside:
        shutil.copytree(small, aside, dirs_exist_ok=True)
        mount_small_disk(small)
        shutil.copytree(aside, small, dirs_exist_ok=True)
    disk, filler = os.statvfs(small), small / "somebody else's"
    with filler.open("wb") as file:
        os.posix_fallocate(file.fileno(), 0, disk.f_bavail * disk.f_frsize - room_kib * 1024)
    answer = in_child(lambda: tried(lambda: on(config, act.do)))
    without_file = not any(small.rglob("*_approved.json"))
    filler.unlink()
    return {"told": answer, "wrong": _wrong(config, act, Told.of(answer)), "without_file": without_file}


def mount_small_disk(folder: Path) -> None:
    """A tmpfs that this process and its children see, and nobody else; nobody need be root.

    Raises:
        OSError: Not on this machine.
    """
    libc, uid, gid = ctypes.CDLL(None, use_errno=True), os.getuid(), os.getgid()
    if libc.unshare(_NEW_USER | _NEW_MOUNTS):
        raise OSError(ctypes.get_errno(), f"unshare: {os.strerror(ctypes.get_errno())}")
    maps = {"setgroups": "deny", "uid_map": f"0 {uid} 1", "gid_map": f"0 {gid} 1"}
    for name, line in maps.items():
        Path(f"/proc/self/{name}").write_text(line, encoding="ascii")
    if libc.mount(b"none", str(folder).encode(), b"tmpfs", 0, f"size={_DISK_MIB}m".encode()):
        raise OSError(ctypes.get_errno(), f"mount: {os.strerror(ctypes.get_errno())}")


def why_no_small_disk() -> str | None:
    """Why this machine does not let us mount a tmpfs; None where it does."""
    with tempfile.TemporaryDirectory() as folder:
        return in_child(lambda: mount_small_disk(Path(folder))).get("error")


def _prepared(config: Path, act: Act) -> None:
    answer = in_child(lambda: on(config, act.before))
    assert "value" in answer, answer


def _wrong(config: Path, act: Act, told: Told) -> list[str]:
    """With room again: what does not hold after the next start, and what its caller was told that is not so."""
    wrong, on_record = after(config, act)
    return claims(told, on_record=on_record, act=act.name) + wrong


def _outcome(fault: str, stage: Stage, tolds: list[Told], found: list[str]) -> Outcome:
    failed = sum(told.kind != DONE for told in tolds)
    if not 0 < failed < len(tolds):
        found = [*found, f"no fault: {failed} of {len(tolds)} tries failed, expected some and not all"]
    return Outcome(fault=fault, stores=stage.name, tries=len(tolds), seen=counted(tolds), problems=tuple(found))
