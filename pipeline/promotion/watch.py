"""What a watch comes to: go on, go back, kept, or not told. Pure: what was found in, a verdict out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pipeline.promotion.canary import Canary
from pipeline.promotion.promised_gain import Held


class State(StrEnum):
    """What a watch has come to."""

    WATCHING = "watching"
    PROPOSES = "proposes"  # a rollback
    KEPT = "kept"  # its promise, as far as the period could tell
    NOT_TOLD = "not told"  # the period is over, and it could not be told


class Ground(StrEnum):
    """Why a rollback is proposed."""

    OUTCOMES = "outcomes"
    SCORES = "scores"  # the same rows get other scores than before


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What the watch comes to, on which grounds, and why in words; `on_outcomes` is the part that outcomes gave."""

    state: State
    grounds: tuple[Ground, ...]
    reason: str
    on_outcomes: str | None = None


def verdict(
    found: Sequence[Held],
    scores: Canary,
    of_replaced: Canary,
    *,
    names: Mapping[str, str],
    over: bool,
    proposed: str | None = None,
) -> Verdict:
    """Put outcomes and scores together.

    Args:
        found: Each metric.
        scores: The champion's canary rows. `of_replaced`: those of the version it replaced; where they differ too, the
            platform changed and going back would not mend it.
        names: What to call `champion` and `replaced`.
        over: The period is over.
        proposed: Reason of an earlier proposal on outcomes: it stands until the champion changes, because a test that
            said yes is not asked again.
    """
    harmed = [each for each in found if each.harm]
    outcomes = proposed or (" ".join(_harm_told(each, names) for each in harmed) if harmed else None)
    told = _scores_told(scores, of_replaced, names)
    grounds, reasons = [], []
    if outcomes is not None:
        grounds.append(Ground.OUTCOMES)
        reasons.append(outcomes)
    if scores.wrong and not of_replaced.wrong:
        grounds.append(Ground.SCORES)
    if told is not None:
        reasons.append(told)
    if grounds:
        return Verdict(state=State.PROPOSES, grounds=tuple(grounds), reason=" ".join(reasons), on_outcomes=outcomes)
    kept = bool(found) and all(each.kept for each in found)
    state = (State.KEPT if kept else State.NOT_TOLD) if over else State.WATCHING
    seen = " ".join(_told(each, names) for each in found)
    return Verdict(state=state, grounds=(), reason=" ".join([*reasons, seen]))


def _scores_told(scores: Canary, of_replaced: Canary, names: Mapping[str, str]) -> str | None:
    """What the canary rows say, if they say anything."""
    if not scores.wrong:
        return None
    by = "to something that is no number" if scores.largest is None else f"by up to {scores.largest:.2g}"
    line = (
        f"{names['champion'].capitalize()} cannot be loaded: {scores.reason}."
        if scores.broken
        else f"{scores.differ} of {scores.rows} reference rows get another score from {names['champion']} than on "
        f"record, {by}: the model, its libraries or the platform changed."
    )
    if of_replaced.wrong:
        return f"{line} So it is with {names['replaced']}: going back would not mend it."
    return line


def _harm_told(each: Held, names: Mapping[str, str]) -> str:
    assert each.promised_gain is not None
    return f"{_told(each, names)} That is worse than {names['replaced']} and than promised, each beyond the margin."


def _told(each: Held, names: Mapping[str, str]) -> str:
    """One metric in a sentence."""
    label = {"auc": "AUC", "brier": "Brier score"}[each.metric]
    if each.gain is None or each.low is None or each.high is None or each.promised_gain is None:
        return f"{label}: {each.reason}."
    limits_told = f"[{each.low:+.4f}, {each.high:+.4f}] at {each.level:.1%}".replace("%", " %")
    return (
        f"{label}: {each.value:.4f}, of {names['replaced']} {each.replaced:.4f} on the same rows: "
        f"gain {each.gain:+.4f} {limits_told}, promised {each.promised_gain:+.4f}."
    )
