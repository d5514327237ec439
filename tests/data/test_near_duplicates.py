"""Twins are found whatever was done to them, strangers are not, and few pairs are looked at."""

import io
import tracemalloc
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from maskgate.data import folds, layouts, near_duplicates, registration
from maskgate.data.near_duplicates import Thumbnails
from maskgate.data.table import Photos
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels

Change = Callable[[Image.Image], Image.Image]
CUBIC = Image.Resampling.BICUBIC


def jpeg(image: Image.Image, quality: int = 60) -> Image.Image:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def window(image: Image.Image, left: float, top: float, keep: float) -> Image.Image:
    """A part of the photo, in shares of it, at the size of the whole."""
    width, height = image.size
    box = (left * width, top * height, (left + keep) * width, (top + keep) * height)
    return image.resize(image.size, CUBIC, box=box)


CHANGES: dict[str, Change] = {
    "copied": lambda image: image,
    "coded again": jpeg,
    "shifted": lambda image: window(image, 0.04, 0.0, 0.96),
    "zoomed": lambda image: window(image, 0.02, 0.03, 0.95),
    "turned": lambda image: image.rotate(3, CUBIC),
    "turned back": lambda image: window(image.rotate(-3, CUBIC), 0.03, 0.03, 0.94),
    "brightened": lambda image: ImageEnhance.Brightness(image).enhance(1.25),
    "darkened": lambda image: ImageEnhance.Brightness(image).enhance(0.6),
    "mirrored": ImageOps.mirror,
    "all": lambda image: jpeg(
        window(ImageEnhance.Brightness(image).enhance(1.1).rotate(1.5, CUBIC), 0.02, 0.02, 0.95)
    ),
    "all, mirrored": lambda image: CHANGES["all"](ImageOps.mirror(image)),
}


def corner(image: Image.Image, number: int, share: float) -> Image.Image:
    """All but a share of the height and width, cut off at two sides."""
    width, height = (round(length * (1 - share)) for length in image.size)
    left, top = (image.width - width) * (number & 1), (image.height - height) * (number >> 1 & 1)
    return image.crop((left, top, left + width, top + height))


def barred(image: Image.Image, number: int) -> Image.Image:
    """A black bar over an eighth of the photo, across it or upright."""
    width, height = image.size
    start, image = 0.1 * (number % 8), image.copy()
    across, upright = (0, start, 1, start + 0.125), (start, 0, start + 0.125, 1)
    left, top, right, bottom = across if number % 2 else upright
    image.paste((0, 0, 0), (round(left * width), round(top * height),
                            round(right * width), round(bottom * height)))  # fmt: skip
    return image


LEVELS = list(range(256)) * 3

# What is done to the one photo of a twin, by the twin's number, and in how many of 24 cases it is
# to be joined at least.
ALONE: dict[str, tuple[Callable[[Image.Image, int], Image.Image], int]] = {
    "corner crop of 10%": (lambda image, number: corner(image, number, 0.10), 22),
    "corner crop of 15%": (lambda image, number: corner(image, number, 0.15), 22),
    "brightness 1.7": (
        lambda image, _: image.point([min(255, round(1.7 * v)) for v in LEVELS]),
        22,
    ),
    "gamma 2": (lambda image, _: image.point([round(v * v / 255) for v in LEVELS]), 22),
    "frame": (lambda image, number: ImageOps.expand(image, (8, 10), (255 * (number % 2),) * 3), 22),
    "turned by 90°": (lambda image, _: image.transpose(Image.Transpose.ROTATE_90), 22),
    "turned by 180°": (lambda image, _: image.transpose(Image.Transpose.ROTATE_180), 22),
    "turned by 270°": (lambda image, _: image.transpose(Image.Transpose.ROTATE_270), 22),
    "mirrored": (lambda image, _: ImageOps.mirror(image), 22),
    "turned by 8°": (lambda image, number: image.rotate(8 - 16 * (number % 2), CUBIC), 18),
    "blur": (lambda image, _: image.filter(ImageFilter.GaussianBlur(3)), 18),
    "bar": (barred, 18),
}


def rows_of(thumbnails: Pixels) -> Thumbnails:
    """What gives the pictures of rows when all are in memory."""
    return lambda rows: thumbnails[rows]


class Case:
    """Sample people, each of them a second time under another id, changed in one way."""

    def __init__(self, root: Path) -> None:
        self.photos = layouts.read(root)
        table = self.photos.table
        images = [pixels.decode(self.photos.root / name) for name in table["photo"]]
        self.thumbnails = np.stack([near_duplicates.thumbnail(image) for image in images])
        names = sorted(table["person"].unique())
        self.change = {name: list(CHANGES)[i % len(CHANGES)] for i, name in enumerate(names)}
        changed = [
            near_duplicates.thumbnail(CHANGES[self.change[name]](image))
            for name, image in zip(table["person"], images, strict=True)
        ]
        again = table.assign(photo="twin/" + table["photo"], person="twin of " + table["person"])
        both = pd.concat([table, again], ignore_index=True)
        self.doubled = Photos(self.photos.root, both)
        self.doubled_thumbnails = np.concatenate([self.thumbnails, np.stack(changed)])
        self.twins = folds.find_near_duplicates(self.doubled, rows_of(self.doubled_thumbnails))
        planted = pd.read_csv(root / "truth" / "planted.csv")
        planted = planted[planted["kind"] == "twin"]
        self.planted = {
            row.person: str(row.detail).rsplit(" ", 1)[1] for row in planted.itertuples()
        }


@pytest.fixture(scope="module")
def case(people: Path) -> Case:
    return Case(people)


def groups(photos: Photos, cluster: npt.NDArray[np.int64]) -> set[frozenset[str]]:
    """The people of every cluster."""
    by_cluster = photos.table["person"].groupby(cluster)
    return {frozenset(each) for _, each in by_cluster}


def test_of_the_sample_people_just_the_planted_twins_are_joined(case: Case) -> None:
    twins = folds.find_near_duplicates(case.photos, rows_of(case.thumbnails))
    joined = {group for group in groups(case.photos, twins.cluster) if len(group) > 1}
    assert joined == {frozenset(pair) for pair in case.planted.items()}
    assert len(joined) == 2
    assert twins.largest == 2
    for one, other in twins.pairs:
        assert frozenset((one.split("/")[0], other.split("/")[0])) in joined


def test_every_twin_is_joined_to_its_source_and_to_nobody_else(case: Case) -> None:
    expected = set()
    for name in case.change:
        source = case.planted.get(name, name)
        family = {source, *(twin for twin, of in case.planted.items() if of == source)}
        expected.add(frozenset(family | {f"twin of {each}" for each in family}))
    assert groups(case.doubled, case.twins.cluster) == expected
    assert case.twins.largest == 4


@pytest.mark.parametrize("split", range(20))
@pytest.mark.parametrize("kind", ["kfold", "holdout"])
def test_twins_always_share_a_fold(kind: str, split: int, case: Case) -> None:
    fold = folds.split(case.doubled, case.twins.cluster, kind, 5, 0.2, split)  # type: ignore[arg-type]
    fold_of = dict(zip(case.doubled.table["person"], fold, strict=True))
    assert len(set(fold_of.values())) == (5 if kind == "kfold" else 2)
    for name, change in case.change.items():
        assert fold_of[name] == fold_of[f"twin of {name}"], change
    for twin, source in case.planted.items():
        assert fold_of[twin] == fold_of[source]


def test_each_change_alone_is_confirmed_on_most_photos(case: Case) -> None:
    count = len(case.thumbnails)
    rows = np.arange(0, count, 2)
    change = case.photos.table["person"].map(case.change).iloc[rows]
    pairs = np.stack([rows, rows + count, change.str.endswith("mirrored")], axis=1)
    same = near_duplicates.confirmed(pairs, rows_of(case.doubled_thumbnails))
    for name, share in pd.Series(same).groupby(change.to_numpy()).mean().items():
        assert share >= (1 if name == "copied" else 0.5), name


@pytest.mark.slow
@pytest.mark.parametrize("change", ALONE)
def test_one_altered_photo_is_enough_and_joins_nobody_else(change: str, case: Case) -> None:
    alter, least = ALONE[change]
    table, count = case.photos.table, len(case.thumbnails)
    people = sorted(set(table["person"]) - set(case.planted))[:24]
    sources, pictures = [], []
    for number, name in enumerate(people):
        rows_of_person = np.flatnonzero(table["person"] == name)
        sources.append(int(rows_of_person[number % len(rows_of_person)]))
        photo = table["photo"].iloc[sources[-1]]
        altered = jpeg(
            alter(pixels.decode(case.photos.root / photo).resize((96, 128), CUBIC), number), 90
        )
        pictures.append(near_duplicates.thumbnail(altered))
    twin = pd.DataFrame({"photo": people, "person": ["twin of " + name for name in people]})
    both = Photos(case.photos.root, pd.concat([table, twin], ignore_index=True))
    thumbnails = np.concatenate([case.thumbnails, np.stack(pictures)])
    twins = folds.find_near_duplicates(both, rows_of(thumbnails))
    joined = twins.cluster[sources] == twins.cluster[count:]
    assert joined.sum() >= least
    for group in groups(both, twins.cluster):
        sourced = {case.planted.get(name.removeprefix("twin of "), name.removeprefix("twin of "))
                   for name in group}  # fmt: skip
        assert len(sourced) == 1, group


def test_blank_pictures_join_nobody() -> None:
    random = np.random.default_rng(0)
    levels = [0, 0, 17, 128, 128, 254, 255, 255]
    blank = np.stack([np.full((64, 48), level, dtype=np.uint8) for level in levels])
    noisy = (128 + random.integers(-1, 2, (6, 64, 48))).astype(np.uint8)
    pictures = np.concatenate([blank, noisy])
    every = np.array([(i, j, i & 1) for i in range(14) for j in range(14) if i != j])
    assert not near_duplicates.confirmed(every, rows_of(pictures)).any()
    count = len(pictures)
    table = pd.DataFrame(
        {
            "photo": [f"{n}.jpg" for n in range(count)],
            "person": [f"p{n}" for n in range(count)],
            "mask": np.zeros(count, dtype=np.int8),
        }
    )
    twins = folds.find_near_duplicates(Photos(Path(), table), rows_of(pictures))
    assert twins.pairs == []
    assert twins.largest == 1


def hashes_of(pictures: Pixels) -> "np.ndarray":
    """Those of whole thumbnails (N, 64, 48)."""
    return near_duplicates.perceptual_hash(registration.shrink(pictures, 2))


def test_a_hash_depends_on_content_and_hardly_on_light(case: Case) -> None:
    hashes = hashes_of(case.thumbnails)
    assert hashes.dtype == np.uint64
    dim = hashes_of((case.thumbnails // 2 + 40).astype(np.uint8))
    assert np.bitwise_count(hashes ^ dim).max() <= 6
    others = np.bitwise_count(hashes[:, None] ^ hashes[None])
    assert np.median(others) > near_duplicates.MAX_DISTANCE


def test_the_hash_of_a_mirrored_photo_is_known_without_it(case: Case) -> None:
    hashes = hashes_of(case.thumbnails)
    mirrored = hashes_of(case.thumbnails[:, :, ::-1])
    assert np.bitwise_count(hashes ^ mirrored).max() > near_duplicates.MAX_DISTANCE
    np.testing.assert_array_equal(mirrored, hashes ^ near_duplicates.MIRROR)


class Recorder:
    """Gives thumbnails, and keeps how many were asked for at once."""

    def __init__(self, thumbnails: Pixels) -> None:
        self.thumbnails, self.row_counts = thumbnails, [0]

    def __call__(self, rows: npt.NDArray[np.int64]) -> Pixels:
        self.row_counts.append(len(rows))
        return self.thumbnails[rows]


def test_hashes_are_those_of_all_photos_at_once_but_only_a_chunk_is_in_memory(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = hashes_of(case.thumbnails)
    for chunk in (1, 50, len(expected), len(expected) + 1):
        monkeypatch.setattr(near_duplicates, "_CHUNK", chunk)
        recorder = Recorder(case.thumbnails)
        actual = near_duplicates.hashes(recorder, len(expected))
        assert actual.shape == (8, len(expected))
        np.testing.assert_array_equal(actual[0], expected)
        assert max(recorder.row_counts) == min(chunk, len(expected))
    assert near_duplicates.hashes(recorder, 0).shape == (8, 0)


@pytest.mark.slow
def test_the_search_never_asks_for_all_thumbnails(
    case: Case, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "_CHUNK", 20)
    recorder = Recorder(case.doubled_thumbnails)
    twins = folds.find_near_duplicates(case.doubled, recorder)
    assert max(recorder.row_counts) == 20
    assert sum(recorder.row_counts) > len(case.doubled_thumbnails)
    assert twins.pairs == case.twins.pairs


DistanceByPair = dict[tuple[int, int, int], int]


def brute_force(hashes: npt.NDArray[np.uint64], person: npt.NDArray[np.int64]) -> DistanceByPair:
    """Distance of every pair of rows that is to be found, in all eight orientations."""
    distances: DistanceByPair = {}
    held = [held_so(hashes, orientation) for orientation in range(8)]
    for row in range(len(hashes)):
        rest = np.arange(row + 1, len(hashes))
        for orientation in range(8):
            far = np.bitwise_count(hashes[row] ^ held[orientation][rest])
            most = (
                near_duplicates.MAX_DISTANCE
                if orientation < 2
                else near_duplicates.MAX_DISTANCE_ALIGNED
            )
            keep = (far <= most) & (person[rest] != person[row])
            near = zip(rest[keep], far[keep], strict=True)
            distances |= {(row, int(other), orientation): int(distance) for other, distance in near}
    return distances


def held_so(hashes: npt.NDArray[np.uint64], orientation: int) -> npt.NDArray[np.uint64]:
    """The hashes (N,) of the photos held in that way: their bits as a table of 8 by 8 frequencies,
    whose odd columns and rows change their sign."""
    bits = np.unpackbits(hashes[:, None].view(np.uint8), axis=1).reshape(-1, 8, 8)
    if orientation & 4:
        bits = bits.transpose(0, 2, 1).copy()
    if orientation & 2:
        bits[:, 1::2] ^= 1
    if orientation & 1:
        bits[:, :, 1::2] ^= 1
    return np.packbits(bits.reshape(-1, 64), axis=1).view(np.uint64)[:, 0]


def flipped(hashes: npt.NDArray[np.uint64], bits: int) -> npt.NDArray[np.uint64]:
    """The hashes (N,) with as many of their bits turned over, in each one others."""
    random = np.random.default_rng(bits)
    turned = np.zeros((len(hashes), 64), dtype=np.uint8)
    turned[:, :bits] = 1
    return hashes ^ np.packbits(random.permuted(turned, axis=1), axis=1).view(np.uint64)[:, 0]


@pytest.mark.parametrize("count", [20, 50, 3000])
def test_candidates_are_those_of_brute_force(count: int) -> None:
    random = np.random.default_rng(count)
    hashes = random.integers(0, 2**64, count, dtype=np.uint64, endpoint=False)
    third = count // 3  # the last third: the first again, changed a little, each other one mirrored
    for bits in range(7):
        at = np.arange(bits, third, 7)
        mirror = np.where(at % 2, near_duplicates.MIRROR, np.uint64(0))
        hashes[count - 1 - at] = flipped(hashes[at], bits) ^ mirror
    person = random.integers(0, count // 2, count)
    for orientation in range(2, 8):  # and some are held in other ways
        hashes[[count - 1 - orientation]] = held_so(hashes[[orientation]], orientation)
    expected = brute_force(hashes, person)
    actual = near_duplicates.candidates(hashes, person)
    assert actual.shape == (len(actual), 3)
    assert (actual[:, 0] < actual[:, 1]).all()
    actual_pairs: list[tuple[int, int, int]] = [tuple(pair) for pair in actual.tolist()]
    assert len(set(actual_pairs)) == len(actual_pairs)
    assert set(actual_pairs) <= set(expected)
    close = {pair for pair, distance in expected.items() if distance <= 6}
    assert {0, 1} <= {orientation for *_, orientation in close}
    assert len(close) >= count // 5
    assert len(close & set(actual_pairs)) >= 0.99 * len(close)
    assert len(actual_pairs) >= 0.95 * len(expected)
    again = near_duplicates.candidates(hashes, person)
    np.testing.assert_array_equal(actual, again)


@pytest.mark.parametrize(("room", "most"), [(10**9, 5), (4 * 200, 4), (0, 3)])
def test_of_many_alike_the_nearest_are_proposed(
    room: int, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(near_duplicates, "NEAREST", (3, 5))
    monkeypatch.setattr(near_duplicates, "PROPOSED", room)
    monkeypatch.setattr(near_duplicates, "WINDOW", 200)  # all pairs are seen
    centre = np.full(50, 123456789, dtype=np.uint64)
    hashes = np.concatenate([flipped(centre, bits) for bits in (4, 5, 6, 7)])
    person = np.arange(200) // 2
    every = brute_force(hashes, person)
    assert len(every) > 12_000
    distances: list[list[int]] = [[] for _ in range(200)]
    for (a, b, _), far in every.items():
        distances[a].append(far)
        distances[b].append(far)
    last = [
        sorted(distances_of_row)[most - 1] for distances_of_row in distances
    ]  # of the nearest of each row
    actual = near_duplicates.candidates(hashes, person)
    actual_pairs: set[tuple[int, int, int]] = {tuple(pair) for pair in actual.tolist()}
    assert actual_pairs >= {
        (a, b, m) for (a, b, m), far in every.items() if far < max(last[a], last[b])
    }
    assert all(every[a, b, m] <= max(last[a], last[b]) for a, b, m in actual_pairs)
    assert 200 * most / 2 <= len(actual_pairs) <= 200 * most


def test_more_photos_than_a_pair_has_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(near_duplicates, "_ROW_BITS", 4)
    hashes = np.zeros(16, dtype=np.uint64)
    assert near_duplicates.candidates(hashes[:15], np.arange(15))[:, :2].max() == 14
    with pytest.raises(ValueError, match="16 photos"):
        near_duplicates.candidates(hashes, np.arange(16))


def test_candidates_of_none_or_one() -> None:
    for count in (0, 1):
        rows = np.arange(count)
        assert near_duplicates.candidates(rows.astype(np.uint64), rows).shape == (0, 3)


def test_many_equal_hashes_give_few_pairs_and_still_form_one_cluster() -> None:
    count = 5000
    hashes, person = np.full(count, 12345, dtype=np.uint64), np.arange(count)
    pairs = near_duplicates.candidates(hashes, person)
    assert len(pairs) <= count * near_duplicates.NEAREST[1]
    assert len(np.unique(near_duplicates.clusters(person, pairs))) == 1


def test_memory_is_bounded_where_all_hashes_are_equal(monkeypatch: pytest.MonkeyPatch) -> None:
    count = 20_000
    monkeypatch.setattr(near_duplicates, "PROPOSED", 0)
    monkeypatch.setattr(near_duplicates, "ORDERS", 2)
    tracemalloc.start()
    pairs = near_duplicates.candidates(np.zeros(count, dtype=np.uint64), np.arange(count))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(pairs) >= near_duplicates.NEAREST[0] * count / 2
    assert peak < 150 * near_duplicates.NEAREST[0] * count  # all at once: 500


def test_a_twin_is_found_beside_a_hundred_equal_photos_of_one_person() -> None:
    hashes = np.full(101, 9, dtype=np.uint64)
    for place in (0, 50, 100):
        person = np.zeros(101, dtype=np.int64)
        person[place] = 1
        pairs = near_duplicates.candidates(hashes, person)
        assert len(pairs) > 0
        assert (pairs[:, :2] == place).any(axis=1).all()


def test_the_number_of_candidates_grows_with_the_photos_and_not_their_square() -> None:
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**64, 20_000, dtype=np.uint64, endpoint=False)
    pairs = near_duplicates.candidates(hashes, np.arange(20_000))
    assert len(pairs) < 20_000


def test_clusters_equal_a_naive_union() -> None:
    random = np.random.default_rng(0)
    person = random.permutation(np.repeat(np.arange(40), 3))
    pairs = random.integers(0, len(person), (25, 2))
    naive = list(range(40))
    for a, b in pairs:
        old, new = naive[person[a]], naive[person[b]]
        naive = [new if each == old else each for each in naive]
    actual = near_duplicates.clusters(person, pairs)
    for one in range(40):
        for other in range(40):
            assert (actual[one] == actual[other]) == (naive[one] == naive[other])


def test_the_pairs_are_remembered(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "new" / "twins.json"
    first = folds.find_near_duplicates(case.photos, rows_of(case.thumbnails), file)
    monkeypatch.setattr(near_duplicates, "perceptual_hash", lambda t: pytest.fail("searched anew"))
    again = folds.find_near_duplicates(case.photos, rows_of(case.thumbnails), file)
    np.testing.assert_array_equal(again.cluster, first.cluster)
    assert (again.pairs, again.largest) == (first.pairs, first.largest)


@pytest.mark.slow
def test_a_memory_cut_short_does_no_harm(
    case: Case, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(path: Path, text: str, *more: object, **options: object) -> int:
        with path.open("w") as file:
            file.write(text[: len(text) // 2])
        raise KeyboardInterrupt

    file = tmp_path / "twins.json"
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Path, "write_text", killed)
        folds.find_near_duplicates(case.photos, rows_of(case.thumbnails), file)
    for _ in range(2):
        assert folds.find_near_duplicates(case.photos, rows_of(case.thumbnails), file).largest == 2


def test_a_thumbnail_is_the_whole_photo_in_grey() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (128, 96, 3), dtype=np.uint8)
    actual: Pixels = near_duplicates.thumbnail(Image.fromarray(picture))
    assert actual.shape == near_duplicates.THUMBNAIL
    luma = picture @ np.array([0.299, 0.587, 0.114])
    naive = luma.reshape(64, 2, 48, 2).mean(axis=(1, 3))
    assert np.abs(actual - naive).max() <= 1.5
