"""Publishes each event by MQTT, and what each camera shows now.

Events are published with QoS 1, one after the other, and leave the outbox when the broker has
acknowledged them. States and the status are retained messages with QoS 0, all of them anew with
each connection: so none that is out of date is repeated after another. States count only while the
status is `online`: it is `offline` also while watching hangs.
"""

import contextlib
import json
import ssl
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import paho.mqtt.client as paho
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode
from paho.mqtt.reasoncodes import ReasonCode

from maskgate.door.delivery.broker import Broker
from maskgate.door.delivery.camera_states import CameraStates
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.courier import FIRST_PAUSE, FailedError
from maskgate.door.delivery.discovery import NAME, Discovery
from maskgate.door.delivery.failure_log import FailureLog
from maskgate.door.delivery.home_assistant import OPEN, OVERRIDE
from maskgate.door.delivery.outbox import Waiting, events_wait
from maskgate.door.delivery.overrides import Overrides
from maskgate.door.delivery.silence import Silence
from maskgate.door.events import Event, Started

_KEEPALIVE: Final = 15  # seconds; after one and a half of these the broker reports us offline
_CONNECT_TIME: Final = 5.0  # seconds for a connection
_LONGEST_PAUSE: Final = 60  # seconds between attempts to connect; the first is 1, it doubles
_WAIT: Final = 0.2  # seconds after which the end of the time is looked at
_SILENCE: Final = 5.0  # seconds without a sign of life after which the states no longer count
_LOOK: Final = 1.0  # seconds between looks whether the client's thread runs
_FAREWELL: Final = 1.0  # seconds in which to say that we go offline
_ENDING: Final = 2.0  # seconds in which the client ends; it may wait for a name server


class Mqtt:
    """Delivers the events of an outbox, whose identifier is `sender`, to a broker, which need not
    be there yet. As a sink it publishes states, which wait for no disk. From the first `tick` on,
    the status is `offline` while there has been none for `silence` seconds. `folder` keeps what
    Home Assistant was told."""

    group, first_pause = 1, FIRST_PAUSE

    def __init__(
        self,
        broker: Broker,
        sender: str,
        cameras: Sequence[str] = (),
        *,
        folder: Path,
        silence: float = _SILENCE,
    ) -> None:
        self._broker, self._prefix = broker, broker.prefix
        self.name = f"MQTT broker {broker.host}"
        self.counts = Counts("mqtt")
        self._failures = FailureLog(self.counts.sink)
        self._discovery, self._overrides = Discovery(broker, folder / NAME), Overrides()
        self._states, self._lock = CameraStates(cameras), threading.Lock()
        self._news, self._acknowledged = threading.Condition(), set[int]()
        self._is_closing = self._is_silent = False
        self._client = client = paho.Client(
            CallbackAPIVersion.VERSION2, client_id=f"maskgate-{sender[:14]}"
        )
        client.connect_timeout = _CONNECT_TIME
        client.reconnect_delay_set(1, _LONGEST_PAUSE)
        client.will_set(self._status, "offline", qos=1, retain=True)
        if broker.user is not None:
            client.username_pw_set(broker.user, broker.password)
        if broker.is_encrypted:
            client.tls_set_context(ssl.create_default_context(cafile=broker.authority))
        client.on_connect, client.on_connect_fail = self._on_connect, self._on_connect_fail
        client.on_disconnect, client.on_publish = self._on_disconnect, self._on_publish
        client.on_message = self._on_message
        client.connect_async(broker.host, broker.port, _KEEPALIVE)
        client.loop_start()
        self._looked = time.monotonic()
        self._silence = Silence(silence, self._on_silence)

    @property
    def _status(self) -> str:
        return f"{self._prefix}/status"

    def send(self, event: Event) -> None:
        """Publish the state that the event makes."""
        with self._lock:
            changed = self._states.update(event)
            if self._client.is_connected():
                if isinstance(event, Started):
                    self._discovery.announce(self._client, changed)
                self._publish_states(changed)

    def tick(self, now: float) -> None:
        """All is well at the time `now`, by time.monotonic."""
        self._silence.sign(now)
        self._overrides.tick()
        if now - self._looked >= _LOOK and not self._is_closing:
            self._looked = now
            self._restart()

    def _restart(self) -> None:
        """Start the client's thread again if an error that it does not expect has ended it."""
        with contextlib.suppress(RuntimeError):  # no more threads can be started
            if self._client.loop_start() == MQTTErrorCode.MQTT_ERR_SUCCESS:  # else it runs
                self._fail("an unexpected error has ended the connection; it is tried again")

    def take_override(self) -> bool:
        """Whether a message has said since it was last called that staff let somebody in."""
        return self._overrides.take()

    def close(self, _seconds: float) -> None:
        """There are no more signs of life; the connection stays, for what waits in the outbox."""
        self._is_closing = True
        self._silence.close()

    def end(self) -> None:
        """Say that we are offline, and close the connection."""
        if self._client.is_connected():
            self._say_goodbye()
        self._client.disconnect()
        ending = threading.Thread(target=self._client.loop_stop, daemon=True)
        ending.start()
        ending.join(_ENDING)
        self._discovery.close()

    def _say_goodbye(self) -> None:
        """Replace the last will, which a regular end does not publish."""
        number = self._client.publish(self._status, "offline", qos=1, retain=True).mid
        with self._news:
            self._news.wait_for(lambda: number in self._acknowledged, _FAREWELL)

    def deliver(self, events: Sequence[Waiting], is_over: Callable[[], bool]) -> int:
        """Publish the first event and wait until it is acknowledged. If the connection is lost
        meanwhile, the client itself repeats it with the next one. Raises FailedError at the end of
        the time."""
        body = events[0].body
        while not self._client.is_connected():
            self._wait(is_over)
        with self._news:
            self._acknowledged.clear()
        number = self._client.publish(self._topic(body), body, qos=1).mid
        while number not in self._acknowledged:
            self._wait(is_over)
        return 1

    def _wait(self, is_over: Callable[[], bool]) -> None:
        with self._news:
            self._news.wait(_WAIT)
        if is_over():
            raise FailedError("not acknowledged in time")

    def _topic(self, body: str) -> str:
        camera = json.loads(body).get("camera")
        return f"{self._prefix}/event" if camera is None else f"{self._prefix}/{camera}/event"

    def _publish_states(self, cameras: Sequence[str]) -> None:
        for camera in cameras:
            state = json.dumps(self._states.of_camera[camera].answer())
            self._client.publish(f"{self._prefix}/{camera}/state", state, retain=True)

    def _publish_status(self) -> None:
        status = "offline" if self._is_silent else "online"
        self._client.publish(self._status, status, retain=True)

    def _on_silence(self, is_silent: bool) -> None:
        with self._lock:
            self._is_silent = is_silent
            if self._client.is_connected():
                self._publish_status()
        if is_silent:
            self._failures.say("silence", "watching hangs, so the status is offline")
        else:
            self._failures.end("silence", "watching goes on, so the status is online")

    def _on_connect(
        self, _client: paho.Client, _data: Any, _flags: Any, reason: ReasonCode, _properties: Any
    ) -> None:
        if reason.is_failure:
            self._fail(f"the broker refuses the connection: {reason}")
            return
        self._failures.end("connection", "connected again")
        with self._lock:
            cameras = list(self._states.of_camera)
            self._discovery.announce(self._client, cameras)
            self._discovery.remove_others(self._client, cameras)
            self._publish_states(cameras)
            self._publish_status()
        if self._broker.takes_overrides:
            self._client.subscribe(f"{self._prefix}/{OVERRIDE}", qos=1)
        with self._news:
            self._news.notify_all()

    def _on_publish(
        self, _client: paho.Client, _data: Any, number: int, _reason: Any, _properties: Any
    ) -> None:
        self._discovery.acknowledge(number)
        with self._news:
            self._acknowledged.add(number)
            self._news.notify_all()

    def _on_message(self, _client: paho.Client, _data: Any, message: paho.MQTTMessage) -> None:
        """One that is retained is old: it opens no door."""
        if not message.retain and message.payload == OPEN.encode():
            self._overrides.add()

    def _on_disconnect(
        self, _client: paho.Client, _data: Any, _flags: Any, _reason: Any, _properties: Any
    ) -> None:
        if not self._is_closing:
            self._fail("the connection to the broker is lost")

    def _on_connect_fail(self, _client: paho.Client, _data: Any) -> None:
        self._fail(f"the broker cannot be reached{_reason(sys.exception())}")

    def _fail(self, message: str) -> None:
        self.counts.add_failure()
        self._failures.say("connection", message, f"; {events_wait(self.counts.waiting())}")


def _reason(error: BaseException | None) -> str:
    """Why a connection has failed: the client calls us while it handles the error."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f" (certificate: {error.verify_message})"
    reason = getattr(error, "strerror", None)
    return f" ({reason})" if reason else ""
