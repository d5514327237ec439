"""Staff let somebody in while the camera says otherwise: an event, and an open door."""

import json
import time
from collections.abc import Callable
from pathlib import Path

import paho.mqtt.publish as publish
import pytest
from PIL import Image

from tests.door import films
from tests.door.delivery.mosquitto import Mosquitto, Subscriber, needs_broker
from tests.door.delivery.receiver import wait_for
from tests.door.watching.conftest import Live
from tests.door.watching.servers import Mjpeg


@needs_broker
@pytest.mark.slow
def test_a_message_opens_the_door(
    live: Callable[..., Live], portraits: dict[str, Image.Image], tmp_path: Path
) -> None:
    orders, script = tmp_path / "orders", tmp_path / "relay"
    script.write_text(f"#!/bin/sh\necho $1 >> '{orders}'\n")
    script.chmod(0o700)
    camera = Mjpeg()
    camera.show(films.frames([films.Scene(2, [("not_wear", 200)])], portraits))
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "site/#") as subscriber:
        watched = live(
            "--camera", f"front={camera.url}", "--events", "-", "--relay-command", script,
            "--mqtt", f"mqtt://127.0.0.1:{broker.port}/site", "--mqtt-override",
            "--queue", tmp_path / "queue",
        )  # fmt: skip
        watched.wait(door="put_on")
        assert set(orders.read_text().split()) == {"shut"}
        time.sleep(2.5)  # so soon after the start nothing opens
        publish.single("site/override", "open", qos=1, hostname="127.0.0.1", port=broker.port)
        published_at = time.monotonic()
        override = watched.wait(event="override")
        wait_for(lambda: orders.read_text().split()[-1] == "open", 1)
        assert time.monotonic() - published_at < 2
        wait_for(lambda: orders.read_text().split()[-1] == "shut", 10)
        assert 5.5 < time.monotonic() - published_at < 9
        wait_for(lambda: any("override" in body for body in subscriber.bodies("site/event")))
        watched.stop()
    camera.stop()
    assert override["cameras"] == ["front"] and override["process"] == watched.lines[0]["process"]
    published = [json.loads(body) for body in subscriber.bodies("site/event")]
    assert [each["event"] for each in published] == ["started", "override", "stopped"]
    assert any(line.endswith(" staff let somebody in\n") for line in watched.errors)
