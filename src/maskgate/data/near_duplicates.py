"""Photos of one shot under two names: perceptual hashes propose pairs, pixels confirm them.

Twins are re-encoded, brightened, shifted, zoomed or turned by a few percent, so their
64-bit hashes differ in up to a quarter of the bits. Locality-sensitive hashing (random
samples of bits, Indyk & Motwani 1998) proposes pairs in time linear in the number of
photos; a pair counts only if one picture, registered onto the other (Lucas–Kanade with a
similarity transform), correlates with it above CONFIRMED.
"""

from typing import Final

import numpy as np
import numpy.typing as npt
from PIL import Image
from scipy.fft import dctn
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from maskgate.pixels import Pixels
from maskgate.progress import track

Hashes = npt.NDArray[np.uint64]
Pairs = npt.NDArray[np.int64]

VERSION: Final = 1  # raised by whatever changes the pairs found: results are remembered by it
THUMBNAIL: Final = (64, 48)  # height, width
FAR: Final = 16  # bits: pairs further apart are not looked at
TABLES: Final = 96
WINDOW: Final = 48  # neighbours looked at in a bucket: bounds the work where many hashes are equal
# Of 918,000 pairs of people the six true twins correlate above .992, the next pair at .951.
CONFIRMED: Final = 0.975
# Registration from coarse to fine: shrink by, iterations, correlation needed to go on.
_LEVELS: Final = ((4, 5, 0.94), (2, 6, 0.96), (1, 20, 1.0))
_UNALIGNED: Final = 0.6  # correlation at the coarsest level before any registration


def thumbnail(image: Image.Image) -> Pixels:
    """The whole photo in grey, as (64, 48)."""
    height, width = THUMBNAIL
    return np.asarray(image.convert("L").resize((width, height), Image.Resampling.BOX))


def perceptual_hash(thumbnails: Pixels) -> Hashes:
    """64-bit DCT hashes (N,) of thumbnails (N, 64, 48): which low frequencies exceed the median."""
    small = thumbnails.reshape(-1, 32, 2, 24, 2).mean(axis=(2, 4), dtype=np.float32)
    frequencies = dctn(small, axes=(1, 2), norm="ortho")[:, :8, :8].reshape(-1, 64)
    above = frequencies > np.median(frequencies[:, 1:], axis=1, keepdims=True)
    return np.packbits(above, axis=1).view(np.uint64)[:, 0]


def candidates(hashes: Hashes, person: npt.NDArray[np.integer], seed: int = 0) -> Pairs:
    """Pairs (P, 2) of rows of two people whose hashes differ in at most FAR bits.

    `person` are codes (N,). Near pairs are found nearly always, far ones often: at 12 bits
    998 of 1,000 among 20,000 photos, 790 among a million; twins have several photos.
    """
    count = len(hashes)
    if count < 2:
        return np.empty((0, 2), dtype=np.int64)
    width = int(np.clip(np.log2(count) - 2, 6, 20))
    random = np.random.default_rng(seed)
    found: list[Pairs] = []
    for _ in track(range(TABLES), "looking for near-duplicates", TABLES):
        sample = np.uint64(0)
        for bit in random.choice(64, width, replace=False):
            sample |= np.uint64(1) << np.uint64(bit)
        found.append(_bucket_pairs(hashes, hashes & sample, person))
    flat = np.unique(np.concatenate([pairs[:, 0] * count + pairs[:, 1] for pairs in found]))
    return np.stack([flat // count, flat % count], axis=1)


def _bucket_pairs(hashes: Hashes, bucket: Hashes, person: npt.NDArray[np.integer]) -> Pairs:
    order = np.lexsort((hashes, bucket))
    sorted_bucket = bucket[order]
    pairs = []
    for step in range(1, min(WINDOW, len(order) - 1) + 1):
        at = np.flatnonzero(sorted_bucket[step:] == sorted_bucket[:-step])
        if not len(at):
            break
        left, right = order[at], order[at + step]
        near = np.bitwise_count(hashes[left] ^ hashes[right]) <= FAR
        near &= person[left] != person[right]
        left, right = left[near], right[near]
        pairs.append(np.stack([np.minimum(left, right), np.maximum(left, right)], axis=1))
    return np.concatenate(pairs) if pairs else np.empty((0, 2), dtype=np.int64)


def confirmed(pairs: Pairs, thumbnails: Pixels, chunk: int = 2048) -> npt.NDArray[np.bool_]:
    """Which pairs (P, 2) of rows of `thumbnails` (N, 64, 48) show one shot, (P,)."""
    same = np.zeros(len(pairs), dtype=np.bool_)
    starts = range(0, len(pairs), chunk)
    for start in track(starts, "comparing pairs of photos (× 2048)", len(starts)):
        part = pairs[start : start + chunk]
        same[start : start + chunk] = (
            similarity(thumbnails[part[:, 0]], thumbnails[part[:, 1]]) > CONFIRMED
        )
    return same


def similarity(first: Pixels, second: Pixels) -> npt.NDArray[np.float32]:
    """Correlation (N,) of `first` (N, 64, 48) with `second` shifted, turned and zoomed onto it.

    From coarse to fine; a pair below a level's threshold keeps that level's correlation.
    A picture without contrast correlates with nothing.
    """
    coarsest = _LEVELS[0][0]
    (a, a_norm), (b, b_norm) = (
        _centred(_shrink(side, coarsest).reshape(len(side), -1)) for side in (first, second)
    )
    best = (a * b).sum(1) / (a_norm * b_norm)[:, 0]
    rows = np.flatnonzero(best > _UNALIGNED)
    moved = np.zeros((len(rows), 4), dtype=np.float32)
    for factor, iterations, threshold in _LEVELS:
        a, b = _shrink(first[rows], factor), _shrink(second[rows], factor)
        best[rows], moved = _register(a, b, moved * (1, 1, 1 / factor, 1 / factor), iterations)
        keep = best[rows] > threshold
        rows, moved = rows[keep], moved[keep] * (1, 1, factor, factor)
    return best


def _shrink(pictures: Pixels, factor: int) -> npt.NDArray[np.float32]:
    count, height, width = pictures.shape
    blocks = pictures.reshape(count, height // factor, factor, width // factor, factor)
    return blocks.mean(axis=(2, 4), dtype=np.float32)


def _register(
    first: npt.NDArray[np.float32],
    second: npt.NDArray[np.float32],
    moved: npt.NDArray[np.float32],
    iterations: int,
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Best correlation (N,) and where it lies (N, 4): zoom, turn, shift down, shift right.

    Gauss–Newton over the inner four fifths of pictures (N, H, W); gain and offset of the
    brightness drop out.
    """
    count, height, width = first.shape
    inner = [slice(length // 10, length - length // 10) for length in (height, width)]
    middle = ((height - 1) / 2, (width - 1) / 2)
    rows, columns = (grid.ravel() for grid in np.mgrid[inner])
    y, x = (rows - middle[0]).astype(np.float32), (columns - middle[1]).astype(np.float32)
    target, contrast = _centred(first[:, rows, columns])
    target /= contrast
    slopes = np.gradient(second, axis=(1, 2))
    pictures = np.stack([second, *slopes], axis=-1).reshape(count, height * width, 3)
    limit = np.array([0.2, 0.2, height / 8, width / 8], dtype=np.float32)
    moved, best_moved = moved.astype(np.float32), moved.astype(np.float32)
    best = np.full(count, -1, dtype=np.float32)
    for _ in range(iterations):
        zoom, turn, down, right = (moved[:, [i]] for i in range(4))
        at_y = (1 + zoom) * y + turn * x + down + middle[0]
        at_x = (1 + zoom) * x - turn * y + right + middle[1]
        value, slope_y, slope_x = _bilinear(pictures, at_y, at_x, height, width)
        value, norm = _centred(value)
        correlation = (value * target).sum(1) / norm[:, 0]
        better = correlation > best
        best[better], best_moved[better] = correlation[better], moved[better]
        jacobian = np.stack(
            [slope_y * y + slope_x * x, slope_y * x - slope_x * y, slope_y, slope_x], axis=2
        )
        jacobian -= jacobian.mean(axis=1, keepdims=True)
        gain = (target * value).sum(1, keepdims=True)
        transposed = jacobian.transpose(0, 2, 1)
        normal = transposed @ jacobian + 1e-3 * np.eye(4, dtype=np.float32)
        step = np.linalg.solve(normal, transposed @ (gain * target - value)[:, :, None])[:, :, 0]
        moved = np.clip(moved + step, -limit, limit)
    return np.where(contrast[:, 0] > 1, best, -1), best_moved


def _centred(
    values: npt.NDArray[np.float32],
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    values = values - values.mean(axis=1, keepdims=True)
    return values, np.linalg.norm(values, axis=1, keepdims=True) + np.float32(1e-6)


def _bilinear(
    pictures: npt.NDArray[np.float32],
    y: npt.NDArray[np.float32],
    x: npt.NDArray[np.float32],
    height: int,
    width: int,
) -> tuple[npt.NDArray[np.float32], ...]:
    """Values of (N, H*W, C) pictures at the places (N, P), one array (N, P) a channel."""
    y, x = np.clip(y, 0, height - 1.001), np.clip(x, 0, width - 1.001)
    top, left = y.astype(np.int64), x.astype(np.int64)
    below, beside = (y - top)[:, :, None], (x - left)[:, :, None]
    base = np.arange(len(pictures))[:, None] * (height * width) + top * width + left
    flat = pictures.reshape(-1, pictures.shape[-1])
    upper = flat[base] * (1 - beside) + flat[base + 1] * beside
    lower = flat[base + width] * (1 - beside) + flat[base + width + 1] * beside
    mixed = upper * (1 - below) + lower * below
    return tuple(np.moveaxis(mixed, -1, 0))


def clusters(person: npt.NDArray[np.integer], pairs: Pairs) -> npt.NDArray[np.int64]:
    """Cluster of each person code 0…P-1, (P,), when `pairs` (·, 2) of photo rows show one shot."""
    people = int(person.max()) + 1 if len(person) else 0
    a, b = person[pairs[:, 0]], person[pairs[:, 1]]
    graph = coo_array((np.ones(len(a), dtype=np.int8), (a, b)), shape=(people, people))
    return connected_components(graph, directed=False)[1].astype(np.int64)
