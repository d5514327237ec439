"""Pairing a browser with a door that needs a token: a code, shown as text and as QR."""

import asyncio
import html
import io
from typing import Final

import segno
from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from starlette.concurrency import run_in_threadpool

from maskgate.door.server import gate
from maskgate.door.server.access import Access, Failures
from maskgate.door.server.pages import Pages
from maskgate.door.server.request_errors import RequestError

_MAX_SECRET: Final = 300  # bytes; a token has 200 at most
_COOKIE_TIME: Final = 400 * 24 * 3600  # seconds; browsers allow no more


def link(address: str, code: str) -> str:
    """The address that pairs a browser. The code is in the fragment, which no log contains."""
    return f"{address}{gate.PAIR}#{code}"


def qr_text(text: str) -> str:
    """A QR code for a terminal."""
    out = io.StringIO()
    segno.make(text, micro=False).terminal(out, compact=True)
    return out.getvalue()


def router(access: Access, failures: Failures, *, address: str, pages: Pages) -> APIRouter:
    """The page that takes a code, and the page of a paired browser that shows one for another."""
    routes = APIRouter()

    @routes.get(gate.PAIR)
    async def pair_page(request: Request) -> Response:
        return pages.response(request, "pair", pages.language(request).pairing)

    @routes.post(gate.PAIR)
    async def pair(request: Request) -> Response:
        client = gate.client_address(request.scope)
        failures.check(client)
        secret = await _secret(request)
        failures.check(client)  # again: others may have failed while the body came
        token = access.pair(secret)
        if token is None:
            failures.add(client)
            raise RequestError("wrong_code", "this code is wrong, or older than ten minutes")
        await run_in_threadpool(access.store)
        response = JSONResponse({"paired": True})
        response.set_cookie(
            gate.COOKIE,
            token,
            max_age=_COOKIE_TIME,
            httponly=True,
            secure=address.startswith("https:"),
            samesite="strict",
        )
        return response

    @routes.get("/pairing")
    async def pairing_page(request: Request) -> Response:
        secret, language = access.new_code(), pages.language(request)
        code = segno.make(link(address, secret), micro=False)
        texts = {**language.pairing, "title": language.pairing["another"]}
        links = {"/": language.photos["title"], "/kiosk": language.photos["kiosk"]}
        markup = {
            "qr": code.svg_inline(scale=6, omitsize=True),
            "address": html.escape(f"{address}{gate.PAIR}"),
            "secret": f"{secret[:4]}-{secret[4:]}",
        }
        return pages.response(request, "pairing", texts, links=links, markup=markup)

    return routes


async def _secret(request: Request) -> str:
    """The code or token in the body of a request. Raises RequestError."""
    content = bytearray()
    try:
        async with asyncio.timeout(10):
            async for chunk in request.stream():
                content += chunk
                if len(content) > _MAX_SECRET:
                    raise RequestError("too_large", "longer than any code")
    except TimeoutError:
        raise RequestError("timeout", "the request was not complete in time") from None
    return content.decode("utf-8", "replace")
