"""The sections of the Review page about applicants: swap set, segments, approval rates, coverage."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import charts, words
from dashboard.components import chart, facts, listed
from pipeline.frames import approvals_frame, coverage_frame, level_text, segments_frame, swap_frame
from pipeline.gate.coverage import SCORE_BAND, VINTAGE
from pipeline.gate.dossier import Dossier
from pipeline.gate.fairness import DISCLAIMER
from pipeline.gate.measured import Evidence, SegmentEvidence
from pipeline.gate.swap import ALL, IN, OUT

LONG = 30  # rows from which a table scrolls in its place


def shown(table: pd.DataFrame, *, alt: str) -> None:
    """A table of plain text: page text while it is short, else a place to scroll in."""
    if len(table) > LONG:
        st.dataframe(words.legible_frame(table), hide_index=True, height=420, alt=words.legible(alt))
    else:
        facts(table.map(words.plain))


def swap(dossier: Dossier, *, unit: str) -> None:
    """Who is booked instead of whom, what became of them, and the money."""
    st.subheader("Swap set")
    measured, policy = dossier.evidence, dossier.policy
    st.markdown(words.plain(words.swap_sentence(measured, unit=unit)))
    frame = swap_frame(measured)
    if frame.empty:
        return
    totals = frame[frame["segment"] == ALL]
    shown(_swap_table(totals.assign(value=totals["direction"]), unit), alt="Applicants swapped in and out.")
    parts = frame[frame["segment"] != ALL]
    if len(parts):
        st.markdown("**By segment**")
        named = parts.assign(value=parts["segment"] + " = " + parts["value"] + ", " + parts["direction"])
        shown(_swap_table(named, unit), alt=f"The same by segment, {len(parts)} rows.")
    even = policy.gain_of_good / (policy.gain_of_good + policy.cost_of_bad)
    st.caption(
        f"{IN.capitalize()}: the champion declines, the challenger approves. {OUT.capitalize()}: the reverse. Of all "
        f"applicants since {words.day(dossier.window_start)}; not known yet: without a label, or not old enough. A "
        f"good one earns {words.percent(policy.gain_of_good)} of the amount, a bad one loses "
        f"{words.percent(policy.cost_of_bad)} (assumptions in the settings): at equal amounts, booking pays below "
        f"a bad share of {words.percent(even)}."
    )


def _swap_table(frame: pd.DataFrame, unit: str) -> pd.DataFrame:
    known = frame["good"] + frame["bad"]
    rates = [words.bad_share(bad, of) for bad, of in zip(frame["bad"], known, strict=True)]
    return pd.DataFrame(
        {
            "Applicants": frame["value"],
            "How many": frame["applicants"].map("{:,}".format),
            "Good": frame["good"].map("{:,}".format),
            "Bad": frame["bad"].map("{:,}".format),
            "Not known yet": frame["unknown"].map("{:,}".format),
            "Bad share of those known (90 %)": rates,
            "Amount at stake": [words.money(amount, unit) for amount in frame["amount"]],
            "Result if booked": [words.money(result, unit, signed=True) for result in frame["result"]],
        }
    )


def segments(dossier: Dossier) -> None:
    """Who gains and who loses, and what loss could be seen with so many rows."""
    st.subheader("Segments")
    frame = segments_frame(dossier.evidence)
    if frame.empty:
        st.caption("No segments are set: gate G6 has nothing to judge.")
        return
    worst = frame.iloc[int(frame["drop"].argmax())]
    names = [segment.name for segment in dossier.evidence.segments]
    chart(
        charts.segments(words.legible_frame(frame)),
        alt=f"F1 of both models in {words.count(len(frame), 'segment')}; worst drop in {worst['segment']} "
        f"{worst['value']}, {words.percent(worst['drop'])}.",
    )
    table = pd.DataFrame(
        {
            "Segment": names,
            "Loans (bad)": [f"{row['rows']:,} ({row['bad']:,})" for row in frame.to_dict("records")],
            "Champion F1": frame["champion_f1"].map("{:.3f}".format),
            "Challenger F1": frame["challenger_f1"].map("{:.3f}".format),
            "Loss of F1": frame["drop"].map(words.percent),
            "Interval of the loss": [words.share_interval(each.interval) for each in dossier.evidence.segments],
            "Rise of log loss, nats": frame["log_loss_rise_nats"].map("{:+.4f}".format),
            "F1 and log loss together": [_together(each) for each in dossier.evidence.segments],
            "Loss it could show": frame["detectable_drop"].map(words.detectable),
        }
    )
    shown(table, alt=f"F1 of both models in {words.count(len(frame), 'segment')}.")
    st.caption(
        f"{_level(dossier)}A loss is a share of the champion's F1; below 0 the challenger gains. Both "
        "together: in standard deviations of a row, F1 counting half; above 0 for sure is a loss. Loss it could show: "
        "with so many rows, a true loss of this size would show in 9 of 10 tries; a smaller one may pass unseen. "
        "Above 100 %: not even the loss of all of it."
    )


def _together(segment: SegmentEvidence) -> str:
    found = segment.loss_interval
    return (
        "not judged: too few rows" if found is None else f"{segment.loss:+.3f} ({found.low:+.3f} to {found.high:+.3f})"
    )


def _level(dossier: Dossier) -> str:
    """All tests of G6 share out one error, so one level holds for all."""
    found = next((each.interval for each in dossier.evidence.segments if each.interval), None)
    return f"Intervals at {level_text(found)}, for all segments together to be wrong seldom. " if found else ""


def approvals(dossier: Dossier) -> None:
    """Whom each model approves, by segment: information only."""
    st.subheader("Approval rates")
    policy, frame = dossier.evidence.fairness, approvals_frame(dossier.evidence)
    if policy is None or frame.empty:
        st.caption(
            f"Not looked at: no {'policy is' if policy is None else 'segments are'} set. It would be {DISCLAIMER}."
        )
        return
    st.markdown(
        f"**{words.plain(DISCLAIMER.capitalize())}.** Policy “{words.plain(policy.title)}”, dated "
        f"{policy.dated.day} {policy.dated:%b %Y}: a ratio below {policy.adverse_impact_floor:g} is pointed at. Counts "
        f"all applicants since {words.day(dossier.window_start)}, mature or not: an approval needs no outcome."
        f"{_approval_level(dossier)}"
    )
    table = pd.DataFrame(
        {
            "Segment": frame["segment"] + " = " + frame["value"],
            "Applicants": frame["applicants"].map("{:,}".format),
            "Champion approves": _rates(frame, "champion"),
            "Challenger approves": _rates(frame, "challenger"),
            "Change, points": [f"{change * 100:+.1f}" for change in frame["rate_change"]],
            "Interval, points": [words.points(cell.rate_change_interval) for cell in dossier.evidence.approvals],
            "Champion's ratio": frame["champion_impact_ratio"].map(words.ratio),
            "Challenger's ratio": frame["challenger_impact_ratio"].map(words.ratio),
            "Floor": ["△ below" if below is True else "" for below in frame["below_floor"]],
        }
    )
    shown(table, alt=f"Approval rates of both models in {words.count(len(frame), 'segment')}.")
    st.caption(
        f"Ratio: approval rate over the highest one in the same column, under the same model; from "
        f"{words.count(policy.min_applicants, 'applicant')} on. {words.plain(policy.note)} "
        f"Source of the floor: {words.plain(policy.source)}."
    )


def _approval_level(dossier: Dossier) -> str:
    found = next((each.rate_change_interval for each in dossier.evidence.approvals if each.rate_change_interval), None)
    return f" Intervals at {level_text(found)}, each by itself." if found else ""


def _rates(frame: pd.DataFrame, model: str) -> list[str]:
    return [
        f"{words.percent(rate, 1)} ({approved:,})"
        for rate, approved in zip(frame[f"{model}_rate"], frame[f"{model}_approved"], strict=True)
    ]


def coverage(dossier: Dossier) -> None:
    """What the judgement rests on, what it cannot see, and when the rest is final."""
    measured = dossier.evidence
    st.subheader("What this covers")
    listed(_covered(dossier))
    frame = coverage_frame(measured)
    if frame.empty:
        return
    vintages, last = frame[frame["group"] == VINTAGE], _last_final(measured)
    st.markdown("**By quarter of application**")
    if last is not None:
        st.caption(f"The youngest applicant's outcome is final on {words.day(last.ceil('D'))}.")
    totals = vintages[["labelled", "mature_unlabelled", "not_mature"]].sum()
    told = f"{totals['labelled']:,} mature and labelled, {totals['mature_unlabelled']:,} mature without a label"
    alt = f"{words.count(len(vintages), 'quarter')}: {told}, {totals['not_mature']:,} not mature."
    chart(charts.coverage_by_vintage(frame), alt=alt)
    st.caption("Solid: mature and labelled. Pale: mature without a label. Outline only: not mature.")
    shown(_coverage_table(vintages, final=True), alt=alt)
    st.markdown("**By score band and segment**")
    rest = frame[frame["group"] != VINTAGE]
    shown(_coverage_table(rest, final=False), alt=f"Coverage of {len(rest)} score bands and segments.")


def _covered(dossier: Dossier) -> list[str]:
    measured, interval = dossier.evidence, dossier.evidence.coverage_interval
    sure = f" ({words.share_interval(interval, digits=1)} at {level_text(interval)})" if interval else ""
    lines = [
        f"Judged on {measured.rows:,} of {words.count(measured.mature_rows, 'mature booked loan')}, "
        f"{measured.positives:,} bad: a coverage of {words.percent(measured.coverage, 1)}{sure}.",
        f"Applications from {words.day(dossier.window_start)} to {words.day(dossier.window_end)}: old enough for "
        "the outcome to be final, and later than the training windows of both models and of the first champion.",
        "Booked loans with a final outcome only. Rejected applicants have none: nothing here says how either model "
        "does on those.",
    ]
    if measured.brier_shift is not None:
        lines.append(
            f"Weighting the score bands as they are among all mature loans would move the Brier score by "
            f"{measured.brier_shift:.4f} (allowed {dossier.policy.max_brier_shift:.4f})."
        )
    if measured.labels_per_day is not None:
        lines.append(f"Labels of late: {measured.labels_per_day:.1f} judged rows per day.")
    if measured.absent_segments:
        lines.append(f"Expected segments that are absent: {', '.join(measured.absent_segments)}.")
    return lines


def _last_final(measured: Evidence) -> pd.Timestamp | None:
    finals = [cell.final_at for cell in measured.cells if cell.final_at is not None]
    return pd.Timestamp(max(finals)) if finals else None


def _coverage_table(frame: pd.DataFrame, *, final: bool) -> pd.DataFrame:
    names = frame["value"] if final else frame["group"].where(frame["group"] == SCORE_BAND, frame["group"] + " =")
    table = {
        "Quarter" if final else "Group": frame["value"] if final else names + " " + frame["value"],
        "Applicants": frame["applicants"].map("{:,}".format),
        "Not mature": frame["not_mature"].map("{:,}".format),
        "Mature, no label": frame["mature_unlabelled"].map("{:,}".format),
        "Mature, labelled": frame["labelled"].map("{:,}".format),
        "Bad": frame["bad"].map("{:,}".format),
        "Labelled share of mature": frame["labelled_share"].map(words.percent),
    }
    if final:
        table["Final at"] = pd.to_datetime(frame["final_at"]).dt.ceil("D").map(words.day)
    return pd.DataFrame(table)
