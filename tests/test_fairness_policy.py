"""The fairness policy file: dated, sourced, and any fault in it is one line that names the key."""

import dataclasses
import tomllib
from datetime import date
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SettingsError
from pipeline.fairness_policy import EXPECTED, read_fairness_policy
from pipeline.gate.fairness import DISCLAIMER, FairnessPolicy

SHIPPED = Path(__file__).resolve().parents[1] / "configs" / "fairness_policy.toml"
LINES = {
    "dated": "2026-11-23",
    "title": '"Screen"',
    "source": '"29 CFR 1607.4(D)"',
    "adverse_impact_floor": "0.8",
    "min_applicants": "200",
    "columns": '["state"]',
    "note": '""',
}


def a_file(folder, *, without=None, **changed):
    path = folder / "policy.toml"
    lines = [f"{key} = {value}\n" for key, value in (LINES | changed).items() if key != without]
    path.write_text("".join(lines), encoding="utf-8")
    return path


def test_shipped_policy_is_the_four_fifths_screen_with_date_and_source():
    policy = read_fairness_policy(SHIPPED)
    assert (policy.dated, policy.adverse_impact_floor, policy.min_applicants) == (date(2026, 11, 23), 0.8, 200)
    assert policy.columns == ()
    assert "29 CFR 1607.4(D), 1978" in policy.source
    assert policy.note.lower().startswith(DISCLAIMER)
    assert DISCLAIMER in SHIPPED.read_text(encoding="utf-8")


def test_file_becomes_a_policy(tmp_path):
    assert read_fairness_policy(a_file(tmp_path)) == FairnessPolicy(
        dated=date(2026, 11, 23),
        title="Screen",
        source="29 CFR 1607.4(D)",
        adverse_impact_floor=0.8,
        min_applicants=200,
        columns=("state",),
        note="",
    )


def test_whole_floor_of_one_is_a_number(tmp_path):
    assert read_fairness_policy(a_file(tmp_path, adverse_impact_floor="1")).adverse_impact_floor == 1.0


def test_every_key_has_its_expectation():
    assert list(EXPECTED) == [field.name for field in dataclasses.fields(FairnessPolicy)] == list(LINES)


@pytest.mark.parametrize("key", LINES)
def test_missing_key_is_named_with_what_was_expected(tmp_path, key):
    path = a_file(tmp_path, without=key)
    with pytest.raises(SettingsError) as caught:
        read_fairness_policy(path)
    assert str(caught.value) == f"{path}: {key}: missing; expected {EXPECTED[key]}"


@pytest.mark.parametrize(
    ("key", "value", "got"),
    [
        ("dated", '"2026-11-23"', "'2026-11-23'"),
        ("dated", "2026-11-23T00:00:00Z", "'2026-11-23 00:00:00+00:00'"),
        ("dated", "20261123", "20261123"),
        ("title", '""', "''"),
        ("source", "1978", "1978"),
        ("adverse_impact_floor", "0", "0"),
        ("adverse_impact_floor", "80", "80"),
        ("adverse_impact_floor", "nan", "nan"),
        ("adverse_impact_floor", "true", "True"),
        ("adverse_impact_floor", '"0.8"', "'0.8'"),
        ("adverse_impact_floor", "1" * 400, "1" * 60 + "..."),
        ("min_applicants", "0", "0"),
        ("min_applicants", "200.0", "200.0"),
        ("columns", '"state"', "'state'"),
        ("columns", '["state", "state"]', "['state', 'state']"),
        ("columns", '["state", 7]', "['state', 7]"),
        ("columns", '[""]', "['']"),
        ("note", '["two\\nlines"]', r"['two\nlines']"),
        ("min_applicants", "0x" + "f" * 5000, "a number too long to show"),
    ],
)
def test_wrong_value_is_one_line_with_file_key_and_expectation(tmp_path, key, value, got):
    path = a_file(tmp_path, **{key: value})
    with pytest.raises(SettingsError) as caught:
        read_fairness_policy(path)
    assert str(caught.value) == f"{path}: {key}: expected {EXPECTED[key]}, got {got}"


@pytest.mark.parametrize("key", ["min_aplicants", "self", '"two\\nlines"', "__dataclass_self__"])
def test_unknown_key_is_refused(tmp_path, key):
    path = a_file(tmp_path, **{key: "1"})
    with pytest.raises(SettingsError) as caught:
        read_fairness_policy(path)
    assert "unknown key; keys are dated, title, source" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_such_file_is_one_line(tmp_path):
    with pytest.raises(SettingsError, match="no such file; expected a policy like"):
        read_fairness_policy(tmp_path / "policy.toml")


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"dated = ", id="half a line"),
        pytest.param(b"dated = 2026-02-30", id="a day that is not"),
        pytest.param(b"\xff\xfe", id="not UTF-8"),
        pytest.param(b"x = " + b"9" * 5000, id="a number without end"),
        pytest.param(b"x = " + b"[" * 5000, id="brackets without end"),
        pytest.param(b"dated = 2026-11-23\ndated = 2026-11-24", id="two dates"),
    ],
)
def test_file_that_is_not_toml_is_one_line(tmp_path, content):
    path = tmp_path / "policy.toml"
    path.write_bytes(content)
    with pytest.raises(SettingsError, match="not readable as TOML: ") as caught:
        read_fairness_policy(path)
    assert "\n" not in str(caught.value)


def test_folder_is_not_a_policy(tmp_path):
    with pytest.raises(SettingsError, match="not readable as TOML: "):
        read_fairness_policy(tmp_path)


@settings(deadline=None)
@given(key=st.sampled_from(list(LINES)) | st.text("abc_", min_size=1), value=st.sampled_from(
    ["1", "-1", "0.5", "inf", "true", '""', '"x"', "[]", "[[]]", '["a"]', "{}", "{a = 1}", "2026-11-23", "12:00:00", "2026-11-23 12:00:00"]
))  # fmt: skip
def test_any_file_is_a_policy_or_one_line(tmp_path_factory, key, value):
    path = a_file(tmp_path_factory.getbasetemp(), **{key: value})
    assert tomllib.loads(path.read_text(encoding="utf-8"))
    try:
        assert isinstance(read_fairness_policy(path), FairnessPolicy)
    except SettingsError as error:
        assert str(error).startswith(f"{path}: ")
        assert "\n" not in str(error)
