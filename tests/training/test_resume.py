"""Killed with SIGKILL at a random moment and resumed: the same bytes as undisturbed."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.errors import MaskgateError
from maskgate.training import checkpoint

Kill = Callable[..., None]

# Where, and from which to which call: 2 folds of about 112 training photos, which are 3 updates an
# epoch, and 2 epochs.
UPDATE, CHECKPOINT = "maskgate.training.step:TrainingStep.update", "pathlib:Path.write_bytes"
POINTS = {
    "cache": ("maskgate.imaging.pixels:decode", 2, 220),
    "update": (UPDATE, 1, 12),
    "validation": ("maskgate.model.predicting:probabilities", 1, 4),
    "checkpoint": (CHECKPOINT, 1, 12),
    "last epoch": (UPDATE, 10, 12),
}


# All that a checkpoint must hold beside weights and optimiser.
EVERYTHING = (
    "training.average=ema",
    "training.select=best",
    "training.epochs=3",
    "training.freeze_epochs=1",
    "training.validation_epochs=2",
    "schedule={name: plateau, arguments: {patience_epochs: 0}}",
    "sampling={name: weighted, by: class}",
    "mixing=[{name: mixup, probability: 0.4}, {name: half_cutmix, probability: 0.4}]",
    "loss={name: sum, parts: [{name: ldam, defer: 0.5}, {name: label_distribution}]}",
    "model.head={name: factored, age: years}",
)


def compare(
    undisturbed: Path,
    kill: Kill,
    point: tuple[str, int, int],
    moments: random.Random,
    tiny: Path,
    people: Path,
    folder: Path,
    *changes: str,
) -> None:
    """Train with the changes, killed at a random moment; resume, and compare all files."""
    place, first, last = point
    at = moments.randint(first, last)
    out, cache = folder / "run", folder / "cache"
    words = ("train", tiny, people, *changes, "--out", out, "--cache", cache)
    kill(place, at, *words, "--checkpoint-seconds", 0)
    assert not (out / "metrics.json").exists()

    from maskgate.config import recipe
    from maskgate.training import crossval
    from maskgate.training.options import TrainOptions

    options = TrainOptions("tiny", people, out, cache, checkpoint_seconds=0)
    crossval.train(recipe.load(tiny, list(changes)), options)
    names = ["oof.parquet", "history.csv", "folds.csv", "metrics.json"]
    names += [f"fold-{fold}/model.safetensors" for fold in (0, 1)]
    for name in names:
        same = (out / name).read_bytes() == (undisturbed / name).read_bytes()
        assert same, f"{name}, {place} {at}"
    assert not list(out.rglob("*.pt"))


@pytest.mark.parametrize(
    "point",
    [name if name == "update" else pytest.param(name, marks=pytest.mark.slow) for name in POINTS],
)
def test_killed_and_resumed_to_the_same_bytes(
    point: str, kill: Kill, moments: random.Random, tiny: Path, people: Path, trained: Path,
    tmp_path: Path,
) -> None:  # fmt: skip
    compare(trained, kill, POINTS[point], moments, tiny, people, tmp_path)


@pytest.mark.slow
def test_so_with_averages_plateau_mixing_and_validation_photos(
    kill: Kill, moments: random.Random, tiny: Path, people: Path, train: Callable[..., Path],
    tmp_path: Path,
) -> None:  # fmt: skip
    undisturbed = train(tmp_path / "undisturbed", *EVERYTHING)
    # 3 epochs of 3 updates, then 2 of the validation photos', in each of the 2 folds.
    point = moments.choice([(UPDATE, 2, 24), (CHECKPOINT, 1, 30)])
    compare(undisturbed, kill, point, moments, tiny, people, tmp_path, *EVERYTHING)


def test_a_checkpoint_holds_tensors_and_primitives_only(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"weights": {"a": torch.ones(2)}, "position": {"epoch": 3}})
    loaded = torch.load(path, weights_only=True)
    assert loaded["position"] == {"epoch": 3}
    read = checkpoint.load(path)
    assert read is not None and read["weights"]["a"].tolist() == [1, 1]
    assert checkpoint.load(tmp_path / "none.pt") is None


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(MaskgateError, match="remove it to restart the fold"):
        checkpoint.load(path)
