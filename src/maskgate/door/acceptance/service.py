"""A running service, over HTTP: its settings, and its events as they happen."""

import http.client
import json
import socket
import ssl
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from maskgate.errors import MaskgateError

_TIMEOUT: Final = 5.0  # seconds; the service sends something each second
_MAX_ANSWER: Final = 4_000_000  # bytes
_MAX_LINE: Final = 100_000  # bytes


class LostError(Exception):
    """The service does not answer as it should, at this moment."""


class Service:
    """The service at a URL. `certificate` is a file of certificates to trust instead of the
    system's. Redirects and proxies are not followed: they would get the token. Raises MaskgateError
    for a URL or a certificate that cannot be used."""

    def __init__(self, url: str, token: str | None = None, certificate: Path | None = None) -> None:
        self.url = url.rstrip("/")
        try:
            parts = urlsplit(self.url)
            self._host, self._port = parts.hostname, parts.port
        except ValueError as error:
            raise MaskgateError(f"{url}: not a URL ({error})") from error
        is_plain = parts.path == parts.query == parts.fragment == "" and parts.username is None
        if parts.scheme not in ("http", "https") or not self._host or not is_plain:
            raise MaskgateError(
                f"{url}: not the URL of a service, such as https://192.168.0.10:8000"
            )
        if token is not None and not (token.isascii() and token.isprintable() and token):
            raise MaskgateError(
                "the token contains other characters than a token has; copy it again"
            )
        self._headers = {} if token is None else {"Authorization": f"Bearer {token}"}
        self._context = None
        if parts.scheme == "https":
            self._context = _trust(certificate)
        elif certificate is not None:
            raise MaskgateError(
                f"{url}: has no certificate; leave out --certificate, or give https"
            )

    def get(self, path: str) -> dict[str, Any]:
        """The JSON at a path. Raises MaskgateError."""
        with self._response(path) as response:
            try:
                answer = json.loads(response.read(_MAX_ANSWER))
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise self._other() from error
        if not isinstance(answer, dict):
            raise self._other()
        return answer

    def events(self) -> Iterator[dict[str, Any] | None]:
        """The events from now on, and None for each sign that the service is there. Raises
        MaskgateError if they cannot be read, and LostError when the service is lost."""
        with self._response("/v1/events") as response:
            while True:
                try:
                    line = response.readline(_MAX_LINE)
                    if not line:
                        raise LostError
                    event = json.loads(line[5:]) if line.startswith(b"data:") else None
                except (OSError, ValueError, http.client.HTTPException) as error:
                    raise LostError from error
                yield event if isinstance(event, dict) else None

    def _connection(self) -> http.client.HTTPConnection:
        assert self._host is not None
        if self._context is None:
            return http.client.HTTPConnection(self._host, self._port, timeout=_TIMEOUT)
        return http.client.HTTPSConnection(
            self._host, self._port, timeout=_TIMEOUT, context=self._context
        )

    @contextmanager
    def _response(self, path: str) -> Iterator[http.client.HTTPResponse]:
        """An answer of status 200. Raises MaskgateError."""
        with closing(self._connection()) as connection, self._open(connection, path) as response:
            if response.status == 401:
                raise MaskgateError(
                    f"{self.url}: the service needs its token; give --token-file, or set"
                    " MASKGATE_TOKEN to what maskgate serve printed at its first start"
                )
            if response.status != 200:
                raise self._other(f" (status {response.status} at {path})")
            yield response

    def _open(self, connection: http.client.HTTPConnection, path: str) -> http.client.HTTPResponse:
        try:
            connection.request("GET", path, headers=self._headers)
            return connection.getresponse()
        except ssl.SSLCertVerificationError as error:
            raise MaskgateError(
                f"{self.url}: its certificate is not trusted ({error.verify_message}); give"
                " --certificate with the file certificate.pem of the service"
            ) from error
        except (OSError, http.client.HTTPException) as error:
            reason = getattr(error, "strerror", None) or (
                "no answer in time" if isinstance(error, TimeoutError) else error
            )
            if isinstance(error, socket.gaierror):
                reason = "no such host"
            raise MaskgateError(
                f"{self.url}: no service answers ({reason}); start it with maskgate serve"
            ) from error

    def _other(self, reason: str = "") -> MaskgateError:
        return MaskgateError(
            f"{self.url}: answers, but not as maskgate serve of this version does{reason}; check"
            " the URL, and update the service"
        )


def _trust(certificate: Path | None) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=certificate)
    except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
        raise MaskgateError(
            f"{certificate}: no certificate can be read from it; give certificate.pem of the"
            " service"
        ) from error
