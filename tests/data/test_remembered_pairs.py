"""Pairs are searched once, and again where the file that remembers them is damaged."""

from pathlib import Path

import numpy as np
import pytest

from maskgate.data import remembered_pairs
from maskgate.data.near_duplicates import Pairs

PAIRS = [[0, 3], [2, 9]]


class Search:
    """A search that counts how often it is made."""

    def __init__(self, pairs: list[list[int]]) -> None:
        self.pairs, self.count = pairs, 0

    def __call__(self) -> Pairs:
        self.count += 1
        return np.array(self.pairs, dtype=np.int64).reshape(-1, 2)


@pytest.mark.parametrize("pairs", [PAIRS, []])
def test_pairs_are_searched_once(tmp_path: Path, pairs: list[list[int]]) -> None:
    path, search = tmp_path / "new" / "pairs.json", Search(pairs)
    for _ in range(3):
        result = remembered_pairs.pairs(path, 10, search)
        assert result.tolist() == pairs
        assert (result.dtype.name, result.shape[1]) == ("int64", 2)
    assert search.count == 1


@pytest.mark.parametrize(
    "content",
    [
        b"", b"[[0, 3], [2", b"[[0, 3], [2, 10]]", b"[[0, 3], [2, 99999999999999999999]]",
        b"[[-1, 3]]", b"[[0, 3, 4]]", b"[0, 3]", b'[["a", "b"]]', b"[[0.5, 3]]", b"[[true, 3]]",
        b"null", b"{}", b"\xff\xfe", b"[" * 100_000,
    ],
)  # fmt: skip
def test_a_damaged_file_is_replaced(tmp_path: Path, content: bytes) -> None:
    path, search = tmp_path / "pairs.json", Search(PAIRS)
    path.write_bytes(content)
    for _ in range(2):
        assert remembered_pairs.pairs(path, 10, search).tolist() == PAIRS
    assert search.count == 1
