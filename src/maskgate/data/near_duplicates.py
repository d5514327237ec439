"""Photos of one shot under two names: perceptual hashes propose pairs, pixels confirm them.

Twins are re-encoded, brightened, shifted, zoomed, turned by a few percent or mirrored, so
their 64-bit hashes differ in up to a quarter of the bits. Sorted by their bits in a random
order, near hashes come to lie side by side (Charikar 2002); many such orders propose pairs
in time linear in the number of photos. A pair counts only if one picture, registered onto
the other, correlates with it above CONFIRMED.
"""

from collections.abc import Callable, Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from maskgate.data.registration import shrink, similarity
from maskgate.pixels import Pixels
from maskgate.progress import track

Hashes = npt.NDArray[np.uint64]
Packed = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]
Thumbnails = Callable[[npt.NDArray[np.int64]], Pixels]  # rows (n,) → their pictures (n, 64, 48)

VERSION: Final = 2  # raised by whatever changes the pairs found: results are remembered by it
THUMBNAIL: Final = (64, 48)  # height, width
FAR: Final = 16  # bits: pairs further apart are not looked at
ORDERS: Final = 96
WINDOW: Final = 48  # neighbours looked at on each side in an order
# Where many people look alike, a photo proposes only its nearest pairs: at most 64, and fewer,
# down to 8, where all photos together would propose more than 16 million.
NEAREST: Final = (8, 64)
PROPOSED: Final = 16_000_000
MIRROR: Final = np.uint64(0x5555_5555_5555_5555)  # bits that turn over when a photo is mirrored
# Of 90,000 pairs of people the six true twins correlate above .987, the next pair at .960, be
# it mirrored or not.
CONFIRMED: Final = 0.975
_CHUNK: Final = 2048  # pictures or pairs in memory at a time
_ROW_BITS: Final = 28  # of a row's number where a pair is packed into 64 bits


def thumbnail(image: Image.Image) -> Pixels:
    """The whole photo in grey, as (64, 48)."""
    height, width = THUMBNAIL
    return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX))


def find(thumbnails: Thumbnails, person: npt.NDArray[np.integer]) -> Pairs:
    """Pairs (P, 2) of rows that show one shot of two people; `person` are codes (N,)."""
    pairs = candidates(hashes(thumbnails, len(person)), person)
    return np.unique(pairs[confirmed(pairs, thumbnails), :2], axis=0)


def hashes(thumbnails: Thumbnails, count: int) -> Hashes:
    """Perceptual hashes (N,) of rows 0…count-1, a chunk of pictures in memory at a time."""
    starts = range(0, count, _CHUNK)
    found = [np.empty(0, dtype=np.uint64)]
    for start in track(starts, f"hashing photos (× {_CHUNK})", len(starts)):
        found.append(perceptual_hash(thumbnails(np.arange(start, min(start + _CHUNK, count)))))
    return np.concatenate(found)


def perceptual_hash(pictures: Pixels) -> Hashes:
    """64-bit hashes (N,) of thumbnails (N, 64, 48): the signs of the lowest DCT frequencies.

    Mirrored left to right, a picture's odd horizontal frequencies change their sign: its
    hash is that of the picture ^ MIRROR.
    """
    frequencies = dctn(shrink(pictures, 2), axes=(1, 2))[:, :8, :8].reshape(-1, 64)
    return np.packbits(frequencies > 0, axis=1).view(np.uint64)[:, 0]


def candidates(hashes: Hashes, person: npt.NDArray[np.integer], seed: int = 0) -> Pairs:
    """Pairs (P, 3) of rows of two people: row, row, and 1 where the second is to be mirrored.

    `person` are codes (N,). The hashes of a pair differ in at most FAR bits, and one photo is
    among the nearest found for the other. Near pairs are found nearly always, far ones often:
    of 12 bits, 95 of 100 among a million random hashes; twins have several photos.
    """
    count = len(hashes)
    if count >> _ROW_BITS:
        raise ValueError(f"{count} photos are more than a pair has room for")
    random = np.random.default_rng(seed)
    most = int(np.clip(PROPOSED // max(count, 1), *NEAREST))
    limit = np.full(count, FAR + 1, dtype=np.uint8)  # a photo's pairs this far are not wanted
    kept, fresh, waiting = np.empty(0, dtype=np.uint64), [], 0
    for _ in track(range(ORDERS), "looking for near-duplicates", ORDERS):
        for found in _neighbours(hashes, person, limit, random.permutation(64)):
            fresh.append(found)
            waiting += len(found)
            if waiting > most * count:
                kept = _nearest(np.concatenate([kept, *fresh]), most, limit)
                fresh, waiting = [], 0
    a, _, b, mirrored = _unpacked(_nearest(np.concatenate([kept, *fresh]), most, limit))
    both = _packed(np.minimum(a, b), np.uint64(0), np.maximum(a, b), mirrored)
    a, _, b, mirrored = _unpacked(_distinct(both))
    return np.stack([a, b, mirrored], axis=1).astype(np.int64)


def _neighbours(
    hashes: Hashes,
    person: npt.NDArray[np.integer],
    limit: npt.NDArray[np.uint8],
    bits: npt.NDArray[np.integer],
) -> Iterator[Packed]:
    """Pairs that lie within WINDOW of each other when sorted by `bits`, packed both ways round.

    Of a photo and its mirror picture the one that sorts first stands for both, so that mirrored
    twins meet as well.
    """
    key = _shuffled(hashes, bits)
    mirror = key ^ _shuffled(np.array([MIRROR]), bits)
    order = np.argsort(np.minimum(key, mirror), kind="stable")
    turned = (mirror < key)[order]
    key, person, limit = np.minimum(key, mirror)[order], person[order], limit[order]
    row = order.astype(np.uint64)
    for step in range(1, min(WINDOW, len(key) - 1) + 1):
        distance = np.bitwise_count(key[step:] ^ key[:-step])
        left = np.flatnonzero(distance < np.maximum(limit[step:], limit[:-step]))
        left = left[person[left] != person[left + step]]
        right, far = left + step, distance[left].astype(np.uint64)
        mirrored = turned[left] ^ turned[right]
        yield _packed(row[left], far, row[right], mirrored)
        yield _packed(row[right], far, row[left], mirrored)


def _shuffled(hashes: Hashes, bits: npt.NDArray[np.integer]) -> Hashes:
    """The hashes (N,) with bit k moved to place bits[k]: eight look-ups, one a byte."""
    values = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1, bitorder="little")
    places = np.uint64(1) << bits.astype(np.uint64).reshape(8, 8)
    moved = np.zeros(len(hashes), dtype=np.uint64)
    for byte, place in enumerate(places):
        at = (hashes >> np.uint64(8 * byte)).astype(np.uint8)
        moved |= (values * place).sum(axis=1, dtype=np.uint64)[at]
    return moved


def _nearest(packed: Packed, most: int, limit: npt.NDArray[np.uint8]) -> Packed:
    """At most `most` pairs of every first row; lowers its `limit` where it has that many."""
    packed = _distinct(packed)
    row = (packed >> np.uint64(_ROW_BITS + 7)).astype(np.int64)
    kept = np.ones(len(row), dtype=np.bool_)
    kept[most:] = row[most:] != row[:-most]
    packed = packed[kept]
    counts = np.bincount(row[kept], minlength=len(limit))
    full = counts == most
    limit[full] = _unpacked(packed[np.cumsum(counts)[full] - 1])[1]
    return packed


def _distinct(packed: Packed) -> Packed:
    """Sorted, each once. Sorts `packed` itself, in a fifth of the time of np.unique."""
    packed.sort()
    first = np.ones(len(packed), dtype=np.bool_)
    first[1:] = packed[1:] != packed[:-1]
    return packed[first]


def _packed(
    first: Packed, distance: Packed | np.uint64, second: Packed, mirrored: npt.NDArray[np.generic]
) -> Packed:
    """Pairs as one number each, that sort by their first row, then by distance."""
    near = (first << np.uint64(6) | distance) << np.uint64(_ROW_BITS) | second
    return near << np.uint64(1) | mirrored.astype(np.uint64)


def _unpacked(packed: Packed) -> tuple[Packed, Packed, Packed, Packed]:
    """First row, distance, second row, and whether the second is to be mirrored."""
    near, row = packed >> np.uint64(1), np.uint64((1 << _ROW_BITS) - 1)
    first = near >> np.uint64(_ROW_BITS + 6)
    return first, near >> np.uint64(_ROW_BITS) & np.uint64(63), near & row, packed & np.uint64(1)


def confirmed(pairs: Pairs, thumbnails: Thumbnails) -> npt.NDArray[np.bool_]:
    """Which pairs (P, 3) of rows and whether the second is mirrored show one shot, (P,)."""
    same = np.zeros(len(pairs), dtype=np.bool_)
    starts = range(0, len(pairs), _CHUNK)
    for start in track(starts, f"comparing pairs of photos (× {_CHUNK})", len(starts)):
        first, second, mirrored = pairs[start : start + _CHUNK].T
        other = thumbnails(second)
        other = np.where(mirrored[:, None, None] == 1, other[:, :, ::-1], other)
        same[start : start + _CHUNK] = similarity(thumbnails(first), other) > CONFIRMED
    return same


def clusters(person: npt.NDArray[np.integer], pairs: Pairs) -> npt.NDArray[np.int64]:
    """Cluster of each person code 0…P-1, (P,), when `pairs` (·, 2) of photo rows show one shot."""
    people = int(person.max()) + 1 if len(person) else 0
    a, b = person[pairs[:, 0]], person[pairs[:, 1]]
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(people, people))
    return connected_components(graph, directed=False)[1].astype(np.int64)
