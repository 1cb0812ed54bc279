"""What the gates would do on this portfolio: challengers of a known gain, tried for years."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from pipeline.gate.measured import Evidence
from pipeline.gate.simulate import Behaviour, Simulated, behaviour_of, simulate
from pipeline.gate.swap import ALL, IN, OUT
from pipeline.gate.values import GatePolicy
from pipeline.promotion.review import read_dossier
from pipeline.wiring import Workspace

TYPICAL = {"base_rate": 0.07, "f1": 0.44, "disagreement": 0.025}  # two real models on Give Me Some Credit
_BAD_AMONG_APART = 0.25  # of the rows on which two models differ, bad: 22 and 23 % for real models on two portfolios
_ROWS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Portfolio:
    """How two models decide here, and where that was seen.

    `seen` are counts per cell (`monitoring.performance.CELLS`) of a dossier's judged rows; None: nothing to learn from,
    typical figures stand in. `source` says which, in words.
    """

    seen: tuple[int, ...] | None
    source: str

    @property
    def rows(self) -> int:
        """Mature labelled rows a try."""
        return sum(self.seen) if self.seen else _ROWS


def portfolio_of(workspace: Workspace) -> Portfolio:
    """As the newest dossier decides."""
    dossiers = workspace.ledger.acts("dossier")
    if not dossiers:
        lacking = "no challenger has been judged" if workspace.initialised else "there is no champion"
        return Portfolio(seen=None, source=f"typical figures, since {lacking} yet")
    dossier = read_dossier(workspace, dossiers[-1]["digest"])
    cells = decided(dossier.evidence)
    at = f"the dossier of {dossier.as_of:%Y-%m-%d} (version {dossier.challenger} against {dossier.champion})"
    if cells is None:
        return Portfolio(seen=None, source=f"typical figures, since {at} has no rows to learn from")
    return Portfolio(seen=cells, source=f"{at}, {sum(cells):,} rows")


def decided(found: Evidence) -> tuple[int, ...] | None:
    """Counts per cell of the judged rows, from both confusions and those whose decision changes; None without."""
    moved = {cell.direction: cell for cell in found.swap if cell.segment == ALL}
    if set(moved) != {IN, OUT} or not found.champion.caught_bad:
        return None
    ours = found.champion.confusion(rows=found.rows, positives=found.positives)
    declined, approved = moved[IN], moved[OUT]  # by the champion, and not by the challenger
    return (
        ours.true_negative - approved.good,
        approved.good,
        declined.good,
        ours.false_positive - declined.good,
        ours.false_negative - approved.bad,
        approved.bad,
        declined.bad,
        ours.true_positive - declined.bad,
    )


def behaviour(portfolio: Portfolio, given: Mapping[str, float]) -> Behaviour:
    """How champion and challenger decide: what is given, and what was seen or is typical for the rest.

    Args:
        portfolio: What was seen.
        given: Shares by the names of `Behaviour`, and `disagreement` for both of its kinds together.

    Raises:
        InputError: No two models can decide like this.
    """
    if portfolio.seen is None:
        rate = given.get("base_rate", TYPICAL["base_rate"])
        known = {"base_rate": rate, "f1": TYPICAL["f1"], "called_bad": given.get("called_bad", rate)}
        known |= _apart(TYPICAL["disagreement"], _BAD_AMONG_APART)
    else:
        was = behaviour_of(np.array(portfolio.seen))
        known = {name: getattr(was, name) for name in Behaviour.__dataclass_fields__}
    if "disagreement" in given:
        total = known["disagreement_bad"] + known["disagreement_good"]
        known |= _apart(given["disagreement"], known["disagreement_bad"] / total if total else _BAD_AMONG_APART)
    known |= {name: value for name, value in given.items() if name != "disagreement"}
    if "challenger_called_bad" not in known or ("called_bad" in given and "challenger_called_bad" not in given):
        known["challenger_called_bad"] = known["called_bad"]
    return Behaviour(**known)


def _apart(total: float, bad: float) -> dict[str, float]:
    return {"disagreement_bad": total * bad, "disagreement_good": total * (1 - bad)}


def tried_for_years(
    deciding: Behaviour,
    gains: Sequence[float],
    *,
    rows: int,
    every: timedelta,
    years: int,
    policy: GatePolicy,
    seed: int,
    tick: Callable[[int], object] | None = None,
) -> list[Simulated]:
    """One result for each true gain of F1, each from draws of its own; arguments and errors as in `simulate`."""
    return [
        simulate(
            deciding.cells(gain),
            gain=gain,
            rows=rows,
            every=every,
            years=years,
            policy=policy,
            seed=seed + place,
            tick=tick,
        )
        for place, gain in enumerate(gains)
    ]
