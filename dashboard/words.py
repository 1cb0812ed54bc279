"""Numbers, states and reasons as people read them. Text in, text out: no Streamlit, no store."""

from __future__ import annotations

import dataclasses
import re
import unicodedata
from contextvars import ContextVar
from datetime import UTC, datetime, tzinfo
from typing import Any, Literal

import pandas as pd

from monitoring.performance import wilson_interval
from pipeline.frames import level_text
from pipeline.gate.dossier import Dossier
from pipeline.gate.measured import LOWER_IS_BETTER, Evidence, Paired
from pipeline.gate.swap import ALL, IN, OUT
from pipeline.gate.values import Interval
from pipeline.promotion.state import Standing

MOST = 2000  # characters of one text on a page, as many as the forms let a person write
CELL, UNIT = 200, 40  # of one in a table or a list of choices, and of a unit
SEAM = ":small[]"  # an empty element of Streamlit's Markdown: what stands on its two sides is not read together
_SHAPELESS = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}  # Unicode categories: no shape, or what follows is turned
_MARKS = re.compile(r"([\\`*_{}\[\]()<>#+\-.!|~$:^=&])")
# Escaped or not, Streamlit makes links of addresses, icons of :material/…:, and other signs of -- and >=.
_READ_TOGETHER = re.compile(
    r"(?<=:)(?=//|material/|[\w+-]+:)|(?<=www)(?=\.)|(?<=@)(?=[\w-])|(?<=[-<>~])(?=[-=>])", re.IGNORECASE
)
VIEWER: ContextVar[tzinfo] = ContextVar("VIEWER", default=UTC)  # in whose clock times are told
Colour = Literal["green", "red", "orange", "gray", "blue"]
Label = tuple[str, str, Colour]  # words, icon, colour: never colour alone

STATES: dict[str, Label] = {
    "drift": ("Drift", ":material/warning:", "red"),
    "ok": ("No drift", ":material/check_circle:", "green"),
    "no_data": ("No data", ":material/block:", "gray"),
    "too_few_rows": ("Too little data", ":material/hourglass_empty:", "gray"),
    "stale": ("Old rows", ":material/history:", "orange"),
    "failed": ("Not judged", ":material/error:", "orange"),
}
STANDINGS: dict[Standing, Label] = {
    Standing.PENDING: ("Waits for a signature", ":material/hourglass_top:", "orange"),
    Standing.WAITING: ("Waits for more labels", ":material/hourglass_empty:", "gray"),
    Standing.REFUSED: ("Refused by the gates", ":material/block:", "red"),
    Standing.APPROVED: ("Approved", ":material/check_circle:", "green"),
    Standing.REJECTED: ("Rejected", ":material/cancel:", "red"),
    Standing.EXPIRED: ("Expired", ":material/timer_off:", "gray"),
    Standing.STALE: ("Out of date", ":material/history:", "gray"),
    Standing.SUPERSEDED: ("Judged again later", ":material/history:", "gray"),
}
METRICS = {
    "f1": "F1",
    "auc": "AUC",
    "gini": "Gini",
    "ks": "KS",
    "brier": "Brier score",
    "log_loss": "Log loss",
    "calibration_intercept": "Calibration intercept",
    "calibration_slope": "Calibration slope",
    "profit": "Profit per application",
}
IDEALS = {"calibration_intercept": 0, "calibration_slope": 1}  # best in the middle: no sign of a difference is better


def day(moment: datetime) -> str:
    """A date, and the time where there is one, in the zone of whoever looks (`VIEWER`).

    Midnight in UTC is a day and not a moment: as-of dates of a replay do not move with the reader.

    >>> day(datetime.fromisoformat("2006-07-01T00:00Z")), day(datetime.fromisoformat("2006-07-01T08:05Z"))
    ('1 Jul 2006', '1 Jul 2006 08:05 UTC')
    >>> from zoneinfo import ZoneInfo
    >>> token = VIEWER.set(ZoneInfo("America/New_York"))
    >>> day(datetime.fromisoformat("2006-07-01T00:00Z")), day(datetime.fromisoformat("2006-07-01T02:05Z"))
    ('1 Jul 2006', '30 Jun 2006 22:05 EDT')
    >>> VIEWER.reset(token)
    """
    moment = moment.astimezone(UTC)
    if (moment.hour, moment.minute) == (0, 0):
        return f"{moment.day} {moment:%b %Y}"
    local = moment.astimezone(VIEWER.get())
    return f"{local.day} {local:%b %Y %H:%M %Z}"


def utc(moment: datetime) -> str:
    """A moment to the second as it stands on record, for those who compare.

    >>> utc(datetime.fromisoformat("2006-07-01T08:05:09Z"))
    '2006-07-01 08:05:09 UTC'
    """
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def percent(share: float | None, digits: int = 0) -> str:
    """A share as a percentage, a dash where nothing was measured.

    >>> percent(0.692), percent(None), percent(0.0213, 1), percent(-0.001)
    ('69 %', '–', '2.1 %', '0 %')
    """
    return "–" if share is None or pd.isna(share) else f"{round(share * 100, digits) + 0.0:.{digits}f} %"  # no -0


def count(number: int, noun: str) -> str:
    """A number with its noun.

    >>> count(1, "row"), count(1772, "row"), count(2, "entry")
    ('1 row', '1,772 rows', '2 entries')
    """
    several = f"{noun[:-1]}ies" if noun.endswith("ry") else f"{noun}s"
    return f"{number:,} {noun if number == 1 else several}"


def legible(text: object, *, most: int = MOST) -> str:
    """Any text, as it can be read: what has no shape of its own is spelt out, and beyond `most` characters it is cut.

    A character that turns the reading direction would turn our own words beside it; one without width makes two names
    look alike; half of a surrogate pair cannot be sent to a browser at all.

    >>> legible("paid\\u202eexe.\\u200b"), legible("abcdef", most=4)
    ('paid⟨U+202E⟩exe.⟨U+200B⟩', 'abcd … (2 of 6 characters left out)')
    """
    whole = str(text).replace("\r\n", "\n")
    shown, left = whole[:most], len(whole) - most
    if not shown.isprintable():
        shown = "".join(each if _has_shape(each) else f"⟨U+{ord(each):04X}⟩" for each in shown)
    return shown if left <= 0 else f"{shown} … ({left:,} of {len(whole):,} characters left out)"


def _has_shape(character: str) -> bool:
    return character in "\n\t" or unicodedata.category(character) not in _SHAPELESS


def unit_of(text: str) -> str:
    """A unit that can stand in the title of an axis, which Vega copies into an expression of its own as it is.

    >>> unit_of('per 1" pipe'), unit_of("USD")
    ('per 1” pipe', 'USD')
    """
    return " ".join(legible(text, most=UNIT).split()).replace('"', "”").replace("\\", "/")


def legible_frame(frame: pd.DataFrame, *, most: int = CELL) -> pd.DataFrame:
    """A table or the data of a chart, every text of it legible."""
    texts = frame.select_dtypes(["object", "string", "category"])
    return frame.assign(**texts.map(lambda cell: legible(cell, most=most) if isinstance(cell, str) else cell))


def legible_document(value: Any) -> Any:
    """A JSON document, every text of it legible, names included.

    >>> legible_document({"a\\u200b": ["b", 1, None]})
    {'a⟨U+200B⟩': ['b', 1, None]}
    """
    if isinstance(value, dict):
        return {legible(name): legible_document(each) for name, each in value.items()}
    if isinstance(value, list):
        return [legible_document(each) for each in value]
    return legible(value) if isinstance(value, str) else value


def plain(text: object, *, most: int = MOST) -> str:
    """Any text, so that Markdown shows it letter by letter, in one line, as `legible` has it.

    >>> print(plain("new_business *and* <b>"))
    new\\_business \\*and\\* \\<b\\>
    """
    parts = _READ_TOGETHER.split(" ".join(legible(text, most=most).split()))
    return SEAM.join(_MARKS.sub(r"\\\1", part) for part in parts)


def unmarked(markdown: str) -> str:
    """What Markdown made by our own words shows, letter by letter, without its marks.

    >>> unmarked(f"**G4** {plain('new_business *and* <b>')}")
    'G4 new_business *and* <b>'
    >>> unmarked(plain("ann@bank.example"))
    'ann@bank.example'
    """
    return re.sub(rf"\\(.)|\*\*|{re.escape(SEAM)}", lambda found: found.group(1) or "", markdown)


def money(amount: float | None, unit: str = "", *, signed: bool = False) -> str:
    """An amount with its unit; cents only where they matter.

    >>> money(-1234.5, "USD", signed=True), money(0.1234), money(None), money(-0.001, signed=True)
    ('-1,234 USD', '0.12', '–', '+0.00')
    """
    if amount is None or pd.isna(amount):
        return "–"
    digits = 0 if abs(amount) >= 1000 else 2
    return f"{round(amount, digits) + 0.0:{'+' if signed else ''},.{digits}f} {unit}".rstrip()


def metric_number(metric: str, value: float | None, *, unit: str = "", signed: bool = False) -> str:
    """A metric in as many digits as tell two models apart.

    >>> metric_number("f1", 0.1234), metric_number("brier", -0.00123, signed=True), metric_number("profit", 12.5)
    ('0.123', '-0.0012', '12.50')
    """
    if value is None or pd.isna(value):
        return "–"
    if metric == "profit":
        return money(value, unit, signed=signed)
    digits = 4 if metric in LOWER_IS_BETTER else 2 if metric in IDEALS else 3
    return f"{round(value, digits) + 0.0:{'+' if signed else ''}.{digits}f}"


def metric_interval(metric: str, interval: Interval | None) -> str:
    """Where a difference of a metric may lie. A hyphen for minus: Streamlit reads the sign of a delta from it."""
    if interval is None:
        return "no interval"
    return " to ".join(metric_number(metric, end, signed=True) for end in (interval.low, interval.high))


def difference(pair: Paired) -> str:
    """A difference and where it may lie."""
    told = metric_number(pair.metric, pair.difference, signed=True)
    return f"{told} [{metric_interval(pair.metric, pair.interval)}]" if pair.interval else f"{told}, no interval"


def share_interval(interval: Interval | None, digits: int = 0) -> str:
    """Where a share may lie; its level stands elsewhere.

    >>> share_interval(Interval(-0.1, 0.25, 0.9)), share_interval(None)
    ('-10 % to 25 %', 'not judged: too few rows')
    """
    if interval is None:
        return "not judged: too few rows"
    return f"{percent(interval.low, digits)} to {percent(interval.high, digits)}"


def points(interval: Interval | None) -> str:
    """Where a change of a rate may lie, in percentage points."""
    if interval is None:
        return "not compared: too few"
    return f"{interval.low * 100:+.1f} to {interval.high * 100:+.1f}"


def detectable(loss: float | None) -> str:
    """The loss that so many rows could show; more than all of it is none.

    >>> detectable(0.17), detectable(3.65), detectable(None)
    ('17 %', 'above 100 %', '–')
    """
    return "above 100 %" if loss is not None and loss > 1 else percent(loss)


def ratio(value: float | None) -> str:
    """A ratio of rates; a dash where there was nothing to compare."""
    return "–" if value is None or pd.isna(value) else f"{value:.2f}"


def bad_share(bad: int, known: int) -> str:
    """Share of bad outcomes among those known, with its interval (Wilson, 90 %).

    >>> bad_share(5, 35), bad_share(0, 0)
    ('14 % (7 % to 27 %)', '–')
    """
    if not known:
        return "–"
    return f"{percent(bad / known)} ({share_interval(Interval(*wilson_interval(bad, known, level=0.90), 0.90))})"


def sure(pair: Paired) -> Literal["better", "worse", "unsure"]:
    """Whether the interval of the difference leaves out "the same", and on which side; calibration never says so."""
    interval = pair.interval
    if interval is None or interval.low <= 0 <= interval.high or pair.metric in IDEALS:
        return "unsure"
    return "better" if (interval.low > 0) is not (pair.metric in LOWER_IS_BETTER) else "worse"


def decisive(measured: Evidence, metric: str) -> Paired:
    """A metric's pair with the interval that decides: of the primary, G4's, which the error budget makes wider."""
    pair, trial = measured.pair(metric), measured.trial
    if metric != trial.metric or pair.difference is None:
        return pair
    sure = trial.interval
    if sure is not None and metric in LOWER_IS_BETTER:
        sure = Interval(-sure.high, -sure.low, sure.level)
    return dataclasses.replace(pair, interval=sure)


def gained(dossier: Dossier) -> str:
    """What became of the primary metric, read from the interval that G4 decides on."""
    trial, pair = dossier.evidence.trial, dossier.evidence.pair(dossier.evidence.trial.metric)
    before, after = (metric_number(pair.metric, value) for value in (pair.champion, pair.challenger))
    goes = f"{METRICS[pair.metric]} goes from **{before}** to **{after}**"
    if trial.interval is None:
        return f"{goes}; how sure that is was not measured."
    verdict = "not told apart from luck"
    if trial.interval.low > 0 or trial.interval.high < 0:
        verdict = "better by more than luck" if trial.interval.low > 0 else "worse by more than luck"
    low, high = (metric_number(pair.metric, end, signed=True) for end in (trial.interval.low, trial.interval.high))
    return f"{goes}: {verdict} (gain between {low} and {high}, at {level_text(trial.interval)})."


def swap_sentence(measured: Evidence, *, unit: str = "") -> str:
    """Who comes in, who goes out, what became of them, and the money, with the interval of the whole."""
    totals = {cell.direction: cell for cell in measured.swap if cell.segment == ALL}
    if not totals:
        return "Nothing is known about applicants beyond the rows that were judged."
    told = [
        f"{count(cell.applicants, 'applicant')} {cell.direction}: {cell.good:,} good, {cell.bad:,} bad, "
        f"{cell.unknown:,} not known yet"
        for cell in (totals[IN], totals[OUT])
    ]
    adds, forgone = totals[IN].result, totals[OUT].result
    sure, profit = "no interval", measured.pair("profit").interval
    if profit is not None:
        low, high = (money(end * measured.rows, unit, signed=True) for end in (profit.low, profit.high))
        sure = f"{low} to {high} at {level_text(profit)}"
    return (
        f"{'; '.join(told)}. Of those known, booking the first gives {money(adds, unit, signed=True)}; booking the "
        f"second would have given {money(forgone, unit, signed=True)}, which the challenger "
        f"{'avoids' if forgone < 0 else 'gives up'}. Together {money(adds - forgone, unit, signed=True)} ({sure})."
    )


def spreadsheet_safe(value: object) -> object:
    """A cell that no spreadsheet runs as a formula.

    >>> spreadsheet_safe("=1+1"), spreadsheet_safe("-x"), spreadsheet_safe("fine"), spreadsheet_safe(-3)
    ("'=1+1", "'-x", 'fine', -3)
    """
    return f"'{value}" if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
