"""Staff let somebody in by a message: now, never later, and never by one that the broker kept."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import paho.mqtt.publish as publish
import pytest

from maskgate.door.delivery.broker import Broker
from maskgate.door.delivery.overrides import Overrides
from tests.door.delivery import outboxes, sample_events
from tests.door.delivery.mosquitto import Mosquitto, Subscriber, needs_broker
from tests.door.delivery.receiver import wait_for


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def test_a_request_counts_once_and_only_for_a_while(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [100.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    asked = Overrides()
    assert not asked.take()
    asked.add()
    asked.add()
    assert (asked.take(), asked.take()) == (True, False)
    asked.add()
    now[0] += 2.1
    assert not asked.take(), "watching hung meanwhile"


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
        time.sleep(0.3)
        for word in ("shut", "", "OPEN"):
            say(word)
        time.sleep(0.3)
        assert not mqtt.receiver.take_override()
        say("open")
        time.sleep(0.3)
        assert mqtt.receiver.take_override() == takes
        broker.stop()
        broker.start()
        wait_for(lambda: subscriber.bodies("site/status").count("online") == 2)
        say("open")
        time.sleep(0.3)
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
