"""The optimiser by the name in a recipe: timm's."""

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
# torch's own optimisers that have a kernel which updates all tensors at once.
_FUSED: Final = frozenset({"adam", "adamw", "sgd", "momentum"})


def create(recipe: OptimizerRecipe, model: nn.Module) -> Optimizer:
    """The optimiser; biases and norms are not decayed. Raises MaskgateError.

    Names are timm's: `sgd` has Nesterov's momentum of 0.9, `momentum` the plain one. What is
    frozen when this is called is never updated. With `layer_decay` the model must have a
    `backbone`.
    """
    options: dict[str, Any] = dict(recipe.arguments)
    if recipe.name in _FUSED:
        options.setdefault("fused", True)
    if recipe.name.endswith("adahessian"):
        raise MaskgateError(
            f"optimizer {recipe.name}: needs second derivatives, which training does not take;"
            " use another, such as adamw"
        )
    name = recipe.name.lower().split("_")[-1]  # as timm: `lookahead_` goes around any of them
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
    """Take a step on a small layer: some arguments are looked at only then.

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
    """Parameter groups whose `lr_scale` falls by `layer_decay` a layer, as of BEiT (Bao 2021).

    The last layer of each backbone is at the full rate, and so is all that is in no backbone.
    """
    whole = model.get_submodule("backbone")
    groups: list[dict[str, Any]] = []
    for backbone in whole.parts if isinstance(whole, ParallelBackbones) else [whole]:
        if not hasattr(backbone, "group_matcher"):
            raise MaskgateError(
                f"optimizer.layer_decay: the backbone {type(backbone).__name__} does not tell its"
                " layers (it has no group_matcher); leave layer_decay out, or use one of timm's"
            )
        groups += param_groups_layer_decay(backbone, weight_decay, layer_decay=layer_decay)
    # The rest in a list of its own, which leaves the names out: none of them counts here.
    inside = {id(parameter) for parameter in whole.parameters()}
    rest = nn.ParameterList(p for p in model.parameters() if id(p) not in inside)
    groups += param_groups_weight_decay(rest, weight_decay)
    return groups
