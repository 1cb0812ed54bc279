"""Text and drawings of the evidence pack: rules that hold for whatever somebody types."""

from __future__ import annotations

import unicodedata
from xml.etree import ElementTree

import altair as alt
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dashboard import pack_charts, words
from dashboard.pack_blocks import Table, plain_table, table
from dashboard.words import legible

HIDDEN = {"Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp"}


@given(st.text(max_size=60))
def test_no_hidden_character_is_left_but_line_ends_and_tabs(text: str) -> None:
    assert {unicodedata.category(each) for each in legible(text) if each not in "\n\t"} & HIDDEN == set()


@given(st.text(st.characters(exclude_categories=sorted(HIDDEN)), max_size=60))
def test_a_text_without_hidden_characters_is_shown_as_it_is(text: str) -> None:
    assert legible(text) == text


@given(st.text(st.characters(exclude_characters="\r"), min_size=11, max_size=60))
def test_what_is_cut_says_how_much(text: str) -> None:
    assert f"… ({len(text) - 10:,} of {len(text):,} characters left out)" in legible(text, most=10)


@given(st.text(max_size=60))
def test_unmarking_gives_back_what_was_made_plain(text: str) -> None:
    assert words.unmarked(words.plain(text)) == " ".join(words.legible(text).split())
    assert words.unmarked(f"**{words.plain(text)}**") == " ".join(words.legible(text).split())


def test_a_plain_table_keeps_its_backslashes_and_a_marked_one_loses_its_marks() -> None:
    frame = pd.DataFrame({"A": [r"C:\dir", "**x**"]})
    assert plain_table(frame, "t").rows == [[r"C:\dir"], ["**x**"]]
    assert table(frame, "t").rows == [["C:dir"], ["x"]]


@pytest.mark.parametrize(
    ("column", "numeric"),
    [
        pytest.param(["1", "≥ 2,000", "-0.5 %"], True, id="numbers with units"),
        pytest.param(["+0.4 (+0.3 to +0.5)", "14 % (9 % to 20 %)"], True, id="with intervals"),
        pytest.param(["1 to 2", "–", "+3 to +4"], True, id="intervals and a dash"),
        pytest.param(["7083bff1317a", "87c10513835c"], False, id="digests"),
        pytest.param(["1 Jul 2006", "2 Jul 2006 08:05"], False, id="dates"),
        pytest.param(["–", ""], False, id="nothing"),
    ],
)
def test_a_column_is_set_as_numbers_when_its_cells_are(column: list[str], numeric: bool) -> None:
    rows = [["name", cell] for cell in column]
    assert Table(title="t", columns=["A", "B"], rows=rows).numeric == [False, numeric]


def a_chart(*names: str) -> alt.Chart:
    return alt.Chart(pd.DataFrame({"n": names, "v": range(len(names))})).mark_bar().encode(x="v:Q", y="n:N")


@pytest.mark.parametrize(
    "name",
    ["</text><script>alert(1)</script>", "a\0b", "\x1b[31m", "\u202eabc", "\ud800", "&amp;\"'", "x" * 100_000],
    ids=["script", "NUL", "escape", "right to left", "half a character", "quotes", "long"],
)
def test_a_name_is_text_in_a_drawing(name: str) -> None:
    """A NUL would end the process that draws, not only the drawing."""
    svg = pack_charts.drawn(a_chart(name), told=name)
    tree = ElementTree.fromstring(svg)
    assert {element.tag for element in tree.iter()} <= {"svg", "g", "path", "line", "rect", "text", "defs", "clipPath"}
    assert tree.attrib["role"] == "img"
    assert legible(name) == tree.attrib["aria-label"]


@settings(max_examples=25, deadline=None)
@given(st.text(max_size=20))
def test_any_name_can_be_drawn(name: str) -> None:
    ElementTree.fromstring(pack_charts.drawn(a_chart(name), told=name))


@pytest.mark.parametrize(
    ("svg", "told"),
    [
        ("<svg><script>alert(1)</script></svg>", "expected shapes and text, got <script>"),
        ("<svg><image href='x'/></svg>", "expected shapes and text, got <image>"),
        ("<svg><g onclick='x'/></svg>", "<g> has onclick"),
        ("<svg><path style='x'/></svg>", "<path> has style"),
        ("<svg><text href='x'/></svg>", "<text> has href"),
    ],
)
def test_what_is_no_drawing_is_refused(svg: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        pack_charts._only_a_drawing(ElementTree.fromstring(svg))
