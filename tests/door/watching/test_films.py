"""`maskgate watch` on videos of drawn people: the events are those that the film is made for."""

import json
from collections import defaultdict
from pathlib import Path

import pytest
from PIL import Image

from maskgate.door import events
from tests.door import films
from tests.door.films import Scene
from tests.door.watching.conftest import Lines, Watch

Portraits = dict[str, Image.Image]
STATES = ("wear", "not_wear", "incorrect")
SECONDS = 3.5  # that each person stays
EMPTY = Scene(3.5)  # more than go is held


def of_people(lines: Lines) -> list[list[str]]:
    """Of each person the events, with verdicts, such as `verdict go`."""
    people = defaultdict(list)
    for line in lines:
        if "track" in line:
            verdict = line["verdict"] if line["event"] in ("verdict", "changed") else ""
            people[line["track"]].append(f"{line['event']} {verdict}".strip())
    return list(people.values())


def of_door(lines: Lines) -> list[str]:
    return [line["door"] for line in lines if line["event"] == "door"]


@pytest.fixture(scope="module")
def one_by_one(tmp_path_factory: pytest.TempPathFactory, portraits: Portraits) -> Path:
    """Three people who come one after the other: masked, bare, and with the nose out."""
    scenes = [Scene(1)]
    for state in STATES:
        scenes += [Scene(SECONDS, [(state, 200)]), EMPTY]
    return films.write(
        tmp_path_factory.mktemp("film") / "door.mp4", films.frames(scenes, portraits)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("policy", "verdicts"),
    [("worn", ["go", "put_on", "cover"]), ("bare", ["take_off", "go", "take_off"])],
)
def test_one_by_one(run_watch: Watch, one_by_one: Path, policy: str, verdicts: list[str]) -> None:
    lines = run_watch("--camera", f"front={one_by_one}", "--policy", policy)
    for line in lines:
        events.parse(json.dumps(line))
    assert [lines[0]["event"], lines[-1]["event"]] == ["started", "stopped"]
    assert of_people(lines) == [["seen", f"verdict {each}", "left"] for each in verdicts]
    door = ["empty"]
    for verdict in verdicts:
        door += ["moment", verdict, "empty"]
    assert of_door(lines) == [*door[:-1], "empty", "none"]
    for line, state in zip(
        (each for each in lines if each["event"] == "left"), STATES, strict=True
    ):
        assert line["state"] == state
        assert line["present"] == pytest.approx(SECONDS, abs=0.25)
        assert line["measures"]["faces"] == pytest.approx(SECONDS * films.FPS, abs=2)
        assert 90 < line["measures"]["face_width"] < 160
        assert line["unsure_share"] < 0.1
    for line in lines:
        if line["event"] == "verdict":
            assert 0.4 < line["waited"] < 1.1


@pytest.mark.slow
def test_two_who_cross_keep_their_verdicts(
    run_watch: Watch, tmp_path: Path, portraits: Portraits
) -> None:
    """One walks in front of the other; the door says what the one who may not pass is to do."""

    def right(time: float) -> float:
        return 30 + min(max(time - 1.5, 0) * 200, 330)

    scenes = [
        Scene(1),
        Scene(6, [("not_wear", lambda time: 390 - right(time) + 30), ("wear", right)]),
        EMPTY,
    ]
    film = films.write(tmp_path / "cross.mp4", films.frames(scenes, portraits))
    lines = run_watch("--camera", film)
    people = of_people(lines)
    assert sorted(people) == [["seen", "verdict go", "left"], ["seen", "verdict put_on", "left"]]
    assert of_door(lines) == ["empty", "moment", "put_on", "empty", "none"]


@pytest.mark.slow
def test_whoever_takes_the_mask_off_gets_another_verdict(
    run_watch: Watch, tmp_path: Path, portraits: Portraits
) -> None:
    scenes = [Scene(3, [("wear", 200)]), Scene(4, [("not_wear", 200)]), EMPTY]
    film = films.write(tmp_path / "off.mp4", films.frames(scenes, portraits))
    lines = run_watch("--camera", film)
    assert of_people(lines) == [["seen", "verdict go", "changed moment", "changed put_on", "left"]]
    changed = [line for line in lines if line["event"] == "changed"]
    assert [line["previous"] for line in changed] == ["go", "moment"]


@pytest.mark.slow
def test_people_far_away_are_not_seen_until_they_come_near(
    run_watch: Watch, one_by_one: Path
) -> None:
    lines = run_watch("--camera", one_by_one, "--near", "0.5")
    assert of_people(lines) == []
    assert set(of_door(lines)) == {"empty", "closer", "none"}


@pytest.mark.slow
def test_the_events_of_a_film_are_the_same_each_time(run_watch: Watch, one_by_one: Path) -> None:
    """Whatever else the machine does: every frame that is due is judged, by its own time."""

    def comparable(lines: Lines) -> Lines:
        left_out = {"id", "process", "time", "since"}
        return [{key: line[key] for key in line.keys() - left_out} for line in lines]

    first, second = (run_watch("--camera", one_by_one) for _ in range(2))
    assert comparable(first) == comparable(second)


@pytest.mark.slow
def test_a_folder_of_frames_is_judged_like_the_film(
    run_watch: Watch, tmp_path: Path, portraits: Portraits
) -> None:
    scenes = [Scene(0.5), Scene(2, [("not_wear", 200)]), EMPTY]
    (tmp_path / "frames").mkdir()
    for number, picture in enumerate(films.frames(scenes, portraits)):
        Image.fromarray(picture).save(tmp_path / "frames" / f"{number:04}.jpg", quality=90)
    (tmp_path / "frames" / "0007.jpg").write_bytes(b"broken")
    lines = run_watch("--camera", tmp_path / "frames")
    assert of_people(lines) == [["seen", "verdict put_on", "left"]]
    assert {line.get("camera", "frames") for line in lines} == {"frames"}


@pytest.mark.slow
def test_two_cameras_are_judged_together(run_watch: Watch, one_by_one: Path) -> None:
    """Each has its own events, and nobody's number is another's."""
    lines = run_watch("--camera", f"front={one_by_one}", "--camera", f"back={one_by_one}")
    for camera in ("front", "back"):
        camera_lines = [line for line in lines if line.get("camera") == camera]
        assert [each[1] for each in of_people(camera_lines)] == [
            "verdict go", "verdict put_on", "verdict cover",
        ]  # fmt: skip
    assert len(of_people(lines)) == 6


@pytest.mark.slow
def test_a_video_that_has_ended_shows_nobody(
    run_watch: Watch, tmp_path: Path, one_by_one: Path, portraits: Portraits
) -> None:
    """Whoever is in its last frame leaves then, not when the other camera ends."""
    film = films.write(tmp_path / "short.mp4", films.frames([Scene(2, [("wear", 200)])], portraits))
    lines = run_watch("--camera", film, "--camera", f"long={one_by_one}")
    camera_lines = [line for line in lines if line.get("camera") == "short"]
    assert [(line["event"], line.get("door")) for line in camera_lines[-2:]] == [
        ("left", None), ("door", "none"),
    ]  # fmt: skip
    assert camera_lines[-2]["present"] == pytest.approx(1.9, abs=0.15)
    assert lines.index(camera_lines[-1]) < len(lines) / 2
