"""Settings of `[signing]`: whether a model's files are signed by a key, beside being on record."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field

from pipeline.settings_types import Section


class SigningSettings(Section):
    """Key files, relative to the settings file; made by `mend signing keygen`. Unset is off."""

    private_key: Path | None = Field(default=None, description="signs every model that is trained here")
    public_key: Path | None = Field(default=None, description="no model is loaded or promoted that it does not verify")
