"""Killing an act at every line of it, as kill -9 does."""

from __future__ import annotations

import os
import pickle
import signal
import sys
import warnings

WATCHED = ("pipeline/keeping/", "pipeline/stores/snapshot.py", "pipeline/stores/traffic.py", "pipeline/artefacts.py")


def lines_of(act) -> int:
    """How many lines of ours an act executes, in a process of its own."""
    read, write = os.pipe()

    def counted() -> None:
        seen = _tracing(act, None)
        os.write(write, pickle.dumps(seen))

    assert _forked(counted) == 0
    os.close(write)
    return pickle.loads(os.read(read, 1000))


def kill_at(act, line: int) -> None:
    """Run an act in a process of its own and kill it, as kill -9 does, before its n-th line of ours."""
    assert _forked(lambda: _tracing(act, line)) == signal.SIGKILL


def _tracing(act, line: int | None) -> int:
    seen = 0

    def local(_frame, event, _arg):
        nonlocal seen
        if event == "line":
            seen += 1
            if seen == line:
                os.kill(os.getpid(), signal.SIGKILL)
        return local

    def trace(frame, _event, _arg):
        return local if any(part in frame.f_code.co_filename for part in WATCHED) else None

    sys.settrace(trace)
    try:
        act()
    finally:
        sys.settrace(None)
    return seen


def _forked(work) -> int:
    """The signal that ended it, or 0; what it raised is its own."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # forking beside numpy's threads
        child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except BaseException as error:  # noqa: BLE001  a child must not go on as a second pytest
            print(f"{type(error).__name__}: {error}", file=sys.stderr, flush=True)
            os._exit(1)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return os.WTERMSIG(status)
    assert os.WEXITSTATUS(status) == 0
    return 0
