"""Section 1 of the pack: what the model is for, as far as the record and the settings say."""

from __future__ import annotations

from dashboard import words
from dashboard.pack_blocks import Facts, Points, Section, Table, Text
from dashboard.pack_case import Case
from pipeline.settings_data import DataSettings


def purpose(case: Case) -> Section:
    """What is predicted, what the score decides, from which inputs."""
    return Section(
        number=1,
        title="Purpose and use",
        asks="What is the model for, and what does a decision on it change?",
        blocks=[
            Facts(rows=_uses(case)),
            _inputs(case.settings.data),
            Text(text="Inputs, label and who may sign are as in the settings when this pack was made.", kind="note"),
            Points(
                title="Not on Mend's record",
                lines=[
                    "The business purpose in the bank's own words, the model's owner and its materiality tier: they "
                    "belong to the model inventory.",
                    "Where else the score is used (pricing, limits, provisions): nothing here was judged for that.",
                ],
            ),
        ],
    )


def _uses(case: Case) -> dict[str, str]:
    dossier, settings = case.dossier, case.settings
    policy, approval, cut = dossier.policy, settings.approval, dossier.evidence.challenger.threshold
    amount = settings.profit.amount or "1 per applicant"
    return {
        "Model": dossier.model_name,
        "Predicts": f"the probability that an applicant goes bad. {_label(settings.data)}",
        "Decides": f"a score of {cut:.4f} or more calls an applicant bad (version {dossier.challenger}; version "
        f"{dossier.champion}: {dossier.evidence.champion.threshold:.4f}). Who is called bad is not booked.",
        "A decision is worth": f"a good one earns {words.percent(policy.gain_of_good, 1)} and a bad one loses "
        f"{words.percent(policy.cost_of_bad, 1)} of the amount at stake ({amount}"
        f"{f', {case.unit}' if case.unit else ''}). Both shares are assumptions.",
        "Segments looked at": ", ".join(settings.data.segments) or "none",
        "Who may sign": f"{words.count(len(approval.approvers), 'named approver')}, "
        f"{words.count(len(approval.approver_roles), 'role')}; four eyes "
        f"{'asked for' if approval.four_eyes else 'switched off'}",
    }


def _label(data: DataSettings) -> str:
    label = data.label
    if label.outcome_time is not None and label.horizon is not None:
        days = label.horizon.total_seconds() / 86400
        return (
            f"Bad: {label.outcome_time} is within {days:,g} days of {data.event_time}; by then every outcome is final."
        )
    known = f"known at {label.known_at}" if label.known_at else "known after a fixed delay"
    return f"Bad: {label.column} is 1, {known}."


def _inputs(data: DataSettings) -> Table:
    rows = []
    for name, feature in data.features.items():
        low, high = ("–" if end is None else f"{end:,g}" for end in (feature.min, feature.max))
        rows.append([name, feature.kind, feature.unit or "–", low, high])
    return Table(title=f"{len(rows)} inputs", columns=["Input", "Kind", "Unit", "Smallest", "Largest"], rows=rows)
