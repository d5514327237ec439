"""Soft labels come from models that know nothing of who is validated; each photo is predicted
once."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskgate.bundle import MANIFEST
from maskgate.bundle.manifest import Manifest
from maskgate.config import recipe
from maskgate.config import system as systems
from maskgate.config.settings import Component
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble
from maskgate.export import models
from maskgate.inference import loading
from maskgate.inference.predictor import Predictor
from maskgate.runs import RunFolder, tables
from maskgate.runs.records import stored
from maskgate.training import crossval, ensemble_run, lr_finder, soft_labels
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData, prepare

pytestmark = pytest.mark.slow  # most of it trains or exports

Train = Callable[..., Path]

SHORT = "training.epochs=1"
OUT_OF_FOLD = "soft_labels=out_of_fold"
DISTIL = "loss={name: sum, parts: [{name: cross_entropy}, {name: distillation}]}"


@pytest.fixture(scope="module")
def taught(train: Train, bundle: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose teacher is a bundle."""
    return train(tmp_path_factory.mktemp("taught") / "run", SHORT, DISTIL, f"teacher={bundle}")


def of_folds(
    tiny: Path, people: Path, cache: Path, *changes: str
) -> tuple[TrainingData, list[tuple[FoldData, Any]]]:
    """The data, and of each fold its data and soft labels."""
    loaded = recipe.load(tiny, list(changes))
    options = TrainOptions("tiny", people, cache=cache)
    prepared = prepare(loaded, options)
    folds = [prepared.fold_data(fold) for fold in prepared.folds]
    soft_labels.check(loaded, prepared, folds)
    return prepared, [
        (data, soft_labels.of_fold(loaded, prepared, data, options)) for data in folds
    ]


def differ(run: Path, other: Path) -> bool:
    weights, others = RunFolder(run).weights(0), RunFolder(other).weights(0)
    return any((weights[name] != others[name]).any() for name in weights)


def test_a_teacher_changes_the_training(train: Train, taught: Path, tmp_path: Path) -> None:
    plain = train(tmp_path / "plain", SHORT)
    weights, others = RunFolder(taught).weights(0), RunFolder(plain).weights(0)
    assert any((weights[name] != others[name]).any() for name in weights)
    assert "Teacher" in RunFolder(taught).report_file.read_text("utf-8")
    warnings = RunFolder(taught).status().warnings
    assert any("does not say what photos it was trained on" in line for line in warnings)


def test_a_model_card_names_the_teacher(taught: Path, bundle: Path, cache: Path) -> None:
    (model,) = models.models(RunFolder(taught), cache)
    assert model.facts().weights == f"random; taught by {bundle.name}"
    assert model.facts().warnings


def test_a_changed_bundle_at_the_same_path_is_another_run(
    train: Train, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(bundle, tmp_path / "bundle")
    changes = (SHORT, DISTIL, f"teacher={tmp_path / 'bundle'}")
    train(tmp_path / "run", *changes)
    manifest = json.loads((bundle / MANIFEST).read_text("utf-8"))
    manifest["model"]["vote"] = "hard_vote"
    stored.write(tmp_path / "bundle" / MANIFEST, Manifest, manifest)
    with pytest.raises(MaskgateError, match="another"):
        train(tmp_path / "run", *changes)


def test_every_photo_is_predicted_once(
    tiny: Path, people: Path, bundle: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = (DISTIL, f"teacher={bundle}")
    prepared, folds = of_folds(tiny, people, tmp_path, *changes)
    output = capsys.readouterr()
    assert "soft labels for" in output.out + output.err
    of_folds(tiny, people, tmp_path, *changes)
    output = capsys.readouterr()
    assert "soft labels for" not in output.out + output.err
    predictor = loading.load(bundle)
    for data, soft in folds:
        assert soft.shape == (len(data.table), 18)
        assert np.isfinite(soft[data.train]).all()
        assert np.isnan(soft[data.validation]).all()
        rows = data.train[::17]
        expected, _ = predictor.probabilities(prepared.paths(rows.tolist()))
        np.testing.assert_allclose(soft[rows], expected, atol=1e-6)


def test_a_photo_that_is_gone_is_named(
    tiny: Path, people: Path, cache: Path, bundle: Path, tmp_path: Path
) -> None:
    shutil.copytree(people / "train", tmp_path / "people" / "train")
    loaded = recipe.load(tiny, [DISTIL, f"teacher={bundle}"])
    options = TrainOptions("tiny", tmp_path / "people", cache=tmp_path / "cache")
    prepared = prepare(loaded, options)
    data = prepared.fold_data(0)
    (path,) = prepared.paths(data.train[:1].tolist())
    path.unlink()
    with pytest.raises(MaskgateError, match=f"{path.name}.*cannot be read any more"):
        soft_labels.of_fold(loaded, prepared, data, options)


def test_a_photo_in_further_data_is_read_from_its_folder(
    tiny: Path, people: Path, cache: Path, bundle: Path, tmp_path: Path
) -> None:
    from maskgate.synthetic.people import sample_people

    sample_people.make(tmp_path / "more", people=3, eval_people=0, size=(64, 48), seed=8, twins=0)
    changes = (f"data=[{{path: {tmp_path / 'more'}}}]", DISTIL, f"teacher={bundle}")
    prepared, folds = of_folds(tiny, people, cache, *changes)
    extra = np.flatnonzero(prepared.table["data"] != "")
    assert len(extra) == 21
    assert all(path.is_file() for path in prepared.paths(extra.tolist()))
    assert all(np.isfinite(soft[extra]).all() for _, soft in folds)


# ------------------------------------------------------------------------------------ runs


def test_models_that_know_the_person_teach_only_where_all_do() -> None:
    table = pd.DataFrame(
        {
            "digest": list("abcdef"),
            "drawn_from": ["", "", "", "", "", "n o"],
            "cluster": [0, 0, 1, 1, 2, 3],
        }
    )
    trained = [{"a", "o"}, {"c", "a"}, {"a", "b"}]
    expected = [
        # person 0: all know; 1: the second does; 2: nobody does; 3: the first does, by its origin
        [1, 1, 1, 1, 1, 0],
        [1, 1, 0, 0, 1, 1],
        [1, 1, 1, 1, 1, 1],
    ]
    assert soft_labels.teaching(table, trained).astype(int).tolist() == expected


def test_a_fold_is_taught_by_no_model_that_knows_who_is_validated(
    tiny: Path, people: Path, cache: Path, trained: Path
) -> None:
    prepared, folds = of_folds(tiny, people, cache, DISTIL, f"teacher={trained}")
    assert len(folds) == 2
    for data, soft in folds:
        predictor = Predictor(loading.of_folds(RunFolder(trained), [data.fold]))
        rows = data.train[::9]
        expected, _ = predictor.probabilities(prepared.paths(rows.tolist()))
        np.testing.assert_allclose(soft[rows], expected, atol=1e-5)
        known = tables.training_digests(RunFolder(trained), data.fold)
        assert not known & set(data.truth["digest"])


def test_where_nobody_is_validated_soft_labels_are_out_of_fold(
    tiny: Path, people: Path, cache: Path, trained: Path
) -> None:
    changes = ("folds.kind=all", DISTIL, f"teacher={trained}")
    _, ((data, soft),) = of_folds(tiny, people, cache, *changes)
    rows, oof = tables.oof(RunFolder(trained))
    expected = dict(zip(rows["photo"], oof, strict=True))
    for row, photo in enumerate(data.table["photo"]):
        np.testing.assert_allclose(soft[row], expected[photo], atol=1e-5)


def test_a_run_that_knows_everybody_is_refused(train: Train, trained: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"^teacher=.*folds\.file="):
        train(tmp_path / "run", DISTIL, f"teacher={trained}", "folds.seed=3")
    assert not (tmp_path / "run").exists()


def test_who_is_taught_by_a_run_knows_its_people(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    run = RunFolder(train(tmp_path / "run", SHORT, DISTIL, f"teacher={trained}"))
    for fold in (0, 1):
        known = tables.training_digests(run, fold)
        assert tables.training_digests(RunFolder(trained), fold) <= known
        assert (run.path / run.inherited_file(fold)).is_file()


# --------------------------------------------------------------------------------- systems


@pytest.fixture(scope="module")
def both(
    train: Train, trained: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run of two models, their probabilities combined by weights, flipped as well."""
    folder = tmp_path_factory.mktemp("system")
    other = train(folder / "other", "seed=8")
    system = ensemble.system_of([trained, other])
    flipped = [
        each.model_copy(update={"tta": (Component(name="flip"),)}) for each in system.members
    ]
    changes = {"combine": Component(name="weights"), "members": tuple(flipped)}
    system = systems.apply_changes(system, changes)
    return ensemble_run.combine(system, folder / "both", "both", command="", cache=cache).path


def test_a_system_teaches_a_fold_by_the_models_of_the_fold(
    tiny: Path, people: Path, cache: Path, both: Path
) -> None:
    prepared, folds = of_folds(tiny, people, cache, DISTIL, f"teacher={both}")
    system = RunFolder(both)
    combination = Combination(EnsembleSpec.from_system(system.system()), system.learned().by_name())
    assert len(folds) == 2
    for data, soft in folds:
        rows = data.train[::9]
        members = [Predictor(loading.of_folds(member, [data.fold])) for member in system.members()]
        pairs = [
            (each.probabilities(prepared.paths(rows.tolist()))[0], each.attributes)
            for each in members
        ]
        expected = combination([MemberProbabilities(*pair) for pair in pairs])
        np.testing.assert_allclose(soft[rows], expected, atol=1e-5)
        assert np.isnan(soft[data.validation]).all()
        for member in system.members():
            assert not tables.training_digests(member, data.fold) & set(data.truth["digest"])


def test_who_is_taught_by_a_system_knows_its_members_people(
    train: Train, both: Path, tmp_path: Path
) -> None:
    run = RunFolder(train(tmp_path / "run", SHORT, DISTIL, f"teacher={both}"))
    for fold in (0, 1):
        known = tables.training_digests(run, fold)
        for member in RunFolder(both).members():
            assert tables.training_digests(member, fold) <= known


def test_a_system_that_knows_everybody_is_refused(train: Train, both: Path, tmp_path: Path) -> None:
    changes = (DISTIL, f"teacher={both}")
    with pytest.raises(MaskgateError, match=r"^teacher=.*folds\.file="):
        train(tmp_path / "run", *changes, "folds.seed=3")
    with pytest.raises(MaskgateError, match="set soft_labels=out_of_fold"):
        train(tmp_path / "run", *changes, "folds.kind=all")
    assert not (tmp_path / "run").exists()


# ----------------------------------------------------------------------------- out of fold


@pytest.mark.parametrize("changes", [(), ("folds.kind=all",), ("folds.seed=3",)])
def test_out_of_fold_soft_labels_are_those_that_the_run_has_stored(
    changes: tuple[str, ...], tiny: Path, people: Path, tmp_path: Path, cache: Path, both: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    from maskgate.synthetic.people import sample_people

    sample_people.make(tmp_path / "more", people=3, eval_people=0, size=(64, 48), seed=8, twins=0)
    extra = f"data=[{{path: {tmp_path / 'more'}}}]"
    words = (extra, DISTIL, f"teacher={both}", OUT_OF_FOLD, *changes)
    prepared, folds = of_folds(tiny, people, cache, *words)
    assert "soft labels for" not in capsys.readouterr().err
    rows, oof = tables.oof(RunFolder(both))
    expected = dict(zip(rows["photo"], oof, strict=True))
    for data, soft in folds:
        primary = data.train[(data.table["data"].iloc[data.train] == "").to_numpy()]
        assert len(primary)
        for row in primary:
            np.testing.assert_array_equal(soft[row], expected[data.table["photo"].iloc[row]])
        assert np.isnan(soft[data.validation]).all()
        assert np.isnan(soft[(data.table["data"] != "").to_numpy()]).all()
    sentences = soft_labels.warnings(recipe.load(tiny, list(words)), prepared)
    assert any("no out-of-fold probabilities of 21 photos" in line for line in sentences)
    is_validated = "folds.kind=all" not in changes
    assert any("scores are too high" in line for line in sentences) == is_validated


def test_out_of_fold_soft_labels_change_the_training_and_are_part_of_its_digest(
    train: Train, trained: Path, tmp_path: Path
) -> None:
    teacher = Path(shutil.copytree(trained, tmp_path / "teacher"))
    changes = (SHORT, DISTIL, f"teacher={teacher}", OUT_OF_FOLD)
    run = train(tmp_path / "run", *changes)
    assert differ(run, train(tmp_path / "predicted", *changes[:-1]))
    rows, probabilities = tables.read_probabilities(RunFolder(teacher).oof_file)
    tables.write_probabilities(RunFolder(teacher).oof_file, rows, probabilities[:, ::-1])
    RunFolder(teacher).files.add(RunFolder(teacher).oof_file)
    with pytest.raises(MaskgateError, match="another"):
        train(run, *changes)


def test_who_is_taught_out_of_fold_knows_all_but_its_validation_people(
    train: Train, both: Path, tmp_path: Path
) -> None:
    run = RunFolder(train(tmp_path / "run", SHORT, DISTIL, f"teacher={both}", OUT_OF_FOLD))
    table = tables.photos(run)
    for fold in (0, 1):
        known = tables.training_digests(run, fold)
        assert not known & set(table.loc[table["fold"] == fold, "digest"])
    smaller = RunFolder(train(tmp_path / "holdout", SHORT, DISTIL, f"teacher={both}", OUT_OF_FOLD,
                        "folds.kind=holdout", "folds.fraction=0.2"))  # fmt: skip
    trained_here = set(tables.photos(smaller).query("fold != 0")["digest"])
    assert tables.training_digests(smaller, 0) == trained_here


# -------------------------------------------------------------------------------- and then


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ((DISTIL,), "needs a teacher; set teacher"),
        (("teacher=BUNDLE",), "add distillation to the loss, or leave teacher out"),
        (("soft_labels=out_of_fold",), "soft_labels are a teacher's; set teacher to a run"),
        ((DISTIL, "teacher=BUNDLE", "soft_labels=out_of_fold"), "no out-of-fold probabilities"),
    ],
)
def test_faults_leave_nothing(
    changes: tuple[str, ...], sentence: str, train: Train, bundle: Path, tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match=sentence):
        train(tmp_path / "run", *(change.replace("BUNDLE", str(bundle)) for change in changes))
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("teacher", "sentence"),
    [
        (("folds.kind=all",), "has no validation people, so there are no out-of-fold"),
        (("folds.kind=holdout",), "has no out-of-fold probabilities of the photos that fold 0"),
    ],
)
def test_a_run_without_out_of_fold_probabilities_is_refused(
    teacher: tuple[str, ...], sentence: str, train: Train, tmp_path: Path
) -> None:
    run = train(tmp_path / "teacher", SHORT, *teacher)
    kind = () if teacher == ("folds.kind=all",) else (f"folds.file={run / 'folds.csv'}",)
    with pytest.raises(MaskgateError, match=sentence):
        train(tmp_path / "run", DISTIL, f"teacher={run}", OUT_OF_FOLD, *kind)
    assert not (tmp_path / "run").exists()


def test_a_teacher_of_fewer_attributes_is_refused(
    train: Train, export: Callable[..., Path], trained: Path, tmp_path: Path
) -> None:
    masks = train(tmp_path / "masks", SHORT, "model.head={name: one_attribute, of: mask}")
    for teacher in (masks, export(masks)):
        with pytest.raises(MaskgateError, match="does not predict gender, age band, which the"):
            train(tmp_path / "run", DISTIL, f"teacher={teacher}")
    assert not (tmp_path / "run").exists()
    head = "model.head={name: one_attribute, of: mask}"
    for number, teacher in enumerate((masks, trained)):  # of as many, and of more
        assert train(tmp_path / f"run-{number}", SHORT, DISTIL, f"teacher={teacher}", head)


def test_the_learning_rate_is_tried_with_it(
    tiny: Path, people: Path, cache: Path, bundle: Path
) -> None:
    options = TrainOptions("tiny", people, cache=cache)
    loaded = recipe.load(tiny, [DISTIL, f"teacher={bundle}"])
    assert len(lr_finder.find(loaded, options, 1e-5, 1e-1, 10).losses)


@pytest.mark.parametrize("point", ["soft labels", "update"])
def test_killed_and_resumed_to_the_same_bytes(
    point: str, kill: Callable[..., None], moments: random.Random, train: Train, taught: Path,
    bundle: Path, tiny: Path, people: Path, tmp_path: Path,
) -> None:  # fmt: skip
    place, last = {
        "soft labels": ("maskgate.inference.classifier:SingleModel.__call__", 4),
        "update": ("maskgate.training.step:TrainingStep.update", 6),
    }[point]
    at, out, cache = moments.randint(1, last), tmp_path / "run", tmp_path / "cache"
    words = ("train", tiny, people, SHORT, DISTIL, f"teacher={bundle}", "--out", out)
    kill(place, at, *words, "--cache", cache, "--checkpoint-seconds", 0)
    assert not (out / "metrics.json").exists()
    loaded = recipe.load(tiny, [SHORT, DISTIL, f"teacher={bundle}"])
    crossval.train(loaded, TrainOptions("tiny", people, out, cache, checkpoint_seconds=0))
    names = ["oof.parquet", "history.csv", "fold-0/model.safetensors", "fold-1/model.safetensors"]
    for name in names:
        assert (out / name).read_bytes() == (taught / name).read_bytes(), f"{name}, {point} {at}"
