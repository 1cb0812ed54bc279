"""Clicks and seconds from opening a tool until five questions are answered: Mend, Evidently, MLflow.

    .venv/bin/python benchmarks/clicks.py [--workspace var] [--rounds 3] [--looks 12]

All three show the same thing: the demo's last windows against its reference. Each is set up as a careful team would:
Evidently's UI with a report per window and a plot of every feature's drift score; MLflow with the registry of the
workspace and one run that holds the PSI of every feature at every look. Each is opened at its first page by somebody
who has never been there, on the machine itself. The seconds are the tool's own: from the start of the navigation, each
click made as soon as it can be. Reading and thinking come on top, and differ most: Mend ranks features, the others list
them. A notice that MLflow shows to who comes for the first time is closed beforehand, uncounted.

An answer counts when it stands on the screen: `none` means that the tool has no place for it.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import pandas as pd
from desk_pages import chromium, reader
from desk_servers import Served, served
from playwright.sync_api import Browser, Page
from printed import as_markdown, circumstances

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("streamlit", "playwright", "evidently", "mlflow")
QUESTIONS = ("which feature moved most", "how bad", "since when", "what happened next", "decide")


@dataclass(frozen=True, kw_only=True)
class Way:
    """How a question is answered: the clicks in order, and what must then be on the screen. No way: not in this tool.

    `remark`: what the reader is left to do.
    """

    clicks: tuple[Callable[[Page], None], ...] = ()
    shown: Callable[[Page], None] | None = None
    remark: str = ""


def link(name: str, *, exact: bool = True) -> Callable[[Page], None]:
    """A click on the first link of that name."""
    return lambda page: page.get_by_role("link", name=name, exact=exact).first.click()


def text(words: str) -> Callable[[Page], None]:
    """A click on what says this."""
    return lambda page: page.get_by_text(words, exact=True).first.click()


def seen(selector: str) -> Callable[[Page], None]:
    """Something that must be on the screen."""
    return lambda page: page.locator(selector).first.wait_for()


def mend_ways(feature: str) -> dict[str, Way]:
    """The first screen, and one click to sign."""
    moved = seen(f'[data-testid="stVegaLiteChart"] svg text:has-text("{feature}")')
    return {
        QUESTIONS[0]: Way(shown=moved),
        QUESTIONS[1]: Way(shown=seen('[data-testid="stVegaLiteChart"] svg text:has-text("PSI")')),
        QUESTIONS[2]: Way(shown=seen('[data-testid="stVegaLiteChart"] svg text:has-text("since")')),
        QUESTIONS[3]: Way(shown=seen('[data-testid="stVegaLiteChart"][aria-label*="reign"] svg')),
        QUESTIONS[4]: Way(
            clicks=(lambda page: page.get_by_role("link", name="Review version").first.click(),),
            shown=lambda page: page.get_by_role("button", name="Approve…").wait_for(),
            remark="all evidence above the button",
        ),
    }


def evidently_ways() -> dict[str, Way]:
    """One project: its plot, and the newest report."""
    opened = (link("sba-default"),)
    report = (*opened, text("Reports"), text("View"))
    plot = seen("svg .MuiLineElement-root, svg .recharts-line, .MuiChartsLegend-root")
    return {
        QUESTIONS[0]: Way(clicks=opened, shown=plot, remark="13 lines, unordered, of distances that differ in kind"),
        QUESTIONS[1]: Way(clicks=report, shown=seen("text=Drift Score"), remark="a table of 13, by name"),
        QUESTIONS[2]: Way(clicks=opened, shown=plot, remark="no limit is drawn"),
        QUESTIONS[3]: Way(),
        QUESTIONS[4]: Way(),
    }


def mlflow_ways() -> dict[str, Way]:
    """A run with all PSI values; the registry's aliases."""
    run = (text("Model training"), link("drift"), link("monitoring"))
    registry = (text("Model training"), text("Model registry"), link("sba-default"))
    return {
        QUESTIONS[0]: Way(clicks=run, shown=seen("text=psi_loan_amount"), remark="a list by name, no limit"),
        QUESTIONS[1]: Way(clicks=run, shown=seen("text=psi_loan_amount"), remark="a list by name, no limit"),
        QUESTIONS[2]: Way(
            clicks=(*run, text("Model metrics")), shown=seen("text=psi_borrower_state"), remark="by step, no limit"
        ),
        QUESTIONS[3]: Way(clicks=registry, shown=seen("text=Version 1"), remark="versions alone, not why"),
        QUESTIONS[4]: Way(clicks=registry, shown=seen("text=Aliases"), remark="an alias, without evidence or reason"),
    }


def walk(browser: Browser, url: str, way: Way, *, prepare: Callable[[Page], None] | None = None) -> float:
    """Seconds from the navigation until the answer is on the screen."""
    with reader(browser) as context:
        page = context.new_page()
        if prepare:
            prepare(page)
        began = time.perf_counter()
        page.goto(url)
        for click in way.clicks:
            click(page)
        assert way.shown is not None
        way.shown(page)
        return time.perf_counter() - began


def rows(
    tool: str,
    server: Served,
    ways: dict[str, Way],
    *,
    rounds: int,
    prepare: Callable[[Page], None] | None = None,
) -> list[tuple[str, ...]]:
    """The tool's rows of the table."""
    found = []
    with chromium() as browser:
        for question, way in ways.items():
            if way.shown is None:
                found.append((question, tool, "none", "", "the tool has no place for it"))
                continue
            taken = [walk(browser, server.address, way, prepare=prepare) for _ in range(rounds)]
            seconds = f"{median(taken):.1f} [{min(taken):.1f}, {max(taken):.1f}]"
            found.append((question, tool, str(len(way.clicks)), seconds, way.remark))
    return found


def warm(server: Served) -> None:
    """One visit that does not count: a server that has just started answers nobody fast."""
    with chromium() as browser, reader(browser) as context:
        page = context.new_page()
        page.goto(server.address)
        page.wait_for_timeout(5_000)


def close_notice(server: Served) -> Callable[[Page], None]:
    """Go to the registry once and close what is said there to newcomers."""

    def closed(page: Page) -> None:
        page.goto(f"{server.address}/#/models")
        page.get_by_role("dialog").get_by_role("button").last.click()
        page.goto("about:blank")

    return closed


def fill_evidently(folder: Path, *, looks: int) -> None:
    """A project with a report per window and a plot of every feature's drift score."""
    warnings.simplefilter("ignore")
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset
    from evidently.sdk.models import PanelMetric
    from evidently.sdk.panels import line_plot_panel
    from evidently.ui.workspace import Workspace as Folder

    from pipeline.settings import load_settings
    from pipeline.wiring import open_workspace

    opened = open_workspace(load_settings())
    kinds = opened.settings.data.kinds
    numeric = [name for name, kind in kinds.items() if kind == "numeric"]
    columns = DataDefinition(numerical_columns=numeric, categorical_columns=[n for n in kinds if n not in numeric])

    def dataset(frame: pd.DataFrame) -> Dataset:
        typed = frame[list(kinds)].astype(dict.fromkeys(numeric, "float64"))
        return Dataset.from_pandas(typed, data_definition=columns)

    reference, store = dataset(opened.reference()), Folder.create(str(folder))
    project = store.create_project("sba-default")
    values = [PanelMetric(metric="ValueDrift", metric_labels={"column": name}, legend=name) for name in kinds]
    project.dashboard.add_panel(line_plot_panel(title="Drift score by feature", values=values), tab="Drift")
    for cycle in opened.ledger.acts("cycle")[-looks:]:
        end = cycle["as_of"]
        window = dataset(opened.traffic.scored(end - opened.settings.monitor.lookback, end, as_of=end))
        store.add_run(project.id, Report([DataDriftPreset()]).run(window, reference, timestamp=end, name=f"{end:%F}"))


def fill_mlflow(uri: str) -> str:
    """One run with the PSI of every feature at every look. Returns the feature that Mend puts first."""
    import mlflow

    from dashboard import ranking
    from pipeline.settings import load_settings
    from pipeline.watching import read_result, read_summary, units
    from pipeline.wiring import open_workspace

    opened = open_workspace(load_settings())
    mlflow.set_tracking_uri(uri)
    mlflow.set_experiment("drift")
    cycles = [cycle for cycle in opened.ledger.acts("cycle") if cycle["summary_path"]]
    with mlflow.start_run(run_name="monitoring"):
        for step, cycle in enumerate(cycles):
            found = read_summary(opened, cycle["summary_path"]).checks
            psi = {
                f"psi_{each.feature}": each.observed
                for each in found
                if each.code == "psi" and each.observed is not None
            }
            mlflow.log_metrics(psi, step=step)
    last = cycles[-1]
    shares = ranking.shares_of(read_result(opened, last["metrics_path"]))
    ranked = ranking.ranked(read_summary(opened, last["summary_path"]), shares, units(opened.settings))
    return str(ranked["feature"].iloc[0])


def measured(folder: Path, *, rounds: int, looks: int) -> list[tuple[str, ...]]:
    """All three tools, one after the other."""
    from desk_life import environment

    copy, config = folder / "var", ROOT / "mend.toml"
    uri = f"sqlite:///{copy / 'mlflow' / 'mlflow.db'}"
    feature = fill_mlflow(uri)
    fill_evidently(folder / "evidently", looks=looks)
    quiet = {**environment(config), "MEND_MODEL__WORKSPACE": str(copy), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    python, here = sys.executable, ("--host", "127.0.0.1", "--port", "{port}")
    found = []
    with served((python, "-m", "pipeline", "dashboard", "--port", "{port}"), quiet, folder) as server:
        warm(server)
        found += rows("Mend", server, mend_ways(feature), rounds=rounds)
    command = (str(Path(python).parent / "evidently"), "ui", "--workspace", str(folder / "evidently"), *here)
    with served(command, quiet, folder) as server:
        warm(server)
        found += rows("Evidently", server, evidently_ways(), rounds=rounds)
    command = (python, "-m", "mlflow", "server", "--backend-store-uri", uri, "--workers", "1", *here)
    with served(command, quiet, folder) as server:
        warm(server)
        found += rows("MLflow", server, mlflow_ways(), rounds=rounds, prepare=close_notice(server))
    return sorted(found, key=lambda row: QUESTIONS.index(row[0]))


def main(arguments: Sequence[str] | None = None) -> None:
    """Copy the workspace, measure, and print the table."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--workspace", type=Path, default=ROOT / "var", help="a replayed demo in which a challenger waits")
    ask.add_argument("--rounds", type=int, default=3)
    ask.add_argument("--looks", type=int, default=12, help="Evidently's reports, one per look")
    given = ask.parse_args(arguments)
    with tempfile.TemporaryDirectory(prefix="clicks-") as temporary:
        folder = Path(temporary)
        shutil.copytree(given.workspace, folder / "var")
        os.environ["MEND_MODEL__WORKSPACE"] = str(folder / "var")
        print(circumstances(PACKAGES) + f" {given.rounds} rounds.\n")  # noqa: T201
        headings = ("question", "tool", "clicks", "seconds, median [least, most]", "what is left to the reader")
        print(as_markdown(headings, measured(folder, rounds=given.rounds, looks=given.looks)))  # noqa: T201


if __name__ == "__main__":
    main()
