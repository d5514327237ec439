"""The eight bugs of the organisers' starting code, which entrants carried along for years.

One test a bug, in the order of their list; what lies behind each is tested further beside its
module.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from maskgate import labels
from maskgate.config.recipe import Recipe, load
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.data import folds, layouts
from maskgate.faces.view import View
from maskgate.inference import loading
from maskgate.inference.backends.torch import TorchBackend
from maskgate.inference.classifier import SingleModel
from maskgate.inference.predictor import Predictor
from maskgate.model import heads
from maskgate.model.heads import HEADS, Output
from maskgate.model.losses.class_losses import CLASS_LOSSES
from maskgate.pipeline import cache as caches
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.transforms import Augment

NetworkInput = Callable[..., "np.ndarray"]

GEOMETRY = Geometry(32, 24, 0.25)
AUGMENT = (Component(name="random_crop"), Component(name="color_jitter", brightness=0.5))


@pytest.fixture(scope="module")
def loader(people: Path, cache: Path) -> Loader:
    photos = layouts.read(people)
    store, _ = caches.build(photos, View(GEOMETRY), cache)
    return Loader(store, photos.table, GEOMETRY, Augment(AUGMENT, GEOMETRY))


def test_1_the_hold_out_is_as_large_as_asked_for(people: Path) -> None:
    """Drawn with replacement, 20% asked for gave 18%."""
    photos = layouts.read(people)
    person = photos.table["person"].factorize()[0].astype(np.int64)
    for seed in range(10):
        fold = folds.split(photos, person, "holdout", 5, 0.25, seed)
        assert len(np.unique(person[fold == 0])) == 8  # of 32 people


def test_2_two_data_sets_share_nothing(people: Path, cache: Path) -> None:
    """Lists kept on the class doubled with the second object."""
    photos = layouts.read(people)
    store, _ = caches.build(photos, View(GEOMETRY), cache)
    sizes = []
    for _ in range(2):
        loader = Loader(store, photos.table, GEOMETRY, Augment((), GEOMETRY))
        sizes.append(sum(len(p) for p, _ in loader.validation(np.arange(len(store)), 50, 0, 1)))
    assert sizes == [len(photos.table)] * 2


def test_3_the_standard_deviation_is_that_of_the_pixels(people: Path, cache: Path) -> None:
    """It was computed wrongly (about 0.61), published and used."""
    store, _ = caches.build(layouts.read(people), View(GEOMETRY), cache)
    mean, std = caches.statistics(store, np.arange(len(store)))
    everything = np.stack([store[row] for row in range(len(store))]) / 255
    np.testing.assert_allclose(mean, everything.mean((0, 1, 2)), atol=1e-9)
    np.testing.assert_allclose(std, everything.std((0, 1, 2)), atol=1e-9)
    assert max(std) < 0.4


def test_4_validation_photos_are_not_augmented(
    network_input: NetworkInput, loader: Loader, people: Path
) -> None:
    rows = np.arange(10)
    images = people / "train" / "images"
    (photos, _), *_ = loader.validation(rows, 10, 0, 1)
    names = layouts.read(people).table["photo"]
    expected = np.stack([network_input(images / names[row], View(GEOMETRY)) for row in rows])
    np.testing.assert_array_equal(photos.numpy(), expected)
    (augmented, _), *_ = loader.training([rows], start=0, rank=0, ranks=1, place=(7,))
    assert (augmented.numpy() != expected).any()


def test_5_test_photos_are_cropped_as_training_photos_are(people: Path, cache: Path) -> None:
    photos = layouts.read(people)
    store, _ = caches.build(photos, View(GEOMETRY), cache)
    loader = Loader(store, photos.table, GEOMETRY, Augment((), GEOMETRY))
    (trained_on, _), *_ = loader.training([np.arange(4)], start=0, rank=0, ranks=1, place=(7,))
    batches: list[torch.Tensor] = []

    class Spy(torch.nn.Module):
        head = HEADS["joint"](4)

        def forward(self, batch: torch.Tensor) -> Output:
            batches.append(batch)
            return Output(torch.zeros(len(batch), labels.COUNT).log_softmax(1), {})

    paths = [photos.root / photos.table["photo"][row] for row in range(4)]
    network = TorchBackend(Spy())  # type: ignore[arg-type]
    Predictor(SingleModel([network], View(GEOMETRY))).predict(paths)
    np.testing.assert_array_equal(batches[0].cpu().numpy(), trained_on.numpy())


def test_6_validation_keeps_its_last_partial_batch(loader: Loader) -> None:
    sizes = [len(photos) for photos, _ in loader.validation(np.arange(37), 16, 0, 1)]
    assert sizes == [16, 16, 5]


def test_7_sizes_are_numbers(tiny: Path, train: Callable[..., Path], tmp_path: Path) -> None:
    """Given on the command line they were parsed as lists of characters."""
    recipe = load(tiny, ["photo.height=48", "photo.width=40"])
    assert recipe.photo.geometry == Geometry(48, 40, 0.25)
    run = train(tmp_path / "run", "photo.height=48", "photo.width=40", "training.epochs=1",
                "folds.kind=all")  # fmt: skip
    assert loading.load(run).views == [View(Geometry(48, 40, 0.25))]


def test_8_everything_counts_18_classes() -> None:
    """Focal, F1 and label-smoothing losses defaulted to 3."""
    assert labels.COUNT == len(labels.CLASSES) == 18
    every = torch.eye(18, dtype=torch.bool)
    for name in HEADS:
        of = {"of": "mask"} if name == "one_attribute" else {}
        head = heads.create(Component(name=name, **of), 4)
        assert head(torch.randn(18, 4)).log_probabilities.shape == (18, 18)
    log_p = torch.randn(18, 18).log_softmax(1)
    for name, make in CLASS_LOSSES.items():
        loss = make(np.ones(18, dtype=np.int64))
        assert loss(every.float().clamp(min=1e-6).log(), every) < loss(log_p, every), name
    assert Recipe().loss.name in CLASS_LOSSES
