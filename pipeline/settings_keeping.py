"""Settings of `[keeping]`: how long things stay before `mend prune` deletes them."""

from __future__ import annotations

from pydantic import Field

from pipeline.settings_types import PositiveDuration, Section


class KeepingSettings(Section):
    """Ages from which `mend prune` deletes. Nothing is deleted unless an age is given: deleting is for you to ask for.

    Whatever the age, what a decision stands on stays: models, dossiers, the reference, and every look, report and
    notebook of a moment at which a signal fired, a model was trained or a challenger was judged.
    """

    keep_reports: PositiveDuration | None = Field(
        default=None, description="Evidently's pages, 4.5 MB each: the bulk of a workspace; default: for ever"
    )
    keep_notebooks: PositiveDuration | None = Field(
        default=None, description="executed drift.ipynb; those that trained or judged always stay; default: for ever"
    )
    keep_results: PositiveDuration | None = Field(
        default=None, description="drift summaries and monitoring results, which pages show; default: for ever"
    )
    keep_traffic: PositiveDuration | None = Field(
        default=None, description="applications, predictions and labels, by event time; default: for ever"
    )
