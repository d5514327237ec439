"""What every request passes before a route: origin, host, token; and headers of every answer."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from http.cookies import CookieError, SimpleCookie
from typing import Final
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from maskgate.door.server.access import Access, Failures
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError

COOKIE: Final = "maskgate"
_PROXY_HEADERS: Final = ("forwarded", "x-forwarded-for", "x-forwarded-host", "x-real-ip")
PAIR: Final = "/pair"
ASSETS: Final = "/assets/"
LOOPBACK_NAMES: Final = frozenset({"localhost", "127.0.0.1", "::1"})
HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:;"
        " media-src 'self' blob:; font-src 'self'; connect-src 'self'; manifest-src 'self';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": (
        "camera=(self), microphone=(), geolocation=(), display-capture=(), usb=(), payment=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass
class Gate:
    """ASGI middleware around the whole service.

    Without `access`, the door listens on loopback alone, and only requests for `hosts` pass: a page
    of another site may have its own name lead to this machine (DNS rebinding), and a proxy on this
    machine would let everybody in, so what it passes on is refused. With `access`, every
    request needs a token in the header `Authorization: Bearer`, or in the cookie that pairing sets;
    only the pairing page and the files of pages are open.
    """

    app: ASGIApp
    metrics: Metrics
    access: Access | None = None
    hosts: Iterable[str] = LOOPBACK_NAMES
    failures: Failures = field(default_factory=Failures)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or let the request pass."""
        if scope["type"] not in ("http", "websocket"):
            await self.app(scope, receive, send)
            return
        sender = _Sender(send)
        try:
            try:
                self._check(scope)
            except RequestError as problem:
                await self._refuse(problem, scope, receive, send=sender)
                return
            await self.app(scope, receive, sender)
        except Exception as error:
            self.metrics.log_failure(error)
            if not sender.started:
                failure = RequestError("internal", "an error in the service; see its log")
                await self._refuse(failure, scope, receive, send=sender)

    def _check(self, scope: Scope) -> None:
        """Raise RequestError where a request may not pass."""
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if self.access is None and host_name(host) not in self.hosts:
            raise RequestError(
                "wrong_host", "this door is not known by the host name of the request"
            )
        if self.access is None and any(name in headers for name in _PROXY_HEADERS):
            raise RequestError(
                "behind_proxy",
                "behind a proxy a token is needed: start the service with a --host other than the"
                " loopback address",
            )
        origin = headers.get("origin")
        if origin is not None and urlsplit(origin).netloc.lower() != host.lower():
            raise RequestError("wrong_origin", "pages of other sites may not use this door")
        path = scope["path"]
        if self.access is None or path == PAIR or path.startswith(ASSETS):
            return
        token = _token(headers)
        if token is not None and self.access.is_valid(token):
            return
        address = client_address(scope)
        # A valid token passes before: neighbours behind one address do not lock each other out, and
        # guessing 256 bits is hopeless anyway.
        self.failures.check(address)
        if token is not None:
            self.failures.add(address)
        raise RequestError(
            "unauthorized", "a token is needed: Authorization: Bearer, or pair the browser"
        )

    async def _refuse(
        self, problem: RequestError, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self.metrics.reject(problem.reason)
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": problem.reason})
            return
        response: Response = JSONResponse(problem.body(), problem.status, problem.headers())
        if problem.reason == "unauthorized" and _is_page(scope):
            response = RedirectResponse(PAIR, 303)
        await response(scope, receive, send)


class _Sender:
    """Sends an answer with the headers of every answer."""

    def __init__(self, send: Send) -> None:
        self._send, self.started = send, False

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
        if message["type"] in ("http.response.start", "websocket.accept", "websocket.close"):
            self.started = True
        await self._send(message)


def host_name(host: str) -> str:
    """The name in a header `Host`, without port and brackets; empty if it is none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def client_address(scope: Scope) -> str:
    """The address of a client; of IPv6 the network, as a client has all addresses of its own."""
    address: str = (scope.get("client") or ("", 0))[0]
    return ":".join(address.split(":")[:4]) if address.count(":") > 1 else address


def _token(headers: Headers) -> str | None:
    kind, _, value = headers.get("authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return value.strip()
    try:
        cookie = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return None
    return cookie.value if cookie is not None else None


def _is_page(scope: Scope) -> bool:
    """Whether a browser asks for a page."""
    return scope["method"] == "GET" and "text/html" in Headers(scope=scope).get("accept", "")
