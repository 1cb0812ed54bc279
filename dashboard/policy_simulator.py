"""The policy page's second part: sliders, and what gates set like this would do on this portfolio in a year."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import timedelta

import streamlit as st

from dashboard import loaders, policy_charts, policy_frames, policy_loaders, words
from dashboard.components import chart, facts, one_line_for_known_errors
from pipeline.gate.budget import YEAR
from pipeline.gate.simulate import Behaviour, Simulated
from pipeline.gate.values import GatePolicy
from pipeline.simulating import behaviour
from pipeline.wiring import Workspace

_DAY = timedelta(days=1)
_ROWS = (200, 500, 1000, 2000, 5000, 10_000, 20_000, 50_000)
_RHYTHMS = (1, 7, 14, 30, 91, 182, 365)  # days


@st.fragment
def simulator(workspace: Workspace) -> None:
    """Sliders, a sentence, a chart, and the numbers behind it."""
    with one_line_for_known_errors():
        st.header("What would such gates do here?")
        seen = policy_loaders.portfolio(workspace, loaders.head(workspace))
        deciding = behaviour(seen, {})
        st.caption(words.plain(f"Models that decide as in {seen.source}. {_shape(deciding)}"))
        gain, rows, every, policy = _sliders(workspace, seen.rows)
        bad = rows * deciding.base_rate
        if rows < policy.min_samples or bad < policy.min_positives:
            st.warning(
                f"Of {words.count(rows, 'row')} a try about {bad:,.0f} go bad; G1 asks for {policy.min_samples:,} rows "
                f"and {policy.min_positives:,} bad. Most tries are too small to be judged: take more rows."
            )
        _show(policy_loaders.chances(seen, gain=gain, rows=rows, every=every, policy=policy), policy)
        if policy.primary != "f1":
            metric = words.METRICS[policy.primary]
            st.caption(
                f"Simulated is F1, which counts decisions. G4 judges {metric} here, which needs the rows themselves."
            )


def _shape(deciding: Behaviour) -> str:
    """What of the portfolio decides: how many go bad, and the two levels of F1 that a challenger has to beat."""
    everyone = 2 * deciding.base_rate / (1 + deciding.base_rate)
    return (
        f"{words.percent(deciding.base_rate, 1)} go bad. The champion's F1 is {deciding.f1:.3f}, calling everyone bad "
        f"has {everyone:.3f}: a challenger has to beat both."
    )


def _sliders(workspace: Workspace, own_rows: int) -> tuple[float, int, timedelta, GatePolicy]:
    """True gain, rows a try, time between tries, and today's policy with what the sliders say."""
    today = workspace.settings.gate_policy
    own = min(max(round(workspace.settings.retrain.min_gap / _DAY), 1), 365)
    places = iter([column for _ in range(3) for column in st.columns(2)])  # row by row, on a phone too
    rows = next(places).select_slider(
        "Rows a try",
        sorted({*_ROWS, own_rows}),
        value=own_rows,
        format_func="{:,}".format,
        key="rows",
        bind="query-params",
        help="Mature labelled rows. At the start, as many as the newest dossier was judged on.",
    )
    days = next(places).select_slider(
        "Days between two tries",
        sorted({*_RHYTHMS, own}),
        value=own,
        key="days",
        bind="query-params",
        help="How often a challenger is compared. At the start, as often as retrain.min_gap lets one be trained.",
    )
    gain = next(places).slider(
        "True gain (% of F1)",
        *(0.5, 50.0, 5.0, 0.5),
        format="%g",
        key="gain",
        bind="query-params",
        help="By how much a better challenger truly is better, and a worse one worse.",
    )
    asked = next(places).slider(
        "Asked for: min_f1_gain (% of F1)",
        *(0.0, 50.0, round(today.min_f1_gain * 100, 9), 0.5),
        format="%g",
        key="asked",
        bind="query-params",
        help="Below this, G4 fails.",
    )
    yearly = next(places).slider(
        "Allowed: yearly_false_promotions (% of years)",
        *(0.5, 50.0, round(today.yearly_false_promotions * 100, 9), 0.5),
        format="%g",
        key="yearly",
        bind="query-params",
        help="Chance that is allowed for promoting a challenger no better.",
    )
    policy = dataclasses.replace(today, min_f1_gain=asked / 100, yearly_false_promotions=yearly / 100)
    return gain / 100, int(rows), timedelta(days=int(days)), policy


def _show(found: Sequence[Simulated], policy: GatePolicy) -> None:
    equal, better, worse = found
    gates, plain = policy_frames.frequency(equal.years), policy_frames.frequency(equal.plain_years)
    st.markdown(
        f"With these gates an **equal** challenger is promoted in {gates} of years, one "
        f"**{policy_frames.kind(better.gain)}** in {policy_frames.frequency(better.years)}, one "
        f"**{policy_frames.kind(worse.gain)}** in {policy_frames.frequency(worse.years)}. The plain rule, "
        f"F1 + {policy.min_f1_gain * 100:g} % taken at its word, promotes an equal one in {plain} of years."
    )
    chart(
        policy_charts.chances(policy_frames.chances_frame(found), promised=policy.yearly_false_promotions),
        alt=f"Share of years with a promotion, three kinds of challenger under two rules: equal {gates} by these "
        f"gates, {plain} by the plain rule. Dashed: {words.percent(policy.yearly_false_promotions, 1)} promised.",
    )
    tries = equal.years.of * -(-YEAR // equal.every)
    st.caption(
        f"In brackets: Wilson, 95 %, over {equal.years.of:,} years ({tries:,} tries) for each kind of challenger. "
        "Simulated are G1 and G4 by F1; G2, G3, G5 and G6 are taken as passed. Every try has fresh rows, and every "
        "year begins with no try on record: the worst case. More years: mend simulate-gate."
    )
    with st.expander("In numbers", icon=":material/table:"):
        facts(policy_frames.chances_table(found))
