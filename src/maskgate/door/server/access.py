"""Who may use a door that listens beyond this machine: tokens, pairing codes, failed attempts."""

import hashlib
import hmac
import re
import secrets
import threading
import time
from collections import OrderedDict, deque
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ValidationError

from maskgate.core import files
from maskgate.door.server.request_errors import RequestError
from maskgate.errors import MaskgateError

_FILE: Final = "tokens.json"
_SHORTEST: Final = 32  # characters of an operator's own token, and the most
_LONGEST: Final = 200
_MAX_BROWSERS: Final = 100  # the oldest is forgotten
_CODE_TIME: Final = 600.0  # seconds that a pairing code is valid
_CODE_LENGTH: Final = 8
_LETTERS: Final = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"  # none that is mistaken for another
_WINDOW: Final = 60.0  # seconds
_MAX_FAILURES: Final = 10  # of one address in that time
_MAX_ALL: Final = 100  # of all addresses
_MAX_ADDRESSES: Final = 1000


class _Hashes(BaseModel):
    """Hashes of the tokens. A token is 256 random bits, so that a fast hash is enough."""

    program: str
    browsers: list[str] = []


class Access:
    """The tokens of a door: one for programs, and one for each paired browser. Only hashes of them
    are stored, in `folder`."""

    def __init__(self, folder: Path, hashes: _Hashes) -> None:
        self._file, self._hashes = folder / _FILE, hashes
        self._codes: dict[str, float] = {}
        self._lock = threading.Lock()

    def is_valid(self, token: str) -> bool:
        """Whether it is one of the tokens; takes as long whatever it is."""
        digest = _digest(token)
        known = [self._hashes.program, *self._hashes.browsers]
        return sum(hmac.compare_digest(digest, each) for each in known) > 0

    def new_code(self) -> str:
        """A code that pairs one browser within ten minutes."""
        now = time.monotonic()
        self._codes = {code: end for code, end in self._codes.items() if end > now}
        code = "".join(secrets.choice(_LETTERS) for _ in range(_CODE_LENGTH))
        self._codes[code] = now + _CODE_TIME
        return code

    def pair(self, secret: str) -> str | None:
        """A token for one browser, in exchange for a pairing code or a token; None for another
        secret. It is lost at the end of the process unless `store` is called."""
        code = secret.strip().upper().replace("-", "").replace(" ", "")
        now, matching = time.monotonic(), None
        for each, end in self._codes.items():
            if hmac.compare_digest(each.encode(), code.encode()) and end > now:
                matching = each
        if matching is not None:
            del self._codes[matching]
        elif not self.is_valid(secret.strip()):
            return None
        token = secrets.token_urlsafe(32)
        self._hashes.browsers = [*self._hashes.browsers, _digest(token)][-_MAX_BROWSERS:]
        return token

    def store(self) -> None:
        """Store all tokens. It waits for the disk, so a service calls it in a thread; two of these
        do not store an older state after a newer one. Raises MaskgateError."""
        with self._lock:
            _store(self._file, self._hashes)


def open_access(
    folder: Path, renew: bool = False, token: str | None = None
) -> tuple[Access, str | None]:
    """The tokens in a folder, and the token for programs if it was made now: at the first start, or
    to `renew` all. A `token` of the operator's own takes its place; paired browsers stay paired.
    Raises MaskgateError."""
    file = folder / _FILE
    if file.exists() and not renew:
        try:
            hashes = _Hashes.model_validate_json(files.content(file, "a file of tokens"))
        except ValidationError as error:
            raise MaskgateError(
                f"{file}: not a file of tokens; start once with --new-token to replace it"
            ) from error
        if token is not None and hashes.program != _digest(token):
            hashes.program = _digest(token)
            _store(file, hashes)
        return Access(folder, hashes), None
    new = token or secrets.token_urlsafe(32)
    hashes = _Hashes(program=_digest(new))
    _store(file, hashes)
    return Access(folder, hashes), None if token else new


def read_token(file: Path) -> str:
    """The token in a file of the operator's. Raises MaskgateError."""
    token = files.content(file, "the token", _LONGEST + 1).decode("utf-8", "replace").strip()
    if not re.fullmatch(rf"[!-~]{{{_SHORTEST},{_LONGEST}}}", token):
        raise MaskgateError(
            f"{file}: not a token of {_SHORTEST} to {_LONGEST} letters and digits;"
            " make one with openssl rand -hex 32"
        )
    return token


def _store(file: Path, hashes: _Hashes) -> None:
    files.replace_private(file, hashes.model_dump_json().encode())


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


class Failures:
    """Failed attempts of the last minute, by address and of all together."""

    def __init__(self) -> None:
        self._by_address: OrderedDict[str, deque[float]] = OrderedDict()
        self._all: deque[float] = deque()

    def add(self, address: str) -> None:
        """One more failure of an address."""
        now = time.monotonic()
        attempts = self._by_address.setdefault(address, deque(maxlen=_MAX_FAILURES))
        self._by_address.move_to_end(address)
        while len(self._by_address) > _MAX_ADDRESSES:
            self._by_address.popitem(last=False)
        attempts.append(now)
        self._all.append(now)
        while len(self._all) > _MAX_ALL:
            self._all.popleft()

    def check(self, address: str) -> None:
        """Raise RequestError if an address has failed too often, or all have."""
        now = time.monotonic()
        attempts = self._by_address.get(address, deque())
        for times, limit in ((attempts, _MAX_FAILURES), (self._all, _MAX_ALL)):
            if len(times) >= limit and now - times[-limit] < _WINDOW:
                wait = _WINDOW - (now - times[-limit])
                raise RequestError(
                    "too_many_failures", "too many failed attempts; wait a minute", wait
                )
