"""G6: is there a segment that loses?"""

from __future__ import annotations

import math
from collections.abc import Sequence

from pipeline.gate.evidence import segment_alpha
from pipeline.gate.measured import Evidence, SegmentEvidence
from pipeline.gate.values import Check, GatePolicy, Interval, Outcome

_LISTED = 5  # names spelled out in a note before it counts the rest


def no_segment_regression(evidence: Evidence, *, policy: GatePolicy) -> Check:
    """G6: no segment shows a loss of F1 that is not within what is allowed.

    Compared point by point, an equal model would be refused more often than not. So a segment has regressed when F1 is
    lower, F1 and log loss together are worse by more than luck, and F1 is not shown to stay within the limit; or F1
    alone is shown to fall by more. The
    segments share out `segment_error`: an equal challenger is refused about that often at most. Log loss stands beside
    F1 because it sees the same loss with a fraction of the rows. Segments too small to judge are named and block
    nothing, unless none can be judged.
    """
    big = judged_segments(evidence, policy=policy)
    level, most = 1 - 2 * segment_alpha(policy, len(big)), policy.max_segment_f1_drop
    measured = all(_level(s.interval, level) and _level(s.loss_interval, level) for s in big)
    regressed = [s for s in big if _regressed(s, most)]
    worst = max(regressed or big, key=lambda s: s.drop, default=None)
    notes = [_listed("regressed", [f"{s.name} (F1 {-s.drop:+.1%})" for s in regressed])]
    if worst is None:
        outcome = Outcome.UNDECIDED
        notes += [f"no segment has {policy.min_segment_samples} rows and both outcomes"]
    elif not measured:
        outcome = Outcome.UNDECIDED
        notes = [f"no interval at the level of {level:.4f} that {len(big)} segments need"]
    else:
        outcome = Outcome.FAILED if regressed else Outcome.PASSED
        notes += [] if regressed else [_worst(worst, most)]
    notes += [_listed("too small to judge", [s.name for s in evidence.segments if s not in big])]
    notes += [_listed("expected and absent", evidence.absent_segments)]
    return Check(
        code="G6",
        name="no segment regression",
        outcome=outcome,
        observed=worst.drop if worst else None,
        threshold=most,
        unit="relative drop of F1, worst segment",
        interval=worst.interval if worst else None,
        margin=most - worst.drop if worst else None,
        note="; ".join(note for note in notes if note),
    )


def judged_segments(evidence: Evidence, *, policy: GatePolicy) -> list[SegmentEvidence]:
    """Those that are large enough, with two rows or more of either outcome; they share out the error of G6."""
    return [s for s in evidence.segments if s.rows >= policy.min_segment_samples and 2 <= s.positives <= s.rows - 2]


def _level(interval: Interval | None, level: float) -> bool:
    return interval is not None and math.isclose(interval.level, level)


def _regressed(segment: SegmentEvidence, most: float) -> bool:
    if segment.interval is None or segment.loss_interval is None or segment.drop <= 0:
        return False
    by_itself = segment.interval.low > most  # F1 alone, whatever log loss says
    return segment.interval.high > most and (by_itself or segment.loss_interval.low > 0)


def _worst(segment: SegmentEvidence, most: float) -> str:
    luck = ", which may be luck" if segment.drop > most else ""
    seen = segment.detectable_drop
    blind = "" if seen is None else f"; a loss below {seen:.0%} might not show there"
    if seen is not None and seen >= 1:
        blind = "; too few bad outcomes there to show any loss of F1"
    return f"worst: {segment.name} (F1 {-segment.drop:+.1%}{luck}{blind})"


def _listed(what: str, names: Sequence[str]) -> str:
    more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
    return f"{what}: {', '.join(names[:_LISTED])}{more}" if names else ""
