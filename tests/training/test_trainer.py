from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from accelerate import Accelerator

from maskgate import labels
from maskgate.config import recipe
from maskgate.data import layouts
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.faces.view import View
from maskgate.model import network
from maskgate.model.heads import Output
from maskgate.pipeline import cache as caches
from maskgate.pipeline.loader import Loader
from maskgate.pipeline.mixing import Mixing
from maskgate.pipeline.target import Target
from maskgate.pipeline.transforms import Augment
from maskgate.training import validation
from maskgate.training.batches import Task
from maskgate.training.callbacks import Callbacks, Epoch, Row
from maskgate.training.fold_data import FoldData
from maskgate.training.state import Fitted
from maskgate.training.step import TrainingStep, Update
from maskgate.training.trainer import Trainer

Train = Callable[..., Fitted]
SCORES = validation.scores


@pytest.fixture
def fitted(people: Path, cache: Path, tiny: Path, tmp_path: Path) -> Train:
    """`fitted(*overrides, training=rows, validation=rows, change=table → table)`.

    `callbacks(network)` gives what the training calls.
    """

    def run(
        *overrides: str,
        training: Any = None,
        validation: Any = (),
        change: Callable[[pd.DataFrame], pd.DataFrame] = lambda table: table,
        seed: int = 0,
        checkpoint: str = "checkpoint.pt",
        callbacks: Callable[[network.Network], Callbacks] = lambda _: Callbacks(),
    ) -> Fitted:
        config = recipe.load(tiny, list(overrides))
        read = layouts.read(people)
        store, _ = caches.build(read, View(config.photo.geometry), cache)
        table = Photos(read.root, change(read.table)).table
        loader = Loader(
            store, table, config.photo.geometry, Augment(config.augment, config.photo.geometry)
        )
        rows = np.arange(len(table)) if training is None else np.asarray(training)
        torch.manual_seed(seed)
        held = np.asarray(validation, dtype=np.int64)
        data = FoldData(
            fold=0,
            table=table,
            train=rows,
            validation=held,
            truth=table.iloc[held],
            afterwards=held,
        )
        model = network.create(config)
        fit = Trainer(
            config,
            model,
            Task(data, loader),
            path=tmp_path / checkpoint,
            accelerator=Accelerator(cpu=True),
            checkpoint_seconds=60,
            callbacks=[callbacks(model)],
        )
        return fit.run()

    return run


@pytest.mark.slow
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
    whole_batch = fitted(*shared, checkpoint="a.pt")
    parts = fitted(*shared, "training.accumulate=3", checkpoint="b.pt")
    for name, tensor in whole_batch.weights.items():
        torch.testing.assert_close(tensor, parts.weights[name], atol=2e-4, rtol=1e-3)


def test_out_of_memory_halves_what_runs_at_once(
    fitted: Train, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    forward = network.Network.forward

    def small_device(self: network.Network, photos: torch.Tensor) -> Output:
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

    monkeypatch.setattr("maskgate.model.losses.cross_entropy.CrossEntropy.forward", broken)
    with pytest.raises(RuntimeError, match="shapes"):
        fitted("training.epochs=1")


def test_a_loss_that_explodes_is_told(fitted: Train, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "maskgate.model.losses.cross_entropy.CrossEntropy.forward",
        lambda self, out, _: out.sum() * torch.nan,
    )
    with pytest.raises(MaskgateError, match=r"lower optimizer\.lr"):
        fitted("training.epochs=1")


def falling(monkeypatch: pytest.MonkeyPatch, scores: list[float]) -> None:
    """Let the epochs score macro F1 as given."""
    queue = iter(scores)

    def scored(*args: Any) -> dict[str, float]:
        return SCORES(*args) | {"valid_score": next(queue)}

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


def initial_weights(tiny: Path) -> dict[str, torch.Tensor]:
    """The weights that `fitted` begins with."""
    torch.manual_seed(0)
    return network.create(recipe.load(tiny, [])).state_dict()


def test_a_frozen_backbone_stays_as_it_is_while_the_head_learns(fitted: Train, tiny: Path) -> None:
    done = fitted("training.epochs=1", "training.freeze_epochs=1", "optimizer.weight_decay=0.5")
    first = initial_weights(tiny)
    changed = {name for name in first if not torch.equal(first[name], done.weights[name])}
    assert changed == {"head.linear.weight", "head.linear.bias"}
    later = fitted("training.epochs=2", "training.freeze_epochs=1", checkpoint="later.pt")
    stem = next(name for name in first if name.startswith("backbone."))
    assert not torch.equal(first[stem], later.weights[stem])


def test_ema_is_the_naive_average_of_the_weights(fitted: Train) -> None:
    snapshots: list[torch.Tensor] = []
    name = "head.linear.weight"

    def watch(model: network.Network) -> Callbacks:
        def on_update_end(_: int) -> None:
            snapshots.append(model.state_dict()[name].clone())

        return Callbacks(on_update_end=on_update_end)

    ema = "training.average={name: ema, decay: 0.6}"
    done = fitted("training.epochs=2", ema, callbacks=watch)
    naive = snapshots[0]
    for number, now in enumerate(snapshots[1:], 1):
        decay = min(0.6, (1 + number) / (10 + number))
        naive = decay * naive + (1 - decay) * now
    torch.testing.assert_close(done.weights[name], naive)
    assert not torch.equal(done.weights[name], snapshots[-1])


def test_wise_ft_is_between_the_weights_before_and_their_average(fitted: Train) -> None:
    starts: list[dict[str, torch.Tensor]] = []

    def watch(model: network.Network) -> Callbacks:
        starts.append({name: each.clone() for name, each in model.state_dict().items()})
        return Callbacks()

    rows = {"training": np.arange(64), "validation": np.arange(64, 96)}
    wise = "training.average={name: wise_ft, alpha: 0.3, decay: 0.6}"
    done = fitted("training.epochs=2", wise, callbacks=watch, **rows)
    average = "training.average={name: ema, decay: 0.6}"
    ema = fitted("training.epochs=2", average, checkpoint="ema.pt", **rows)
    for name, tensor in done.weights.items():
        if tensor.is_floating_point():
            naive = 0.7 * starts[0][name] + 0.3 * ema.weights[name]
            torch.testing.assert_close(tensor, naive, msg=name)
    assert done.history[0]["train_loss"] == ema.history[0]["train_loss"]
    assert done.history[0]["valid_loss"] != ema.history[0]["valid_loss"]


def test_swa_is_the_mean_of_the_last_epochs(fitted: Train) -> None:
    ends: list[dict[str, torch.Tensor]] = []

    def watch(model: network.Network) -> Callbacks:
        def on_epoch_end(_: Row) -> None:
            ends.append({n: t.clone() for n, t in model.state_dict().items()})

        return Callbacks(on_epoch_end=on_epoch_end)

    rows = {"training": np.arange(64), "validation": np.arange(64, 96)}
    swa = "training.average={name: swa, start: 0.5}"
    done = fitted("training.epochs=4", swa, callbacks=watch, **rows)
    for name, tensor in done.weights.items():
        if tensor.is_floating_point():  # statistics of the norms, too
            naive = (ends[2][name] + ends[3][name]) / 2
            torch.testing.assert_close(tensor, naive, msg=name)
    plain = fitted("training.epochs=4", checkpoint="plain.pt", **rows)
    before = [row["valid_loss"] for row in done.history]
    assert before[:2] == [row["valid_loss"] for row in plain.history][:2]
    assert before[3] != plain.history[3]["valid_loss"]


def test_last_epochs_on_the_validation_photos_are_scored_by_none(fitted: Train) -> None:
    rows = {"training": np.arange(64), "validation": np.arange(64, 128)}
    plain = fitted("training.epochs=2", "schedule.name=none", **rows)
    done = fitted(
        "training.epochs=2",
        "schedule.name=none",
        "training.validation_epochs=2",
        checkpoint="more.pt",
        **rows,
    )
    np.testing.assert_array_equal(done.probabilities, plain.probabilities)
    assert [row["epoch"] for row in done.history] == [1, 2, 3, 4]
    assert ["valid_score" in row for row in done.history] == [True, True, False, False]
    name = "head.linear.weight"
    assert not torch.equal(done.weights[name], plain.weights[name])
    assert done.drawn == plain.drawn  # an epoch of training draws them
    assert done.photos == plain.photos + 2 * 64
    assert done.epochs == 2


def test_mixed_batches_are_learnt_with_the_labels_of_both(
    fitted: Train, monkeypatch: pytest.MonkeyPatch
) -> None:
    """share · L(own) + (1 − share) · L(partner's), whatever the loss, in whatever parts."""
    loss_sums: list[float] = []
    updater: Any = None
    mix = Mixing.__call__

    def watched(self: Mixing, photos: torch.Tensor, target: Target) -> Any:
        mixed = mix(self, photos, target)
        assert mixed.partner is not None
        with torch.no_grad():
            output = updater.network(mixed.photos)
            own_loss = updater.loss(output, target)
            other = updater.loss(output, target.take(mixed.partner))
        loss_sums.append(float(mixed.share * own_loss + (1 - mixed.share) * other) * len(photos))
        return mixed

    update = TrainingStep.update

    def first(self: TrainingStep, *arguments: Any) -> Update:
        nonlocal updater
        updater = self
        done = update(self, *arguments)
        assert done.loss_sum == pytest.approx(loss_sums[-1], rel=1e-4)
        return done

    monkeypatch.setattr(Mixing, "__call__", watched)
    monkeypatch.setattr(TrainingStep, "update", first)
    # Without norms: two passes over a batch give the same.
    quiet = ("model={backbone: test_vit}", "photo={height: 64, width: 48}", "training.epochs=1")
    for number, loss in enumerate(("cross_entropy", "focal", "label_smoothing")):
        fitted(
            *quiet,
            f"loss={loss}",
            "mixing=[{name: mixup}]",
            f"training.accumulate={number + 1}",
            training=np.arange(48),
            checkpoint=f"{loss}.pt",
        )
    assert len(loss_sums) >= 3


def test_what_was_drawn_and_mixed_is_counted(fitted: Train) -> None:
    changes = ("training.epochs=2", "mixing=[{name: cutmix, probability: 1}]")
    done = fitted(*changes, training=np.arange(64))
    assert done.mixed == {"cutmix": 4}
    assert sum(done.drawn) == 128


def test_callbacks_are_called_in_the_order_of_the_training(fitted: Train) -> None:
    calls: list[tuple[Any, ...]] = []

    def noted(name: str) -> Callable[..., None]:
        return lambda *values: calls.append((name, *values))

    names = ("on_epoch_start", "on_update_end", "on_epoch_end", "on_fit_end")
    callbacks = Callbacks(**{name: noted(name) for name in names})
    rows = {"training": np.arange(64), "validation": np.arange(64, 128)}
    more = "training.validation_epochs=1"
    done = fitted("training.epochs=1", more, callbacks=lambda _: callbacks, **rows)
    assert calls == [
        ("on_epoch_start", Epoch(0, "epoch 1/1", updates=2, done=0, number=0, epochs=2)),
        ("on_update_end", 1),
        ("on_update_end", 2),
        ("on_epoch_end", done.history[0]),
        ("on_epoch_start", Epoch(0, "validation photos, 1", updates=2, done=0, number=1, epochs=2)),
        ("on_update_end", 3),
        ("on_update_end", 4),
        ("on_epoch_end", done.history[1]),
        ("on_fit_end",),
    ]


def test_what_a_callback_raises_ends_the_training_and_it_goes_on(fitted: Train) -> None:
    ended: list[str] = []

    def end(_: object) -> None:
        raise KeyError("enough")

    for callbacks in (Callbacks(on_epoch_end=end), Callbacks(on_update_end=end)):
        hooks = replace(callbacks, on_fit_end=lambda: ended.append("closed"))
        with pytest.raises(KeyError, match="enough"):
            fitted(training=np.arange(64), callbacks=lambda _, hooks=hooks: hooks)
    assert ended == ["closed", "closed"]
    starts: list[Epoch] = []
    done = fitted(
        training=np.arange(64), callbacks=lambda _: Callbacks(on_epoch_start=starts.append)
    )
    assert [epoch.name for epoch in starts] == ["epoch 2/2"]
    plain = fitted(training=np.arange(64), checkpoint="plain.pt")
    assert done.history == plain.history
