"""A bundle predicts what its run predicts, from the bytes of photos to labels and boxes."""

import io
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import skimage.data
import torch
from PIL import Image
from torch import nn

import maskgate
from maskgate import labels
from maskgate.config import recipe as recipes
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.export import graph
from maskgate.inference import loading
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.inference.predictions import Predictions
from maskgate.model import heads, network
from maskgate.model.network import Network, Normalise

GOLDEN = Path(__file__).parents[1] / "golden"
RECIPES = Path(__file__).parents[2] / "recipes"
LARGEST_DIFFERENCE = 1e-3  # of a probability

ORIENTATION = 0x0112
MODES = {"P": "P", "L": "L", "LA": "LA", "RGBA": "RGBA", "bits": "1"}


def saved(picture: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def turned(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    return exif


def variants(picture: Image.Image) -> Iterator[bytes]:
    """The picture (RGB) in 26 files: JPEG, PNG and WebP of many modes and orientations."""
    for orientation in range(1, 9):
        yield saved(picture, "JPEG", quality=90, exif=turned(orientation))
        yield saved(picture, "WEBP", quality=80, exif=turned(orientation))
    yield saved(picture.convert("L"), "JPEG")
    yield saved(picture.convert("CMYK"), "JPEG")
    for mode in MODES.values():
        yield saved(picture.convert(mode), "PNG")
    grey = np.asarray(picture.convert("L")).astype(np.uint16)
    yield saved(Image.fromarray(grey * 257), "PNG")
    alpha = picture.copy()
    alpha.putalpha(picture.convert("L"))
    yield saved(alpha, "PNG")
    yield saved(alpha, "WEBP", lossless=True)


@pytest.fixture(scope="module")
def photos(people: Path) -> list[bytes]:
    """208 photos: of one face, of four, of none."""
    paths = sorted((people / "eval" / "images").iterdir())[::9]
    persons = [Image.open(path).convert("RGB") for path in paths]
    crowd = Image.new("RGB", (256, 384))
    for place, person in enumerate(persons[:4]):
        crowd.paste(person.resize((128, 192)), (place % 2 * 128, place // 2 * 192))
    noise = np.random.default_rng(0).integers(0, 256, (90, 70, 3), np.uint8)
    pictures = [
        *persons[:5],
        crowd,
        Image.fromarray(skimage.data.astronaut()[:240, 100:340]),
        Image.fromarray(noise),
    ]
    return [content for picture in pictures for content in variants(picture)]


def zipped(bundle: Path, folder: Path) -> Path:
    return Path(shutil.make_archive(str(folder / "bundle"), "zip", bundle))


def assert_same(actual: Predictions, expected: Predictions) -> float:
    """The largest difference of a probability."""
    assert actual.photos == expected.photos
    assert actual.attributes == expected.attributes
    difference = float(np.abs(actual.probabilities - expected.probabilities).max())
    assert difference <= LARGEST_DIFFERENCE
    np.testing.assert_array_equal(actual.classes, expected.classes)
    for name in labels.ATTRIBUTES:
        assert actual.words(name) == expected.words(name)
    if expected.boxes is None:
        assert actual.boxes is None
    else:
        np.testing.assert_array_equal(actual.boxes, expected.boxes)
    return difference


# ----------------------------------------------------------------------- from file bytes


def test_whole_photos(trained: Path, bundle: Path, photos: list[bytes], tmp_path: Path) -> None:
    assert len(photos) >= 200
    expected = maskgate.load(trained).predict(photos)
    assert np.ptp(expected.probabilities, axis=0).max() > 0.01, "it tells photos apart"
    assert_same(maskgate.load(bundle).predict(photos), expected)
    from_zip = maskgate.load(zipped(bundle, tmp_path)).predict(photos)
    np.testing.assert_array_equal(
        from_zip.probabilities, maskgate.load(bundle).predict(photos).probabilities
    )


@pytest.mark.slow
def test_faces(
    face_run: Path, face_bundle: Path, photos: list[bytes], tmp_path: Path, cache: Path
) -> None:
    run = loading.load(face_run, cache)
    expected = run.predict(photos)
    assert expected.boxes is not None
    without = np.isnan(expected.boxes[:, 0])
    assert 0 < without.sum() < len(photos)
    assert_same(maskgate.load(face_bundle).predict(photos), expected)
    assert len(set(expected.classes.tolist())) > 3
    crowds = photos[5 * len(photos) // 8 :: 3]
    every = run.predict(crowds, all_faces=True)
    assert len(every) > len(crowds)
    assert_same(maskgate.load(face_bundle).predict(crowds, all_faces=True), every)
    from_zip = maskgate.load(zipped(face_bundle, tmp_path)).predict(crowds, all_faces=True)
    assert_same(from_zip, every)


@pytest.mark.slow
def test_a_system_with_learned_weights(
    export: Callable[..., Path], photos: list[bytes], cache: Path
) -> None:
    expected = loading.load(GOLDEN / "together", cache).predict(photos)
    assert_same(maskgate.load(export(GOLDEN / "together")).predict(photos), expected)


# ---------------------------------------------------------------------- network by network


def difference(model: Network, geometry: Geometry, batches: tuple[int, ...] = (1, 2, 7)) -> float:
    """The largest difference between torch and ONNX Runtime, of a probability."""
    content = graph.to_onnx(model, geometry, "the network")
    attributes = model.head.attributes
    onnx = OnnxBackend(content, "the network", geometry=geometry, attributes=attributes, threads=1)
    model = model.cpu().eval()
    draw = np.random.default_rng(3)
    largest = 0.0
    for count in batches:
        shape = (count, geometry.height, geometry.width, 3)
        pictures = draw.integers(0, 256, shape, np.uint8)
        with torch.inference_mode():
            expected = model(torch.from_numpy(pictures)).log_probabilities.exp().numpy()
        probabilities = onnx(pictures).probabilities
        assert probabilities.shape == (count, labels.COUNT)
        largest = max(largest, float(np.abs(probabilities - expected).max()))
    return largest


HEADS: list[dict[str, object]] = [
    {"name": "factored"},
    {"name": "factored", "age": "ordinal"},
    {"name": "factored", "age": "fine", "regress_age": True},
    {"name": "factored", "age": "years"},
    {"name": "joint"},
    {"name": "one_attribute", "of": "mask"},
    {"name": "one_attribute", "of": "age_band", "age": "fine"},
    {"name": "multi_label"},
    {"name": "cosine"},
]


def test_every_head_is_compared() -> None:
    assert {str(each["name"]) for each in HEADS} == set(heads.HEADS)


@pytest.mark.parametrize("head", HEADS, ids=lambda head: "-".join(map(str, head.values())))
def test_heads(head: dict[str, object]) -> None:
    torch.manual_seed(0)
    backbone = nn.Sequential(nn.AdaptiveAvgPool2d(4), nn.Flatten())
    last = heads.create(Component.model_validate(head), 48)
    normalise = Normalise((0.5, 0.4, 0.3), (0.2, 0.2, 0.3))
    model = Network(normalise, backbone, nn.Identity(), last)
    assert difference(model, Geometry(16, 12, 0.0)) <= 1e-5


def backbones() -> dict[str, Recipe]:
    """The first recipe with each backbone, by the backbones' names."""
    first: dict[str, Recipe] = {}
    for path in sorted(RECIPES.glob("*.yaml")):
        recipe = recipes.load(path, [])
        names = filter(None, [recipe.model.backbone, recipe.model.beside])
        first.setdefault(" + ".join(names), recipe)
    return first


def settled(model: Network, geometry: Geometry) -> Network:
    """The network with batch normalisation that has seen pictures: without, values grow from layer
    to layer until rounding alone decides, as in no trained network."""
    norms = [each for each in model.modules() if isinstance(each, nn.BatchNorm2d)]
    for norm in norms:
        norm.momentum = None  # the mean over all batches
    shape = (4, geometry.height, geometry.width, 3)
    model.train()
    with torch.no_grad():
        for _ in range(2 if norms else 0):
            model(torch.randint(0, 256, shape, dtype=torch.uint8))
    return model.eval()


@pytest.mark.slow
@pytest.mark.parametrize("name", backbones())
def test_backbones(name: str) -> None:
    recipe = backbones()[name]
    torch.manual_seed(0)
    model = settled(network.create(recipe, with_weights=False), recipe.photo.geometry)
    with torch.no_grad():
        for weight in model.head.parameters():
            weight.mul_(20)  # probabilities far from equal ones
    assert difference(model, recipe.photo.geometry) <= LARGEST_DIFFERENCE
