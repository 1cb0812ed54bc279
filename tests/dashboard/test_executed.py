"""An executed notebook on the Runs page: its charts drawn from data, its words letter by letter."""

from __future__ import annotations

import json
from typing import Any

from streamlit.testing.v1 import AppTest

from dashboard.charts import NOTEBOOK_MIME
from dashboard.executed import LONGEST

HOSTILE = "**bold** ![x](https://evil.example/x.png) <script>alert(1)</script>"


def cell(kind: str, source: str, *outputs: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c", "cell_type": kind, "source": [source], "outputs": list(outputs)}


def stream(text: str) -> dict[str, Any]:
    return {"output_type": "stream", "name": "stdout", "text": [text]}


def shown(*cells: dict[str, Any]) -> AppTest:
    notebook = json.dumps({"cells": list(cells)})
    page = AppTest.from_string(f"import json\nfrom dashboard import executed\nexecuted.show(json.loads({notebook!r}))")
    page.run()
    assert not page.exception
    return page


def test_words_and_outputs_are_shown_letter_by_letter() -> None:
    page = shown(cell("markdown", f"# A *question*\n{HOSTILE}"), cell("code", "print(1)", stream(HOSTILE)))
    assert page.markdown[0].value == "**A \\*question\\***"
    assert page.text[0].value == HOSTILE
    assert [code.value for code in page.code] == ["print(1)", HOSTILE]


def test_a_chart_is_drawn_from_its_data_and_one_of_an_older_notebook_is_named() -> None:
    spec = {"mark": "point", "data": {"values": [{"a": 1}]}, "encoding": {"x": {"field": "a"}}}
    data = {"output_type": "display_data", "data": {NOTEBOOK_MIME: spec, "text/plain": ["a chart"]}}
    older = {"output_type": "display_data", "data": {"text/html": ["<div>"], "text/plain": ["alt.Chart(...)"]}}
    page = shown(cell("code", "x", data, older))
    assert len(page.get("vega_lite_chart")) == 1
    assert "older notebook" in page.caption[0].value


def test_a_failed_cell_says_so_and_a_very_long_output_is_cut_and_says_by_how_much() -> None:
    error = {"output_type": "error", "ename": "ValueError", "evalue": "no rows", "traceback": ["/secret/path"]}
    page = shown(cell("code", "x", error, stream("y" * (LONGEST + 7))))
    assert page.error[0].value == "This cell failed:"
    assert page.code[1].value == "ValueError: no rows"
    assert page.code[2].value.endswith("… 7 more characters in the file")
    assert "/secret/path" not in str(page)
