"""The policy page: what is in force, what such gates would do, what others would have done; and it changes nothing."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest
from builders import a_dossier, a_settings_file, judged
from dashboard_builders import Open, config_of, texts
from streamlit.testing.v1 import AppTest

from dashboard import policy_frames, policy_loaders
from pipeline.settings_deciding import GateSettings
from pipeline.simulating import behaviour, portfolio_of, tried_for_years
from pipeline.wiring import Workspace


@pytest.fixture
def few_years(monkeypatch: pytest.MonkeyPatch) -> None:
    """Simulated years cost time, and most tests look at something else."""
    monkeypatch.setattr(policy_loaders, "_TRIES", 500)
    monkeypatch.setattr(policy_loaders, "_YEARS", (5, 50))


def charts(page: AppTest) -> int:
    return len(page.get("arrow_vega_lite_chart")) + len(page.get("vega_lite_chart"))


def replayed(page: AppTest) -> list[str]:
    (table,) = [table.value for table in page.table if "Verdict" in table.value]
    return [text.replace("\N{NO-BREAK SPACE}", " ") for text in table["Verdict"]]


def test_a_workspace_without_a_model_says_what_to_run(tmp_path: Path, open_page: Open) -> None:
    page = open_page("policy", a_settings_file(tmp_path))
    assert not page.exception
    assert "make demo" in texts(page)


def test_a_wrong_settings_file_is_one_line(tmp_path: Path, open_page: Open) -> None:
    page = open_page("policy", a_settings_file(tmp_path, min_samples="-3"))
    assert not page.exception
    assert "gate.min_samples" in page.error[0].value.replace("\\", "")


def test_the_page_says_whose_clock_it_is_and_that_it_changes_nothing(
    workspace: Workspace, open_page: Open, few_years: None
) -> None:
    page = open_page("policy", config_of(workspace))
    assert not page.exception
    said = texts(page)
    assert "simulated clock, as of **1 Jul 2006**" in said
    assert "Nothing on this page changes anything." in said
    assert "settings file (mend.toml)" in said
    assert "Nothing waits now." in said


def test_what_waits_would_be_void(workspace: Workspace, open_page: Open, few_years: None) -> None:
    judged(workspace, a_dossier())
    assert "That would be 1 dossier now." in texts(open_page("policy", config_of(workspace)))


def test_every_threshold_is_shown_with_value_reason_and_origin(
    workspace: Workspace, open_page: Open, few_years: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEND_GATE__MIN_SAMPLES", "345")
    page = open_page("policy", config_of(workspace))
    tables = [table.value for table in page.table if "What it is, and why" in table.value]
    rows = {
        row.iloc[0].replace("\\", ""): row.iloc[1].replace("\\", "") for table in tables for _, row in table.iterrows()
    }
    gates = {name: field.description for name, field in GateSettings.model_fields.items()}
    assert set(gates) <= {re.match(r"\*\*(\w+)\*\*", key)[1] for key in rows}  # type: ignore[index]
    (own,) = [key for key in rows if key.startswith("**min_samples**")]
    assert (
        own == "**min_samples**: 345 mature labelled rows (MEND_GATE__MIN_SAMPLES; default: 200 mature labelled rows)"
    )
    assert rows[own] == gates["min_samples"]
    assert any(key.startswith("**four_eyes**: yes") for key in rows)
    assert len(tables) == 6


def test_the_budget_is_what_the_ledger_says(workspace: Workspace, open_page: Open, few_years: None) -> None:
    page = open_page("policy", config_of(workspace))
    assert "Spent in the last 365 days: 0.00 % of 5 %" in texts(page)
    assert "nothing was spent" in texts(page)
    judged(workspace, a_dossier())
    page = open_page("policy", config_of(workspace))
    assert "Spent in the last 365 days: 1.00 % of 5 %" in texts(page)
    assert "Tries in the last 365 days: 1" in texts(page)
    assert "A try today may take: 0.00 %" in texts(page)


def test_without_dossiers_there_is_nothing_to_replay_and_the_simulator_says_typical(
    workspace: Workspace, open_page: Open, few_years: None
) -> None:
    page = open_page("policy", config_of(workspace))
    assert not page.exception
    assert "No challenger has been judged yet, so there is no history to replay." in texts(page)
    assert "typical figures, since no challenger has been judged yet" in texts(page)
    assert charts(page) == 1  # the simulator's


def by_the_rules(workspace: Workspace, *, rows: int, gain: float = 0.05, **thresholds: float) -> tuple[str, str, str]:
    """Chances of an equal, a better and a worse challenger, as the page words them, from the rules themselves."""
    seen, every = portfolio_of(workspace), workspace.settings.retrain.min_gap
    found = tried_for_years(
        behaviour(seen, {}),
        [0.0, gain, -gain],
        rows=rows,
        every=every,
        years=policy_loaders.years_for(every),
        policy=dataclasses.replace(workspace.settings.gate_policy, **thresholds),  # type: ignore[arg-type]
        seed=policy_loaders.SEED,
    )
    equal, better, worse = (policy_frames.frequency(each.years) for each in found)
    return equal, better, worse


def test_the_simulator_starts_at_this_portfolio_and_says_what_the_rules_give(
    workspace: Workspace, open_page: Open
) -> None:
    judged(workspace, a_dossier())
    page = open_page("policy", config_of(workspace))
    rows = portfolio_of(workspace).rows
    assert page.select_slider(key="rows").value == rows
    assert page.select_slider(key="days").value == workspace.settings.retrain.min_gap.days
    equal, better, worse = by_the_rules(workspace, rows=rows)
    said = texts(page)
    assert f"an **equal** challenger is promoted in {equal} of years" in said
    assert f"**5 % better** in {better}, one **5 % worse** in {worse}" in said
    assert "over 5,000 years (25,000 tries)" in said
    found = a_dossier().evidence
    assert f"F1 is {found.champion.f1:.3f}, calling everyone bad has {found.everyone_bad.f1:.3f}" in said


def test_the_sliders_of_gain_and_error_are_the_policy_that_is_simulated(workspace: Workspace, open_page: Open) -> None:
    judged(workspace, a_dossier(challenger="4", champion="3"))  # better than calling everyone bad
    page = open_page("policy", config_of(workspace))
    page.select_slider(key="rows").set_value(20_000)
    page.slider(key="asked").set_value(0.0)
    page.slider(key="yearly").set_value(50.0).run()
    lax = by_the_rules(workspace, rows=20_000, min_f1_gain=0.0, yearly_false_promotions=0.5)
    assert len({lax, *(by_the_rules(workspace, rows=20_000, **one) for one in LESS_LAX)}) == 3
    assert f"an **equal** challenger is promoted in {lax[0]} of years, one **5 % better** in {lax[1]}" in texts(page)


LESS_LAX = ({"yearly_false_promotions": 0.5}, {"min_f1_gain": 0.0})


def test_a_moved_slider_of_the_simulator_is_answered(workspace: Workspace, open_page: Open, few_years: None) -> None:
    judged(workspace, a_dossier())
    page = open_page("policy", config_of(workspace))
    page.slider(key="gain").set_value(12.5)
    page.select_slider(key="rows").set_value(200)
    page.select_slider(key="days").set_value(7).run()
    assert not page.exception
    assert "**12.5 % better**" in texts(page)
    assert "Of 200 rows a try about 40 go bad; G1 asks for 200 rows and 50 bad." in texts(page)
    assert "over 9 years (477 tries)" in texts(page)


def test_a_gain_out_of_reach_is_one_line(workspace: Workspace, open_page: Open, few_years: None) -> None:
    judged(workspace, a_dossier(challenger="4", champion="3"))
    page = open_page("policy", config_of(workspace))
    assert "**5 % better**" in texts(page)
    page.slider(key="gain").set_value(50.0).run()
    assert not page.exception
    assert "F1 +50.0% can decide like this: F1 is out of reach" in texts(page)
    assert "verdicts would be another" in texts(page)


def test_the_policy_in_force_changes_no_verdict(workspace: Workspace, open_page: Open, few_years: None) -> None:
    digest = judged(workspace, a_dossier())
    page = open_page("policy", config_of(workspace))
    assert "0 of 1 verdicts would be another. No gate says anything else." in texts(page)
    assert replayed(page) == ["✓ promotable"]
    (table,) = [table.value for table in page.table if "Verdict" in table.value]
    assert f"(review?digest={digest})" in table["Dossier"].iloc[0]
    assert charts(page) == 4


def test_a_moved_threshold_shows_what_would_have_been_first_and_leaves_the_record_alone(
    workspace: Workspace, open_page: Open, few_years: None
) -> None:
    judged(workspace, a_dossier())
    before = workspace.ledger.entries()
    page = open_page("policy", config_of(workspace))
    page.slider(key="min_samples").set_value(page.slider(key="min_samples").max).run()
    assert not page.exception
    said = texts(page)
    assert "1 of 1 verdicts would be another. Gates that say something else: G1 in 1." in said
    assert "is not followed" in said
    assert replayed(page) == ["**✓ promotable → △ waiting**"]
    assert workspace.ledger.entries() == before
    page.button[0].click().run()
    assert "0 of 1 verdicts would be another." in texts(page)
    assert page.slider(key="min_samples").value == workspace.settings.gate.min_samples


def test_a_link_opens_the_replay_that_it_names(workspace: Workspace, open_page: Open, few_years: None) -> None:
    judged(workspace, a_dossier())
    page = open_page("policy", config_of(workspace), cooldown="365", max_brier_rise="0.002")
    assert page.slider(key="cooldown").value == 365
    assert "Asked: cooldown 365 days, max_brier_rise 0.002 Brier score." in texts(page)


def test_what_the_record_cannot_tell_is_said_and_never_shown_as_unchanged(
    workspace: Workspace, open_page: Open, few_years: None
) -> None:
    judged(workspace, a_dossier())
    page = open_page("policy", config_of(workspace))
    sizes = sorted(s.rows for s in a_dossier().evidence.segments if s.interval)
    page.slider(key="min_segment_samples").set_value(sizes[0] + 1).run()
    assert not page.exception
    assert replayed(page) == ["**✓ promotable → – cannot tell**"]
    assert "of 1 the record cannot tell" in texts(page)
    assert "mend gate VERSION --as-of TIME" in texts(page)


def test_a_dossier_that_was_changed_is_named(workspace: Workspace, open_page: Open, few_years: None) -> None:
    judged(workspace, a_dossier())
    judged(workspace, a_dossier(challenger="3", better=False))
    path = workspace.root / workspace.ledger.acts("dossier")[0]["path"]
    path.write_text(path.read_text().replace("promotable", "promotablf", 1))
    page = open_page("policy", config_of(workspace))
    assert not page.exception
    assert "changed after it was judged" in texts(page)
    assert sorted(replayed(page)) == ["**✓ promotable → – cannot tell**", "✗ refused"]
