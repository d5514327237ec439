"""A bundle holds the threshold of each attribute for a stated error, and its card shows it."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from maskgate.bundle import open_bundle
from maskgate.errors import MaskgateError
from maskgate.evaluation import thresholds as fitting
from maskgate.export import calibration, thresholds
from maskgate.export.models import models
from maskgate.runs import RunFolder, tables

pytestmark = pytest.mark.slow  # most of it trains or exports

Call = Callable[..., tuple[int, str, str]]
ERRORS = {"mask": 0.5, "gender": 0.4, "age_band": 0.04}


@pytest.fixture(scope="module")
def sure_run(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose network is sure of some masks."""
    return train(tmp_path_factory.mktemp("sure") / "tiny", "training.epochs=10")


@pytest.fixture(scope="module")
def exported(sure_run: Path, export: Callable[..., Path]) -> Path:
    """The bundle of `sure_run`, for errors of which the last cannot be met."""
    return export(sure_run, calibrate=True, has_thresholds=True, errors=ERRORS)


def test_the_manifest_holds_what_was_fitted(sure_run: Path, exported: Path, cache: Path) -> None:
    manifest = open_bundle(exported).manifest
    run = RunFolder(sure_run)
    fit = calibration.fit(run, models(run, cache), cache)
    assert fit is not None
    table, _ = tables.oof(run)
    expected = fitting.fit(fit.probabilities.astype(np.float32), table, ERRORS)  # type: ignore[arg-type]
    assert manifest.thresholds == expected
    confidences = manifest.lowest_confidences()
    assert "age_band" not in confidences
    assert {"mask"} <= set(confidences)
    assert [each.policy for each in manifest.passing] == ["worn", "bare"]
    assert {each.threshold for each in manifest.passing} == {confidences["mask"]}


def test_the_card_shows_it(exported: Path, bundle: Path) -> None:
    manifest = open_bundle(exported).manifest
    mask = manifest.thresholds["mask"]
    text = (exported / "card.md").read_text()
    (row,) = re.findall(r"\| mask \| 50% \|.*", text)
    assert f"{mask.confidence:.3f}" in row
    assert mask.all.error is not None
    assert f"{mask.all.error.value:.2%}" in row
    assert "No threshold for the age band has an error of 4%" in text
    assert "Answers on the mask, by group:" in text
    page = (exported / "card.html").read_text()
    start = page.index("<h2>Thresholds")
    charts = page[start : page.index("<h2>Accuracy by")]
    assert charts.count("<figure>") == 5
    assert 'class="ring"' in charts
    assert charts.index("<h2>Letting in and stopping") < charts.rindex("<figure>")
    assert "Thresholds" not in (bundle / "card.md").read_text()


def test_export_prints_them(call: Call, sure_run: Path, tmp_path: Path, cache: Path) -> None:
    code, text, error = call(
        "export", sure_run, tmp_path / "with", "--cache", cache, "--error", "mask=.5",
        "--error", "age_band=0.04",
    )  # fmt: skip
    assert code == 0, error
    assert re.search(r"mask: unsure below 0\.\d{3}, for an error of 0\.5; of people left", text)
    assert "age band: no threshold meets an error of 0.04 among the sure answers" in text
    stored = json.loads((tmp_path / "with" / "manifest.json").read_text())["thresholds"]
    assert {name: each["target"] for name, each in stored.items()} == {
        "mask": 0.5, "gender": 0.05, "age_band": 0.04,
    }  # fmt: skip


def test_what_has_no_thresholds(
    train: Callable[..., Path], trained: Path, tmp_path: Path, cache: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    def fit(path: Path) -> object:
        run = RunFolder(path)
        return thresholds.fit(run, models(run, cache), None, {"mask": 0.5})

    everybody = train(tmp_path / "all", "folds.kind=all", "training.epochs=1")
    assert fit(everybody) == {}
    vote = train(tmp_path / "vote", "folds.vote=hard_vote", "training.epochs=1")
    capsys.readouterr()
    assert fit(vote) == {}
    assert "warning: no thresholds: the folds of" in capsys.readouterr().err
    read = tables.oof

    def of_one_person(run: RunFolder, path: Path | None = None) -> object:
        table, probabilities = read(run, path)
        return table.assign(fold=0, cluster=0), probabilities

    monkeypatch.setattr(tables, "oof", of_one_person)
    assert fit(trained) == {}
    assert "warning: no thresholds: learning a combination needs" in capsys.readouterr().err


def test_an_attribute_that_is_not_predicted(
    train: Callable[..., Path], tmp_path: Path, cache: Path
) -> None:
    head = "model.head={name: one_attribute, of: mask}"
    masks = RunFolder(train(tmp_path / "masks", head, "loss=cross_entropy", "training.epochs=1"))
    with pytest.raises(MaskgateError, match=r"--error gender: .*masks predicts mask alone"):
        thresholds.check(masks, {"gender": 0.05})
    errors = {"mask": 0.9, "gender": 0.05}
    fitted = thresholds.fit(masks, models(masks, cache), None, errors)  # type: ignore[arg-type]
    assert set(fitted) == {"mask"}
