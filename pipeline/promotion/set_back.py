"""Whoever may set the clock back could sign what has expired: the record already knows a later time."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipeline.errors import RefusedError
from pipeline.stores.ledger import LedgerWriter

REFUSED = "refused_clock"  # in the ledger: an act refused for its clock alone
GRACE = timedelta(minutes=1)  # machines that share a ledger and keep time by NTP differ by less than a second


class ClockSetBackError(RefusedError):
    """The wall clock says less than the record."""

    code = "clock.set_back"


def require_clock_not_set_back(writer: LedgerWriter, *, now: datetime) -> None:
    """Refuse an act before the champion's own promotion, or whose wall clock is behind the newest entry.

    Refusals for this very reason do not count, or a second try would find the first one's early time and pass. What was
    recorded by a clock that ran ahead stops to count as soon as a cycle has recorded at the right time.

    Raises:
        RefusedError: The champion is on record as of later than `now`.
        ClockSetBackError: The clock is more than `GRACE` behind; with both times.
    """
    champion = writer.champion()
    if champion is not None and champion["since"] > now:
        since, version = f"{champion['since']:%Y-%m-%d %H:%M} UTC", champion["version"]
        raise RefusedError(
            f"version {version} is on record as champion since {since}, and now it is {now:%Y-%m-%d %H:%M}: "
            "that record or the clock is wrong; see `mend ledger verify`"
        )
    newest = writer.newest(but=REFUSED)
    if newest is not None and writer.recorded_at < newest.recorded_at - GRACE:
        clock, known = f"{writer.recorded_at:%Y-%m-%d %H:%M}", f"{newest.recorded_at:%Y-%m-%d %H:%M}"
        raise ClockSetBackError(
            f"this machine's clock says {clock} UTC, but entry {newest.seq} ({newest.kind}) was written at {known}; "
            "set the clock right; if it was wrong then, let a cycle run at the right time first"
        )
