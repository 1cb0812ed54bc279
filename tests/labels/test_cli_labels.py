"""`mend labels` as an operator types it."""

import json
from datetime import timedelta

import pandas as pd
import pytest
from builders import AS_OF, mend

from pipeline.stores.traffic_tables import labels


@pytest.fixture
def young(workspace):
    rows = workspace.traffic.outcomes(AS_OF - timedelta(days=60), AS_OF + timedelta(days=60), as_of=AS_OF)
    return rows[rows["y"].isna()]["application_id"].tolist()


def rows_of(young):
    return pd.DataFrame(
        [
            (young[0], "1", "2026-01-01"),
            (young[1], "0", "2026-01-01T00:00:00+02:00"),
            (young[1], "0", "2026-01-02"),
            (young[1], "1", "2026-01-03"),
            ("nobody", "1", "2026-01-01"),
            (young[2], "1", "1990-01-01"),
            (young[2], "1", "2126-01-01"),
            (young[2], "2", "2026-01-01"),
            (young[2], "", "2026-01-01"),
            (young[2], "1", "soon"),
            (young[2], "1", ""),
            ("=cmd()", "x", "2026-01-01"),
            ("two words", "1", "2026-01-01"),
        ],
        columns=["prediction_id", "label", "known_at"],
    )


def imported(file, config):
    return json.loads(mend("labels", "import", str(file), "--json", config=config).stdout)


def test_a_file_is_taken_once_and_every_row_that_does_not_count_is_listed(workspace, young, tmp_path):
    config, file = workspace.settings.source, tmp_path / "outcomes.csv"
    rows_of(young).to_csv(file, index=False)
    before = workspace.traffic.counts()["labels"]
    told = imported(file, config)
    assert told["counts"] == {"recorded": 2, "known": 1, "conflicting": 1, "quarantined": 3, "refused": 6}
    listed = pd.read_csv(told["report"])
    assert listed["row"].tolist() == [4, 5, 6, 7, 8, 9, 10, 11, 12, 13]
    assert listed["why"].notna().all()
    assert listed["prediction_id"].tolist()[-2:] == ["'=cmd()", "two words"]
    assert imported(file, config)["counts"] == {"known": 1, "conflicting": 3, "quarantined": 3, "refused": 6}
    assert workspace.traffic.counts()["labels"] == before + 3
    waiting = json.loads(mend("labels", "quarantine", "--json", config=config).stdout)
    assert [each["prediction_id"] for each in waiting] == ["nobody", young[2], young[2]]
    assert json.loads(mend("labels", "conflicts", "--json", config=config).stdout) == [young[1]]
    assert "0 came out of quarantine, 3 stay" in mend("labels", "retry", config=config).stdout


def test_parquet_says_the_same_as_csv_and_a_correction_settles_it(workspace, young, tmp_path):
    config = workspace.settings.source
    typed = pd.DataFrame(
        {
            "prediction_id": [young[0], young[0], young[0], young[1]],
            "label": [0, 1, 1, 1],
            "known_at": pd.to_datetime(["2026-01-01", "2026-01-02", "2026-01-03", None], utc=True),
            "corrects": [False, False, True, False],
        }
    )
    typed.to_parquet(tmp_path / "outcomes.parquet")
    told = imported(tmp_path / "outcomes.parquet", config)
    assert told["counts"] == {"recorded": 2, "conflicting": 1, "refused": 1}
    with workspace.traffic.engine.connect() as connection:
        said = connection.execute(labels.select().where(labels.c.application_id == young[0])).mappings().all()
    assert [(row["y"], row["corrects"]) for row in said] == [(0, 0), (1, 0), (1, 1)]
    assert mend("labels", "conflicts", config=config).stdout.startswith("0 with")


@pytest.mark.parametrize("store_urls", ["sqlite"], indirect=True)
def test_a_file_that_is_none_is_one_line_and_leaves_nothing(workspace, tmp_path):
    config, file = workspace.settings.source, tmp_path / "bad.csv"
    before = workspace.traffic.counts()
    for content, said in (
        (None, "no such file"),
        (b"a,b\n1,2\n", "no column 'prediction_id'"),
        (b"", "not readable"),
        (b"prediction_id,label,known_at\n", "no row in it"),
        (b"prediction_id,label,known_at\n\xff\xfe,1,2026-01-01\n", "not readable"),
        (b'prediction_id,label,known_at\n"a,1,2026-01-01\n', "not readable"),
    ):
        if content is not None:
            file.write_bytes(content)
        told = mend("labels", "import", str(file), config=config, exit_code=3 if said == "no row in it" else 2)
        assert said in told.stderr, said
        assert len(told.stderr.strip().splitlines()) == 1
    file.with_suffix(".parquet").write_bytes(b"PAR1")
    assert (
        "not readable" in mend("labels", "import", str(file.with_suffix(".parquet")), config=config, exit_code=2).stderr
    )
    assert workspace.traffic.counts() == before
    assert not list(tmp_path.glob("*refused*"))
