"""Opinions in CSVs: words, ages and predictions become probabilities; bad files are refused."""

from pathlib import Path

import numpy as np
import pytest

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.label_errors import opinion_tables
from maskgate.label_errors.evidence import Evidence

ROOT = Path("/people/images")


@pytest.fixture
def photos() -> Photos:
    table = photo_table.build(
        ["a/1.jpg", "a/2.jpg", "b/1.jpg"], "aab", [0, 2, 0], [0, 0, 1], [20] * 3
    )
    return Photos(ROOT, table)


def read(tmp_path: Path, photos: Photos, text: str) -> Evidence:
    path = tmp_path / "service.csv"
    path.write_text(text, encoding="utf-8")
    return opinion_tables.of_csv(path, photos)


def test_values_get_their_own_probability_or_nine_tenths(tmp_path: Path, photos: Photos) -> None:
    text = "photo,sex,gender_probability\na/1.jpg,F,.75\nb/1.jpg,man,\n"
    evidence = read(tmp_path, photos, text)
    assert evidence.name == "service.csv"
    genders = evidence.probabilities["gender"]
    assert genders[[0, 2]] == pytest.approx(np.array([[0.25, 0.75], [0.9, 0.1]]))
    assert np.isnan(genders[1]).all()
    assert set(evidence.probabilities) == {"gender"}


def test_an_age_in_years_is_a_distribution_of_bands(tmp_path: Path, photos: Photos) -> None:
    evidence = read(tmp_path, photos, "person,age\na,30\nb,70\n")
    assert evidence.ages.tolist() == [30, 30, 70], "of a person, for all photos"
    bands = evidence.probabilities["age_band"]
    assert bands.sum(1) == pytest.approx(np.ones(3))
    assert bands[0, 0] == pytest.approx(0.475, abs=0.01)
    assert bands[2].argmax() == 2


def test_age_groups_and_masks_are_read(tmp_path: Path, photos: Photos) -> None:
    evidence = read(tmp_path, photos, "photo,age_group,mask\na/1.jpg,60+,no mask\na/2.jpg,20-29,\n")
    bands, masks = evidence.probabilities["age_band"], evidence.probabilities["mask"]
    assert bands[:2].argmax(1).tolist() == [2, 0]
    assert masks[0] == pytest.approx([0.05, 0.05, 0.9])
    assert np.isnan(masks[1:]).all()


def test_predictions_are_read_with_all_probabilities(tmp_path: Path, photos: Photos) -> None:
    probabilities = np.random.default_rng(0).dirichlet(np.ones(18), 3)
    header = ["photo", "mask", "gender", "age_band", "age_years", *labels.PROBABILITY_COLUMNS]
    lines = [
        ",".join([str(ROOT / name), "wear", "", "<30", "33", *map(str, row)])
        for name, row in zip(photos.table["photo"], probabilities, strict=True)
    ]
    evidence = read(tmp_path, photos, "\n".join([",".join(header), *lines]))
    expected = labels.marginals(probabilities)
    assert set(evidence.probabilities) == {"mask", "age_band"}, "it predicts no gender"
    for name, values in evidence.probabilities.items():
        assert values == pytest.approx(expected[name])
    assert evidence.ages.tolist() == [33] * 3


def test_photos_may_have_more_folders_before_their_names(tmp_path: Path, photos: Photos) -> None:
    text = "photo,gender\nelsewhere/images/a/1.jpg,f\nC:\\\\people\\b\\1.jpg,f\n"
    evidence = read(tmp_path, photos, text)
    assert np.isfinite(evidence.probabilities["gender"][:, 0]).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gender\nmale\n", "lacks the columns photo and person"),
        ("photo,colour\na/1.jpg,red\n", "has none of the columns mask, gender, age, age_group"),
        ("photo,gender\na/1.jpg,mail\na/2.jpg,x\n", "row 2 (unknown gender 'mail')"),
        ("photo,age\na/1.jpg,old\n", "row 2 (unknown age 'old')"),
        ("photo,gender\nz.jpg,male\n", "names no photo of the data, such as a/1.jpg"),
        ("person,gender\na,male\na,female\n", "listed twice: a"),
        ("photo,gender,gender_probability\na/1.jpg,m,7\n", "has values outside 0 to 1"),
        ("photo," + ",".join(labels.PROBABILITY_COLUMNS) + "\na/1.jpg" + ",1" * 18, "sum to 1"),
    ],
)  # fmt: skip
def test_what_cannot_be_used_is_one_sentence(
    tmp_path: Path, photos: Photos, text: str, sentence: str
) -> None:
    with pytest.raises(MaskgateError) as error:
        read(tmp_path, photos, text)
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
