"""One command line turns a film of drawn people into messages on a real broker, also if it is
killed in the middle and started again."""

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.door import films
from tests.door.delivery.mosquitto import Mosquitto, Subscriber, needs_broker
from tests.door.delivery.receiver import wait_for
from tests.door.watching.conftest import CALM

VISITS = [("wear", "go"), ("not_wear", "put_on")] * 6


def kinds(events: list[dict[str, Any]]) -> list[str]:
    """The events on people, with the verdict where it is new."""
    verdicts = ("verdict", "changed")
    return [
        f"{each['event']} {each['verdict']}" if each["event"] in verdicts else each["event"]
        for each in events
        if "track" in each
    ]


@needs_broker
@pytest.mark.slow
def test_a_film_becomes_messages_though_the_command_is_killed(
    portraits: Mapping[str, Image.Image], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in CALM.items():
        monkeypatch.setenv(name, value)
    empty = films.Scene(3)
    scenes = [
        empty,
        *(each for state, _ in VISITS for each in (films.Scene(3, [(state, 200)]), empty)),
    ]
    film = films.write(tmp_path / "film.mp4", films.frames(scenes, portraits))
    with Mosquitto(tmp_path) as broker, Subscriber(broker.port, "site/#") as subscriber:
        command = [
            sys.executable, "-m", "maskgate", "watch", "--camera", f"front={film}",
            "--mqtt", f"mqtt://127.0.0.1:{broker.port}/site", "--events", "events.jsonl",
            "--relay-command", "true", "--queue", "queue",
        ]  # fmt: skip

        def published(topic: str = "site/front/event") -> list[dict[str, Any]]:
            return [json.loads(each) for each in subscriber.bodies(topic)]

        first = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.DEVNULL)
        wait_for(lambda: "verdict put_on" in kinds(published()), 120)
        first.kill()
        assert first.wait() == -9, "it was killed in the middle"
        wait_for(lambda: subscriber.bodies("site/status")[-1] == "offline")
        broker.stop()
        second = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: (tmp_path / "events.jsonl").read_text().count('"started"') == 2, 60)
        broker.start()
        _, errors = second.communicate(timeout=300)
        assert second.returncode == 0, errors
        wait_for(lambda: len(published("site/event")) >= 3)
        wait_for(lambda: subscriber.bodies("site/status")[-1] == "offline")

    lines = [json.loads(each) for each in (tmp_path / "events.jsonl").read_text().splitlines()]
    starts = [number for number, each in enumerate(lines) if each["event"] == "started"]
    before, after = lines[: starts[1]], lines[starts[1] :]
    expected = [
        name for _, verdict in VISITS for name in ("seen", f"verdict {verdict}", "left")
    ]  # fmt: skip
    assert kinds(after) == expected and after[-1]["event"] == "stopped"
    assert kinds(before) == expected[: len(kinds(before))] and before[-1]["event"] != "stopped"

    def ids(events: list[dict[str, Any]]) -> list[str]:
        return [each["id"] for each in events if "camera" in each]

    once = list(dict.fromkeys(ids(published())))
    assert once == list(dict.fromkeys(ids(lines))), "the file has what the broker has"
    assert [each["event"] for each in published("site/event")][-2:] == ["started", "stopped"]
    assert published("site/front/state")[-1]["door"] == "none"
