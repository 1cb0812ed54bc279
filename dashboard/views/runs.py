"""What ran, how long it took, and what each notebook said."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import desk_charts, executed, findings, loaders, words
from dashboard.components import chart, clock, opened, pick

workspace = opened()
head = loaders.head(workspace)
runs = loaders.runs(workspace, head)
ICONS = {"succeeded": "✓", "failed": "✗"}


st.title("Runs")
clock(workspace)
if runs.empty:
    st.info("No notebook has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()

failed = int((runs["status"] != "succeeded").sum())
with st.grid(3, min_column_width=150):
    st.metric("Notebook runs", f"{len(runs):,}", border=True)
    st.metric("Failed", f"{failed:,}", border=True)
    st.metric("Median time", f"{runs['seconds'].median():.1f} s", border=True)

with st.container(border=True):
    st.header("How long they took")
    deadline_s = workspace.settings.notebooks.deadline.total_seconds()
    taken = runs.assign(failed=runs["status"].ne("succeeded"), seconds=runs["seconds"].clip(lower=0.1))
    st.caption(f"A logarithmic scale. One that takes longer than {deadline_s:,.0f} s is stopped: notebooks.deadline.")
    chart(
        desk_charts.run_times(taken[["as_of", "notebook", "seconds", "failed", "run_id"]], deadline_s=deadline_s),
        alt=f"{words.count(len(runs), 'run')}, {failed} failed, median {runs['seconds'].median():.1f} s.",
    )

with st.container(border=True):
    st.header("Notebook runs")
    columns = ["as_of", "notebook", "status", "seconds", "error", "run_id"]
    shown = runs[columns].assign(status=runs["status"].map(lambda status: f"{ICONS.get(status, '')} {status}"))
    shown = shown.assign(as_of=shown["as_of"].map(words.day), error=shown["error"].fillna(""))
    names = {"as_of": "As of", "run_id": "Run", "error": "Error", "status": "Status", "notebook": "Notebook"}
    seconds = st.column_config.NumberColumn("Seconds", format="%.1f")
    st.dataframe(
        words.legible_frame(shown.rename(columns=names)),
        hide_index=True,
        height=300,
        column_config={"seconds": seconds},
        alt="Notebook runs, newest first.",
    )

with st.container(border=True):
    st.header("One run")
    found = {row["run_id"]: row for row in runs.to_dict("records")}

    def shown_run(run: str) -> str:
        row = found[run]
        return f"{row['notebook']} · {words.day(row['as_of'])} · {row['status']} · {run}"

    picked = pick("Run", list(found), link="run", shown=shown_run)
    run = found[picked]
    path, sha256 = run["path"], run["files"].get(run["path"])
    st.caption(f"The executed copy, as recorded. SHA-256 {sha256}")
    if run["error"]:
        st.error("This run failed:", icon=":material/error:")
        st.text(words.legible(run["error"]))
    st.download_button(
        "Download .ipynb",
        data=lambda: loaders.recorded(workspace, path, sha256),
        file_name=f"{picked}.ipynb",
        mime="application/x-ipynb+json",
        icon=":material/download:",
        on_click="ignore",
    )
    with st.expander("Show the notebook", icon=":material/menu_book:"):
        executed.show(loaders.document(workspace, path, sha256))

cycles = loaders.cycles(workspace, head)
if cycles.empty:
    st.stop()
with st.container(border=True):
    st.header("Cycles")
    newest = cycles[::-1]
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
    st.dataframe(words.legible_frame(table), hide_index=True, height=300, alt="Cycles, newest first.")
