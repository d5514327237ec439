"""A relay opens a door by what cameras see, and fails when a camera or the command itself does."""

import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from maskgate.imaging.pixels import Pixels
from tests.door import films
from tests.door.delivery.receiver import wait_for
from tests.door.watching.conftest import Live
from tests.door.watching.servers import Mjpeg

LATE = 6.0  # seconds: three until the fault is known, two of silence, and a busy machine


@pytest.mark.slow
@pytest.mark.parametrize("failed", ["shut", "open"])
def test_a_door(
    failed: str, live: Callable[..., Live], portraits: dict[str, Image.Image], tmp_path: Path
) -> None:
    orders, script = tmp_path / "orders", tmp_path / "relay"
    script.write_text(f"#!/bin/sh\necho $1 >> '{orders}'\n")
    script.chmod(0o700)

    def is_at(position: str) -> Callable[[], bool]:
        return lambda: orders.exists() and orders.read_text().splitlines()[-1:] == [position]

    def people(state: str | None) -> Iterator[Pixels]:
        scene = films.Scene(2, [(state, 200)] if state else [])
        return films.frames([scene], portraits)

    camera = Mjpeg()
    try:
        camera.show(people(None))
        watched = live(
            "--camera", f"front={camera.url}", "--relay-command", script, "--events", "-",
            "--relay-pulse", "0.5", "--relay-fail", failed,
        )  # fmt: skip
        wait_for(is_at(failed), 30)  # before anything is known
        watched.wait(event="door", door="empty")
        wait_for(is_at("shut"))
        camera.show(people("wear"))
        watched.wait(event="door", door="go")
        wait_for(is_at("open"), 1)
        camera.show(people("not_wear"))
        watched.wait(event="door", door="put_on")
        wait_for(is_at("shut"), 1)
        camera.show(people("wear" if failed == "shut" else "not_wear"))
        wait_for(is_at("open" if failed == "shut" else "shut"))
        camera.hangs = True
        wait_for(is_at(failed), LATE)
        camera.hangs = False
        wait_for(is_at("open" if failed == "shut" else "shut"), 30)
        watched.process.send_signal(signal.SIGSTOP)
        wait_for(is_at(failed), LATE)
        watched.process.send_signal(signal.SIGCONT)
        wait_for(is_at("open" if failed == "shut" else "shut"), 30)
        watched.process.kill()
        start = time.monotonic()
        wait_for(is_at(failed), LATE)
        assert time.monotonic() - start < 2
    finally:
        camera.stop()
