"""What a request is refused for: an HTTP status, a reason for programs, a sentence for people."""

import math
from typing import Any, Final

from maskgate.imaging.decoding.limits import PhotoError, PhotoTooLargeError

# Every reason and its status.
STATUS: Final = {
    "bad_request": 400,
    "unauthorized": 401,
    "wrong_code": 401,
    "wrong_host": 403,
    "wrong_origin": 403,
    "behind_proxy": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "timeout": 408,
    "too_large": 413,
    "too_many_pixels": 413,
    "too_many_photos": 413,
    "unsupported": 415,
    "not_a_photo": 422,
    "no_photo": 422,
    "busy": 429,
    "too_many_failures": 429,
    "internal": 500,
    "too_slow": 503,
    "stopping": 503,
}


class RequestError(Exception):
    """A refused request or photo. `retry_after` is the number of seconds after which it may be
    repeated. The message contains nothing of a photo."""

    def __init__(self, reason: str, message: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.reason, self.message = reason, message
        self.status = STATUS[reason]
        self.retry_after = None if retry_after is None else max(1, math.ceil(retry_after))

    def body(self) -> dict[str, Any]:
        """The JSON of an answer."""
        error: dict[str, Any] = {"reason": self.reason, "message": self.message}
        if self.retry_after is not None:
            error["retry_after"] = self.retry_after
        return {"error": error}

    def headers(self) -> dict[str, str]:
        """Headers of the answer."""
        headers = {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}
        if self.status == 401:
            headers["WWW-Authenticate"] = "Bearer"
        return headers


def of_photo(error: PhotoError) -> RequestError:
    """The problem with a photo that cannot be decoded. The decoder's own words are left out: they
    may quote bytes of the photo."""
    text = str(error)
    if isinstance(error, PhotoTooLargeError):
        return RequestError("too_many_pixels", f"the photo is too large: {text}")
    if text.startswith("damaged"):
        return RequestError("not_a_photo", "the photo is damaged or cut short")
    return RequestError("not_a_photo", "not a photo in JPEG, PNG, WebP or BMP")
