"""Section 3 of the pack: how the models were made, how they were compared, and by which rules."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pandas as pd

from dashboard import charts, judgement, verdicts, words
from dashboard.pack_blocks import Block, Facts, Heading, Points, Section, Table, Text, drawing, table
from dashboard.pack_case import Case
from pipeline.gate.values import GatePolicy

Write = Callable[[Any], str]
_DAY = timedelta(days=1)


def _whole(value: int) -> str:
    return f"{value:,}"


def _share(value: float) -> str:
    return f"{value * 100:.4g} %"


def _absolute(value: float) -> str:
    return f"{value:g}"


def _days(value: timedelta) -> str:
    return f"{value / _DAY:g} days"


RULES: dict[str, tuple[str, str, Write]] = {
    "primary": ("G4", "Metric that has to improve", words.METRICS.__getitem__),
    "min_samples": ("G1", "Mature labelled rows, at least", _whole),
    "min_positives": ("G1", "Bad outcomes among them, at least", _whole),
    "min_coverage": ("G2", "Labelled share of the mature rows, at least", _share),
    "max_brier_shift": ("G2", "What missing labels may move the Brier score by, absolute", _absolute),
    "cooldown": ("G3", "Time since the last change of champion, at least", _days),
    "min_f1_gain": ("G4", "Gain of F1, relative to the champion's, at least", _share),
    "min_auc_gain": ("G4", "Gain of AUC, absolute, at least", _absolute),
    "min_brier_gain": ("G4", "Gain of the Brier score, relative to the champion's, at least", _share),
    "min_profit_gain": ("G4", "Gain of profit, money per applicant, at least", _absolute),
    "yearly_false_promotions": ("G4", "Chance in any 365 days that a version no better is promoted, at most", _share),
    "budget_carry": ("G4", "Most of that budget that can be saved up", _days),
    "patience": ("all", "How long an undecided challenger may wait", _days),
    "max_brier_rise": ("G5", "Rise of the Brier score, absolute, at most, its whole interval", _absolute),
    "max_segment_f1_drop": ("G6", "Loss of F1 in a segment, relative to the champion's, at most", _share),
    "min_segment_samples": ("G6", "Rows of a segment that is judged, at least", _whole),
    "segment_error": ("G6", "Chance that an equal challenger is refused, at most", _share),
    "cost_of_bad": ("profit", "Share of the amount that a bad outcome loses", _share),
    "gain_of_good": ("profit", "Share of the amount that a good outcome earns", _share),
    "interval_level": ("all", "Level of every interval but G4's and G6's, two-sided", _share),
    "resamples": ("all", "Resamples of the paired bootstrap", _whole),
    "seed": ("all", "Seed of the resampling", str),
}
SOURCES = (
    "DeLong, DeLong & Clarke-Pearson (1988), Biometrics 44: intervals of AUC and Gini, paired.",
    "Hanley & MacGibbon (2006), Computer Methods and Programs in Biomedicine 83: the Poisson bootstrap of all others.",
    "Hall (1992), Journal of the Royal Statistical Society B 54: skewness in the interval that G4 decides on.",
    "Bonett & Price (2012), Journal of Educational and Behavioral Statistics 37: paired proportions.",
    "Lan & DeMets (1989), Statistics in Medicine 8; Kim & DeMets (1987), Biometrika 74: the error budget.",
    "O'Brien (1984), Biometrics 40: F1 and log loss of a segment together.",
    "Holt & Smith (1979), Journal of the Royal Statistical Society A 142: what missing labels move.",
    "Cox (1958), Biometrika 45: intercept and slope of calibration.",
    "29 CFR 1607.4(D) (1978): ratios of approval rates, the four-fifths rule.",
)


def method(case: Case) -> Section:
    """Recipe, training window, cut-off, the paired comparison, the error budget, the policy in force, sources."""
    return Section(
        number=3,
        title="Method",
        asks="How were the versions made, how were they compared, and by which rules?",
        blocks=[
            table(judgement.models_table(case.dossier, case.made.__getitem__), "How the versions were made"),
            *_training(case),
            Heading(text="How they were compared"),
            Points(lines=_compared(case)),
            rules(case.dossier.policy),
            Points(title="Sources", lines=SOURCES),
        ],
    )


def _training(case: Case) -> list[Block]:
    found, version = case.training, case.dossier.challenger
    if found is None:
        return [Text(text=f"The training record of version {version} could not be read: see section 5.")]
    facts = {
        "Parameters": ", ".join(f"{name} = {value}" for name, value in found["params"].items()) or "the recipe's own",
        "Its training data (SHA-256)": str(found["data_sha256"]),
        "On its own training window": "; ".join(f"{name} {value:.4f}" for name, value in found["metrics"].items())
        + f" ({found['rows']:,} rows, {found['positives']:,} bad; point values, for choosing parameters only)",
        "Cut-off": f"{found['threshold']:.4f}, tuned for F1 on the latest part of the training window, and part of the "
        "version",
    }
    return [Facts(rows=facts), *_importance(pd.DataFrame(found["importance"]), version)]


def _importance(frame: pd.DataFrame, version: str) -> list[Block]:
    if frame.empty:
        return []
    most = frame.iloc[0]
    told = f"Importance of {len(frame)} inputs; most: {most['feature']}, loss of AUC {most['importance']:.4f}."
    rows = [[row["feature"], f"{row['importance']:+.4f}", f"± {row['std']:.4f}"] for row in frame.to_dict("records")]
    caption = f"What version {version} rests on: loss of AUC when an input is shuffled, with one standard deviation."
    columns = ["Input", "Loss of AUC", "Standard deviation"]
    return [
        drawing(charts.importance(frame), told=told, caption=caption),
        Table(title=f"Importance of inputs, version {version}", columns=columns, rows=rows),
    ]


def _compared(case: Case) -> list[str]:
    return [
        judgement.compared_how(case.dossier),
        verdicts.budget(case.dossier),
        "Every gate is judged, none stops the others, and each has three verdicts: passed, failed, undecided. What is "
        "missing or cannot be measured is undecided, never passed.",
        "At the signature rows, outcomes, models, champion and code are looked at again; any change voids the digest.",
    ]


def rules(policy: GatePolicy) -> Table:
    """Every threshold of the policy that judged, in its unit."""
    rows = [[what, of, write(getattr(policy, name))] for name, (of, what, write) in RULES.items()]
    return Table(title="The policy that judged (it is part of the digest)", columns=["Rule", "Of", "Value"], rows=rows)
