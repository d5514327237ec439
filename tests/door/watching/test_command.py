"""What `maskgate watch` leaves on the machine, and what it tells systemd."""

import os
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image

from tests.door import films
from tests.door.films import Scene
from tests.door.watching.conftest import Live, Watch
from tests.door.watching.servers import Mjpeg


@pytest.fixture
def camera(portraits: dict[str, Image.Image]) -> Iterator[Mjpeg]:
    camera = Mjpeg()
    camera.show(films.frames([Scene(1, [("wear", 200)])], portraits))
    yield camera
    camera.stop()


@pytest.mark.slow
def test_no_file_is_written_and_systemd_is_told(
    live: Callable[..., Live], camera: Mjpeg, tmp_path: Path
) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(f"\0maskgate-watch-{os.getpid()}")
        reader.settimeout(20)
        env = {name: str(tmp_path) for name in ("HOME", "TMPDIR", "XDG_STATE_HOME")}
        env |= {"NOTIFY_SOCKET": f"@maskgate-watch-{os.getpid()}", "WATCHDOG_USEC": "300000"}
        watched = live("--camera", f"front={camera.url}", env=env)
        watched.wait(event="verdict", verdict="go")
        assert [reader.recv(100) for _ in range(3)] == [b"READY=1", b"WATCHDOG=1", b"WATCHDOG=1"]
        watched.stop()
        while (message := reader.recv(100)) == b"WATCHDOG=1":
            pass
        assert message == b"STOPPING=1"
    assert list(tmp_path.iterdir()) == []
    assert watched.errors == ["watching front  (stop with Ctrl-C)\n", "stopped\n"]
    assert [line["event"] for line in watched.lines[-3:]] == ["left", "door", "stopped"]


@pytest.mark.slow
def test_what_is_unsure_or_too_dear_is_looked_at_again(
    run_watch: Watch, tmp_path: Path, portraits: dict[str, Image.Image]
) -> None:
    scenes = [Scene(2, [("not_wear", 200)]), Scene(1.5)]
    film = films.write(tmp_path / "film.mp4", films.frames(scenes, portraits))
    costs = [word for name in ("let_in=1", "stopped=1e9", "look=0.1") for word in ("--cost", name)]
    for words in (["--unsure-below", "1"], costs):
        lines = run_watch("--camera", film, *words)
        assert not any(line["event"] == "verdict" for line in lines)
        (gone,) = (line for line in lines if line["event"] == "left")
        assert gone["verdict"] == "moment"
        assert gone["unsure_share"] == 1
