"""An executed notebook, read-only: its words, its code, what it printed, and its charts drawn from their data."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import streamlit as st

from dashboard import words
from dashboard.charts import NOTEBOOK_MIME

LONGEST = 20_000  # characters of one output that are shown; the file has them all


def show(notebook: Mapping[str, Any]) -> None:
    """Every cell in order; nothing of it is executed, and no text of it is taken for Markdown or HTML."""
    for cell in notebook["cells"]:
        source = text_of(cell["source"])
        if cell["cell_type"] != "code":
            _words(source)
            continue
        if source.strip():
            st.code(source, language="python")
        for place, output in enumerate(cell["outputs"]):
            _output(output, key=f"{cell.get('id', '')}-{place}")


def text_of(value: str | list[str]) -> str:
    """A notebook's text, which is a string or a list of lines."""
    return "".join(value)


def _words(source: str) -> None:
    """Headings in bold, the rest letter by letter."""
    first, _, rest = source.strip().partition("\n")
    if first.startswith("#"):
        st.markdown(f"**{words.plain(first.lstrip('# '))}**")
        source = rest
    if source.strip():
        st.text(source.strip())


def _output(output: Mapping[str, Any], *, key: str) -> None:
    if output["output_type"] == "error":
        st.error("This cell failed:", icon=":material/error:")
        st.code(f"{output['ename']}: {output['evalue']}"[:LONGEST], language=None, wrap_lines=True)
        return
    data = output.get("data", {})
    if NOTEBOOK_MIME in data:
        spec = data[NOTEBOOK_MIME]
        st.vega_lite_chart(
            spec=json.loads(spec) if isinstance(spec, str) else spec,
            alt=text_of(data.get("text/plain", "A chart of the notebook.")),
            key=f"chart-{key}",
        )
        return
    text = text_of(output.get("text") or data.get("text/plain", ""))
    if "text/html" in data and text.lstrip().startswith(("alt.", "<", "<IPython")):
        st.caption("A chart of an older notebook: download it to see it.")
    elif text.strip():
        left = f"\n… {len(text) - LONGEST:,} more characters in the file" if len(text) > LONGEST else ""
        st.code(text[:LONGEST] + left, language=None, height=min(400, 60 + 22 * text.count("\n")))
