"""Killed with SIGKILL at a random moment and resumed: the same bytes as undisturbed."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.errors import MaskgateError
from maskgate.training import checkpoint

# 2 folds of about 112 training photos: 3 updates an epoch, 2 epochs.
DRIVER = """
import os, signal, sys
from pathlib import Path
from maskgate import pixels, predict, recipe
from maskgate.training import crossval, fit
from maskgate.training.prepare import Order

point, at, file, data, out, cache, *changes = sys.argv[1:]
calls = 0

def killed(function):
    def wrapper(*args, **kwargs):
        global calls
        calls += 1
        if calls == int(at):
            if point == "checkpoint":  # half of the file is written
                function(args[0], args[1][: len(args[1]) // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return wrapper

place, name = {
    "cache": (pixels, "decode"),
    "update": (fit.Fit, "_update"),
    "last epoch": (fit.Fit, "_update"),
    "validation": (predict, "of_loader"),
    "checkpoint": (Path, "write_bytes"),
}[point]
setattr(place, name, killed(getattr(place, name)))
order = Order("tiny", Path(data), Path(out), Path(cache), checkpoint_seconds=0)
crossval.train(recipe.load(Path(file), changes), order)
"""

POINTS = {
    "cache": (2, 220),
    "update": (1, 12),
    "validation": (1, 4),
    "checkpoint": (1, 12),
    "last epoch": (10, 12),
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
    "loss={name: ldam, defer: 0.5}",
)


def compare(
    undisturbed: Path,
    point: str,
    moments: tuple[int, int],
    tiny: Path,
    people: Path,
    folder: Path,
    *changes: str,
) -> None:
    """Train with the changes, killed at a random moment; resume, and compare all files."""
    at = random.Random(os.urandom(8)).randint(*moments)
    out, cache = folder / "run", folder / "cache"
    place = [str(path) for path in (tiny, people, out, cache)]
    done = subprocess.run(
        [sys.executable, "-c", DRIVER, point, str(at), *place, *changes],
        capture_output=True,
        text=True,
    )
    assert done.returncode == -signal.SIGKILL, f"{point} {at}: {done.stderr}"
    assert not (out / "metrics.json").exists()

    from maskgate import recipe
    from maskgate.training import crossval
    from maskgate.training.prepare import Order

    order = Order("tiny", people, out, cache, checkpoint_seconds=0)
    crossval.train(recipe.load(tiny, list(changes)), order)
    names = ["oof.parquet", "history.csv", "folds.csv", "metrics.json"]
    names += [f"fold-{fold}/model.safetensors" for fold in (0, 1)]
    for name in names:
        same = (out / name).read_bytes() == (undisturbed / name).read_bytes()
        assert same, f"{name}, {point} {at}"
    assert not list(out.rglob("*.pt"))


@pytest.mark.parametrize("point", POINTS)
def test_killed_and_resumed_to_the_same_bytes(
    point: str, tiny: Path, people: Path, trained: Path, tmp_path: Path
) -> None:
    compare(trained, point, POINTS[point], tiny, people, tmp_path)


def test_so_with_averages_plateau_mixing_and_validation_photos(
    tiny: Path, people: Path, train: Callable[..., Path], tmp_path: Path
) -> None:
    undisturbed = train(tmp_path / "undisturbed", *EVERYTHING)
    # 3 epochs of 3 updates, then 2 of the validation photos', in each of the 2 folds.
    point, moments = random.choice([("update", (2, 24)), ("checkpoint", (1, 30))])
    compare(undisturbed, point, moments, tiny, people, tmp_path, *EVERYTHING)


def test_a_checkpoint_holds_tensors_and_primitives_only(tmp_path: Path) -> None:
    import torch

    path = tmp_path / "checkpoint.pt"
    checkpoint.save(path, {"weights": {"a": torch.ones(2)}, "position": {"epoch": 3}})
    loaded = torch.load(path, weights_only=True)
    assert loaded["position"] == {"epoch": 3}
    assert checkpoint.load(path)["weights"]["a"].tolist() == [1, 1]
    assert checkpoint.load(tmp_path / "none.pt") is None


def test_a_damaged_checkpoint_is_told(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.pt"
    path.write_bytes(b"no checkpoint")
    with pytest.raises(MaskgateError, match="remove it to start the fold anew"):
        checkpoint.load(path)
