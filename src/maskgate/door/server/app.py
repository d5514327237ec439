"""The application: routes, pages and errors, behind the gate."""

from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from fastapi import FastAPI, Request, Response
from fastapi.openapi.utils import get_openapi
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException

from maskgate import __version__
from maskgate.door.cameras.frames import Camera
from maskgate.door.delivery.file_sinks import FileSink
from maskgate.door.engine import Engine
from maskgate.door.server import answers, cameras, gate, kiosk, pages, pairing, routes, sign
from maskgate.door.server.access import Access
from maskgate.door.server.batching import Batcher, Judged
from maskgate.door.server.bodies import Memory
from maskgate.door.server.cameras import ServiceCamera
from maskgate.door.server.events import Events
from maskgate.door.server.gate import Gate
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.pages import Pages
from maskgate.door.server.request_errors import RequestError
from maskgate.door.server.routes import Service
from maskgate.door.server.settings import Settings
from maskgate.door.server.states import KioskStates
from maskgate.door.server.stream import Streams
from maskgate.errors import MaskgateError

_STREAM: Final = """
**WebSocket `/v1/stream`**: send each frame of a camera as one binary message, a JPEG. Each answer
is a JSON text message on one frame:

    {"frame": 7, "width": 640, "height": 480, "faces": [{"box": [left, top, right, bottom],
     "score": 0.93, "mask": {"value": "wear", "probabilities": {"wear": 0.97, "incorrect": 0.02,
     "not_wear": 0.01}, "unsure": false}, "unsure": false, "reading": "go"}],
     "people": [{"track": 1, "face": 0, "box": [left, top, right, bottom], "verdict": "go",
     "held": 1.4}], "door": "go"}

`faces` are of this frame alone: `reading` is what the verdict on one says under the door's policy.
`people` are followed from frame to frame: `track` is the number of a person on this connection,
`face` that of their face in `faces`, or null if it was not detected in this frame, and `verdict` is
what most of the latest readings say: `go`, `put_on`, `cover`, `take_off`, `closer`, or `moment` if
there is no verdict yet; it has `held` for so many seconds.
`door` is what a kiosk says to everybody in front: one of these or `empty`. If no further frame is
answered, it no longer counts after two seconds. A new connection knows nobody.

`frame` is the number of the frame on this connection, from 1. The newest frame wins: one that still
waits when the next arrives is dropped and gets no answer. A frame without a verdict is answered by
`{"frame": 7, "error": {"reason": "not_a_photo", "message": "…"}}`, and the connection stays open.
It is closed with 1012 when the service stops, 1009 for a frame with too many bytes, and 1003 for
text that is no report. Before it opens, status 403 refuses it: for a wrong token, a name of a door
that cannot be, or if too many streams are open.

A page at the door connects to `/v1/stream?door=main` and reports what is on its screen as text, at
each change and once a second: `{"state": "go", "policy": "worn"}`, or with the state `none`
a `reason`. With `"restart": true`, no frame until the next report without it counts for a later
one. `/v1/events` passes changes on. A report holds for three seconds, and ends when the
connection does.

A page that shows a camera of the service (`serve --from`) connects to `/v1/stream?camera=NAME`,
sends no frames, and asks for each picture by a number of its own: `{"next": 7}`. The answer is as
above, with `"frame": 7` and `age`, the seconds by which the frame was older than the request when
that came, and it is followed by the frame as a binary message, a JPEG. `{"frame": 7, "age": 0.1,
"fault": "dark"}` says that the camera is `lost`, `frozen`, `dark` or `covered`, and an answer
without `faces` that there is no new frame; no picture follows these. Of requests that wait, the
two newest count.

**GET `/v1/events`** gives what happens at the door as Server-Sent Events, for as long as the client
reads; too many readers get status 429. An event is, for example:

    id: 12
    event: alert
    data: {"kind": "alert", "reason": "help", "door": "main", "time":
     "2026-01-31T09:30:00.000+00:00"}

The kinds are `state`, `alert` and `override`. A new reader gets the state of each page first.
"""


class Door:
    """The service for an engine. `address` is what a paired browser is led to; see Gate for
    `access` and `hosts`. The service itself reads `own_cameras`, and appends its events to
    `event_file`. Raises MaskgateError for a model that does not predict masks."""

    def __init__(
        self,
        engine: Engine,
        settings: Settings,
        *,
        model: str,
        address: str,
        access: Access | None = None,
        hosts: Iterable[str] = gate.LOOPBACK_NAMES,
        own_cameras: Sequence[Camera] = (),
        event_file: FileSink | None = None,
    ) -> None:
        if "mask" not in engine.attributes:
            raise MaskgateError(f"{model}: does not predict masks; give a model that does")
        self.settings, self.metrics = settings, Metrics()
        self.batcher = Batcher(engine, settings, self.metrics)
        self.streams = Streams(settings, self.metrics)
        self._event_file = event_file
        log = event_file.add if event_file else lambda _: None
        self.events = Events(self.metrics, settings.max_streams, log)
        self.cameras = [self._camera(each) for each in own_cameras]
        names = [each.name for each in self.cameras]
        service = Service(
            batcher=self.batcher,
            streams=self.streams,
            states=KioskStates(self.events, self.metrics, settings),
            cameras=dict(zip(names, self.cameras, strict=True)),
            memory=Memory(settings.max_memory),
            metrics=self.metrics,
            settings=settings,
            model=model,
            digest=engine.digest,
            attributes=engine.attributes,
            unsure_below=engine.thresholds["mask"],
        )
        app = _create(service, lambda: self._run())
        filled = Pages(settings.kiosk)
        app.include_router(pages.router(filled, names, has_pairing=access is not None))
        app.include_router(kiosk.router(settings.kiosk, self.events, names))
        app.include_router(sign.router(settings), include_in_schema=False)
        self.gate = Gate(app, self.metrics, access, hosts)
        if access is not None:
            app.include_router(
                pairing.router(access, self.gate.failures, address=address, pages=filled),
                include_in_schema=False,
            )

    @asynccontextmanager
    async def _run(self) -> AsyncIterator[None]:
        await run_in_threadpool(self.batcher.start)
        try:
            async with cameras.reading(self.cameras):
                yield
        finally:
            await run_in_threadpool(self.batcher.stop)
            if self._event_file:
                await run_in_threadpool(self._event_file.close, self.settings.stop_time)

    def _camera(self, camera: Camera) -> ServiceCamera:
        def answer(judged: Judged) -> dict[str, Any]:
            return answers.counted(judged, "stream", settings=self.settings, metrics=self.metrics)

        return ServiceCamera(camera, self.batcher, self.metrics, answer=answer)


def _create(service: Service, run: Callable[[], Any]) -> FastAPI:
    app = FastAPI(
        title="maskgate",
        version=__version__,
        lifespan=lambda _: run(),
        docs_url=None,  # these pages load scripts from elsewhere
        redoc_url=None,
    )
    app.include_router(routes.router(service))

    async def refuse(_: Request, problem: Exception) -> Response:
        assert isinstance(problem, RequestError)
        service.metrics.reject(problem.reason)
        return JSONResponse(problem.body(), problem.status, problem.headers())

    async def refuse_path(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        reason = "method_not_allowed" if error.status_code == 405 else "not_found"
        problem = RequestError(
            reason, "no such path" if reason == "not_found" else "another method"
        )
        response = await refuse(request, problem)
        response.headers.update(error.headers or {})
        return response

    async def fail(request: Request, _: Exception) -> Response:  # the gate logs it
        return await refuse(request, RequestError("internal", "an error in the service"))

    app.add_exception_handler(RequestError, refuse)
    app.add_exception_handler(Exception, fail)
    app.add_exception_handler(HTTPException, refuse_path)
    app.openapi = lambda: _openapi(app)  # type: ignore[method-assign]
    return app


def _openapi(app: FastAPI) -> dict[str, Any]:
    """The description of all routes for programs."""
    if app.openapi_schema is None:
        schema = get_openapi(
            title=app.title,
            version=app.version,
            summary="Verdicts on masks at a door",
            description=_STREAM,
            routes=app.routes,
        )
        components = schema.setdefault("components", {})
        components["securitySchemes"] = {
            "token": {"type": "http", "scheme": "bearer"},
            "browser": {"type": "apiKey", "in": "cookie", "name": gate.COOKIE},
        }
        schema["security"] = [{}, {"token": []}, {"browser": []}]
        app.openapi_schema = schema
    return app.openapi_schema
