"""Which code judged: what else, beside data and models, a dossier's numbers depend on."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field
from pydantic.dataclasses import dataclass

from pipeline.gate.values import STRICT, Name

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


@dataclass(frozen=True, slots=True, kw_only=True, config=STRICT)
class Provenance:
    """The code, the notebooks and the libraries that a dossier was made with.

    `code_sha256` covers the Python files that train, measure and judge (`pipeline.code_version`); `notebooks` holds the
    SHA-256 of each scheduled notebook's source; `libraries` the versions of those that numbers pass through, Python's
    own included.
    """

    release: Name
    code_sha256: Sha256
    notebooks: dict[Name, Sha256]
    libraries: dict[Name, Name]

    def differences(self, other: Provenance) -> tuple[str, ...]:
        """What the other one has differently, in words.

        >>> ours = Provenance(release="1", code_sha256="a" * 64, notebooks={}, libraries={"numpy": "2.4.6"})
        >>> theirs = Provenance(release="1", code_sha256="b" * 64, notebooks={}, libraries={"numpy": "2.4.7"})
        >>> ours.differences(theirs)
        ('code: aaaaaaaaaaaa, now bbbbbbbbbbbb', 'numpy: 2.4.6, now 2.4.7')
        """
        found = [f"release: {self.release}, now {other.release}"] if self.release != other.release else []
        if self.code_sha256 != other.code_sha256:
            found.append(f"code: {self.code_sha256[:12]}, now {other.code_sha256[:12]}")
        for ours, theirs, prefix in (
            (self.notebooks, other.notebooks, "notebook "),
            (self.libraries, other.libraries, ""),
        ):
            for name in sorted(ours.keys() | theirs.keys()):
                before, now = ours.get(name, "none")[:12], theirs.get(name, "none")[:12]
                if before != now:
                    found.append(f"{prefix}{name}: {before}, now {now}")
        return tuple(found)
