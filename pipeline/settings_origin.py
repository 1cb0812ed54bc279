"""Where a setting comes from: the file, a variable, or nobody said and it is the default."""

from __future__ import annotations

import os

from pydantic_settings import EnvSettingsSource

from pipeline.settings import Settings

DEFAULT = "default"


def origin_of(settings: Settings, section: str, name: str) -> str:
    """The name of the file or of the variable that gave a setting its value; `default` where neither did."""
    if name in (EnvSettingsSource(Settings)().get(section) or {}):
        alone = f"MEND_{section}__{name}".upper()
        return alone if alone in {variable.upper() for variable in os.environ} else f"MEND_{section}".upper()
    given = getattr(settings, section).model_fields_set
    return settings.source.name if name in given else DEFAULT
