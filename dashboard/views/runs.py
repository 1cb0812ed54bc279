"""What ran, how long it took, and what each notebook said."""

from __future__ import annotations

import pandas as pd
import streamlit as st

from dashboard import desk_charts, executed, findings, loaders, words
from dashboard.components import chart, clock, leaf, opened, pick

workspace = opened()
head = loaders.head(workspace)
counts = loaders.counts(workspace, head)
ICONS = {"succeeded": "✓", "failed": "✗"}


st.title("Runs")
clock(workspace)
if not counts.runs:
    st.info("No notebook has run yet. Run `mend replay` (history) or `mend monitor` (from now on).")
    st.stop()

newest = loaders.runs(workspace, head)
median = f"{newest['seconds'].median():.1f} s"
of = " time" if counts.runs == len(newest) else f", newest {len(newest):,}"
with st.grid(3, min_column_width=150):
    st.metric("Notebook runs", f"{counts.runs:,}", border=True)
    st.metric("Failed", f"{counts.runs_failed:,}", border=True)
    st.metric(f"Median{of}", median, border=True)

with st.container(border=True):
    st.header("How long they took")
    deadline_s = workspace.settings.notebooks.deadline.total_seconds()
    taken = newest.assign(failed=newest["status"].ne("succeeded"), seconds=newest["seconds"].clip(lower=0.1))
    st.caption(
        f"{words.count(len(newest), 'run')}{', the newest' if counts.runs > len(newest) else ''}, on a logarithmic "
        "scale. "
        f"One that takes longer than {deadline_s:,.0f} s is stopped: notebooks.deadline."
    )
    chart(
        desk_charts.run_times(taken[["as_of", "notebook", "seconds", "failed", "run_id"]], deadline_s=deadline_s),
        alt=f"{words.count(len(newest), 'run')}, {int(taken['failed'].sum())} failed, median {median}.",
    )

with st.container(border=True):
    st.header("Notebook runs")
    runs = loaders.runs(workspace, head, skip=leaf(counts.runs, key="runs"))
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
    if (linked := loaders.run(workspace, st.query_params.get("run", ""))) is not None:
        found.setdefault(linked["run_id"], linked)  # however old it is

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

if not counts.cycles:
    st.stop()
with st.container(border=True):
    st.header("Cycles")
    cycles = loaders.cycles(workspace, head, skip=leaf(counts.cycles, key="cycles"))[::-1]
    table = pd.DataFrame(
        {
            "As of": cycles["as_of"].map(words.day),
            "Window": [findings.state_text(cycle) for cycle in cycles.to_dict("records")],
            "Features drifted": [findings.features_text(cycle) for cycle in cycles.to_dict("records")],
            "Rows": cycles["rows"],
            "Champion": cycles["champion"],
            "What it did": cycles["note"],
        }
    )
    st.dataframe(words.legible_frame(table), hide_index=True, height=300, alt="Cycles, newest first.")
