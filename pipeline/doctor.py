"""`mend doctor`: is everything here that is needed, does it agree, and what to do if not."""

from __future__ import annotations

import shutil
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from jupyter_core.paths import jupyter_path

from pipeline.alerts.delivery_apprise import fault
from pipeline.alerts.heartbeat import heartbeat_path, is_alive, read_heartbeat
from pipeline.alerts.journal import read_state
from pipeline.errors import MendError
from pipeline.keeping.finishing import unfinished
from pipeline.promotion.reconcile import projection
from pipeline.settings import Settings
from pipeline.stores.anchors import anchor_files, read_anchors
from pipeline.stores.verify import verify
from pipeline.traffic.portfolio import read_portfolio
from pipeline.wiring import Workspace, open_workspace

Check = tuple[str, str, Callable[[], str]]
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


def look_over(settings: Settings, *, wall: datetime, watched: bool = False) -> Iterator[Finding]:
    """Every check, those first that need no store; stores that cannot be opened are a finding, not an end.

    Args:
        settings: Of the workspace to examine.
        wall: The wall clock's time.
        watched: Somebody relies on cycles being run here, so that none so far is wrong too.
    """
    yield from _met([("cycles", "is `mend monitor` running?", lambda: _cycles(settings, wall, watched))])
    yield from _met([("alerts", "mend alerts.urls; try with `mend alerts test`", lambda: _alerts(settings))])
    try:
        workspace = open_workspace(settings)
        now = workspace.now()
    except Exception as error:  # noqa: BLE001  as in _met
        yield Finding(check="stores", ok=False, detail=_told(error), do="see that the databases are there and answer")
        yield from _met(_here(settings))
        return
    yield from examine(settings, workspace, now=now)


def look_over_within(seconds: float, settings: Settings, *, wall: datetime, watched: bool) -> list[Finding]:
    """The same with a deadline: a database that hangs is found, too. What hangs is left behind, to end with us."""
    found: list[Finding] = []
    thread = threading.Thread(
        target=lambda: found.extend(look_over(settings, wall=wall, watched=watched)), daemon=True, name="doctor"
    )
    thread.start()
    thread.join(seconds)
    if not thread.is_alive():
        return found
    late = f"not done after {seconds:.0f} s; met so far: {', '.join(item.check for item in found) or 'nothing'}"
    return [*found, Finding(check="examination", ok=False, detail=late, do="does a database hang?")]


def examine(settings: Settings, workspace: Workspace, *, now: datetime) -> Iterator[Finding]:
    """Every check of an open workspace, each on its own: one that breaks does not hide the others."""
    suspect = "compare with a backup; nothing here can be trusted until it is explained"
    yield from _met(_here(settings))
    yield from _met(
        [
            (
                "champion",
                "`mend init` if there is none; else restore its files, or `mend rollback`",
                lambda: _champion(workspace),
            ),
            ("reference", "restore the workspace from a backup", lambda: _reference(workspace)),
            ("alert delivery", "mend alerts.urls; try with `mend alerts test`", lambda: _delivery(workspace)),
            ("unfinished", "repeat `mend prune`", lambda: _unfinished(workspace)),
            ("ledger", suspect, lambda: _ledger(workspace)),
            ("registry", "run `mend reconcile`", lambda: _registry(workspace, now)),
        ]
    )


def _here(settings: Settings) -> list[Check]:
    """What can be examined without a store."""
    return [
        ("python", "use Python 3.11 to 3.13", _python),
        ("kernel", "run `make setup`", _kernel),
        ("disk", "make room", lambda: _disk(settings)),
        ("data file", "mend the file, or data.path", lambda: _data(settings)),
    ]


def _met(checks: Iterable[Check]) -> Iterator[Finding]:
    for name, do, check in checks:
        try:
            yield Finding(check=name, ok=True, detail=check())
        except Exception as error:  # noqa: BLE001  a doctor reports what it meets, whatever it is
            yield Finding(check=name, ok=False, detail=_told(error), do=do)


def _told(error: Exception) -> str:
    return str(error) if isinstance(error, MendError) else f"{type(error).__name__}: {error}"


def _cycles(settings: Settings, wall: datetime, watched: bool) -> str:
    found = read_heartbeat(settings)
    if found is None and watched:
        raise MendError(f"no cycle has run yet: there is no {heartbeat_path(settings)}")
    return is_alive(found, settings=settings, wall=wall)


def _alerts(settings: Settings) -> str:
    addresses = settings.alerts.addresses
    if not addresses:
        return "nobody is told: alerts.urls is empty, so alerts are only put on record (see `mend alerts`)"
    wrong = [f"address {name}: {why}" for name, url in addresses.items() if (why := fault(url)) is not None]
    if wrong:
        raise MendError("; ".join(wrong))
    return f"told are {', '.join(addresses)}"


def _delivery(workspace: Workspace) -> str:
    addresses = workspace.settings.alerts.addresses
    failing = [each for each in read_state(workspace.ledger).failing if each.target in addresses]
    if failing:
        raise MendError(
            "; ".join(
                f"{each.target} not told since {each.since:%Y-%m-%d %H:%M} UTC, {each.attempts} attempts: {each.why}"
                for each in failing
            )
        )
    return "no message is held up" if addresses else "nobody to deliver to"


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


def _unfinished(workspace: Workspace) -> str:
    if left := unfinished(workspace).lines:
        raise MendError("; ".join(left))
    return "what was pruned or erased is gone"


def _ledger(workspace: Workspace) -> str:
    files = [path for path in anchor_files(workspace.settings.ledger, workspace.root) if path.exists()]
    anchors = [each for path in files for each in read_anchors(path)[0]]
    checked = verify(workspace.ledger, workspace=workspace.root, anchors=anchors)
    if not checked.verified:
        raise MendError(f"{len(checked.breaks)} breaks; the first: {checked.breaks[0]}")
    return f"{checked.entries} entries and {checked.files} files as written"


def _registry(workspace: Workspace, now: datetime) -> str:
    wanted, found = projection(workspace, now=now).champion, workspace.registry.champion()
    if found != wanted:
        raise MendError(f"alias champion is {found or 'not set'}, the ledger says version {wanted}")
    return f"alias champion is version {found}, as the ledger says"
