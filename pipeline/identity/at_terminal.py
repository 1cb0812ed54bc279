"""Who sits at the terminal: the owner of a token, or whoever the operating system says, which nobody vouches for."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from pipeline.errors import InputError, SettingsError
from pipeline.identity.tokens import owner
from pipeline.promotion.person import Person
from pipeline.settings import Settings
from pipeline.settings_identity import UNKNOWN_TOKEN

TOKEN_VARIABLE = "MEND_TOKEN"  # noqa: S105  the variable's name


def person_at_terminal(settings: Settings, as_: str, token_file: str = "") -> Person:
    """The person behind a command; `require_authority` says whether they may act.

    A token in `--token-file` or `MEND_TOKEN` says who it is. Without one it is the user of this operating system, by
    their own name or by the one they claim with `--as`: "local", and only that. A token of nobody's is a person too,
    `unknown token`, on no list, so that the try is refused and goes on record.

    Args:
        settings: Whose tokens count.
        as_: The name claimed on the command line; may be empty.
        token_file: File that holds a token; wins over the variable.

    Raises:
        InputError: The file cannot be read or others can read it, or `--as` names another than the token does.
        SettingsError: Somebody on the list is called "unknown token".
    """
    user, claimed = operating_system_user(), as_.strip()
    token = _token(token_file)
    if token is None:
        return Person(actor=claimed or user, method="local", name=claimed or user, os_user=user)
    found = owner(token, settings.identity.tokens)
    if found is None:
        if UNKNOWN_TOKEN in settings.approval.approvers:
            raise SettingsError(settings.source, f"approval.approvers: {UNKNOWN_TOKEN!r} is nobody's name")
        return Person(actor=UNKNOWN_TOKEN, method="token", os_user=user)
    actor, known = found
    if claimed not in ("", actor):
        raise InputError("--as", f"the token is {actor}'s; leave --as out, got {claimed!r}")
    return Person(actor=actor, method="token", name=actor, os_user=user, expires_at=known.ends_at)


def operating_system_user() -> str:
    """Name of the user that this process really runs as; $USER and $LOGNAME are whatever somebody typed."""
    if sys.platform == "win32":
        return os.getlogin()
    import pwd

    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        return f"uid {os.getuid()}"  # as in a container


def _token(file: str) -> str | None:
    """The token given, if any. It leaves the environment, so that no notebook started from here inherits it."""
    found = os.environ.pop(TOKEN_VARIABLE, None)
    if not file:
        return None if found is None else found.strip()
    try:
        if Path(file).stat().st_mode & stat.S_IROTH:
            raise InputError("--token-file", f"{file} can be read by everybody on this machine; chmod 600 {file}")
        return Path(file).read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(
            "--token-file", f"{file}: not readable: {getattr(error, 'strerror', None) or 'not text'}"
        ) from None
