"""The page of a review, served on this machine alone, to whoever has the token."""

import asyncio
import contextlib
import hmac
import secrets
import webbrowser
from collections.abc import Awaitable, Callable, Generator
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse
from pydantic import BaseModel, Field

from maskgate.core import signals
from maskgate.core.progress import say
from maskgate.door.server import gate, hardening, pages, serving
from maskgate.errors import MaskgateError
from maskgate.review.session import RefusedError, Session

HOST: Final = "127.0.0.1"
_FOLDER: Final = Path(__file__).parent / "pages"
_ASSETS: Final = {
    "review.js": "text/javascript; charset=utf-8",
    "review.css": "text/css; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS: Final = gate.HEADERS | {"Permissions-Policy": "camera=(), microphone=(), geolocation=()"}
_MAX_BODY: Final = 10_000  # bytes

Number = Annotated[int, Field(ge=0, le=10_000_000)]


class AskBody(BaseModel):
    """Another attribute of the person of a question; for masks, the row of the photo."""

    number: Number
    attribute: str
    row: Number | None = None


class DecisionBody(BaseModel):
    """A decision on a question."""

    number: Number
    choice: str
    value: str = ""
    tier: str
    note: Annotated[str, Field(max_length=2000)] = ""


def create(session: Session, token: str, port: int) -> FastAPI:
    """The application. The address with `?token=` sets a cookie, which all other requests need."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    cookie = f"maskgate-review-{port}"  # cookies do not depend on the port
    assets = {name: Response(_asset(name), media_type=kind) for name, kind in _ASSETS.items()}
    page = (_FOLDER / "review.html").read_text("utf-8")

    @app.middleware("http")
    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        problem = _refusal(request, token, cookie)
        response = problem if problem is not None else await call_next(request)
        response.headers.update(_HEADERS)
        return response

    @app.exception_handler(RefusedError)
    async def refuse(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": str(error)}, 404)

    @app.exception_handler(MaskgateError)
    async def fail(_: Request, error: Exception) -> Response:
        return JSONResponse({"error": f"not written: {error}"}, 507)

    @app.exception_handler(RequestValidationError)
    async def reject(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": "not a request of this page"}, 422)

    @app.get("/")
    async def show(request: Request) -> Response:
        if "token" not in request.query_params:
            return HTMLResponse(page)
        response = RedirectResponse("/", 303)
        response.set_cookie(cookie, token, httponly=True, samesite="strict")
        return response

    @app.get("/assets/{name}")
    async def asset(name: str) -> Response:
        if name not in assets:
            raise RefusedError("no such file")
        return assets[name]

    @app.get("/overview")
    def overview() -> dict[str, Any]:
        return session.overview()

    @app.get("/questions/{number}")
    def question(number: int) -> dict[str, Any]:
        return session.question(number)

    @app.post("/questions")
    def ask(body: AskBody) -> dict[str, Any]:
        return {"number": session.ask(body.number, body.attribute, body.row)}

    @app.get("/photos/{row}")
    def photo(row: int) -> Response:
        return Response(session.photo(row), media_type="image/jpeg")

    @app.post("/decisions")
    def decide(body: DecisionBody) -> dict[str, Any]:
        session.decide(body.number, body.choice, body.value, tier=body.tier, note=body.note)
        return session.overview()

    @app.post("/undo")
    def undo() -> dict[str, Any]:
        number = session.undo()
        return {"number": number, "overview": session.overview()}

    return app


def _asset(name: str) -> str:
    """A file of the page; its colours and buttons are those of the door's pages."""
    if name == "icon.svg":
        return pages.text(name)
    text = (_FOLDER / name).read_text("utf-8")
    return pages.text("door.css") + text if name.endswith(".css") else text


def _refusal(request: Request, token: str, cookie: str) -> Response | None:
    """The answer to a request that may not pass: of another host name (DNS rebinding), a page of
    another site, too large, or without the token."""
    host = request.headers.get("host", "")
    if gate.host_name(host) not in gate.LOOPBACK_NAMES:
        return JSONResponse({"error": "wrong host"}, 403)
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
        return JSONResponse({"error": "pages of other sites may not use this one"}, 403)
    length = request.headers.get("content-length", "0")
    if request.method == "POST" and not (length.isdecimal() and 0 < int(length) <= _MAX_BODY):
        return JSONResponse({"error": "too large"}, 413)
    candidates = [_cookie(request, cookie)]
    if request.url.path == "/":
        candidates.append(request.query_params.get("token", ""))
    if any(hmac.compare_digest(each.encode(), token.encode()) for each in candidates):
        return None
    message = "This page needs the address that maskgate review has printed, with its token."
    return HTMLResponse(f"<!doctype html><title>maskgate</title><p>{message}</p>", 401)


def _cookie(request: Request, name: str) -> str:
    try:
        morsel = SimpleCookie(request.headers.get("cookie", "")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel is not None else ""


class _Server(uvicorn.Server):
    """uvicorn's server; it prints the address once it listens, and a signal ends it quietly."""

    def __init__(self, app: FastAPI, address: str, opens: bool) -> None:
        super().__init__(
            uvicorn.Config(
                app,
                ws="none",
                lifespan="off",
                log_config=None,
                log_level="warning",
                access_log=False,
                server_header=False,
                proxy_headers=False,
                timeout_graceful_shutdown=2,
            )
        )
        self._address, self._opens = address, opens
        hardening.limit_logs()

    async def startup(self, sockets: Any = None) -> None:
        """As uvicorn's."""
        await super().startup(sockets)
        say(f"{self._address}  (stop with Ctrl-C)")
        if self._opens:
            await asyncio.get_running_loop().run_in_executor(None, webbrowser.open, self._address)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        """As uvicorn's, but a signal that has stopped the server is not raised again."""
        with signals.handle_signals(self.handle_exit):
            yield


def serve(start: Callable[[], Session], port: int, opens: bool) -> None:
    """Serve the session that `start` makes, until a signal. `opens` also opens a browser. Raises
    MaskgateError if the port cannot be had."""
    hardening.forbid_core_dumps()
    with serving.bind(HOST, port) as listener:
        number = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        app = create(start(), token, number)
        _Server(app, f"http://{HOST}:{number}/?token={token}", opens).run(sockets=[listener])
    say("stopped; every decision is written")
