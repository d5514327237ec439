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
from maskgate.core.progress import log
from maskgate.door.delivery import home_assistant
from maskgate.door.delivery.broker import Broker
from maskgate.errors import MaskgateError

if TYPE_CHECKING:
    import paho.mqtt.client as paho

NAME: Final = "discovery.json"  # the file's, in the folder of the outbox


class Discovery:
    """The messages of discovery at one broker. `file` keeps the topics that were published; there
    is none without them. A failure of the disk is logged, not raised."""

    def __init__(self, broker: Broker, file: Path) -> None:
        self._broker, self._file, self._lock = broker, file, threading.Lock()
        self._topics = _read(file)
        self._removals: dict[
            int, str
        ] = {}  # topics by the number of the message that is on its way

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
            topics = self._topics.union(added).difference(removed)
            if topics == self._topics:
                return
            self._topics = topics
            try:
                files.replace_text(self._file, json.dumps(sorted(topics), ensure_ascii=False))
            except MaskgateError as error:
                log(f"{error}; Home Assistant keeps sensors of cameras that you remove")


def _read(file: Path) -> set[str]:
    """The topics in the file; none where it cannot be read."""
    with contextlib.suppress(OSError, ValueError):
        content = json.loads(file.read_text("utf-8"))
        if isinstance(content, list):
            return {str(topic) for topic in content}
    return set()
