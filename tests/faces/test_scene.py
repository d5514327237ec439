"""What `background: remove` is for: a model does not care in which room a person stands."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image, ImageDraw

import maskgate
from maskgate.faces.detectors import DETECTORS
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import Faces
from maskgate.imaging.pixels import Pixels

SIZE = (80, 64)  # height, width
BOX = (20, 16, 44, 46)
ROOMS = {"wear": (40, 150, 60), "not_wear": (50, 60, 170)}  # in training, where masks are worn
OTHER = {"wear": "not_wear", "not_wear": "wear"}


class Known:
    """A detector that knows where the face is."""

    name, sha256 = "known", "0" * 64

    def __init__(self, folders: Folders) -> None:
        self.arguments: dict[str, Any] = {}
        self.files: dict[str, Path] = {}

    def __call__(self, photo: Pixels) -> Faces:
        points = np.array([[[27, 28], [37, 28], [32, 34], [28, 40], [36, 40]]], dtype=np.float32)
        return Faces(np.array([BOX], dtype=np.float32), points, np.ones(1, dtype=np.float32))


def portrait(path: Path, mask: str, room: str, number: int) -> None:
    """Somebody in a room, with or without a white mask; the same body whatever the room."""
    random = np.random.default_rng(number)
    skin = tuple(int(each) for each in random.normal((205, 165, 140), 12).clip(0, 255))
    body = tuple(int(each) for each in random.integers(90, 200, 3))
    image = Image.new("RGB", SIZE[::-1], ROOMS[room])
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 56, 54, 80), fill=body)
    draw.rectangle((27, 44, 37, 58), fill=skin)
    draw.ellipse((18, 9, 46, 47), fill=(45, 35, 30))
    draw.ellipse(BOX, fill=skin)
    for x in (27, 37):
        draw.ellipse((x - 2, 27, x + 2, 30), fill=(30, 30, 30))
    if mask == "wear":
        draw.polygon([(21, 32), (43, 32), (41, 42), (32, 46), (23, 42)], fill=(235, 235, 240))
    noise = np.random.default_rng(number + 1000).normal(0, 5, (*SIZE, 3))
    Image.fromarray((np.asarray(image) + noise).clip(0, 255).astype(np.uint8)).save(path)


@pytest.fixture
def detector() -> Iterator[None]:
    DETECTORS["known"] = Known
    yield
    del DETECTORS["known"]


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    """Training photos in which the room tells everything, and test photos in which it lies."""
    rows = []
    for number in range(64):
        mask = ("wear", "not_wear")[number % 2]
        portrait(tmp_path / f"{number}.png", mask, mask, number)
        rows.append((f"{number}.png", mask))
    for number in range(64, 96):
        mask = ("wear", "not_wear")[number % 2]
        portrait(tmp_path / f"true-{number}.png", mask, mask, number)
        portrait(tmp_path / f"swapped-{number}.png", mask, OTHER[mask], number)
    pd.DataFrame(rows, columns=["photo", "mask"]).to_csv(tmp_path / "photos.csv", index=False)
    return tmp_path


@pytest.mark.slow
def test_a_model_without_scenes_does_not_mind_another_room(
    photos: Path, train: Callable[..., Path], detector: None, tmp_path: Path
) -> None:
    wrong = {}
    for background in ("keep", "remove"):
        run = train(
            tmp_path / background,
            f"photo.face={{detector: known, margin: 0.5, background: {background}}}",
            "photo.height=40",
            "photo.width=32",
            "folds.kind=all",
            "training.epochs=8",
            "training.batch_size=8",
            "augment=[]",
            data=photos / "photos.csv",
        )
        model = maskgate.load(run)
        predictions = {
            kind: model.predict(sorted(photos.glob(f"{kind}-*.png"))).to_pandas()["mask"].to_numpy()
            for kind in ("true", "swapped")
        }
        truth = np.where(np.arange(64, 96) % 2, "not_wear", "wear")
        assert (predictions["true"] == truth).mean() > 0.9
        wrong[background] = (predictions["swapped"] != predictions["true"]).mean()
    assert wrong["keep"] > 0.5  # it had learned the room
    assert wrong["remove"] < 0.1
