"""A restored registry works where it was restored to: a real MLflow store with a real, tiny model."""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pandas as pd
import pytest
from builders import AS_OF
from keeping.lived_in import a_copy, close, opened
from sklearn.linear_model import LogisticRegression

from pipeline.keeping.backup import back_up
from pipeline.keeping.restore import LOCATIONS, restore
from pipeline.stores.snapshot import opened as database
from pipeline.training.model_format import TRUSTED_TYPES
from pipeline.training.registry_mlflow import MlflowRegistry

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]  # MLflow warns of its own libraries


def registry_of(root: Path) -> MlflowRegistry:
    return MlflowRegistry(
        name="sba-default", url=f"sqlite:///{root}/mlflow/mlflow.db", artifacts=root / "mlflow" / "artifacts"
    )


def all_texts(root: Path) -> str:
    with closing(sqlite3.connect(root / "mlflow" / "mlflow.db")) as connection:
        return "\n".join(connection.iterdump())


@pytest.fixture(scope="module")
def registered(original, tmp_path_factory):
    """A backup of a workspace whose folder has a blank and an accent in its name, with one registered version."""
    os.environ.setdefault("GIT_PYTHON_REFRESH", "quiet")
    folder = tmp_path_factory.mktemp("first").resolve() / "a bänk"
    settings = a_copy(original, folder)
    root, rows = folder / "ws", pd.DataFrame({"x": [0.0, 1.0, 2.0, 3.0]})
    registry = registry_of(root)
    made = registry.log_and_register(
        LogisticRegression().fit(rows, [0, 0, 1, 1]),
        key="k1",
        run_name="first",
        example=rows,
        params={"recipe": "logistic_regression"},
        metrics={"auc": 1.0},
        tags={},
        figures={},
        tables={"importance": rows},
        trusted_types=TRUSTED_TYPES,
        register=True,
    )
    registry.project(champion=made.version, stages={made.version: "Production"})
    workspace = opened(settings)
    back_up(workspace, folder.parent / "set.tar.gz", wall=AS_OF + timedelta(days=1))
    close(workspace)
    return folder.parent / "set.tar.gz", root, made


def works(root, made, *, other: Path):
    registry = registry_of(root)
    found = registry.find("k1")
    assert (found.version, found.run_id) == (made.version, made.run_id)
    assert found.folder.is_relative_to(root)
    assert (found.folder / "model.skops").is_file()
    assert registry.champion() == made.version
    assert registry.project(champion=made.version, stages={made.version: "Production"}) == []
    assert registry.project(champion=made.version, stages={made.version: "Archived"})
    table = registry.mlflow.artifacts.load_text(f"runs:/{made.run_id}/tables/importance.csv")
    assert table.startswith("x")
    assert str(other) not in all_texts(root)
    assert other.as_uri() not in all_texts(root)


def test_registry_works_at_another_path(registered, tmp_path):
    backup, root, made = registered
    hidden = root.with_name("hidden")
    root.rename(hidden)  # whoever looks in the old place finds nothing
    try:
        done = restore(backup, tmp_path.resolve() / "ün other place" / "ws")
        assert done.moved >= len(LOCATIONS)  # an experiment and the default one, a run, a model, a version
        works(done.folder, made, other=root)
    finally:
        hidden.rename(root)


def test_registry_of_a_workspace_that_was_copied_by_hand_is_put_right(registered, tmp_path):
    _, root, made = registered
    copy = tmp_path.resolve() / "copied"
    shutil.copytree(root.parent, copy)
    workspace = opened(copy / "mend.toml")
    back_up(workspace, tmp_path / "set.tar.gz", wall=AS_OF)
    close(workspace)
    assert root.as_uri() in all_texts(copy / "ws"), "the copy names its own files: this shows nothing"
    done = restore(tmp_path / "set.tar.gz", tmp_path.resolve() / "restored")
    works(done.folder, made, other=root)


def test_restoring_to_the_same_path_moves_nothing(registered):
    backup, root, _ = registered
    aside = root.with_name("aside")
    root.rename(aside)
    try:
        assert restore(backup, root).moved == 0
        assert all_texts(root) == all_texts(aside)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        aside.rename(root)


def test_every_place_where_mlflow_writes_a_location_is_known(registered):
    _, root, _ = registered
    found = set()
    with database(root / "mlflow" / "mlflow.db") as connection:
        tables = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        for table in tables:
            for column in [row[1] for row in connection.execute(f"PRAGMA table_info('{table}')")]:
                query = f'SELECT count(*) FROM "{table}" WHERE instr("{column}", ?) > 0'
                if any(connection.execute(query, (text,)).fetchone()[0] for text in (str(root), root.as_uri())):
                    found.add((table, column))
    assert found <= set(LOCATIONS)
