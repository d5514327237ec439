"""`maskgate watch` on a disk that is or becomes full: one sentence, or a warning and a count."""

import json
import resource
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.door import films
from tests.door.delivery.receiver import Receiver, wait_for
from tests.door.watching.conftest import Live
from tests.door.watching.servers import Mjpeg, free_port

FULL = (10, resource.RLIM_INFINITY)  # bytes that a file may have, as if the disk were full
FREE = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)


def camera() -> str:
    """One that is away, which is an event after some seconds."""
    return f"front=http://127.0.0.1:{free_port()}/"


@pytest.mark.slow
def test_events_of_a_time_when_the_disk_is_full_arrive_later(
    live: Callable[..., Live], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    port = free_port()

    def metric(name: str) -> dict[str, float]:
        """Its value for each sink."""
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
            words = [line.split() for line in answer.read().decode().splitlines()]
        return {
            each[0].split('"')[1]: float(each[1])
            for each in words
            if each[0].startswith(f"maskgate_watch_{name}{{")
        }

    def is_all_delivered() -> bool:
        """Whether the outbox has noted that too: it would not later, on a full disk."""
        return set(metric("delivered_total").values()) == {1} and not any(
            metric("queue_length").values()
        )

    front = Mjpeg()
    front.show(films.frames([films.Scene(1)], {}))
    with Receiver() as receiver:
        watched = live(
            "--camera", f"front={front.url}", "--events", "events.jsonl", "--webhook", receiver.url,
            "--queue", "queue", "--metrics", port,
        )  # fmt: skip
        file = tmp_path / "events.jsonl"
        wait_for(lambda: receiver.requests, 60)
        wait_for(is_all_delivered)
        resource.prlimit(watched.process.pid, resource.RLIMIT_FSIZE, FULL)
        front.stop()
        wait_for(lambda: "outbox: cannot be written, and is tried" in "".join(watched.errors), 20)
        time.sleep(1.5)
        assert len(receiver.requests) == 1, "none has what others lack"
        failures = metric("delivery_failures_total")
        assert failures["file"] == failures["webhook"] >= 2
        resource.prlimit(watched.process.pid, resource.RLIMIT_FSIZE, FREE)
        wait_for(lambda: len(receiver.requests) == 2)
        watched.stop()
    lines = file.read_text("utf-8").splitlines()
    assert [json.loads(line)["event"] for line in lines] == ["started", "camera_lost", "stopped"]
    assert [each.body.decode() for each in receiver.requests] == lines
    text = "".join(watched.errors)
    assert text.count("cannot be written") == 1 and text.count("events are written again") == 1
    assert "lost, as the disk" not in text and "Traceback" not in text


@pytest.mark.slow
@pytest.mark.parametrize("words", [["--webhook", "http://127.0.0.1:1/", "--queue", "queue"], []])
def test_a_disk_that_is_full_at_the_end_is_reported(
    words: list[str], live: Callable[..., Live], tmp_path: Path
) -> None:
    watched, file = live("--camera", camera(), "--events", "events.jsonl", *words), "events.jsonl"
    wait_for(lambda: (tmp_path / file).exists() and (tmp_path / file).read_text("utf-8"), 60)
    time.sleep(0.5)
    resource.prlimit(watched.process.pid, resource.RLIMIT_FSIZE, FULL)
    watched.stop()
    (line,) = (tmp_path / file).read_text("utf-8").splitlines(keepends=True)
    assert json.loads(line)["event"] == "started" and line.endswith("\n")
    text = "".join(watched.errors)
    assert "1 event is lost, as the disk" in text and "Traceback" not in text


def test_a_queue_on_a_full_disk_is_one_sentence(tmp_path: Path) -> None:
    words = ["--camera", "0", "--webhook", "http://127.0.0.1:1/", "--queue", "queue"]
    done = subprocess.run(
        [sys.executable, "-m", "maskgate", "watch", *words],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, FULL),
    )
    assert done.returncode == 2 and not done.stdout
    (sentence,) = done.stderr.splitlines()
    assert "queue/outbox.sqlite: " in sentence and "repeat the command" in sentence
