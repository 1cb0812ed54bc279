"""`mend simulate-gate`: what would these gates do on my portfolio?"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

from pipeline.cli_terminal import Json, argument, err, out, print_json, table
from pipeline.errors import InputError, SettingsError
from pipeline.gate.simulate import Behaviour, Frequency, Simulated
from pipeline.gate.values import GatePolicy
from pipeline.settings import find_config, load_settings
from pipeline.settings_types import parse_duration
from pipeline.simulating import Portfolio, behaviour, portfolio_of, tried_for_years
from pipeline.wiring import open_workspace

simulate_app = typer.Typer()

Rate = Annotated[float | None, typer.Option("--base-rate", help="Share that goes bad.", min=0, max=1)]
F1 = Annotated[float | None, typer.Option("--f1", help="The champion's F1.", min=0, max=1)]
Called = Annotated[float | None, typer.Option(help="Share the champion calls bad. Default: the base rate.")]
Theirs = Annotated[float | None, typer.Option(help="Share the challenger calls bad. Default: the champion's.")]
Apart = Annotated[float | None, typer.Option(help="Share of rows on which the two decide differently.")]
Rows = Annotated[int | None, typer.Option(help="Mature labelled rows per try.", min=1)]
Every = Annotated[str, typer.Option(help="Time between two tries, as in 7d.")]
Better = Annotated[str, typer.Option(help="Truly better challengers: gains of F1 in %, with commas.")]
Worse = Annotated[str, typer.Option(help="Truly worse challengers: losses of F1 in %, with commas.")]
Years = Annotated[int, typer.Option(help="Years to simulate, for each kind of challenger.", min=1, max=1_000_000)]


@simulate_app.command("simulate-gate")
def simulate_gate(
    base_rate: Rate = None,
    rows: Rows = None,
    every: Every = "7d",
    f1: F1 = None,
    disagreement: Apart = None,
    called_bad: Called = None,
    challenger_called_bad: Theirs = None,
    better: Better = "2,5,10",
    worse: Worse = "5",
    years: Years = 2000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same table.", min=0)] = 7,
    as_json: Json = False,
) -> None:
    """How often an equal, a better and a worse challenger would pass G1 and G4, beside the plain rule. Simulates F1.

    What is not given is taken from this workspace's newest dossier: how champion and challenger decided there.
    """
    apart = argument("--every", parse_duration, every)
    gains = [0.0, *_percents("--better", better), *(-loss for loss in _percents("--worse", worse))]
    policy, portfolio = _from_workspace()
    given = {
        "base_rate": base_rate,
        "f1": f1,
        "called_bad": called_bad,
        "challenger_called_bad": challenger_called_bad,
        "disagreement": disagreement,
    }
    deciding = behaviour(portfolio, {name: value for name, value in given.items() if value is not None})
    window = rows or portfolio.rows
    with _progress(years * len(gains)) as tick:
        found = tried_for_years(
            deciding, gains, rows=window, every=apart, years=years, policy=policy, seed=seed, tick=tick
        )
    told = _told(found, deciding, policy=policy, rows=window, seed=seed, source=portfolio.source)
    if as_json:
        print_json(told)
    else:
        _show(found, told)


def _percents(name: str, text: str) -> list[float]:
    try:
        values = [float(part) / 100 for part in text.split(",") if part.strip()]
    except ValueError:
        values = [-1.0]
    if not all(0 < value <= 10 for value in values):
        raise InputError(name, f"expected percents above 0 with commas, as in 2,5,10, got {text!r}")
    return values


def _from_workspace() -> tuple[GatePolicy, Portfolio]:
    """The policy, and how two models decide here; without a settings file, defaults and typical figures."""
    try:
        find_config(Path.cwd())
    except SettingsError:
        nowhere = "typical figures and the gates' defaults, since there is no mend.toml here"
        return GatePolicy(), Portfolio(seen=None, source=nowhere)
    workspace = open_workspace(load_settings())
    return workspace.settings.gate_policy, portfolio_of(workspace)


def _told(
    found: list[Simulated], deciding: Behaviour, *, policy: GatePolicy, rows: int, seed: int, source: str
) -> dict[str, Any]:
    shares = {name: getattr(deciding, name) for name in Behaviour.__dataclass_fields__}
    return {
        "metric": "f1",
        "portfolio": shares,
        "source": source,
        "rows": rows,
        "every_days": found[0].every / timedelta(days=1),
        "years": found[0].years.of,
        "seed": seed,
        "min_samples": policy.min_samples,
        "min_positives": policy.min_positives,
        "min_f1_gain": policy.min_f1_gain,
        "yearly_false_promotions": policy.yearly_false_promotions,
        "expected_bad": rows * deciding.base_rate,
        "challengers": [
            {
                "true_gain": result.gain,
                "mend": _rule(result.tries, result.years, result.weeks_until_passed),
                "plain_rule": _rule(result.plain_tries, result.plain_years, result.plain_weeks_until_passed),
            }
            for result in found
        ],
    }


def _rule(tries: Frequency, years: Frequency, weeks: tuple[float | None, float | None, float | None]) -> dict[str, Any]:
    measured = {"chance_per_try": tries, "chance_per_year": years}
    shown: dict[str, Any] = {
        name: {"share": of.share, "interval": list(of.interval), "happened": of.happened, "of": of.of}
        for name, of in measured.items()
    }
    return shown | {"weeks_until_passed": {"mean": weeks[0], "interval": list(weeks[1:])}}


def _show(found: list[Simulated], told: dict[str, Any]) -> None:
    shape = told["portfolio"]
    out.print(escape(f"where no option is given: {told['source']}"))
    out.print(
        f"{told['rows']:,} rows a try, one every {told['every_days']:g} days; {shape['base_rate']:.1%} go bad "
        f"(about {told['expected_bad']:.0f} a try); champion F1 {shape['f1']:.3f}; called bad by the champion "
        f"{shape['called_bad']:.1%}, by the challenger {shape['challenger_called_bad']:.1%}; "
        f"they differ on {shape['disagreement_bad'] + shape['disagreement_good']:.1%} of rows"
    )
    table(
        [
            {
                "challenger": _kind(result.gain),
                "passes a try": _percent(result.tries),
                "one or more a year": _percent(result.years),
                "weeks until passed": _weeks(result.weeks_until_passed),
                "plain rule: a try": _percent(result.plain_tries),
                "a year": _percent(result.plain_years),
                "weeks": _weeks(result.plain_weeks_until_passed),
            }
            for result in found
        ]
    )
    first = found[0]
    out.print(
        f"in brackets Wilson 95 % over {first.tries.of:,} tries in {first.years.of:,} years, seed {told['seed']}. "
        f"F1 alone is simulated: G1 and G4 as set; G2, G3, G5 and G6 are taken as passed, every try has fresh rows"
    )
    out.print(
        f"plain rule: F1 {told['min_f1_gain']:+.0%} at its word, its Brier condition taken as met. "
        f"Promised: an equal or worse challenger in at most {told['yearly_false_promotions']:.0%} of years"
    )
    if told["rows"] < told["min_samples"] or told["expected_bad"] < told["min_positives"]:
        err.print(
            f"too few rows or bad outcomes a try: G1 asks for {told['min_samples']:,} and {told['min_positives']}. "
            "Try more --rows, and so a longer --every"
        )


def _kind(gain: float) -> str:
    return f"{abs(gain) * 100:.3g} % {'better' if gain > 0 else 'worse'}" if gain else "equal"


def _percent(of: Frequency) -> str:
    low, high = of.interval
    return f"{of.share:.2%} [{low:.2%}, {high:.2%}]"


def _weeks(weeks: tuple[float | None, float | None, float | None]) -> str:
    mean, low, high = weeks
    if mean is None or low is None or high is None:
        return f"over {low:,.0f}" if low is not None else "–"
    return f"{mean:,.1f} [{low:,.1f}, {high:,.1f}]"


@contextmanager
def _progress(years: int) -> Iterator[Any]:
    """A bar on a terminal, on the error stream so that JSON stays alone."""
    columns = (TextColumn("simulating"), BarColumn(), TextColumn("{task.percentage:.0f} %"), TimeElapsedColumn())
    with Progress(*columns, console=err, disable=not err.is_terminal, transient=True) as bar:
        task = bar.add_task("simulating", total=years)
        yield lambda done: bar.update(task, advance=done)
