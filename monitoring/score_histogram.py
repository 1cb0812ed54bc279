"""How scores are spread in the reference and in a window, over the same bins."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

BINS = 30
_TAIL = 0.995  # of the reference: beyond it all is one bin, or a few scores would squeeze all others into the first


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreHistogram:
    """Counts over bins [edges[i], edges[i + 1]); the last bin takes everything above. `threshold` is the cut-off."""

    edges: tuple[float, ...]
    reference: tuple[int, ...]
    window: tuple[int, ...]
    threshold: float

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}


def score_histogram(
    reference: NDArray[np.float64], window: NDArray[np.float64], *, threshold: float
) -> ScoreHistogram | None:
    """Both over bins of equal width from 0 to where the reference thins out.

    Args:
        reference: Scores of the reference, shape (n,); NaN is left out.
        window: Scores of the window, by the same model, shape (m,); NaN is left out.
        threshold: The model's cut-off.

    Returns:
        None where either has no score.

    >>> found = score_histogram(np.linspace(0, 0.5, 1000), np.linspace(0, 1, 500), threshold=0.2)
    >>> sum(found.reference), sum(found.window), found.window[-1] > 200
    (1000, 500, True)
    """
    before, now = (scores[np.isfinite(scores)] for scores in (reference, window))
    if not len(before) or not len(now):
        return None
    top = max(float(np.quantile(before, _TAIL)), np.finfo(np.float64).tiny)
    edges = np.linspace(0.0, top, BINS + 1)
    counts = [np.histogram(np.minimum(scores, top), bins=edges)[0].tolist() for scores in (before, now)]
    return ScoreHistogram(
        edges=tuple(edges.tolist()), reference=tuple(counts[0]), window=tuple(counts[1]), threshold=threshold
    )
