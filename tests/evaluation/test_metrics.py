"""Scores against scikit-learn and naive loops; intervals against what they must do."""

import json
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
from scipy.stats import binomtest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_score,
    recall_score,
)

from maskgate import labels
from maskgate.core import confusions
from maskgate.data import table as photo_table
from maskgate.evaluation import metrics
from maskgate.evaluation.bootstrap import Resamples

Probabilities = npt.NDArray[np.float64]
AGES = np.array([20, 40, 70])


def table_of(truth: npt.NDArray[np.integer], person: npt.NDArray[Any]) -> pd.DataFrame:
    """A photo table with the labels `truth` (N,) of the people `person` (N,)."""
    mask, gender, band = labels.decode(truth)
    photo = [f"{row}.jpg" for row in range(len(truth))]
    return photo_table.build(photo, map(str, person), mask, gender, AGES[band])


def people_table(people: int, photos: int, seed: int = 0) -> pd.DataFrame:
    """`people` of random gender and band, with `photos` each that show the masks in turn."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), photos)
    gender, band = random.integers(0, 2, people)[person], random.integers(0, 3, people)[person]
    mask = np.arange(len(person)) % 3
    return table_of(labels.encode(mask, gender, band), person)


def one_hot(predicted: npt.ArrayLike) -> Probabilities:
    return np.eye(labels.COUNT)[np.asarray(predicted)]


@pytest.mark.parametrize("seed", range(5))
def test_scores_equal_scikit_learns_with_absent_classes(seed: int) -> None:
    random = np.random.default_rng(seed)
    present = random.choice(18, 9, replace=False)  # half the classes occur nowhere in truth
    guessed = random.choice(18, 9, replace=False)
    truth = random.choice(present, 60)
    predicted = np.where(random.random(60) < 0.5, truth, random.choice(guessed, 60))
    counts = confusions.confusion(truth, predicted, 18)
    options: dict[str, Any] = {"labels": range(18), "zero_division": 0}
    assert confusions.macro_f1(counts) == pytest.approx(
        f1_score(truth, predicted, average="macro", **options)
    )
    assert confusions.accuracy(counts) == pytest.approx(accuracy_score(truth, predicted))
    for metric, sklearn_metric in (
        (confusions.f1, f1_score),
        (confusions.precision, precision_score),
        (confusions.recall, recall_score),
    ):
        np.testing.assert_allclose(
            metric(counts), sklearn_metric(truth, predicted, average=None, **options)
        )


def test_an_absent_class_counts_zero_and_is_not_left_out() -> None:
    truth = np.arange(9)  # all right, but nine classes have no photo
    assert confusions.macro_f1(confusions.confusion(truth, truth, 18)) == pytest.approx(0.5)


def test_measures_take_many_confusions_at_once() -> None:
    stacked = np.random.default_rng(0).integers(0, 5, (2, 4, 3, 3)).astype(np.float64)
    for measure in (confusions.macro_f1, confusions.accuracy, confusions.f1, confusions.recall):
        every = measure(stacked)
        for i in range(2):
            for j in range(4):
                np.testing.assert_allclose(every[i, j], measure(stacked[i, j]))


def test_no_photos_score_zero() -> None:
    empty = confusions.confusion([], [], 3)
    assert confusions.macro_f1(empty) == confusions.accuracy(empty) == 0


def test_confusion_equals_a_loop_and_drops_unknown_truth() -> None:
    random = np.random.default_rng(0)
    truth, predicted = random.integers(-1, 3, 50), random.integers(0, 3, 50)
    naive = np.zeros((3, 3))
    for t, p in zip(truth, predicted, strict=True):
        if t != labels.UNKNOWN:
            naive[t, p] += 1
    assert confusions.confusion(truth, predicted, 3).tolist() == naive.tolist()
    known = truth >= 0
    assert naive.tolist() == confusion_matrix(truth[known], predicted[known]).tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_report_equals_scikit_learns(seed: int) -> None:
    random = np.random.default_rng(seed)
    table = people_table(20, 7, seed)
    probabilities = random.dirichlet(np.full(18, 0.3), len(table))
    report = metrics.evaluate(probabilities, table, resamples=20)
    predicted = probabilities.argmax(1)
    options: dict[str, Any] = {"average": "macro", "zero_division": 0}
    expected = f1_score(table["label"], predicted, labels=range(18), **options)
    assert report["macro_f1"]["value"] == pytest.approx(expected)
    assert report["accuracy"]["value"] == pytest.approx((predicted == table["label"]).mean())
    for name, members in labels.MEMBERS.items():
        summed = np.stack([probabilities[:, row].sum(1) for row in members], axis=1)
        attribute = report["attributes"][name]
        expected = f1_score(table[name], summed.argmax(1), labels=range(len(members)), **options)
        assert attribute["macro_f1"]["value"] == pytest.approx(expected)
        assert attribute["accuracy"]["value"] == pytest.approx(
            (summed.argmax(1) == table[name]).mean()
        )
    for number, entry in enumerate(report["classes"]):
        assert entry["name"] == labels.CLASSES[number]
        assert entry["photos"] == (table["label"] == number).sum()
        people = table.loc[table["label"] == number, "person"].nunique()
        assert entry["people"] == people
    assert np.sum(report["confusion"]["value"]) == len(table)
    json.dumps(report)


def test_shares_of_a_confusion_are_those_of_the_true_class_in_every_draw() -> None:
    table = people_table(40, 7)
    table = table.drop(index=range(0, 40, 3))  # people differ in how many photos they have
    random = np.random.default_rng(2)
    truth = table["label"].to_numpy()
    predicted = np.where(random.random(len(truth)) < 0.6, truth, random.integers(0, 18, len(truth)))
    report = metrics.evaluate(one_hot(predicted), table, resamples=50, seed=4)
    drawn = Resamples(table, 50, seed=4).confusions("mask", truth // 6, predicted // 6)
    matrix = report["attributes"]["mask"]["confusion"]["share"]
    expected = confusion_matrix(table["mask"], predicted // 6, normalize="true")
    np.testing.assert_allclose(matrix["value"], expected)
    shares = np.stack([each / each.sum(1)[:, None] for each in drawn])
    for end, tail, outer in (("low", 0.025, np.minimum), ("high", 0.975, np.maximum)):
        percentile = np.quantile(shares, tail, axis=0)
        np.testing.assert_allclose(matrix[end], outer(percentile, expected))
    for c, entry in enumerate(report["attributes"]["mask"]["classes"]):  # the diagonal is recall
        assert [matrix[end][c][c] for end in ("low", "high")] == pytest.approx(
            [entry["recall"]["low"], entry["recall"]["high"]]
        )


def test_all_correct_is_as_sure_as_so_many_people_allow() -> None:
    gender, band = np.divmod(np.arange(12) % 6, 3)  # two people of every stratum, all masks
    person = np.repeat(np.arange(12), 3)
    truth = labels.encode(np.tile([0, 1, 2], 12), gender[person], band[person])
    report = metrics.evaluate(one_hot(truth), table_of(truth, person), resamples=100)

    def exact(people: int) -> dict[str, Any]:
        ends = binomtest(people, people).proportion_ci(0.95, "exact")
        return {"value": 1.0, "low": pytest.approx(ends.low), "high": 1.0}

    of_class = {"label": 2, "mask": 12, "gender": 6, "age_band": 4}
    for name, people in of_class.items():
        section = report["attributes"].get(name, report)
        assert section["accuracy"] == exact(12)
        for each in section["classes"]:
            assert each["f1"] == each["precision"] == each["recall"] == exact(people)
        assert section["macro_f1"] == exact(people), "the mean of as many classes"
        share = section["confusion"]["share"]
        low, high = np.array(share["low"]), np.array(share["high"])
        assert np.diag(low) == pytest.approx(exact(people)["low"].expected)
        np.testing.assert_allclose(high + low.diagonal()[:, None], 1 + np.diag(low.diagonal()))
    for each in report["attributes"].values():
        for calibration_bin in each["calibration"]["bins"]:
            assert calibration_bin["accuracy"] == exact(12), "all are in one bin"
    assert report["score"] == report["macro_f1"]


def test_all_wrong_is_as_sure_as_so_many_people_allow() -> None:
    table = people_table(400, 3)
    predicted = (table["label"].to_numpy() + 6) % 18
    report = metrics.evaluate(one_hot(predicted), table, resamples=50)
    for section in (report, report["attributes"]["mask"]):
        assert section["accuracy"]["high"] == pytest.approx(1 - 0.025 ** (1 / 400))
        for each in section["classes"]:
            ends = binomtest(0, each["people"]).proportion_ci(0.95, "exact")
            for score in ("f1", "precision", "recall"):
                assert each[score] == {"value": 0.0, "low": 0.0, "high": pytest.approx(ends.high)}


def test_a_score_of_attributes_alone_that_is_perfect_has_the_mean_interval_of_theirs() -> None:
    table = people_table(40, 3)
    hidden = table.assign(label=np.int8(labels.UNKNOWN), age_band=np.int8(labels.UNKNOWN))
    report = metrics.evaluate(one_hot(table["label"]), hidden, resamples=50)
    lows = [each["macro_f1"]["low"] for each in report["attributes"].values()]
    assert len(lows) == 2 and max(lows) < 1
    assert report["score"] == {"value": 1.0, "low": pytest.approx(np.mean(lows)), "high": 1.0}


def test_the_interval_holds_the_value_and_is_the_quantile_of_the_draws() -> None:
    random = np.random.default_rng(0)
    table = people_table(150, 7)
    truth = table["label"].to_numpy()
    predicted = np.where(random.random(len(truth)) < 0.7, truth, random.integers(0, 18, len(truth)))
    report = metrics.evaluate(one_hot(predicted), table, resamples=400, seed=3)
    score = metrics.read_score(report["accuracy"])
    assert score.low < score.value < score.high
    assert report["macro_f1"]["low"] < report["macro_f1"]["value"] < report["macro_f1"]["high"]
    # The width of a 95% interval of a share, from the normal approximation.
    width = 2 * 1.96 * np.sqrt(score.value * (1 - score.value) / len(truth))
    assert score.high - score.low == pytest.approx(width, rel=0.25)
    assert str(score) == f"{score.value:.4f} [{score.low:.4f}, {score.high:.4f}]"


def test_intervals_over_people_are_wider_where_errors_come_by_person() -> None:
    table = people_table(60, 7)
    right = np.random.default_rng(1).random(60) < 0.6  # a person is right or wrong as a whole
    truth, person = table["label"].to_numpy(), table["person"].astype(int).to_numpy()
    predicted = np.where(right[person], truth, (truth + 6) % 18)
    alone = table.assign(person=[str(row) for row in range(len(table))])
    widths = []
    for each in (table, alone):
        accuracy = metrics.evaluate(one_hot(predicted), each, resamples=300)["accuracy"]
        widths.append(accuracy["high"] - accuracy["low"])
    assert widths[0] > 1.8 * widths[1]  # by √7 = 2.6 in theory


def test_partial_labels_count_only_in_the_attributes_known() -> None:
    random = np.random.default_rng(0)
    table = people_table(30, 3)
    for at, name in enumerate(labels.ATTRIBUTES):
        table.loc[table.index % 5 == at, name] = labels.UNKNOWN
    codes = (table[name] for name in labels.ATTRIBUTES)
    table["label"] = labels.encode(*codes)
    probabilities = random.dirichlet(np.full(18, 0.3), len(table))
    report = metrics.evaluate(probabilities, table, resamples=20)
    full = (table["label"] != labels.UNKNOWN).to_numpy()
    assert report["photos"] == 90
    assert report["people"] == 30
    assert report["fully_labelled"] == full.sum() == 36
    hits = probabilities.argmax(1)[full] == table["label"].to_numpy()[full]
    assert report["accuracy"]["value"] == pytest.approx(hits.mean())
    assert np.sum(report["confusion"]["value"]) == 36
    for name, part in labels.marginals(probabilities).items():
        known = (table[name] != labels.UNKNOWN).to_numpy()
        assert known.sum() == 72
        hits = part.argmax(1)[known] == table[name].to_numpy()[known]
        attribute = report["attributes"][name]
        assert attribute["accuracy"]["value"] == pytest.approx(hits.mean())
        assert np.sum(attribute["confusion"]["value"]) == 72


def test_of_an_attribute_nobody_knows_nothing_is_said() -> None:
    table = people_table(6, 3).assign(gender=np.int8(-1), label=np.int8(-1))
    report = metrics.evaluate(np.full((18, 18), 1 / 18), table, resamples=5)
    assert report["fully_labelled"] == 0
    assert "accuracy" not in report
    assert set(report["attributes"]) == {"mask", "age_band"}
    assert report["attributes"]["mask"]["accuracy"]["value"] == pytest.approx(1 / 3)
    assert report["score_of"] == "macro F1, mean of mask, age band"
    parts = [part["macro_f1"]["value"] for part in report["attributes"].values()]
    assert report["score"]["value"] == pytest.approx(np.mean(parts))
    assert report["score"]["low"] <= report["score"]["value"] <= report["score"]["high"]


def test_what_is_judged_goes_by_the_labels() -> None:
    table = pd.DataFrame({"mask": [0, 2], "gender": [1, -1], "age_band": [2, 0], "label": [5, -1]})
    assert metrics.main_score_name(table) == metrics.ALL_CLASSES
    partly = table.iloc[1:]
    assert metrics.main_score_name(partly) == "macro F1, mean of mask, age band"
    assert (
        metrics.main_score_name(metrics.keep_labels(table, ("mask",))) == "macro F1, mean of mask"
    )
