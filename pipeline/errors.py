"""What can go wrong, by name: one root, a stable code, and one line that says what, where and what was expected."""

from __future__ import annotations


class MendError(Exception):
    """Root of every error Mend raises on purpose. `exit_code`: 2 bad arguments, 3 not enough data, 4 refused by a rule.

    >>> str(SettingsError("mend.toml", "gate.min_samples", "a whole number >= 1, got -3"))
    'mend.toml: gate.min_samples: a whole number >= 1, got -3'
    """

    code = "mend.error"
    exit_code = 2

    def __init__(self, *parts: object) -> None:
        super().__init__(*parts)

    def __str__(self) -> str:
        return ": ".join(str(part) for part in self.args)


class SettingsError(MendError):
    """A settings file or an override says something that cannot be."""

    code = "settings.invalid"


class InputError(MendError):
    """A data file, a row or an argument is not what was expected."""

    code = "input.invalid"


class NotEnoughDataError(MendError):
    """A window, a class or a column is too empty to work with."""

    code, exit_code = "data.not_enough", 3


class NotInitialisedError(MendError):
    """The workspace holds no champion yet."""

    code, exit_code = "workspace.not_initialised", 3


class RefusedError(MendError):
    """A rule says no: to an approval, a promotion, or a second start."""

    code, exit_code = "rule.refused", 4


class IntegrityError(MendError):
    """A record, a file or a model is not what the ledger says it was."""

    code, exit_code = "record.tampered", 4


class StoreError(MendError):
    """A database cannot be read or written just now. Nothing was done, and it can be tried again."""

    code, exit_code = "store.unavailable", 3


class RegistryError(MendError):
    """The model registry does not answer; what it should say stands in the ledger."""

    code, exit_code = "registry.unreachable", 3


class NotebookFailedError(MendError):
    """A notebook did not deliver its artefact."""

    code, exit_code = "notebook.failed", 1
