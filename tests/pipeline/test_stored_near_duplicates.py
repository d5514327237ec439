"""The searches for near-duplicates among stored photos are made anew where a memory is damaged."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate.data.table import Photos
from maskgate.pipeline import near_duplicates
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.shards import Shards

DAMAGED = ["[[0,", "[[0, 99]]", '[["a", "b"]]', "null"]


@pytest.fixture
def pictures() -> np.ndarray:
    """Six pictures (6, 64, 48), of which the last is the first, darker."""
    random = np.random.default_rng(2)
    coarse = random.integers(0, 256, (6, 16, 12), dtype=np.uint8)
    enlarged = coarse.repeat(4, axis=1).repeat(4, axis=2)
    enlarged[5] = enlarged[0] // 2 + 20
    return enlarged


@pytest.mark.parametrize("content", DAMAGED)
def test_near_duplicates(tmp_path: Path, pictures: np.ndarray, content: str) -> None:
    table = pd.DataFrame({"photo": [*"abcdef"], "person": [*"uvwxyz"]})
    store = PhotoStore(
        Shards.of(pictures[..., None]), Shards.of(pictures), np.arange(6), [*"012345"]
    )
    photos = Photos(Path(), table)
    first = near_duplicates.near_duplicates_of(photos, store, tmp_path)
    assert first.pairs == [("a", "f")]
    (memory,) = tmp_path.glob("near-duplicates-*.json")
    memory.write_text(content)
    assert near_duplicates.near_duplicates_of(photos, store, tmp_path).pairs == first.pairs


@pytest.mark.parametrize("content", DAMAGED)
def test_copies(tmp_path: Path, pictures: np.ndarray, content: str) -> None:
    def pairs() -> list[tuple[str, str]]:
        return near_duplicates.pairs_between(
            [*"012"], lambda rows: pictures[rows], [*"345"], lambda: pictures[3:], tmp_path
        )

    assert pairs() == [("0", "5")]
    (memory,) = tmp_path.glob("copies-*.json")
    memory.write_text(content)
    assert pairs() == [("0", "5")]
