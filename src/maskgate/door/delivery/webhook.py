"""Posts each event to an address, signed, until it is accepted."""

import email.utils
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from typing import Final

import httpx

from maskgate import __version__
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.courier import FIRST_PAUSE, FailedError, RefusedError
from maskgate.door.delivery.outbox import Waiting

SIGNATURE: Final = "Maskgate-Signature"
_TIMEOUT: Final = httpx.Timeout(10.0, connect=5.0)  # seconds, of each step
_REFUSED: Final = {400, 413, 415, 422}  # answers that are about this one event
_SOON: Final = {408, 425, 429}  # of the other answers 4xx, those that pass by themselves
_LONG_PAUSE: Final = 300.0  # seconds; a person has to correct a secret or an address first
_LONGEST_PAUSE: Final = 3600.0  # seconds that a receiver may ask for


def signature(secret: str, body: bytes, now: float) -> str:
    """The header SIGNATURE: when it was sent, and HMAC-SHA256 of that time, a dot and the body."""
    seconds = int(now)
    digest = hmac.new(secret.encode(), b"%d.%b" % (seconds, body), hashlib.sha256).hexdigest()
    return f"t={seconds},v1={digest}"


class Webhook:
    """Delivers to `url`. With a `secret` each request is signed. An event that the receiver cannot
    take (400, 413, 415, 422) is given up; everything else is repeated, if the receiver lets none
    in (such as 401 or 404) after `long_pause` seconds."""

    group = 1

    def __init__(
        self,
        url: str,
        secret: str | None = None,
        first_pause: float = FIRST_PAUSE,
        *,
        long_pause: float = _LONG_PAUSE,
    ) -> None:
        self._url, self._secret, self._long_pause = httpx.URL(url), secret, long_pause
        self.counts, self.first_pause = Counts("webhook"), first_pause
        self._client = httpx.Client(
            timeout=_TIMEOUT,
            headers={
                "User-Agent": f"maskgate/{__version__}",
                "Content-Type": "application/json",
            },
        )

    def end(self) -> None:
        """Close the connections."""
        self._client.close()

    def deliver(self, events: Sequence[Waiting], _is_over: Callable[[], bool]) -> int:
        """Post the first event. Raises FailedError and RefusedError."""
        body = events[0].body.encode()
        headers = {"Idempotency-Key": events[0].id}
        if self._secret is not None:
            headers[SIGNATURE] = signature(self._secret, body, time.time())
        try:
            with self._client.stream("POST", self._url, content=body, headers=headers) as answer:
                status, pause = answer.status_code, answer.headers.get("Retry-After")
        except (httpx.HTTPError, RuntimeError) as error:  # RuntimeError: the client is closed
            raise FailedError(_reason(error)) from error
        if 200 <= status < 300:
            return 1
        reason, delay = f"the receiver answered {status}", _seconds(pause)
        if status in _REFUSED:
            raise RefusedError(reason)
        if 400 <= status < 500 and status not in _SOON and delay is None:
            delay = self._long_pause
        raise FailedError(reason, delay)


def _reason(error: Exception) -> str:
    """What failed, without the address: a part of it may be secret."""
    if isinstance(error, httpx.TimeoutException):
        return "the receiver does not answer"
    if isinstance(error, httpx.ConnectError):
        return "the receiver cannot be reached"
    return f"the connection failed ({type(error).__name__})"


def _seconds(retry_after: str | None) -> float | None:
    """The seconds of a header Retry-After, which has seconds or a date; None without a good one."""
    if retry_after is None:
        return None
    try:
        if retry_after.strip().isdecimal():
            return min(float(retry_after), _LONGEST_PAUSE)
        date = email.utils.parsedate_to_datetime(retry_after).timestamp()
    except (ValueError, OverflowError, OSError):  # OverflowError: a year that no clock has
        return None
    return min(max(0.0, date - time.time()), _LONGEST_PAUSE)
