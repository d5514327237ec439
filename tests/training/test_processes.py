"""Two processes on one machine: `torchrun` and gloo."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

from maskgate import runs
from maskgate.runs import Run

# No batch normalisation: it would see half batches in each process.
SHARED = ("model.backbone=test_vit", "photo.height=64", "photo.width=48", "optimizer.lr=1e-3",
          "folds.kind=holdout", "training.validation_batch_size=10")  # fmt: skip


def test_two_processes_train_as_one_and_validate_each_photo_once(
    train: Callable[..., Path], tiny: Path, people: Path, cache: Path, tmp_path: Path
) -> None:
    two = tmp_path / "two"
    command = [
        sys.executable, "-m", "torch.distributed.run", "--nproc_per_node", "2",
        "--master_port", str(20000 + os.getpid() % 20000), "-m", "maskgate",
        "train", str(tiny), str(people), *SHARED, "--out", str(two), "--cache", str(cache),
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    one = train(tmp_path / "one", *SHARED)
    told, probabilities = runs.read_probabilities(Run(two).oof_file)
    expected_rows, expected = runs.read_probabilities(Run(one).oof_file)
    assert told["photo"].is_unique
    assert told["photo"].tolist() == expected_rows["photo"].tolist()
    np.testing.assert_allclose(probabilities, expected, atol=2e-3)
    assert done.stdout.count("out-of-fold macro F1") == 1
    np.testing.assert_allclose(
        Run(two).history()["train_loss"], Run(one).history()["train_loss"], rtol=1e-3
    )
