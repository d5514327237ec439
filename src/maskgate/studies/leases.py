"""Leases on trials: claims in the study's database, which end with the process that made them.

A claim is a row that only one process can insert. Its owner increments `beat` in it. If that does
not change for GRACE seconds, other processes assume that the owner is dead and remove its claims.
They measure the seconds themselves, so clocks need not agree. On the same machine nobody has to
wait: there the owner holds a file lock, which is released when it ends.
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
    """This process's claims on trial numbers. A context manager: leaving it releases all of them.

    `folder` is where its lock file is.
    """

    def __init__(self, engine: Engine, study: str, folder: Path) -> None:
        self.engine, self.study, self.owner = engine, study, uuid.uuid4().hex
        self.path = (folder / f".{self.owner}.lock").resolve()
        self.lock = FileLock(self.path)
        self.beats: dict[str, tuple[int, float]] = {}  # by claim: its beat, and since when
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
        self._remove(_owned_by(self.owner))
        self.lock.release()
        self.path.unlink(missing_ok=True)

    def take(self, number: int) -> bool:
        """Claim a number; False if another process holds it, or this one already does."""
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
        """Whether this process still holds the number: after a long sleep it may have lost it."""
        rows = select(_CLAIMS.c.number).where(self._has_number(number), _owned_by(self.owner))
        with self.engine.begin() as connection:
            return connection.execute(rows).first() is not None

    def free(self, number: int) -> None:
        """Release a number."""
        self._remove(self._has_number(number), _owned_by(self.owner))

    def remove_dead_claims(self) -> None:
        """Remove the claims of processes that ended without releasing them."""
        others = select(_CLAIMS).where(_CLAIMS.c.study == self.study, ~_owned_by(self.owner))
        with self.engine.begin() as connection:
            rows = connection.execute(others).all()
        local_owners = {row.owner: row for row in rows if row.machine == machine()}
        for owner, row in local_owners.items():
            self._remove_if_ended(owner, Path(row.lock))
        for row in rows:
            # On this machine too: a container may not see another's file.
            is_locked = row.owner in local_owners and Path(row.lock).exists()
            if not is_locked and self._stands_still(f"{row.owner} {row.number}", row.beat):
                # Not if there was a beat in the meantime.
                has_same_beat = _CLAIMS.c.beat == row.beat
                self._remove(self._has_number(row.number), _owned_by(row.owner), has_same_beat)

    def _remove_if_ended(self, owner: str, path: Path) -> None:
        """Remove all claims of an owner on this machine if its file is no longer locked."""
        if not path.exists():
            return
        try:
            with FileLock(path, timeout=0):
                self._remove(_owned_by(owner))
        except Timeout:
            return
        path.unlink(missing_ok=True)

    def _remove(self, *which: ColumnElement[bool]) -> None:
        with self.engine.begin() as connection:
            connection.execute(delete(_CLAIMS).where(*which))

    def _has_number(self, number: int) -> ColumnElement[bool]:
        return and_(_CLAIMS.c.study == self.study, _CLAIMS.c.number == number)

    def _stands_still(self, row: str, beat: int) -> bool:
        now = time.monotonic()
        before, since = self.beats.get(row, (beat - 1, now))
        if before != beat:
            self.beats[row] = (beat, now)
            return False
        return now - since > GRACE

    def _keep_beating(self) -> None:
        while not self.ended.wait(EVERY):
            increment = update(_CLAIMS).where(_owned_by(self.owner))
            try:
                with self.engine.begin() as connection:
                    connection.execute(increment.values(beat=_CLAIMS.c.beat + 1))
            except SQLAlchemyError as error:  # it may answer again at the next beat
                say(f"warning: the study's database does not answer ({type(error).__name__})")


def _owned_by(owner: str) -> ColumnElement[bool]:
    return _CLAIMS.c.owner == owner


def machine() -> str:
    """An identifier of this machine, until it reboots."""
    try:
        return _BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return f"{socket.gethostname()}-{uuid.getnode():x}"[:64]
