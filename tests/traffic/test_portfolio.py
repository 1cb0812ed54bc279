"""A portfolio file is read strictly: each fault names the file, the row, and what was expected."""

from datetime import timedelta

import pandas as pd
import pytest
from builders import LOANS, REPOSITORY, a_settings_file

from pipeline.errors import InputError, MendError, NotEnoughDataError
from pipeline.settings import load_settings
from pipeline.traffic.portfolio import read_portfolio


def loans(rows=400):
    return pd.read_csv(LOANS, nrows=rows, dtype=str, keep_default_na=False)


def read(folder, frame, *, name="loans.csv", **changes):
    path = folder / name
    frame.to_parquet(path) if name.endswith("parquet") else frame.to_csv(path, index=False)
    return read_portfolio(load_settings(a_settings_file(folder, path=f'"{name}"', **changes)))


def test_the_shipped_loans_are_labelled_as_their_card_says():
    portfolio = read_portfolio(load_settings(REPOSITORY / "mend.toml"))
    theirs = pd.read_csv(LOANS, usecols=["loan_id", "charged_off_36m"]).set_index("loan_id")["charged_off_36m"]
    ours = portfolio.rows.set_index("application_id")["y"]
    assert (ours == theirs.reindex(ours.index)).all()
    assert portfolio.set_aside.empty


def test_a_bad_outcome_is_known_when_it_happens_and_a_good_one_at_the_horizon():
    rows = read_portfolio(load_settings(REPOSITORY / "mend.toml")).rows
    good, bad = rows[rows["y"] == 0], rows[rows["y"] == 1]
    assert ((good["known_at"] - good["event_time"]) == timedelta(days=1096)).all()
    assert ((bad["known_at"] - bad["event_time"]) <= timedelta(days=1096)).all()


def test_csv_and_parquet_read_the_same(tmp_path):
    from_csv, from_parquet = read(tmp_path, loans()), read(tmp_path, loans().replace("", None), name="loans.parquet")
    pd.testing.assert_frame_equal(from_csv.rows, from_parquet.rows)


def spoilt(column, row, value):
    frame = loans()
    frame.loc[row, column] = value
    return frame


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        pytest.param(
            spoilt("application_date", 4, "31/12/1997"), "row 5: application_date: expected a date", id="date"
        ),
        pytest.param(
            spoilt("charge_off_date", 9, "soon"), "row 10: charge_off_date: expected a date", id="outcome date"
        ),
        pytest.param(
            spoilt("charge_off_date", 2, "1990-01-01"), "row 3: charge_off_date: expected an outcome after", id="early"
        ),
        pytest.param(
            spoilt("loan_amount", 7, "a lot"), "row 8: loan_amount: expected a number, got 'a lot'", id="number"
        ),
        pytest.param(
            spoilt("loan_id", 6, "SBA000001"), "row 7: loan_id: expected a new id (row 1 has it", id="duplicate"
        ),
        pytest.param(spoilt("loan_id", 6, ""), "row 7: loan_id: expected an id", id="no id"),
        pytest.param(loans().drop(columns="employees"), "no column 'employees'", id="no such column"),
    ],
)
def test_a_fault_names_the_file_the_row_and_what_was_expected(tmp_path, frame, says):
    with pytest.raises(InputError) as refusal:
        read(tmp_path, frame)
    assert "loans.csv" in str(refusal.value)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("value", ["2", "0.5", "yes"])
def test_a_label_is_0_or_1(tmp_path, value):
    path = a_settings_file(tmp_path, path='"loans.csv"')
    told = 'outcome_time = "charge_off_date"\nhorizon = "1096d"'
    path.write_text(path.read_text().replace(told, 'column = "charged_off_36m"\nknown_at = "label_date_36m"'))
    spoilt("charged_off_36m", 11, value).to_csv(tmp_path / "loans.csv", index=False)
    with pytest.raises(InputError, match="row 12: charged_off_36m: expected"):
        read_portfolio(load_settings(path))


def test_a_horizon_that_is_not_given_is_the_longest_wait_in_the_reference(tmp_path):
    path = a_settings_file(tmp_path)
    told = 'outcome_time = "charge_off_date"\nhorizon = "1096d"'
    path.write_text(path.read_text().replace(told, 'column = "charged_off_36m"\nknown_at = "label_date_36m"'))
    assert read_portfolio(load_settings(path)).horizon == timedelta(days=1096)


def test_rows_that_cannot_be_used_are_listed_and_the_others_are_kept(tmp_path):
    frame = spoilt("loan_amount", 3, "-5")
    frame.loc[8, "application_date"] = ""
    frame.loc[9, "sba_guaranteed_share"] = "inf"
    portfolio = read(tmp_path, frame)
    assert len(portfolio.rows) == 397
    listed = portfolio.set_aside.set_index("row")["reason"].to_dict()
    assert listed == {
        4: "loan_amount -5 is outside 0 to inf",
        9: "no event time",
        10: "sba_guaranteed_share inf is outside 0 to 1",
    }


def test_a_file_of_unusable_rows_is_refused(tmp_path):
    with pytest.raises(NotEnoughDataError, match="none of 400 rows can be used; the first: row 1, no event time"):
        read(tmp_path, loans().assign(application_date=""))


@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("gone.csv", None, id="no such file"),
        pytest.param("empty.csv", b"", id="empty"),
        pytest.param("cut.csv.gz", b"\x1f\x8b\x08cut", id="cut off"),
        pytest.param("wrong.parquet", b"not parquet", id="not what its name says"),
        pytest.param("binary.csv", bytes(range(256)), id="binary"),
    ],
)
def test_a_file_that_cannot_be_read_is_one_line(tmp_path, name, content):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(MendError) as refusal:
        read_portfolio(load_settings(a_settings_file(tmp_path, path=f'"{name}"')))
    assert name in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert refusal.value.exit_code in (2, 3)
