"""Batches: every photo counted, the same whatever the processes, workers and restarts."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.data import layouts
from maskgate.data import table as photo_table
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.pipeline import cache as caches
from maskgate.pipeline import sampling
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.loader import Batch, Loader
from maskgate.pipeline.shards import Shards
from maskgate.pipeline.transforms import Augment

NetworkInput = Callable[..., "np.ndarray"]

GEOMETRY = Geometry(16, 12, 0.5)
COUNT = 23
AUGMENT = Augment([Component(name="random_crop"), Component(name="horizontal_flip")], GEOMETRY)
PLACE = (7, 0, 3)
BATCHES = sampling.batches(np.random.default_rng(0).permutation(COUNT), 5)


def loader(count: int = COUNT, first: int = 0, workers: int = 0) -> Loader:
    """`count` noisy photos, told apart by the blue of all their pixels: `first` and on."""
    random = np.random.default_rng(first)
    stored = random.integers(0, 256, (count, *GEOMETRY.stored, 3), dtype=np.uint8)
    number = np.arange(first, first + count)
    stored[..., 2] = number[:, None, None]
    slots = random.permutation(count)  # rows do not lie in the cache in their order
    pictures = Shards.of(stored[np.argsort(slots)])
    store = PhotoStore(pictures, pictures, slots, [str(n) for n in number])
    codes = number % 3, number % 2, [20, 40, 70] * count
    names = [f"{n}.jpg" for n in number]
    table = photo_table.build(names, names, codes[0], codes[1], codes[2][:count])
    return Loader(store, table, GEOMETRY, AUGMENT, workers)


def concatenate(loaded: Iterable[Batch]) -> tuple[Tensor, Tensor]:
    """All batches as one."""
    photos, targets = zip(*loaded, strict=True)
    return torch.cat(photos), torch.cat([target.classes for target in targets])


def numbers(photos: Tensor) -> list[int]:
    return photos[:, 0, 0, 2].tolist()


def test_a_training_batch_holds_the_photos_drawn_and_their_targets() -> None:
    batches = list(loader().training(BATCHES, start=0, rank=0, ranks=1, place=PLACE))
    assert len(batches) == 4
    for rows, (photos, targets) in zip(BATCHES, batches, strict=True):
        assert photos.shape == (5, 16, 12, 3)
        assert photos.dtype == torch.uint8
        assert numbers(photos) == rows.tolist()
        for row, target in zip(rows.tolist(), targets.classes, strict=True):
            label = row % 3 * 6 + row % 2 * 3 + row % 3
            assert target.nonzero().flatten().tolist() == [label]


def test_targets_of_partial_labels_are_all_that_agree() -> None:
    photo_loader = loader(2)
    table = photo_table.build(["a", "b"], ["a", "b"], [-1, 2], [1, -1], [float("nan"), 70])
    store = photo_loader._store
    rows = np.arange(2)
    _, targets = concatenate(Loader(store, table, GEOMETRY, AUGMENT).validation(rows, 2, 0, 1))
    classes = [target.nonzero().flatten().tolist() for target in targets]
    assert classes == [[label for label in range(18) if label // 3 % 2 == 1], [14, 17]]


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 4, 8, 100])
@pytest.mark.parametrize("count", [1, 2, 21, 22, 23])
def test_validation_gives_every_row_exactly_once(count: int, size: int, ranks: int) -> None:
    rows = np.random.default_rng(1).permutation(COUNT)[:count]
    photo_loader, photo_numbers = loader(), np.full(count, -1)
    for rank in range(ranks):
        batches = [
            numbers(photos) for photos, _ in photo_loader.validation(rows, size, rank, ranks)
        ]
        assert all(len(batch) <= max(1, size // ranks) for batch in batches)
        share = [number for batch in batches for number in batch]
        assert len(share) == len(rows[rank::ranks])
        photo_numbers[rank::ranks] = share
    assert photo_numbers.tolist() == rows.tolist()


def test_validation_photos_are_the_centre_and_never_augmented() -> None:
    photo_loader = loader()
    rows = np.arange(COUNT)
    centres = np.stack([pixels.centre(photo_loader._store[row], GEOMETRY) for row in range(COUNT)])
    for _ in range(2):
        concatenate(photo_loader.training(BATCHES, start=0, rank=0, ranks=1, place=PLACE))
        photos, _ = concatenate(photo_loader.validation(rows, 8, 0, 1))
        np.testing.assert_array_equal(photos, centres)


def test_validation_photos_equal_pixels_read_of_their_files(
    network_input: NetworkInput, people: Path, cache: Path
) -> None:
    photos = layouts.read(people)
    photos = photos.take(np.arange(0, len(photos.table), 5))
    geometry = Geometry(33, 24, 0.2)
    store, _ = caches.build(photos, View(geometry), cache)
    photo_loader = Loader(
        store, photos.table, geometry, Augment([Component(name="random_crop")], geometry)
    )
    pictures, targets = concatenate(photo_loader.validation(np.arange(len(photos.table)), 16, 0, 1))
    for row, name in enumerate(photos.table["photo"]):
        np.testing.assert_array_equal(
            pictures[row], network_input(photos.root / name, View(geometry))
        )
    assert targets.int().argmax(1).tolist() == photos.table["label"].tolist()


@pytest.mark.parametrize("ranks", [2, 3, 5])
def test_the_shares_of_several_processes_are_the_batch_of_one(ranks: int) -> None:
    alone = list(loader().training(BATCHES, start=0, rank=0, ranks=1, place=PLACE))
    shares = [
        list(loader().training(BATCHES, start=0, rank=rank, ranks=ranks, place=PLACE))
        for rank in range(ranks)
    ]
    for number, (photos, targets) in enumerate(alone):
        for rank in range(ranks):
            share_photos, share_targets = shares[rank][number]
            assert torch.equal(share_photos, photos[rank::ranks])
            assert torch.equal(share_targets.classes, targets.classes[rank::ranks])


def test_workers_give_the_same_pixels() -> None:
    alone, helped = loader(), loader(workers=2)
    for start in (0, 2):
        one, other = (
            concatenate(each.training(BATCHES, start=start, rank=0, ranks=1, place=PLACE))
            for each in (alone, helped)
        )
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    rows = np.arange(COUNT)
    one, other = (concatenate(each.validation(rows, 8, 0, 1)) for each in (alone, helped))
    assert torch.equal(one[0], other[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_photos_augmented_on_the_device_are_those_that_workers_augment(workers: int) -> None:
    device_loader = loader(workers=workers)
    device_loader._augments_first = False  # as on a GPU
    one, other = (
        concatenate(each.training(BATCHES, start=0, rank=0, ranks=1, place=PLACE))
        for each in (loader(), device_loader)
    )
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[1], other[1])


@pytest.mark.parametrize("start", [1, 2, 3])
@pytest.mark.parametrize("ranks", [1, 2])
def test_an_epoch_taken_up_is_the_rest_of_it(ranks: int, start: int) -> None:
    for rank in range(ranks):
        every = list(loader().training(BATCHES, start=0, rank=rank, ranks=ranks, place=PLACE))
        rest = list(loader().training(BATCHES, start=start, rank=rank, ranks=ranks, place=PLACE))
        assert len(rest) == len(every) - start
        for (photos, targets), (expected, expected_targets) in zip(
            rest, every[start:], strict=True
        ):
            assert torch.equal(photos, expected)
            assert torch.equal(targets.classes, expected_targets.classes)


def test_an_epoch_at_its_end_has_no_batches_left() -> None:
    assert list(loader().training(BATCHES, start=len(BATCHES), rank=0, ranks=1, place=PLACE)) == []


def test_a_photo_drawn_twice_in_an_epoch_differs() -> None:
    batches = [np.full(8, 5), np.full(8, 5)]
    photos, _ = concatenate(loader().training(batches, start=0, rank=0, ranks=1, place=PLACE))
    assert set(numbers(photos)) == {5}
    assert len({photo.numpy().tobytes() for photo in photos}) > 8


def test_pixels_are_a_function_of_the_place_and_of_nothing_else() -> None:
    def epoch(*place: int) -> Tensor:
        return concatenate(loader().training(BATCHES, start=0, rank=0, ranks=1, place=place))[0]

    first = epoch(*PLACE)
    torch.manual_seed(1234)
    np.random.default_rng().random()
    assert torch.equal(epoch(*PLACE), first)
    for other in ((8, 0, 3), (7, 1, 3), (7, 0, 4)):
        assert not torch.equal(epoch(*other), first)


def test_two_loaders_share_nothing() -> None:
    one = loader(10)
    rows = np.arange(10)
    before = concatenate(one.validation(rows, 4, 0, 1))
    other = loader(6, first=100)
    after = concatenate(one.validation(rows, 4, 0, 1))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert numbers(after[0]) == list(range(10))
    assert numbers(concatenate(other.validation(np.arange(6), 4, 0, 1))[0]) == list(range(100, 106))
    with pytest.raises(IndexError):
        concatenate(other.validation(np.array([6]), 4, 0, 1))


def test_targets_have_all_18_classes() -> None:
    _, targets = concatenate(loader().validation(np.arange(COUNT), 8, 0, 1))
    assert targets.shape == (COUNT, labels.COUNT)
    assert targets.dtype == torch.bool
