"""Who may come in: a key is asked for before anything of a request is read."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from pipeline.errors import MendError
from pipeline.serving.keys import SCOPE_OF, Key, require_key
from pipeline.serving.refusals import refusal

_AUTHORIZATION = b"authorization"
_SCHEME = "key"


class KeyGuard:
    """Lets through who has a key for what is asked; the rest gets 401 or 403."""

    def __init__(self, app: ASGIApp, *, keys: Callable[[], Mapping[str, Key]], clock: Callable[[], datetime]) -> None:
        self._app, self._keys, self._clock = app, keys, clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Ask for the key of one request."""
        asked_for = SCOPE_OF.get(scope["path"].rstrip("/")) if scope["type"] == "http" else None
        if asked_for is not None:
            given = [value for name, value in scope["headers"] if name == _AUTHORIZATION]
            header = given[0].decode("latin-1") if len(given) == 1 else None
            try:
                require_key(header, asked_for, keys=self._keys(), now=self._clock())
            except MendError as error:
                await refusal(error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def describe_keys(app: FastAPI) -> None:
    """Say in the service's description which operations want a key, and for what."""
    plain = app.openapi

    def described() -> dict[str, Any]:
        schema = plain()
        bearer = {"type": "http", "scheme": "bearer", "description": "made by `mend key new`"}
        schema.setdefault("components", {}).setdefault("securitySchemes", {})[_SCHEME] = bearer
        for path, scope in SCOPE_OF.items():
            for operation in schema["paths"][path].values():
                operation["security"] = [{_SCHEME: [scope]}]
                for status, what in (("401", "no key that holds"), ("403", f"the key is not for {scope}")):
                    operation["responses"][status] = {"description": what}
        return schema

    app.openapi = described  # type: ignore[method-assign]
