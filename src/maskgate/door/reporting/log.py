"""Reads files of events: JSON lines of `maskgate watch`, and what the service sends at /v1/events.

Rotated and compressed files may be given in any order, and an event may be in several of them.
"""

import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, Literal, cast
from uuid import UUID

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from maskgate.door import events
from maskgate.door.events import Event, Override
from maskgate.errors import MaskgateError, disk_error

_GZIP: Final = b"\x1f\x8b"  # the first bytes of a compressed file
_DATA: Final = b"data:"  # of a Server-Sent Event
_OTHER: Final = (b":", b"event:", b"id:", b"retry:")  # its other lines


class KioskState(BaseModel):
    """What a kiosk of the service says; with `none` the reason."""

    kind: Literal["state"]
    state: str
    reason: str | None = None
    door: str
    kiosk: int
    since: AwareDatetime
    time: AwareDatetime
    model_config = ConfigDict(frozen=True)


class Call(BaseModel):
    """Staff were called, or let somebody in, at a kiosk of the service; or they let somebody in at
    the `door` of the cameras that `maskgate watch` watches, by their names."""

    kind: Literal["override", "alert"]
    reason: str
    door: str
    time: AwareDatetime
    model_config = ConfigDict(frozen=True)


@dataclass
class Log:
    """All events of some files by time, each once. `notes` say what could not be read."""

    events: list[Event] = field(default_factory=list)
    states: list[KioskState] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    repeated: int = 0


class _Faults:
    """The lines of a file that are no events."""

    def __init__(self, path: Path) -> None:
        self._path, self._numbers, self._reason = path, list[int](), ""

    def add(self, number: int, reason: str) -> None:
        self._numbers.append(number)
        self._reason = self._reason or reason

    def notes(self, last: int, is_cut: bool) -> Iterator[str]:
        """One sentence for each kind, given the number of the last line and whether it is
        incomplete."""
        if is_cut and self._numbers[-1:] == [last]:
            self._numbers.pop()
            yield f"{self._path}: the last line is incomplete and was skipped"
        if self._numbers:
            count = len(self._numbers)
            lines = f"{count:,} lines were" if count > 1 else "a line was"
            yield (
                f"{self._path}: {lines} skipped, the first of them line {self._numbers[0]}"
                f" ({self._reason})"
            )


def read(paths: Sequence[Path]) -> Log:
    """The events of the files. Raises MaskgateError for a file that cannot be read, and where none
    of them has an event."""
    log, keys = Log(), set[object]()
    for path in paths:
        _read(path, log, keys)
    if not (log.events or log.states or log.calls):
        first = f" ({log.notes[0].removeprefix(f'{paths[0]}: ')})" if log.notes else ""
        raise MaskgateError(
            f"{paths[0]}: holds no event{first}; give what `maskgate watch --events` writes"
        )
    log.events.sort(key=lambda event: event.time)
    log.states.sort(key=lambda state: state.time)
    log.calls.sort(key=lambda call: call.time)
    return log


def _read(path: Path, log: Log, keys: set[object]) -> None:
    faults, number, line = _Faults(path), 0, b""
    try:
        with _open(path) as file:
            for number, line in enumerate(_lines(file), start=1):
                try:
                    _add(line.strip(), log, keys)
                except ValueError as error:
                    faults.add(number, str(error))
    except EOFError:
        log.notes.append(f"{path}: the compressed file is incomplete; its beginning was read")
    except gzip.BadGzipFile as error:
        raise MaskgateError(f"{path}: a damaged compressed file ({error})") from error
    except OSError as error:
        raise disk_error(error, path) from error
    log.notes += faults.notes(number, is_cut=not line.endswith(b"\n"))


def _open(path: Path) -> IO[bytes]:
    with path.open("rb") as file:
        is_compressed = file.read(len(_GZIP)) == _GZIP
    opener: Callable[[Path, str], object] = gzip.open if is_compressed else open
    return cast(IO[bytes], opener(path, "rb"))


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """The lines; one that is far longer than an event comes in parts, so that memory suffices."""
    return iter(lambda: file.readline(events.MAX_LENGTH), b"")


def _add(line: bytes, log: Log, keys: set[object]) -> None:
    """Add the event of a line. Raises ValueError."""
    if line.startswith(_DATA):
        line = line.removeprefix(_DATA).strip()
    elif not line or line.startswith(_OTHER):
        return
    if b'"kind"' in line and b'"event"' not in line:
        _add_of_service(line, log, keys)
        return
    event = events.parse(line)
    if not _is_new(event.id, log, keys):
        return
    if isinstance(event, Override):
        door = ", ".join(event.cameras)
        log.calls.append(Call(kind="override", reason="operator", door=door, time=event.time))
    else:
        log.events.append(event)


def _add_of_service(line: bytes, log: Log, keys: set[object]) -> None:
    try:
        if b'"state"' in line:
            state = KioskState.model_validate_json(line)
            # A new reader gets the last state of each kiosk again, with another `time`.
            if _is_new((state.door, state.kiosk, state.state, state.since), log, keys):
                log.states.append(state)
        else:
            call = Call.model_validate_json(line)
            if _is_new(call, log, keys):
                log.calls.append(call)
    except ValidationError as error:
        raise ValueError("not an event of the service") from error


def _is_new(key: UUID | Call | tuple[object, ...], log: Log, keys: set[object]) -> bool:
    if key in keys:
        log.repeated += 1
        return False
    keys.add(key)
    return True
