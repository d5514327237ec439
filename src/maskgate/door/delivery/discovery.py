"""Tells Home Assistant of sensors, and takes back those of cameras that are no longer watched.

Messages of discovery are retained, so the broker repeats them for ever. Their topics are therefore
kept in a file, and an empty message removes each that is not published any more.
"""

import contextlib
import json
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from maskgate.core import files
from maskgate.door.delivery import home_assistant
from maskgate.door.delivery.broker import Broker
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.door.delivery.worker import Worker, reason

if TYPE_CHECKING:
    import paho.mqtt.client as paho

NAME: Final = "discovery.json"  # the file's, in the folder of the outbox
_CLOSING: Final = 2.0  # seconds to write the file in the end


class Discovery:
    """The messages of discovery at one broker. `file` keeps the topics that were published; there
    is none without them. It is written by a thread of its own, so that nobody waits for the disk;
    a failure is logged, and it is tried again."""

    def __init__(self, broker: Broker, file: Path) -> None:
        self._broker, self._file, self._lock = broker, file, threading.Lock()
        self._topics = self._written = frozenset(_read(file))
        # topics by the number of the message that is on its way
        self._removals: dict[int, str] = {}
        self._failures = FailureLog("discovery")
        self._worker = Worker("discovery", self._write, self._fail)
        self._worker.start()

    def close(self) -> None:
        """Write what is not in the file yet, if the disk lets us."""
        self._worker.close(_CLOSING)

    def announce(self, client: "paho.Client", cameras: Sequence[str]) -> None:
        """Publish what these cameras, and the door before them, have."""
        messages = self._messages(cameras)
        self._keep(added=messages)
        for topic, message in messages.items():
            client.publish(topic, message, retain=True)

    def remove_others(self, client: "paho.Client", cameras: Sequence[str]) -> None:
        """Remove all that was published before and that these cameras do not have. Called in the
        thread of the client, as `acknowledge` is."""
        self._removals.clear()
        for topic in sorted(self._topics - self._messages(cameras).keys()):
            self._removals[client.publish(topic, b"", qos=1, retain=True).mid] = topic

    def acknowledge(self, number: int) -> None:
        """The broker has got the message of this number."""
        topic = self._removals.pop(number, None)
        if topic is not None:
            self._keep(removed=[topic])

    def _messages(self, cameras: Sequence[str]) -> dict[str, str]:
        if not self._broker.has_discovery:
            return {}
        prefix = self._broker.prefix
        messages = [each for camera in cameras for each in home_assistant.messages(prefix, camera)]
        if self._broker.takes_overrides:
            messages.append(home_assistant.button(prefix))
        return dict(messages)

    def _keep(self, added: Iterable[str] = (), removed: Iterable[str] = ()) -> None:
        with self._lock:
            self._topics = self._topics.union(added).difference(removed)
        self._worker.notify()

    def _write(self) -> bool:
        if not self._worker.wait_for(lambda: self._topics != self._written):
            return False
        topics = self._topics
        files.replace_text(self._file, json.dumps(sorted(topics), ensure_ascii=False))
        self._written = topics
        self._failures.end("disk", f"{self._file} is written again")
        return True

    def _fail(self, error: Exception) -> None:
        self._failures.say(
            "disk",
            f"{reason(error)}; until it is written, Home Assistant keeps sensors of cameras that"
            " you remove",
        )


def _read(file: Path) -> set[str]:
    """The topics in the file; none where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content, list):
            return {str(topic) for topic in content}
    return set()
