"""What a notebook opens: a workspace at one moment, and where its artefacts go."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import pandas as pd

from monitoring.values import Window
from pipeline.artefacts import canonical_json, write_atomically
from pipeline.errors import InputError
from pipeline.settings import Settings, load_settings
from pipeline.settings_types import parse_day
from pipeline.wiring import Workspace, open_workspace

BY_HAND = "by_hand"


@dataclass(frozen=True, kw_only=True)
class Desk:
    """A workspace at one moment.

    Not `scheduled`: a look by hand, whose artefacts go to `by_hand/` and not on record.
    """

    workspace: Workspace
    as_of: datetime
    scheduled: bool

    @classmethod
    def open(cls, config: str = "", *, as_of: str = "", scheduled: bool = False) -> Desk:
        """Open by settings file and time; empty means the nearest `mend.toml`, and the last cycle's time."""
        workspace = open_workspace(load_settings(config or None))
        moment = _moment(as_of) if as_of else _latest_moment(workspace)
        return cls(workspace=workspace, as_of=moment, scheduled=scheduled)

    @property
    def settings(self) -> Settings:
        """What the user decided."""
        return self.workspace.settings

    @property
    def kinds(self) -> dict[str, Literal["numeric", "categorical"]]:
        """Feature name to kind."""
        return self.settings.data.kinds

    @property
    def window(self) -> Window:
        """The current window, [as_of − lookback, as_of)."""
        return Window(start=self.as_of - self.settings.monitor.lookback, end=self.as_of)

    def reference(self) -> pd.DataFrame:
        """The frozen reference, checked against the ledger."""
        return self.workspace.reference()

    def traffic(self) -> pd.DataFrame:
        """Scored applications of the current window, with the labels known by now."""
        return self.workspace.traffic.scored(self.window.start, self.window.end, as_of=self.as_of)

    def path(self, name: str) -> Path:
        """Where an artefact of this name goes."""
        return self.workspace.root / (name if self.scheduled else f"{BY_HAND}/{Path(name).name}")

    def write(self, name: str, content: Mapping[str, Any]) -> Path:
        """Write an artefact as canonical JSON, whole or not at all."""
        path = self.path(name)
        write_atomically(path, canonical_json(content))
        return path


def _moment(text: str) -> datetime:
    try:
        return parse_day(text)
    except ValueError as error:
        raise InputError("as_of", error) from None


def _latest_moment(workspace: Workspace) -> datetime:
    last = workspace.ledger.last_cycle()
    return last["as_of"] if last else workspace.settings.train.go_live
