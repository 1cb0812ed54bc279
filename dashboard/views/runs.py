"""What ran, how long it took, and what each notebook said."""

from __future__ import annotations

from typing import Any

import pandas as pd
import streamlit as st

from dashboard import findings, loaders, words
from dashboard.components import clock, leaf, opened, pick

workspace = opened()
head = loaders.head(workspace)
counts = loaders.counts(workspace, head)
ICONS = {"succeeded": "✓", "failed": "✗"}


def text_of(value: str | list[str]) -> str:
    """A notebook's text, which is a string or a list of lines."""
    return "".join(value)


def show_output(output: dict[str, Any]) -> None:
    """What a cell printed or returned, as text; a chart or a page only in the downloaded file."""
    if output["output_type"] == "error":
        st.error("This cell failed:", icon=":material/error:")
        st.code(f"{output['ename']}: {output['evalue']}", language=None, wrap_lines=True)
        return
    data = output.get("data", {})
    text = text_of(output.get("text") or data.get("text/plain", ""))
    if "text/html" in data and text.lstrip().startswith(("alt.", "<", "<IPython")):
        st.caption("A chart: download the notebook to see it.")
    elif text.strip():
        st.code(text, language=None, height=min(400, 60 + 22 * text.count("\n")))


def show_notebook(notebook: dict[str, Any]) -> None:
    """Every cell in order, read-only, nothing of it executed or rendered."""
    for cell in notebook["cells"]:
        source = text_of(cell["source"])
        if cell["cell_type"] == "code":
            if source.strip():
                st.code(source, language="python")
            for output in cell["outputs"]:
                show_output(output)
        else:
            st.text(source)


st.title("Runs")
clock(workspace)
if not counts.runs:
    st.info("No notebook has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()

newest = loaders.runs(workspace, head)
with st.grid(3, min_column_width=150):
    st.metric("Notebook runs", f"{counts.runs:,}", border=True)
    st.metric("Failed", f"{counts.runs_failed:,}", border=True)
    st.metric(f"Median time of the newest {len(newest):,}", f"{newest['seconds'].median():.1f} s", border=True)

with st.container(border=True):
    st.subheader("Notebook runs")
    runs = loaders.runs(workspace, head, skip=leaf(counts.runs, key="runs"))
    columns = ["as_of", "notebook", "status", "seconds", "error", "run_id"]
    shown = runs[columns].assign(status=runs["status"].map(lambda status: f"{ICONS.get(status, '')} {status}"))
    shown = shown.assign(as_of=shown["as_of"].map(words.day), error=shown["error"].fillna(""))
    names = {"as_of": "As of", "run_id": "Run", "error": "Error", "status": "Status", "notebook": "Notebook"}
    seconds = st.column_config.NumberColumn("Seconds", format="%.1f")
    st.dataframe(
        shown.rename(columns=names),
        hide_index=True,
        height=300,
        column_config={"seconds": seconds},
        alt="Notebook runs, newest first.",
    )

with st.container(border=True):
    st.subheader("One run")
    found = {row["run_id"]: row for row in runs.to_dict("records")}
    linked = loaders.run(workspace, st.query_params.get("run", ""))
    if linked is not None:
        found.setdefault(linked["run_id"], linked)

    def shown_run(run: str) -> str:
        row = found[run]
        return f"{row['notebook']} · {words.day(row['as_of'])} · {row['status']} · {run}"

    picked = pick("Run", list(found), link="run", shown=shown_run)
    run = found[picked]
    path, sha256 = run["path"], run["files"].get(run["path"])
    st.caption(f"The executed copy, as recorded. SHA-256 {sha256}")
    if run["error"]:
        st.error("This run failed:", icon=":material/error:")
        st.text(run["error"])
    st.download_button(
        "Download .ipynb",
        data=lambda: loaders.recorded(workspace, path, sha256),
        file_name=f"{picked}.ipynb",
        mime="application/x-ipynb+json",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("Show the notebook", icon=":material/menu_book:"):
        show_notebook(loaders.document(workspace, path, sha256))

if not counts.cycles:
    st.stop()
with st.container(border=True):
    st.subheader("Cycles")
    newest = loaders.cycles(workspace, head, skip=leaf(counts.cycles, key="cycles"))[::-1]
    table = pd.DataFrame(
        {
            "As of": newest["as_of"].map(words.day),
            "Window": [findings.state_text(cycle) for cycle in newest.to_dict("records")],
            "Features drifted": [findings.features_text(cycle) for cycle in newest.to_dict("records")],
            "Rows": newest["rows"],
            "Champion": newest["champion"],
            "What it did": newest["note"],
        }
    )
    st.dataframe(table, hide_index=True, height=300, alt="Cycles, newest first.")
