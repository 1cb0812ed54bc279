"""Our scores against Evidently's own, on real data: why a cycle need not pay its 9 CPU seconds."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import monitoring.report_evidently as adapter
from monitoring.drift import drift_summary
from monitoring.prepared import prepare
from monitoring.report_evidently import write_report
from monitoring.summary import DriftPolicy, DriftSummary
from monitoring.values import Kind, Window

ROOT = Path(__file__).parents[2]
LOANS = ROOT / "data" / "sba_loans.csv.gz"
CREDIT = ROOT.parent / "shared" / "data" / "give_me_some_credit.parquet"

NUMERIC = ("employees", "jobs_created", "jobs_retained", "loan_amount", "sba_guaranteed_share")
CATEGORICAL = (
    *("borrower_state", "lender_same_state", "naics_sector", "new_business"),
    *("franchise", "urban_rural", "revolving_line", "low_doc"),
)
KINDS: dict[str, Kind] = {**dict.fromkeys(NUMERIC, "numeric"), **dict.fromkeys(CATEGORICAL, "categorical")}
WINDOW = Window(start=datetime(2006, 1, 2, tzinfo=UTC), end=datetime(2006, 7, 1, tzinfo=UTC))


@pytest.fixture(scope="module", autouse=True)
def evidently_imported() -> Iterator[None]:
    """Imported once, under the adapter's list of known warnings: a new one fails here, not amid a test."""
    with adapter.known_warnings_ignored():
        import evidently.presets  # noqa: F401
    yield


def judge(reference: pd.DataFrame, current: pd.DataFrame, kinds: dict[str, Kind], **policy: Any) -> DriftSummary:
    return drift_summary(
        prepare(reference, kinds, sha256="ab" * 32, draws=200),  # scores have no tails: 200 draws are plenty
        current,
        policy=DriftPolicy(**policy),
        window=WINDOW,
        as_of=WINDOW.end,
    )


def evidently_scores(reference: pd.DataFrame, current: pd.DataFrame, kinds: dict[str, Kind]) -> dict[str, float]:
    """Evidently's own functions on the raw columns: nothing of ours in between."""
    from evidently.legacy.calculations.stattests import jensenshannon_stat_test, wasserstein_stat_test
    from evidently.legacy.core import ColumnType

    tests = {
        "numeric": (wasserstein_stat_test, ColumnType.Numerical),
        "categorical": (jensenshannon_stat_test, ColumnType.Categorical),
    }
    scores = {}
    for feature, kind in kinds.items():
        test, column_type = tests[kind]
        result = test.func(reference[feature].dropna(), current[feature].dropna(), column_type, 0.1)
        scores[feature] = float(result[0])
    return scores


@pytest.fixture(scope="module")
def loans() -> pd.DataFrame:
    return pd.read_csv(LOANS, dtype={"naics_sector": str}, parse_dates=["application_date"])


def approved(loans: pd.DataFrame, start: str, *, days: int) -> pd.DataFrame:
    first = pd.Timestamp(start)
    return loans[(loans["application_date"] >= first) & (loans["application_date"] < first + pd.Timedelta(days=days))]


def largest_gap(summary: DriftSummary, scores: dict[str, float]) -> float:
    assert {item.feature for item in summary.features} == set(scores)
    return max(abs(item.drift_score - scores[item.feature]) for item in summary.features)


@pytest.mark.parametrize("start", [str(day.date()) for day in pd.date_range("2001-01-01", "2010-06-01", freq="180D")])
def test_scores_equal_evidentlys_on_every_feature_of_the_real_loans(loans: pd.DataFrame, start: str) -> None:
    reference, current = approved(loans, "2001-01-01", days=1095), approved(loans, start, days=180)
    summary = judge(reference, current, KINDS, min_rows=100)  # the last windows are thin
    assert summary.num_features_evaluated == 13
    assert largest_gap(summary, evidently_scores(reference, current, KINDS)) <= 1e-12


def test_scores_equal_evidentlys_on_give_me_some_credit() -> None:
    if not CREDIT.exists():
        pytest.skip(
            f"the licence of Give Me Some Credit forbids us to ship it: put it at {CREDIT.relative_to(ROOT.parent)}"
        )
    credit = pd.read_parquet(CREDIT)
    features = [
        name for name in credit.columns if name not in ("SeriousDlqin2yrs", "id") and not name.startswith("Unnamed")
    ]
    kinds: dict[str, Kind] = dict.fromkeys(features, "numeric")
    assert len(kinds) == 10
    reference, rest = credit.iloc[:30_000], credit.iloc[30_000:]
    for rows in (200, 2_000, 10_000):
        current = rest.sample(n=rows, random_state=rows)
        current = current.assign(age=current["age"] * 1.05)  # and drift: in 5 % of everybody's years
        summary = judge(reference, current, kinds, min_rows=100)
        assert largest_gap(summary, evidently_scores(reference, current, kinds)) <= 1e-12


@pytest.mark.parametrize(("start", "drifted"), [("2002-07-01", False), ("2006-01-02", True)])
def test_report_holds_the_same_scores_and_verdict_as_our_summary(
    loans: pd.DataFrame, tmp_path: Path, start: str, drifted: bool
) -> None:
    reference, current = approved(loans, "2001-01-01", days=1095), approved(loans, start, days=180)
    report = write_report(
        reference, current, KINDS, threshold=0.1, drift_share=0.5, path=tmp_path / "new" / "drift.html"
    )
    summary = judge(reference, current, KINDS)
    assert largest_gap(summary, report["scores"]) <= 1e-12
    assert report["dataset_drift_detected"] is summary.dataset_drift_detected is drifted
    assert (report["drift_share"], report["excluded"]) == (summary.drift_share, {})


def test_report_obeys_the_thresholds_it_is_given(loans: pd.DataFrame, tmp_path: Path) -> None:
    reference, current = approved(loans, "2001-01-01", days=1095), approved(loans, "2006-01-02", days=180)
    for policy in ({"threshold": 0.2, "drift_share": 0.5}, {"threshold": 0.1, "drift_share": 0.7}):
        report = write_report(reference, current, KINDS, **policy, path=tmp_path / "drift.html")
        summary = judge(reference, current, KINDS, **policy)
        assert report["dataset_drift_detected"] is summary.dataset_drift_detected is False
        assert report["drift_share"] == summary.drift_share


def test_page_is_written_whole_and_loads_nothing_from_elsewhere(loans: pd.DataFrame, tmp_path: Path) -> None:
    frame = approved(loans, "2001-01-01", days=180)
    write_report(frame, frame, {"loan_amount": "numeric"}, threshold=0.1, drift_share=0.5, path=tmp_path / "drift.html")
    page = (tmp_path / "drift.html").read_text(encoding="utf-8")
    assert page.rstrip().endswith("</html>")
    assert "loan_amount" in page
    assert '<script src="http' not in page
    assert [path.name for path in tmp_path.iterdir()] == ["drift.html"]


SPOILT = {
    "all missing": np.nan,
    "one infinity": [np.inf] + [1.0] * 299,
    "text": "much",
    "None": None,
}


def test_columns_that_evidently_cannot_take_do_not_cost_the_others_their_report(tmp_path: Path) -> None:
    reference = pd.DataFrame({name: np.linspace(0, 1, 300) for name in ["fine", *SPOILT]}).assign(
        state=["CA", None, "TX"] * 100
    )
    current = reference.assign(**SPOILT)
    kinds: dict[str, Kind] = {**dict.fromkeys(reference.columns, "numeric"), "state": "categorical", "gone": "numeric"}
    report = write_report(reference, current, kinds, threshold=0.1, drift_share=0.5, path=tmp_path / "drift.html")
    assert report["scores"] == {"fine": 0.0, "state": 0.0}
    assert report["excluded"] == {
        "all missing": "window has 0 values, need 1",
        "one infinity": "window holds infinite values",
        "text": "window holds values that are not numbers",
        "None": "window has 0 values, need 1",
        "gone": "reference has no columns of this name",
    }


def test_report_on_nothing_is_refused_and_leaves_no_file(tmp_path: Path) -> None:
    frame = pd.DataFrame({"x": ["much"] * 300})
    with pytest.raises(ValueError, match="no feature for Evidently"):
        write_report(frame, frame, {"x": "numeric"}, threshold=0.1, drift_share=0.5, path=tmp_path / "drift.html")
    assert list(tmp_path.iterdir()) == []


def test_page_that_cannot_be_put_in_place_leaves_the_old_one_and_no_litter(tmp_path: Path) -> None:
    taken = tmp_path / "drift.html"
    taken.mkdir()  # a folder where the file should go: the rename fails
    frame = pd.DataFrame({"x": np.linspace(0, 1, 300)})
    with pytest.raises(OSError, match=r"drift\.html"):
        write_report(frame, frame, {"x": "numeric"}, threshold=0.1, drift_share=0.5, path=taken)
    assert list(tmp_path.iterdir()) == [taken]


def test_large_frames_are_sampled_and_the_same_sample_is_drawn_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adapter, "MOST_ROWS", 500)
    rng = np.random.default_rng(0)
    frames = [pd.DataFrame({"x": rng.normal(size=2_000)}) for _ in range(2)]
    arguments: dict[str, Any] = {
        "kinds": {"x": "numeric"},
        "threshold": 0.1,
        "drift_share": 0.5,
        "path": tmp_path / "a",
    }
    first, second = (write_report(*frames, **arguments)["scores"] for _ in range(2))
    assert first == second
    assert first != {"x": judge(*frames, {"x": "numeric"}).features[0].drift_score}


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_tiny_windows_still_get_their_page(loans: pd.DataFrame, tmp_path: Path, rows: int) -> None:
    reference = approved(loans, "2001-01-01", days=1095)
    path = tmp_path / "drift.html"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = write_report(reference, loans.tail(rows), KINDS, threshold=0.1, drift_share=0.5, path=path)
    assert path.exists()
    assert len(report["scores"]) + len(report["excluded"]) == 13


def test_evidently_is_not_imported_until_a_report_is_wanted() -> None:
    script = (
        "import sys, monitoring.drift, monitoring.prepared, monitoring.report_evidently, monitoring.proxy, monitoring.signals\n"
        "assert 'evidently' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True, timeout=60)


def test_telemetry_is_switched_off_before_evidently_is_imported() -> None:
    script = (
        "import os, sys, pandas, monitoring.report_evidently as adapter\n"
        "class Watch:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name == 'evidently':\n"
        "            print(os.environ.get('DO_NOT_TRACK'))\n"
        "            raise SystemExit\n"
        "sys.meta_path.insert(0, Watch())\n"
        "frame = pandas.DataFrame({'x': [1.0, 2.0]})\n"
        "adapter.write_report(frame, frame, {'x': 'numeric'}, threshold=0.1, drift_share=0.5, path=None)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "DO_NOT_TRACK"}
    run = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=environment,
        check=True,
        timeout=60,
        capture_output=True,
        text=True,
    )
    assert run.stdout == "1\n"
