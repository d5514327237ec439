"""The routes of the kiosk: its settings, and events of the door."""

import re
from collections.abc import Sequence
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from maskgate.door.server.answers import ErrorAnswer
from maskgate.door.server.events import KINDS, Events
from maskgate.door.server.kiosk_settings import DOOR, KioskSettings
from maskgate.door.server.request_errors import RequestError

_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer} for status in (401, 403, 404, 429)
}


def router(settings: KioskSettings, events: Events, cameras: Sequence[str]) -> APIRouter:
    """The routes of a kiosk; `cameras` are the names of those that the service reads. Raises
    MaskgateError for a language that cannot be used."""
    routes, answer = APIRouter(), {**settings.answer(), "cameras": cameras}

    @routes.get("/v1/kiosk", include_in_schema=False)
    async def kiosk() -> JSONResponse:
        return JSONResponse(answer)

    @routes.get("/v1/events", include_in_schema=False)  # it never ends
    async def read() -> StreamingResponse:
        return StreamingResponse(events.read(), media_type="text/event-stream")

    def add(kind: str, reason: str) -> None:
        @routes.post(
            f"/v1/events/{kind}/{reason}",
            summary=KINDS[kind][reason],
            status_code=204,
            response_class=Response,
            responses=_ERRORS,
        )
        async def publish(
            door: Annotated[str, Query(json_schema_extra={"pattern": f"^{DOOR}$"})] = "main",
        ) -> Response:
            if not re.fullmatch(DOOR, door):
                raise RequestError("not_found", "no such name of a door: a-z, 0-9 and hyphens")
            events.publish(kind, reason, door)
            return Response(status_code=204)

    for kind, reasons in KINDS.items():
        for reason in reasons:
            add(kind, reason)
    return routes
