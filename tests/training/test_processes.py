"""Two processes, on one host or on two that share this machine: `torchrun` and gloo."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from maskgate.config.settings import Component
from maskgate.evaluation import oof
from maskgate.faces import reader
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.imaging.tta import PLAIN_VIEW, tta_digest
from maskgate.inference.backends import torch as torch_backend
from maskgate.runs import RunFolder, tables

# No batch normalisation: it would see half batches in each process.
SHARED = ("model.backbone=test_vit", "photo.height=64", "photo.width=48", "optimizer.lr=1e-3",
          "folds.kind=holdout", "training.validation_batch_size=10")  # fmt: skip


@pytest.fixture
def torchrun(tiny: Path, people: Path, cache: Path) -> Callable[..., str]:
    """`torchrun(out, *overrides, nodes=1)` trains with two processes, on one host or each on a
    host of its own; what they wrote on stdout."""

    def run(out: Path, *overrides: str, nodes: int = 1) -> str:
        port = 20000 + os.getpid() % 20000
        where = ["--master_port", str(port)]
        if nodes > 1:
            where = ["--nnodes", str(nodes), "--rdzv_backend", "c10d", "--rdzv_id", out.name]
            where += ["--rdzv_endpoint", f"localhost:{port}", "--local_addr", "localhost"]
        command = [
            sys.executable, "-m", "torch.distributed.run",
            "--nproc_per_node", str(2 // nodes), *where, "-m", "maskgate",
            "train", str(tiny), str(people), *overrides, "--out", str(out), "--cache", str(cache),
        ]  # fmt: skip
        pipe = subprocess.PIPE
        launchers = [
            subprocess.Popen(command, stdout=pipe, stderr=pipe, text=True) for _ in range(nodes)
        ]
        outputs = [node.communicate(timeout=240) for node in launchers]
        assert all(node.returncode == 0 for node in launchers), "\n".join(err for _, err in outputs)
        return "".join(out for out, _ in outputs)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("nodes", [1, 2])
def test_two_processes_train_as_one_and_validate_each_photo_once(
    nodes: int, train: Callable[..., Path], torchrun: Callable[..., str], tmp_path: Path
) -> None:
    two = tmp_path / "two"
    out = torchrun(two, *SHARED, nodes=nodes)
    one = train(tmp_path / "one", *SHARED)
    rows, probabilities = tables.read_probabilities(RunFolder(two).oof_file)
    expected_rows, expected = tables.read_probabilities(RunFolder(one).oof_file)
    assert rows["photo"].is_unique
    assert rows["photo"].tolist() == expected_rows["photo"].tolist()
    np.testing.assert_allclose(probabilities, expected, atol=2e-3)
    assert out.count("out-of-fold macro F1") == 1
    np.testing.assert_allclose(
        tables.history(RunFolder(two))["train_loss"],
        tables.history(RunFolder(one))["train_loss"],
        rtol=1e-3,
    )


@pytest.mark.slow
def test_both_processes_validate_with_the_buffers_that_are_kept(
    torchrun: Callable[..., str], people: Path, tmp_path: Path
) -> None:
    """Batch normalisation's running statistics differ between processes until the end."""
    torchrun(tmp_path / "run", "folds.kind=holdout", "training.epochs=1")
    run = RunFolder(tmp_path / "run")
    rows, probabilities = tables.read_probabilities(run.oof_file)
    geometry = run.recipe().photo.geometry
    images = people / "train" / "images"
    views = [View(geometry)]
    pictures = [reader.read_photo(images / name, views).pictures[0] for name in rows["photo"]]
    batch = pixels.centre(np.concatenate(pictures), geometry)
    with torch.inference_mode():
        again = (
            torch_backend.restore(run, 0)
            .eval()(torch.from_numpy(batch))
            .log_probabilities.exp()
            .numpy()
        )
    np.testing.assert_allclose(again, probabilities, atol=1e-5)


@pytest.mark.slow
def test_two_processes_augment_at_test_time_as_one(
    train: Callable[..., Path], torchrun: Callable[..., str], cache: Path, tmp_path: Path
) -> None:
    """What two leave is what the weights they leave say, looked at anew by one."""
    torchrun(tmp_path / "two", *SHARED, "training.epochs=1", "tta=[flip, crops]")
    run = RunFolder(tmp_path / "two")
    table, probabilities = tables.oof(run)
    assert table["photo"].is_unique
    plain = run.oof_file_with(tta_digest([PLAIN_VIEW]))
    # A recipe without it, so that both are made anew from the weights.
    text = run.recipe_file.read_text("utf-8")
    run.recipe_file.write_text(text.partition("tta:")[0], "utf-8")
    run.oof_file.write_bytes(plain.read_bytes())
    run.finish()
    tta = [Component(name="crops"), Component(name="flip")]
    again_table, again = oof.oof_with(run, tta, cache)
    assert again_table["photo"].tolist() == table["photo"].tolist()
    np.testing.assert_allclose(again, probabilities, atol=1e-5)
    assert np.abs(tables.oof(run)[1] - probabilities).max() > 1e-4


@pytest.mark.slow
def test_two_processes_agree_on_checkpoints_which_change_nothing(
    torchrun: Callable[..., str], tmp_path: Path
) -> None:
    torchrun(tmp_path / "none", *SHARED)
    torchrun(tmp_path / "many", *SHARED, "--checkpoint-seconds", "0.1")
    for name in ("oof.parquet", "history.csv", "fold-0/model.safetensors"):
        assert (tmp_path / "many" / name).read_bytes() == (tmp_path / "none" / name).read_bytes()
