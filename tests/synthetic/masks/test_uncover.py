"""From masks that are worn to masks worn incorrectly."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate import labels
from maskgate.data import layouts
from maskgate.data.contents import digest
from maskgate.errors import MaskgateError
from maskgate.faces.protocol import NO_FACES, Faces
from maskgate.imaging.pixels import Pixels
from maskgate.synthetic.masks import face_parts, uncover
from maskgate.synthetic.masks.uncover import UncoveredPhotos

STATES = ("wear", "incorrect", "not_wear")


class Middle:
    """Finds a face of 60 pixels in the middle of a photo, and one of 20 in a small one."""

    name, sha256 = "middle", "1" * 64

    def __init__(self) -> None:
        self.arguments: dict[str, Any] = {}
        self.files: dict[str, Path] = {}

    def __call__(self, photo: Pixels) -> Faces:
        if photo.mean() < 10:
            return NO_FACES
        height, width = photo.shape[:2]
        half = height / 4
        middle = np.array([width / 2, height / 2])
        face = np.array([(-0.5, -0.5), (0.5, -0.5), (0, 0), (-0.4, 0.5), (0.4, 0.5)]) * half
        box = [*(middle - half), *(middle + half)]
        return Faces(*(np.array([each], dtype="f4") for each in (box, face + middle, 0.9)))


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four photos of masks worn, five bare faces, and some that are not used."""
    root = tmp_path_factory.mktemp("photos")
    rng = np.random.default_rng(0)

    def save(name: str, level: int, size: int = 120) -> None:
        noise = rng.integers(-9, 10, (size, size, 3))
        Image.fromarray(np.clip(level + noise, 0, 255).astype(np.uint8)).save(root / name)

    rows = ["photo,person,mask"]
    for number in range(9):
        mask = "wear" if number < 4 else "not_wear"
        save(f"{number}.png", 90 + 15 * number)
        rows.append(f"{number}.png,p{number},{mask}")
    save("incorrect.png", 99)
    save("small.png", 99, size=40)
    save("black.png", 0)
    rows += ["incorrect.png,i,incorrect", "small.png,s,wear", "black.png,b,not_wear"]
    (root / "photos.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root / "photos.csv"


def work(source: Path, out: Path, **changes: Any) -> UncoveredPhotos:
    arguments: dict[str, Any] = {"source": source, "folder": out.parent / "cache", "incorrect": 3}
    return uncover.uncover(layouts.read(source), Middle(), out, **(arguments | changes))


def test_each_worn_mask_is_worn_incorrectly_in_some_photos(source: Path, tmp_path: Path) -> None:
    result = work(source, tmp_path / "out")
    photos = layouts.read(tmp_path / "out")
    assert not photos.problems
    counts = dict(zip(STATES, (4, 12, 5), strict=True))
    assert result == UncoveredPhotos(tmp_path / "out", counts, worn=4, bare=5)
    masks = [labels.MASKS[code] for code in photos.table["mask"]]
    assert {state: masks.count(state) for state in STATES} == counts
    digests = {
        digest(path.read_bytes()).hex(): path.stem for path in sorted(source.parent.glob("*.png"))
    }
    for person, state, originals in zip(
        photos.table["person"], masks, photos.table["drawn_from"], strict=True
    ):
        target, other = (int(digests[each]) for each in originals.split())
        assert person == f"p{target}"
        assert target != other
        assert (target < 4) == (state != "not_wear")
        assert (other < 4) == (state == "wear")


def test_the_same_seed_gives_the_same_photos(source: Path, tmp_path: Path) -> None:
    for name, seed in (("one", 7), ("two", 7), ("other", 8)):
        work(source, tmp_path / name, seed=seed)

    def contents(name: str) -> list[bytes]:
        return [path.read_bytes() for path in sorted((tmp_path / name).rglob("*.*"))]

    assert contents("one") == contents("two")
    assert contents("one") != contents("other")


def test_nothing_is_written_over_another_folder(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("mine")
    with pytest.raises(MaskgateError, match="exists already"):
        work(source, out)
    assert [path.name for path in out.iterdir()] == ["mine.txt"]


def test_faces_of_both_kinds_are_needed(source: Path, tmp_path: Path) -> None:
    rows = pd.read_csv(source)
    only = source.parent / "only.csv"
    rows[rows["mask"] != "not_wear"].to_csv(only, index=False)
    with pytest.raises(MaskgateError, match="4 faces with a mask worn and 0 bare"):
        work(only, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    only.unlink()


def test_it_leaves_nothing_where_it_fails(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(face_parts, "paste", lambda *_: None)
    with pytest.raises(MaskgateError, match="no face fits"):
        work(source, tmp_path / "out")
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]
