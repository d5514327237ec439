"""From bare faces to dressed people: the same whatever happens on the way."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate import labels
from maskgate.data import layouts
from maskgate.errors import MaskgateError
from maskgate.faces.protocol import NONE, Faces
from maskgate.pixels import Pixels
from maskgate.wear import people, workers
from maskgate.wear.people import dress
from maskgate.wear.shots import SHOTS

AGES = ("22", "34", "71", "", "30-59", ">=60")


class Known:
    """Finds one big face in the middle of a photo, a small one beside, and none in a blue one."""

    name = "known"
    sha256 = "0" * 64
    pause = 0.0

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def __call__(self, photo: Pixels) -> Faces:
        time.sleep(self.pause)
        height, width = photo.shape[:2]
        if photo[..., 2].mean() > 200:
            return NONE
        unit = height / 4
        face = np.array([(-0.5, 0), (0.5, 0), (0, 0.51), (-0.42, 0.93), (0.42, 0.93)]) * unit
        big = face + np.array([width / 2, height * 0.4])
        boxes = np.array([(0, 0, 4, 4), (5, 5, width - 5, height - 5)], dtype="f4")
        points = np.stack([face / 9, big]).astype("f4")
        return Faces(boxes, points, np.array([0.9, 0.8], dtype="f4"))


@pytest.fixture(scope="module")
def faces(heads: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ten photos: eight of six bare people, one masked, one that shows no face, one damaged."""
    root = tmp_path_factory.mktemp("faces")
    rows = ["photo,person,mask,gender,age,age_group"]
    for number in range(8):
        skin = (120 + 12 * number, 100 + 8 * number, 80 + 5 * number)
        Image.fromarray(heads.photo(64, 48, skin)).save(root / f"{number}.png")
        age = AGES[number % 6]
        known = f"{age}," if age.isdigit() or not age else f",{age}"
        gender = ("male", "female", "")[number % 3]
        mask = "not_wear" if number % 2 else ""
        rows.append(f"{number}.png,Ann {number % 6}_x_y_{number % 6},{mask},{gender},{known}")
    for name in ("masked", "blue"):
        Image.fromarray(heads.photo(64, 48, (90, 90, 250))).save(root / f"{name}.png")
    (root / "broken.png").write_bytes(b"no photo")
    rows += ["masked.png,Mia,wear,,,", "blue.png,Bo,,,,", "broken.png,Cy,,,,"]
    (root / "faces.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def made(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> people.Dressed:
    out = tmp_path_factory.mktemp("made") / "out"
    return dress(layouts.read(faces), Known(), out, seed=7, workers=1)


def contents(out: Path) -> dict[str, bytes]:
    """All files that are not hidden."""
    paths = [path for path in out.rglob("*") if path.is_file() and path.name[0] != "."]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def test_each_person_has_seven_photos_and_their_labels(made: people.Dressed) -> None:
    photos = layouts.read(made.out)
    assert not photos.problems
    table = photos.table
    assert made.people == table["person"].nunique() == 6
    assert made.photos == len(table) == 42
    assert (table.groupby("person")["mask"].value_counts().unstack() == [5, 1, 1]).all(axis=None)
    first = table.groupby("person").first()
    assert first["age_band"].tolist() == [0, 1, 2, labels.UNKNOWN, 1, 2]
    assert first["gender"].tolist() == [0, 1, labels.UNKNOWN] * 2
    assert first["age"].iloc[:3].tolist() == [22, 34, 71]
    assert first["age"].iloc[3:].isna().all()
    for photo in table["photo"]:
        with Image.open(made.out / photo) as image:
            assert image.format == "JPEG"
            assert image.size == (48, 64)


def test_who_is_left_out_is_told(made: people.Dressed) -> None:
    assert made.no_face == ["Bo", "Cy"]
    assert (made.masked, made.further) == (1, 2)
    table = pd.read_csv(made.out / "no_face.csv")
    assert table["person"].tolist() == ["Bo", "Cy"]
    assert table["why"].str.contains("no face found|unreadable").all()


def test_what_was_drawn_is_written_down(made: people.Dressed) -> None:
    drawn = pd.read_parquet(made.out / "drawn.parquet")
    assert drawn["photo"].tolist() == pd.read_csv(made.out / "photos.csv")["photo"].tolist()
    worn = drawn[drawn["shot"].str.startswith("mask")]
    assert (worn["placement"] == "worn").all()
    assert (drawn.loc[drawn["shot"] == "incorrect_mask", "placement"] != "worn").all()
    bare = drawn[drawn["shot"] == "normal"]
    assert (bare["placement"].isna() | (bare["placement"] == "bare")).all()
    # The big face, not the surer one beside.
    assert (drawn[["x0", "y0"]] == [16, 25.6]).all(axis=None)


def test_the_bare_photo_stays_bare_and_the_others_do_not(made: people.Dressed) -> None:
    drawn = pd.read_parquet(made.out / "drawn.parquet")
    for row in drawn.itertuples():
        with Image.open(made.out / row.photo) as image:
            contrast = np.asarray(image).std((0, 1)).max()
        assert (contrast > 6) == (not pd.isna(row.style))


def test_workers_and_order_change_nothing(
    faces: Path, made: people.Dressed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = layouts.read(faces)
    monkeypatch.setattr(workers, "CHUNK", 1)
    dress(photos, Known(), tmp_path / "two", seed=7, workers=2)
    assert contents(tmp_path / "two") == contents(made.out)
    half = photos.take(np.array([5, 2]))
    dress(half, Known(), tmp_path / "half", seed=7, workers=1)
    some = {k: v for k, v in contents(tmp_path / "half").items() if k.startswith("images")}
    assert len(some) == 2 * len(SHOTS)
    assert some.items() <= contents(made.out).items()


def test_another_seed_draws_others(faces: Path, made: people.Dressed, tmp_path: Path) -> None:
    dress(layouts.read(faces), Known(), tmp_path / "other", seed=8, workers=1)
    other, first = contents(tmp_path / "other"), contents(made.out)
    masks = [name for name in first if "/mask" in name]
    assert all(other[name] != first[name] for name in masks)


def test_what_is_done_is_not_done_again(
    faces: Path, made: people.Dressed, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(made.out)

    def fail(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(people, "_face", fail)
    again = dress(layouts.read(faces), Known(), made.out, seed=7, workers=1)
    assert again == made
    assert contents(made.out) == before


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(
    faces: Path, made: people.Dressed, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    code = (
        "import importlib.util, sys; from pathlib import Path; from maskgate.data import layouts\n"
        f"spec = importlib.util.spec_from_file_location('test_people', {__file__!r})\n"
        "test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)\n"
        "test.Known.pause = 0.15\n"
        f"test.dress(layouts.read(Path({str(faces)!r})), test.Known(), Path({str(out)!r}), 7, 1)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.DEVNULL)
    journal = out / ".made.jsonl"
    while not (journal.exists() and journal.read_text().count("\n") >= 2):
        assert process.poll() is None
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (out / "photos.csv").exists()
    # As if killed within a line, in the middle of a person, and between person and line.
    with journal.open("a") as file:
        file.write('{"person": "An')
    (out / "images" / ".someone.1.part").mkdir()
    done = {str(path) for path in (out / "images").iterdir()}
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join([lines[0], *lines[2:]]))
    dress(layouts.read(faces), Known(), out, seed=7, workers=1)
    assert len(done) > 1
    assert contents(out) == contents(made.out)
    assert not list(out.rglob("*.part"))
    dress(layouts.read(faces), Known(), out, seed=7, workers=1)  # the torn line is gone


@pytest.mark.parametrize("what", ["seed", "detector", "faces"])
def test_a_folder_made_from_something_else_is_refused(
    faces: Path, made: people.Dressed, what: str
) -> None:
    photos, detector, seed = layouts.read(faces), Known(), 7
    if what == "seed":
        seed = 8
    elif what == "detector":
        detector = Known(score=0.5)
    else:
        photos = photos.take(np.arange(3))
    with pytest.raises(MaskgateError, match=rf"made with another {what}; .* another folder"):
        dress(photos, detector, made.out, seed, workers=1)


def test_a_folder_with_other_files_is_refused(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(MaskgateError, match="holds other files"):
        dress(layouts.read(faces), Known(), tmp_path, seed=7)
    with pytest.raises(MaskgateError, match="is a file"):
        dress(layouts.read(faces), Known(), tmp_path / "holiday.jpg", seed=7)


def test_photos_without_a_bare_face_are_refused(faces: Path, tmp_path: Path) -> None:
    photos = layouts.read(faces)
    masked = photos.take(np.flatnonzero(photos.table["mask"] == 0))
    with pytest.raises(MaskgateError, match="no photo shows a bare face"):
        dress(masked, Known(), tmp_path / "out", seed=7)


def test_ctrl_c_ends_the_workers_too(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    code = (
        "import importlib.util, sys; from pathlib import Path; from maskgate.data import layouts\n"
        "if __name__ == '__main__':\n"
        "    from maskgate import interruption; interruption.watch()\n"
        f"    spec = importlib.util.spec_from_file_location('test_people', {__file__!r})\n"
        "    test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)\n"
        "    test.Known.pause, test.workers.CHUNK = 0.2, 1\n"
        f"    faces, out = Path({str(faces)!r}), Path({str(out)!r})\n"
        "    try: test.dress(layouts.read(faces), test.Known(), out, 7, 2)\n"
        "    except interruption.Interrupted: print('stopped'); sys.exit(130)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    while not (out / ".made.jsonl").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(1)  # so that the workers are there
    os.killpg(process.pid, signal.SIGINT)
    # All of them hold the pipe: it is at its end when the last of them has ended.
    told, _ = process.communicate(timeout=20)
    assert told == b"stopped\n"
    assert process.returncode == 130
    assert not (out / "photos.csv").exists()
