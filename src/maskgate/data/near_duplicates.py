"""Near-duplicates under two people: perceptual hashes propose pairs, pixels confirm them.

Near-duplicates are re-encoded, brightened, blurred, partly covered, cropped, framed, rotated or
mirrored. Each photo has a 64-bit hash of the full picture and of several parts (see `alignments`);
if one photo is part of another, its full hash is near a hash of that part. Sorted by their bits in
a random order, near hashes are neighbours (Charikar 2002); many such orders propose pairs in time
linear in the number of photos. A pair counts only if the two pictures, registered onto each other,
agree in more than CONFIRMED of their pixels.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from maskgate.core.progress import track
from maskgate.data import alignments, registration
from maskgate.data.alignments import ORIENTATIONS, PARTS
from maskgate.data.registration import shrink
from maskgate.imaging.pixels import Pixels

Hashes = npt.NDArray[np.uint64]
Packed = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
Thumbnails = Callable[[npt.NDArray[np.int64]], Pixels]  # rows (n,) → their pictures (n, 64, 48)

VERSION: Final = 4  # raise it with any change of the pairs: cached results depend on it
THUMBNAIL: Final = (64, 48)  # height, width
MAX_DISTANCE: Final = 16  # bits: pairs of full photos with a larger distance are ignored
# The same if one is on its side, upside down, or a part of the other: with so many alignments, more
# pairs are near by chance.
MAX_DISTANCE_ALIGNED: Final = 12
ORDERS: Final = 96
ORDERS_OF_PARTS: Final = 24
WINDOW: Final = 48  # neighbours compared on each side in an order
# Each photo proposes only its nearest pairs: at most 64, and fewer, down to 8, if all photos
# together would propose more than 16 million.
NEAREST: Final = (8, 64)
PROPOSED: Final = 16_000_000
MIRROR: Final = np.uint64(0x5555_5555_5555_5555)  # bits that flip when a photo is mirrored
UPSIDE_DOWN: Final = np.uint64(0xFF00_FF00_FF00_FF00)
# Of 1,356 people, the six true near-duplicates agree in .957 or more, and the next pair, who wear
# the same drawn mask, in .717; of 24,853 faces, different people agree in .65 at most
# (benchmarks/near_duplicates.py).
CONFIRMED: Final = 0.73
_CHUNK: Final = 512  # pictures or pairs in memory at a time
_ROW_BITS: Final = 26  # of a row's number in a pair packed into 64 bits
_TRANSPOSED: Final = (
    np.arange(64).reshape(8, 8)[:, ::-1].T[:, ::-1].ravel()
)  # positions of the bits


def thumbnail(image: Image.Image) -> Pixels:
    """The full photo in grey, as (64, 48)."""
    height, width = THUMBNAIL
    return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX))


def find(thumbnails: Thumbnails, person: npt.NDArray[np.integer]) -> Pairs:
    """Pairs (P, 2) of rows that are near-duplicates of two people; `person` are codes (N,)."""
    pairs = proposals(hashes(thumbnails, len(person)), person)
    same = np.sort(pairs[confirmed(pairs, thumbnails), :2], axis=1)
    return np.unique(same, axis=0)


def hashes(thumbnails: Thumbnails, count: int) -> Hashes:
    """Perceptual hashes (parts, N) of rows 0…count-1, with one chunk of pictures in memory."""
    starts = range(0, count, _CHUNK)
    hashes_of_chunks = [np.empty((len(PARTS), 0), dtype=np.uint64)]
    for start in track(starts, "hashing photos", count, size=_CHUNK):
        pictures = shrink(thumbnails(np.arange(start, min(start + _CHUNK, count))), 2)
        parts = (alignments.part(pictures, number) for number in range(len(PARTS)))
        hashes_of_chunks.append(np.stack([perceptual_hash(each) for each in parts]))
    return np.concatenate(hashes_of_chunks, axis=1)


def perceptual_hash(pictures: npt.NDArray[np.float32]) -> Hashes:
    """64-bit hashes (N,) of pictures (N, H, W), half-size thumbnails or parts of them: the signs of
    the lowest DCT frequencies.

    Mirroring left to right changes the signs of the odd horizontal frequencies: the hash of the
    mirrored picture is hash ^ MIRROR; upside down, hash ^ UPSIDE_DOWN.
    """
    frequencies = dctn(pictures, axes=(1, 2))[:, :8, :8].reshape(-1, 64)
    return np.packbits(frequencies > 0, axis=1).view(np.uint64)[:, 0]


def transposed(hashes: Hashes) -> Hashes:
    """The hashes (N,) of the transposed pictures, which are on their side and mirrored."""
    return _shuffled(hashes, _TRANSPOSED)


def proposals(hashes: Hashes, person: npt.NDArray[np.integer], seed: int = 0) -> Pairs:
    """Pairs (P, 3) of rows of two people that may be near-duplicates, by hashes (parts, N): two
    full photos, or a full photo and a part of another. Column 2 is the second's alignment."""
    full_hashes, *parts = hashes
    return np.concatenate(
        [
            candidates(full_hashes, person, seed),
            candidates_in_parts(full_hashes, parts, person, seed),
        ]
    )


def candidates(hashes: Hashes, person: npt.NDArray[np.integer], seed: int = 0) -> Pairs:
    """Pairs (P, 3) of rows of two people: row, row, and the orientation of the second.

    `person` are codes (N,). The hashes of a pair differ in at most MAX_DISTANCE bits, and one
    photo is among the nearest found for the other. Near pairs are found nearly always, far ones
    often: of pairs with a distance of 12 bits, 95 of 100 among a million random hashes.
    Near-duplicate people usually share several photos.
    """
    random = np.random.default_rng(seed)
    nearest = _Nearest(len(hashes), MAX_DISTANCE)
    for _ in track(range(ORDERS), "looking for near-duplicates", ORDERS):
        for packed in _neighbours(
            hashes, None, 0, person=person, limit=nearest.limit, bits=random.permutation(64)
        ):
            nearest.add(packed)
    return nearest.pairs()


def candidates_in_parts(
    hashes: Hashes, parts: list[Hashes], person: npt.NDArray[np.integer], seed: int = 0
) -> Pairs:
    """The same as `candidates`, for the `hashes` (N,) of full photos and those of `parts` 1, 2, …:
    row, row, and the alignment of the second, of which a part is near the first."""
    random = np.random.default_rng(seed)
    nearest = _Nearest(len(hashes), MAX_DISTANCE_ALIGNED)
    for _ in track(range(ORDERS_OF_PARTS), "looking for parts of photos", ORDERS_OF_PARTS):
        bits = random.permutation(64)
        for number, part in enumerate(parts, 1):
            for packed in _neighbours(
                hashes, part, number, person=person, limit=nearest.limit, bits=bits
            ):
                nearest.add(packed)
    return nearest.pairs()


class _Nearest:
    """Collects pairs, and keeps the nearest pairs of each photo."""

    def __init__(self, count: int, max_distance: int) -> None:
        if count >> _ROW_BITS:
            raise ValueError(f"{count} photos are too many for a packed pair")
        self._max_pairs = int(np.clip(PROPOSED // max(count, 1), *NEAREST))
        self._kept: Packed = np.empty(0, dtype=np.uint64)
        self._pending: list[Packed] = []
        self._pending_count = 0
        # Pairs of a photo with this distance or more are dropped.
        self.limit = np.full(count, max_distance + 1, dtype=np.uint8)

    def add(self, packed: Packed) -> None:
        self._pending.append(packed)
        self._pending_count += len(packed)
        if self._pending_count > self._max_pairs * len(self.limit):
            self._select()

    def _select(self) -> None:
        """Keep at most `_max_pairs` pairs of every photo, and lower the `limit` of full ones."""
        packed = _distinct(np.concatenate([self._kept, *self._pending]))
        self._pending, self._pending_count = [], 0
        row = (packed >> np.uint64(_ROW_BITS + 12)).astype(np.int64)
        kept = np.ones(len(row), dtype=np.bool_)
        kept[self._max_pairs :] = row[self._max_pairs :] != row[: -self._max_pairs]
        self._kept = packed[kept]
        counts = np.bincount(row[kept], minlength=len(self.limit))
        full = counts == self._max_pairs
        self.limit[full] = _unpacked(self._kept[np.cumsum(counts)[full] - 1])[1]

    def pairs(self) -> Pairs:
        """The pairs (P, 3) that at least one of their photos keeps, each once."""
        self._select()
        first_row, _, second_row, alignment, swapped = _unpacked(self._kept)
        first, second = (
            np.where(swapped, second_row, first_row),
            np.where(swapped, first_row, second_row),
        )
        distinct = _distinct(_packed(first, np.uint64(0), second, alignment=alignment, swapped=0))
        first, _, second, alignment, _ = _unpacked(distinct)
        return np.stack([first, second, alignment], axis=1).astype(np.int64)


def _neighbours(
    hashes: Hashes,
    part: Hashes | None,
    number: int,
    person: npt.NDArray[np.integer],
    limit: npt.NDArray[np.uint8],
    bits: npt.NDArray[np.integer],
) -> Iterator[Packed]:
    """Pairs within WINDOW of each other when sorted by `bits`, packed in both directions: of full
    photos, or of full photos and the `part` of all photos with this number.

    Each photo is sorted by its first orientation in that order, so that near-duplicates with
    different orientations are neighbours too.
    """
    count = len(hashes)
    key, orientation = _smallest_orientation(
        hashes if part is None else np.concatenate([hashes, part]), bits
    )
    order = np.argsort(key, kind="stable")
    key, orientation = key[order], orientation[order]
    in_part = order >= count
    rows = np.where(in_part, order - count, order)
    person, limit, rows = person[rows], limit[rows], rows.astype(np.uint64)
    for step in range(1, min(WINDOW, len(key) - 1) + 1):
        distance = np.bitwise_count(key[step:] ^ key[:-step])
        near = distance < np.maximum(limit[step:], limit[:-step])
        if part is not None:
            near &= in_part[step:] != in_part[:-step]
        left = np.flatnonzero(near)
        left = left[person[left] != person[left + step]]
        right, distances = left + step, distance[left].astype(np.uint64)
        # The second is the part, or of two full photos the one with the later row.
        later = in_part[left] if part is not None else rows[left] > rows[right]
        first, second = np.where(later, right, left), np.where(later, left, right)
        alignment = alignments.RELATIVE[orientation[first], orientation[second]]
        near = (alignment < 2) | (distances <= MAX_DISTANCE_ALIGNED)
        alignment += np.uint64(ORIENTATIONS * number)
        one, distances, other, alignment = (
            side[near] for side in (rows[first], distances, rows[second], alignment)
        )
        yield _packed(one, distances, other, alignment=alignment, swapped=0)
        yield _packed(other, distances, one, alignment=alignment, swapped=1)


def _smallest_orientation(
    hashes: Hashes, bits: npt.NDArray[np.integer]
) -> tuple[Hashes, npt.NDArray[np.uint8]]:
    """The smallest shuffled hash (N,) of each photo over all orientations, and its orientation."""
    smallest, orientation = (
        np.full_like(hashes, ~np.uint64(0)),
        np.zeros(len(hashes), dtype=np.uint8),
    )
    flip_masks = _shuffled(
        np.array([np.uint64(0), MIRROR, UPSIDE_DOWN, MIRROR ^ UPSIDE_DOWN]), bits
    )
    for swapped in (0, 4):
        key = _shuffled(transposed(hashes) if swapped else hashes, bits)
        for number, mask in enumerate(flip_masks):
            flipped_key = key ^ mask
            is_smaller = flipped_key < smallest
            smallest[is_smaller], orientation[is_smaller] = (
                flipped_key[is_smaller],
                swapped + number,
            )
    return smallest, orientation


def _shuffled(hashes: Hashes, bits: npt.NDArray[np.integer]) -> Hashes:
    """The hashes (N,) with bit k moved to position bits[k]: one table look-up per byte."""
    values = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    bit_values = np.uint64(1) << bits.astype(np.uint64).reshape(8, 8)
    moved = np.zeros(len(hashes), dtype=np.uint64)
    for byte, byte_bits in enumerate(bit_values):
        byte_values = (hashes >> np.uint64(8 * byte)).astype(np.uint8)
        moved |= (values * byte_bits).sum(axis=1, dtype=np.uint64)[byte_values]
    return moved


def _distinct(packed: Packed) -> Packed:
    """Sorted, without duplicates. Sorts `packed` in place, five times as fast as np.unique."""
    packed.sort()
    first = np.ones(len(packed), dtype=np.bool_)
    first[1:] = packed[1:] != packed[:-1]
    return packed[first]


def _packed(
    first: Packed,
    distance: Packed | np.uint64,
    second: Packed,
    alignment: Packed,
    swapped: int,
) -> Packed:
    """Pairs as one number each, sorted by the first row, then by distance; with `swapped`, the
    alignment is that of the first."""
    packed_pair = (first << np.uint64(5) | distance) << np.uint64(_ROW_BITS) | second
    return (packed_pair << np.uint64(6) | alignment) << np.uint64(1) | np.uint64(swapped)


def _unpacked(packed: Packed) -> tuple[Packed, Packed, Packed, Packed, Packed]:
    """First row, distance, second row, alignment, and whether the alignment is the first's."""
    near, row = packed >> np.uint64(7), np.uint64((1 << _ROW_BITS) - 1)
    first = near >> np.uint64(_ROW_BITS + 5)
    distance = near >> np.uint64(_ROW_BITS) & np.uint64(31)
    alignment = packed >> np.uint64(1) & np.uint64(63)
    return first, distance, near & row, alignment, packed & np.uint64(1)


def confirmed(pairs: Pairs, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
    """Which pairs (P, 3), of two rows and the second's alignment, are near-duplicates, (P,)."""
    same = np.zeros(len(pairs), dtype=np.bool_)
    rows, places = np.unique(pairs[:, :2], return_inverse=True)
    places = places.reshape(-1, 2)
    chunks = range(0, len(rows), _CHUNK)
    coarse = [registration.coarse(thumbnails(rows[start : start + _CHUNK])) for start in chunks]
    if not coarse:
        return same
    near, moved = _near(np.concatenate(coarse), places, pairs[:, 2])
    starts = range(0, len(near), _CHUNK)
    for start in track(starts, "comparing pairs of photos", len(near), size=_CHUNK):
        chunk = near[start : start + _CHUNK]
        first, second = thumbnails(pairs[chunk, 0]), thumbnails(pairs[chunk, 1])
        same[chunk] = (
            registration.agreement(first, second, moved[start : start + _CHUNK]) > CONFIRMED
        )
    return same


def _near(
    coarse: registration.Coarse, places: Pairs, alignment: npt.NDArray[np.int64]
) -> tuple[npt.NDArray[np.int64], alignments.Matrices]:
    """Which pairs (P, 2) of coarse pictures are similar, and the matrices that align them."""
    near, moved = [np.empty(0, dtype=np.int64)], [np.empty((0, 2, 3), dtype=np.float32)]
    starts = range(0, len(places), _CHUNK)
    for offset in track(starts, "comparing coarse pictures", len(places), size=_CHUNK):
        first, second = coarse[places[offset : offset + _CHUNK].T]
        start = alignments.matrices(alignment[offset : offset + _CHUNK])
        kept, matrices = registration.similar_pairs(first, second, start)
        near.append(offset + kept)
        moved.append(matrices)
    return np.concatenate(near), np.concatenate(moved)


def clusters(person: npt.NDArray[np.integer], pairs: Pairs) -> npt.NDArray[np.int64]:
    """The cluster of each person code 0…P-1, (P,), joined by `pairs` (·, 2) of near-duplicates."""
    people = int(person.max()) + 1 if len(person) else 0
    a, b = person[pairs[:, 0]], person[pairs[:, 1]]
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(people, people))
    return connected_components(graph, directed=False)[1].astype(np.int64)
