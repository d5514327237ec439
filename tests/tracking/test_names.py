"""The names of metrics."""

import re
from pathlib import Path

from maskgate import labels
from maskgate.runs import open_run, tables
from maskgate.tracking import names


def test_an_epoch_has_the_columns_of_the_history(trained: Path) -> None:
    history = tables.history(open_run(str(trained)))
    row = history.to_dict("records")[-1]
    metrics = names.of_epoch({str(key): value for key, value in row.items()} | {"fold": 1})
    assert metrics["fold_1/train_loss"] == row["train_loss"]
    assert metrics["fold_1/valid_macro_f1"] == row["valid_macro_f1"]
    assert len(metrics) == len(row) - 2


def test_values_that_are_not_numbers_are_left_out() -> None:
    row = {"fold": 2, "epoch": 3, "train_loss": 0.5, "valid_macro_f1": float("nan")}
    assert names.of_epoch(row) == {"fold_2/train_loss": 0.5}


def test_scores_have_their_intervals(trained: Path) -> None:
    results = open_run(str(trained)).metrics()
    scores = names.of_results(results)
    assert results.macro_f1 is not None
    figure = results.macro_f1
    assert scores["macro_f1"] == figure.value
    assert (scores["macro_f1_low"], scores["macro_f1_high"]) == (figure.low, figure.high)
    for attribute in labels.ATTRIBUTES:
        assert f"{attribute}/macro_f1_high" in scores
    assert "mask/not_wear/f1" in scores
    assert "age_band/60_and_over/recall_low" in scores


def test_all_classes_have_names_that_every_tracker_takes(trained: Path) -> None:
    scores = names.of_results(open_run(str(trained)).metrics())
    classes = {name.split("/")[1] for name in scores if name.startswith("class/")}
    assert len(classes) == labels.COUNT
    assert all(re.fullmatch(r"[a-z0-9_/]+", name) for name in scores)


def test_the_page_lists_the_names(trained: Path) -> None:
    page = (Path(__file__).parents[2] / "docs/tracking.md").read_text("utf-8")
    for name in (
        "fold_0/train_loss",
        "macro_f1_low",
        "mask/macro_f1",
        "class/wear_male_under_30/f1",
    ):
        assert f"`{name}`" in page
