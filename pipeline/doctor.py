"""`mend doctor`: is everything here that is needed, does it agree, and what to do if not."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from jupyter_core.paths import jupyter_path

from pipeline.errors import MendError
from pipeline.promotion.reconcile import projection
from pipeline.settings import Settings
from pipeline.stores.verify import verify
from pipeline.traffic.portfolio import read_portfolio
from pipeline.wiring import Workspace

_FREE_BYTES = 2_000_000_000  # a year of five-minute cycles with weekly reports needs about this much


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at."""

    check: str
    ok: bool
    detail: str
    do: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def examine(settings: Settings, workspace: Workspace, *, now: datetime) -> Iterator[Finding]:
    """Every check, each on its own: one that breaks does not hide the others."""
    checks: list[tuple[str, str, Callable[[], str]]] = [
        ("python", "use Python 3.11 to 3.13", _python),
        ("kernel", "run `make setup`", _kernel),
        ("disk", "make room", lambda: _disk(settings)),
        ("data file", "mend the file, or data.path", lambda: _data(settings)),
        ("champion", "run `mend init`", lambda: _champion(workspace)),
        ("reference", "restore the workspace from a backup", lambda: _reference(workspace)),
        (
            "ledger",
            "compare with a backup; nothing here can be trusted until it is explained",
            lambda: _ledger(workspace),
        ),
        ("registry", "run `mend reconcile`", lambda: _registry(workspace, now)),
    ]
    for name, do, check in checks:
        try:
            yield Finding(check=name, ok=True, detail=check())
        except MendError as error:
            yield Finding(check=name, ok=False, detail=str(error), do=do)
        except Exception as error:  # noqa: BLE001  a doctor reports what it meets, whatever it is
            yield Finding(check=name, ok=False, detail=f"{type(error).__name__}: {error}", do=do)


def _python() -> str:
    found = f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"
    if not (3, 11) <= sys.version_info[:2] < (3, 14):
        raise MendError(f"Python {found}")
    return f"Python {found}"


def _kernel() -> str:
    from pathlib import Path

    for folder in jupyter_path("kernels"):
        if (Path(folder) / "mend" / "kernel.json").is_file():
            return f"Jupyter kernel 'mend' in {folder}"
    raise MendError("no Jupyter kernel called 'mend'")


def _disk(settings: Settings) -> str:
    free = shutil.disk_usage(settings.workspace).free
    if free < _FREE_BYTES:
        raise MendError(f"{free / 1e9:.1f} GB free where the workspace is, expected {_FREE_BYTES / 1e9:.0f} GB")
    return f"{free / 1e9:.0f} GB free"


def _data(settings: Settings) -> str:
    portfolio = read_portfolio(settings)
    aside = f", {len(portfolio.set_aside)} set aside" if len(portfolio.set_aside) else ""
    return f"{settings.data_path}: {len(portfolio.rows)} rows{aside}"


def _champion(workspace: Workspace) -> str:
    champion = workspace.require_champion()
    workspace.model(champion["version"])
    return f"version {champion['version']} since {champion['since']:%Y-%m-%d}, files as recorded"


def _reference(workspace: Workspace) -> str:
    return f"{len(workspace.reference())} rows, SHA-256 {workspace.reference_sha256[:12]}… as recorded"


def _ledger(workspace: Workspace) -> str:
    checked = verify(workspace.ledger, workspace=workspace.root)
    if not checked.verified:
        raise MendError(f"{len(checked.breaks)} breaks; the first: {checked.breaks[0]}")
    return f"{checked.entries} entries and {checked.files} files as written"


def _registry(workspace: Workspace, now: datetime) -> str:
    wanted, found = projection(workspace, now=now).champion, workspace.registry.champion()
    if found != wanted:
        raise MendError(f"alias champion is {found or 'not set'}, the ledger says version {wanted}")
    return f"alias champion is version {found}, as the ledger says"
