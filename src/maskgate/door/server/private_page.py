"""A page that is served on this machine alone, to whoever has the token."""

import asyncio
import contextlib
import hmac
import secrets
import webbrowser
from collections.abc import Awaitable, Callable, Generator
from http.cookies import CookieError, SimpleCookie
from typing import Any, Final
from urllib.parse import urlsplit

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from maskgate.core.progress import say
from maskgate.core.signals import handle_signals
from maskgate.door.server import gate, hardening, serving

HOST: Final = "127.0.0.1"
HEADERS: Final = gate.HEADERS | {"Permissions-Policy": "camera=(), microphone=(), geolocation=()"}
_MAX_BODY: Final = 10_000  # bytes


def create(command: str, token: str, port: int, page: Callable[[], str]) -> FastAPI:
    """An application whose `/` is the HTML that `page` makes for the `command`, such as `review`.

    The address with `?token=` sets a cookie, which all other requests need.
    """
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    cookie = f"maskgate-{command}-{port}"  # cookies do not depend on the port

    @app.middleware("http")
    async def guard(
        request: Request, call_next: Callable[[Request], Awaitable[Response]]
    ) -> Response:
        problem = _refusal(request, token, cookie=cookie, command=command)
        response = problem if problem is not None else await call_next(request)
        for name, value in HEADERS.items():
            response.headers.setdefault(name, value)
        return response

    @app.exception_handler(RequestValidationError)
    async def reject(_: Request, __: Exception) -> Response:
        return JSONResponse({"error": "not a request of this page"}, 422)

    @app.get("/")
    def show(request: Request) -> Response:
        if "token" not in request.query_params:
            return HTMLResponse(page())
        response = RedirectResponse("/", 303)
        response.set_cookie(cookie, token, httponly=True, samesite="strict")
        return response

    return app


def _refusal(request: Request, token: str, *, cookie: str, command: str) -> Response | None:
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
    message = f"This page needs the address that maskgate {command} has printed, with its token."
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
        with handle_signals(self.handle_exit):
            yield


def serve(make_app: Callable[[str, int], FastAPI], port: int, opens: bool) -> None:
    """Serve the application that `make_app` makes of a token and the port, until a signal. `opens`
    also opens a browser. Raises MaskgateError if the port cannot be had."""
    hardening.forbid_core_dumps()
    with serving.bind(HOST, port) as listener:
        number = listener.getsockname()[1]
        token = secrets.token_urlsafe(32)
        app = make_app(token, number)
        _Server(app, f"http://{HOST}:{number}/?token={token}", opens).run(sockets=[listener])
