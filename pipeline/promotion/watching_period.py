"""Watch a promotion: gather what is known of the new champion, judge it, put it on record, and act where allowed."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import fields
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd

from pipeline.artefacts import sha256_file
from pipeline.baseline import KIND as BASELINE
from pipeline.baseline import baseline_key
from pipeline.clock import wall_clock
from pipeline.errors import IntegrityError, MendError
from pipeline.gate.dossier import Dossier
from pipeline.promotion.canary import Canary, canary
from pipeline.promotion.promised_gain import FreshRows, Held, Promise, held, promise
from pipeline.promotion.review import read_dossier
from pipeline.promotion.rollback import RULE, replaced_by, rollback_by_rule
from pipeline.promotion.watch import State, verdict
from pipeline.promotion.watch_policy import METRICS, WatchPolicy, look_due, looks_in
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

KIND = "watch"  # in the ledger: an entry for every look at outcomes, and when the canary rows change their mind
_INSTANT = timedelta(microseconds=1)

Document = dict[str, Any]


def watch(
    workspace: Workspace, as_of: datetime, seen: Mapping[str, Any], *, say: Callable[[str], None]
) -> Document | None:
    """Look after the last promotion, at every cycle; returns what stands on record of it, as plain JSON values.

    Outcomes are looked at every `[watch] every`, and each look is one entry: so many tests were made, no more. Canary
    rows are scored at every cycle. Where a rollback is proposed and `[watch] act` says so, it is done.

    Args:
        workspace: Where.
        as_of: The cycle's moment.
        seen: Its monitoring result; empty if it could not look.
        say: Gets a line when something is new.

    Returns:
        None where no promotion is watched: the champion is the first one, or was put back by a rollback.
    """
    champion, last = workspace.require_champion(), standing_watch(workspace)
    replaced = replaced_by(workspace, champion["number"])
    if champion["how"] != "promotion" or champion["digest"] is None or replaced is None:
        return None
    stands = last if last is not None and last["over"] else _looked(workspace, champion, replaced, last, as_of, seen)
    if _says_more(stands, last):
        with workspace.ledger.transaction(recorded_at=wall_clock()) as writer:
            writer.record(KIND, f"{champion['number']} {iso(as_of)}", stands, at=as_of, actor=RULE)
        say(f"watch of version {champion['version']}: {stands['state']}. {stands['reason']}")
    if stands["state"] == State.PROPOSES and workspace.settings.watch.act:
        _act(workspace, champion, stands, as_of, say)
    return stands


def standing_watch(workspace: Workspace) -> Document | None:
    """What the watch last said of today's champion; None if it said nothing yet."""
    champion, newest = workspace.ledger.champion(), workspace.ledger.entries(kind=KIND, limit=1)
    if champion is None or not newest or newest[-1].body["number"] != champion["number"]:
        return None
    return newest[-1].body


def _says_more(stands: Document, last: Document | None) -> bool:
    return last is None or {**stands, "as_of": None} != {**last, "as_of": None}


def _act(
    workspace: Workspace, champion: Mapping[str, Any], stands: Document, as_of: datetime, say: Callable[[str], None]
) -> None:
    """Go back without a person; a rollback that is refused stays proposed, and the refusal is on record."""
    evidence = {name: stands[name] for name in ("as_of", "look", "grounds", "metrics", "canary")}
    wanted = {"number": champion["number"], "reason": stands["reason"], "evidence": evidence}
    try:
        rollback_by_rule(workspace, stands["replaced"], **wanted, now=as_of)
        say(f"rolled back to version {stands['replaced']} by rule (watch.act)")
    except MendError as refusal:
        say(f"rollback by rule refused: {refusal}")


def _looked(
    workspace: Workspace,
    champion: Mapping[str, Any],
    replaced: str,
    last: Document | None,
    as_of: datetime,
    seen: Mapping[str, Any],
) -> Document:
    """What the watch says now: outcomes anew where a look is due, canary rows in any case."""
    settings = workspace.settings.watch
    due = look_due(as_of - champion["since"], period=settings.period, every=settings.every)
    looked = {name: last[name] for name in _OUTCOMES} if last is not None else None
    if looked is None or looked["look"] < due or looked["trouble"] is not None:
        looked = _outcomes(workspace, champion, replaced, as_of, seen, due)
    over = due == looks_in(settings.period, settings.every) and looked["trouble"] is None
    scores = _canary(workspace, champion["version"])
    of_replaced = _canary(workspace, replaced) if scores.wrong else Canary(rows=0, reason="not asked")
    before = last if last is not None and last["state"] == State.PROPOSES else None
    found = verdict(
        [_held(each) for each in looked["metrics"]],
        scores,
        of_replaced,
        names={"champion": f"version {champion['version']}", "replaced": f"version {replaced}"},
        over=over,
        proposed=None if before is None else before["on_outcomes"],
    )
    proposes = found.state is State.PROPOSES
    return {
        "schema_version": 1,
        **{name: champion[name] for name in ("number", "version", "digest")},
        "replaced": replaced,
        "since": iso(champion["since"]),
        "until": iso(champion["since"] + settings.period),
        "as_of": iso(as_of),
        **looked,
        "looks": looks_in(settings.period, settings.every),
        "over": over,
        "canary": scores.to_json(),
        "canary_of_replaced": of_replaced.to_json(),
        "state": found.state.value,
        "grounds": [ground.value for ground in found.grounds],
        "on_outcomes": found.on_outcomes,
        "proposed_at": (before["proposed_at"] if before else iso(as_of)) if proposes else None,
        "reason": " ".join(part for part in (looked["trouble"], found.reason) if part),
    }


_OUTCOMES = ("look", "trouble", "metrics", "rows", "own", "estimated")


def _outcomes(
    workspace: Workspace,
    champion: Mapping[str, Any],
    replaced: str,
    as_of: datetime,
    seen: Mapping[str, Any],
    look: int,
) -> Document:
    """One look at outcomes. Where the record or a model cannot be read, that is said, and it is tried again."""
    blank: Document = {"look": look, "trouble": None, "metrics": [], "rows": None, "own": None, "estimated": []}
    try:
        dossier = read_dossier(workspace, champion["digest"])
        policy, promised = _policy(workspace, dossier), _promised(dossier)
        rows, counted = _fresh(workspace, dossier, champion["version"], replaced, as_of)
        found = [held(rows, promised[metric], metric, policy=policy) for metric in METRICS]
        own = _own(workspace, champion, as_of)
    except MendError as error:
        return {**blank, "trouble": f"Outcomes could not be looked at: {error}."}
    told = [each.to_json() for each in found]
    return {**blank, "metrics": told, "rows": counted, "own": own, "estimated": _estimated(seen, champion)}


def _held(told: Mapping[str, Any]) -> Held:
    return Held(**{spec.name: told[spec.name] for spec in fields(Held)})


def _policy(workspace: Workspace, dossier: Dossier) -> WatchPolicy:
    settings, gate = workspace.settings.watch, dossier.policy
    return WatchPolicy(
        period=settings.period,
        every=settings.every,
        false_proposals=settings.false_proposals,
        min_rows=gate.min_samples,
        min_bad=gate.min_positives,
        min_coverage=gate.min_coverage,
        auc_margin=gate.min_auc_gain,
        brier_margin=gate.min_brier_gain,
    )


def _promised(dossier: Dossier) -> dict[str, Promise | None]:
    evidence, found = dossier.evidence, {}
    for metric in METRICS:
        pair = evidence.pair(metric)
        interval = None if pair.interval is None else (pair.interval.low, pair.interval.high, pair.interval.level)
        found[metric] = promise(
            metric,
            champion=pair.champion,
            challenger=pair.challenger,
            interval=interval,
            degrees=min(evidence.positives, evidence.rows - evidence.positives) - 1,
        )
    return found


def _fresh(
    workspace: Workspace, dossier: Dossier, version: str, replaced: str, as_of: datetime
) -> tuple[FreshRows, Document]:
    """Rows that became mature after those of the dossier, scored by both versions; whoever scored them at the time."""
    start, end = dossier.window_end + _INSTANT, as_of - workspace.horizon + _INSTANT
    mature = workspace.traffic.outcomes(start, max(start, end), as_of=as_of)
    labelled = mature[mature["y"].notna()]
    scores = [workspace.model(each).score(labelled) for each in (version, replaced)]
    usable = np.logical_and.reduce([(score >= 0) & (score <= 1) for score in scores])  # false for NaN
    rows = FreshRows(
        y=labelled["y"].to_numpy(dtype=np.int8)[usable],
        score=scores[0][usable],
        replaced=scores[1][usable],
        mature=len(mature),
    )
    counts = {"labelled": len(rows.y), "bad": rows.bad, "mature": rows.mature, "unscored": int((~usable).sum())}
    return rows, {"after": iso(dossier.window_end), "up_to": iso(as_of - workspace.horizon), **counts}


def _own(workspace: Workspace, champion: Mapping[str, Any], as_of: datetime) -> Document:
    """What the champion scored itself, and how much of that is final."""
    since, horizon = champion["since"], workspace.horizon
    scored = workspace.traffic.scored(since, max(since, as_of), as_of=as_of, features=False)
    mine = scored[scored["model_version"] == champion["version"]]
    final = mine["event_time"] <= as_of - horizon
    first = None if mine.empty else iso(mine["event_time"].min().to_pydatetime() + horizon)
    bad = int((mine["y"] == 1).sum())
    return {"scored": len(mine), "mature": int(final.sum()), "known_bad": bad, "first_mature_at": first}


def _estimated(seen: Mapping[str, Any], champion: Mapping[str, Any]) -> list[Document]:
    """Estimates without labels, as this cycle's look has them: shown beside the promise, and never a ground.

    A population that changes lowers them for every version, and a change of how applicants default does not move them.
    """
    outcomes = seen.get("outcomes")
    if not outcomes or outcomes["champion"] != champion["version"]:
        return []
    trust = {each["metric"]: each for each in outcomes["estimated"]["trust"]}
    found = []
    for each in outcomes["estimated"]["estimates"]:
        if each["metric"] in METRICS:
            shown = trust[each["metric"]]["trusted"] and each["value"] is not None
            numbers = {name: each[name] if shown else None for name in ("value", "low", "high")}
            why = None if shown else each["reason"] or trust[each["metric"]]["reason"]
            found.append(
                {"metric": each["metric"], **numbers, "level": each["level"], "rows": each["rows"], "why": why}
            )
    return found


def _canary(workspace: Workspace, version: str) -> Canary:
    """The first reference rows, scored again by the model as its files are now."""
    from pipeline.training.model_digests import recorded_model
    from pipeline.training.model_files import load_model

    entry = workspace.ledger.entry(BASELINE, baseline_key(version, workspace.reference_sha256))
    if entry is None:
        return Canary(rows=0, reason=f"no score of version {version} is on record yet")
    (path, digest) = next((path, digest) for path, digest in entry.files.items() if path.endswith(".parquet"))
    file, wanted = workspace.root / path, workspace.settings.watch.canary_rows
    if not file.is_file() or sha256_file(file) != digest:
        return Canary(rows=0, reason=f"{path} is gone, or not the one that was recorded")
    recorded = pd.read_parquet(io.BytesIO(file.read_bytes()))["score"].to_numpy(dtype=np.float64)[:wanted]
    try:
        rows = workspace.reference().iloc[: len(recorded)]
    except MendError as error:
        return Canary(rows=0, reason=str(error))
    try:
        again = load_model(recorded_model(workspace, version), workspace.settings).score(rows)
    except IntegrityError as error:
        return Canary(rows=0, reason=str(error), broken=True)
    return canary(recorded, np.asarray(again, dtype=np.float64))
