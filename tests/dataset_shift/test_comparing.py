"""Sets of generated people: what differs is named, what is in both is told."""

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageEnhance

from maskgate.bundle import open_bundle
from maskgate.core import default_model
from maskgate.data.label_map import NO_MAP
from maskgate.dataset_shift import comparing, sets, units, views
from maskgate.dataset_shift.comparing import Comparison
from maskgate.dataset_shift.onnx_features import OnnxFeatures
from maskgate.dataset_shift.views import Model
from maskgate.errors import MaskgateError
from maskgate.runs import open_run
from maskgate.synthetic.people import sample_people
from tests.cli.test_predict import Call

Folder = Callable[[str, slice], Path]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Folders of 40 people."""
    root = tmp_path_factory.mktemp("crowd")
    sample = sample_people.make(root, people=40, eval_people=0, size=(64, 48))
    return sorted(path for path in (sample.train / "images").iterdir() if path.is_dir())


@pytest.fixture
def folder(crowd: list[Path], tmp_path: Path) -> Folder:
    """`folder(name, part)` copies a part of the people into a set of that name."""

    def copy(name: str, part: slice) -> Path:
        for person in crowd[part]:
            shutil.copytree(person, tmp_path / name / "images" / person.name)
        return tmp_path / name

    return copy


@pytest.fixture(scope="module")
def model(bundle: Path, cache: Path) -> Model:
    return views.of_bundle(bundle, "tiny", cache, None)


def compare(a: Path, b: Path, model: Model, cache: Path, size: int = 1000) -> Comparison:
    first, second = (
        sets.read(each, name, NO_MAP, cache=cache, size=size)
        for each, name in zip((a, b), sets.names_of(a, b), strict=True)
    )
    return comparing.compare(first, second, model, cache)


def darken(data: Path) -> None:
    for path in data.rglob("*.*"):
        if path.is_file() and not path.name.startswith("."):
            with Image.open(path) as image:
                ImageEnhance.Brightness(image.convert("RGB")).enhance(0.4).save(path)


@pytest.mark.slow
def test_two_parts_of_one_set_are_alike(folder: Folder, model: Model, cache: Path) -> None:
    result = compare(folder("one", slice(0, 20)), folder("two", slice(20, 40)), model, cache)
    assert [each.name for each in result.decided] == []
    assert result.sentences[-1].startswith("No difference is statistically significant")
    names = {each.name for each in result.differences}
    assert {"mask", "gender", "age_band", "brightness", "format", "features"} <= names
    assert {"confidence_mask", "predicted_mask", "input_sharpness", "megapixels"} <= names


@pytest.mark.slow
def test_darker_photos_are_named_and_a_classifier_sees_it(
    folder: Folder, model: Model, cache: Path
) -> None:
    a, b = folder("day", slice(0, 20)), folder("night", slice(20, 40))
    darken(b)
    result = compare(a, b, model, cache)
    by_name = {each.name: each for each in result.differences}
    assert by_name["brightness"].is_decided and by_name["brightness"].effect.value < -0.5
    assert by_name["features"].is_decided and "AUC" in by_name["features"].sentence
    assert any("Photos of night are darker" in line for line in result.sentences)
    sizes = [each.effect.size for each in result.differences]
    assert sizes == sorted(sizes, reverse=True)
    assert not by_name["mask"].is_decided


@pytest.mark.slow
def test_photos_and_people_in_both_sets_are_told(
    folder: Folder, model: Model, cache: Path, crowd: list[Path]
) -> None:
    a, b = folder("one", slice(0, 12)), folder("two", slice(10, 22))
    copied = crowd[1]
    target = b / "images" / f"999999_{copied.name.split('_', 1)[1]}"
    shutil.copytree(copied, target)
    for path in target.iterdir():
        with Image.open(path) as image:
            image.convert("RGB").save(path.with_suffix(".jpg"), quality=80)
    result = compare(a, b, model, cache)
    assert result.leaks.people == sorted(person.name for person in crowd[10:12])
    assert result.leaks.identical == 14
    assert result.leaks.near_duplicates
    assert result.leaks.pairs_of_people == 1
    first, *_ = result.sentences
    assert first == "14 photos are in both sets, byte for byte."
    assert "A model trained on one set cannot be validated on the other." in result.sentences


def test_a_sample_has_whole_people(crowd: list[Path], folder: Folder, cache: Path) -> None:
    photo_set = sets.read(folder("one", slice(0, 20)), "one", NO_MAP, cache=cache, size=20)
    table = photo_set.photos.table
    people = table["person"].iloc[photo_set.rows]
    assert 20 <= len(people) <= 26
    assert len(people) == table["person"].isin(people.unique()).sum()


def test_features_of_a_bundle_are_those_of_its_run(
    bundle: Path, trained: Path, cache: Path
) -> None:
    pictures = np.random.default_rng(0).integers(0, 256, (3, 48, 36, 3), dtype=np.uint8)
    model = views.of_run(open_run(trained), cache)
    geometry = model.classifier.views[0].geometry
    pictures = pictures[:, : geometry.height, : geometry.width]
    network = next(iter(open_bundle(bundle).manifest.networks()))
    of_bundle = OnnxFeatures(open_bundle(bundle).read(network), network)(pictures)
    assert model.features is not None
    assert of_bundle == pytest.approx(model.features(pictures), abs=1e-3)


def test_the_default_model_has_features() -> None:
    model = OnnxFeatures(default_model.network_file().read_bytes(), "network")
    assert model(np.zeros((2, 112, 88, 3), np.uint8)).shape == (2, 1280)


def test_a_graph_without_a_head_is_refused() -> None:
    with pytest.raises(MaskgateError, match="network: not an ONNX file"):
        OnnxFeatures(b"no graph", "network")


def test_the_command_writes_a_page_without_photos(
    folder: Folder, bundle: Path, cache: Path, tmp_path: Path, call: Call,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(units, "RESAMPLES", 50)
    a, b = folder("one", slice(0, 12)), folder("two", slice(20, 32))
    page = tmp_path / "page.html"
    code, out, _ = call(
        "compare-data", a, b, "--model", bundle, "--cache", cache, "--out", page, "--photos", 50
    )
    assert code == 0
    assert out.splitlines()[-1] == str(page)
    text = page.read_text()
    assert "All measures, largest effect first" in text and "<img" not in text
    assert call("compare-data", a, b, "--out", page)[0] == 2, "a page is not overwritten"


@pytest.mark.slow
def test_the_command_compares_as_a_run_sees_photos(
    folder: Folder, trained: Path, cache: Path, tmp_path: Path, call: Call
) -> None:
    a, b = folder("one", slice(0, 12)), folder("two", slice(20, 32))
    words = ("--run", trained, "--cache", cache, "--out", tmp_path / "page.html")
    code, _, err = call("compare-data", a, b, *words)
    assert code == 0, err
