"""The scoring service over HTTP: thin handlers, answers that are on disk, errors that repeat nothing they were sent."""

import asyncio
import re
import secrets
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Body, FastAPI, HTTPException, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.middleware.trustedhost import TrustedHostMiddleware
from fastapi.responses import JSONResponse
from fastapi.routing import APIRoute
from pydantic import BaseModel, ConfigDict, Field, create_model

from pipeline.clock import wall_clock
from pipeline.errors import InputError, MendError
from pipeline.labels.rules import WHAT, Report, Status, Verdict
from pipeline.serving.answering import AnsweringThread, Outcomes, Question, TakenIdError, require_different
from pipeline.serving.counting import Counts
from pipeline.serving.following import ChampionFollower
from pipeline.serving.guard import KeyGuard, describe_keys
from pipeline.serving.messages import (
    PREDICTION_ID,
    Outcome,
    OutcomesTold,
    Prediction,
    Predictions,
    Refused,
    application_model,
    values_of,
)
from pipeline.serving.refusals import not_done, not_valid
from pipeline.serving.scorer import Value, plain
from pipeline.serving.state_routes import state_router
from pipeline.serving.strict_json import NotJsonError, parse
from pipeline.stores.engine import iso
from pipeline.stores.prediction_log import Answer, PredictionLog
from pipeline.wiring import Workspace

# Read by hand below: as a parameter of FastAPI's it costs a tenth of a request.
_IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "your own id, in place of the body's prediction_id",
    "schema": {"type": "string", "pattern": PREDICTION_ID},
}
_ERASED = Verdict(status=Status.ERASED)
_REASONS = {
    "name": "reasons",
    "in": "query",
    "required": False,
    "description": "true: name the features that moved the probability up most; they go on record with the answer",
    "schema": {"type": "boolean", "default": False},
}
_REFUSED: dict[int | str, dict[str, Any]] = {
    status: {"model": Refused, "description": what}
    for status, what in (
        (409, "the id is on record with another application"),
        (410, "the applicant with this id was erased"),
        (413, "the body is too large"),
        (422, "not a valid request"),
        (503, "the store cannot write, or too many wait; asking again is safe"),
    )
}
_BODY_WITHIN_S = 10  # two megabytes at two megabits a second


class _StrictRequest(Request):
    async def body(self) -> bytes:
        """The body, unless it takes longer than anybody needs: its sender would hold a place for ever."""
        try:
            async with asyncio.timeout(_BODY_WITHIN_S):
                return await super().body()
        except TimeoutError:
            slow = [{"where": "body", "what": f"expected within {_BODY_WITHIN_S} s"}]
            raise HTTPException(408, slow, headers={"Connection": "close"}) from None

    async def json(self) -> Any:
        try:
            return parse(await self.body())
        except NotJsonError as error:
            raise HTTPException(422, [{"where": "body", "what": str(error)}]) from None


class _StrictRoute(APIRoute):
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def strictly(request: Request) -> Response:
            return await handle(_StrictRequest(request.scope, request.receive))

        return strictly


def create_app(workspace: Workspace, *, hosts: Collection[str]) -> FastAPI:
    """The service over one workspace; refuses to be made without a champion that verifies.

    Args:
        workspace: Where the champion is, and where answers are logged.
        hosts: Names under which it may be asked; a page that calls itself by another one gets 400.

    Raises:
        NotInitialisedError: There is no champion.
        IntegrityError: The champion or the reference is not what the ledger says.
    """
    settings, features = workspace.settings, workspace.settings.data.features
    serving = settings.serving
    follower = ChampionFollower(workspace, clock=wall_clock, every_s=serving.follow_every.total_seconds())
    counts = Counts(features)
    answering = AnsweringThread(
        PredictionLog(workspace.traffic.engine),
        list(features),
        scorer=follower.scorer,
        clock=wall_clock,
        max_waiting=serving.max_waiting,
        counts=counts,
    )

    @asynccontextmanager
    async def running(_app: FastAPI) -> AsyncIterator[None]:
        follower.start()
        answering.start(asyncio.get_running_loop().call_soon_threadsafe)
        yield
        follower.stop()
        answering.stop()

    reference = workspace.reference()[list(features)]
    missing = {str(name) for name in reference.columns[reference.isna().any()]}
    application = application_model(features, may_be_missing=missing)
    applications = create_model(
        "Applications",
        __config__=ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True),
        applications=(list[application], Field(min_length=1, max_length=serving.max_batch)),  # type: ignore[valid-type]
    )
    outcomes = create_model(
        "Outcomes",
        __config__=ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True),
        labels=(list[Outcome], Field(min_length=1, max_length=serving.max_batch)),
    )
    example = dict(zip(features, plain(reference.head(1))[0], strict=True))
    router = APIRouter(route_class=_StrictRoute, responses=_REFUSED)

    async def answered(
        keys: Sequence[str], rows: Sequence[tuple[Value, ...]], *, chosen: bool, why: bool = False
    ) -> list[Answer]:
        future: asyncio.Future[list[Answer]] = asyncio.get_running_loop().create_future()
        answering.ask(Question(keys, rows, chosen, partial(_settle, future), with_reasons=why))
        answers = await future
        counts.answered(len(answers))
        return answers

    async def taken(reports: Sequence[Report]) -> list[Verdict]:
        future: asyncio.Future[list[Verdict]] = asyncio.get_running_loop().create_future()
        answering.ask(Outcomes(reports, partial(_settle, future)))
        return await future

    @router.post(
        "/predict",
        response_model=Prediction,
        tags=["scoring"],
        summary="Score one application",
        openapi_extra={"parameters": [_IDEMPOTENCY_KEY, _REASONS]},
    )
    async def predict(
        request: Request,
        body: Annotated[application, Body(openapi_examples={"one": {"value": example}})],  # type: ignore[valid-type]
    ) -> Response:
        """Score one application. When you have the answer, it is on record.

        `prediction_id` or the header `Idempotency-Key` make asking again safe: the same application gets the same
        answer, also after a promotion; another application under the same id gets 409.
        """
        chosen = _chosen(body, request.headers.get("idempotency-key"))
        key = chosen or _new_id()
        follower.require_not_erased([chosen] if chosen else [])
        why = _wants_reasons(request)
        answers = await answered((key,), (values_of(body, features),), chosen=chosen is not None, why=why)
        return JSONResponse(_told(answers[0]) | ({"reasons": answers[0].reasons} if why else {}))

    @router.post("/predict/batch", response_model=Predictions, tags=["scoring"], summary="Score many applications")
    async def predict_batch(
        body: Annotated[applications, Body(openapi_examples={"one": {"value": {"applications": [example]}}})],  # type: ignore[valid-type]
    ) -> Response:
        """Score up to `serving.max_batch` applications: all are answered and on record, or none is."""
        rows: list[BaseModel] = body.applications  # type: ignore[attr-defined]
        chosen = [_chosen(row, None) for row in rows]
        keys = [key or _new_id() for key in chosen]
        require_different(keys)
        follower.require_not_erased([key for key in chosen if key])
        answers = await answered(keys, [values_of(row, features) for row in rows], chosen=any(chosen))
        return JSONResponse({"predictions": [_told(each) for each in answers]})

    @router.post("/labels", response_model=OutcomesTold, tags=["labels"], summary="Report what came of applications")
    async def report_labels(body: outcomes) -> Response:  # type: ignore[valid-type]
        """Report outcomes, one or many; nothing of them is lost, and reporting them again changes nothing.

        `recorded`: new. `known`: it adds nothing. `conflicting`: another outcome is on record and this one does not say
        `corrects`, so that neither counts until one does. `quarantined`: kept aside, and why. `erased`: not kept.
        """
        now = wall_clock()
        told: list[Outcome] = body.labels  # type: ignore[attr-defined]
        gone = {each.prediction_id for each in told if follower.was_erased(each.prediction_id)}
        reports = [
            Report(
                prediction_id=each.prediction_id, y=each.label, known_at=each.known_at or now, corrects=each.corrects
            )
            for each in told
            if each.prediction_id not in gone
        ]
        verdicts = iter(await taken(reports) if reports else [])
        return JSONResponse(
            _outcomes_told([(each, _ERASED if each.prediction_id in gone else next(verdicts)) for each in told])
        )

    app = FastAPI(
        title=f"Mend: {settings.model.name}",
        version="1",
        lifespan=running,
        max_body_size=serving.max_body_bytes,
        redoc_url=None,
        docs_url=None,
    )
    if serving.require_key:
        app.add_middleware(KeyGuard, keys=lambda: follower.now.keys, clock=wall_clock)
        describe_keys(app)
    app.add_middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))
    app.include_router(router)
    app.include_router(state_router(workspace, follower, counts, may_be_missing=missing))
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(MendError, not_done)
    return app


def _chosen(application: BaseModel, header: str | None) -> str | None:
    """The id that the client chose, in one place or the other."""
    chosen: str | None = application.prediction_id  # type: ignore[attr-defined]
    if header is not None and not re.fullmatch(PREDICTION_ID, header):
        raise InputError("Idempotency-Key", f"expected {PREDICTION_ID}")
    if header is not None and chosen is not None and header != chosen:
        raise TakenIdError("Idempotency-Key and the body's prediction_id name two ids")
    return chosen or header


def _wants_reasons(request: Request) -> bool:
    given = request.scope["query_string"] and request.query_params.getlist("reasons")
    if given and given not in (["true"], ["false"]):
        raise InputError("reasons", "expected true or false, once")
    return bool(given) and given == ["true"]


def _new_id() -> str:
    """Milliseconds, then 80 random bits: ids of one hour lie together in every index, however long the log."""
    return f"{int(wall_clock().timestamp() * 1000):012x}{secrets.token_hex(10)}"


def _told(answer: Answer) -> dict[str, Any]:
    return {
        "prediction_id": answer.prediction_id,
        "prediction": answer.decision,
        "probability": answer.score,
        "threshold": answer.threshold,
        "model_version": answer.model_version,
        "timestamp": iso(answer.scored_at),
    }


def _outcomes_told(found: Sequence[tuple[Outcome, Verdict]]) -> dict[str, Any]:
    told = [
        {"prediction_id": each.prediction_id, "status": verdict.status, "why": verdict.reason and WHAT[verdict.reason]}
        for each, verdict in found
    ]
    return {"labels": told, "counts": Counter(verdict.status for _, verdict in found)}


def _settle(future: asyncio.Future[Any], found: Any) -> None:
    """Give an answer to whoever waits for it; a client that went away waits no more."""
    if future.done():
        return
    if isinstance(found, Exception):
        future.set_exception(found)
    else:
        future.set_result(found)
