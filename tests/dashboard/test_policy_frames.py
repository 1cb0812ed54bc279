"""The policy page's sliders, frames and charts: what they hold, and that every position is one the settings take."""

from __future__ import annotations

import dataclasses
from datetime import timedelta

import altair as alt
import pandas as pd
import pytest
from builders import AS_OF, a_dossier
from hypothesis import given
from hypothesis import strategies as st

from dashboard import policy_charts, policy_frames
from dashboard.policy_knobs import moved, replay_knobs
from pipeline.gate.checks import Status
from pipeline.gate.simulate import Frequency, Simulated
from pipeline.gate.values import GatePolicy, Outcome
from pipeline.gate.what_if import ANSWERABLE
from pipeline.policy_replay import Gate, Replayed, another_policy, replay
from pipeline.promotion.review import Reviewed
from pipeline.promotion.state import Standing

DAY = timedelta(days=1)
DOSSIER = a_dossier(policy=GatePolicy(resamples=200))
ROW = {"digest": DOSSIER.digest, "challenger": "2", "champion": "1", "as_of": AS_OF, "status": "promotable"}
ITEM = Reviewed(row=ROW, standing=Standing.APPROVED, decision=None)
some_policies = st.builds(
    GatePolicy,
    primary=st.sampled_from(["f1", "auc", "brier", "profit"]),
    min_samples=st.integers(1, 10**6),
    min_coverage=st.floats(0.001, 1),
    max_brier_shift=st.floats(1e-6, 1),
    cooldown=st.timedeltas(timedelta(0), 3000 * DAY),
    min_f1_gain=st.floats(0, 0.999),
    min_profit_gain=st.floats(0, 1e6),
    patience=st.timedeltas(timedelta(0), 3000 * DAY),
    max_brier_rise=st.floats(0, 0.999),
    max_segment_f1_drop=st.floats(0, 0.999),
    min_segment_samples=st.integers(1, 10**6),
)


@given(some_policies)
def test_a_slider_holds_todays_value_and_every_end_of_it_is_a_policy(policy: GatePolicy) -> None:
    for knob in replay_knobs(policy, [DOSSIER]):
        assert knob.low <= knob.today <= knob.high
        assert knob.low < knob.high
        assert len({type(each) for each in (knob.low, knob.today, knob.high, knob.step)}) == 1  # Streamlit asks for one
        for end in (knob.low, knob.high):
            asked = another_policy(policy, {knob.name: knob.setting(end)})
            assert getattr(asked, knob.name) == knob.setting(end)


@given(some_policies)
def test_sliders_that_nobody_moved_ask_for_nothing(policy: GatePolicy) -> None:
    knobs = replay_knobs(policy, [])
    assert moved(knobs, [knob.today for knob in knobs]) == {}
    first, *others = knobs
    changed = moved(knobs, [first.high, *(knob.today for knob in others)])
    assert changed == ({first.name: first.high} if first.high != first.today else {})


def test_there_is_a_slider_for_all_that_evidence_answers_and_of_the_gains_for_todays_metric() -> None:
    names = [knob.name for knob in replay_knobs(GatePolicy(primary="auc"), [])]
    assert names == [name for name in ANSWERABLE if not name.endswith("_gain") or name == "min_auc_gain"]


def test_a_position_is_in_per_cent_or_days_as_its_label_says() -> None:
    knobs = {knob.name: knob for knob in replay_knobs(GatePolicy(), [DOSSIER])}
    assert (knobs["min_f1_gain"].today, knobs["min_f1_gain"].setting(57.0)) == (2.0, 0.57)
    assert knobs["min_f1_gain"].label == "min_f1_gain (% of the champion's F1)"
    assert (knobs["cooldown"].today, knobs["cooldown"].setting(30.0)) == (7.0, 30 * DAY)
    assert knobs["min_samples"].high > DOSSIER.evidence.rows


TRIES = [
    {"as_of": AS_OF, "challenger": "2", "error_spent": 0.01},
    {"as_of": AS_OF + 100 * DAY, "challenger": "3", "error_spent": 0.0},  # no try: G1 or G2 was undecided
    {"as_of": AS_OF + 200 * DAY, "challenger": "4", "error_spent": 0.02},
]


def test_spending_rises_with_a_try_and_falls_when_it_is_a_year_old() -> None:
    frame = policy_frames.spending_frame(TRIES, until=AS_OF + 500 * DAY)
    assert [(round((row.as_of - AS_OF) / DAY), round(row.spent_365_days, 4)) for row in frame.itertuples()] == [
        (0, 0.01),
        (200, 0.03),
        (365, 0.02),
        (500, 0.02),
    ]
    assert policy_frames.tries_frame(TRIES)["challenger"].tolist() == ["version 2", "version 4"]


def simulated(gain: float, happened: int) -> Simulated:
    return Simulated(
        gain=gain,
        every=7 * DAY,
        tries=Frequency(happened=happened, of=5200),
        years=Frequency(happened=happened, of=100),
        plain_tries=Frequency(happened=2000, of=5200),
        plain_years=Frequency(happened=100, of=100),
    )


def test_chances_are_told_with_their_interval_and_count() -> None:
    found = [simulated(0.0, 0), simulated(0.05, 9)]
    frame = policy_frames.chances_frame(found)
    assert list(zip(frame["challenger"], frame["rule"], frame["told"], strict=True)) == [
        ("equal", "these gates", "0 %"),
        ("equal", "plain rule", "100 %"),
        ("5 % better", "these gates", "9 %"),
        ("5 % better", "plain rule", "100 %"),
    ]
    assert (frame["low"] <= frame["share"]).all()
    assert (frame["share"] <= frame["high"]).all()
    table = policy_frames.chances_table(found)
    assert table["Time until one passes"].tolist()[0].startswith("over ")
    assert table["One or more a year"].tolist()[2] == "9 % (4.8 % to 16.2 %)"


def a_replay(*records: object, **changes: object):  # type: ignore[no-untyped-def]
    return replay([(ITEM, each) for each in records], another_policy(DOSSIER.policy, changes))


def test_frames_hold_recorded_and_would_be_side_by_side() -> None:
    found = a_replay(DOSSIER, "not readable", min_samples=5000)
    frame = policy_frames.replay_frame(found)
    assert list(zip(frame["side"], frame["verdict"], strict=True)) == [
        ("recorded", "promotable"),
        ("another verdict", "waiting"),
        ("recorded", "promotable"),
        ("cannot tell", "cannot tell"),
    ]
    assert set(frame["happened"]) == {"Approved"}
    gates = policy_frames.gates_frame(found)
    assert gates["gate"].tolist() == ["G1", "G2", "G3", "G4", "G5", "G6"]  # of the one that can be told
    assert gates["changed"].tolist() == [True, *[False] * 5]


def test_the_table_shows_at_most_so_many_and_escapes_what_a_file_could_say() -> None:
    row = ROW | {"challenger": "[x](evil)"}
    item = dataclasses.replace(ITEM, row=row)
    found = replay([(item, DOSSIER)] * 3, DOSSIER.policy)
    table = policy_frames.replay_table(found, most=2)
    assert len(table) == 2
    assert table["Dossier"].iloc[0].startswith(r"[version \[x\]\(evil\) against 1](review?digest=")
    assert table["Gates"].tolist() == ["no change"] * 2


@pytest.mark.parametrize("changes", [{}, {"min_samples": 5000}, {"min_segment_samples": 250}], ids=str)
def test_every_chart_can_be_drawn(changes: dict[str, object]) -> None:
    found = a_replay(DOSSIER, "not readable", **changes)
    drawn = [
        policy_charts.verdicts_over_time(policy_frames.replay_frame(found)),
        policy_charts.gates_over_time(policy_frames.gates_frame(found)),
        policy_charts.chances(policy_frames.chances_frame([simulated(0.0, 0), simulated(0.05, 9)]), promised=0.05),
        policy_charts.budget(
            policy_frames.tries_frame(TRIES), policy_frames.spending_frame(TRIES, until=AS_OF + 300 * DAY), yearly=0.05
        ),
    ]
    for each in drawn:
        assert isinstance(each, alt.LayerChart)
        assert each.to_dict()["layer"]


@pytest.mark.parametrize(
    ("recorded", "would_be", "says"),
    [
        ("waiting", "refused", "same outcomes, not to be waited for"),
        ("refused", "waiting", "same outcomes, to be waited for"),
        ("refused", "refused", ""),
    ],
)
def test_a_verdict_that_only_patience_changes_is_not_called_unchanged(
    recorded: Status, would_be: Status, says: str
) -> None:
    replayed = Replayed(
        **{name: ROW[name] for name in ("digest", "challenger", "champion", "as_of")},
        standing=Standing.REFUSED,
        primary="f1",
        recorded=recorded,
        would_be=would_be,
        gates=(Gate(code="G4", recorded=Outcome.UNDECIDED, would_be=Outcome.UNDECIDED),),
    )
    assert policy_frames.reading(replayed) == says


def test_no_layer_is_empty_since_a_browser_warns_of_its_endless_axis() -> None:
    for changes, layers in (({}, (2, 1)), ({"min_samples": 5000}, (3, 2))):
        found = a_replay(DOSSIER, **changes)
        verdicts = policy_charts.verdicts_over_time(policy_frames.replay_frame(found))
        gates = policy_charts.gates_over_time(policy_frames.gates_frame(found))
        assert (len(verdicts.layer), len(gates.layer)) == layers


def test_empty_frames_keep_their_columns() -> None:
    nothing = replay([], DOSSIER.policy)
    for frame in (
        policy_frames.replay_frame(nothing),
        policy_frames.gates_frame(nothing),
        policy_frames.tries_frame([]),
    ):
        assert isinstance(frame, pd.DataFrame)
        assert "as_of" in frame.columns
