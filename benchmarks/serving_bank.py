"""A small bank to serve: ten features of the shipped loans, one trained champion, real applications to ask about."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
APPLICATIONS = 500  # different ones, asked about in turn
SETTINGS = """
[model]
name = "bench-serving"
workspace = "var"

[data]
path = "{data}"
id = "loan_id"
event_time = "application_date"

[data.features]
borrower_state = {{ kind = "categorical" }}
naics_sector = {{ kind = "categorical" }}
new_business = {{ kind = "categorical" }}
urban_rural = {{ kind = "categorical" }}
revolving_line = {{ kind = "categorical" }}
employees = {{ kind = "numeric", min = 0 }}
jobs_created = {{ kind = "numeric", min = 0 }}
jobs_retained = {{ kind = "numeric", min = 0 }}
loan_amount = {{ kind = "numeric", min = 0 }}
sba_guaranteed_share = {{ kind = "numeric", min = 0, max = 1 }}

[data.label]
outcome_time = "charge_off_date"
horizon = "1096d"

[reference]
start = "2001-01-01"
end = "2004-01-01"

[train]
go_live = "2004-01-01"
champion_start = "1998-01-01"
champion_end = "2001-01-01"
window = "1096d"
holdback = "365d"
recipe = "hist_gradient_boosting"
grid = {{ max_leaf_nodes = [15] }}
seed = 7

[profit]
amount = "loan_amount"
unit = "USD"
cost_of_bad = 0.45
gain_of_good = 0.05

[approval]
approvers = ["credit.officer@bank.example"]
"""


@dataclass(frozen=True, kw_only=True)
class Bank:
    """A workspace with a champion; `stores` are variables that name another database."""

    config: Path
    stores: Mapping[str, str] = field(default_factory=dict)

    @property
    def environment(self) -> dict[str, str]:
        """For every process that works on it, server of ours or not: one thread, nothing phones home."""
        offline = {"DO_NOT_TRACK": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "PYTHONWARNINGS": "ignore"}
        return {**os.environ, "OMP_NUM_THREADS": "1", **offline, "MEND_CONFIG": str(self.config), **self.stores}

    def workspace(self) -> Any:
        """Opened from this process."""
        from pipeline.settings import load_settings
        from pipeline.wiring import open_workspace

        before = dict(os.environ)
        os.environ.update(self.stores)
        try:
            return open_workspace(load_settings(self.config))
        finally:  # or the next bank would take its stores for its own
            os.environ.clear()
            os.environ.update(before)

    def logged(self) -> int:
        """Rows of the log."""
        workspace = self.workspace()
        found: int = workspace.traffic.counts()["predictions"]
        workspace.traffic.engine.dispose()
        return found


def a_bank(folder: Path, *, stores: Mapping[str, str] | None = None) -> Bank:
    """Write the settings and train the champion: a dozen seconds.

    Raises:
        RuntimeError: `mend init` fails; the message is the end of what it said.
    """
    folder.mkdir()
    config = folder / "mend.toml"
    config.write_text(SETTINGS.format(data=REPOSITORY / "data" / "sba_loans.csv.gz"), encoding="utf-8")
    bank = Bank(config=config, stores=stores or {})
    command = [sys.executable, "-m", "pipeline", "init"]
    done = subprocess.run(command, env=bank.environment, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"mend init: {done.stderr[-2000:]}")
    return bank


@dataclass(frozen=True, kw_only=True)
class Applications:
    """The first applications of the reference, missing values None, and their features' kinds."""

    kinds: Mapping[str, str]
    rows: Sequence[Mapping[str, float | str | None]]

    def bodies(self) -> list[bytes]:
        """As Mend and a plain endpoint are asked."""
        return [json.dumps(row).encode() for row in self.rows]

    def bodies_for_mlflow(self) -> list[bytes]:
        """As MLflow's scoring server is asked; of its formats the one that it reads fastest."""
        columns = list(self.kinds)
        asked = ({"dataframe_split": {"columns": columns, "data": [list(row.values())]}} for row in self.rows)
        return [json.dumps(each).encode() for each in asked]


def applications_of(workspace: Any) -> Applications:
    """What is asked about, from the frozen reference."""
    from pipeline.serving.scorer import plain

    kinds = workspace.settings.data.kinds
    rows = plain(workspace.reference()[list(kinds)].head(APPLICATIONS))
    return Applications(kinds=kinds, rows=[dict(zip(kinds, row, strict=True)) for row in rows])


def save_for_peers(workspace: Any, folder: Path) -> None:
    """The champion's own pipeline as a pickle, as an MLflow model (with signature), and its features' kinds."""
    import logging

    import joblib
    from mlflow.models import infer_signature
    from mlflow.sklearn import save_model

    logging.getLogger("mlflow.sklearn").setLevel("ERROR")  # it warns of pickles from elsewhere; this one is ours
    kinds, champion = workspace.settings.data.kinds, workspace.require_champion()
    pipeline = workspace.model(champion["version"]).pipeline
    numeric = {name: "float64" for name, kind in kinds.items() if kind == "numeric"}
    example = workspace.reference()[list(kinds)].dropna().head(5).astype(numeric)
    save_model(
        pipeline,
        str(folder / "mlflow"),
        serialization_format="cloudpickle",
        pip_requirements=["scikit-learn"],
        signature=infer_signature(example, pipeline.predict_proba(example)),
        pyfunc_predict_fn="predict_proba",
    )
    joblib.dump(pipeline, folder / "pipeline.joblib")
    (folder / "kinds.json").write_text(json.dumps(dict(kinds)), encoding="utf-8")
