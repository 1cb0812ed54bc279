"""Applicants in tables of plain text and in sentences: swap set, segments, approval rates, coverage. No Streamlit."""

from __future__ import annotations

import pandas as pd

from dashboard import words
from pipeline.frames import approvals_frame, level_text, segments_frame
from pipeline.gate.coverage import SCORE_BAND
from pipeline.gate.dossier import Dossier
from pipeline.gate.fairness import DISCLAIMER, FairnessPolicy
from pipeline.gate.measured import Evidence, SegmentEvidence
from pipeline.gate.swap import ALL, IN, OUT


def swap_table(frame: pd.DataFrame, unit: str) -> pd.DataFrame:
    """Applicants whose decision changes, what became of them, and the money. `frames.swap_frame`'s columns."""
    known = frame["good"] + frame["bad"]
    part = frame["segment"] + " = " + frame["value"] + ", " + frame["direction"]
    rates = [words.bad_share(bad, of) for bad, of in zip(frame["bad"], known, strict=True)]
    return pd.DataFrame(
        {
            "Applicants": frame["direction"].where(frame["segment"] == ALL, part),
            "How many": frame["applicants"].map("{:,}".format),
            "Good": frame["good"].map("{:,}".format),
            "Bad": frame["bad"].map("{:,}".format),
            "Not known yet": frame["unknown"].map("{:,}".format),
            "Bad share of those known (90 %)": rates,
            "Amount at stake": [words.money(amount, unit) for amount in frame["amount"]],
            "Result if booked": [words.money(result, unit, signed=True) for result in frame["result"]],
        }
    )


def swap_read_how(dossier: Dossier) -> str:
    """What the swap set counts, and when booking pays."""
    policy = dossier.policy
    even = policy.gain_of_good / (policy.gain_of_good + policy.cost_of_bad)
    return (
        f"{IN.capitalize()}: the champion declines, the challenger approves. {OUT.capitalize()}: the reverse. Of all "
        f"applicants since {words.day(dossier.window_start)}; not known yet: without a label, or not old enough. A "
        f"good one earns {words.percent(policy.gain_of_good)} of the amount, a bad one loses "
        f"{words.percent(policy.cost_of_bad)} (assumptions in the settings): at equal amounts, booking pays below "
        f"a bad share of {words.percent(even)}."
    )


def segments_told(frame: pd.DataFrame) -> str:
    """The drawing of `frames.segments_frame` in words."""
    worst = frame.iloc[int(frame["drop"].argmax())]
    return (
        f"F1 of both models in {words.count(len(frame), 'segment')}; worst drop in {worst['segment']} "
        f"{worst['value']}, {words.percent(worst['drop'])}."
    )


def segments_table(measured: Evidence) -> pd.DataFrame:
    """Who gains and who loses, and what loss could be seen with so many rows."""
    frame = segments_frame(measured)
    return pd.DataFrame(
        {
            "Segment": [segment.name for segment in measured.segments],
            "Loans (bad)": [f"{row['rows']:,} ({row['bad']:,})" for row in frame.to_dict("records")],
            "Champion F1": frame["champion_f1"].map("{:.3f}".format),
            "Challenger F1": frame["challenger_f1"].map("{:.3f}".format),
            "Loss of F1": frame["drop"].map(words.percent),
            "Interval of the loss": [words.share_interval(each.interval) for each in measured.segments],
            "Rise of log loss, nats": frame["log_loss_rise_nats"].map("{:+.4f}".format),
            "F1 and log loss together": [_together(each) for each in measured.segments],
            "Loss it could show": frame["detectable_drop"].map(words.detectable),
        }
    )


def segments_read_how(dossier: Dossier) -> str:
    """How the segments' numbers are read."""
    return (
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


def approvals_told(dossier: Dossier, policy: FairnessPolicy) -> str:
    """By which policy approval rates are looked at, and whom they count; safe as Markdown."""
    return (
        f"**{words.plain(DISCLAIMER.capitalize())}.** Policy “{words.plain(policy.title)}”, dated "
        f"{policy.dated.day} {policy.dated:%b %Y}: a ratio below {policy.adverse_impact_floor:g} is pointed at. Counts "
        f"all applicants since {words.day(dossier.window_start)}, mature or not: an approval needs no outcome."
        f"{_approval_level(dossier)}"
    )


def approvals_table(measured: Evidence) -> pd.DataFrame:
    """Whom each model approves, by segment."""
    frame = approvals_frame(measured)
    return pd.DataFrame(
        {
            "Segment": frame["segment"] + " = " + frame["value"],
            "Applicants": frame["applicants"].map("{:,}".format),
            "Champion approves": _rates(frame, "champion"),
            "Challenger approves": _rates(frame, "challenger"),
            "Change, points": [f"{change * 100:+.1f}" for change in frame["rate_change"]],
            "Interval, points": [words.points(cell.rate_change_interval) for cell in measured.approvals],
            "Champion's ratio": frame["champion_impact_ratio"].map(words.ratio),
            "Challenger's ratio": frame["challenger_impact_ratio"].map(words.ratio),
            "Floor": ["△ below" if below is True else "" for below in frame["below_floor"]],
        }
    )


def approvals_read_how(policy: FairnessPolicy) -> str:
    """What a ratio is, and where its floor comes from; safe as Markdown."""
    return (
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


def covered(dossier: Dossier) -> list[str]:
    """What the judgement rests on, and what it cannot see."""
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


def last_final(measured: Evidence) -> pd.Timestamp | None:
    """When the outcome of the youngest applicant is final."""
    finals = [cell.final_at for cell in measured.cells if cell.final_at is not None]
    return pd.Timestamp(max(finals)) if finals else None


def vintages_told(vintages: pd.DataFrame) -> str:
    """The drawing of coverage by vintage in words."""
    totals = vintages[["labelled", "mature_unlabelled", "not_mature"]].sum()
    told = f"{totals['labelled']:,} mature and labelled, {totals['mature_unlabelled']:,} mature without a label"
    return f"{words.count(len(vintages), 'quarter')}: {told}, {totals['not_mature']:,} not mature."


def coverage_table(frame: pd.DataFrame, *, final: bool) -> pd.DataFrame:
    """Whose outcome is known; `final`: by vintage, with when that is. `frames.coverage_frame`'s columns."""
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
