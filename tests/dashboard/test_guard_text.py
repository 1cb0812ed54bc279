"""What people and files say is shown as text, and nothing of it is read as more; as far as that shows without a browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from dashboard_builders import PAGES, Open, config_of, texts
from google.protobuf.message import Message
from hostile_builders import CATEGORY, HOSTILE, LINE, NUMBER, READS_AS_MORE, hostile_workspace
from streamlit.dataframe_util import convert_arrow_bytes_to_pandas_df
from streamlit.testing.v1 import AppTest

from dashboard import decision, rollback
from pipeline.wiring import Workspace

LONGEST = 25_000  # characters of one text: a notebook's cell, which is the longest that is shown
# What Streamlit shows letter by letter; whatever is not listed here it reads as Markdown.
BY_LETTERS = {"Text.body", "Code.code_text", "Json.body", "Selectbox.options", "Selectbox.raw_value",
              "DownloadButton.url", "VegaLiteChart.spec", "VegaLiteChart.alt", "Dataframe", "the data of a chart"}  # fmt: skip


@pytest.fixture(autouse=True)
def told(monkeypatch: pytest.MonkeyPatch) -> None:
    for form in (decision, rollback):
        monkeypatch.setattr(form, "tell_the_registry", lambda config: None)


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    made = hostile_workspace(tmp_path)
    yield made
    made.ledger.engine.dispose()
    made.traffic.engine.dispose()


def everything(node: Any) -> Iterator[tuple[str, str]]:
    """Every text that is sent to the browser, and the field that it is sent in."""
    message = getattr(node, "proto", None)
    if isinstance(message, Message):
        yield from fields_of(message)
    for data in getattr(message, "datasets", ()):
        yield from cells_of("the data of a chart", convert_arrow_bytes_to_pandas_df(data.data.data))
    value = getattr(node, "value", None)
    if isinstance(value, pd.DataFrame):
        yield from cells_of(type(node).__name__, value)
    for child in getattr(node, "children", {}).values():
        yield from everything(child)


def cells_of(where: str, table: pd.DataFrame) -> Iterator[tuple[str, str]]:
    cells = [*table.columns, *(cell for column in table for cell in table[column])]
    yield from ((where, cell) for cell in cells if isinstance(cell, str))


def fields_of(message: Message) -> Iterator[tuple[str, str]]:
    for field, value in message.ListFields():
        if field.message_type is not None and field.message_type.GetOptions().map_entry:
            continue
        for each in value if field.is_repeated else [value]:
            if isinstance(each, Message):
                yield from fields_of(each)
            elif isinstance(each, str):
                yield f"{message.DESCRIPTOR.name}.{field.name}", each


def wrong(page: AppTest) -> list[str]:
    """Texts that are read as more than text, that turn or hide what stands beside them, or that fill the page."""
    found = []
    for field, text in everything(page._tree):
        if field not in BY_LETTERS:
            found += [f"{field}: {token} in {text[:200]!r}" for token in READS_AS_MORE if token in text]
        if not all(each.isprintable() or each in "\n\t\N{NO-BREAK SPACE}" for each in text):
            found.append(f"{field}: not legible: {text[:200]!r}")
        if len(text) > LONGEST:
            found.append(f"{field}: {len(text):,} characters: {text[:200]!r}")
    return found


@pytest.mark.parametrize("name", PAGES)
def test_whatever_people_and_files_say_is_text(name: str, workspace: Workspace, open_page: Open) -> None:
    page = open_page(name, config_of(workspace))
    assert not page.exception
    assert wrong(page) == []
    assert name == "ledger" or "<script>alert(1)</script>" in texts(page)


@pytest.mark.parametrize("verdict", ["approved", "rejected"])
def test_the_form_to_decide_says_nothing_more_than_text(verdict: str, workspace: Workspace, open_page: Open) -> None:
    page = open_page("review", config_of(workspace))
    page.button(key=f"open_{verdict}").click().run()
    assert wrong(page) == []
    offered = page.selectbox(key="actor").options
    assert [len(name) < 2100 for name in offered] == [True, True, True]
    assert offered[2].endswith("characters left out)")
    page.selectbox(key="actor").select(workspace.settings.approval.approvers[0])
    page.text_area(key="reason").input(HOSTILE)
    [button] = [each for each in page.button if each.label == decision.VERBS[verdict]]  # type: ignore[index]
    button.click().run()
    assert not page.exception
    assert wrong(page) == []


def test_the_form_to_roll_back_says_nothing_more_than_text(workspace: Workspace, open_page: Open) -> None:
    for name in ("overview", "ledger"):
        page = open_page(name, config_of(workspace))
        page.button(key="roll_back_1").click().run()
        assert wrong(page) == []
    page.selectbox(key=rollback.ACTOR).select(workspace.settings.approval.approvers[0])
    page.text_area(key=rollback.REASON).input(HOSTILE)
    [button] = [each for each in page.button if each.label == rollback.VERB]
    button.click().run()
    assert not page.exception
    assert wrong(page) == []
    assert [entry.body["reason"] for entry in workspace.ledger.entries(kind="rollback")] == [HOSTILE]


@pytest.mark.parametrize("feature", [CATEGORY, NUMBER], ids=["categories", "numbers"])
def test_a_feature_is_drawn_whatever_it_is_called(feature: str, workspace: Workspace, open_page: Open) -> None:
    page = open_page("drift", config_of(workspace))
    page.selectbox(key="feature").select(feature).run()
    assert not page.exception
    assert wrong(page) == []


def test_every_entry_of_the_ledger_is_shown_as_text(workspace: Workspace, open_page: Open) -> None:
    page = open_page("ledger", config_of(workspace))
    entries = page.dataframe[0].value["#"].tolist()
    assert len(entries) > 20
    for number in entries:
        page.selectbox(key="entry").select(number).run()
        assert not page.exception
        assert wrong(page) == []


def test_a_known_error_that_repeats_what_a_file_says_is_a_line_of_text(workspace: Workspace, open_page: Open) -> None:
    config = config_of(workspace)
    config.write_text(config.read_text(encoding="utf-8").replace("min_samples = 200", f"min_samples = {LINE!r}"))
    page = open_page("overview", config)
    assert wrong(page) == []
    assert "gate.min_samples" in texts(page)
    assert "<script>" in texts(page)
