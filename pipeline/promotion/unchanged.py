"""Is everything that a dossier stands on still what was judged? Asked before a signature: any change voids it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pipeline.artefacts import sha256_file
from pipeline.code_version import provenance
from pipeline.errors import IntegrityError, RefusedError
from pipeline.gate.dossier import Dossier
from pipeline.judging import case_of
from pipeline.reference import DATA
from pipeline.training.model_digests import require_model_files
from pipeline.wiring import Workspace


def require_unchanged(workspace: Workspace, dossier: Dossier) -> None:
    """Raise if anything that the dossier was made from is another thing today.

    Raises:
        RefusedError: The policy, the code, a notebook, a library or the judged data is not what was judged.
        IntegrityError: A model, the reference or an executed notebook is not the file that was recorded.
    """
    _require_files(workspace, dossier)
    if changed := [*_policy_changes(workspace, dossier), *dossier.made_with.differences(provenance())]:
        raise RefusedError(_void(dossier), f"changed since it was judged: {'; '.join(changed)}")
    if changed := list(_data_changes(workspace, dossier)):
        raise RefusedError(_void(dossier), f"changed since it was judged: {'; '.join(changed)}")


def _void(dossier: Dossier) -> str:
    return f"dossier {dossier.digest[:12]} (version {dossier.challenger}) is void"


def _policy_changes(workspace: Workspace, dossier: Dossier) -> Iterator[str]:
    before, now = dossier.policy.to_json(), workspace.settings.gate_policy.to_json()
    yield from (f"policy {name}: {before[name]}, now {now[name]}" for name in before if before[name] != now[name])


def _data_changes(workspace: Workspace, dossier: Dossier) -> Iterator[str]:
    """Rows, outcomes and scores, fetched and scored again as of the dossier's time."""
    case = case_of(workspace, dossier.challenger, as_of=dossier.as_of, champion=dossier.champion)
    before = {
        "which rows are judged": dossier.row_ids_sha256,
        "the judged rows' outcomes or scores": dossier.data_sha256,
        "the applicants they were taken from": dossier.applicants_sha256,
    }
    now = (case.rows.row_ids_sha256, case.rows.data_sha256, case.applicants.sha256)
    yield from (name for (name, recorded), found in zip(before.items(), now, strict=True) if recorded != found)


def _require_files(workspace: Workspace, dossier: Dossier) -> None:
    recorded = {
        dossier.original: dossier.original_model_sha256,
        dossier.champion: dossier.champion_model_sha256,
        dossier.challenger: dossier.challenger_model_sha256,
    }
    for version, judged in recorded.items():
        if workspace.challenger(version)["model_sha256"] != judged:
            raise IntegrityError(f"version {version}", "another model is on record than the one that was judged")
        require_model_files(workspace, version)
    _require_file(workspace.root / DATA, dossier.reference_sha256, "the reference that the dossier names")
    for path, digest in _notebooks(workspace, dossier).items():
        _require_file(workspace.root / path, digest, "the executed notebook that was recorded")


def _require_file(path: Path, sha256: str, what: str) -> None:
    try:
        found = sha256_file(path)
    except OSError as error:
        raise IntegrityError(path, f"{what} is not readable: {error.strerror}") from None
    if found != sha256:
        raise IntegrityError(path, f"not {what}")


def _notebooks(workspace: Workspace, dossier: Dossier) -> dict[str, str]:
    """The executed notebooks of the training and of the judgement, by path."""
    trained_at = workspace.challenger(dossier.challenger)["as_of"]
    found: dict[str, str] = {}
    for moment in {trained_at, dossier.as_of}:
        for run in workspace.ledger.runs_of(moment):
            entry = workspace.ledger.entry("run", run["run_id"])
            found |= entry.files if entry is not None else {}
    return {path: digest for path, digest in found.items() if path.endswith(".ipynb")}
