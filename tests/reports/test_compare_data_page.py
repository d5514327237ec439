import html
import re
from pathlib import Path

import numpy as np

from maskgate.data import table
from maskgate.data.table import Photos
from maskgate.dataset_shift import comparing, effects
from maskgate.dataset_shift.comparing import Comparison
from maskgate.dataset_shift.leaks import Leaks
from maskgate.dataset_shift.measures import Categories, Measured
from maskgate.dataset_shift.sets import PhotoSet
from maskgate.dataset_shift.units import Units
from maskgate.pipeline.cache import PhotoStore
from maskgate.pipeline.shards import Shards
from maskgate.reports import compare_data


def photo_set(name: str, photos: int) -> PhotoSet:
    numbers = range(photos)
    columns = table.build(
        [f"{name}/{number}.jpg" for number in numbers],
        [f"{name} {number // 2}" for number in numbers],
        [0] * photos, [0] * photos, age=[30.0] * photos,
    )  # fmt: skip
    empty = Shards.of(np.empty((0, 1, 1), np.uint8))
    store = PhotoStore(empty, empty, np.zeros(photos, np.int64), ["0"] * photos)
    return PhotoSet(name, Photos(Path(name), columns), store, rows=np.arange(photos), unreadable=3)


def comparison() -> Comparison:
    """Sets that differ in brightness and mask, and share a pair of near-duplicates."""
    random = np.random.default_rng(0)
    a, b = photo_set("old-<door>_with_a_long_name", 60), photo_set("new", 80)
    is_b = np.arange(140) >= 60
    units = Units([f"{number // 2} {each}" for number, each in enumerate(is_b)], is_b, 0)

    def measured(count: int, shift: float) -> Measured:
        states = Categories(
            "mask", ["wear", "incorrect", "not_wear"],
            (random.uniform(size=count) < 0.3 - 0.1 * shift).astype(np.int64) * 2,
        )  # fmt: skip
        numbers = {
            "brightness": random.normal(100 + 20 * shift, 15, count),
            "contrast": random.normal(50, 10, count),
        }
        return Measured(numbers, {"mask": states})

    of_a, of_b = measured(60, 0), measured(80, -2)
    names = {"name_a": a.name, "name_b": b.name}
    differences = [
        *comparing._of_numbers(of_a, of_b, units, **names),
        *comparing._of_categories(of_a, of_b, units, **names),
    ]
    assert effects.holm([each.p for each in differences])[0] < 0.05
    return Comparison(
        a, b, "the default model", differences, leaks=Leaks(0, [("1.jpg", "x/2.jpg")], [])
    )


def test_the_page_names_what_is_decided_and_shows_all(tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    compare_data.write(comparison(), page)
    text = page.read_text()
    words = re.sub(r"\s+", " ", html.unescape(re.sub(r"<[^>]*>", "", text.replace("<wbr>", ""))))
    assert "<door>_with" not in text.replace("<wbr>", "") and "old-<door>_with_a_long_name" in words
    assert "Photos of new are darker (brightness of the photo, 0 to 255: median" in words
    assert "1 pair of near-duplicates across the sets, such as 1.jpg = x/2.jpg." in words
    assert "Contrast of the photo" in words and "have less contrast" not in words
    assert text.count('class="undecided"') == 2
    assert "60photos of 30 people; 60 measured; 3 cannot be read" in words
    assert not re.search(r'(src|href)="(?!data:)', text)
