"""The order of an epoch and its batches."""

import numpy as np
import pandas as pd
import pytest

from maskgate.errors import MaskgateError
from maskgate.images import sampling
from maskgate.recipe import Named

SHUFFLE = Named(name="shuffle")
ROWS = np.array([4, 8, 15, 16, 23, 42, *range(50, 90)])
TABLE = pd.DataFrame(index=range(90))


def order(*place: int, rows: sampling.Rows = ROWS) -> list[int]:
    return sampling.epoch_order(SHUFFLE, rows, TABLE, *place).tolist()


def test_an_epoch_draws_every_row_once() -> None:
    for epoch in range(5):
        drawn = order(7, 0, epoch)
        assert sorted(drawn) == ROWS.tolist()
        assert drawn != ROWS.tolist()


def test_the_order_is_a_function_of_seed_fold_and_epoch() -> None:
    places = [(7, 0, 0), (7, 0, 1), (7, 1, 0), (8, 0, 0), (0, 7, 0)]
    drawn = [tuple(order(*place)) for place in places]
    assert len(set(drawn)) == len(places)
    np.random.default_rng(0).random()
    assert drawn == [tuple(order(*place)) for place in places]


def test_drawing_leaves_the_rows_as_they_were() -> None:
    rows = ROWS.copy()
    order(7, 0, 0, rows=rows)
    np.testing.assert_array_equal(rows, ROWS)


def test_first_places_are_drawn_evenly() -> None:
    rows = np.arange(4)
    first = [order(7, 0, epoch, rows=rows)[0] for epoch in range(400)]
    assert np.bincount(first).min() > 60  # 100 expected


@pytest.mark.parametrize(
    ("count", "size", "whole"), [(46, 8, 5), (46, 23, 2), (46, 2, 23), (46, 46, 1)]
)
def test_only_the_last_partial_batch_is_left_out(count: int, size: int, whole: int) -> None:
    drawn = np.random.default_rng(0).permutation(count)
    batches = sampling.batches(drawn, size)
    assert [len(batch) for batch in batches] == [size] * whole
    assert np.concatenate(batches).tolist() == drawn[: whole * size].tolist()


def test_fewer_photos_than_a_batch_are_one_batch() -> None:
    (batch,) = sampling.batches(ROWS, 64)
    assert batch.tolist() == ROWS.tolist()


def test_unknown_names_and_arguments_are_told() -> None:
    with pytest.raises(MaskgateError, match=r"unknown sampling shufle; did you mean shuffle\?"):
        sampling.epoch_order(Named(name="shufle"), ROWS, TABLE, 7)
    with pytest.raises(MaskgateError, match=r"sampling shuffle:.*speed"):
        sampling.epoch_order(Named(name="shuffle", speed=3), ROWS, TABLE, 7)  # type: ignore[call-arg]
