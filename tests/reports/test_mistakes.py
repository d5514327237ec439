"""The ranking against a loop over photos, and what a card shows of one."""

import base64
import io
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image

from maskgate import labels
from maskgate.data import contents
from maskgate.data import table as photo_table
from maskgate.reports import mistakes


def photos_of(count: int, people: int, unknown: float = 0.0) -> pd.DataFrame:
    """A photo table of random people, a share of whose attributes is unknown."""
    random = np.random.default_rng(0)
    codes = [
        np.where(random.random(count) < unknown, labels.UNKNOWN, random.integers(0, size, count))
        for size in labels.SIZES
    ]
    person = [str(number) for number in random.integers(0, people, count)]
    photo = [f"{name}/{row}.jpg" for row, name in enumerate(person)]
    table = photo_table.build(photo, person, codes[0], codes[1], np.full(count, np.nan), codes[2])
    return table.assign(fold=random.integers(0, 3, count))


def naive(table: pd.DataFrame, probabilities: np.ndarray) -> list[dict[str, object]]:
    """Per mistake what the CSV should hold, by loops over photos, classes and attributes."""
    rows = []
    for number, row in enumerate(table.to_dict("records")):
        mistake = {"photo": row["photo"], "person": row["person"], "fold": row["fold"]}
        predicted, wrong = {}, False
        for at, (name, values) in enumerate(labels.ATTRIBUTES.items()):
            of_value = [0.0] * len(values)
            for c in range(18):
                of_value[[c // 6, c // 3 % 2, c % 3][at]] += float(probabilities[number, c])
            predicted[name] = of_value.index(max(of_value))
            known = row[name] != -1
            wrong |= known and predicted[name] != row[name]
            mistake |= {f"true_{name}": values[row[name]] if known else ""}
            mistake |= {name: values[predicted[name]]}
        mistake |= {"probability": 0.0, "true_probability": 0.0}
        for c in range(18):
            of_class = dict(zip(labels.ATTRIBUTES, (c // 6, c // 3 % 2, c % 3), strict=True))
            known_ones = [name for name in labels.ATTRIBUTES if row[name] != -1]
            if all(of_class[name] == predicted[name] for name in known_ones):
                mistake["probability"] += float(probabilities[number, c])
            if all(of_class[name] == row[name] for name in known_ones):
                mistake["true_probability"] += float(probabilities[number, c])
        if wrong:
            rows.append(mistake)
    return sorted(rows, key=lambda mistake: mistake["true_probability"])


@pytest.mark.parametrize("unknown", [0.0, 0.4, 1.0])
def test_mistakes_equal_a_loop_with_the_least_probable_truth_first(unknown: float) -> None:
    table = photos_of(80, 20, unknown)
    probabilities = np.random.default_rng(1).dirichlet(np.full(18, 0.3), len(table))
    actual, expected = mistakes.find(table, probabilities), naive(table, probabilities)
    assert len(actual) == len(expected) < 80
    assert (len(actual) == 0) == (unknown == 1.0)
    for row, expected_row in zip(actual.to_dict("records"), expected, strict=True):
        for name, value in expected_row.items():
            if isinstance(value, float):
                assert row[name] == pytest.approx(value)
            else:
                assert row[name] == value, name


def test_of_equal_truths_the_surer_prediction_comes_first() -> None:
    mask = np.zeros(3, dtype=int)
    table = photo_table.build("abc", "abc", mask, mask, [20, 20, 20]).assign(fold=0)
    probabilities = np.zeros((3, 18))
    for row, sure in enumerate((0.5, 0.9, 0.7)):
        probabilities[row, [6, 17]] = sure, 1 - sure
    mistake_table = mistakes.find(table, probabilities)
    assert mistake_table["photo"].tolist() == ["b", "c", "a"]
    assert mistake_table["probability"].tolist() == pytest.approx([0.9, 0.7, 0.5])
    assert (mistake_table["true_probability"] == 0).all()


def test_no_person_fills_the_page() -> None:
    person = ["a"] * 9 + [str(number) for number in range(30)] + ["0"] * 3
    mistake_table = pd.DataFrame({"person": person, "rank": range(len(person))})
    worst = mistakes.worst(mistake_table)
    assert worst["rank"].tolist() == [0, 1, *range(9, 31)]
    assert len(worst) == mistakes.MAX_MISTAKES == 24
    assert mistakes.worst(mistake_table[::-1])["rank"].tolist()[:4] == [41, 40, 38, 37]


def test_every_kind_of_mistake_has_examples() -> None:
    table = photos_of(900, 90)
    mistake_table = mistakes.find(table, np.random.default_rng(1).dirichlet(np.full(18, 0.3), 900))
    examples = mistakes.examples(mistake_table)
    assert examples["true_probability"].is_monotonic_increasing
    assert set(mistakes.worst(mistake_table)["photo"]) <= set(examples["photo"])
    for name, values in labels.ATTRIBUTES.items():
        for truth in values:
            for predicted in (value for value in values if value != truth):
                for mask in labels.MASKS if name != "mask" else [truth]:
                    kind, of_page = (
                        each[
                            (each[f"true_{name}"] == truth)
                            & (each[name] == predicted)
                            & (each["true_mask"] == mask)
                        ]
                        for each in (mistake_table, examples)
                    )
                    people = kind.groupby("person", sort=False).head(mistakes.MAX_PER_PERSON)
                    first = people["photo"].head(mistakes.MAX_OF_KIND)
                    assert len(first) == 4
                    assert set(first) <= set(of_page["photo"])
    assert len(examples) < 24 + 30 * mistakes.MAX_OF_KIND


def test_the_csv_leaves_unknown_truths_empty(tmp_path: Path) -> None:
    table = photos_of(60, 20, 0.4)
    mistake_table = mistakes.find(table, np.random.default_rng(1).dirichlet(np.full(18, 0.3), 60))
    mistakes.write(tmp_path / "mistakes.csv", mistake_table)
    read = pd.read_csv(tmp_path / "mistakes.csv")
    assert ",".join(read.columns) == (
        "photo,person,fold,true_mask,mask,true_gender,gender,true_age_band,age_band,"
        "probability,true_probability"
    )
    assert read["true_gender"].isna().tolist() == (mistake_table["true_gender"] == "").tolist()
    assert read["true_gender"].isna().any()
    assert read["true_probability"].is_monotonic_increasing


def card_of(photo: Path) -> tuple[dict[str, object], list[str]]:
    digest = contents.file_digest(photo).hex() if photo.exists() else ""
    rows = pd.DataFrame({"photo": [photo.name]})
    (card,), faults = mistakes.cards(rows, photo.parent, {photo.name: digest})
    return card, faults


def test_a_card_shows_the_photo_small_upright_and_without_its_secrets(tmp_path: Path) -> None:
    image = Image.new("RGB", (900, 600), "red")
    image.paste("blue", (450, 0, 900, 600))
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned a quarter clockwise: blue, stored right, is below
    exif[0x010E] = "taken at home"
    image.save(tmp_path / "a.jpg", exif=exif, comment=b"of a customer")
    card, faults = card_of(tmp_path / "a.jpg")
    assert faults == []
    head, _, content = str(card["picture"]).partition(",")
    assert head == "data:image/jpeg;base64"
    jpeg = base64.b64decode(content)
    assert b"home" not in jpeg
    assert b"customer" not in jpeg
    thumbnail = Image.open(io.BytesIO(jpeg))
    assert max(thumbnail.size) == thumbnail.height <= 240
    assert thumbnail.width / thumbnail.height == pytest.approx(600 / 900, abs=0.01)
    middle = np.asarray(thumbnail)[:, thumbnail.width // 2]
    red, blue = (middle[thumbnail.height * at // 4].tolist() for at in (1, 3))
    assert red[0] > 200 > 50 > red[2]
    assert blue[2] > 200 > 50 > blue[0]


def test_photos_that_are_gone_or_damaged_leave_cards_without_pictures(tmp_path: Path) -> None:
    (tmp_path / "b.jpg").write_bytes(b"no photo")
    for name, reason in (("a.jpg", "no such file"), ("b.jpg", "not an image")):
        card, faults = card_of(tmp_path / name)
        assert card["picture"] == ""
        assert card["file"] == name
        (fault,) = faults
        assert str(tmp_path / name) in fault
        assert reason in fault
    (card,), faults = mistakes.cards(pd.DataFrame({"photo": ["a.jpg"]}), None, {})
    assert (card["picture"], faults) == ("", [])


def test_only_the_photo_of_the_run_is_shown(tmp_path: Path) -> None:
    Image.new("RGB", (90, 60), "red").save(tmp_path / "mine.jpg")
    rows, reasons = pd.DataFrame({"photo": ["mine.jpg", "gone.jpg"]}), set()
    file_digest = contents.digest((tmp_path / "mine.jpg").read_bytes()).hex()
    for digests in ({}, {"mine.jpg": "0" * 32, "gone.jpg": "0" * 32}, {"gone.jpg": file_digest}):
        cards, faults = mistakes.cards(rows, tmp_path, digests)
        assert [card["picture"] for card in cards] == ["", ""]
        reasons |= {fault.partition(".jpg: ")[2] for fault in faults}
    assert len(reasons) == 1, "nobody learns from the page which files there are"
    (card, _), _ = mistakes.cards(rows, tmp_path, {"mine.jpg": file_digest})
    assert str(card["picture"]).startswith("data:image/jpeg")
