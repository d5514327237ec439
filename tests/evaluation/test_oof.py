"""Test-time augmentation: the same at training's end, afterwards, and on a photo's bytes."""

import shutil
from collections.abc import Callable
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch

from maskgate.config.settings import Component
from maskgate.core import confusions
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics, oof
from maskgate.evaluation.bootstrap import Resamples
from maskgate.faces import reader
from maskgate.imaging import pixels
from maskgate.imaging.tta import PLAIN_VIEW, tta_digest, tta_views
from maskgate.inference import loading
from maskgate.inference.backends import torch as torch_backend
from maskgate.inference.backends.torch import TorchBackend
from maskgate.inference.classifier import SingleModel
from maskgate.inference.predictor import Predictor
from maskgate.reports import recipe_summary
from maskgate.runs import RunFolder, tables
from maskgate.training import validation

Train = Callable[..., Path]

FLIP = [Component(name="flip")]
ALL = [Component(name="flip"), Component(name="crops"), Component(name="sizes", scales=[0.9, 1.25])]
TTA = "tta=[flip, crops, {name: sizes, scales: [0.9, 1.25]}]"


@pytest.fixture(scope="module")
def augmented(train: Train, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny run with every kind of test-time augmentation."""
    return train(tmp_path_factory.mktemp("tta") / "tiny", TTA)


@pytest.fixture
def plain(trained: Path, tmp_path: Path) -> RunFolder:
    """A copy of the tiny run without any, that a test may add to."""
    return RunFolder(Path(shutil.copytree(trained, tmp_path / "plain")))


def averaged(run: RunFolder, fold: int, photo: Path, tta: list[Component]) -> np.ndarray:
    """Probabilities (18,) of one photo, one view at a time through one network."""
    view = loading.load(run.path).views[0]
    stored = view.stored(pixels.decode(photo))
    network = torch_backend.restore(run, fold).eval()
    with torch.inference_mode():
        probabilities = [
            network(torch.from_numpy(np.array(tta_view.apply(stored, view.geometry)))[None])
            .log_probabilities.exp()[0]
            .numpy()
            for tta_view in tta_views(tta, view.geometry)
        ]
    return np.mean(probabilities, axis=0)


@pytest.mark.slow
def test_out_of_fold_probabilities_are_the_mean_over_the_views(
    augmented: Path, people: Path
) -> None:
    run = RunFolder(augmented)
    table, probabilities = tables.oof(run)
    images = people / "train" / "images"
    for row in range(0, len(table), 23):
        by_hand = averaged(run, table["fold"][row], images / table["photo"][row], ALL)
        np.testing.assert_allclose(probabilities[row], by_hand, atol=1e-5)


@pytest.mark.slow
def test_photos_are_predicted_with_the_variants_of_the_recipe(
    augmented: Path, people: Path
) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:3]
    run, model = RunFolder(augmented), loading.load(augmented)
    probabilities = model.predict(photos).probabilities
    of_bytes, _ = model.probabilities([photo.read_bytes() for photo in photos])
    for row, photo in enumerate(photos):
        by_hand = np.mean([averaged(run, fold, photo, ALL) for fold in (0, 1)], axis=0)
        np.testing.assert_allclose(probabilities[row], by_hand, atol=1e-5)
    np.testing.assert_array_equal(of_bytes, probabilities.astype(np.float32))


def test_the_bytes_of_a_validated_photo_are_predicted_as_out_of_fold(
    augmented: Path, people: Path
) -> None:
    run = RunFolder(augmented)
    table, probabilities = tables.oof(run)
    view = loading.load(augmented).views[0]
    for fold in run.folds:
        network = TorchBackend(torch_backend.restore(run, fold))
        model = Predictor(SingleModel([network], view, run.recipe().tta))
        rows = np.flatnonzero(table["fold"] == fold)
        photos = [
            (people / "train" / "images" / name).read_bytes() for name in table["photo"][rows]
        ]
        predicted, faults = model.probabilities(photos)
        assert not faults
        np.testing.assert_allclose(predicted, probabilities[rows], atol=1e-5)


def test_training_is_the_same_with_and_without(augmented: Path, trained: Path) -> None:
    one, other = RunFolder(augmented), RunFolder(trained)
    for fold in one.folds:
        assert one.weights_file(fold).read_bytes() == other.weights_file(fold).read_bytes()
    assert one.history_file.read_bytes() == other.history_file.read_bytes()


@pytest.mark.slow
def test_looked_at_anew_it_is_what_training_would_have_told(
    augmented: Path, trained: Path, plain: RunFolder, cache: Path
) -> None:
    with_tta, without = RunFolder(augmented), RunFolder(trained)
    table, probabilities = oof.oof_with(plain, ALL, cache)
    expected_table, expected = tables.oof(with_tta)
    assert table["photo"].tolist() == expected_table["photo"].tolist()
    np.testing.assert_array_equal(probabilities, expected)
    table, probabilities = oof.oof_with(with_tta, (), cache)
    expected_table, expected = tables.oof(without)
    assert table["photo"].tolist() == expected_table["photo"].tolist()
    np.testing.assert_array_equal(probabilities, expected)
    assert not list(plain.path.glob("fold-*/oof-*.parquet"))


def test_the_plain_ones_are_made_anew_as_well(augmented: Path, trained: Path, cache: Path,
                                              tmp_path: Path) -> None:  # fmt: skip
    run = RunFolder(Path(shutil.copytree(augmented, tmp_path / "run")))
    run.oof_file_with(tta_digest([PLAIN_VIEW])).unlink()
    _, probabilities = oof.oof_with(run, (), cache)
    np.testing.assert_array_equal(probabilities, tables.oof(RunFolder(trained))[1])


def test_its_own_is_read_not_made(
    augmented: Path, plain: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    oof.oof_with(plain, FLIP, cache)
    monkeypatch.setattr(oof, "predict_batches", None)  # nothing is predicted from here on
    swapped = [ALL[1], ALL[2], ALL[0]]
    for run, tta in ((RunFolder(augmented), ALL), (RunFolder(augmented), swapped), (plain, ())):
        table, probabilities = oof.oof_with(run, tta, cache)
        stored, expected = tables.oof(run)
        assert (table == stored).to_numpy().all()
        assert (probabilities == expected).all()
    _, again = oof.oof_with(plain, FLIP, cache)
    assert np.abs(again - tables.oof(plain)[1]).max() > 1e-4


def test_killed_between_two_folds_it_goes_on(
    plain: RunFolder, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls, real = count(1), oof.predict_batches

    def killed(*arguments: object) -> np.ndarray:
        if next(calls) == 4:  # of two folds, each plain and mirrored
            raise KeyboardInterrupt
        return real(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(oof, "predict_batches", killed)
    with pytest.raises(KeyboardInterrupt):
        oof.oof_with(plain, FLIP, cache)
    assert not list(plain.path.glob("oof-*.parquet"))
    assert len(list(plain.path.glob("fold-*/oof-*.parquet"))) == 1
    _, probabilities = oof.oof_with(plain, FLIP, cache)
    assert next(calls) == 4 + 2 + 1
    again = RunFolder(Path(shutil.copytree(plain.path, plain.path.parent / "again")))
    again.oof_file_with(tta_digest(tta_views(FLIP, again.recipe().photo.geometry))).unlink()
    np.testing.assert_array_equal(probabilities, oof.oof_with(again, FLIP, cache)[1])


def test_gone_or_changed_photos_are_told(
    train: Train, people: Path, cache: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(people, tmp_path / "people"))
    run = RunFolder(train(tmp_path / "run", "training.epochs=1", "folds.kind=holdout", data=data))
    first, second = tables.oof(run)[0]["photo"][:2]
    images = data / "train" / "images"
    (images / first).write_bytes((images / second).read_bytes())
    with pytest.raises(MaskgateError, match=f"1 of the .* have changed since: {first}"):
        oof.oof_with(run, FLIP, cache)
    shutil.rmtree(images)
    with pytest.raises(MaskgateError, match=r"cannot be read: .*put them back"):
        oof.oof_with(run, FLIP, cache)
    assert not list(run.path.glob("oof-*.parquet"))


def test_a_run_without_out_of_fold_answers_is_told(
    train: Train, cache: Path, tmp_path: Path
) -> None:
    everybody = RunFolder(train(tmp_path / "all", "folds.kind=all", "training.epochs=1"))
    with pytest.raises(MaskgateError, match="has no validation people"):
        oof.oof_with(everybody, FLIP, cache)


@pytest.mark.slow
def test_what_is_scored_is_of_the_weights_before_the_validation_photos(
    train: Train, cache: Path, people: Path, tmp_path: Path
) -> None:
    overrides = ("folds.kind=holdout", "training.epochs=1", "schedule.name=none", "tta=[flip]")
    before = RunFolder(train(tmp_path / "before", *overrides))
    after = RunFolder(train(tmp_path / "after", *overrides, "training.validation_epochs=1"))
    assert before.weights_file(0).read_bytes() != after.weights_file(0).read_bytes()
    for one, other in zip(tables.oof(before), tables.oof(after), strict=True):
        np.testing.assert_array_equal(np.asarray(one), np.asarray(other))
    np.testing.assert_array_equal(
        oof.oof_with(after, (), cache)[1], oof.oof_with(before, (), cache)[1]
    )
    with pytest.raises(MaskgateError, match="were trained on the validation photos"):
        oof.oof_with(after, [Component(name="crops")], cache)


@pytest.mark.slow
def test_the_epoch_selected_is_the_one_augmented(
    train: Train, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, number = validation.scores, count()
    monkeypatch.setattr(  # the first epoch is the best
        validation, "scores", lambda *arguments: real(*arguments) | {"valid_score": -next(number)}
    )
    run = RunFolder(
        train(tmp_path / "run", "folds.kind=holdout", "tta=[flip]", "training.select=best")
    )
    _, last = tables.read_probabilities(run.fold_folder(0) / "oof-last.parquet")
    _, plain = tables.read_probabilities(run.fold_folder(0) / "oof-plain.parquet")
    assert np.abs(last - plain).max() > 1e-3
    table, probabilities = tables.oof(run)
    images = people / "train" / "images"
    for row in (0, len(table) // 2):
        by_hand = averaged(run, 0, images / table["photo"][row], FLIP)
        np.testing.assert_allclose(probabilities[row], by_hand, atol=1e-5)
    text = " ".join(run.report_file.read_text("utf-8").split())
    assert "without test-time augmentation.</p>" in text.replace(" </p>", "</p>")


def test_a_run_tells_its_score_without_beside_it(augmented: Path, trained: Path) -> None:
    run, plain = RunFolder(augmented), RunFolder(trained)
    results, without = run.metrics(), run.metrics().without_tta
    assert without.score == plain.metrics().score
    difference = without.difference.as_score()
    assert difference.value == pytest.approx(results.score.value - without.score.value)
    assert difference.low <= difference.value <= difference.high
    assert plain.metrics().without_tta is None
    page = run.report_file.read_text("utf-8")
    value, low, high = (f"{each:.3f}" for each in vars(without.score).values())
    assert f"{value} [{low}, {high}]" in page
    assert f"{difference.value:+.4f}" in page
    assert "without it" not in plain.report_file.read_text("utf-8").lower()
    lines = dict(recipe_summary.summarise(run.recipe(), run.status())["lines"])  # type: ignore[index]
    assert lines["Test-time augmentation"] == (
        "flip, then crops, then sizes (scales: [0.9, 1.25]): 22 views of a photo, averaged"
    )


def test_the_difference_is_of_the_same_people(augmented: Path, trained: Path) -> None:
    """Naively: both scored on each resample, people drawn alike, and subtracted."""
    table, with_it = tables.oof(RunFolder(augmented))
    _, without = tables.oof(RunFolder(trained))
    comparison = metrics.paired_comparison(with_it, without, table)
    weights = Resamples(table, metrics.RESAMPLES, seed=0)
    truth = table["label"].to_numpy()
    drawn = []
    for probabilities in (with_it, without):
        resampled = weights.confusions("label", truth, probabilities.argmax(1))
        drawn.append([confusions.macro_f1(each) for each in resampled])
    low, high = np.quantile(np.subtract(drawn[0], drawn[1]), [0.025, 0.975])
    value = comparison["difference"]["value"]
    assert comparison["difference"]["low"] == pytest.approx(min(low, value))
    assert comparison["difference"]["high"] == pytest.approx(max(high, value))
    nothing = metrics.paired_comparison(with_it, with_it, table)["difference"]
    assert nothing == {"value": 0, "low": 0, "high": 0}


def test_another_augmentation_may_be_asked_of_a_predictor(
    augmented: Path, trained: Path, people: Path
) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:3]
    result, _ = loading.load(trained, tta=ALL).probabilities(photos)
    expected, _ = loading.load(augmented).probabilities(photos)
    np.testing.assert_array_equal(result, expected)
    result, _ = loading.load(augmented, tta=()).probabilities(photos)
    expected, _ = loading.load(trained).probabilities(photos)
    np.testing.assert_array_equal(result, expected)
    with pytest.raises(MaskgateError, match=f"{trained}: unknown test-time augmentation"):
        loading.load(trained, tta=[Component(name="flop")])


def test_a_recipe_is_refused_before_a_photo_is_read(train: Train, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"recipe tiny: tta sizes: .*at most 1\.25"):
        train(tmp_path / "run", "tta=[{name: sizes, scales: [1.3]}]")
    assert not (tmp_path / "run").exists()


def test_faces_are_shown_in_variants_too(augmented: Path, people: Path) -> None:
    """Each face of a photo has its own variants: as many answers as faces."""
    view = loading.load(augmented).views[0]
    photo = min((people / "eval" / "images").iterdir())
    prepared_photo = reader.read_photo(photo, [view])
    assert prepared_photo.pictures[0].shape == (1, *view.geometry.stored, 3)
    two = np.concatenate([prepared_photo.pictures[0], prepared_photo.pictures[0][:, ::-1]])
    probabilities = loading.load(augmented).classifier([two]).probabilities
    assert probabilities.shape == (2, 18)
    alone = loading.load(augmented).classifier([two[:1]]).probabilities
    np.testing.assert_allclose(probabilities[:1], alone, atol=1e-6)
    assert np.abs(probabilities[0] - probabilities[1]).max() > 1e-4
