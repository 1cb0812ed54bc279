"""NannyML's univariate drift on the same windows, with its own defaults, in its own environment.

Only the standard library up here: NannyML's interpreter runs this file too, and has nothing of ours. Its defaults are
Jensen-Shannon distance (Doane's bins for numbers), a column in alarm where it is above the mean plus three standard
deviations over the chunks of the reference, and chunks are as long as the windows. It has other calculators, one for
missing values among them, which its univariate drift does not call: they are not in this column.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import DEVNULL, PIPE
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd

    from monitoring.values import Kind


PROCESSES = 2


class Nannyml:
    """Collects windows on disk, and judges them all at the end: importing NannyML takes longer than judging a few."""

    def __init__(self, folder: Path, *, wanted: bool) -> None:
        self.folder, self.wanted = folder, wanted
        self.chunks: list[int] = []  # of each trial's reference

    def add(
        self, reference: pd.DataFrame, kinds: Mapping[str, Kind], windows: Sequence[pd.DataFrame]
    ) -> tuple[int, ...]:
        """Take a reference and windows of one size; the trial's number, or nothing if NannyML is not wanted."""
        if not self.wanted:
            return ()
        import pandas as pd

        number, columns = len(self.chunks), list(kinds)
        reference[columns].to_parquet(self.folder / f"reference_{number}.parquet")
        together = pd.concat([window[columns] for window in windows], ignore_index=True)
        together.to_parquet(self.folder / f"windows_{number}.parquet")
        asked = {"kinds": dict(kinds), "rows": len(windows[0])}
        (self.folder / f"asked_{number}.json").write_text(json.dumps(asked), encoding="utf-8")
        self.chunks.append(-(-len(reference) // len(windows[0])))
        return (number,)

    def flagged(self) -> list[list[frozenset[str]]]:
        """Columns in alarm, by trial and window.

        Raises:
            RuntimeError: NannyML cannot be installed or fails; the message is the end of what it said.
        """
        from peers_nannyml import nannyml_python

        quiet = {"NML_DISABLE_USAGE_LOGGING": "1", "OMP_NUM_THREADS": "1"}
        command = [str(nannyml_python()), "-W", "ignore", str(Path(__file__).resolve()), str(self.folder)]
        running = [
            subprocess.Popen([*command, str(part)], stdout=DEVNULL, stderr=PIPE, text=True, env=os.environ | quiet)  # noqa: S603
            for part in range(PROCESSES)
        ]
        said = [process.communicate()[1] for process in running]
        for process, words in zip(running, said, strict=True):
            if process.returncode:
                raise RuntimeError(f"NannyML failed: {words.strip()[-400:]}")
        paths = [self.folder / f"found_{number}.json" for number in range(len(self.chunks))]
        return [[frozenset(each) for each in json.loads(path.read_text(encoding="utf-8"))] for path in paths]


def _inside_nannyml(folder: Path, part: int) -> None:
    import nannyml
    import pandas as pd

    for path in sorted(folder.glob("asked_*.json"))[part::PROCESSES]:
        asked: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        number, kinds = path.stem.partition("_")[2], asked["kinds"]
        reference, windows = (pd.read_parquet(folder / f"{side}_{number}.parquet") for side in ("reference", "windows"))
        calculator = nannyml.UnivariateDriftCalculator(
            column_names=list(kinds),
            treat_as_numerical=[name for name, kind in kinds.items() if kind == "numeric"],
            treat_as_categorical=[name for name, kind in kinds.items() if kind == "categorical"],
            chunk_size=asked["rows"],
        )
        result = calculator.fit(reference).calculate(windows).filter(period="analysis").to_df()
        alerts = {name: result[(name, "jensen_shannon", "alert")].to_numpy() for name in kinds}
        found = [[name for name in kinds if bool(alerts[name][row])] for row in range(len(result))]
        if len(found) * asked["rows"] != len(windows):
            raise ValueError(f"{len(found)} chunks of {asked['rows']} rows are not {len(windows)} rows")
        (folder / f"found_{number}.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    _inside_nannyml(Path(sys.argv[1]), int(sys.argv[2]))
