"""A training step works on the device alone, and does not wait for it.

The device `meta` stands in for a GPU: its tensors have no values, so to read one is an error, and
so is to join one with a tensor of the CPU. It has neither autocast, which the head of `arcface`
turns off, nor random generators, which noise is drawn from: they are left out.
"""

from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from maskgate import labels
from maskgate.config import recipe as recipes
from maskgate.config import shipped
from maskgate.config.recipe import Recipe
from maskgate.model import averages, network
from maskgate.model.losses import LOSSES
from maskgate.pipeline import target
from maskgate.pipeline.mixing import MIXES
from maskgate.pipeline.target import Target
from maskgate.pipeline.transforms import Augment
from maskgate.training import processes
from maskgate.training.step import TrainingStep

META = torch.device("meta")
BATCH = 8
# They choose photos by their labels, and how many there are must be known.
WAITING_LOSSES = ("supervised_contrastive", "triplet")
WAITING_MIXES = ("intra_class_cutmix",)
WAITING_RECIPES = ("metric-learning",)
SHIPPED = [
    entry.name
    for entry in shipped.all_shipped()
    if not entry.is_system and entry.name not in ("s3-arcface", *WAITING_RECIPES)
]
TINY_BACKBONE = ["model.backbone=test_resnet", "model.arguments={}"]
HEADS = {
    "binary_cross_entropy": "{name: multi_label}",
    "age_regression": "{name: factored, regress_age: true}",
    "fine_age": "{name: factored, age: fine}",
    "label_distribution": "{name: factored, age: years}",
    "mean_variance": "{name: factored, age: years}",
}
ARGUMENTS = {"sum": ", parts: [focal, {name: f1, weight: 0.5}]"}


@pytest.fixture
def accelerator(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(Accelerator, "device", META)
    with processes.started("fp32") as accelerator:
        yield accelerator


def steps(recipe: Recipe, accelerator: Accelerator) -> torch.Tensor:
    """Two training steps with augmentation and average; the sum of the last losses."""
    model = network.create(recipe, with_weights=False)
    step = TrainingStep(recipe, model, target.one_of_each(), accelerator)
    average = recipe.training.average
    averaged = averages.create(average, step.network) if average is not None else None
    geometry = recipe.photo.geometry
    height, width = geometry.stored
    stored = torch.zeros(BATCH, height, width, 3, dtype=torch.uint8, device=META)
    known = Target(
        torch.ones(BATCH, labels.COUNT, dtype=torch.bool, device=META),
        torch.zeros(BATCH, 2, device=META),
        torch.zeros(BATCH, labels.COUNT if recipe.teacher else 0, device=META),
    )
    augment = Augment([each for each in recipe.augment if each.name != "gauss_noise"], geometry)
    step.begin_epoch(BATCH)
    for seed in (1, 2):
        update = step.update(augment(stored, list(range(BATCH))), known, seed)
        if averaged is not None:
            averaged.after_update()
    return update.loss_sum


@pytest.mark.slow
@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_recipes(name: str, accelerator: Accelerator) -> None:
    recipe = recipes.load(recipes.find(name), TINY_BACKBONE)
    # Which photos are mixed, and how, is drawn: each mixer has a test of its own.
    assert steps(recipe.model_copy(update={"mixing": []}), accelerator).device == META


@pytest.mark.parametrize("name", sorted({*LOSSES} - {*WAITING_LOSSES, "arcface"}))
def test_losses(name: str, tiny: Path, accelerator: Accelerator) -> None:
    teacher = ["teacher=runs/teacher"] if name == "distillation" else []
    loss = f"loss={{name: {name}{ARGUMENTS.get(name, '')}}}"
    recipe = recipes.load(tiny, [loss, f"model.head={HEADS.get(name, 'factored')}", *teacher])
    assert steps(recipe, accelerator).device == META


@pytest.mark.parametrize("name", WAITING_LOSSES)
def test_losses_that_wait(name: str, tiny: Path, accelerator: Accelerator) -> None:
    with pytest.raises(NotImplementedError, match="nonzero"):
        steps(recipes.load(tiny, [f"loss={name}"]), accelerator)


@pytest.mark.parametrize("name", [name for name in MIXES if name not in WAITING_MIXES])
def test_mixes(name: str, tiny: Path, accelerator: Accelerator) -> None:
    assert steps(recipes.load(tiny, [f"mixing=[{{name: {name}}}]"]), accelerator).device == META


@pytest.mark.parametrize("name", WAITING_MIXES)
def test_mixes_that_wait(name: str, tiny: Path, accelerator: Accelerator) -> None:
    with pytest.raises(NotImplementedError, match="no data"):
        steps(recipes.load(tiny, [f"mixing=[{{name: {name}}}]"]), accelerator)


@pytest.mark.parametrize("name", ["ema", "swa", "wise_ft"])
def test_averages(name: str, tiny: Path, accelerator: Accelerator) -> None:
    recipe = recipes.load(tiny, [f"training.average={name}"])
    assert steps(recipe, accelerator).device == META
