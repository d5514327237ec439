"""Two processes on one machine: `torchrun` and gloo."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from maskgate import pixels, predict, runs
from maskgate.faces import showing
from maskgate.faces.view import View
from maskgate.runs import Run

# No batch normalisation: it would see half batches in each process.
SHARED = ("model.backbone=test_vit", "photo.height=64", "photo.width=48", "optimizer.lr=1e-3",
          "folds.kind=holdout", "training.validation_batch_size=10")  # fmt: skip


@pytest.fixture
def torchrun(tiny: Path, people: Path, cache: Path) -> Callable[..., str]:
    """`torchrun(out, *overrides)` trains with two processes; what they wrote on stdout."""

    def run(out: Path, *overrides: str) -> str:
        command = [
            sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
            "--master_port", str(20000 + os.getpid() % 20000), "-m", "maskgate",
            "train", str(tiny), str(people), *overrides, "--out", str(out), "--cache", str(cache),
        ]  # fmt: skip
        done = subprocess.run(command, capture_output=True, text=True, timeout=240)
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.mark.slow
def test_two_processes_train_as_one_and_validate_each_photo_once(
    train: Callable[..., Path], torchrun: Callable[..., str], tmp_path: Path
) -> None:
    two = tmp_path / "two"
    out = torchrun(two, *SHARED)
    one = train(tmp_path / "one", *SHARED)
    told, probabilities = runs.read_probabilities(Run(two).oof_file)
    expected_rows, expected = runs.read_probabilities(Run(one).oof_file)
    assert told["photo"].is_unique
    assert told["photo"].tolist() == expected_rows["photo"].tolist()
    np.testing.assert_allclose(probabilities, expected, atol=2e-3)
    assert out.count("out-of-fold macro F1") == 1
    np.testing.assert_allclose(
        Run(two).history()["train_loss"], Run(one).history()["train_loss"], rtol=1e-3
    )


@pytest.mark.slow
def test_both_processes_validate_with_the_buffers_that_are_kept(
    torchrun: Callable[..., str], people: Path, tmp_path: Path
) -> None:
    """Batch normalisation's running statistics differ between processes until the end."""
    torchrun(tmp_path / "run", "folds.kind=holdout", "training.epochs=1")
    run = Run(tmp_path / "run")
    told, probabilities = runs.read_probabilities(run.oof_file)
    geometry = run.recipe().photo.geometry
    images = people / "train" / "images"
    views = [View(geometry)]
    seen = [showing.show(images / name, views).pictures[0] for name in told["photo"]]
    batch = pixels.centre(np.concatenate(seen), geometry)
    with torch.inference_mode():
        again = (
            predict.restore(run, 0).eval()(torch.from_numpy(batch)).log_probabilities.exp().numpy()
        )
    np.testing.assert_allclose(again, probabilities, atol=1e-5)
