"""Faces are found once: by content, resumably, with every broken photo told."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces import boxes
from maskgate.faces.protocol import BOX, NO_FACES, Faces, detector_key
from maskgate.imaging import pixels
from maskgate.imaging.decoding import limits
from maskgate.imaging.pixels import Pixels

COUNT = 20


class Toy:
    """A face in each corner that is bright; no model is needed."""

    name = "toy"
    sha256 = "0" * 64

    def __init__(self, **arguments: object) -> None:
        self.arguments = dict(arguments)
        self.files: dict[str, Path] = {}
        self.calls = 0

    def __call__(self, photo: Pixels) -> Faces:
        self.calls += 1
        height, width = photo.shape[:2]
        corners = [(y, x) for y in (0, height - 1) for x in (0, width - 1) if photo[y, x, 0] > 128]
        if not corners:
            return NO_FACES
        box = np.array([(x - 2, y - 3, x + 4, y + 5) for y, x in corners], dtype=np.float32)
        points = np.arange(len(box) * 10, dtype=np.float32).reshape(-1, 5, 2)
        return Faces(box, points, np.linspace(0.9, 0.5, len(box), dtype=np.float32))


def picture(path: Path, number: int) -> None:
    """Of which corners are bright is the number in binary."""
    image = np.random.default_rng(number).integers(0, 100, (12, 16, 3), dtype=np.uint8)
    for bit, (y, x) in enumerate([(0, 0), (0, 15), (11, 0), (11, 15)]):
        image[y, x] = 255 if number >> bit & 1 else 0
    Image.fromarray(image).save(path)


@pytest.fixture
def photos(tmp_path: Path) -> Photos:
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        picture(folder / f"{number}.png", number)
    names = [f"{number}.png" for number in range(COUNT)]
    return Photos(folder, pd.DataFrame({"photo": names, "mask": 0}))


def test_every_photo_has_what_the_detector_finds_in_it(photos: Photos, tmp_path: Path) -> None:
    toy = Toy()
    detected, digests, problems = boxes.find(photos, toy, tmp_path / "cache")
    assert (toy.calls, problems) == (COUNT, [])
    for name, digest in zip(photos.table["photo"], digests, strict=True):
        expected = toy(np.asarray(pixels.decode(photos.root / name)))
        for field in ("boxes", "landmarks", "scores"):
            np.testing.assert_array_equal(
                getattr(detected.faces(digest), field), getattr(expected, field)
            )


def test_a_photo_that_is_made_smaller_tells_boxes_in_its_own_pixels(
    photos: Photos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache = tmp_path / "cache"
    for name in photos.table["photo"]:
        with Image.open(photos.root / name) as image:
            image.resize((32, 24), Image.Resampling.NEAREST).save(photos.root / name)
    detected, digests, _ = boxes.find(photos, Toy(), cache)
    plain = detected.all_faces(photos, digests)
    assert plain["main"].any()
    monkeypatch.setattr(limits, "LARGE", 300)  # of 768: half of each side is left
    toy = Toy()
    halves, digests, _ = boxes.find(photos, toy, cache)
    assert toy.calls == COUNT, "what an older version found in the whole photo is looked for anew"
    every = halves.all_faces(photos, digests)
    assert set(every["height"]) == set(plain["height"]) == {24}
    assert set(every["width"]) == set(plain["width"]) == {32}
    table = halves.table(digests)
    for row, digest in enumerate(digests):
        number = halves.main_face(digest)
        faces = halves.faces(digest)
        assert faces is not None
        if number is not None:
            np.testing.assert_allclose(table.loc[row, list(BOX)], 2 * faces.boxes[number])
            points = 2 * faces.landmarks[number].ravel()
            np.testing.assert_allclose(table.loc[row, list(boxes.POINTS)], points)
            assert table.loc[row, "score"] == faces.scores[number]
    toy = Toy()
    again, _, _ = boxes.find(photos, toy, cache)
    assert toy.calls == 0
    pd.testing.assert_frame_equal(again.table(digests), table)


def test_what_was_found_is_not_looked_for_again_wherever_it_lies(
    photos: Photos, tmp_path: Path
) -> None:
    cache = tmp_path / "cache"
    boxes.find(photos, Toy(), cache)
    (photos.root / "0.png").rename(photos.root / "moved.png")
    names = [*photos.table["photo"][1:], "moved.png"]
    again = Toy()
    moved = Photos(photos.root, pd.DataFrame({"photo": names}))
    _, digests, _ = boxes.find(moved, again, cache)
    assert again.calls == 0 and len(digests) == COUNT
    other = Toy(score=0.5)
    assert detector_key(other) != detector_key(again)
    boxes.find(moved, other, cache)
    assert other.calls == COUNT


@pytest.mark.parametrize(
    "damage",
    [
        "faces = substr(faces, 1, 7)", "faces = NULL", "faces = 'text'", "height = NULL",
        "width = 'x'",
    ],
)  # fmt: skip
def test_faces_that_are_damaged_are_looked_for_again(
    damage: str, photos: Photos, tmp_path: Path
) -> None:
    cache, toy = tmp_path / "cache", Toy()
    before, digests, _ = boxes.find(photos, toy, cache)
    (index,) = cache.glob("*/index.sqlite")
    with sqlite3.connect(index) as connection:
        connection.execute(f"UPDATE photos SET {damage} WHERE length(faces) > 0")
    first_calls, toy.calls = toy.calls, 0
    after, _, problems = boxes.find(photos, toy, cache)
    assert problems == []
    assert 0 < toy.calls < first_calls, "only photos with faces were damaged"
    pd.testing.assert_frame_equal(after.table(digests), before.table(digests))


def test_tables_tell_the_face_that_counts_and_all(photos: Photos, tmp_path: Path) -> None:
    detected, digests, _ = boxes.find(photos, Toy(), tmp_path / "cache")
    main = detected.table(digests)
    every = detected.all_faces(photos, digests)
    assert list(main["faces"][:4]) == [0, 1, 1, 2]
    assert main["left"].isna().tolist() == (main["faces"] == 0).tolist()
    for row, name in enumerate(photos.table["photo"]):
        rows = every[every["photo"] == name]
        if main["faces"][row] == 0:
            assert rows["face"].tolist() == [-1] and rows["left"].isna().all()
            continue
        assert rows["face"].tolist() == list(range(main["faces"][row]))
        (counts,) = rows[rows["main"]].to_dict("records")
        for column in (*BOX, *boxes.POINTS, "score"):
            assert counts[column] == main[column][row]
    assert set(every["detector"]) == {"toy"} and set(every["sha256"]) == {"0" * 64}
    assert set(every["width"]) == {16} and set(every["height"]) == {12}
    path = tmp_path / "boxes.parquet"
    boxes.write(path, every)
    pd.testing.assert_frame_equal(pd.read_parquet(path), every, check_dtype=False)


def test_broken_photos_are_told_together(photos: Photos, tmp_path: Path) -> None:
    (photos.root / "3.png").write_bytes(b"no photo")
    (photos.root / "5.png").unlink()
    detected, digests, problems = boxes.find(photos, Toy(), tmp_path / "cache")
    assert [problem.where for problem in problems] == ["3.png", "5.png"]
    assert all(problem.fatal for problem in problems)
    assert len(digests) == COUNT - 2
    detected.table(digests)
    picture(photos.root / "5.png", 5)
    assert len(boxes.find(photos, Toy(), tmp_path / "cache")[2]) == 1


def test_photos_of_one_content_share_what_is_found(photos: Photos, tmp_path: Path) -> None:
    content = (photos.root / "1.png").read_bytes()
    (photos.root / "2.png").write_bytes(content)
    detected, digests, _ = boxes.find(photos, Toy(), tmp_path / "cache")
    assert digests[1] == digests[2]
    assert len(detected.all_faces(photos, digests).query("photo in ['1.png', '2.png']")) == 2


KILLED = """
import os, signal, sys, time
from pathlib import Path
import pandas as pd
sys.path.insert(0, sys.argv[3])
from test_boxes import Toy
from maskgate.data.table import Photos
from maskgate.faces import boxes
boxes._CHUNK = 3
class Slow(Toy):
    def __call__(self, photo):
        if self.calls >= 8:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().__call__(photo)
folder = Path(sys.argv[1])
names = [f"{n}.png" for n in range(20)]
boxes.find(Photos(folder, pd.DataFrame({"photo": names})), Slow(), Path(sys.argv[2]))
"""


def test_a_killed_search_goes_on_where_it_was(photos: Photos, tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    place = str(Path(__file__).parent)
    process = subprocess.run(
        [sys.executable, "-c", KILLED, str(photos.root), str(cache), place],
        capture_output=True,
        check=False,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert process.returncode == -signal.SIGKILL, process.stderr.decode()
    toy = Toy()
    detected, digests, _ = boxes.find(photos, toy, cache)
    assert COUNT - 8 <= toy.calls < COUNT
    fresh, same, _ = boxes.find(photos, Toy(), tmp_path / "other")
    assert same == digests
    pd.testing.assert_frame_equal(detected.table(digests), fresh.table(digests))


def test_a_full_disk_is_told(photos: Photos, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder should be")
    with pytest.raises(MaskgateError, match="cannot be written"):
        boxes.find(photos, Toy(), tmp_path / "cache")


def test_other_arguments_or_models_have_another_key() -> None:
    keys = {detector_key(Toy()), detector_key(Toy(a=1)), detector_key(Toy(a=2))}
    other = Toy()
    other.sha256 = "1" * 64
    assert len(keys | {detector_key(other)}) == 4
    assert json.dumps(sorted(keys))
