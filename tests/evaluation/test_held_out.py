"""Scores on other people, derived a second time; no model is scored on what it was trained on."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.bundle.held_out import GroupScores
from maskgate.data import layouts
from maskgate.data import table as photo_table
from maskgate.data.contents import file_digest
from maskgate.errors import MaskgateError
from maskgate.evaluation import held_out, metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.inference.predictions import Predictions
from maskgate.runs import RunFolder, open_run, tables

PEOPLE = 40


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    """Photos of people with all 18 classes: of each one worn, one incorrect, one bare."""
    person = np.repeat(np.arange(PEOPLE), 3)
    mask = np.tile([0, 1, 2], PEOPLE)
    age = np.array([25.0, 45.0, 65.0])[person % 3]
    names = [f"{number}.jpg" for number in range(len(person))]
    return photo_table.build(names, map(str, person), mask, person % 2, age)


@pytest.fixture(scope="module")
def predictions(table: pd.DataFrame) -> Predictions:
    """Right with 60%, with ages that are off by years."""
    random = np.random.default_rng(3)
    probabilities = random.dirichlet(np.full(labels.COUNT, 0.3), len(table)).astype(np.float32)
    rows = np.arange(len(table))
    right = rows[random.random(len(table)) < 0.6]
    probabilities[right, table["label"].to_numpy()[right]] += 1
    probabilities /= probabilities.sum(1, keepdims=True)
    ages = (table["age"] + random.normal(0, 6, len(table))).to_numpy(np.float32)
    return Predictions(table["photo"].tolist(), probabilities, ages=ages)


def test_scores_are_those_of_metrics(predictions: Predictions, table: pd.DataFrame) -> None:
    measures = held_out.scores(predictions, table).measures
    expected = metrics.evaluate(predictions.probabilities, table)
    mask = expected["attributes"]["mask"]
    recalls = [each["recall"] for each in mask["classes"]]
    assert measures["macro_f1"].model_dump() == pytest.approx(expected["macro_f1"])
    for name, recall in zip(("wear", "incorrect", "not_wear"), recalls, strict=True):
        assert measures[f"{name}_recall"].model_dump() == pytest.approx(recall)  # type: ignore[index]
    assert measures["balanced_recall"].value == pytest.approx(
        np.mean([recall["value"] for recall in recalls])
    )
    assert measures["balanced_recall"].low < measures["balanced_recall"].value
    for name, measure in (("mask", "mask"), ("gender", "gender"), ("age_band", "age_band")):
        accuracy = expected["attributes"][name]["accuracy"]
        assert measures[f"{measure}_accuracy"].model_dump() == pytest.approx(accuracy)  # type: ignore[index]
    assert predictions.ages is not None
    error = np.abs(predictions.ages - table["age"].to_numpy(np.float64)).mean()
    assert measures["age_error"].value == pytest.approx(error)
    for name in labels.ATTRIBUTES:
        calibration = expected["attributes"][name]["calibration"]["error"]
        assert measures[f"{name}_calibration_error"].model_dump() == pytest.approx(calibration)  # type: ignore[index]


def test_what_labels_or_people_do_not_allow_is_left_out(
    predictions: Predictions, table: pd.DataFrame
) -> None:
    def measures(rows: pd.DataFrame, **changes: object) -> set[str]:
        part = rows.assign(**changes).reset_index(drop=True)  # type: ignore[arg-type]
        chosen = held_out._take(predictions, rows.index.to_numpy())
        return set(map(str, held_out.scores(chosen, part).measures))

    everything = set(map(str, held_out.scores(predictions, table).measures))
    assert len(everything) == 13
    errors = {f"{name}_calibration_error" for name in labels.ATTRIBUTES}
    assert measures(table, age=np.float32(np.nan)) == everything - {"age_error"}
    men = measures(table[table["gender"] == 0])
    assert men == everything - {"macro_f1"}
    not_worn = measures(table[table["mask"] == 2])
    assert not_worn == {
        "mask_accuracy", "not_wear_recall", "not_called_worn", "gender_accuracy",
        "age_band_accuracy", "age_error", *errors,
    }  # fmt: skip
    no_mask = measures(table, mask=np.int8(-1), label=np.int8(-1))
    errors.remove("mask_calibration_error")
    assert no_mask == {"gender_accuracy", "age_band_accuracy", "age_error", *errors}
    few = table[table["person"].isin([str(number) for number in range(9)])]
    assert measures(few) == set()


def test_sure_answers(predictions: Predictions, table: pd.DataFrame) -> None:
    """Naively; and without a threshold nothing says what is sure."""
    lowest = float(np.median(predictions.confidence("mask")))
    chosen = replace(predictions, thresholds={"mask": lowest})
    measures = {str(name): each for name, each in held_out.scores(chosen, table).measures.items()}
    is_sure = predictions.confidence("mask") >= lowest
    mask = labels.marginals(predictions.probabilities)["mask"].argmax(1)
    wrong = (mask != table["mask"])[is_sure].mean()
    assert measures["mask_accepted_error"].value == pytest.approx(wrong)
    assert measures["mask_another_look"].value == pytest.approx((~is_sure).mean())
    assert not [name for name in measures if name.startswith("gender_acc") and "error" in name]
    (group,) = held_out.by_group(chosen, table, {"all": ["all"] * len(table)})["all"].values()
    assert group.measures["mask_another_look"] == measures["mask_another_look"]
    all_unsure = replace(predictions, thresholds={"mask": 2.0})
    assert "mask_accepted_error" not in held_out.scores(all_unsure, table).measures


def test_the_share_not_called_worn(predictions: Predictions, table: pd.DataFrame) -> None:
    rows = np.flatnonzero(table["mask"] != 0)
    part = held_out._take(predictions, rows)
    other = table.iloc[rows].reset_index(drop=True)
    figure = held_out.scores(part, other).measures["not_called_worn"]
    predicted = labels.marginals(part.probabilities)["mask"].argmax(1)
    assert figure.value == pytest.approx((predicted != 0).mean())
    assert figure.low < figure.value < figure.high
    not_worn = np.zeros_like(part.probabilities)
    not_worn[:, 17] = 1
    certain = held_out.scores(Predictions(part.photos, not_worn), other).measures["not_called_worn"]
    assert certain.value == 1
    assert certain.low == pytest.approx(0.025 ** (1 / PEOPLE))


def test_attributes_that_a_model_lacks_are_not_scored(
    predictions: Predictions, table: pd.DataFrame
) -> None:
    masks = Predictions(predictions.photos, predictions.probabilities, ("mask",))
    measures = held_out.scores(masks, table).measures
    assert {name for name in measures if "recall" not in name} == {
        "mask_accuracy", "incorrect_at_worn", "mask_calibration_error"
    }  # fmt: skip


def test_a_share_of_all_or_none_still_has_an_interval(
    predictions: Predictions, table: pd.DataFrame
) -> None:
    from scipy.stats import binomtest

    def of(probabilities: np.ndarray, name: str) -> tuple[float, float, float]:
        scores = held_out.scores(Predictions(predictions.photos, probabilities), table)
        figure = scores.measures[name]  # type: ignore[index]
        return figure.value, figure.low, figure.high

    right = np.zeros_like(predictions.probabilities)
    right[np.arange(len(table)), table["label"]] = 1
    exact = binomtest(PEOPLE, PEOPLE).proportion_ci()
    for name in ("balanced_recall", "incorrect_recall", "incorrect_at_worn", "gender_accuracy"):
        assert of(right, name) == pytest.approx((1, exact.low, 1))
    other_gender = (table["label"].to_numpy() + 3) % 6 + table["label"].to_numpy() // 6 * 6
    wrong = np.zeros_like(right)
    wrong[np.arange(len(table)), other_gender] = 1
    assert of(wrong, "gender_accuracy") == pytest.approx((0, 0, 1 - exact.low))
    assert of(wrong, "age_band_accuracy") == pytest.approx((1, exact.low, 1))


def naive_incorrect_at_worn(mask: np.ndarray, truth: np.ndarray, weight: np.ndarray) -> float:
    """The highest of all probabilities that confirms 95% of the worn, tried one after another."""
    worn, incorrect = truth == 0, truth == 1
    for lowest in sorted(set(mask[worn, 0]), reverse=True):
        confirmed = weight[worn & (mask[:, 0] >= lowest)].sum()
        if confirmed >= 0.95 * weight[worn].sum() - 1e-9:
            called_incorrect = (mask[:, 0] < lowest) & (mask[:, 1] >= mask[:, 2])
            return float(weight[incorrect & called_incorrect].sum() / weight[incorrect].sum())
    raise AssertionError


def test_incorrect_at_worn_tries_every_probability(
    predictions: Predictions, table: pd.DataFrame
) -> None:
    mask = labels.marginals(predictions.probabilities)["mask"]
    truth = table["mask"].to_numpy()
    weights = Resamples(table, 60, seed=0)
    value, drawn = held_out.incorrect_at_worn(mask, truth, weights)
    assert value == pytest.approx(naive_incorrect_at_worn(mask, truth, np.ones(len(truth))))
    by_photo = np.concatenate(list(weights.of_photos(np.arange(len(table)))))
    assert by_photo.shape == (60, len(table))
    expected = [naive_incorrect_at_worn(mask, truth, weight) for weight in by_photo]
    np.testing.assert_allclose(drawn, expected)


def test_groups_are_scored_as_if_they_were_alone(
    predictions: Predictions, table: pd.DataFrame
) -> None:
    words = [("", "men", "women")[number] for number in 1 + table["gender"]]
    words[:3] = ["", "", ""]
    groups = held_out.by_group(predictions, table, {"gender": words})
    assert list(groups) == ["gender"]
    assert list(groups["gender"]) == ["men", "women"]
    men = np.flatnonzero(np.array(words) == "men")
    alone = held_out.scores(
        held_out._take(predictions, men), table.iloc[men].reset_index(drop=True)
    )
    assert groups["gender"]["men"] == alone
    assert alone == GroupScores.model_validate(alone.model_dump())
    assert (alone.photos, alone.people) == (PEOPLE // 2 * 3 - 3, PEOPLE // 2 - 1)


def test_a_run_is_not_scored_on_what_it_was_trained_on(
    trained: Path, people: Path, tmp_path: Path
) -> None:
    from maskgate.synthetic.people import sample_people

    run = open_run(trained)
    with pytest.raises(MaskgateError, match="was trained on photos of"):
        held_out.check_untrained(run, layouts.read(people))
    sample_people.make(tmp_path, people=3, eval_people=0, size=(64, 48), seed=5)
    others = layouts.read(tmp_path)
    held_out.check_untrained(run, others)
    # A mask that is drawn on a training photo gives a photo of another digest.
    digest = file_digest(people / "train" / "images" / tables.photos(run)["photo"][0]).hex()
    for origins in (digest, f"{'0' * 32} {digest}"):
        others.table["drawn_from"] = [origins, *[""] * (len(others.table) - 1)]
        with pytest.raises(MaskgateError, match="was trained on photos of"):
            held_out.check_untrained(run, others)


def test_the_digest_is_of_the_weights(trained: Path) -> None:
    golden = Path(__file__).parents[1] / "golden"
    runs = [RunFolder(golden / name) for name in ("plain", "faces", "together")]
    digests = {held_out.weights_digest(run) for run in [*runs, open_run(trained)]}
    assert len(digests) == 4
    assert held_out.weights_digest(open_run(trained)) in digests
