"""MLflow keeps its store on PostgreSQL too, in a database of its own."""

import subprocess
import sys

SCRIPT = """
import sys
from pathlib import Path
from pipeline.training.registry_mlflow import MlflowRegistry
registry = MlflowRegistry(name="loans", url=sys.argv[1], artifacts=Path(sys.argv[2]))
assert registry.find("a plan") is None
registry._ensure_model()
assert registry.champion() is None
"""


def test_a_registry_is_made_and_asked(postgres, tmp_path):
    """In a process of its own: MLflow keeps its engine for as long as its process lives."""
    with postgres.database() as url:
        command = [sys.executable, "-c", SCRIPT, url, str(tmp_path / "artifacts")]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
