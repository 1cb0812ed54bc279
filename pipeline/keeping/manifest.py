"""What a backup says of itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pipeline.artefacts import canonical_json
from pipeline.errors import IntegrityError
from pipeline.stores.engine import SCHEMA, iso

SCHEMA_VERSION = 1
LEDGER, TRAFFIC, MLFLOW = "ledger.db", "traffic.db", "mlflow/mlflow.db"  # where a workspace has them by default
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One consistent set.

    `files`: SHA-256 by path in the workspace, databases included. `artifacts`: where MLflow kept its files, as a URI.
    `stores`: the databases' schema. `head` and `entries`: the ledger's newest hash and its number of entries.
    """

    made_at: datetime
    model: str
    artifacts: str
    stores: Mapping[str, str]
    head: str
    entries: int
    files: Mapping[str, str]
    schema_version: int = SCHEMA_VERSION

    def to_text(self) -> str:
        """Canonical JSON."""
        return canonical_json(asdict(self) | {"made_at": iso(self.made_at)})

    @classmethod
    def from_text(cls, text: str) -> Manifest:
        """Read a manifest back, believing nothing that can be checked.

        Raises:
            IntegrityError: It is not one, or is of a later version of Mend.
        """
        try:
            content: dict[str, Any] = json.loads(text)
            version = content["schema_version"]
        except (ValueError, TypeError, KeyError, RecursionError):
            raise IntegrityError("manifest", "not readable") from None
        if version != SCHEMA_VERSION:
            raise IntegrityError("manifest", f"of schema {version!r}; this version of Mend reads {SCHEMA_VERSION}")
        try:
            found = cls(**content | {"made_at": datetime.fromisoformat(content["made_at"])})
            sound = canonical_json(json.loads(found.to_text())) == canonical_json(content)
            sound &= all(_SHA256.fullmatch(digest) is not None for digest in found.files.values())
        except (ValueError, TypeError, KeyError, AttributeError):
            sound = False
        if not sound:
            raise IntegrityError("manifest", "not spelled the way a manifest is written")
        for store, newest in SCHEMA.items():
            if found.stores.get(store, "") > newest:
                raise IntegrityError("manifest", f"{store} store of schema {found.stores[store]}, newer than {newest}")
        return found
