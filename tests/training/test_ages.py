"""A model of single years: trained, scored out of fold, predicting ages, and as a bundle."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import maskgate
from maskgate.evaluation import age_errors
from maskgate.export import exporter
from maskgate.export.exporter import ExportOptions
from maskgate.inference import loading
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, tables

LOSS = "loss={name: sum, parts: [{name: cross_entropy}, {name: label_distribution}]}"
YEARS = "model.head={name: factored, age: years}"


@pytest.fixture(scope="module")
def years(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    changes = YEARS, LOSS, "mixing=[{name: mixup}]", "tta=[{name: flip}]"
    return train(tmp_path_factory.mktemp("years") / "run", *changes)


def test_ages_are_scored_out_of_fold(years: Path) -> None:
    run = RunFolder(years)
    table, _ = tables.oof(run)
    stored = pd.read_parquet(run.oof_file).set_index("photo").loc[table["photo"]]
    predicted = stored["predicted_age"].to_numpy()
    assert ((predicted > 0) & (predicted < 100)).all() and np.ptp(predicted) > 0
    scores = json.loads(run.metrics_file.read_text())["age"]
    error = np.abs(predicted - table["age"].to_numpy())
    assert scores["mean_absolute_error"]["value"] == pytest.approx(error.mean(), rel=1e-5)
    assert run.metrics().age is not None
    assert scores["people"] == sum(decade["people"] for decade in scores["decades"])
    assert scores["decades"] == json.loads(
        json.dumps(
            age_errors.evaluate(predicted, table)["decades"], default=lambda f: f.model_dump()
        )
    )
    page = run_report.write(run, photos=False).read_text()
    value, low, high = (f"{each:.2f}" for each in scores["mean_absolute_error"].values())
    assert f"{value} [{low}, {high}] years on average" in page


def test_out_of_fold_predictions_have_the_age(years: Path, trained: Path) -> None:
    rows, _ = tables.read_probabilities(RunFolder(years).oof_file)
    oof = maskgate.Run(years).oof
    assert oof["photo"].tolist() == rows["photo"].tolist()
    np.testing.assert_array_equal(oof["age_years"], rows["predicted_age"])
    assert "age_years" not in maskgate.Run(trained).oof


def test_predictions_have_the_age(years: Path, trained: Path, people: Path) -> None:
    predictions = loading.load(years).predict((people / "eval" / "images").iterdir())
    assert predictions.ages is not None and np.isfinite(predictions.ages).all()
    header, first = predictions.to_csv().splitlines()[:2]
    assert header.split(",").index("age_years") == header.split(",").index("label") - 1
    assert f",{predictions.ages[0]:.6f}," in first
    np.testing.assert_array_equal(predictions.to_pandas()["age_years"], predictions.ages)
    without = loading.load(trained).predict((people / "eval" / "images").iterdir())
    assert without.ages is None and "age_years" not in without.to_csv()


@pytest.mark.slow
def test_a_bundle_has_the_same_probabilities_and_no_age(
    years: Path, people: Path, cache: Path, tmp_path: Path
) -> None:
    bundle = tmp_path / "model.maskgate"
    exporter.export(RunFolder(years), ExportOptions(bundle, cache=cache, calibrate=False))
    photos = [*(people / "eval" / "images").glob("*.jpg")]
    of_run, of_bundle = (loading.load(model).predict(photos) for model in (years, bundle))
    np.testing.assert_allclose(of_bundle.probabilities, of_run.probabilities, atol=1e-4)
    assert of_bundle.ages is None


def test_bulk_predictions_have_the_column(years: Path, trained: Path) -> None:
    pytest.importorskip("pyarrow")
    from maskgate.cluster.bulk.block_predictor import schema

    names = schema(loading.load(years)).names
    assert names.index("age_years") == names.index("label") - 1
    assert "age_years" not in schema(loading.load(trained)).names
