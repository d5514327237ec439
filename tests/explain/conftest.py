"""Runs on drawn people in front of a plain wall: in one the mask decides the label, in the other
the colour of the wall; and networks that look at one of the two."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

from maskgate import labels
from maskgate.faces.protocol import Faces
from maskgate.model.heads import Output
from maskgate.synthetic.people import drawing, sample_people

HEIGHT, WIDTH = 96, 80
PERSON = (56, 44)  # height and width of the drawn person in the middle
FACE = (29.0, 34.0, 52.0, 62.0)  # left, top, right, bottom
WALLS = ((200, 60, 50), (60, 190, 80))
MASK = (60, 120, 240)  # its colour


class MiddleDetector:
    """Finds the face where it is drawn."""

    name, sha256 = "middle", "0" * 64
    arguments: dict[str, Any] = {}  # noqa: RUF012
    files: dict[str, Path] = {}  # noqa: RUF012

    def __call__(self, photo: np.ndarray) -> Faces:
        points = np.zeros((1, 5, 2), np.float32)
        return Faces(np.array([FACE], np.float32), points, np.ones(1, np.float32))


@pytest.fixture
def detector(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every detector is a MiddleDetector."""
    from maskgate.faces import detectors

    monkeypatch.setattr(detectors, "create", lambda *_, **__: MiddleDetector())


def scene(random: np.random.Generator, number: int, has_mask: bool, wall: int) -> Image.Image:
    """A drawn person in front of a wall."""
    face = sample_people.person(np.random.default_rng([number, 5]), number % 2, 20 + number % 50)
    person = drawing.photo(face, "not_wear", PERSON, random)
    shade = random.normal(0, 12, (HEIGHT, WIDTH, 3)) + WALLS[wall]
    image = Image.fromarray(shade.clip(0, 255).astype(np.uint8))
    image.paste(person, ((WIDTH - PERSON[1]) // 2, (HEIGHT - PERSON[0]) // 2))
    if has_mask:
        left, top, right, bottom = map(round, FACE)
        image.paste(MASK, (left, (top + bottom) // 2, right, bottom))
    return image


def write_scenes(folder: Path, by_wall: bool, people: int = 40) -> Path:
    """The CSV of 4 photos of each person, with each mask and wall; the wall's colour is the label
    if `by_wall`, else the mask."""
    folder.mkdir(parents=True)
    random = np.random.default_rng(3)
    rows = []
    for number in range(people):
        for shot in range(4):
            has_mask, wall = shot % 2 == 0, shot // 2
            value = labels.MASKS[0] if (wall == 0 if by_wall else has_mask) else labels.MASKS[2]
            name = f"{number}-{shot}.png"
            scene(random, number, has_mask, wall).save(folder / name)
            rows.append((name, f"p{number}", value))
    path = folder / "photos.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([("photo", "person", "mask"), *rows])
    return path


@pytest.fixture(scope="session")
def scene_run(
    train: "Callable[..., Path]", tmp_path_factory: pytest.TempPathFactory
) -> "Callable[..., Path]":
    """`scene_run(name, epochs)` is a run on the scenes whose label the `mask` or the `wall`
    decides; trained when it is first needed."""
    runs: dict[tuple[str, int], Path] = {}

    def run(name: str, epochs: int = 1) -> Path:
        if (name, epochs) not in runs:
            folder = tmp_path_factory.mktemp(f"scenes-{name}")
            runs[name, epochs] = train(
                folder / "run",
                "photo={height: 64, width: 54, margin: 0}",
                "model.head={name: one_attribute, of: mask}",
                f"training={{epochs: {epochs}, batch_size: 16}}",
                "augment=[]",
                data=write_scenes(folder / "photos", name == "wall"),
            )
        return runs[name, epochs]

    return run


class PatchNetwork(nn.Module):
    """A network that looks at the mean colour of one part of the picture, (N, H, W, 3)."""

    def __init__(self, rows: slice, columns: slice, colours: tuple[float, float, float]) -> None:
        super().__init__()
        self.rows, self.columns = rows, columns
        self.colours = nn.Parameter(torch.tensor(colours))
        self.head = SimpleNamespace(attributes=("mask",))

    def forward(self, pictures: Tensor) -> Output:
        part = pictures[:, self.rows, self.columns].float().mean((1, 2))
        worn = part @ self.colours / 10
        log_masks = torch.stack([worn, torch.full_like(worn, -20), -worn], 1).log_softmax(1)
        log_probabilities = log_masks.repeat_interleave(6, 1) - np.log(6)
        return Output(log_probabilities, {"features": part})


@pytest.fixture
def looking_at() -> "Callable[[str], PatchNetwork]":
    """`looking_at(name)` is a network for pictures of 64×54 that looks at the `mask`, or the `wall`
    in a corner."""
    parts = {
        "mask": PatchNetwork(slice(33, 40), slice(22, 33), (-1.0, 0.0, 1.0)),
        "wall": PatchNetwork(slice(0, 8), slice(0, 8), (1.0, -1.0, 0.0)),
    }
    return parts.__getitem__
