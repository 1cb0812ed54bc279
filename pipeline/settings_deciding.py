"""Settings of deciding: `[gate]`, `[profit]`, `[approval]`."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.settings_types import Amount, Count, Duration, Margin, Multiple, Number, PositiveDuration, Section, Share


class GateSettings(Section):
    """What a challenger must show. docs/gates.md says how each gate judges."""

    primary: Literal["f1", "auc", "brier", "profit"] = Field(
        default="f1",
        description="the metric that G4 judges: F1 because the gate is specified so; AUC or the Brier score need "
        "fewer labels to show the same gain, profit many more",
    )
    min_samples: Count = Field(
        default=200,
        title="mature labelled rows",
        description="as the gate is specified; min_positives is what usually decides",
    )
    min_positives: Count = Field(
        default=50,
        title="bad outcomes",
        description="with 50 the standard error of recall is at most 7 percentage points (√(0.25/50)); with fewer, F1 "
        "says little",
    )
    min_coverage: Share = Field(
        default=0.30,
        title="% of the mature rows",
        description="have their label; labels that are missing are rarely missing at random, and below this those "
        "known do not speak for the rest",
    )
    max_brier_shift: Share = Field(
        default=0.002,
        title="Brier score",
        description="by which labels missing in some score bands may move what is read (post-stratification, Holt and "
        "Smith 1979): a fifth of what G5 allows",
    )
    cooldown: Duration = Field(
        default=timedelta(days=7),
        description="since the champion was put in place, by the ledger: one that changes faster than anybody looks "
        "at it is not watched",
    )
    min_f1_gain: Margin = Field(
        default=0.02,
        title="% of the champion's F1",
        description="a change of model costs validation and surprise, so a gain has to be worth it",
    )
    min_auc_gain: Margin = Field(
        default=0.005,
        title="AUC",
        description="among what 2 % of F1 came with when the scores of four real models were made noisier: 0.003 to "
        "0.015",
    )
    min_brier_gain: Margin = Field(
        default=0.005,
        title="% of the champion's Brier score",
        description="among what 2 % of F1 came with when the scores of four real models were made noisier: 0.5 to 2.7 "
        "%",
    )
    min_profit_gain: Amount = Field(
        default=0.0,
        title="money per applicant",
        description="any gain that is not luck: what a change of model costs you is yours to set",
    )
    yearly_false_promotions: Annotated[float, Number, Field(gt=0, le=0.5)] = Field(
        default=0.05,
        title="% in any 365 days",
        description="chance that a challenger no better is promoted, however often one is tried: the usual 5 %, for "
        "the year instead of the try",
    )
    budget_carry: PositiveDuration = Field(
        default=timedelta(days=91),
        description="most of that budget to save up: a quarter's, so that a quarterly try may take 1 %",
    )
    patience: Duration = Field(
        default=timedelta(days=180),
        description="how long an undecided challenger may wait: half a year on, the next one has younger data",
    )
    max_brier_rise: Margin = Field(
        default=0.01,
        title="Brier score",
        description="prices and provisions are made from the probability, not from the decision: 0.01 is the squared "
        "error that a 10-point miscalibration adds everywhere",
    )
    max_segment_f1_drop: Margin = Field(
        default=0.05,
        title="% of the champion's F1 in the segment",
        description="as the gate is specified; asked of an interval, because point by point an equal model is refused "
        "more often than not",
    )
    min_segment_samples: Count = Field(
        default=200,
        title="rows in the segment",
        description="what G1 asks of the whole; smaller segments are named, and block nothing unless none can be "
        "judged",
    )
    segment_error: Annotated[float, Number, Field(gt=0, lt=0.5)] = Field(
        default=0.09,
        title="% of tries",
        description="in which G6 may refuse an equal challenger: a little below the 10 % promised, since limits at "
        "these errors are right to about a tenth",
    )
    interval_level: Annotated[float, Number, Field(gt=0.5, lt=1)] = Field(
        default=0.90,
        title="%, two-sided",
        description="of G5 and of every paired metric shown: leaves 5 % on either side, the usual one-sided error",
    )
    resamples: Annotated[int, Number, Field(ge=200, le=1_000_000)] = Field(
        default=2000,
        title="resamples",
        description="place a 5 % point to within half a percentage point (√(0.05·0.95/2000))",
    )
    fairness_policy: Path | None = Field(
        default=None,
        description="dated file that approval rates are held against, relative to the settings file: information, no "
        "gate",
    )

    @model_validator(mode="after")
    def _within_a_year(self) -> Self:
        if self.budget_carry > timedelta(days=365):
            raise ValueError("budget_carry: expected at most 365d")
        return self


class ProfitSettings(Section):
    """What a decision is worth: how profit and the money in the swap set are counted."""

    amount: str | None = Field(
        default=None, description="numeric feature with the money at stake; not given, each applicant counts 1"
    )
    unit: str = Field(default="", description="the money's name, as in USD")
    cost_of_bad: Multiple = Field(
        default=0.45,
        title="% of the amount",
        description="that a bad outcome loses: the loss given default that the Basel framework (CRE32) sets for "
        "senior unsecured claims under the foundation approach; yours to set",
    )
    gain_of_good: Multiple = Field(
        default=0.05, title="% of the amount", description="that a good outcome earns: our assumption; yours to set"
    )


class ApprovalSettings(Section):
    """Who may sign, and for how long a dossier can be signed."""

    approvers: tuple[str, ...] = Field(
        default=(), description="names that may sign, or `issuer#subject`; empty: nobody"
    )
    approver_roles: tuple[str, ...] = Field(
        default=(), description="roles that may sign, where somebody vouches for roles"
    )
    expires_after: PositiveDuration = Field(
        default=timedelta(days=14),
        description="how long a dossier can be signed: two weeks cover a holiday, and the population of a month ago "
        "is another",
    )
    four_eyes: bool = Field(default=True, description="who asked for the training cannot sign")
