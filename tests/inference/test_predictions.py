"""Predictions: typed arrays, and the same as CSV and as a table of pandas."""

import io

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.inference.predictions import FACE, Predictions


@pytest.fixture
def three() -> Predictions:
    """Of three faces, the last of which was not found."""
    random = np.random.default_rng(0)
    probabilities = random.dirichlet(np.ones(labels.COUNT), 3).astype(np.float32)
    boxes = random.random((3, 5)).astype(np.float32) * 100
    boxes[2] = np.nan
    return Predictions(["a.jpg", 'b, "c".jpg', "김.jpg"], probabilities, boxes=boxes)


def by_hand(predictions: Predictions) -> pd.DataFrame:
    """The table, column by column."""
    cube = predictions.probabilities.reshape(-1, 3, 2, 3)  # mask, gender, age band
    table = pd.DataFrame({"photo": predictions.photos})
    assert predictions.boxes is not None
    table[list(FACE)] = predictions.boxes
    for axis, (name, words) in enumerate(labels.ATTRIBUTES.items(), 1):
        marginal = cube.sum(tuple({1, 2, 3} - {axis}))
        table[name] = [words[code] for code in marginal.argmax(1)]
        table[f"{name}_probability"] = marginal.max(1)
    table["label"] = predictions.probabilities.argmax(1)
    table[list(labels.PROBABILITY_COLUMNS)] = predictions.probabilities
    return table


def test_the_table_of_pandas(three: Predictions) -> None:
    pd.testing.assert_frame_equal(three.to_pandas(), by_hand(three))


def test_the_csv_is_that_of_pandas(three: Predictions) -> None:
    assert three.to_csv() == three.to_pandas().to_csv(index=False, float_format="%.6f")
    read = pd.read_csv(io.StringIO(three.to_csv()))
    assert read["photo"].tolist() == three.photos
    assert read["face_left"].isna().tolist() == [False, False, True]


def test_answers_below_a_threshold_are_unsure(three: Predictions) -> None:
    confidence = three.confidence("mask")
    lowest = float(np.sort(confidence)[1])
    predictions = Predictions(
        three.photos, three.probabilities, boxes=three.boxes, thresholds={"mask": lowest}
    )
    expected = [False, False, False]
    expected[int(confidence.argmin())] = True
    assert predictions.is_unsure("mask").tolist() == expected
    assert not predictions.is_unsure("gender").any()
    table = predictions.to_pandas()
    assert table["mask_unsure"].tolist() == expected
    assert list(table).index("mask_unsure") == list(table).index("mask_probability") + 1
    assert "gender_unsure" not in table
    assert predictions.to_csv() == table.to_csv(index=False, float_format="%.6f")


def test_what_a_model_does_not_know_is_left_empty() -> None:
    probabilities = np.full((2, labels.COUNT), 1 / labels.COUNT, np.float32)
    predictions = Predictions(["a", "b"], probabilities, attributes=("mask",))
    assert predictions.gender == predictions.age_band == ["", ""]
    assert predictions.mask == ["wear", "wear"]
    assert np.isnan(predictions.confidence("gender")).all()
    assert predictions.confidence("mask") == pytest.approx([1 / 3, 1 / 3])
    assert predictions.classes.tolist() == [labels.UNKNOWN] * 2
    table = predictions.to_pandas()
    assert table["label"].isna().all()
    assert predictions.to_csv() == table.to_csv(index=False, float_format="%.6f")
    assert predictions.to_csv().splitlines()[1].startswith("a,wear,0.333333,,,,,,0.055556,")


def test_no_photos_are_a_table_without_rows() -> None:
    nothing = Predictions([], np.empty((0, labels.COUNT), np.float32))
    assert len(nothing) == 0
    assert nothing.to_pandas().empty
    assert nothing.to_csv().count("\n") == 1


def test_a_name_that_is_no_attribute_is_refused(three: Predictions) -> None:
    for ask in (three.words, three.confidence):
        with pytest.raises(ValueError, match=r"'gendre'.*'mask', 'gender', 'age_band'"):
            ask("gendre")


@pytest.mark.parametrize(
    ("photos", "probabilities", "boxes", "message"),
    [
        (["a"], (2, labels.COUNT), None, r"probabilities of shape \(2, 18\).*\(1, 18\)"),
        (["a", "b"], (2, 17), None, r"probabilities of shape \(2, 17\).*\(2, 18\)"),
        (["a"], (labels.COUNT,), None, r"probabilities of shape \(18,\).*\(1, 18\)"),
        (["a", "b"], (2, labels.COUNT), (1, 5), r"boxes of shape \(1, 5\).*\(2, 5\)"),
        (["a"], (1, labels.COUNT), (1, 4), r"boxes of shape \(1, 4\).*\(1, 5\)"),
    ],
)
def test_arrays_of_other_shapes_are_refused(
    photos: list[str],
    probabilities: tuple[int, ...],
    boxes: tuple[int, ...] | None,
    message: str,
) -> None:
    with pytest.raises(ValueError, match=message):
        Predictions(
            photos,
            np.zeros(probabilities, np.float32),
            boxes=None if boxes is None else np.zeros(boxes, np.float32),
        )


def test_predictions_are_compared_by_identity(three: Predictions) -> None:
    again = Predictions(three.photos, three.probabilities, boxes=three.boxes)
    assert again != three and len({again, three, three}) == 2


def test_numbers_that_are_none_are_refused() -> None:
    probabilities = np.full((2, labels.COUNT), np.nan, np.float32)
    with pytest.raises(MaskgateError, match="2 of 2 photos"):
        Predictions(["a", "b"], probabilities)
