"""How the service says no: a status and a line, and nothing of what was sent."""

from fastapi import Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse

from pipeline.errors import InputError, MendError, RefusedError, StoreError
from pipeline.serving.answering import TakenIdError
from pipeline.serving.following import ErasedIdError
from pipeline.serving.keys import NoKeyError, NotInScopeError

_STATUS: dict[type[MendError], int] = {
    StoreError: 503,
    TakenIdError: 409,
    ErasedIdError: 410,
    NoKeyError: 401,
    NotInScopeError: 403,
    InputError: 422,
    RefusedError: 422,
}
_HEADERS = {503: {"Retry-After": "1"}, 401: {"WWW-Authenticate": "Bearer"}}
_MOST_COMPLAINTS = 10


def refusal(error: MendError) -> JSONResponse:
    """The answer to a request that a rule of ours, or a store, stands against."""
    status = next((status for kind, status in _STATUS.items() if isinstance(error, kind)), 500)
    body = {"detail": [{"where": "", "what": str(error)}], "more": 0}
    return JSONResponse(body, status_code=status, headers=_HEADERS.get(status))


async def not_valid(_request: Request, error: Exception) -> JSONResponse:
    """What was wrong with a request and where."""
    complaints = error.errors() if isinstance(error, RequestValidationError) else []
    told = [{"where": _where(each["loc"]), "what": each["msg"][:200]} for each in complaints[:_MOST_COMPLAINTS]]
    return JSONResponse({"detail": told, "more": max(len(complaints) - len(told), 0)}, status_code=422)


async def not_done(_request: Request, error: Exception) -> JSONResponse:
    """A refusal raised inside a handler."""
    assert isinstance(error, MendError)
    return refusal(error)


def _where(place: tuple[str | int, ...]) -> str:
    return ".".join(str(part)[:60] for part in place)[:200]
