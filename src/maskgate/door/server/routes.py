"""The routes for programs: verdicts on photos, the stream, health, metrics."""

import asyncio
import re
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

from fastapi import APIRouter, Request, Response, WebSocket
from fastapi.responses import JSONResponse

from maskgate import __version__
from maskgate.door.server import answers, bodies, metrics
from maskgate.door.server.answers import Answer, DoorSettings, ErrorAnswer
from maskgate.door.server.batching import Batcher, Judged
from maskgate.door.server.bodies import Memory
from maskgate.door.server.cameras import ServiceCamera
from maskgate.door.server.connection import POLICY_VIOLATION, TRY_AGAIN, Connection
from maskgate.door.server.kiosk_settings import DOOR
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import STATUS, RequestError
from maskgate.door.server.screen import Screen
from maskgate.door.server.settings import Settings
from maskgate.door.server.states import KioskState, KioskStates
from maskgate.door.server.stream import Session, Stream, Streams

_BINARY: Final = {"type": "string", "format": "binary"}
_BODY: Final = {
    "requestBody": {
        "required": True,
        "description": "One photo as it is in its file, or a form whose fields `photos` are files",
        "content": {
            bodies.MULTIPART: {
                "schema": {
                    "type": "object",
                    "properties": {"photos": {"type": "array", "minItems": 1, "items": _BINARY}},
                    "required": ["photos"],
                }
            },
            **{media_type: {"schema": _BINARY} for media_type in bodies.RAW},
        },
    }
}


@dataclass(frozen=True)
class Service:
    """What the routes use."""

    batcher: Batcher
    streams: Streams
    states: KioskStates
    cameras: Mapping[str, ServiceCamera]  # by name
    memory: Memory
    metrics: Metrics
    settings: Settings
    model: str  # its name
    digest: str  # SHA-256 of its manifest
    attributes: tuple[str, ...]  # that it predicts
    unsure_below: float  # probability of the mask state


def _errors(statuses: Iterable[int]) -> dict[int | str, dict[str, Any]]:
    """The refusals of a route, for OpenAPI."""
    reasons = {
        status: ", ".join(reason for reason, each in STATUS.items() if each == status)
        for status in statuses
    }
    return {status: {"model": ErrorAnswer, "description": text} for status, text in reasons.items()}


def router(service: Service) -> APIRouter:
    """The routes of a service."""
    routes = APIRouter()
    settings = service.settings

    def answer(judged: Judged, source: str) -> dict[str, Any]:
        return answers.counted(judged, source, settings=settings, metrics=service.metrics)

    def decide(state: KioskState, judged: Judged, now: float) -> dict[str, Any]:
        situation = state.decide(judged, now)
        return answer(judged, "stream") | answers.of_situation(situation, now)

    @routes.post(
        "/v1/verdict",
        summary="Verdicts on one or several photos",
        description="The body is one photo, or a form with one or several. If none of them can be"
        " judged, the answer is the error of the first.",
        response_model=Answer,
        responses=_errors((400, 401, 403, 408, 413, 415, 422, 429, 500, 503)),
        openapi_extra=_BODY,
    )
    async def verdict(request: Request) -> JSONResponse:
        begin = time.perf_counter()
        with service.memory.reserved() as reservation:
            photos = await bodies.photos(request, settings, reservation)
            service.metrics.stage("read", time.perf_counter() - begin)
            results = await asyncio.gather(
                *(service.batcher.judge(lambda photo=photo: photo) for photo in photos),  # type: ignore[misc]
                return_exceptions=True,
            )
        parts: list[dict[str, Any]] = []
        problems: list[RequestError] = []
        for result in results:
            if isinstance(result, RequestError):
                problems.append(result)
                parts.append(result.body())
            elif isinstance(result, BaseException):
                raise result
            else:
                parts.append(answer(result, "photo"))
        if len(problems) == len(parts):
            raise problems[0]
        for problem in problems:
            service.metrics.reject(problem.reason)
        return JSONResponse({"photos": parts})

    @routes.websocket("/v1/stream")
    async def stream(websocket: WebSocket, door: str = "main", camera: str | None = None) -> None:
        if not re.fullmatch(DOOR, door) or camera not in (None, *service.cameras):
            service.metrics.reject("not_found")
            await websocket.close(POLICY_VIOLATION, "no such name of a door or camera")
            return
        if service.streams.is_full:
            service.metrics.reject("busy")
            await websocket.close(TRY_AGAIN, "busy")
            return
        state = service.states.connect(door)
        connection = Connection(websocket, settings, service.metrics)
        session: Session
        if camera is None:
            session = Stream(
                connection,
                service.batcher,
                service.metrics,
                answer=lambda judged, now: decide(state, judged, now),
                report=state.report,
            )
        else:
            session = Screen(connection, service.cameras[camera], state)
        try:
            await service.streams.run(session)
        finally:
            state.close()

    @routes.get(
        "/v1/settings",
        summary="What this door judges, and its limits",
        response_model=DoorSettings,
        responses=_errors((401, 403, 429)),
    )
    async def door_settings() -> JSONResponse:
        judged = service.attributes if settings.purpose else ("mask",)
        return JSONResponse(
            {
                "version": __version__,
                "model": service.model,
                "digest": service.digest,
                "attributes": list(judged),
                "purpose": settings.purpose,
                "unsure_below": service.unsure_below,
                "costs": None if settings.kiosk.costs is None else asdict(settings.kiosk.costs),
                "max_bytes": settings.max_bytes,
                "max_frame_bytes": settings.max_frame_bytes,
                "max_pixels": settings.max_pixels,
                "max_photos": settings.max_photos,
            }
        )

    @routes.get(
        "/healthz",
        summary="Whether the service works; restart it if not",
        responses=_errors((401, 403, 429, 500)),
    )
    async def healthz() -> dict[str, str]:
        if not service.batcher.is_healthy:
            raise RequestError("internal", "a photo is being judged for too long")
        return {"status": "ok"}

    @routes.get(
        "/readyz",
        summary="Whether a photo would be judged now",
        responses=_errors((401, 403, 429, 503)),
    )
    async def readyz() -> dict[str, str]:
        if not service.batcher.is_ready or service.streams.is_stopping:
            raise RequestError("stopping", "the service is starting or stopping", 1)
        return {"status": "ready"}

    @routes.get(
        "/metrics",
        summary="Counters and times in Prometheus' text format",
        response_class=Response,
        responses={
            200: {"content": {"text/plain": {"schema": {"type": "string"}}}},
            **_errors((401, 403, 429)),
        },
    )
    async def metrics_text() -> Response:
        return Response(service.metrics.text(), media_type=metrics.MEDIA_TYPE)

    return routes
