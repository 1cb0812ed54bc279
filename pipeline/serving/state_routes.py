"""What the service says of itself and of its traffic."""

from collections.abc import Collection
from datetime import timedelta
from typing import Any

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from monitoring.performance import wilson_interval
from pipeline.clock import wall_clock
from pipeline.serving.counting import CONTENT_TYPE, Counts
from pipeline.serving.following import ChampionFollower
from pipeline.stores.engine import iso
from pipeline.wiring import Workspace

_DAY = timedelta(days=1)


def state_router(
    workspace: Workspace, follower: ChampionFollower, counts: Counts, *, may_be_missing: Collection[str]
) -> APIRouter:
    """The routes that only tell."""
    settings = workspace.settings
    router = APIRouter(tags=["state"])
    started_at = wall_clock()

    @router.get("/health", summary="Is it alive, is it ready, does it follow the ledger?")
    async def health() -> JSONResponse:
        """200 while it can score. `stale_since` says since when it could not follow the ledger, and why."""
        now = follower.now
        stale = now.stale_since is not None
        return JSONResponse(
            {
                "status": "stale" if stale else "ready",
                "live": True,
                "ready": True,
                "model_version": now.scorer.version,
                "stale_since": iso(now.stale_since) if now.stale_since else None,
                "why": now.why_stale,
            }
        )

    @router.get("/model/info", summary="Which model scores, and what it takes")
    async def model_info() -> JSONResponse:
        """The model that scores now, its digest and cut-off, and the features it takes."""
        now = follower.now
        features = {
            name: feature.model_dump(exclude_defaults=True)
            | {"kind": feature.kind, "may_be_missing": name in may_be_missing}
            for name, feature in settings.data.features.items()
        }
        return JSONResponse(
            {
                "model": settings.model.name,
                "model_version": now.scorer.version,
                "model_sha256": now.scorer.sha256,
                "threshold": now.scorer.threshold,
                "champion_number": now.number,
                "loaded_at": iso(now.loaded_at),
                "features": features,
            }
        )

    @router.get("/monitoring/stats", summary="How much, how many bad, and what drift monitoring last said")
    def stats() -> JSONResponse:
        """Traffic and outcomes of the last 24 hours, the last look for drift, and what this service did so far."""
        now = wall_clock()
        volumes = workspace.traffic.volumes(now - _DAY, now)
        scored, labelled = volumes["predictions"], volumes["labels"]
        return JSONResponse(
            {
                "as_of": iso(now),
                "since": iso(now - _DAY),
                "predictions": scored,
                "positive_rate": _share(volumes["positive"], scored),
                "newest_prediction": iso(volumes["newest"]) if volumes["newest"] else None,
                "labels": labelled,
                "bad_rate": _share(volumes["bad"], labelled),
                "drift": _last_look(workspace),
                "service": {"started_at": iso(started_at), **counts.to_json()},
            }
        )

    @router.get("/metrics", summary="Counters in Prometheus' text format", response_class=Response)
    def metrics() -> Response:
        """What this service did since it was started: counts, never values."""
        now = follower.now
        since = now.stale_since
        counts.stale.set((wall_clock() - since).total_seconds() if since else 0)
        counts.champion.clear()
        counts.champion.labels(now.scorer.version).set(1)
        return Response(counts.text(), media_type=CONTENT_TYPE)

    return router


def _share(happened: int, of: int) -> dict[str, Any] | None:
    """A share with its Wilson 95 % interval; none of nothing."""
    if not of:
        return None
    low, high = wilson_interval(happened, of)
    return {"share": happened / of, "interval": [low, high], "happened": happened, "of": of}


def _last_look(workspace: Workspace) -> dict[str, Any] | None:
    looks = workspace.ledger.acts("look", limit=1)
    if not looks:
        return None
    look = looks[-1]
    return {"as_of": iso(look["as_of"])} | {
        name: look[name]
        for name in ("state", "rows", "features_drifted", "features_total", "worst_feature", "worst_psi")
    }
