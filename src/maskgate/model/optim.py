"""The optimiser, one of timm's, by the name in a recipe."""

from typing import Any, Final

import torch
from timm.optim import (
    create_optimizer_v2,
    get_optimizer_class,
    list_optimizers,
    param_groups_layer_decay,
    param_groups_weight_decay,
)
from torch import nn
from torch.optim import Optimizer

from maskgate.config import arguments
from maskgate.config.recipe import Optimizer as OptimizerRecipe
from maskgate.config.settings import WRONG_ARGUMENTS, lookup
from maskgate.errors import MaskgateError
from maskgate.model.backbone import ParallelBackbones

_CUDA_ONLY: Final = ("bnb", "fused")  # bitsandbytes and APEX, in timm's names
# torch's optimisers with a fused kernel, which updates all tensors at once.
_FUSED: Final = frozenset({"adam", "adamw", "sgd", "momentum"})


def create(recipe: OptimizerRecipe, model: nn.Module) -> Optimizer:
    """The optimiser; weight decay skips biases and norms. Raises MaskgateError.

    Names are timm's: `sgd` has Nesterov momentum of 0.9, `momentum` the classical one. Parameters
    that are frozen now are never updated. With `layer_decay` the model must have a `backbone`.
    """
    options: dict[str, Any] = dict(recipe.arguments)
    if recipe.name in _FUSED:
        options.setdefault("fused", True)
    if recipe.name.endswith("adahessian"):
        raise MaskgateError(
            f"optimizer {recipe.name}: needs second derivatives, which training does not compute;"
            " use another, such as adamw"
        )
    name = recipe.name.lower().split("_")[-1]  # as timm: any of them may have `lookahead_` before
    decay = recipe.weight_decay
    groups = None if recipe.layer_decay is None else _by_layer(model, decay, recipe.layer_decay)
    try:
        arguments.check(create_optimizer_v2, options)
        arguments.check(get_optimizer_class(name), options)
        return create_optimizer_v2(
            model if groups is None else groups,
            opt=recipe.name,
            lr=recipe.lr,
            weight_decay=decay if groups is None else 0.0,
            **options,
        )
    except WRONG_ARGUMENTS as error:
        lookup("optimizer", name, dict.fromkeys(list_optimizers()))
        raise MaskgateError(f"optimizer {recipe.name}: {error}; see optimizer.arguments") from error


def check(recipe: OptimizerRecipe) -> None:
    """Take a step on a small layer: some arguments are checked only then.

    Raises MaskgateError.
    """
    on_cuda = any(kind in recipe.name for kind in _CUDA_ONLY)
    layer = nn.Linear(2, 2, device="cuda" if on_cuda and torch.cuda.is_available() else "cpu")
    optimizer = create(recipe.model_copy(update={"layer_decay": None}), layer)
    for parameter in layer.parameters():
        parameter.grad = torch.ones_like(parameter)
    try:
        optimizer.step()
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"optimizer {recipe.name}: {error}; see optimizer.arguments") from error


def _by_layer(model: nn.Module, weight_decay: float, layer_decay: float) -> list[dict[str, Any]]:
    """Parameter groups whose `lr_scale` falls by `layer_decay` per layer, as in BEiT (Bao 2021).

    The last layer of each backbone and all other modules have the full learning rate.
    """
    backbone = model.get_submodule("backbone")
    groups: list[dict[str, Any]] = []
    for part in backbone.parts if isinstance(backbone, ParallelBackbones) else [backbone]:
        if not hasattr(part, "group_matcher"):
            raise MaskgateError(
                f"optimizer.layer_decay: the layers of the backbone {type(part).__name__} are not"
                " known (it has no group_matcher); leave layer_decay out, or use one of timm's"
            )
        groups += param_groups_layer_decay(part, weight_decay, layer_decay=layer_decay)
    # The rest in a new list: their names do not matter here.
    inside = {id(parameter) for parameter in backbone.parameters()}
    rest = nn.ParameterList(p for p in model.parameters() if id(p) not in inside)
    groups += param_groups_weight_decay(rest, weight_decay)
    return groups
