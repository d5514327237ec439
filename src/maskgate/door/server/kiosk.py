"""The routes of the kiosk: its settings, and events of the door."""

import re
from typing import Annotated, Any, Final

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import JSONResponse, StreamingResponse

from maskgate.door.server.answers import ErrorAnswer
from maskgate.door.server.events import KINDS, Events
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.request_errors import RequestError

_DOOR: Final = r"[a-z0-9-]{1,32}"
_ERRORS: Final[dict[int | str, dict[str, Any]]] = {
    status: {"model": ErrorAnswer} for status in (401, 403, 404, 429)
}


def router(settings: KioskSettings, events: Events) -> APIRouter:
    """The routes of a kiosk. Raises MaskgateError for a language that cannot be used."""
    routes, answer = APIRouter(), settings.answer()

    @routes.get("/v1/kiosk", include_in_schema=False)
    async def kiosk() -> JSONResponse:
        return JSONResponse(answer)

    @routes.get("/v1/events", include_in_schema=False)  # it never ends
    async def read() -> StreamingResponse:
        return StreamingResponse(events.read(), media_type="text/event-stream")

    @routes.post(
        "/v1/events/{kind}/{reason}",
        summary="Tell all readers of /v1/events that staff are called, or somebody is let in",
        status_code=204,
        response_class=Response,
        responses=_ERRORS,
    )
    async def publish(
        kind: Annotated[str, Path(json_schema_extra={"enum": list(KINDS)})],
        reason: Annotated[str, Path(json_schema_extra={"enum": sorted(sum(KINDS.values(), ()))})],
        door: Annotated[str, Query(json_schema_extra={"pattern": f"^{_DOOR}$"})] = "main",
    ) -> Response:
        if not re.fullmatch(_DOOR, door):
            raise RequestError("not_found", "a door's name has small letters, digits and hyphens")
        events.publish(kind, reason, door)
        return Response(status_code=204)

    return routes
