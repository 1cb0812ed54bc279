"""What a section of the evidence pack is made of: plain text, tables and drawings. The template escapes every text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pandas as pd
from markupsafe import Markup, escape

from dashboard import pack_charts, words
from dashboard.charts import Figure

_ONE = r"[≥≤±+\-−]? ?\d[\d,.]*(?: %| days| [A-Z]{3})?"
_NUMBER = re.compile(rf"{_ONE}(?: to {_ONE})?(?: \(.*\))?")
_MOSTLY = 0.8  # of a column's cells that are numbers: it is set to the right


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """A paragraph; `kind` is body, note (small print) or quote (what a person wrote)."""

    text: str
    kind: str = "body"
    block = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Heading:
    """Of a part of a section."""

    text: str
    block = "heading"


@dataclass(frozen=True, slots=True, kw_only=True)
class Points:
    """Sentences as a list; with a title, in a box that is not overlooked."""

    lines: Sequence[str]
    title: str = ""
    block = "points"


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """Names with their values."""

    rows: Mapping[str, str]
    block = "facts"


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A table; the first column names each row. On a phone every row becomes a block."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    block = "table"

    @property
    def numeric(self) -> list[bool]:
        """Which columns hold numbers; never the first, which names the rows."""
        cells = list(zip(*self.rows, strict=True)) or [()] * len(self.columns)
        return [False, *(_share_of_numbers(column) >= _MOSTLY for column in cells[1:])]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawing:
    """Charts beside each other, with what they show in words; their numbers stand in a table near by."""

    svgs: Sequence[Markup]
    caption: str
    block = "drawing"


@dataclass(frozen=True, slots=True, kw_only=True)
class Code:
    """Text that is copied or computed with, letter by letter; `folded` is not printed."""

    name: str
    text: str
    title: str = ""
    folded: bool = False
    block = "code"

    @property
    def exact(self) -> Markup:
        """Escaped and otherwise unchanged, so that a reader's program finds every byte."""
        return escape(self.text)


Block: TypeAlias = Text | Heading | Points | Facts | Table | Drawing | Code


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """A numbered part of the pack."""

    number: int
    title: str
    asks: str
    blocks: Sequence[Block]


def table(frame: pd.DataFrame, title: str) -> Table:
    """A frame of cells that are safe as Markdown, or plain, as a table of plain text."""
    rows = [[words.unmarked(str(cell)) for cell in row] for row in frame.itertuples(index=False)]
    return Table(
        title=title, columns=[words.unmarked(str(name)).strip() or "What" for name in frame.columns], rows=rows
    )


def plain_table(frame: pd.DataFrame, title: str) -> Table:
    """A frame of plain text as it is: a backslash in it is a backslash."""
    rows = [[str(cell) for cell in row] for row in frame.itertuples(index=False)]
    return Table(title=title, columns=[str(name) for name in frame.columns], rows=rows)


def drawing(figure: Figure, *, told: str, caption: str) -> Drawing:
    """One chart."""
    return Drawing(svgs=[pack_charts.drawn(figure, told=told)], caption=caption)


def _share_of_numbers(column: Sequence[str]) -> float:
    filled = [cell for cell in column if cell not in ("", "–")]
    return sum(bool(_NUMBER.fullmatch(cell)) for cell in filled) / len(filled) if filled else 0.0
