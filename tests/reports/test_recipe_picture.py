"""What a recipe does to photos: training's own draws, and the mixes with their own shares."""

import html
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate import labels
from maskgate.config import recipe
from maskgate.config.recipe import Recipe
from maskgate.core.geometry import Geometry
from maskgate.data import layouts
from maskgate.data import table as tables
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.imaging import pixels
from maskgate.pipeline import inspection
from maskgate.pipeline.inspection import Inspection
from maskgate.reports import inspect, recipe_picture
from maskgate.reports.recipe_picture import Effects

Call = Callable[..., tuple[int, str, str]]

WRITTEN = """
photo: {height: 48, width: 36, margin: 0.25, crop: 0.75}
augment: [{name: random_crop}, {name: horizontal_flip, p: 0.25}, {name: solarize}]
mixing:
  - {name: mixup, alpha: 0.4, probability: 0.35}
  - {name: intra_class_cutmix, probability: 0.3}
"""
PLAIN = "photo: {height: 48, width: 36, margin: 0}\n"


def load(folder: Path, text: str) -> Recipe:
    path = folder / "strong.yaml"
    path.write_text(text)
    return recipe.load(path)


@pytest.fixture(scope="module")
def inspected(people: Path, cache: Path) -> Inspection:
    return inspection.inspect(people, cache)


def text(page: Path) -> str:
    """The page's text without tags, blanks run together."""
    source = re.sub(r"<script>.*?</script>|<wbr>", "", page.read_text(), flags=re.DOTALL)
    return re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", " ", source)))


def photo_at(picture: Image.Image, row: int, column: int, geometry: Geometry) -> np.ndarray:
    """The photo at a place of the picture's first part."""
    tall = round(recipe_picture._WIDTH * geometry.height / geometry.width)
    left, top = recipe_picture._column_x(column), 2 * recipe_picture._LINE
    top += row * (tall + recipe_picture._GAP)
    return np.asarray(picture)[top : top + tall, left : left + recipe_picture._WIDTH]


def test_the_first_column_is_what_validation_sees(people: Path, tmp_path: Path) -> None:
    read = layouts.read(people)
    effects = Effects("strong", load(tmp_path, WRITTEN))
    picture, geometry = effects.picture(read), effects.geometry
    chosen = recipe_picture._varied_rows(read.table)
    assert len(chosen) == recipe_picture.PEOPLE
    for number, row in enumerate(chosen):
        image = pixels.decode(read.root / read.table["photo"][row])
        stored = pixels.resize(image, *geometry.stored, geometry.crop)
        centre = pixels.centre(stored, geometry)
        actual = photo_at(picture, number, 0, geometry)
        size = (actual.shape[1], actual.shape[0])
        expected = Image.fromarray(np.array(centre)).resize(size, Image.Resampling.BICUBIC)
        np.testing.assert_array_equal(actual, np.asarray(expected))
        draws = {photo_at(picture, number, 1 + draw, geometry).tobytes() for draw in range(6)}
        assert len(draws) > 1, "training draws differ"


def test_without_transforms_training_sees_what_validation_sees(
    people: Path, tmp_path: Path
) -> None:
    effects = Effects("plain", load(tmp_path, PLAIN))
    picture = effects.picture(layouts.read(people))
    for column in range(1, 7):
        np.testing.assert_array_equal(
            photo_at(picture, 2, column, effects.geometry),
            photo_at(picture, 2, 0, effects.geometry),
        )
    taller = Effects("strong", load(tmp_path, WRITTEN)).picture(layouts.read(people))
    assert taller.height > picture.height + 2 * 200, "a row for each mix"


def test_people_are_spread_over_the_labels(people: Path) -> None:
    table = layouts.read(people).table
    chosen = table.iloc[recipe_picture._varied_rows(table)]
    assert chosen["person"].is_unique
    assert chosen["mask"].value_counts().tolist() == [2, 2, 2]
    assert chosen["gender"].value_counts().tolist() == [3, 3]
    assert chosen["age_band"].nunique() == 3
    mates = recipe_picture._partners(table, chosen.index.tolist())
    assert not set(mates) & set(chosen.index)
    known = chosen["label"].tolist()
    assert all(table["label"][mate] in known for mate in mates)


def test_partial_labels_and_few_photos_make_a_picture(people: Path, tmp_path: Path) -> None:
    read = layouts.read(people)
    unknown = np.full(2, labels.UNKNOWN)
    table = tables.build(read.table["photo"][:2], ["a", "b"], [0, -1], unknown, [np.nan] * 2)
    effects = Effects("strong", load(tmp_path, WRITTEN))
    few = Photos(read.root, table)
    assert sorted(recipe_picture._varied_rows(table)) == [0, 1]
    assert recipe_picture._words(table, 1) == ["unknown"]
    assert effects.picture(few).height < effects.picture(read).height
    one = few.take(np.array([1]))
    assert effects.picture(one).width == effects.picture(read).width


def test_the_picture_is_always_the_same(people: Path, tmp_path: Path) -> None:
    read = layouts.read(people)
    effects = Effects("strong", load(tmp_path, WRITTEN))
    first = effects.picture(read).tobytes()
    np.random.default_rng().random()
    assert Effects("strong", load(tmp_path, WRITTEN)).picture(read).tobytes() == first


def test_shares_told_below_mixed_photos_are_those_learnt(people: Path, tmp_path: Path) -> None:
    read = layouts.read(people)
    effects = Effects("strong", load(tmp_path, WRITTEN))
    table = read.table
    chosen = recipe_picture._varied_rows(table)
    rows = [*chosen, *recipe_picture._partners(table, chosen)]
    stored = {row: effects._stored(read, row) for row in rows}
    for mix, mixer in effects.ways:
        row = effects._mixed(mix, mixer, table, stored, len(chosen))
        assert row.words[1] == f"{mix.probability:.0%} of batches"
        assert row.photos[0] is None
        for number, (caption, other) in enumerate(row.below):
            shares = [int(line.partition("%")[0]) for line in (caption, other)]
            assert sum(shares) in (99, 100, 101)
            words = " ".join(recipe_picture._words(table, chosen[number]))
            assert caption == f"{shares[0]}% {words}"
            if mix.name == "intra_class_cutmix":
                assert other == f"{shares[1]}% {words}"
                assert 44 <= shares[0] <= 56


def test_the_page_tells_the_transforms_and_the_picture_lies_beside(
    inspected: Inspection, tmp_path: Path
) -> None:
    effects = Effects("strong", load(tmp_path, WRITTEN))
    page, _ = inspect.write(inspected, tmp_path / "out", True, effects)
    page_text = text(page)
    assert "Effects of strong" in page_text
    assert "36 × 48 pixels (width × height) of the middle 75% of each side" in page_text
    assert "horizontal flip probability 0.25" in page_text
    assert "solarize threshold 128, probability 0.5" in page_text
    assert "35% mixup alpha 0.4" in page_text
    assert "](" not in page_text
    assert "`" not in page_text
    content = page.read_text()
    assert sorted(set(re.findall(r'href="([^"]*)"', content))) == ["problems.csv", "recipe.png"]
    assert 'class="effects" src="data:image/jpeg' in content
    with Image.open(tmp_path / "out" / "recipe.png") as picture:
        assert picture.format == "PNG"
        assert picture.tobytes() == effects.picture(inspected.photos).tobytes()


def test_without_photos_no_picture_is_drawn(inspected: Inspection, tmp_path: Path) -> None:
    effects = Effects("strong", load(tmp_path, WRITTEN))
    page, _ = inspect.write(inspected, tmp_path / "out", False, effects)
    page_text = text(page)
    assert "No picture was drawn: photos were turned off." in page_text
    assert "35% mixup alpha 0.4" in page_text
    assert "<img" not in page.read_text()
    assert not (tmp_path / "out" / "recipe.png").exists()


def test_a_recipe_that_changes_nothing_says_so(inspected: Inspection, tmp_path: Path) -> None:
    page, _ = inspect.write(
        inspected, tmp_path / "out", True, Effects("plain", load(tmp_path, PLAIN))
    )
    page_text = text(page)
    assert "Training photos are not augmented." in page_text
    assert "Batches are not mixed." in page_text


def test_data_without_a_photo_has_a_page_without_picture(
    inspected: Inspection, tmp_path: Path
) -> None:
    none = inspected.photos.take(np.empty(0, dtype=np.int64))
    empty = Inspection(
        inspected.data, none, inspected.store, pd.DataFrame({"width": [], "height": []}),
        inspected.grey[:0], inspected.near_duplicates, [], None,
    )  # fmt: skip
    assert (
        inspect._write_effects(empty, Effects("strong", load(tmp_path, WRITTEN)), tmp_path) is None
    )
    assert not (tmp_path / "recipe.png").exists()


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("augment: [{name: solarise}]", "recipe strong: unknown transform solarise; did you mean"),
        ("mixing: [{name: mixup, alpha: 0}]", "recipe strong: mixing mixup: alpha is 0"),
    ],
)
def test_a_recipe_that_cannot_be_made_is_refused_at_once(
    written: str, message: str, tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match=message):
        Effects("strong", load(tmp_path, written))


def test_the_command_shows_a_shipped_recipe(call: Call, people: Path, tmp_path: Path) -> None:
    out = tmp_path / "page"
    code, _, err = call("inspect", people, "--out", out, "--recipe", "demo")
    assert code == 0, err
    assert "Effects of demo" in text(out / "inspect.html")
    assert (out / "recipe.png").is_file()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(inspection, "inspect", lambda *_: pytest.fail("photos were read first"))
        code, _, err = call("inspect", people, "--out", tmp_path / "new", "--recipe", "dmo")
    assert code == 2
    assert err.startswith("maskgate: dmo: no such recipe; did you mean demo?")
