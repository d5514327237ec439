"""A process that is killed at any moment leaves no sink without an event that another one has."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from maskgate.door.events import parse
from maskgate.door.reporting import log
from tests.door.delivery.mosquitto import Mosquitto, Subscriber, needs_broker
from tests.door.delivery.receiver import Receiver, wait_for

KILLS = 8
GROUP = 100  # events that the file gets together, of which a kill may repeat all

# Sends people as `maskgate watch` does, without end or, with a number, so many; then it ends.
_SENDER = """
import sys, time
from pathlib import Path
from maskgate.door.delivery.opening import sinks
from maskgate.door.delivery.options import Options
from tests.door.delivery import sample_events
folder, webhook, mqtt, count = sys.argv[1:]
options = Options(
    events=f"{folder}/events.jsonl", rotate_megabytes=0.02, rotate_keep=1000, webhook=webhook,
    mqtt=mqtt, queue=Path(folder) / "queue",
)
opened = sinks(options, ["front"])
print("open", flush=True)
for event in sample_events.people(int(count)):
    for sink in opened:
        sink.send(event)
    time.sleep(0.003)
for sink in opened:
    sink.close(60)
"""


def lines(folder: Path) -> list[str]:
    """All lines of the files of events; each is whole."""
    files = sorted(folder.glob("events.jsonl*"))
    texts = [path.read_text("utf-8") for path in files]
    assert all(text.endswith("\n") or not text for text in texts)
    return [line for text in texts for line in text.splitlines()]


@pytest.mark.slow
@needs_broker
def test_after_kills_every_sink_has_every_event_that_any_has(
    tmp_path: Path, moments: random.Random, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with (
        Mosquitto(tmp_path) as broker,
        Subscriber(broker.port) as subscriber,
        Receiver() as receiver,
    ):

        def start(count: int) -> subprocess.Popen[str]:
            url = f"mqtt://127.0.0.1:{broker.port}"
            words = [sys.executable, "-c", _SENDER, str(tmp_path), receiver.url, url, str(count)]
            process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ)
            assert process.stdout is not None and process.stdout.readline() == "open\n"
            return process

        for _ in range(KILLS):
            process = start(1_000_000)
            time.sleep(moments.uniform(0.02, 0.6))
            process.send_signal(signal.SIGKILL)
            process.communicate(timeout=30)
        process = start(1)
        process.communicate(timeout=90)
        assert process.returncode == 0

        def ids(bodies: list[str]) -> Counter[str]:
            return Counter(str(parse(each).id) for each in bodies)

        written = ids(lines(tmp_path))
        wait_for(lambda: ids(subscriber.bodies("maskgate/front/event")).keys() >= written.keys())
        published = ids(subscriber.bodies("maskgate/front/event"))
        posted = ids([each.body.decode() for each in receiver.requests])
    assert written.keys() == published.keys() == posted.keys() and len(written) > 10 * KILLS
    for delivered, most in ((written, KILLS * GROUP), (published, KILLS), (posted, KILLS)):
        assert delivered.total() - len(delivered) <= most
    read = log.read(sorted(tmp_path.glob("events.jsonl*")))
    assert len(read.events) == len(written), "readers take what is repeated once"
    assert read.repeated == written.total() - len(written) and not read.notes
    assert {path.name for path in (tmp_path / "queue").iterdir()} == {
        "outbox.sqlite",
        "discovery.json",
    }


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nothing_is_lost_at_a_regular_end(number: signal.Signals, tmp_path: Path) -> None:
    """Of the command itself, which is stopped while its file is the only sink."""
    command = [
        sys.executable, "-m", "maskgate", "watch", "--events", "events.jsonl",
        "--camera", "front=http://127.0.0.1:1/",
    ]  # fmt: skip
    process = subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    file = tmp_path / "events.jsonl"
    wait_for(lambda: file.exists() and "started" in file.read_text("utf-8"), 60)
    process.send_signal(number)
    _, errors = process.communicate(timeout=30)
    assert process.returncode == 0, errors
    assert json.loads(file.read_text("utf-8").splitlines()[-1])["event"] == "stopped"
