"""Whether the dashboard may be opened as it is about to be: by whom it can be reached, and who vouches for them."""

from __future__ import annotations

import ipaddress
import stat
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.errors import RefusedError, SettingsError
from pipeline.identity.from_proxy import proxy_secret
from pipeline.settings import Settings

LOOPBACK = "127.0.0.1"
_NEEDED = ("redirect_uri", "cookie_secret", "client_id", "client_secret", "server_metadata_url")
_SHORTEST_SECRET = 32  # characters; whoever guesses the cookie's secret signs in as anybody


def require_fit_desk(settings: Settings, *, address: str) -> None:
    """Raise unless a desk with these settings may listen on this address.

    Args:
        settings: How people are known.
        address: Address to listen on; empty means every address of the machine.

    Raises:
        RefusedError: Nobody vouches for anybody, and others than this machine could come in.
        SettingsError: What people sign in with is not complete, or not secret.
    """
    mode = settings.identity.mode
    if mode == "local" and not is_loopback(address):
        raise RefusedError(
            f"identity.mode is local: nobody vouches for who decides, so the desk opens on {LOOPBACK} only, "
            f"not on {address or 'every address'}; see modes oidc and proxy in docs/security.md"
        )
    if mode == "oidc":
        sign_in(settings)
    if mode == "proxy":
        proxy_secret(settings)


def is_loopback(address: str) -> bool:
    """Whether only this machine can reach the address.

    >>> [is_loopback(each) for each in ("127.0.0.1", "::1", "localhost", "0.0.0.0", "", "10.0.0.5", "desk.example")]
    [True, True, True, False, False, False, False]
    """
    if address == "localhost":
        return True
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def streamlit_options(settings: Settings, *, address: str) -> list[str]:
    """What Streamlit is told on its command line: where to listen, for which names, and where its [auth] is.

    A browser that asks for another name than these is turned away, by `dashboard.guard` and for its websocket by
    Streamlit as well, which closes DNS rebinding.

    >>> from pipeline.settings import load_settings
    >>> " ".join(streamlit_options(load_settings(), address="::1")[2:])
    '--server.allowedHosts 127.0.0.1 --server.allowedHosts localhost --server.allowedHosts ::1'
    """
    own = [address] if is_loopback(address) else []  # another address is no name: the settings say what it is called
    names, options = [LOOPBACK, "localhost", *own, *settings.identity.hosts], ["--server.address", address]
    if settings.identity.mode == "oidc":
        names.append(urlsplit(sign_in(settings)["redirect_uri"]).hostname or "")
        options += ["--secrets.files", str(sign_in_file(settings))]
    return [*options, *(part for name in dict.fromkeys(names) for part in ("--server.allowedHosts", name))]


def sign_in_file(settings: Settings) -> Path:
    """Absolute path of the file with Streamlit's `[auth]`."""
    return (settings.source.parent / settings.identity.secrets).resolve()


def sign_in(settings: Settings) -> dict[str, str]:
    """What `[auth]` says, if it is complete, secret, and leads over encrypted ways.

    Raises:
        SettingsError: It is not; says which key of which file.
    """
    path = sign_in_file(settings)
    try:
        if path.stat().st_mode & stat.S_IROTH:
            raise SettingsError(path, f"can be read by everybody on this machine; chmod 600 {path}")
        auth: Any = tomllib.loads(path.read_text(encoding="utf-8")).get("auth")
    except FileNotFoundError:
        raise SettingsError(path, "no such file; identity.mode oidc needs Streamlit's [auth] there") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise SettingsError(path, f"not readable as TOML: {type(error).__name__}") from None
    for key in _NEEDED:
        if not isinstance(auth, dict) or not isinstance(auth.get(key), str) or not auth[key].strip():
            raise SettingsError(path, f"auth.{key}: expected a text, found none")
    if len(auth["cookie_secret"]) < _SHORTEST_SECRET:
        raise SettingsError(path, f"auth.cookie_secret: expected at least {_SHORTEST_SECRET} characters, by chance")
    for key in ("redirect_uri", "server_metadata_url"):
        if not encrypted(auth[key]):
            raise SettingsError(path, f"auth.{key}: expected https://, or this machine, got {auth[key]!r}")
    if not auth["redirect_uri"].endswith("/oauth2callback"):
        raise SettingsError(path, f"auth.redirect_uri: expected …/oauth2callback, got {auth['redirect_uri']!r}")
    return {key: auth[key] for key in _NEEDED}


def encrypted(url: str) -> bool:
    """Whether nobody on the way can read along: https, or not leaving this machine.

    >>> [encrypted(each) for each in ("https://desk.example", "http://127.0.0.1:9400", "http://desk.example", "desk")]
    [True, True, False, False]
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        return False
    return bool(parts.hostname) and (
        parts.scheme == "https" or (parts.scheme == "http" and is_loopback(parts.hostname or ""))
    )
