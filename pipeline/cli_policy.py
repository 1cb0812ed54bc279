"""`mend policy`: the thresholds in force, and what others would have said of the record. Reads, and changes nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import Any

import typer
from rich.markup import escape

from pipeline.cli_terminal import Json, err, out, print_json, table
from pipeline.error_budget import error_budget
from pipeline.errors import InputError, NotEnoughDataError
from pipeline.gate.what_if import ANSWERABLE
from pipeline.policy_in_force import SECTIONS, Threshold, in_force
from pipeline.policy_replay import WHAT_IT_COVERS, Replayed, another_policy, replay_record, without_effect
from pipeline.settings import load_settings
from pipeline.wiring import open_workspace

policy_app = typer.Typer(help="The thresholds in force, and what others would have said of the record.")

_REPLAY_HELP = (
    "Every dossier on record under today's policy with other thresholds, beside what happened.\n\n"
    "Give the thresholds as options, as in --min-samples 500 --cooldown 30d. There are: "
    + ", ".join(f"--{name.replace('_', '-')}" for name in ANSWERABLE)
    + ". Without any: today's policy over the whole record."
)
_FREE = {"ignore_unknown_options": True, "allow_extra_args": True}  # thresholds are named and checked by the settings


@policy_app.callback(invoke_without_command=True)
def policy(context: typer.Context, as_json: Json = False) -> None:
    """Every threshold in force: value, reason, and whether file, variable or default set it."""
    if context.invoked_subcommand is not None:
        return
    workspace = open_workspace(load_settings())
    settings = workspace.settings
    thresholds, budget = in_force(settings), error_budget(workspace.ledger, settings.gate_policy, now=workspace.now())
    if as_json:
        print_json({"thresholds": [asdict(each) for each in thresholds], "error_budget": asdict(budget)})
        return
    for section, found in groupby(thresholds, key=lambda each: each.section):
        out.print(f"\n{SECTIONS[section]}: {escape(f'[{section}]')}")
        table([_in_force(each) for each in found])
    out.print(
        f"\nerror budget: {budget.spent_365_days:.2%} of {budget.yearly:.0%} spent by {budget.tries_365_days} tries in "
        f"365 days; a try today may take {budget.next_try:.2%}"
    )
    out.print(
        f"To change a threshold, edit {escape(str(settings.source))}; a changed gate policy voids what waits for a "
        "signature."
    )


def _in_force(each: Threshold) -> dict[str, str]:
    default = "" if each.shown == each.default else f" (default {each.default})"
    return {"setting": each.name, "in force": each.shown, "set by": f"{each.origin}{default}", "why": each.why}


@policy_app.command("replay", help=_REPLAY_HELP, context_settings=_FREE)
def policy_replay(context: typer.Context, as_json: Json = False) -> None:
    workspace = open_workspace(load_settings())
    changes = _changes(context.args)
    asked = another_policy(workspace.settings.gate_policy, changes)
    found = replay_record(workspace, asked, now=workspace.now())
    if not found.dossiers:
        raise NotEnoughDataError("policy replay", "no challenger has been judged yet; run `mend replay`")
    if as_json:
        print_json(found.to_json() | {"without_effect": without_effect(found, changes)})
        return
    table([_replayed(each) for each in found.dossiers])
    out.print(found.in_words())
    out.print(WHAT_IT_COVERS)
    for line in (*found.let_off(), *found.why_unknown(), *without_effect(found, changes), *found.measured_otherwise()):
        err.print(escape(line))


def _changes(arguments: Sequence[str]) -> dict[str, Any]:
    """Options as typed, to thresholds by name."""
    words = [part for word in arguments for part in (word.split("=", 1) if word.startswith("--") else [word])]
    names, values = words[::2], words[1::2]
    for name in names:
        if not name.startswith("--"):
            raise InputError(
                "policy replay", f"expected a threshold and its value, as in --min-samples 500, got {name!r}"
            )
    if len(names) != len(values):
        raise InputError("policy replay", f"{names[-1]}: expected a value")
    return {name.removeprefix("--").replace("-", "_"): value for name, value in zip(names, values, strict=True)}


def _replayed(each: Replayed) -> dict[str, str]:
    return {
        "judged": f"{each.as_of:%Y-%m-%d}",
        "version": each.challenger,
        "against": each.champion,
        "happened": each.standing.value,
        "recorded": each.recorded,
        "would be": each.would_be or "cannot tell",
        "gates": "; ".join(f"{gate.code} {gate.recorded} → {gate.would_be}" for gate in each.changed_gates),
        "digest": each.digest[:12],
    }
