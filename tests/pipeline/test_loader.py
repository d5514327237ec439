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

Shown = Callable[..., "np.ndarray"]

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


def whole(loaded: Iterable[Batch]) -> tuple[Tensor, Tensor]:
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
    made = loader(2)
    table = photo_table.build(["a", "b"], ["a", "b"], [-1, 2], [1, -1], [float("nan"), 70])
    store = made._store
    rows = np.arange(2)
    _, targets = whole(Loader(store, table, GEOMETRY, AUGMENT).validation(rows, 2, 0, 1))
    found = [target.nonzero().flatten().tolist() for target in targets]
    assert found == [[label for label in range(18) if label // 3 % 2 == 1], [14, 17]]


@pytest.mark.parametrize("ranks", [1, 2, 3])
@pytest.mark.parametrize("size", [1, 4, 8, 100])
@pytest.mark.parametrize("count", [1, 2, 21, 22, 23])
def test_validation_gives_every_row_exactly_once(count: int, size: int, ranks: int) -> None:
    rows = np.random.default_rng(1).permutation(COUNT)[:count]
    made, found = loader(), np.full(count, -1)
    for rank in range(ranks):
        batches = [numbers(photos) for photos, _ in made.validation(rows, size, rank, ranks)]
        assert all(len(batch) <= max(1, size // ranks) for batch in batches)
        share = [number for batch in batches for number in batch]
        assert len(share) == len(rows[rank::ranks])
        found[rank::ranks] = share
    assert found.tolist() == rows.tolist()


def test_validation_photos_are_the_centre_and_never_augmented() -> None:
    made = loader()
    rows = np.arange(COUNT)
    wanted = np.stack([pixels.centre(made._store[row], GEOMETRY) for row in range(COUNT)])
    for _ in range(2):
        whole(made.training(BATCHES, start=0, rank=0, ranks=1, place=PLACE))
        photos, _ = whole(made.validation(rows, 8, 0, 1))
        np.testing.assert_array_equal(photos, wanted)


def test_validation_photos_equal_pixels_read_of_their_files(
    shown: Shown, people: Path, cache: Path
) -> None:
    photos = layouts.read(people)
    photos = photos.take(np.arange(0, len(photos.table), 5))
    geometry = Geometry(33, 24, 0.2)
    store, _ = caches.build(photos, View(geometry), cache)
    made = Loader(store, photos.table, geometry, Augment([Component(name="random_crop")], geometry))
    found, targets = whole(made.validation(np.arange(len(photos.table)), 16, 0, 1))
    for row, name in enumerate(photos.table["photo"]):
        np.testing.assert_array_equal(found[row], shown(photos.root / name, View(geometry)))
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
            whole(each.training(BATCHES, start=start, rank=0, ranks=1, place=PLACE))
            for each in (alone, helped)
        )
        assert torch.equal(one[0], other[0])
        assert torch.equal(one[1], other[1])
    rows = np.arange(COUNT)
    one, other = (whole(each.validation(rows, 8, 0, 1)) for each in (alone, helped))
    assert torch.equal(one[0], other[0])


@pytest.mark.parametrize("workers", [0, 2])
def test_photos_augmented_on_the_device_are_those_that_workers_augment(workers: int) -> None:
    made = loader(workers=workers)
    made._augments_first = False  # as on a GPU
    one, other = (
        whole(each.training(BATCHES, start=0, rank=0, ranks=1, place=PLACE))
        for each in (loader(), made)
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
        for (photos, targets), (wanted, wanted_targets) in zip(rest, every[start:], strict=True):
            assert torch.equal(photos, wanted)
            assert torch.equal(targets.classes, wanted_targets.classes)


def test_an_epoch_at_its_end_has_no_batches_left() -> None:
    assert list(loader().training(BATCHES, start=len(BATCHES), rank=0, ranks=1, place=PLACE)) == []


def test_a_photo_drawn_twice_in_an_epoch_differs() -> None:
    batches = [np.full(8, 5), np.full(8, 5)]
    photos, _ = whole(loader().training(batches, start=0, rank=0, ranks=1, place=PLACE))
    assert set(numbers(photos)) == {5}
    assert len({photo.numpy().tobytes() for photo in photos}) > 8


def test_pixels_are_a_function_of_the_place_and_of_nothing_else() -> None:
    def epoch(*place: int) -> Tensor:
        return whole(loader().training(BATCHES, start=0, rank=0, ranks=1, place=place))[0]

    first = epoch(*PLACE)
    torch.manual_seed(1234)
    np.random.default_rng().random()
    assert torch.equal(epoch(*PLACE), first)
    for other in ((8, 0, 3), (7, 1, 3), (7, 0, 4)):
        assert not torch.equal(epoch(*other), first)


def test_two_loaders_share_nothing() -> None:
    one = loader(10)
    rows = np.arange(10)
    before = whole(one.validation(rows, 4, 0, 1))
    other = loader(6, first=100)
    after = whole(one.validation(rows, 4, 0, 1))
    assert torch.equal(before[0], after[0])
    assert torch.equal(before[1], after[1])
    assert numbers(after[0]) == list(range(10))
    assert numbers(whole(other.validation(np.arange(6), 4, 0, 1))[0]) == list(range(100, 106))
    with pytest.raises(IndexError):
        whole(other.validation(np.array([6]), 4, 0, 1))


def test_targets_have_all_18_classes() -> None:
    _, targets = whole(loader().validation(np.arange(COUNT), 8, 0, 1))
    assert targets.shape == (COUNT, labels.COUNT)
    assert targets.dtype == torch.bool
