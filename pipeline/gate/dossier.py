"""All evidence for one challenger against one champion, as it is shown, signed and kept."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Literal

from pydantic import TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from pipeline.artefacts import Json, canonical_json, sha256_text
from pipeline.errors import InputError, IntegrityError
from pipeline.gate.checks import CODES, Status, all_checks, is_try, promotable, status
from pipeline.gate.measured import Evidence
from pipeline.gate.provenance import Provenance, Sha256
from pipeline.gate.values import STRICT, Check, GatePolicy, Instant, Name, as_json

DERIVED = ("promotable", "status", "error_spent", "recheck_at")


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Dossier:
    """One judgement, complete: who, on which rows, by which rules, with what result.

    The verdict must follow from the evidence and the policy that stand beside it; a dossier in which it does not can
    neither be made nor read. Only the wording of a check may differ from today's.

    Raises:
        InputError: The challenger is the champion, or the times are out of order.
        ValueError: A field is of the wrong type, or a check does not follow from the evidence.
    """

    schema_version: Literal[3] = 3
    model_name: Name
    challenger: Name
    champion: Name
    original: Name  # the first champion: what no chain of small steps may fall behind
    as_of: Instant
    expires_at: Instant
    window_start: Instant  # judged rows: event time in [window_start, window_end), empty if equal
    window_end: Instant
    last_promotion_at: Instant | None
    last_try_at: Instant | None  # last comparison that spent of the yearly error budget
    row_ids_sha256: Sha256
    data_sha256: Sha256  # labels included
    applicants_sha256: Sha256 | None  # everybody the rows were taken from
    champion_model_sha256: Sha256
    challenger_model_sha256: Sha256
    original_model_sha256: Sha256
    reference_sha256: Sha256
    signal_key: Name
    made_with: Provenance
    policy: GatePolicy
    evidence: Evidence
    checks: tuple[Check, ...]

    def __post_init__(self) -> None:
        if self.challenger == self.champion:
            raise InputError("dossier", f"challenger: version {self.challenger} is the champion")
        if not self.window_start <= self.window_end <= self.as_of < self.expires_at:
            raise InputError("dossier", "times: expected window_start <= window_end <= as_of < expires_at")
        codes = tuple(check.code for check in self.checks)
        if codes != CODES:
            raise ValueError(f"checks: expected {' '.join(CODES)} in order, got {' '.join(codes) or 'none'}")
        due = all_checks(
            self.evidence,
            policy=self.policy,
            as_of=self.as_of,
            last_promotion_at=self.last_promotion_at,
            last_try_at=self.last_try_at,
        )
        for check, other in zip(self.checks, due, strict=True):
            if _numbers_of(check) != _numbers_of(other):
                raise ValueError(f"checks: {check.code} {check.outcome} does not follow from the evidence")

    @property
    def promotable(self) -> bool:
        """Every required check passed. No checks is not passed."""
        return promotable(self.checks)

    @property
    def status(self) -> Status:
        """What happens next: a person decides, nothing does, or it is judged again when more labels are in."""
        return status(self.checks, policy=self.policy, as_of=self.as_of)

    @property
    def error_spent(self) -> float:
        """What this comparison takes from the yearly error budget."""
        return self.evidence.trial.alpha if is_try(self.checks) else 0.0

    @property
    def recheck_at(self) -> datetime | None:
        """When one that waits challenger is judged again: at every cycle while that costs nothing, else then."""
        if self.status != "waiting":
            return None
        dates = [check.decidable_at for check in self.checks if check.decidable_at]
        return self.as_of if not is_try(self.checks) else max(dates)

    @property
    def digest(self) -> str:
        """SHA-256 over the canonical JSON: what an approver signs."""
        return sha256_text(canonical_json(self.to_json()))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values, the verdict in words included; times in UTC, spelled with Z."""
        return as_json(self) | {name: _plain(getattr(self, name)) for name in DERIVED}

    @classmethod
    def from_json(cls, record: Json) -> Dossier:
        """Read a dossier back, believing nothing that can be checked.

        Raises:
            IntegrityError: A key is unknown or missing, a value is of the wrong type or not finite, a verdict does not
                follow from its numbers, or the record is not spelled the way a dossier is written.
        """
        try:
            text = canonical_json(record)
            stored = json.loads(text)
            if (schema := stored.get("schema_version")) in (1, 2):
                raise IntegrityError("dossier", f"of schema {schema}, which this version cannot recompute")
            claimed = {name: stored.pop(name, None) for name in DERIVED}
            dossier: Dossier = TypeAdapter(cls).validate_json(json.dumps(stored))
        except IntegrityError:
            raise
        except ValidationError as error:
            raise IntegrityError("dossier", _first_line(error.errors(include_url=False))) from None
        except InputError as error:
            raise IntegrityError(*error.args) from None
        except (ValueError, TypeError, AttributeError, OverflowError, RecursionError) as error:
            raise IntegrityError("dossier", f"not a JSON object: {error}") from None
        for name, said in claimed.items():
            due = _plain(getattr(dossier, name))
            if said != due or type(said) is not type(due):
                raise IntegrityError("dossier", f"{name}: says {said!r}, but its checks say {due!r}")
        if canonical_json(dossier.to_json()) != text:
            raise IntegrityError("dossier", "not spelled the way a dossier is written")
        return dossier


def _plain(value: object) -> object:
    """A derived value as JSON holds it."""
    return value.isoformat().replace("+00:00", "Z") if isinstance(value, datetime) else value


def _numbers_of(check: Check) -> Check:
    return dataclasses.replace(check, name=check.code, unit="", note="")


def _first_line(problems: Iterable[Any]) -> str:
    first = next(iter(problems))
    where = ".".join(str(part) for part in first["loc"])
    return " ".join(f"{where}: {first['msg'].removeprefix('Value error, ')}".removeprefix(": ").split())
