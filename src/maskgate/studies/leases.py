"""Who works at which trial: claims in the study's own database, which end with their process.

A claim is a row that one process alone can insert. Its owner counts `beat` up in it; where that
stands still for GRACE seconds, the owner is taken for dead, and whoever notices removes its claims.
The seconds are those of the one who watches, so that clocks need not agree. On the same machine
nobody has to wait: there a process holds a file locked until it ends, however it ends.
"""

import socket
import threading
import time
import uuid
from pathlib import Path
from typing import Final

from filelock import FileLock, Timeout
from sqlalchemy import (
    Column,
    ColumnElement,
    Engine,
    Integer,
    MetaData,
    String,
    Table,
    and_,
    delete,
    insert,
    select,
    update,
)
from sqlalchemy.exc import IntegrityError, SQLAlchemyError

from maskgate.core.progress import say

EVERY: Final = 10.0  # seconds between beats
GRACE: Final = 90.0  # seconds without one
_BOOT: Final = Path("/proc/sys/kernel/random/boot_id")  # the same in all containers of a machine

_CLAIMS: Final = Table(
    "maskgate_claims",
    MetaData(),
    Column("study", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("owner", String(32), nullable=False),
    Column("machine", String(64), nullable=False),
    Column("lock", String(1000), nullable=False),
    Column("beat", Integer, nullable=False),
)


class Claims:
    """This process's claims on numbers of a study. A context: leaving it gives all of them back.

    `folder` is where it holds its file.
    """

    def __init__(self, engine: Engine, study: str, folder: Path) -> None:
        self.engine, self.study, self.owner = engine, study, uuid.uuid4().hex
        self.path = (folder / f".{self.owner}.lock").resolve()
        self.lock = FileLock(self.path)
        self.seen: dict[str, tuple[int, float]] = {}  # of an owner: its beat, and since when
        self.ended = threading.Event()
        self.thread = threading.Thread(target=self._keep_beating, daemon=True)

    def __enter__(self) -> "Claims":
        self.path.parent.mkdir(parents=True, exist_ok=True)
        _CLAIMS.metadata.create_all(self.engine)
        self.lock.acquire()
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.ended.set()
        self.thread.join()
        self._remove(_is_of(self.owner))
        self.lock.release()
        self.path.unlink(missing_ok=True)

    def take(self, number: int) -> bool:
        """Claim a number; False where another process holds it, or this one already does."""
        row = {
            "study": self.study,
            "number": number,
            "owner": self.owner,
            "machine": machine(),
            "lock": str(self.path),
            "beat": 0,
        }
        try:
            with self.engine.begin() as connection:
                connection.execute(insert(_CLAIMS).values(row))
        except IntegrityError:
            return False
        return True

    def holds(self, number: int) -> bool:
        """Whether the number is still this process's: one that slept long was taken for dead."""
        rows = select(_CLAIMS.c.number).where(self._is(number), _is_of(self.owner))
        with self.engine.begin() as connection:
            return connection.execute(rows).first() is not None

    def free(self, number: int) -> None:
        """Give a number back."""
        self._remove(self._is(number), _is_of(self.owner))

    def bury_the_dead(self) -> None:
        """Remove the claims of processes that have ended without giving them back."""
        others = select(_CLAIMS).where(_CLAIMS.c.study == self.study, ~_is_of(self.owner))
        with self.engine.begin() as connection:
            rows = connection.execute(others).all()
        here = {row.owner: row for row in rows if row.machine == machine()}
        for owner, row in here.items():
            self._bury_if_ended(owner, Path(row.lock))
        for row in rows:
            # Of this machine too: a container may not see another's file.
            seen = row.owner in here and Path(row.lock).exists()
            if not seen and self._stands_still(f"{row.owner} {row.number}", row.beat):
                # A beat since then is a sign of life.
                self._remove(self._is(row.number), _is_of(row.owner), _CLAIMS.c.beat == row.beat)

    def _bury_if_ended(self, owner: str, path: Path) -> None:
        """Remove all claims of an owner on this machine, if nobody holds its file any more."""
        if not path.exists():
            return
        try:
            with FileLock(path, timeout=0):
                self._remove(_is_of(owner))
        except Timeout:
            return
        path.unlink(missing_ok=True)

    def _remove(self, *which: ColumnElement[bool]) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(_CLAIMS).where(*which))

    def _is(self, number: int) -> ColumnElement[bool]:
        return and_(_CLAIMS.c.study == self.study, _CLAIMS.c.number == number)

    def _stands_still(self, row: str, beat: int) -> bool:
        now = time.monotonic()
        before, since = self.seen.get(row, (beat - 1, now))
        if before != beat:
            self.seen[row] = (beat, now)
            return False
        return now - since > GRACE

    def _keep_beating(self) -> None:
        while not self.ended.wait(EVERY):
            beats = update(_CLAIMS).where(_is_of(self.owner))
            try:
                with self.engine.begin() as connection:
                    connection.execute(beats.values(beat=_CLAIMS.c.beat + 1))
            except SQLAlchemyError as error:  # it may be back at the next
                say(f"warning: the study's database does not answer ({type(error).__name__})")


def _is_of(owner: str) -> ColumnElement[bool]:
    return _CLAIMS.c.owner == owner


def machine() -> str:
    """What tells this machine from others for as long as it runs."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return f"{socket.gethostname()}-{uuid.getnode():x}"[:64]
