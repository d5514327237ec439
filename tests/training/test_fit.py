from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator

from maskgate import labels, metrics, recipe
from maskgate.data import layouts
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.images import cache as caches
from maskgate.images.loader import Loader
from maskgate.images.transforms import Augment
from maskgate.model import network
from maskgate.training import validation
from maskgate.training.fit import Fit, Fitted, Task

Train = Callable[..., Fitted]
SCORES = validation.scores


@pytest.fixture
def fitted(people: Path, cache: Path, tiny: Path, tmp_path: Path) -> Train:
    """`fitted(*overrides, training=rows, validation=rows, change=table → table)`."""

    def run(
        *overrides: str,
        training: Any = None,
        validation: Any = (),
        change: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
        seed: int = 0,
        checkpoint: str = "checkpoint.pt",
    ) -> Fitted:
        made = recipe.load(tiny, list(overrides))
        read = layouts.read(people)
        store, _ = caches.build(read, made.photo.geometry, cache)
        table = Photos(read.root, change(read.table)).table
        loader = Loader(
            store, table, made.photo.geometry, Augment(made.augment, made.photo.geometry)
        )
        rows = np.arange(len(table)) if training is None else np.asarray(training)
        torch.manual_seed(seed)
        held = np.asarray(validation, dtype=np.int64)
        task = Task(0, table, table, loader, rows, held, afterwards=held)
        model = network.create(made)
        return Fit(made, model, task, tmp_path / checkpoint, Accelerator(cpu=True), 60).run()

    return run


def test_two_batches_can_be_overfitted(fitted: Train) -> None:
    rows = np.arange(32)
    done = fitted(
        "training.epochs=60",
        "training.batch_size=16",
        "augment=[]",
        "optimizer.lr=1e-2",
        training=rows,
        validation=rows,
    )
    assert done.history[-1]["valid_accuracy"] == 1
    assert done.history[-1]["train_loss"] < 0.1


def test_shuffled_labels_give_chance(fitted: Train) -> None:
    """Only what is in the photos can be learnt: no path from label to input."""

    def shuffle(table: pd.DataFrame) -> pd.DataFrame:
        random = np.random.default_rng(0)
        drawn = random.integers(0, 18, len(table)).astype(np.int8)
        mask, gender, band = labels.decode(drawn)
        return table.assign(mask=mask, gender=gender, age_band=band, label=drawn)

    rows = np.arange(224)
    done = fitted("training.epochs=6", training=rows[:112], validation=rows[112:], change=shuffle)
    # 112 draws at 1/18: 6.2 expected, over 15 in fewer than one case of a thousand.
    assert done.history[-1]["valid_accuracy"] * 112 <= 15


def test_accumulation_gives_the_gradient_of_the_whole_batch(fitted: Train) -> None:
    # No batch normalisation here: it would see the parts.
    shared = ("model.backbone=test_vit", "photo.height=64", "photo.width=48", "training.epochs=1",
              "training.clip_norm=1.0", "optimizer.lr=1e-3")  # fmt: skip
    whole = fitted(*shared, checkpoint="a.pt")
    parts = fitted(*shared, "training.accumulate=3", checkpoint="b.pt")
    for name, tensor in whole.weights.items():
        torch.testing.assert_close(tensor, parts.weights[name], atol=2e-4, rtol=1e-3)


def test_out_of_memory_halves_what_runs_at_once(
    fitted: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forward = network.Network.forward

    def small_device(self: network.Network, photos: torch.Tensor) -> torch.Tensor:
        if self.training and len(photos) > 10:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB")
        return forward(self, photos)

    monkeypatch.setattr(network.Network, "forward", small_device)
    done = fitted("training.epochs=1")
    assert [row["accumulate"] for row in done.history] == [4]
    assert "warning: out of memory" in capsys.readouterr().err


def test_out_of_memory_for_good_is_one_sentence(
    fitted: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(network.Network, "forward", full)
    with pytest.raises(MaskgateError, match=r"lower training\.batch_size"):
        fitted("training.epochs=1", checkpoint="full.pt")


def test_another_error_is_not_taken_for_want_of_memory(
    fitted: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("shapes do not match")

    monkeypatch.setattr("maskgate.model.class_losses.CrossEntropy.forward", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        fitted("training.epochs=1")


def test_a_loss_that_explodes_is_told(fitted: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "maskgate.model.class_losses.CrossEntropy.forward",
        lambda self, out, _: out.sum() * torch.nan,
    )
    with pytest.raises(MaskgateError, match=r"lower optimizer\.lr"):
        fitted("training.epochs=1")


def falling(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Let the epochs score macro F1 as given."""
    given = iter(scores)

    def scored(*args: Any) -> dict[str, float]:
        return SCORES(*args) | {"valid_score": next(given)}

    monkeypatch.setattr(validation, "scores", scored)


def test_best_epoch_is_kept_and_the_last_beside_it(
    fitted: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    falling(monkeypatch, [0.1, 0.5, 0.2, 0.3])
    rows = {"training": np.arange(112), "validation": np.arange(112, 160)}
    best = fitted("training.epochs=4", "training.select=best", **rows)
    assert len(best.history) == 4
    assert not np.array_equal(best.probabilities, best.last_probabilities)
    # The cosine ends at four epochs in both, so two epochs of the one are two of the other.
    falling(monkeypatch, [0.1, 0.5, 0.2])
    stopped = fitted("training.epochs=4", "training.patience=1", checkpoint="other.pt", **rows)
    assert [row["epoch"] for row in stopped.history] == [1, 2, 3]
    falling(monkeypatch, [0.1, 0.5, 0.2])
    both = fitted(
        "training.epochs=4",
        "training.patience=1",
        "training.select=best",
        checkpoint="c.pt",
        **rows,
    )
    np.testing.assert_array_equal(both.probabilities, best.probabilities)
    np.testing.assert_array_equal(both.last_probabilities, stopped.probabilities)


def test_last_epoch_is_the_default(fitted: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    falling(monkeypatch, [0.9, 0.1])
    done = fitted(training=np.arange(64), validation=np.arange(64, 96))
    np.testing.assert_array_equal(done.probabilities, done.last_probabilities)


def test_validation_divides_by_all_its_photos(fitted: Train) -> None:
    """The starting code dropped the last partial batch and divided by the full length."""
    validation = np.arange(100, 137)  # 37 photos in batches of 16
    done = fitted(
        "training.validation_batch_size=16",
        "training.epochs=1",
        training=np.arange(100),
        validation=validation,
    )
    assert done.probabilities.shape == (37, 18)
    assert np.isfinite(done.probabilities).all()
    np.testing.assert_allclose(done.probabilities.sum(1), 1, rtol=1e-5)


def test_history_scores_are_the_metrics(fitted: Train, people: Path) -> None:
    rows = np.arange(100, 180)
    done = fitted("training.epochs=1", training=np.arange(100), validation=rows)
    report = metrics.evaluate(
        done.probabilities, layouts.read(people).table.iloc[rows], resamples=5
    )
    last = done.history[-1]
    assert last["valid_macro_f1"] == pytest.approx(report["macro_f1"]["value"])
    assert last["valid_accuracy"] == pytest.approx(report["accuracy"]["value"])
    for name, part in report["attributes"].items():
        assert last[f"valid_{name}_accuracy"] == pytest.approx(part["accuracy"]["value"])


def test_partly_labelled_photos_train(fitted: Train) -> None:
    def forget(table: pd.DataFrame) -> pd.DataFrame:
        mask = table["mask"].where(np.arange(len(table)) % 2 == 0, labels.UNKNOWN)
        code = mask.to_numpy(dtype=np.int8)
        label = labels.encode(code, table["gender"], table["age_band"])
        return table.assign(mask=code, label=label)

    done = fitted(
        "training.epochs=1", change=forget, training=np.arange(64), validation=np.arange(64, 128)
    )
    assert np.isfinite(done.history[-1]["train_loss"])
