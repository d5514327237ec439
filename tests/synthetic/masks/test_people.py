"""From bare faces to dressed people: the same whatever happens on the way."""

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from filelock import FileLock
from PIL import Image

from maskgate import labels
from maskgate.core import files
from maskgate.data import layouts
from maskgate.data.contents import digest
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import NO_FACES, Faces
from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import journal, kinds, people, portraits, workers
from maskgate.synthetic.masks.kinds import KINDS
from maskgate.synthetic.masks.people import dress

AGES = ("22", "34", "71", "", "30-39", ">=60")


class Known:
    """Finds one face in the middle of a photo, a small one beside it and a larger one at the edge.

    There is none in a blue photo, and one below the photo in a green one.
    """

    name = "known"
    sha256 = "0" * 64

    def __init__(self, **arguments: Any) -> None:
        self.arguments = arguments

    def __call__(self, photo: Pixels) -> Faces:
        height, width = photo.shape[:2]
        _, green, blue = photo.reshape(-1, 3).mean(0)
        if blue > 200:
            return NO_FACES
        unit = height / 4
        face = np.array([(-0.5, 0), (0.5, 0), (0, 0.51), (-0.42, 0.93), (0.42, 0.93)]) * unit
        middle = face + np.array([width / 2, height * (2 if green > 220 else 0.4)])
        corners = [(0, 0, 4, 4), (24, 2, 84, 62), (5, 5, width - 5, height - 5)]
        points = [face / 9, face + np.array([54, 30]), middle]
        return Faces(*(np.array(each, dtype="f4") for each in (corners, points, [0.9, 0.85, 0.8])))


def work(faces: Path, out: Path, **changes: Any) -> people.DressedPeople:
    """`dress` as the command does it, in this process."""
    arguments: dict[str, Any] = {
        "photos": layouts.read(faces), "detector": Known(), "workers": 1, "seed": 7,
        "folder": out.parent / "cache", "source": faces, "skip_faulty": True,
    }  # fmt: skip
    return dress(out=out, **(arguments | changes))


@pytest.fixture(scope="module")
def faces(heads: SimpleNamespace, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve photos: eight of six bare people, the others masked, faceless, low or damaged."""
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
    Image.fromarray(heads.photo(64, 48, (90, 250, 90))).save(root / "green.png")
    (root / "broken.png").write_bytes(b"no photo")
    rows += ["masked.png,Mia,wear,,,", "blue.png,Bo,,,,", "broken.png,Cy,,,,", "green.png,Di,,,,"]
    (root / "faces.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


@pytest.fixture(scope="module")
def dressed_people(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> people.DressedPeople:
    out = tmp_path_factory.mktemp("made") / "out"
    return work(faces, out)


def slow(seconds: float) -> None:
    """From now on people are taken one by one, with pauses."""

    def slowly(things: Iterable[Any]) -> Iterator[Any]:
        for thing in things:
            time.sleep(seconds)
            yield thing

    def mapped(function: Any, task: Any, things: Iterable[Any], count: int) -> Any:
        return workers.map_in_processes(function, task, slowly(things), count)

    people.map_in_processes = mapped  # type: ignore[assignment, attr-defined]


@pytest.fixture
def copied(faces: Path, tmp_path: Path) -> Path:
    """The photos once more, to be changed."""
    shutil.copytree(faces, tmp_path / "faces")
    return tmp_path / "faces"


def contents(out: Path) -> dict[str, bytes]:
    """All files that are not hidden."""
    paths = [path for path in out.rglob("*") if path.is_file() and path.name[0] != "."]
    return {str(path.relative_to(out)): path.read_bytes() for path in paths}


def test_each_person_has_seven_photos_and_their_labels(
    faces: Path, dressed_people: people.DressedPeople
) -> None:
    photos = layouts.read(dressed_people.out)
    assert not photos.problems
    table = pd.read_csv(dressed_people.out / "photos.csv")
    for source, rows in table.groupby(
        pd.read_parquet(dressed_people.out / "drawn.parquet")["source"]
    ):
        assert set(rows["drawn_from"]) == {digest((faces / source).read_bytes()).hex()}
    table = photos.table
    assert dressed_people.people == table["person"].nunique() == 6
    assert dressed_people.photos == len(table) == 42
    assert (table.groupby("person")["mask"].value_counts().unstack() == [5, 1, 1]).all(axis=None)
    first = table.groupby("person").first()
    assert first["age_band"].tolist() == [0, 1, 2, labels.UNKNOWN, 1, 2]
    assert first["gender"].tolist() == [0, 1, labels.UNKNOWN] * 2
    assert first["age"].iloc[:3].tolist() == [22, 34, 71]
    assert first["age"].iloc[3:].isna().all()
    assert first["age_from"].iloc[4:].tolist() == [30, 60]
    assert first["age_to"].iloc[4:].tolist() == [39, 120]
    for photo in table["photo"]:
        with Image.open(dressed_people.out / photo) as image:
            assert image.format == "JPEG"
            assert image.size == (48, 64)


def test_as_many_photos_as_asked_for(
    faces: Path, dressed_people: people.DressedPeople, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    assert work(faces, out, worn=2, incorrect=3).photos == 6 * 6
    masks = layouts.read(out).table.groupby("person")["mask"].value_counts().unstack()
    assert (masks == [2, 3, 1]).all(axis=None)
    some, seven = contents(out), contents(dressed_people.out)
    same = [name for name in some if name in seven and name.endswith(".jpg")]
    assert len(same) == 6 * 4, "a photo does not depend on how many others there are"
    assert all(some[name] == seven[name] for name in same)
    work(faces, out)  # in the same folder, with the usual numbers
    assert contents(out) == seven


def test_one_photo_of_each_kind(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "out"
    first = work(faces, out, each_kind=True)
    drawn, table = pd.read_parquet(out / "drawn.parquet"), pd.read_csv(out / "photos.csv")
    assert first.photos == len(table) == len(drawn)
    assert table["mask"].tolist() == [KINDS[kind] for kind in drawn["shot"]]
    by_person = drawn.groupby("source")["shot"].apply(list)
    assert first.people == len(by_person) == 6
    for present in by_person:
        assert {"worn", "bare"} <= set(present)
        assert present == [kind for kind in KINDS if kind in present]
    assert set(drawn["shot"]) > {"chin_out", "hand", "shield", "mask_under_shield", "clear"}
    before = contents(out)
    with monkeypatch.context() as patch:
        patch.setattr(people, "draw", None)
        assert work(faces, out, each_kind=True) == first
    lines = (out / ".made.jsonl").read_text().splitlines(keepends=True)
    (out / ".made.jsonl").write_text("".join(lines[:3]))
    assert work(faces, out, each_kind=True) == first
    assert contents(out) == before


@pytest.mark.parametrize("unseen", ["neck", "worn"])
def test_a_kind_that_cannot_be_seen_is_left_out(
    faces: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unseen: str
) -> None:
    draw_kind = kinds.draw_kind

    def draw(face_photo: Any, kind: str, rng: np.random.Generator) -> Any:
        return None if kind == unseen else draw_kind(face_photo, kind, rng)

    monkeypatch.setattr(portraits, "draw_kind", draw)
    if unseen == "worn":  # without it a person is of no use
        with pytest.raises(MaskgateError, match="no mask can be seen"):
            work(faces, tmp_path / "out", each_kind=True)
        return
    first = work(faces, tmp_path / "out", each_kind=True)
    assert first.people == 6
    assert unseen not in set(pd.read_parquet(tmp_path / "out" / "drawn.parquet")["shot"])
    monkeypatch.setattr(people, "draw", None)  # it is not tried again
    assert work(faces, tmp_path / "out", each_kind=True) == first


def test_who_is_left_out_is_told(dressed_people: people.DressedPeople) -> None:
    whys = {"Bo": "no face found", "Cy": "unreadable photo", "Di": "no mask can be seen"}
    assert dressed_people.left_out == whys
    assert (dressed_people.masked, dressed_people.other_photos) == (1, 2)
    table = pd.read_csv(dressed_people.out / "left_out.csv")
    assert dict(zip(table["person"], table["why"], strict=True)) == whys
    assert table["source"].tolist() == ["blue.png", "broken.png", "green.png"]


def test_what_was_drawn_is_written_down(dressed_people: people.DressedPeople) -> None:
    drawn = pd.read_parquet(dressed_people.out / "drawn.parquet")
    assert (
        drawn["photo"].tolist() == pd.read_csv(dressed_people.out / "photos.csv")["photo"].tolist()
    )
    worn = drawn[drawn["shot"].str.startswith("mask")]
    assert (worn["placement"] == "worn").all()
    assert (drawn.loc[drawn["shot"] == "incorrect_mask", "placement"] != "worn").all()
    bare = drawn[drawn["shot"] == "normal"]
    assert (bare["placement"].isna() | (bare["placement"] == "bare")).all()
    # Neither the surest face nor the largest, which lies at the edge.
    assert (drawn[["x0", "y0"]] == [16, 25.6]).all(axis=None)


def test_the_bare_photo_stays_bare_and_the_others_do_not(
    dressed_people: people.DressedPeople,
) -> None:
    drawn = pd.read_parquet(dressed_people.out / "drawn.parquet")
    row: Any
    for row in drawn.itertuples():
        with Image.open(dressed_people.out / row.photo) as image:
            contrast = np.asarray(image).std((0, 1)).max()
        assert (contrast > 6) == (not pd.isna(row.style))


def test_workers_and_order_change_nothing(
    faces: Path,
    dressed_people: people.DressedPeople,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    photos = layouts.read(faces)
    monkeypatch.setattr(workers, "CHUNK", 1)
    work(faces, tmp_path / "two", workers=2)
    assert contents(tmp_path / "two") == contents(dressed_people.out)
    half = photos.take(np.array([5, 2]))
    work(faces, tmp_path / "half", photos=half)
    some = {k: v for k, v in contents(tmp_path / "half").items() if k.startswith("images")}
    assert len(some) == 2 * 7
    assert some.items() <= contents(dressed_people.out).items()


def test_another_seed_draws_others(
    faces: Path, dressed_people: people.DressedPeople, tmp_path: Path
) -> None:
    work(faces, tmp_path / "other", seed=8)
    other, first = contents(tmp_path / "other"), contents(dressed_people.out)
    masks = [name for name in first if "/mask" in name]
    assert all(other[name] != first[name] for name in masks)


def test_what_is_done_is_not_done_again(
    faces: Path, dressed_people: people.DressedPeople, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(dressed_people.out)

    def fail(*_: object) -> None:
        raise AssertionError("drawn again")

    monkeypatch.setattr(people, "draw", fail)
    again = work(faces, dressed_people.out)
    assert again == dressed_people
    assert contents(dressed_people.out) == before


def test_killed_at_any_moment_it_goes_on_to_the_same_bytes(
    faces: Path, dressed_people: people.DressedPeople, tmp_path: Path
) -> None:
    out = tmp_path / "killed"
    code = (
        "import importlib.util, sys; from pathlib import Path\n"
        f"spec = importlib.util.spec_from_file_location('test_people', {__file__!r})\n"
        "test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)\n"
        "test.slow(0.15)\n"
        f"test.work(Path({str(faces)!r}), Path({str(out)!r}))\n"
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
    work(faces, out)
    assert len(done) > 1
    assert contents(out) == contents(dressed_people.out)
    assert not list(out.rglob("*.part"))
    work(faces, out)  # the torn line is gone


class Killed(BaseException):
    pass


@pytest.mark.parametrize("after", ["lock", "half", "wear.json", "images"])
def test_killed_while_it_begins_it_goes_on(
    faces: Path,
    dressed_people: people.DressedPeople,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    after: str,
) -> None:
    out = tmp_path / "out"
    check, replace_text = journal.check, files.replace_text

    def kill(*_: object) -> None:
        raise Killed

    def check_and_kill(*arguments: Any) -> None:
        check(*arguments)
        if (out / ".lock").exists():
            raise Killed

    def write_and_kill(path: Path, text: str) -> None:
        if after == "half":
            (path.parent / f".{path.name}.1.part").write_text(text[:9])
        else:
            replace_text(path, text)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        if after == "lock":
            patch.setattr(journal, "check", check_and_kill)
        elif after == "images":
            patch.setattr(journal, "Journal", kill)
        else:
            patch.setattr(files, "replace_text", write_and_kill)
        work(faces, out)
    existing_files = {path.name for path in out.iterdir()} - {".lock"}
    expected = {"half": {".wear.json.1.part"}, "wear.json": {"wear.json"}}
    assert existing_files == expected.get(
        after, {"wear.json", "images"} if after == "images" else set()
    )
    work(faces, out)
    assert contents(out) == contents(dressed_people.out)
    assert not list(out.rglob("*.part"))


def test_a_folder_in_use_is_refused_and_left_alone(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    with FileLock(out / ".lock"), pytest.raises(MaskgateError, match="by another command"):
        work(faces, out)
    assert [path.name for path in out.iterdir()] in ([".lock"], [])


def test_another_photo_is_drawn_anew_and_the_others_stay(copied: Path, tmp_path: Path) -> None:
    work(copied, tmp_path / "out")
    before = contents(tmp_path / "out")
    drawn = pd.read_parquet(tmp_path / "out" / "drawn.parquet").groupby("source")["photo"].first()
    folder = {source: str(Path(photo).parent) for source, photo in drawn.items()}
    with Image.open(copied / "1.png") as photo:
        photo.rotate(180).save(copied / "1.png")
    shutil.copy(copied / "blue.png", copied / "2.png")  # who has no face any more
    shutil.rmtree(tmp_path / "out" / folder["3.png"])
    times = {path: path.stat().st_mtime_ns for path in (tmp_path / "out").rglob("*.jpg")}
    result = work(copied, tmp_path / "out")
    assert result.people == 5
    after = contents(tmp_path / "out")
    changed = {str(Path(name).parent) for name in before if before[name] != after.get(name)}
    assert changed == {folder["1.png"], folder["2.png"], "."}
    assert not (tmp_path / "out" / folder["2.png"]).exists()
    anew = (folder["1.png"], folder["2.png"])
    kept = [path for path in times if not str(path.parent).endswith(anew)]
    assert len(kept) == 3 * 7
    assert all(path.stat().st_mtime_ns == times[path] for path in kept)
    work(copied, tmp_path / "fresh")
    assert after == contents(tmp_path / "fresh")


def test_cut_off_while_one_is_drawn_anew_no_table_tells_of_the_old(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out, first = tmp_path / "out", (copied / "1.png").read_bytes()
    work(copied, out)
    before = contents(out)
    shutil.copy(copied / "3.png", copied / "1.png")

    def kill(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(journal.Journal, "write", kill)  # its folder is there, its line is not
        work(copied, out)
    assert not (out / "photos.csv").exists()
    (copied / "1.png").write_bytes(first)
    work(copied, out)
    assert contents(out) == before


def test_broken_photos_are_refused_together_until_they_are_mended(
    copied: Path, tmp_path: Path
) -> None:
    out, content = tmp_path / "out", (copied / "1.png").read_bytes()
    (copied / "1.png").write_bytes(content[:200])
    with pytest.raises(MaskgateError, match=r"2 of its entries .* 1.png .* broken.png .*faulty"):
        work(copied, out, skip_faulty=False)
    assert not out.exists()
    left_out = work(copied, out).left_out
    assert [name for name, reason in left_out.items() if reason == "unreadable photo"] == [
        "Ann 1_x_y_1",
        "Cy",
    ]
    for name in ("1.png", "broken.png"):
        (copied / name).write_bytes(content)
    again = work(copied, out, skip_faulty=False)
    assert again.people == 7
    assert again.left_out.keys() == {"Bo", "Di"}


def test_a_photo_that_changes_meanwhile_is_told(
    copied: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = boxes.find

    def find_and_change(*arguments: Any) -> Any:
        detected = find(*arguments)
        shutil.copy(copied / "0.png", copied / "3.png")
        return detected

    with monkeypatch.context() as patch:
        patch.setattr(boxes, "find", find_and_change)
        with pytest.raises(MaskgateError, match=r"3.png: has changed .* repeat the command"):
            work(copied, tmp_path / "out")
    assert work(copied, tmp_path / "out").people == 6


def test_where_nobody_can_be_dressed_it_is_told(copied: Path, tmp_path: Path) -> None:
    photos = layouts.read(copied)
    for names, reason in ((["blue.png", "broken.png"], "no face"), (["green.png"], "no mask")):
        some = photos.take(np.flatnonzero(photos.table["photo"].isin(names)))
        with pytest.raises(MaskgateError, match=rf"nobody can be dressed \(1 × {reason}"):
            work(copied, tmp_path / reason, photos=some)
        assert not (tmp_path / reason / "photos.csv").exists()
    assert not (tmp_path / "no face").exists()


@pytest.mark.parametrize("what", ["seed", "detector", "faces"])
def test_a_folder_made_from_something_else_is_refused(
    faces: Path, dressed_people: people.DressedPeople, what: str
) -> None:
    photos, detector, seed = layouts.read(faces), Known(), 7
    if what == "seed":
        seed = 8
    elif what == "detector":
        detector = Known(score=0.5)
    else:
        photos = photos.take(np.arange(3))
    with pytest.raises(MaskgateError, match=rf"made with another {what}; .* another folder"):
        work(faces, dressed_people.out, photos=photos, detector=detector, seed=seed)


def test_a_folder_with_other_files_is_refused(faces: Path, tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").touch()
    with pytest.raises(MaskgateError, match="it has other files"):
        work(faces, tmp_path)
    with pytest.raises(MaskgateError, match="is a file"):
        work(faces, tmp_path / "holiday.jpg")
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_photos_without_a_bare_face_are_refused(faces: Path, tmp_path: Path) -> None:
    photos = layouts.read(faces)
    masked = photos.take(np.flatnonzero(photos.table["mask"] == 0))
    with pytest.raises(MaskgateError, match="no photo shows a bare face"):
        work(faces, tmp_path / "out", photos=masked)


@pytest.mark.slow
def test_ctrl_c_ends_the_workers_too(faces: Path, tmp_path: Path) -> None:
    out = tmp_path / "stopped"
    code = (
        "import importlib.util, sys; from pathlib import Path\n"
        "if __name__ == '__main__':\n"
        "    from maskgate.core import interruption; interruption.watch()\n"
        f"    spec = importlib.util.spec_from_file_location('test_people', {__file__!r})\n"
        "    test = importlib.util.module_from_spec(spec); spec.loader.exec_module(test)\n"
        "    test.slow(0.6); test.workers.CHUNK = 1\n"
        f"    faces, out = Path({str(faces)!r}), Path({str(out)!r})\n"
        "    try: test.work(faces, out, workers=2)\n"
        "    except interruption.Interrupted: print('stopped'); sys.exit(130)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, start_new_session=True
    )
    while not (out / "images").exists():
        assert process.poll() is None
        time.sleep(0.01)
    time.sleep(1)  # so that the workers are there
    os.killpg(process.pid, signal.SIGINT)
    # All of them hold the pipe: it is at its end when the last of them has ended.
    error_output, _ = process.communicate(timeout=20)
    assert error_output == b"stopped\n"
    assert process.returncode == 130
    assert not (out / "photos.csv").exists()
