"""Photos without labels, labelled by another run: fold by fold, never validated on, no leak."""

import os
import random
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from maskgate import labels
from maskgate.config import recipe
from maskgate.config.recipe import Recipe
from maskgate.data.column_values import BARRED, PRIMARY, TRAINED, UNLABELLED, UNSURE
from maskgate.errors import MaskgateError
from maskgate.inference import loading
from maskgate.inference.predictor import Predictor
from maskgate.runs import RunFolder, tables
from maskgate.training import lr_finder, preflight, pseudo
from maskgate.training.batches import Task
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData, prepare

pytestmark = pytest.mark.slow  # most of it trains or exports

Train = Callable[..., Path]

# A model that has trained for seconds is never sure.
EASY = "pseudo.thresholds={mask: 0.4, gender: 0.55, age_band: 0.4}"
SHORT = "training.epochs=1"


@pytest.fixture(scope="module")
def photos(people: Path, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The test photos, a copy of a photo of somebody validated in each fold, and one re-encoded."""
    folder = tmp_path_factory.mktemp("photos")
    for path in (people / "eval" / "images").iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    table = tables.photos(RunFolder(trained))
    for fold in (0, 1):
        names = table[table["fold"] == fold]["photo"]
        copied, encoded = (people / "train" / "images" / names.iloc[place] for place in (0, 7))
        (folder / f"copy{fold}{copied.suffix}").write_bytes(copied.read_bytes())
        with Image.open(encoded) as image:
            image.convert("RGB").save(folder / f"again{fold}.jpg", quality=90)
    return folder


@pytest.fixture(scope="module")
def overrides(photos: Path, trained: Path) -> tuple[str, ...]:
    return (f"pseudo.photos={photos}", f"pseudo.run={trained}", EASY)


@pytest.fixture(scope="module")
def pseudo_run(
    train: Train, overrides: tuple[str, ...], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A run with pseudo labels."""
    return train(tmp_path_factory.mktemp("told") / "run", SHORT, *overrides)


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Task]]:
    """What folds are trained on and validated on, as they begin."""
    fold_tasks: list[Task] = []
    make = preflight.create_task

    def noted(*arguments: Any, **more: Any) -> Task:
        fold_tasks.append(make(*arguments, **more))
        return fold_tasks[-1]

    monkeypatch.setattr(preflight, "create_task", noted)
    yield fold_tasks


def test_every_fold_is_told_by_its_own_model_alone_and_of_nobody_it_validates(
    train: Train, trained: Path, photos: Path, overrides: tuple[str, ...], tasks: list[Task],
    tmp_path: Path,
) -> None:  # fmt: skip
    run = RunFolder(train(tmp_path / "run", *overrides, SHORT))
    source, everybody = RunFolder(trained), tables.photos(RunFolder(trained))
    answers = {}
    for fold, task in enumerate(tasks):
        table, probabilities = tables.pseudo(run, fold)
        names = table["photo"].str.removeprefix(f"{photos}:")
        for other in (0, 1):
            predictor = Predictor(loading.of_folds(source, [other]))
            alone = [predictor.probabilities([photos / name])[0] for name in names]
            answers[other] = np.concatenate(alone)  # one by one: no photo has a say in another's
        np.testing.assert_allclose(probabilities, answers[fold], atol=1e-5)
        assert np.abs(probabilities - answers[1 - fold]).max() > 0.01
        # Of whom the model was trained on, it tells; of whom it is validated on, nobody is used.
        use = table.set_index(names)["use"]
        this_fold, others = f"{fold}", f"{1 - fold}"
        of_this_fold = use[use.index.str.match(rf"(copy|again){this_fold}\.")]
        assert len(of_this_fold) == 2
        assert (of_this_fold == BARRED).all()
        assert (use[use.index.str.match(rf"(copy|again){others}\.")] != BARRED).all()
        trained_on = task.data.table.iloc[task.data.train]
        kept = table[table["use"] == TRAINED].set_index("photo")
        pseudo_rows = trained_on[trained_on["data"] != ""].set_index("photo")
        assert len(kept) > 10
        pd.testing.assert_frame_equal(
            pseudo_rows[[*labels.ATTRIBUTES, "label"]].sort_index(),
            kept[[*labels.ATTRIBUTES, "label"]].sort_index(),
        )
        assert (kept["label"] == labels.UNKNOWN).any()
        validated = everybody.loc[everybody["fold"] == fold, "digest"]
        assert not set(validated) & tables.training_digests(run, fold)
        assert set(table.loc[table["use"] == TRAINED, "digest"]) <= tables.training_digests(
            run, fold
        )


def test_nobody_is_validated_on_them(
    train: Train, trained: Path, overrides: tuple[str, ...], tasks: list[Task], tmp_path: Path
) -> None:
    run, plain = RunFolder(train(tmp_path / "run", *overrides)), RunFolder(trained)
    for task in tasks:
        table, validation = task.data.table, task.data.validation
        assert (table["source"].iloc[validation] == PRIMARY).all()
        assert (table["source"] == PRIMARY).sum() == len(tables.photos(plain))
        assert table["photo"].iloc[validation].tolist() == task.data.truth["photo"].tolist()
    assert run.folds_file.read_bytes() == plain.folds_file.read_bytes()
    pd.testing.assert_frame_equal(tables.photos(run), tables.photos(plain))
    (rows, probabilities), (expected_rows, before) = tables.oof(run), tables.oof(plain)
    pd.testing.assert_frame_equal(rows, expected_rows)
    assert (probabilities != before).any()
    results, expected = run.metrics(), plain.metrics()
    assert (results.photos, results.people) == (expected.photos, expected.people)
    assert run.status().truth == plain.status().truth
    assert run.status().left_out == 0
    report = run.report_file.read_text("utf-8")
    assert "Pseudo labels" in report
    assert "not used for validation" in report


def test_a_model_that_has_seen_who_is_validated_may_not_label(
    train: Train, pseudo_run: Path, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    with pytest.raises(MaskgateError, match=r"^pseudo\.run=.*folds\.file="):
        train(tmp_path / "run", *overrides, "folds.seed=3", "folds.kind=holdout")
    assert not (tmp_path / "run").exists()
    # Nor by way of a third run, which has seen nobody of them, but was told by one that has.
    noise = np.random.default_rng(0)
    for number in range(8):
        picture = noise.integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    data = tmp_path / "noise.csv"
    data.write_text("photo,mask\n" + "".join(f"{n}.png,wear\n" for n in range(8)))
    first = train(tmp_path / "first", SHORT, "folds.kind=all")
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / "1.png").write_bytes((tmp_path / "1.png").read_bytes())
    bare = (f"pseudo.run={first}", f"pseudo.photos={tmp_path / 'bare'}", EASY)
    second = train(tmp_path / "second", SHORT, "folds.count=2", *bare, data=data)
    for change in (f"model.init={second}", f"pseudo.run={second}"):
        with pytest.raises(MaskgateError, match="was trained on validation people of fold"):
            train(tmp_path / "third", *overrides, change)
    # A chain of rounds on the same folds is none: each fold goes on from its own.
    train(tmp_path / "chained", SHORT, *overrides, f"pseudo.run={pseudo_run}")


def test_unlabelled_test_photos_are_found_by_their_table(
    trained: Path, people: Path, tiny: Path, cache: Path
) -> None:
    pseudo_recipe = recipe.load(tiny, [f"pseudo.photos={people}", f"pseudo.run={trained}"])
    prepared = prepare(pseudo_recipe, TrainOptions("tiny", people, cache=cache))
    assert prepared.unlabelled == 6 * 7
    assert prepared.unlabelled_root == people / "eval" / "images"
    unlabelled = prepared.table[prepared.table["source"] == UNLABELLED]
    assert (unlabelled[list(labels.ATTRIBUTES)] == labels.UNKNOWN).all(axis=None)


@pytest.mark.parametrize(
    "change",
    [
        "pseudo.thresholds.mask=0.6",
        "pseudo.thresholds.gender=0.7",
        "pseudo.thresholds.age_band=0.6",
        "pseudo.cap=1",
        "pseudo.weight=3",
        "pseudo.photos=OTHERS",
        "pseudo.run=ANOTHER",
    ],
)
def test_every_key_changes_the_training(
    change: str,
    train: Train,
    pseudo_run: Path,
    overrides: tuple[str, ...],
    people: Path,
    tmp_path: Path,
) -> None:
    plain = RunFolder(pseudo_run)
    change = change.replace("OTHERS", str(people / "eval"))
    if "ANOTHER" in change:
        change = change.replace("ANOTHER", str(train(tmp_path / "another", SHORT, "seed=8")))
    run = RunFolder(train(tmp_path / "run", SHORT, *overrides, change))
    weights, before = run.weights(0), plain.weights(0)
    assert any((weights[name] != before[name]).any() for name in weights)
    drawn = tables.history(run)["updates"], tables.history(plain)["updates"]
    assert (drawn[0] > drawn[1]).all() if "weight" in change else True


def test_where_nothing_is_sure_the_run_says_so_and_is_as_without(
    train: Train, trained: Path, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    hard = "pseudo.thresholds={mask: 1, gender: 1, age_band: 1}"
    run = RunFolder(train(tmp_path / "run", *overrides, hard))
    warning = next(line for line in run.status().warnings if "sure enough" in line)
    assert "in 2 of 2 folds: lower pseudo.thresholds" in warning
    for fold in (0, 1):
        assert not (tables.pseudo(run, fold)[0]["use"] == TRAINED).any()
        plain = RunFolder(trained).weights(fold)
        for name, weight in run.weights(fold).items():
            torch.testing.assert_close(weight, plain[name], rtol=0, atol=0)


def test_faults_are_told_before_anything_is_trained(
    train: Train, trained: Path, people: Path, photos: Path, tmp_path: Path
) -> None:
    empty, broken = tmp_path / "empty", tmp_path / "broken"
    empty.mkdir()
    broken.mkdir()
    (broken / "half.jpg").write_bytes(next(photos.glob("*.jpg")).read_bytes()[:200])
    wrong = {
        "nowhere: no such folder": ("nowhere", trained),
        "is a file": (people / "eval" / "info.csv", trained),
        "no photo in it": (empty, trained),
        "half.jpg": (broken, trained),
        "already with its own labels": (people / "train" / "images", trained),
        "no run": (photos, empty),
    }
    for sentence, (folder, run) in wrong.items():
        data = people / "train" / "images" if "already" in sentence else people
        with pytest.raises(MaskgateError, match=sentence):
            train(tmp_path / "run", f"pseudo.photos={folder}", f"pseudo.run={run}", data=data)
        assert not (tmp_path / "run").exists()


def test_the_learning_rate_is_tried_on_them_too(
    tiny: Path, people: Path, cache: Path, overrides: tuple[str, ...], tasks: list[Task]
) -> None:
    options = TrainOptions("tiny", people, cache=cache)
    lr_finder.find(recipe.load(tiny, list(overrides)), options, 1e-5, 1e-1, 10)
    rows = tasks[0].data.table.iloc[tasks[0].data.train]
    assert (rows["data"] != "").any()
    assert (rows.loc[rows["data"] != "", list(labels.ATTRIBUTES)] != -1).any(axis=None)


# ------------------------------------------------------------------------ killed and resumed


@pytest.mark.parametrize("point", ["labelling", "update"])
def test_killed_and_resumed_to_the_same_bytes(
    point: str, kill: Callable[..., None], moments: random.Random, train: Train, pseudo_run: Path,
    tiny: Path, people: Path, cache: Path, overrides: tuple[str, ...], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    out = tmp_path / "run"
    # Labels and out-of-fold answers are written once a fold; 8 updates in all.
    at = moments.choice([1, 3]) if point == "labelling" else moments.randint(2, 8)
    labelling, update = (
        "maskgate.runs.tables:write_probabilities",
        "maskgate.training.step:TrainingStep.update",
    )
    words = ("train", tiny, people, SHORT, *overrides, "--out", out, "--cache", cache)
    place = labelling if point == "labelling" else update
    kill(place, at, *words, "--checkpoint-seconds", 0)
    label_files = {path: path.read_bytes() for path in out.rglob("pseudo.parquet")}
    assert len(label_files) == (at // 2 if point == "labelling" else len(list(out.glob("fold-?"))))
    labelled_folds: list[int] = []
    label = pseudo.create_labels

    def noted(recipe: Recipe, prepared: TrainingData, data: FoldData, options: TrainOptions) -> Any:
        labelled_folds.append(data.fold)
        return label(recipe, prepared, data, options)

    monkeypatch.setattr(pseudo, "create_labels", noted)
    train(out, SHORT, *overrides, checkpoint_seconds=0)
    assert len(labelled_folds) == 2 - len(label_files), "a photo is labelled once"
    names = ["oof.parquet", "history.csv", "folds.csv", "metrics.json"]
    for fold in (0, 1):
        names += [f"fold-{fold}/{name}" for name in ("model.safetensors", "pseudo.parquet")]
    for name in names:
        same = (out / name).read_bytes() == (pseudo_run / name).read_bytes()
        assert same, f"{name}, {point} {at}"
    for path, content in label_files.items():
        assert path.read_bytes() == content


# --------------------------------------------------------------------------- two processes


def test_two_processes_are_told_the_same(
    train: Train, tiny: Path, people: Path, cache: Path, photos: Path, tmp_path: Path
) -> None:
    shared = ("model.backbone=test_vit", "photo.height=64", "photo.width=48", "optimizer.lr=1e-3",
              "folds.kind=holdout", SHORT)  # fmt: skip
    source = train(tmp_path / "source", *shared)
    changes = (*shared, f"pseudo.photos={photos}", f"pseudo.run={source}", EASY)
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
        "--master_port", str(20000 + os.getpid() % 20000), "-m", "maskgate", "train", str(tiny),
        str(people), *changes, "--out", str(tmp_path / "two"), "--cache", str(cache),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    one, two = RunFolder(train(tmp_path / "one", *changes)), RunFolder(tmp_path / "two")
    assert one.pseudo_file(0).read_bytes() == two.pseudo_file(0).read_bytes()
    assert (tables.pseudo(one, 0)[0]["use"] == TRAINED).any()
    np.testing.assert_allclose(tables.oof(two)[1], tables.oof(one)[1], atol=2e-3)


def test_uses_are_counted() -> None:
    table = pd.DataFrame(
        {
            "use": [TRAINED, TRAINED, BARRED, UNSURE],
            "mask": [0, -1, 2, -1],
            "gender": [1, 1, 1, -1],
            "age_band": [-1, -1, 0, -1],
        }
    )
    counts = pseudo.counts(table)
    assert (counts[TRAINED], counts[BARRED], counts[UNSURE]) == (2, 1, 1)
    assert (counts["mask"], counts["gender"], counts["age_band"]) == (1, 2, 0)
