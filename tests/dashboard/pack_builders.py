"""Reads an evidence pack as a strict reader would, and makes cases to pack."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from html.parser import HTMLParser

from builders import AS_OF, OFFICER, a_dossier, judged
from dashboard_builders import a_cycle, a_summary
from look_builders import a_result

from dashboard import pack
from monitoring.values import State
from pipeline.promotion.decide import Verdict, decide
from pipeline.promotion.person import Person
from pipeline.wiring import Workspace

VOID = {"meta", "link", "br", "img", "hr", "input"}
FOLDED = ("check_pack", "dossier", "entries", "verify_alone")


@dataclass
class Read(HTMLParser):
    """A page taken apart: its elements with attributes, its text, its blocks by id, and every tag that does not fit."""

    elements: list[tuple[str, dict[str, str | None]]] = field(default_factory=list)
    words: list[str] = field(default_factory=list)
    blocks: dict[str, str] = field(default_factory=dict)
    misfits: list[str] = field(default_factory=list)
    _open: list[tuple[str, str | None]] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(convert_charrefs=True)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        names = [name for name, _ in attrs]
        if len(set(names)) < len(names):
            self.misfits.append(f"<{tag}> with an attribute twice")
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append((tag, dict(attrs).get("id")))

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1][0] != tag:
            self.misfits.append(f"</{tag}> in {self._open[-1:]}")
        else:
            self._open.pop()

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1][0] == "style":
            return
        self.words.append(data)
        if self._open and self._open[-1] == ("pre", self._open[-1][1]):
            name = self._open[-1][1] or ""
            self.blocks[name] = self.blocks.get(name, "") + data

    def close(self) -> None:
        super().close()
        self.misfits += [f"<{tag}> is never closed" for tag, _ in self._open]

    @property
    def said(self) -> str:
        """All text but what is embedded letter by letter, in one line."""
        embedded = {self.blocks[name] for name in FOLDED if name in self.blocks}
        return " ".join(" ".join(each for each in self.words if each not in embedded).split())

    @property
    def tables(self) -> int:
        return sum(tag == "table" for tag, _ in self.elements)

    @property
    def drawings(self) -> list[str]:
        """Their words."""
        return [attributes["aria-label"] or "" for tag, attributes in self.elements if tag == "svg"]


def read(content: bytes) -> Read:
    page = Read()
    page.feed(content.decode("utf-8"))
    page.close()
    return page


def packed(workspace: Workspace, digest: str, *, as_of: datetime = AS_OF) -> Read:
    return read(pack.make(workspace, digest, as_of=as_of))


def first_page(page: Read) -> str:
    """What stands before the list of sections."""
    return page.said.partition("In this pack")[0]


def decided(workspace: Workspace, digest: str, verdict: Verdict, *, reason: str = "seen") -> None:
    decide(workspace, digest, verdict, person=Person(actor=OFFICER, method="local"), reason=reason, now=AS_OF)


def a_refused(workspace: Workspace) -> str:
    return judged(workspace, a_dossier(better=False))


def a_look_that_called(
    workspace: Workspace, at: datetime, *, names: tuple[str, ...] = ("loan_amount", "low_doc")
) -> None:
    """A cycle with a drift summary, its result and its look."""
    summary = a_summary(State.DRIFT, as_of=at, names=names)
    a_cycle(workspace, at, status="drift", summary=summary, result=a_result(summary))
