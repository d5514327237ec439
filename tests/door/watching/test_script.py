"""One script for every kind of source: masked, nose out, bare, and two who cross. The verdicts are
those of the script, whether the film comes from a file or from a camera of the network."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from PIL import Image

from tests.door import films
from tests.door.films import Scene
from tests.door.watching import servers
from tests.door.watching.conftest import Lines, Live
from tests.door.watching.servers import Mjpeg
from tests.door.watching.test_films import of_door, of_people

Portraits = dict[str, Image.Image]
EMPTY = Scene(3.5)  # more than go is held
ONE_BY_ONE = {"wear": "go", "incorrect": "cover", "not_wear": "put_on"}


def right(time: float) -> float:
    return 30 + min(max(time - 1.5, 0) * 200, 330)


def script() -> list[Scene]:
    """33 seconds, the first of which a camera of the network takes to be opened."""
    scenes = [Scene(4)]
    for state in ONE_BY_ONE:
        scenes += [Scene(3, [(state, 200)]), EMPTY]
    return [
        *scenes,
        Scene(5, [("not_wear", lambda time: 420 - right(time)), ("wear", right)]),
        EMPTY,
    ]


PEOPLE = [["seen", f"verdict {verdict}", "left"] for verdict in ONE_BY_ONE.values()]
CROSSING = [["seen", "verdict go", "left"], ["seen", "verdict put_on", "left"]]
DOOR = [*(each for verdict in ONE_BY_ONE.values() for each in ("moment", verdict, "empty")),
        "moment", "put_on", "empty"]  # fmt: skip


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, portraits: Portraits) -> Path:
    path = tmp_path_factory.mktemp("script") / "script.mp4"
    return films.write(path, films.frames(script(), portraits))


def check(lines: Lines) -> None:
    """These are the events of the script, from the first of the door's to the last."""
    people = of_people(lines)
    assert people[:3] == PEOPLE
    assert sorted(people[3:]) == CROSSING
    assert of_door(lines) == ["empty", *DOOR]


@contextmanager
def served(source: str, film: Path, portraits: Portraits) -> Iterator[str]:
    """What to watch: it shows the film from its beginning."""
    if source == "file":
        yield str(film)
    elif source == "rtsp":
        with servers.rtsp(film, servers.free_port()) as (url, _):
            yield url
    else:
        camera = Mjpeg()
        camera.show(films.frames(script(), portraits))
        yield camera.url
        camera.stop()


needs_rtsp = pytest.mark.skipif(not servers.has_rtsp(), reason="GStreamer's RTSP server is missing")


@pytest.mark.slow
@pytest.mark.parametrize("source", ["file", pytest.param("rtsp", marks=needs_rtsp), "mjpeg"])
def test_the_verdicts_are_those_of_the_script(
    live: Callable[..., Live], film: Path, portraits: Portraits, source: str
) -> None:
    with served(source, film, portraits) as what:
        watched = live("--camera", f"front={what}")
        if source == "file":
            watched.join(120)
        else:
            watched.wait(60, event="left", track=5)
            watched.wait(5, after=len(watched.lines) - 1, event="door", door="empty")
            watched.stop()
    lines = watched.lines
    assert [line["event"] for line in lines if "track" not in line and line["event"] != "door"] == [
        "started", "stopped",
    ]  # fmt: skip
    assert lines[-2]["door"] == "none"
    check(lines[:-2])


@pytest.mark.slow
@needs_rtsp
def test_a_camera_that_is_pulled_and_put_back(live: Callable[..., Live], film: Path) -> None:
    """In the middle of the second visit; the camera then begins its script anew."""
    port = servers.free_port()
    with servers.rtsp(film, port) as (url, _):
        watched = live("--camera", f"front={url}")
        watched.wait(60, event="verdict", verdict="cover")
    lost = watched.wait(event="camera_lost", reason="lost")
    watched.wait(door="none", previous="cover")
    count = watched.lines.index(lost)
    before = watched.lines[:count]
    assert of_people(before) == [["seen", "verdict go", "left"], ["seen", "verdict cover"]]
    with servers.rtsp(film, port):
        back = watched.wait(60, event="camera_back", reason="lost")
        assert back["gap"] > 0
        watched.wait(60, event="left", track=7)
        watched.wait(5, after=len(watched.lines) - 1, event="door", door="empty")
        watched.stop()
    ended = watched.lines[count : watched.lines.index(back)]
    assert [line["event"] for line in ended] == ["camera_lost", "left", "door"]
    check(watched.lines[watched.lines.index(back) : -2])
