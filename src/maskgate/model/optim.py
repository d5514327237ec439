"""Optimiser and learning-rate schedule, made by timm's factories from the recipe's names."""

from typing import Any, Final

from timm.optim import create_optimizer_v2, list_optimizers
from timm.scheduler import create_scheduler_v2
from timm.scheduler.scheduler import Scheduler
from torch import nn
from torch.optim import Optimizer

from maskgate.errors import MaskgateError
from maskgate.recipe import Optimizer as OptimizerRecipe
from maskgate.recipe import Schedule, lookup

# torch's own optimisers that have a kernel which updates all tensors at once.
_FUSED: Final = frozenset({"adam", "adamw", "sgd", "momentum"})
# timm's, less the one that steps by epochs; it has no list of them.
_SCHEDULES: Final = dict.fromkeys(
    ("cosine", "tanh", "step", "multistep", "constant", "poly", "wsd", "rsqrt", "none")
)


def create_optimizer(recipe: OptimizerRecipe, model: nn.Module) -> Optimizer:
    """The optimiser; biases and norms are not decayed. Raises MaskgateError."""
    arguments: dict[str, Any] = dict(recipe.arguments)
    if recipe.name in _FUSED:
        arguments.setdefault("fused", True)
    try:
        return create_optimizer_v2(
            model, opt=recipe.name, lr=recipe.lr, weight_decay=recipe.weight_decay, **arguments
        )
    except (TypeError, ValueError, AssertionError) as error:
        lookup("optimizer", recipe.name, dict.fromkeys(list_optimizers()))
        raise MaskgateError(f"optimizer {recipe.name}: {error}; see optimizer.arguments") from error


def create_schedule(
    recipe: Schedule, optimizer: Optimizer, epochs: int, updates_per_epoch: int
) -> Scheduler:
    """The schedule, stepped by `step_update(updates)`. Raises MaskgateError for an unknown name."""
    lookup("schedule", recipe.name, _SCHEDULES)
    try:
        schedule, _ = create_scheduler_v2(
            optimizer,
            sched="constant" if recipe.name == "none" else recipe.name,
            num_epochs=epochs - recipe.warmup_epochs,
            warmup_epochs=recipe.warmup_epochs,
            warmup_lr=0.0,
            min_lr=recipe.min_lr,
            warmup_prefix=True,
            step_on_epochs=False,
            updates_per_epoch=updates_per_epoch,
        )
    except (ValueError, AssertionError) as error:
        raise MaskgateError(f"schedule {recipe.name}: {error}") from error
    return schedule
