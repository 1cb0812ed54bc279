"""The pack as one HTML file: no script, nothing fetched, readable on a phone and printed on A4."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from dashboard import words
from dashboard.pack_case import Case
from dashboard.pack_changes import changes
from dashboard.pack_data import data
from dashboard.pack_front import front
from dashboard.pack_integrity import integrity
from dashboard.pack_limits import limits
from dashboard.pack_method import method
from dashboard.pack_monitoring import monitoring
from dashboard.pack_outcomes import outcomes
from dashboard.pack_purpose import purpose

SECTIONS = (purpose, data, method, outcomes, limits, monitoring, changes, integrity)
TONES = {"✓": "good", "✗": "bad", "△": "open"}
SHORT = 12  # letters of a cell that stays on one line, such as a date
LONG = 20  # letters of a word
WIDE = 24  # letters of a cell that takes a phone's whole width
_TEMPLATES = Path(__file__).with_name("pack_template")


def page(case: Case) -> str:
    """The whole file; the same case gives the same text."""
    first = front(case)
    style = (_TEMPLATES / "pack.css").read_text(encoding="utf-8").replace("{{ digest }}", case.dossier.digest[:12])
    return (
        _environment()
        .get_template("pack.html")
        .render(
            front=first,
            class_of=_class_of,
            page_title=f"Evidence pack: version {case.dossier.challenger}, {first.standing.lower()}",
            sections=[section(case) for section in SECTIONS],
            style=Markup(style),  # noqa: S704  our own file, with a digest in it
            style_hash=_source_hash(style),
            tone=TONES[first.sign],
        )
    )


def _environment() -> Environment:
    """Every value is escaped, and its hidden characters are spelt out; a name that is not there is an error."""
    return Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        finalize=lambda value: value if isinstance(value, Markup) else words.legible(value),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def _class_of(number: bool, cell: str) -> str:
    """How a cell is set. Only a word that no column is wide enough for may be broken, or headings fall to pieces."""
    is_a = {
        "number": number,
        "short": len(cell) <= SHORT,
        "wide": len(cell) > WIDE,
        "long": any(len(word) > LONG for word in cell.split()),
    }
    return " ".join(name for name, holds in is_a.items() if holds)


def _source_hash(text: str) -> str:
    """The one style that the page allows itself, as a Content-Security-Policy names it."""
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
