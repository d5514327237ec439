"""Reads the photos of a request into memory, never into a file, within all limits."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from fastapi import Request
from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, parse_options_header
from starlette.requests import ClientDisconnect

from maskgate.door.server.request_errors import RequestError
from maskgate.door.server.settings import Settings

if TYPE_CHECKING:
    from python_multipart.multipart import MultipartCallbacks

RAW: Final = ("image/jpeg", "image/png", "image/webp", "image/bmp", "application/octet-stream")
MULTIPART: Final = "multipart/form-data"


class Memory:
    """Bytes that all requests may hold together."""

    def __init__(self, size: int) -> None:
        self._left = size

    @contextmanager
    def reserved(self) -> Iterator["Reservation"]:
        """What one request holds, for as long as the context lasts."""
        reservation = Reservation(self)
        try:
            yield reservation
        finally:
            self._left += reservation.size

    def take(self, size: int) -> None:
        """Raises RequestError where less is left."""
        if size > self._left:
            raise RequestError("busy", "too many requests at once; repeat the request later", 2)
        self._left -= size


class Reservation:
    """The bytes that one request holds."""

    def __init__(self, memory: Memory) -> None:
        self._memory, self.size = memory, 0

    def grow(self, size: int) -> None:
        """So many bytes more. Raises RequestError where less is left."""
        self._memory.take(size)
        self.size += size


async def photos(request: Request, settings: Settings, reservation: Reservation) -> list[bytes]:
    """The bytes of each photo of a request: its body, or the parts of a form. Raises
    RequestError."""
    media_type, options = parse_options_header(request.headers.get("content-type"))
    kind = media_type.decode("latin-1").lower()
    if kind not in (MULTIPART, *RAW):
        raise RequestError("unsupported", f"send {MULTIPART}, or one of {', '.join(RAW)}")
    try:
        boundary = options.get(b"boundary", b"")
        reader = _Form(boundary, settings.max_photos) if kind == MULTIPART else _Raw()
        async with asyncio.timeout(settings.body_time):
            async for chunk in _chunks(request, settings.max_bytes, reservation):
                reader.write(chunk)
    except TimeoutError:
        raise RequestError("timeout", "the request was not complete in time") from None
    except FormParserError:
        raise RequestError("bad_request", "the form is not valid multipart/form-data") from None
    contents = [content for content in reader.photos() if content]
    if not contents:
        raise RequestError("no_photo", "the request has no photo; send one or several")
    return contents


async def _chunks(
    request: Request, max_bytes: int, reservation: Reservation
) -> AsyncIterator[bytes]:
    """The body as it arrives. Raises RequestError as soon as it is too large, and
    before reading where its length says so."""
    problem = RequestError("too_large", f"the request has over {max_bytes:,} bytes")
    length = request.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > max_bytes:
        raise problem
    size = 0
    try:
        async for chunk in request.stream():
            size += len(chunk)
            if size > max_bytes:
                raise problem
            reservation.grow(len(chunk))
            yield chunk
    except ClientDisconnect:
        raise RequestError(
            "bad_request", "the client left before the request was complete"
        ) from None


class _Raw:
    """A body that is one photo."""

    def __init__(self) -> None:
        self._content = bytearray()

    def write(self, chunk: bytes) -> None:
        self._content += chunk

    def photos(self) -> list[bytes]:
        return [bytes(self._content)]


class _Form:
    """A form whose parts are photos, whatever their names. Raises RequestError, and
    FormParserError."""

    def __init__(self, boundary: bytes, max_photos: int) -> None:
        if not boundary:
            raise RequestError("bad_request", "the header Content-Type has no boundary")
        self._parts: list[bytearray] = []
        self._max_photos, self._complete = max_photos, False
        callbacks: MultipartCallbacks = {
            "on_part_begin": self._begin,
            "on_part_data": self._append,
            "on_end": self._end,
        }
        self._parser = MultipartParser(boundary, callbacks)

    def write(self, chunk: bytes) -> None:
        self._parser.write(chunk)

    def photos(self) -> list[bytes]:
        if not self._complete:
            raise RequestError("bad_request", "the form is cut short")
        return list(map(bytes, self._parts))

    def _begin(self) -> None:
        if len(self._parts) >= self._max_photos:
            raise RequestError(
                "too_many_photos", f"at most {self._max_photos} photos in one request"
            )
        self._parts.append(bytearray())

    def _append(self, data: bytes, start: int, end: int) -> None:
        self._parts[-1] += data[start:end]

    def _end(self) -> None:
        self._complete = True
