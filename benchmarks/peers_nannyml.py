"""NannyML beside Mend: its own environment, made once, since it brings 1.8 GB; and its CBPE over Parquet files.

Only the standard library up here: NannyML's interpreter runs this file too, and has nothing of ours.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

VERSION = "0.13.1"
NEEDS = (f"nannyml=={VERSION}", "statsmodels")  # it imports statsmodels without asking for it
METRICS = {"roc_auc": "auc", "f1": "f1"}


def nannyml_python() -> Path:
    """Its interpreter; the first call makes the environment in the user's cache folder, within a minute or a few.

    Raises:
        RuntimeError: It cannot be installed; the message is the last line of what the installer said.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    folder = cache / "mend" / f"nannyml-{VERSION}"
    python, made = folder / "bin" / "python", folder / "made"
    if made.exists() and python.exists():
        return python
    beside = Path(sys.executable).parent / "uv"
    uv = str(beside) if beside.exists() else shutil.which("uv")
    if uv:
        steps = [[uv, "venv", "--quiet", "--clear", "--python", sys.executable, str(folder)]]
        steps.append([uv, "pip", "install", "--quiet", "--python", str(python), *NEEDS])
    else:
        steps = [[sys.executable, "-m", "venv", "--clear", str(folder)]]
        steps.append([str(python), "-m", "pip", "install", "--quiet", *NEEDS])
    folder.parent.mkdir(parents=True, exist_ok=True)
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)  # noqa: S603  our own words
        if done.returncode:
            raise RuntimeError(
                f"NannyML {VERSION} cannot be installed: {(done.stderr.strip() or '?').splitlines()[-1]}"
            )
    made.touch()
    return python


def run_cbpe(folder: Path) -> None:
    """Have NannyML estimate every `windows_*.parquet` in a folder from the `reference_*.parquet` of the same number.

    Both have the columns `y, p, decision`; windows follow each other, as many rows each as `rows_*.txt` says. It writes
    `estimates_*.parquet`: `window, metric, value, error`, the last being what it calls the sampling error.

    Raises:
        RuntimeError: It failed; the message is the end of what it said.
    """
    command = [str(nannyml_python()), str(Path(__file__).resolve()), str(folder)]
    quiet = {"NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | quiet, check=False)  # noqa: S603
    if done.returncode:
        raise RuntimeError(f"NannyML failed: {done.stderr.strip()[-400:]}")


def _inside_nannyml(folder: Path) -> None:
    import nannyml
    import pandas as pd

    for path in sorted(folder.glob("reference_*.parquet")):
        number = path.stem.partition("_")[2]
        windows = pd.read_parquet(folder / f"windows_{number}.parquet")
        estimator = nannyml.CBPE(
            metrics=[*METRICS, "confusion_matrix"],
            y_true="y",
            y_pred_proba="p",
            y_pred="decision",
            problem_type="classification_binary",
            chunk_size=int((folder / f"rows_{number}.txt").read_text()),
            normalize_confusion_matrix="all",
        )
        result = estimator.fit(pd.read_parquet(path)).estimate(windows.drop(columns="y"))
        table = result.filter(period="analysis").to_df()  # without the filter the reference's own chunks come first
        found = []
        for theirs, ours in METRICS.items():
            part = pd.DataFrame({"value": table[(theirs, "value")], "error": table[(theirs, "sampling_error")]})
            found.append(part.assign(metric=ours, window=range(len(part))))
        bad = table[("true_positive", "value")] + table[("false_negative", "value")]
        found.append(pd.DataFrame({"value": bad, "error": None, "metric": "default_rate", "window": range(len(bad))}))
        pd.concat(found).to_parquet(folder / f"estimates_{number}.parquet")


if __name__ == "__main__":
    _inside_nannyml(Path(sys.argv[1]))
