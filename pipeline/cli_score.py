"""`mend score`: a file of applications."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli_terminal import Json, err, out, print_json
from pipeline.errors import InputError
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

score_app = typer.Typer()


@score_app.command()
def score(
    file: Annotated[Path, typer.Argument(help="CSV, CSV.gz or Parquet with the features and an id.")],
    to: Annotated[str, typer.Option("--out", help="CSV or Parquet. Default: FILE with .scored.", metavar="FILE")] = "",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
    no_log: Annotated[bool, typer.Option("--no-log", help="Put nothing on record: a trial.")] = False,
    as_json: Json = False,
) -> None:
    """Score a file with the champion, each row on record as if the service had been asked. A repeat adds nothing."""
    from pipeline.clock import wall_clock
    from pipeline.keeping.erased import is_erased
    from pipeline.serving.application_files import read_applications
    from pipeline.serving.scorer import Scorer
    from pipeline.serving.scoring_files import FileScoring, output, refusals, require_free
    from pipeline.stores.prediction_log import PredictionLog

    settings = load_settings()
    workspace = open_workspace(settings)
    workspace.require_wall_clock()
    destination = Path(to) if to else _beside(file)
    if destination.suffix not in (".csv", ".parquet"):
        raise InputError("--out", f"expected a name that ends in .csv or .parquet, got {destination.name!r}")
    require_free(destination, force=force)
    features, reference = settings.data.features, workspace.reference()
    scorer = Scorer(workspace.model(workspace.require_champion()["version"]), settings.data.kinds, warm_up=reference)
    missing = {name for name in features if reference[name].isna().any()}
    log = None if no_log else PredictionLog(workspace.traffic.engine)
    scoring = FileScoring(scorer, log, erased=is_erased(workspace), clock=wall_clock)
    listed = destination.with_name(f"{destination.name}.refused.csv")
    columns = (TextColumn("{task.completed:,.0f} rows"), BarColumn(), TimeElapsedColumn())
    with (
        Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar,
        output(destination) as write,
        refusals(listed) as refuse,
    ):
        task = bar.add_task("rows", total=None)
        for piece in read_applications(file, features, id_column=settings.data.id, may_be_missing=missing):
            answers, refused = scoring.piece(piece)
            write(answers)
            refuse(refused)
            bar.update(task, advance=len(piece.rows))
        done = scoring.scored
        if not done.new + done.again:
            raise InputError(file, f"no row of {done.refused:,} could be scored")
    told = {
        "scored": done.new,
        "on_record_before": done.again,
        "refused": done.refused,
        "unknown_category": dict(done.unknown),
        "model_version": scorer.version,
        "out": str(destination),
        "refused_rows": str(listed) if done.refused else None,
    }
    if as_json:
        print_json(told)
        return
    kept = "not on record" if no_log else "on record"
    out.print(
        escape(f"{destination}: {done.new:,} scored by version {scorer.version}, {kept}; {done.again:,} were before")
    )
    for name, count in done.unknown.items():
        out.print(escape(f"{name}: {count:,} rows with a category that the model has never seen"))
    if done.refused:
        out.print(escape(f"{done.refused:,} rows were refused, each with its reason in {listed}"))


def _beside(file: Path) -> Path:
    name = file.name.removesuffix(".gz")
    return file.with_name(f"{Path(name).stem}.scored{Path(name).suffix}")
