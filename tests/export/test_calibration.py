"""A bundle gives calibrated probabilities, the same as its run after `--adjust calibrate`."""

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import maskgate
from maskgate import labels
from maskgate.bundle import open_bundle
from maskgate.bundle.manifest import Calibration
from maskgate.ensemble.learning import calibration as learning
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.evaluation import metrics
from maskgate.export import calibration
from maskgate.export.models import models
from maskgate.inference import loading
from maskgate.runs import RunFolder, tables

pytestmark = pytest.mark.slow  # most of it trains or exports

Call = Callable[..., tuple[int, str, str]]
GOLDEN = Path(__file__).parents[1] / "golden"


@pytest.fixture(scope="module")
def calibrated(trained: Path, export: Callable[..., Path]) -> Path:
    """The bundle of `trained` as users export it."""
    return export(trained, calibrate=True)


@pytest.fixture(scope="module")
def combined(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of `trained` after `--adjust calibrate`."""
    from typer.testing import CliRunner

    from maskgate.cli import app

    out = tmp_path_factory.mktemp("combined") / "run"
    result = CliRunner().invoke(
        app, ["combine", str(trained), "-o", str(out), "--adjust", "calibrate"]
    )
    assert result.exit_code == 0, result.output
    assert "expected calibration error" in result.output
    return out


def fitted(path: Path, cache: Path) -> Calibration | None:
    run = RunFolder(path)
    fit = calibration.fit(run, models(run, cache), cache)
    return None if fit is None else fit.calibration


def eval_photos(people: Path) -> list[Path]:
    return sorted((people / "eval" / "images").iterdir())[:20]


def test_a_bundle_gives_the_probabilities_of_its_run_after_calibrate(
    trained: Path, bundle: Path, calibrated: Path, combined: Path, people: Path
) -> None:
    photos = eval_photos(people)
    before = maskgate.load(bundle).predict(photos)
    after = maskgate.load(calibrated).predict(photos)
    expected = loading.load(combined).predict(photos)
    np.testing.assert_allclose(after.probabilities, expected.probabilities, atol=1e-3)
    assert np.abs(after.probabilities - before.probabilities).max() > 0.01
    np.testing.assert_array_equal(after.classes, expected.classes)
    old, new = labels.marginals(before.probabilities), labels.marginals(after.probabilities)
    for name in labels.ATTRIBUTES:
        np.testing.assert_array_equal(old[name].argmax(1), new[name].argmax(1))


def test_the_manifest_holds_what_was_fitted(trained: Path, calibrated: Path) -> None:
    fit = open_bundle(calibrated).manifest.calibration
    assert fit is not None
    table, probabilities = tables.oof(RunFolder(trained))
    member = MemberProbabilities(probabilities, tuple(labels.ATTRIBUTES))
    assert fit.temperatures == learning.learn(probabilities, [member], table)["temperatures"]
    scores = metrics.evaluate(probabilities, table)["attributes"]
    for name, each in fit.before.items():
        assert each.error.value == pytest.approx(scores[name]["calibration"]["error"]["value"])
    assert set(fit.after) == set(labels.ATTRIBUTES)
    assert (fit.photos, fit.people) == (len(table), table["person"].nunique())


def test_the_card_shows_it(calibrated: Path, bundle: Path) -> None:
    fit = open_bundle(calibrated).manifest.calibration
    assert fit is not None
    text = (calibrated / "card.md").read_text()
    for name, title in (("mask", "mask"), ("gender", "gender"), ("age_band", "age band")):
        (row,) = re.findall(rf"\| {title} \| \d\.\d{{3}} \|.*", text)
        assert f"{fit.temperatures[name]:.3f}" in row  # type: ignore[index]
        assert f"{fit.after[name].error.value:.3f}" in row  # type: ignore[index]
    page = (calibrated / "card.html").read_text()
    assert page.count("<figure>") == 3
    assert page.index("<h2>Calibration") < page.index("<figure>") < page.index("<h2>Accuracy by")
    assert "Probabilities are not calibrated" in (bundle / "card.md").read_text()
    assert "<figure>" not in (bundle / "card.html").read_text()


def test_the_confidence_of_validation_photos_is_the_calibrated_one(
    trained: Path, calibrated: Path, bundle: Path
) -> None:
    """Which the confidence at the door is compared with."""
    before, after = (open_bundle(each).manifest.reference for each in (bundle, calibrated))
    temperatures = open_bundle(calibrated).manifest.calibration.temperatures
    for name, temperature in temperatures.items():
        key = f"confidence_{name}"
        is_softer = after[key].mean < before[key].mean
        assert is_softer == (temperature > 1)


def test_a_calibrated_run_is_not_calibrated_again(
    combined: Path, calibrated: Path, export: Callable[..., Path], people: Path, cache: Path
) -> None:
    assert fitted(combined, cache) is None
    out = export(combined, calibrate=True)
    assert open_bundle(out).manifest.calibration is None
    assert "calibrated as in the run" in (out / "card.md").read_text()
    photos = eval_photos(people)
    np.testing.assert_allclose(
        maskgate.load(out).predict(photos).probabilities,
        maskgate.load(calibrated).predict(photos).probabilities,
        atol=1e-5,
    )


def test_export_prints_the_errors(call: Call, trained: Path, tmp_path: Path, cache: Path) -> None:
    code, text, error = call("export", trained, tmp_path / "with", "--cache", cache)
    assert code == 0, error
    assert text.startswith("expected calibration error: mask ")
    code, text, error = call(
        "export", trained, tmp_path / "without", "--no-calibrate", "--cache", cache
    )
    assert code == 0, error
    assert "calibration" not in text
    assert "calibration" not in json.loads((tmp_path / "without" / "manifest.json").read_text())


def test_a_learned_system_is_nested(cache: Path) -> None:
    """Before calibration its probabilities are those that the run was scored on."""
    run = RunFolder(GOLDEN / "together")
    table, probabilities = tables.oof(run)
    fit = fitted(run.path, cache)
    assert fit is not None
    scores = metrics.evaluate(probabilities, table)["attributes"]
    for name, each in fit.before.items():
        expected = scores[name]["calibration"]["error"]["value"]
        assert each.error.value == pytest.approx(expected, abs=1e-4)


def test_what_cannot_be_calibrated(
    train: Callable[..., Path], trained: Path, tmp_path: Path, cache: Path,
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    everybody = train(tmp_path / "all", "folds.kind=all", "training.epochs=1")
    assert fitted(everybody, cache) is None
    vote = train(tmp_path / "vote", "folds.vote=hard_vote", "training.epochs=1")
    capsys.readouterr()
    assert fitted(vote, cache) is None
    assert "warning: not calibrated: the folds of" in capsys.readouterr().err
    read = tables.oof

    def of_one_person(run: RunFolder, path: Path | None = None) -> object:
        table, probabilities = read(run, path)
        return table.assign(fold=0, cluster=0), probabilities

    monkeypatch.setattr(tables, "oof", of_one_person)
    assert fitted(trained, cache) is None
    assert "warning: not calibrated: learning a combination needs" in capsys.readouterr().err


def test_a_model_of_masks_alone(train: Callable[..., Path], tmp_path: Path, cache: Path) -> None:
    head = "model.head={name: one_attribute, of: mask}"
    masks = train(tmp_path / "masks", head, "loss=cross_entropy", "training.epochs=1")
    fit = fitted(masks, cache)
    assert fit is not None
    assert set(fit.temperatures) == set(fit.after) == {"mask"}
