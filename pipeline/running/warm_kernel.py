"""One Jupyter kernel, started ahead, used for one run, then killed.

A cycle is mostly imports. A kernel that has done them while nobody waits runs a notebook several times sooner, and
since it serves one run only, no variable of one run is seen by another. Its code is of the moment it was started.
"""

from __future__ import annotations

import ast
import asyncio
import fcntl
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Awaitable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from jupyter_client.asynchronous.client import AsyncKernelClient
from jupyter_client.kernelspec import KernelSpecManager, NoSuchKernel
from jupyter_client.manager import AsyncKernelManager

from pipeline.errors import InputError
from pipeline.kernelspec import KERNEL_NAME, QUIET

FOLDER_PREFIX = "mend-kernel-"
LONGEST_FOLDER = 80  # a Unix socket's path holds 104 (macOS) to 108 bytes, and its name takes some of them
ABANDONED_S = 60.0  # a folder this old whose owner has let go of it belongs to a process that was killed
ENVIRONMENT = QUIET | {"MPLBACKEND": "agg", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
# The parent's end ends the kernel. ipykernel polls for it, too, but not while a cell is in C code and holds the GIL.
DIE_WITH_PARENT = "import ctypes\nctypes.CDLL(None).prctl(1, 9)\n" if sys.platform == "linux" else ""


class Kernel:
    """A kernel process of ours, with a private folder for its sockets and the working copies of its run.

    It cannot outlive us, even if we are killed: it dies with the thread that started it, and that thread is its own.
    """

    def __init__(self, *, working_folder: Path, preload: str = "") -> None:
        """Start the process and queue statements for it; returns at once, it gets ready by itself.

        The notebook does not see the names that `preload` binds. Nobody waits for its answer, as the run's requests
        queue behind it, and an import that fails here fails again in its own cell, where it is recorded.

        Raises:
            InputError: The kernel is not installed in this environment.
        """
        self.manager = _Manager(kernel_name=KERNEL_NAME, kernel_spec_manager=_our_kernelspecs(), transport="ipc")
        try:
            _ = self.manager.kernel_spec
        except NoSuchKernel:
            raise InputError(f"Jupyter kernel {KERNEL_NAME!r} is not installed here: run `make setup`") from None
        self.folder = Path(tempfile.mkdtemp(prefix=FOLDER_PREFIX, dir=_short_folder()))
        self._claim = _claim(self.folder)
        _sweep_abandoned(self.folder)
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix=self.folder.name)
        try:
            self._process = self._start(working_folder)
            self._queue(DIE_WITH_PARENT + preload)
        except BaseException:
            if self.manager.has_kernel:
                self._wait_for(self.manager.shutdown_kernel(now=True))
            self._forget()
            raise

    def _start(self, working_folder: Path) -> subprocess.Popen[bytes]:
        self.manager.connection_file = str(self.folder / "k.json")
        # No startup scripts and no history of whoever is logged in: a run depends on the notebook only.
        environment = os.environ | ENVIRONMENT | {"IPYTHONDIR": str(self.folder)}
        starting = self.manager.start_kernel(
            cwd=str(working_folder),
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            extra_arguments=["--HistoryManager.hist_file=:memory:"],
        )
        self._wait_for(starting)
        process: subprocess.Popen[bytes] = getattr(self.manager.provisioner, "process")  # noqa: B009 (untyped there)
        return process

    def _queue(self, statements: str) -> None:
        code = f"exec({statements!r}, {{}})"
        request = {"code": code, "silent": True, "store_history": False, "allow_stdin": False}
        self._shell = self.manager.connect_shell()  # kept open: the kernel may not be listening yet
        self.manager.session.send(self._shell, "execute_request", request)

    @property
    def exit_code(self) -> int | None:
        """As of `subprocess`: None while it lives, minus the signal's number when a signal killed it."""
        return self._process.poll()

    def kill(self) -> None:
        """Kill the process and its children, whatever they are doing; any thread may do so at any time."""
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)

    def close_client(self) -> None:
        """Close the channels of the run, in the thread that ran it."""
        if self.manager.run_client is not None:
            self.manager.run_client.stop_channels()

    def close(self) -> None:
        """Kill the process and leave nothing of it behind."""
        self.kill()
        self._process.wait()
        self._wait_for(self.manager.cleanup_resources())
        self._forget()

    def _forget(self) -> None:
        self._thread.shutdown()
        shutil.rmtree(self.folder, ignore_errors=True)
        self._claim.close()

    def _wait_for(self, awaitable: Awaitable[object]) -> None:
        """Await something of jupyter_client, also for a caller that is inside a running event loop."""

        async def wait() -> None:
            await awaitable

        self._thread.submit(asyncio.run, wait()).result()


class _Manager(AsyncKernelManager):
    """Remembers the client that nbclient asks for: nbclient closes it only with a kernel that it has started itself."""

    run_client: AsyncKernelClient | None = None

    def client(self, **kwargs: Any) -> Any:  # Any: the two base classes disagree
        self.run_client = super().client(**kwargs)
        return self.run_client


def preload_statements(sources: Iterable[str]) -> str:
    """The top-level imports of some code cells, each allowed to fail; cells that are not plain Python are skipped.

    >>> print(preload_statements(["import json, re\\nx = 1", "%magic", "from math import pi"]))
    try: import json, re
    except Exception: pass
    try: from math import pi
    except Exception: pass
    """
    statements: list[ast.stmt] = []
    for source in sources:
        with suppress(SyntaxError):
            statements += ast.parse(source).body
    imports = [node for node in statements if isinstance(node, ast.Import) or _imports_from_elsewhere(node)]
    return "\n".join(f"try: {ast.unparse(node)}\nexcept Exception: pass" for node in imports)


def _imports_from_elsewhere(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module != "__future__"


def _our_kernelspecs() -> KernelSpecManager:
    """Only this environment's kernels: a "mend" in the user's home would run another environment's packages."""
    folder = Path(sys.prefix) / "share" / "jupyter" / "kernels"
    return KernelSpecManager(kernel_dirs=[str(folder)], ensure_native_kernel=False)


def _short_folder() -> Path:
    usual = Path(tempfile.gettempdir())
    return usual if len(str(usual)) <= LONGEST_FOLDER else Path("/tmp")  # noqa: S108 (mkdtemp makes it private)


def _claim(folder: Path) -> IO[bytes]:
    """Hold a folder for as long as the file is open, that is at most until our process ends."""
    claim = (folder / "claim").open("wb")
    try:
        fcntl.flock(claim, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        claim.close()
        raise
    return claim


def _sweep_abandoned(newest: Path) -> None:
    """Remove what killed processes left beside a new folder: copies of notebooks with their outputs."""
    for folder in newest.parent.glob(f"{FOLDER_PREFIX}*"):
        with suppress(OSError):  # another user's, still claimed, or gone by now
            if newest.stat().st_mtime - folder.stat().st_mtime > ABANDONED_S:
                with _claim(folder):
                    shutil.rmtree(folder, ignore_errors=True)
