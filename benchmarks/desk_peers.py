"""The two tools whose pages people open today: Evidently's own UI with more and more looks, MLflow's on the registry.

Both are served on this machine alone, and only while they are measured: Evidently's UI answers whoever asks.
"""

from __future__ import annotations

import json
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from desk_life import Life, environment
from desk_pages import chromium, reader
from desk_servers import Served, served
from playwright.sync_api import BrowserContext
from playwright.sync_api import Error as BrowserError

SNAPSHOTS = (10, 100, 300, 1_000, 3_000)
PATIENCE_S = 10.0  # a page that takes longer is one that nobody waits for
PANEL = "Share of drifted columns"


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A page of a peer: its name, with how much behind it, how long it took each time, and the server's memory after.

    `seconds` is empty where it never came up; `why` tells what was seen instead.
    """

    page: str
    behind: str
    seconds: tuple[float, ...]
    peak_mb: float
    why: str = ""


def evidently(life: Life, folder: Path, *, rounds: int, most: int, say: Callable[[str], None]) -> list[Opened]:
    """Its dashboard with one plot, and its list of reports: with ten looks, and more until one takes ten seconds."""
    project, snapshot = _project(life, folder)
    found: list[Opened] = []
    for many in [each for each in SNAPSHOTS if each <= most]:
        _grow(folder / project / "snapshots", snapshot, many)
        say(f"Evidently's UI with {many:,} looks")
        with _evidently_ui(folder) as server:
            behind = f"{many:,} looks"
            found += [
                _opened(server, f"/projects/{project}", ".MuiChartsLegend-root", rounds, "dashboard", behind),
                _opened(server, f"/projects/{project}/reports", "table tbody tr", rounds, "list of reports", behind),
            ]
        if any(not each.seconds or max(each.seconds) > PATIENCE_S for each in found[-2:]):
            break
    return found


def mlflow(workspace: Path, *, rounds: int, say: Callable[[str], None]) -> list[Opened]:
    """The pages of a registered model and of one run, in the registry of a workspace."""
    from mlflow import MlflowClient

    uri = f"sqlite:///{workspace / 'mlflow' / 'mlflow.db'}"
    client = MlflowClient(tracking_uri=uri, registry_uri=uri)
    (model,) = client.search_registered_models()
    versions = client.search_model_versions(f"name='{model.name}'")
    run = client.get_run(versions[0].run_id)
    say("MLflow's UI on the registry")
    command = [
        *(sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1"),
        *("--host", "127.0.0.1", "--port", "{port}"),
    ]
    quiet = {**environment(workspace.parent / "mend.toml"), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    behind = f"{len(versions)} versions"
    with served(command, quiet, workspace.parent) as server:
        return [
            _opened(server, f"/#/models/{model.name}", "text=Version 1", rounds, "model", behind),
            _opened(
                server,
                f"/#/experiments/{run.info.experiment_id}/runs/{run.info.run_id}",
                f"text={run.info.run_id}",
                rounds,
                "run",
                behind,
            ),
        ]


def _opened(server: Served, path: str, wanted: str, rounds: int, page: str, behind: str) -> Opened:
    """From the start of the navigation until what is wanted is there; each time in a browser with an empty cache."""
    seconds, why = [], ""
    with chromium() as browser:
        for _ in range(rounds):
            with reader(browser) as context:
                try:
                    seconds.append(_seconds(context, server.address + path, wanted))
                except BrowserError as error:
                    why = str(error).splitlines()[0]
                    break
    return Opened(page=page, behind=behind, seconds=tuple(seconds), peak_mb=server.peak_mb(), why=why)


def _seconds(context: BrowserContext, url: str, wanted: str) -> float:
    page = context.new_page()
    began = time.perf_counter()
    page.goto(url)
    page.locator(wanted).first.wait_for(timeout=1_000 * 3 * PATIENCE_S)
    return time.perf_counter() - began


@contextmanager
def _evidently_ui(folder: Path) -> Iterator[Served]:
    command = [str(Path(sys.executable).parent / "evidently"), "ui", "--workspace", str(folder), "--port", "{port}"]
    with served(command, environment(folder / "mend.toml"), folder.parent) as server:
        yield server


def _project(life: Life, folder: Path) -> tuple[str, str]:
    """A project with one plot and one real look: the life's last window against its reference. Its id, and the look."""
    import warnings

    warnings.simplefilter("ignore")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel
    from evidently.ui.workspace import Workspace as Folder

    opened = life.opened()
    kinds = opened.settings.data.kinds
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    definition = DataDefinition(
        numerical_columns=numeric, categorical_columns=[name for name in kinds if name not in numeric]
    )
    end = opened.ledger.acts("cycle")[-1]["as_of"]
    window = opened.traffic.scored(end - opened.settings.monitor.lookback, end, as_of=end)
    both = [
        Dataset.from_pandas(rows[list(kinds)].astype(dict.fromkeys(numeric, "float64")), data_definition=definition)
        for rows in (window, opened.reference())
    ]
    opened.ledger.engine.dispose()
    opened.traffic.engine.dispose()
    store = Folder.create(str(folder))
    project = store.create_project("sba-default")
    value = PanelMetric(metric="DriftedColumnsCount", metric_labels={"value_type": "share"}, legend="share")
    project.dashboard.add_panel(line_plot_panel(title=PANEL, values=[value]), tab="Drift")
    store.add_run(project.id, Report([DataDriftPreset()]).run(*both, timestamp=end, name="look"))
    (made,) = (folder / str(project.id) / "snapshots").glob("*.json")
    text = made.read_text(encoding="utf-8")
    made.unlink()
    return str(project.id), text


def _grow(folder: Path, snapshot: str, many: int) -> None:
    """The same look at so many moments, five minutes apart, each under an id of its own."""
    document = json.loads(snapshot)
    have = len(list(folder.glob("*.json")))
    for number in range(have, many):
        moment = datetime(2026, 1, 1, tzinfo=UTC) + number * timedelta(minutes=5)
        told = {**document, "timestamp": moment.isoformat(), "name": f"look {number}"}
        (folder / f"{uuid.uuid4()}.json").write_text(json.dumps(told), encoding="utf-8")
