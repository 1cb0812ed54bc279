"""What a database does when it fails, in one line: what, where, that nothing was done, and what to do about it."""

from __future__ import annotations

import sqlalchemy as sa

from pipeline.errors import IntegrityError, StoreError

_WAITED = "another process held it for longer than 30 s; see what runs, then try again"
_NOT_LET_IN = "see that the server runs, has this database and lets us in, then try again"
_AGAIN = "run it again: an act that is on record is not repeated"
_LOST = f"or only the answer was lost; {_AGAIN}"  # a connection that breaks during COMMIT does not say which

# SQLite's primary result codes (https://sqlite.org/rescode.html)
_SQLITE_DAMAGED = {11, 26}  # CORRUPT, NOTADB
_SQLITE_SAYS_NOTHING = {1}  # ERROR: a table or column that is not there; or a mistake of ours
_SQLITE_ADVICE = {
    5: _WAITED,  # BUSY
    6: _WAITED,  # LOCKED
    8: "see who may write to it and to its folder, then try again",  # READONLY
    10: "see whether its disk is full or failing, then try again",  # IOERR
    13: "make room there, then try again",  # FULL
    14: "see that its folder is there and may be written to, then try again",  # CANTOPEN
}
# PostgreSQL's SQLSTATE, whole or its class (https://www.postgresql.org/docs/15/errcodes-appendix.html)
_POSTGRES_DAMAGED = ("XX001", "XX002")
_POSTGRES_ADVICE = {
    "25006": "the server takes no writes (a standby?); name the one that does",
    "42501": "grant the role SELECT and INSERT; a change of schema takes the tables' owner",
    "53100": "make room on the server, then try again",
    "55P03": _WAITED,
    "08": _LOST,
    "40": _AGAIN,
    "53": "the server is out of memory or connections; try again later",
    "57": _LOST,
    "58": "see the server's log and its disk, then try again",
}


def place(url: sa.URL) -> str:
    """Where a database is, without user, password or options.

    >>> place(sa.make_url("postgresql+psycopg://ann:secret@db.example.org/mend"))
    'postgresql db.example.org/mend'
    """
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return f"{url.get_backend_name()} {url.host or url.query.get('host', 'localhost')}/{url.database}"


def in_one_line(context: sa.engine.ExceptionContext) -> Exception | None:
    """Listener of an engine's errors: a store that fails is a StoreError, a damaged one an IntegrityError.

    A constraint that was broken, a value that does not fit and a mistake in SQL stay what they are.
    """
    if context.is_pre_ping or context.sqlalchemy_exception is None:
        return None  # a ping that fails is answered with a new connection
    engine, error = context.engine, context.original_exception
    where = place(engine.url) if engine is not None else context.dialect.name
    said = str(error).partition("\n")[0] or type(error).__name__
    if context.dialect.name == "sqlite":
        return _sqlite(where, said, error, context.sqlalchemy_exception)
    if context.connection is None:
        return StoreError(where, f"{said}; nothing was written", _NOT_LET_IN)
    return _postgres(where, said, str(getattr(error, "sqlstate", None) or "08"))  # a connection that broke has no state


def _sqlite(where: str, said: str, error: BaseException, kind: sa.exc.StatementError) -> Exception | None:
    code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
    if code in _SQLITE_DAMAGED:
        return IntegrityError(where, said, "restore it from a backup")
    if code in _SQLITE_SAYS_NOTHING or not isinstance(kind, sa.exc.OperationalError):
        return None
    return StoreError(where, f"{said}; nothing was written", _SQLITE_ADVICE.get(code, "then try again"))


def _postgres(where: str, said: str, state: str) -> Exception | None:
    if state in _POSTGRES_DAMAGED:
        return IntegrityError(where, said, "restore it from a backup")
    advice = _POSTGRES_ADVICE.get(state) or _POSTGRES_ADVICE.get(state[:2])
    return None if advice is None else StoreError(where, f"{said}; nothing was written", advice)
