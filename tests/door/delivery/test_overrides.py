"""Staff let somebody in by a message: now, never later, and never by one that the broker kept."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.publish as publish
import pytest

from maskgate.door.delivery import overrides
from maskgate.door.delivery.broker import Broker
from maskgate.door.delivery.overrides import Overrides
from tests.door.delivery import outboxes, sample_events
from tests.door.delivery.mosquitto import Mosquitto, Subscriber, needs_broker
from tests.door.delivery.receiver import wait_for

# Runs as a loop does, and says when somebody is to be let in.
_WATCHER = """
import sys, time
from pathlib import Path
from maskgate.door.delivery.broker import Broker
from tests.door.delivery import outboxes
where = Broker("127.0.0.1", int(sys.argv[1]), takes_overrides=True)
mqtt = outboxes.mqtt(where, Path(sys.argv[2]), ["front"]).receiver
while True:
    mqtt.tick(time.monotonic())
    if mqtt.take_override():
        print("open", flush=True)
    time.sleep(0.05)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def run(mqtt: Any, seconds: float) -> None:
    """Let the loop run for so long."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        mqtt.tick(time.monotonic())
        time.sleep(0.1)


class Clock:
    """A loop that runs ten times a second, by a clock that the test moves."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now, self.requests = 100.0, Overrides()
        monkeypatch.setattr(overrides, "uptime", lambda: self.now)

    def run(self, seconds: float) -> list[bool]:
        answers = []
        for _ in range(round(10 * seconds)):
            self.now += 0.1
            self.requests.tick()
            answers.append(self.requests.take())
        return answers


def test_a_request_counts_once_and_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    requests = clock.requests
    assert not requests.take()
    requests.add()
    assert not any(clock.run(3)), "nothing ran yet"
    requests.add()
    requests.add()
    assert (requests.take(), requests.take()) == (True, False)
    requests.add()
    clock.now += 2.1
    assert not requests.take(), "watching hung meanwhile"


@pytest.mark.parametrize("order", ["request first", "loop first"])
def test_what_waited_while_the_loop_stood_still_does_not_count(
    monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    clock = Clock(monkeypatch)
    clock.run(10)
    clock.now += 10
    if order == "loop first":
        clock.run(0.5)
    clock.requests.add()
    assert not any(clock.run(5))
    clock.requests.add()
    assert clock.run(1) == [True] + [False] * 9
    clock.now += 1.5  # slow, but no gap
    clock.requests.add()
    assert any(clock.run(1))


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have no such clock")
def test_the_time_of_a_suspended_machine_counts() -> None:
    assert abs(overrides.uptime() - time.clock_gettime(time.CLOCK_BOOTTIME)) < 1


@pytest.mark.slow
@needs_broker
def test_a_message_to_a_process_that_stands_still_opens_nothing(
    broker: Mosquitto, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _WATCHER, str(broker.port), str(tmp_path / "outbox.sqlite")]

    def say() -> None:
        publish.single("maskgate/override", "open", qos=1, hostname="127.0.0.1", port=broker.port)

    with (
        Subscriber(broker.port) as subscriber,
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as watcher,
    ):
        assert watcher.stdout is not None
        wait_for(lambda: subscriber.bodies("maskgate/status"), 20)
        os.kill(watcher.pid, signal.SIGSTOP)
        say()
        time.sleep(3)
        os.kill(watcher.pid, signal.SIGCONT)
        time.sleep(3)
        say()
        time.sleep(0.5)
        watcher.terminate()
        assert watcher.stdout.read().split() == ["open"]


@pytest.mark.slow
@needs_broker
@pytest.mark.parametrize("takes", [True, False])
def test_a_message_asks_only_if_it_is_new_and_right(
    broker: Mosquitto, tmp_path: Path, takes: bool
) -> None:
    def say(word: str, retain: bool = False) -> None:
        publish.single(
            "site/override", word, qos=1, retain=retain, hostname="127.0.0.1", port=broker.port
        )

    say("open", retain=True)
    where = Broker("127.0.0.1", broker.port, prefix="site", takes_overrides=takes)
    with Subscriber(broker.port) as subscriber:
        mqtt = outboxes.mqtt(where, tmp_path / "outbox.sqlite", ["front"])
        wait_for(lambda: subscriber.bodies("site/status"))
        run(mqtt.receiver, 2.3)
        for word in ("shut", "", "OPEN"):
            say(word)
        run(mqtt.receiver, 0.3)
        assert not mqtt.receiver.take_override()
        say("open")
        run(mqtt.receiver, 0.3)
        assert mqtt.receiver.take_override() == takes
        broker.stop()
        broker.start()
        wait_for(lambda: subscriber.bodies("site/status").count("online") == 2)
        run(mqtt.receiver, 2.3)
        say("open")
        run(mqtt.receiver, 0.3)
        assert mqtt.receiver.take_override() == takes, "it listens after a reconnection, too"
        mqtt.close(5)
    buttons = [
        each for each in subscriber.messages if each.topic.startswith("homeassistant/button")
    ]
    assert bool(buttons) == takes
    if takes:
        config = json.loads(buttons[0].body)
        assert (config["command_topic"], config["payload_press"]) == ("site/override", "open")


@needs_broker
def test_sensors_of_removed_cameras_go_away(broker: Mosquitto, tmp_path: Path) -> None:
    def watch(*cameras: str, **options: Any) -> set[str]:
        """The names of the devices that Home Assistant knows after watching these cameras."""
        where = Broker("127.0.0.1", broker.port, **options)
        mqtt = outboxes.mqtt(where, tmp_path / "outbox.sqlite", cameras)
        mqtt.send(sample_events.started(*cameras))
        wait_for(lambda: mqtt.counts.delivered == 1)
        mqtt.close(5)
        with Subscriber(broker.port, "homeassistant/#", name=f"after {cameras}") as later:
            time.sleep(0.5)
        return {json.loads(each.body)["device"]["name"] for each in later.messages}

    assert watch("front", "back", takes_overrides=True) == {
        "maskgate front", "maskgate back", "maskgate door",
    }  # fmt: skip
    assert watch("back", "side") == {"maskgate back", "maskgate side"}
    assert watch("back", has_discovery=False) == set()
    assert json.loads((tmp_path / "discovery.json").read_text()) == []


@pytest.mark.slow
@needs_broker
def test_what_could_not_be_removed_is_removed_at_the_next_start(
    broker: Mosquitto, tmp_path: Path
) -> None:
    where = Broker("127.0.0.1", broker.port)
    with Subscriber(broker.port, "homeassistant/#") as subscriber:
        for cameras, is_up in ((["front", "back"], True), (["back"], False), (["back"], True)):
            if not is_up:
                broker.stop()
            mqtt = outboxes.mqtt(where, tmp_path / "outbox.sqlite", cameras)
            time.sleep(0.5)
            mqtt.close(0.1)
            if not is_up:
                broker.start()
        wait_for(lambda: len([each for each in subscriber.messages if not each.body]) == 5)
