"""Cycles of a long life, found by their time: one, its neighbours, or a whole span thinned to what can be drawn.

Every question is answered from indexes, so that a year of five-minute cycles (105,000) costs a page no more than a day.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from pipeline.stores import ledger_tables as tables
from pipeline.stores.buckets import buckets
from pipeline.stores.engine import iso
from pipeline.stores.ledger import Ledger

LOOK = (
    "features_judged",
    "features_drifted",
    "weighted_share",
    "score_psi",
    "worst_feature",
    "worst_psi",
    "change_kind",
    "recommendation",
    "signal_reason",
    "fired",
    "why",
)
"""What a cycle tells of its look; None where it has none: its notebook failed, or it is from before there were any."""

PARTS = 200
_INSTANT = timedelta(microseconds=1)
_cycles, _looks, _entries = tables.cycles, tables.looks, tables.entries
_DRAWN = (*_cycles.c["as_of", "status", "rows", "champion"], *_looks.c[LOOK[:-1]])
_TOLD = (
    *(column for column in _cycles.c if column.name != "entry"),
    *_looks.c[LOOK],
    _entries.c.files,
    _entries.c.seq,
)


def cycle_at_or_before(ledger: Ledger, moment: datetime) -> dict[str, Any] | None:
    """The newest cycle that had run by a moment: its columns, its look's (`LOOK`), `files` with SHA-256, and `seq`."""
    return _one(ledger, _cycles.c.as_of <= moment, _cycles.c.as_of.desc())


def neighbours(ledger: Ledger, as_of: datetime) -> tuple[dict[str, Any] | None, dict[str, Any] | None]:
    """The cycle before the one of this moment, and the one after it."""
    after = _one(ledger, _cycles.c.as_of > as_of, _cycles.c.as_of.asc())
    return cycle_at_or_before(ledger, as_of - _INSTANT), after


def newest_cycles(ledger: Ledger, *, limit: int, skip: int = 0) -> list[dict[str, Any]]:
    """The last cycles, oldest first; without the newest `skip`."""
    wanted = sa.select(_cycles.c.as_of).order_by(_cycles.c.as_of.desc()).limit(limit).offset(skip or None).subquery()
    query = _told().join(wanted, wanted.c.as_of == _cycles.c.as_of).order_by(_cycles.c.as_of)
    with ledger.engine.connect() as connection:
        return [_as_told(row) for row in connection.execute(query).mappings()]


def newest_measured(ledger: Ledger) -> dict[str, Any] | None:
    """The newest cycle that wrote a monitoring result."""
    return _one(ledger, _cycles.c.metrics_path.is_not(None), _cycles.c.as_of.desc())


def failures(ledger: Ledger) -> dict[str, int]:
    """How many cycles could not look, and how many notebook runs did not succeed: `cycle` and `run`."""
    failed = {
        "cycle": sa.select(sa.func.count()).where(_cycles.c.status == "failed"),
        "run": sa.select(sa.func.count()).where(tables.runs.c.status != "succeeded"),
    }
    with ledger.engine.connect() as connection:
        return {kind: int(connection.execute(query).scalar_one()) for kind, query in failed.items()}


def span(ledger: Ledger) -> tuple[datetime, datetime] | None:
    """When the first cycle was and when the newest; None where there was none."""
    ends = [sa.select(sa.func.min(_cycles.c.as_of)), sa.select(sa.func.max(_cycles.c.as_of))]
    with ledger.engine.connect() as connection:  # two questions: SQLite answers each from the index, both at once not
        first, last = (connection.execute(query).scalar_one() for query in ends)
    return None if first is None else (first, last)


def turns(ledger: Ledger, *, limit: int) -> list[dict[str, Any]]:
    """The last looks at which it turned: drift or a call for a new model where the look before had neither, or back.

    Looks that could not judge are neither. The first counts as a turn if it drifted. Oldest first, columns as of
    `thinned` without those of a part. Reads one narrow row of every cycle: a quarter of a second for 105,000.
    """
    moved = sa.case(((_cycles.c.status == "drift") | (_looks.c.recommendation == "retrain"), 1), else_=0)
    judged = (
        sa.select(
            _cycles.c.as_of, moved.label("now"), sa.func.lag(moved, 1, 0).over(order_by=_cycles.c.as_of).label("before")
        )
        .select_from(_cycles)
        .outerjoin(_looks, _looks.c.as_of == _cycles.c.as_of)
        .where(_cycles.c.status.in_(("ok", "drift")))
        .subquery()
    )
    query = (
        sa.select(*_DRAWN)
        .select_from(judged)
        .join(_cycles, _cycles.c.as_of == judged.c.as_of)
        .outerjoin(_looks, _looks.c.as_of == _cycles.c.as_of)
        .where(judged.c.now != judged.c.before)
        .order_by(_cycles.c.as_of.desc())
        .limit(limit)
    )
    with ledger.engine.connect() as connection:
        return [dict(row) for row in reversed(connection.execute(query).mappings().all())]


def thinned(ledger: Ledger, start: datetime, end: datetime, *, parts: int = PARTS) -> list[dict[str, Any]]:
    """Cycles with start <= `as_of` <= `end`, of each part of the span the one that a person must not miss.

    Of the cycles with a number to draw (`weighted_share`), a part keeps the worst: one that calls for a new model
    before one with another change, before one past a limit, before a calm one; then the one with the larger share,
    then the newer. Of those without a number it keeps the worst as well, one that failed first: what nobody could
    judge is no calm. The first and the newest cycle of the span are always there.

    Returns:
        At most 2 * parts + 2 rows, oldest first: `as_of, status, rows, champion`, the columns of `LOOK` but `why`,
        `gravity` (the worse the higher, among those with a share or among those without), `of_cycles` (of how many
        cycles of its part the row is the worst; none where it only is the first or the newest, so that they add up to
        the span's), `part_start`, `part_end`.
    """
    bounds = buckets(start, end, most=parts)
    with ledger.engine.connect() as connection:
        rows = connection.execute(_thinning(bounds, start, end)).mappings().all()
    return [
        {
            **{name: value for name, value in row.items() if name != "part"},
            "part_start": bounds[row["part"]][0],
            "part_end": bounds[row["part"]][1],
        }
        for row in rows
    ]


def _thinning(bounds: Sequence[tuple[datetime, datetime]], start: datetime, end: datetime) -> sa.Select[Any]:
    part = (
        sa.values(sa.column("part", sa.Integer), sa.column("low", sa.String), sa.column("high", sa.String), name="v")
        .data([(number, iso(low), iso(high)) for number, (low, high) in enumerate(bounds)])
        .cte("parts")
    )
    call = _looks.c.recommendation == "retrain"
    measured = _looks.c.weighted_share.is_not(None)
    rank = sa.case(
        (call, 3),
        (measured & (_looks.c.change_kind != "none"), 2),
        (measured & (_looks.c.features_drifted > 0), 1),
        (measured, 0),
        (_cycles.c.status == "failed", 3),
        (_cycles.c.status.in_(("stale", "no_data")), 2),
        else_=1,
    )
    as_of = sa.type_coerce(_cycles.c.as_of, sa.String)
    inside = (as_of >= part.c.low) & (as_of < part.c.high) & _cycles.c.as_of.between(start, end)
    alike = [part.c.part, measured]

    worst = [rank.desc(), _looks.c.weighted_share.desc(), _cycles.c.as_of.desc()]
    judged = (
        sa.select(
            part.c.part,
            _cycles.c.as_of,
            rank.label("gravity"),
            sa.func.row_number().over(partition_by=alike, order_by=worst).label("place"),
            sa.func.count().over(partition_by=alike).label("of_cycles"),
        )
        .select_from(part)
        .join(_cycles, inside)
        .outerjoin(_looks, _looks.c.as_of == _cycles.c.as_of)
        .subquery()
    )
    counted = sa.case((judged.c.place == 1, judged.c.of_cycles), else_=0).label("of_cycles")
    ends = [
        sa.select(end_of(_cycles.c.as_of)).where(_cycles.c.as_of.between(start, end)).scalar_subquery()
        for end_of in (sa.func.min, sa.func.max)
    ]
    return (
        sa.select(*_DRAWN, judged.c.part, judged.c.gravity, counted)
        .select_from(judged)
        .join(_cycles, _cycles.c.as_of == judged.c.as_of)
        .outerjoin(_looks, _looks.c.as_of == _cycles.c.as_of)
        .where((judged.c.place == 1) | judged.c.as_of.in_(ends))
        .order_by(_cycles.c.as_of)
    )


def _told() -> sa.Select[Any]:
    return (
        sa.select(*_TOLD)
        .select_from(_cycles)
        .join(_entries, _entries.c.seq == _cycles.c.entry)
        .outerjoin(_looks, _looks.c.as_of == _cycles.c.as_of)
    )


def _one(ledger: Ledger, which: sa.ColumnElement[bool], order: sa.ColumnElement[Any]) -> dict[str, Any] | None:
    with ledger.engine.connect() as connection:
        row = connection.execute(_told().where(which).order_by(order).limit(1)).mappings().first()
    return None if row is None else _as_told(row)


def _as_told(row: sa.RowMapping) -> dict[str, Any]:
    return {**row, "files": json.loads(row["files"])}
