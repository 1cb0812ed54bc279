"""A threshold that makes no sense is refused when the settings are read: one line with the file, the key and the need."""

import dataclasses
import re

import pytest
from builders import a_settings_file, mend

from pipeline.errors import SettingsError
from pipeline.gate.values import GatePolicy
from pipeline.settings import load_settings
from pipeline.settings_deciding import GateSettings, ProfitSettings

SENSELESS = {"nan", "inf", "-inf", '"many"', "[]", "{}", '""', "2006-01-01"}
COUNT = SENSELESS | {"0", "-1", "0.5", "1.5", "true", "1e400", "1" + "0" * 30}
SHARE = SENSELESS | {"-0.1", "1.5", "2", "-1", "true"}
DURATION = {
    "7",
    "7.0",
    "true",
    "nan",
    '"7"',
    '"7 days"',
    '"-7d"',
    '"1.5d"',
    '"d"',
    '"7y"',
    "[]",
    '""',
    "2006-01-01",
    '"999999w"',
}
MONEY = SENSELESS | {"-0.1", "true"}

# Every key of the two sections: what it must refuse, and what it must take.
GATE = {
    "primary": ({'"accuracy"', '"F1"', '""', "1", "true", "nan", '["f1"]'}, {'"f1"', '"auc"', '"brier"', '"profit"'}),
    "min_samples": (COUNT, {"1", "500"}),
    "min_positives": (COUNT, {"1", "500"}),
    "min_segment_samples": (COUNT, {"1", "500"}),
    "resamples": (COUNT | {"199", "1000001"}, {"200", "1000000"}),
    "min_coverage": (SHARE | {"0", "0.0"}, {"0.01", "1", "1.0"}),
    "max_brier_shift": (SHARE | {"0", "0.0"}, {"0.0001", "1.0"}),
    "min_f1_gain": (SHARE | {"1", "1.0"}, {"0", "0.0", "0.5"}),
    "min_auc_gain": (SHARE | {"1", "1.0"}, {"0", "0.0", "0.5"}),
    "min_brier_gain": (SHARE | {"1", "1.0"}, {"0", "0.0", "0.5"}),
    "max_brier_rise": (SHARE | {"1", "1.0"}, {"0", "0.0", "0.5"}),
    "max_segment_f1_drop": (SHARE | {"1", "1.0"}, {"0", "0.0", "0.5"}),
    "min_profit_gain": (MONEY, {"0", "0.0", "12.5"}),
    "yearly_false_promotions": (SHARE | {"0", "0.0", "0.51", "1"}, {"0.01", "0.5"}),
    "segment_error": (SHARE | {"0", "0.0", "0.5", "1"}, {"0.01", "0.49"}),
    "interval_level": (SHARE | {"0", "0.5", "1", "1.0", "90"}, {"0.51", "0.99"}),
    "cooldown": (DURATION, {'"0d"', '"7d"', '"90m"'}),
    "patience": (DURATION, {'"0d"', '"7d"', '"52w"'}),
    "budget_carry": (DURATION | {'"0d"', '"366d"'}, {'"1s"', '"365d"'}),
    "fairness_policy": ({"1", "true", "nan", "[]", "{}"}, {'"policy.toml"'}),
}
PROFIT = {
    "cost_of_bad": (MONEY | {"0", "0.0"}, {"0.01", "1", "2.5"}),
    "gain_of_good": (MONEY | {"0", "0.0"}, {"0.01", "1", "2.5"}),
    "amount": ({'"nothing"', '"borrower_state"', '""', "1", "true", "nan", "[]"}, {'"loan_amount"', '"employees"'}),
    "unit": ({"1", "true", "nan", "[]", "{}"}, {'"USD"', '""'}),
}
KEYS = {("gate", key): said for key, said in GATE.items()} | {("profit", key): said for key, said in PROFIT.items()}


def a_file(folder, section, key, value):
    """The shipped settings with one key of one section said this way, and once."""
    path = a_settings_file(folder)
    before, body, after = re.split(rf"(?m)(^\[{section}\].*\n(?:(?!\[).*\n?)*)", path.read_text(encoding="utf-8"))
    lines = [line for line in body.splitlines() if not line.startswith(f"{key} =")]
    path.write_text(f"{before}{lines[0]}\n{key} = {value}\n" + "\n".join(lines[1:]) + f"\n{after}", encoding="utf-8")
    return path


def the_policy(settings):
    """As `Settings.gate_policy` makes it."""
    money = settings.profit.model_dump(include={"cost_of_bad", "gain_of_good"})
    return GatePolicy(**settings.gate.model_dump(exclude={"fairness_policy"}), **money, seed=settings.train.seed)


def test_every_threshold_is_tried():
    assert set(GATE) == set(GateSettings.model_fields)
    assert set(PROFIT) == set(ProfitSettings.model_fields)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [(section, key, value) for (section, key), (refused, _) in KEYS.items() for value in sorted(refused)],
)
def test_a_senseless_threshold_is_refused_in_one_line(tmp_path, section, key, value):
    path = a_file(tmp_path, section, key, value)
    with pytest.raises(SettingsError) as refusal:
        load_settings(path)
    told = str(refusal.value)
    assert refusal.value.exit_code == 2
    assert told.startswith(f"{path}: {section}"), told
    assert key in told
    assert "\n" not in told
    assert len(told.split(f"{key}: ", 1)[-1]) > len("got ''"), "says nothing of what was expected"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [(section, key, value) for (section, key), (_, taken) in KEYS.items() for value in sorted(taken)],
)
def test_a_threshold_at_the_edge_of_sense_is_taken_and_makes_a_policy(tmp_path, section, key, value):
    settings = load_settings(a_file(tmp_path, section, key, value))
    assert getattr(getattr(settings, section), key) is not None
    the_policy(settings)


@pytest.mark.parametrize("key", ["min_f1_gian", "MIN_SAMPLES", "cooldown_days", "alpha", "seed", "cost_of_bad"])
def test_an_unknown_key_is_refused_and_named(tmp_path, key):
    with pytest.raises(SettingsError, match=rf"mend\.toml: gate\.{key}: unknown key$"):
        load_settings(a_file(tmp_path, "gate", key, "1"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("MEND_GATE__MIN_SAMPLES", "0"),
        ("MEND_GATE__MIN_F1_GAIN", "nan"),
        ("MEND_GATE__MIN_COVERAGE", "150"),
        ("MEND_GATE__COOLDOWN", "7"),
        ("MEND_GATE__PRIMARY", "recall"),
        ("MEND_GATE__SEGMENT_ERROR", "inf"),
        ("MEND_PROFIT__COST_OF_BAD", "-1"),
    ],
)
def test_a_variable_is_held_to_the_same_sense(tmp_path, monkeypatch, variable, value):
    path = a_settings_file(tmp_path)
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError, match=variable.removeprefix("MEND_").replace("__", ".").lower()):
        load_settings(path)


def test_the_message_says_what_was_expected_and_what_was_found(tmp_path):
    told = {}
    for key, value in [("min_samples", "-3"), ("min_coverage", "1.5"), ("cooldown", '"7"'), ("primary", '"recall"')]:
        with pytest.raises(SettingsError) as refusal:
            load_settings(a_file(tmp_path, "gate", key, value))
        told[key] = str(refusal.value).split("mend.toml: ")[1]
    assert told == {
        "min_samples": "gate.min_samples: Input should be greater than or equal to 1, got -3",
        "min_coverage": "gate.min_coverage: Input should be less than or equal to 1, got 1.5",
        "cooldown": "gate.cooldown: a duration needs a unit (s, m, h, d, w), as in '5m' or '1096d', got '7'",
        "primary": "gate.primary: Input should be 'f1', 'auc', 'brier' or 'profit', got 'recall'",
    }


def test_the_command_line_exits_with_2_and_no_traceback(tmp_path):
    done = mend("init", config=a_file(tmp_path, "gate", "min_f1_gain", "-0.02"), exit_code=2)
    assert "gate.min_f1_gain" in done.stderr
    assert "Traceback" not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_seed_that_no_policy_takes_is_refused(tmp_path):
    with pytest.raises(SettingsError, match=r"train\.seed"):
        load_settings(a_settings_file(tmp_path, seed="1" + "0" * 30))


def test_the_policy_is_the_settings_by_name_and_default():
    of_policy = {spec.name: spec.default for spec in dataclasses.fields(GatePolicy) if spec.name != "seed"}
    settings = GateSettings().model_dump(exclude={"fairness_policy"})
    settings |= ProfitSettings().model_dump(include={"cost_of_bad", "gain_of_good"})
    assert of_policy == settings
    assert {name: type(value) for name, value in of_policy.items()} == {n: type(v) for n, v in settings.items()}
