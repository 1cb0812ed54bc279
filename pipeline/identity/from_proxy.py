"""Who a reverse proxy says somebody is: a header, believed only beside the secret that the proxy alone knows."""

from __future__ import annotations

import hmac
import os
import stat
from collections.abc import Callable, Sequence

from pipeline.errors import RefusedError, SettingsError
from pipeline.identity.from_claims import plain
from pipeline.promotion.person import Person
from pipeline.settings import Settings
from pipeline.settings_identity import IdentitySettings

SECRET_VARIABLE = "MEND_PROXY_SECRET"  # noqa: S105  the variable's name
_SHORTEST_SECRET = 32  # characters, as `openssl rand -hex 16` makes: 128 bits, beyond guessing over a network


def person_from_headers(given: Callable[[str], Sequence[str]], identity: IdentitySettings, *, secret: str) -> Person:
    """The person whom the proxy names; `require_authority` says whether they may act.

    Every header has to come exactly once: with two, the browser may have sent one of them. A comma in the user's name
    is refused too: servers between here and there join a header that came twice by one.

    Args:
        given: All values of a header, as the request brought them.
        identity: Names of the headers.
        secret: What the proxy has to send.

    Raises:
        RefusedError: The secret is not there or not the right one, or the user's header is missing, empty or doubtful.

    >>> identity = IdentitySettings(mode="proxy", proxy_header="X-User", proxy_secret_header="X-Secret")
    >>> headers = {"X-User": ["ann"], "X-Secret": ["s" * 32]}
    >>> person_from_headers(lambda name: headers.get(name, []), identity, secret="s" * 32).actor
    'proxy#ann'
    """
    shown = given(identity.proxy_secret_header)
    if len(shown) != 1 or not secret or not hmac.compare_digest(shown[0].encode(), secret.encode()):
        raise RefusedError("this did not come through the proxy that signs people in; open the desk at its address")
    users = given(identity.proxy_header)
    if len(users) != 1:
        raise RefusedError(f"expected {identity.proxy_header} from the proxy once, got it {len(users)} times")
    user = users[0].strip()
    if not plain(user) or "," in user:
        raise RefusedError(f"expected one name in {identity.proxy_header}, in plain characters, got {user!r}")
    return Person(
        actor=f"proxy#{user}", method="proxy", name=user, issuer="proxy", subject=user, roles=_roles(given, identity)
    )


def proxy_secret(settings: Settings) -> str:
    """The secret that the proxy has to send: from `identity.proxy_secret_file`, else from MEND_PROXY_SECRET.

    Raises:
        SettingsError: There is none, it is too short to be one, or everybody on this machine can read the file.
    """
    file = settings.identity.proxy_secret_file
    where, secret = f"variable {SECRET_VARIABLE}", os.environ.get(SECRET_VARIABLE, "")
    if file is not None:
        path = (settings.source.parent / file).resolve()
        where = str(path)
        try:
            if path.stat().st_mode & stat.S_IROTH:
                raise SettingsError(where, f"can be read by everybody on this machine; chmod 600 {where}")
            secret = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(where, f"not readable: {getattr(error, 'strerror', None) or 'not text'}") from None
    if len(secret) < _SHORTEST_SECRET or not plain(secret):
        raise SettingsError(where, f"expected the proxy's secret, at least {_SHORTEST_SECRET} plain characters")
    return secret


def _roles(given: Callable[[str], Sequence[str]], identity: IdentitySettings) -> tuple[str, ...]:
    if not identity.proxy_roles_header:
        return ()
    listed = given(identity.proxy_roles_header)
    if len(listed) > 1:
        raise RefusedError(f"expected {identity.proxy_roles_header} from the proxy once, got it {len(listed)} times")
    return tuple(role for each in listed for role in (part.strip() for part in each.split(",")) if role)
