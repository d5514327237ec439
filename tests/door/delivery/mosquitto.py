"""A real MQTT broker, mosquitto, and a subscriber that records what it publishes."""

import shutil
import signal
import socket
import subprocess
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion

from tests.door.delivery.receiver import wait_for

PROGRAM: Final = shutil.which("mosquitto", path="/usr/sbin:/usr/local/sbin:/usr/bin:/usr/local/bin")
needs_broker: Final = pytest.mark.skipif(
    PROGRAM is None, reason="mosquitto is not installed (Debian package mosquitto)"
)


class Mosquitto:
    """A broker with its data in a folder, so that sessions survive a restart or a kill. `lines`
    are added to its configuration, those of its listener first. Used as a context."""

    def __init__(self, folder: Path, lines: Sequence[str] = ("allow_anonymous true",)) -> None:
        self._folder = folder / "broker"
        self._folder.mkdir()
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self._configuration = self._folder / "mosquitto.conf"
        self._configuration.write_text(
            "\n".join(
                [
                    f"listener {self.port} 127.0.0.1",
                    *lines,
                    "persistence true",
                    f"persistence_location {self._folder}/",
                    "autosave_on_changes true",
                    "autosave_interval 1",
                    "max_queued_messages 0",
                    "user root",
                    "log_dest none",
                    "",
                ]
            )
        )

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def start(self) -> None:
        assert PROGRAM is not None
        self._process = subprocess.Popen([PROGRAM, "-c", self._configuration])
        wait_for(self._is_open)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> None:
        self._process.send_signal(number)
        self._process.wait(10)

    def _is_open(self) -> bool:
        assert self._process.poll() is None, "the broker does not start"
        with socket.socket() as connection:
            return connection.connect_ex(("127.0.0.1", self.port)) == 0


@dataclass(frozen=True)
class Message:
    """A message as a subscriber gets it."""

    topic: str
    body: str
    is_retained: bool


class Subscriber:
    """Records every message of a filter of topics, in a session that survives a lost connection.
    Used as a context."""

    def __init__(self, port: int, topics: str = "#", name: str = "subscriber") -> None:
        self.messages: list[Message] = []
        self._subscribed = threading.Event()
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=name, clean_session=False
        )
        client.reconnect_delay_set(1, 1)

        def connected(*_: Any) -> None:
            client.subscribe(topics, qos=1)

        def received(_client: Any, _data: Any, message: paho.MQTTMessage) -> None:
            self.messages.append(Message(message.topic, message.payload.decode(), message.retain))

        client.on_connect, client.on_message = connected, received
        client.on_subscribe = lambda *_: self._subscribed.set()
        client.connect_async("127.0.0.1", port, 10)

    def __enter__(self) -> Self:
        self._client.loop_start()
        assert self._subscribed.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._client.disconnect()
        self._client.loop_stop()

    def bodies(self, topic: str) -> list[str]:
        """What was published under one topic, in order."""
        return [each.body for each in self.messages if each.topic == topic]
