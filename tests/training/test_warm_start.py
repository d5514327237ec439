"""Epochs of another run, and what it has seen; see also test_crossval.py for inherited weights."""

import hashlib
import importlib
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import maskgate
from maskgate.config import recipe
from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.export.models import models
from maskgate.inference.backends import torch as torch_backend
from maskgate.model import network
from maskgate.pipeline import thumbnails
from maskgate.runs import RunFolder, tables
from maskgate.training import preflight, training_data, warm_start
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import TrainingData


def recipe_with_epochs_from(run: Path, tiny: Path) -> Recipe:
    return recipe.load(tiny, ["folds.kind=all", f"training.epochs_from={run}"])


def test_epochs_are_the_mean_of_the_best(trained: Path, tiny: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    # Best are epoch 2 of the one fold and 5 of the other: 3.5, rounded to even.
    rows = [(0, e, 0.9 if e == 2 else 0.1) for e in range(1, 7)]
    rows += [(1, e, e / 10 if e <= 5 else 0.2) for e in range(1, 7)]
    table = pd.DataFrame(rows, columns=["fold", "epoch", "valid_score"])
    table.to_csv(RunFolder(copy).history_file, index=False)
    RunFolder(copy).finish()
    assert warm_start.with_best_epochs(recipe_with_epochs_from(copy, tiny)).training.epochs == 4


def test_a_run_without_validation_tells_no_epochs(
    trained: Path, tiny: Path, tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(trained, tmp_path / "run"))
    pd.DataFrame({"fold": [0], "epoch": [1]}).to_csv(RunFolder(copy).history_file, index=False)
    RunFolder(copy).finish()
    with pytest.raises(MaskgateError, match="has no validation people"):
        warm_start.with_best_epochs(recipe_with_epochs_from(copy, tiny))


def test_all_photos_are_trained_on_for_the_epochs_found(
    trained: Path, train: "object", tmp_path: Path
) -> None:
    changes = ("folds.kind=all", f"training.epochs_from={trained}")
    run = RunFolder(train(tmp_path / "run", *changes))  # type: ignore[operator]
    history = tables.history(RunFolder(trained))
    best = history.loc[history.groupby("fold")["valid_score"].idxmax(), "epoch"]
    assert run.recipe().training.epochs == round(best.mean()) == len(tables.history(run))


def test_another_key_is_left_alone(tiny: Path) -> None:
    plain_recipe = recipe.load(tiny, [])
    assert warm_start.with_best_epochs(plain_recipe) is plain_recipe


def test_the_head_is_started_too_if_asked(
    trained: Path, tiny: Path, people: Path, tmp_path: Path
) -> None:
    def started(*changes: str) -> dict[str, torch.Tensor]:
        warm_recipe = recipe.load(tiny, [f"model.init={trained}", *changes])
        ready = training_data.prepare(warm_recipe, TrainOptions("x", people, cache=tmp_path))
        return preflight.initial_network(warm_recipe, ready, ready.fold_data(0)).state_dict()

    weights = RunFolder(trained).weights(0)
    for start_head in ("false", "true"):
        initial = started(f"model.start_head={start_head}")
        same = {"backbone": True, "head": True, "normalise": True}
        for name, tensor in weights.items():
            same[name.partition(".")[0]] &= bool((initial[name] == tensor).all())
        assert same == {"backbone": True, "head": start_head == "true", "normalise": True}
    with pytest.raises(MaskgateError, match=r"its head does not fit .*use the same head"):
        started("model.start_head=true", "model.head=joint")
    with pytest.raises(MaskgateError, match="start_head needs init, or weights: faces"):
        recipe.load(tiny, ["model.start_head=true"])
    file = tmp_path / "weights.pth"
    torch.save(network.create(recipe.load(tiny)).backbone.state_dict(), file)
    plain = recipe.load(tiny, [f"model.weights={file}", "model.start_head=true"])
    with pytest.raises(MaskgateError, match="have no head; give weights=faces"):
        network.create(plain)


# ------------------------------------------------------------------- what a run has seen

SHORT = ("training.epochs=1", "folds.kind=all")
EASY = "pseudo.thresholds={mask: 0.4, gender: 0.55, age_band: 0.4}"


def re_encoded(people: Path, names: "pd.Series[str]", to: Path) -> Path:
    """A CSV of copies of photos, under other names: smaller, as JPEGs of quality 60."""
    to.mkdir()
    rows = ["photo,person,mask"]
    for number, name in enumerate(names):
        with Image.open(people / "train" / "images" / name) as opened:
            image = opened.convert("RGB")
        small = image.resize((image.width * 3 // 4, image.height * 3 // 4))
        small.save(to / f"{number}.jpg", quality=60)
        rows.append(f"{number}.jpg,nobody {number // 7},wear")
    (to / "photos.csv").write_text("\n".join(rows) + "\n")
    return to / "photos.csv"


@pytest.fixture(scope="module")
def copied(
    trained: Path,
    people: Path,
    train: Callable[..., Path],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[int, Path]:
    """For each fold of the trained run, another run that has seen copies of its people alone."""
    folder, photos = tmp_path_factory.mktemp("copied"), tables.photos(RunFolder(trained))
    return {
        fold: train(
            folder / f"run{fold}", *SHORT,
            data=re_encoded(people, photos["photo"][photos["fold"] == fold], folder / f"{fold}"),
        )
        for fold in (0, 1)
    }  # fmt: skip


@pytest.fixture
def prepared(tiny: Path, people: Path, cache: Path, trained: Path) -> Callable[..., TrainingData]:
    """`prepared(*overrides)` of the sample people, in the trained run's folds."""

    def prepare(*overrides: str) -> TrainingData:
        changes = [f"folds.file={RunFolder(trained).folds_file}", *overrides]
        return training_data.prepare(
            recipe.load(tiny, changes), TrainOptions("tiny", people, cache=cache)
        )

    return prepare


@pytest.mark.slow
@pytest.mark.parametrize("fold", [0, 1])
def test_a_run_trained_on_re_encoded_copies_is_refused_for_their_fold_alone(
    fold: int, copied: dict[int, Path], prepared: Callable[..., TrainingData]
) -> None:
    run, ready = RunFolder(copied[fold]), prepared()
    data = ready.fold_data(fold)
    assert not tables.training_digests(run, 0) & set(
        ready.store.digests
    )  # of the same bytes there is none
    assert warm_start.source_fold(run, ready, ready.fold_data(1 - fold), "model.init") == 0
    # Nearly every photo is known again, not just one of a person.
    assert len(
        warm_start.validated_contents(run, ready, data) & tables.training_digests(run, 0)
    ) > 0.8 * len(tables.training_digests(run, 0))
    with pytest.raises(MaskgateError, match=rf"people of fold {fold}.*near-duplicates of them"):
        warm_start.source_fold(run, ready, data, "model.init")


@pytest.mark.slow
@pytest.mark.parametrize("key", ["model.init", "pseudo.run"])
def test_neither_weights_nor_labels_come_from_re_encoded_copies(
    key: str, copied: dict[int, Path], train: Callable[..., Path], people: Path, tmp_path: Path
) -> None:
    photos = (f"pseudo.photos={people / 'eval'}", EASY) if key == "pseudo.run" else ()
    with pytest.raises(
        MaskgateError, match=rf"^{key}=.*was trained on validation people of fold 1"
    ):
        train(tmp_path / "run", f"{key}={copied[1]}", *photos, "training.epochs=1")
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_copies_are_known_again_by_way_of_a_third_run(
    copied: dict[int, Path], train: Callable[..., Path], tmp_path: Path
) -> None:
    noise = np.random.default_rng(0)
    for number in range(8):
        picture = noise.integers(0, 255, (40, 30, 3), dtype=np.uint8)
        Image.fromarray(picture).save(tmp_path / f"{number}.png")
    data = tmp_path / "noise.csv"
    data.write_text("photo,mask\n" + "".join(f"{n}.png,wear\n" for n in range(8)))
    second = RunFolder(train(tmp_path / "second", *SHORT, f"model.init={copied[0]}", data=data))
    assert tables.training_digests(second, 0) <= set(
        thumbnails.table_of(second.thumbnails_file.read_bytes(), second.thumbnails_file)["digest"]
    )
    with pytest.raises(MaskgateError, match="was trained on validation people of fold 0"):
        train(tmp_path / "third", "training.epochs=1", f"model.init={second.path}")


def test_a_run_without_thumbnails_is_taken_with_a_warning(
    copied: dict[int, Path], prepared: Callable[..., TrainingData], train: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    old = RunFolder(tmp_path / "old")
    shutil.copytree(copied[0], old.path)
    old.thumbnails_file.unlink()
    old.update_status(files=None)  # as an earlier version left it
    run = RunFolder(train(tmp_path / "run", "training.epochs=1", f"model.init={old.path}"))
    (warning,) = (line for line in run.status().warnings if "only identical files show" in line)
    assert warning.startswith(f"model.init={old.path} has no thumbnails")
    old.thumbnails_file.write_bytes(b"no table")
    with pytest.raises(MaskgateError, match=r"thumbnails\.parquet: missing or damaged"):
        ready = prepared()
        warm_start.source_fold(old, ready, ready.fold_data(0), "model.init")


def test_a_run_keeps_a_thumbnail_of_each_content(trained: Path) -> None:
    run = RunFolder(trained)
    table = thumbnails.table_of(run.thumbnails_file.read_bytes(), run.thumbnails_file)
    assert sorted(table["digest"]) == sorted(set(tables.photos(run)["digest"]))
    pictures = thumbnails.decoded(table, run.thumbnails_file)
    assert pictures.shape == (len(table), 64, 48)
    assert pictures.std() > 10
    assert run.thumbnails_file.stat().st_size < 2000 * len(table)
    assert thumbnails.decoded(table[:0], run.thumbnails_file).shape == (0, 64, 48)
    with pytest.raises(MaskgateError, match="missing or damaged"):
        thumbnails.decoded(table.assign(thumbnail=b"no picture"), run.thumbnails_file)


def test_a_run_from_packaged_weights_keeps_their_name_and_needs_no_package(
    train: Callable[..., Path], people: Path, packaged_weights: Path, tmp_path: Path
) -> None:
    changes = ["model.weights=imagenet", "folds.kind=holdout", "training.epochs=1"]
    run = RunFolder(train(tmp_path / "run", *changes))
    digest = hashlib.sha256(packaged_weights.read_bytes()).hexdigest()
    assert warm_start.weight_digests(run.recipe()) == [digest]
    shutil.rmtree(packaged_weights.parent)
    importlib.invalidate_caches()
    assert run.recipe().model.weights == "imagenet"
    with pytest.raises(MaskgateError, match="needs the package small_weights, which"):
        warm_start.weight_digests(run.recipe())
    (model,) = models(run, tmp_path)
    assert model.facts().weights == "ImageNet: small-weights 0.1.0 (Apache-2.0)"
    network = torch_backend.restore(run, 0)
    mean = network.normalise.get_buffer("mean").flatten()
    assert mean.tolist() == pytest.approx([127] * 3)
    photos = sorted((people / "eval").rglob("*.jpg"))[:2]
    assert maskgate.load(run.path).predict(photos).probabilities.shape == (2, 18)
