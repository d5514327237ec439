import copy
from typing import Any

import pytest
import torch
from torch import nn

from maskgate.config.recipe import Optimizer, Recipe, Schedule
from maskgate.errors import MaskgateError
from maskgate.model import network, optim, schedules

EPOCHS, UPDATES, WARMUP, LOWEST = 7, 10, 1.5, 0.02


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


def create_optimizer(**recipe: Any) -> torch.optim.Optimizer:
    return optim.create(Optimizer(**{"lr": 1.0, **recipe}), net())


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "adamax"])
def test_optimisers_by_name(name: str) -> None:
    optimizer = create_optimizer(name=name, lr=0.1)
    assert optimizer.param_groups[0]["lr"] == 0.1
    decayed = {id(p) for g in optimizer.param_groups if g["weight_decay"] > 0 for p in g["params"]}
    assert len(decayed) == 1  # the linear layer's weight alone


NAMES = (
    "sgd momentum adam adamw adamax nadam nadamw radam rmsprop rmsproptf adagrad adadelta"
    " adabelief adafactor adamp adan adopt lamb lars lion madgrad laprop mars novograd sgdp muon"
    " lookahead_adam"
)


@pytest.mark.parametrize("name", NAMES.split())
def test_optimisers_step_and_go_on_from_their_state(name: str) -> None:
    def step(model: nn.Module, optimizer: torch.optim.Optimizer, number: int) -> None:
        torch.manual_seed(number)
        model(torch.randn(5, 3)).square().sum().backward()
        optimizer.step()
        optimizer.zero_grad()

    torch.manual_seed(0)
    recipe = Optimizer(name=name, lr=0.01)
    first, second = net(), net()
    start = first.get_parameter("0.weight").detach().clone()
    optimizer, resumed = (optim.create(recipe, each) for each in (first, second))
    for number in range(3):
        step(first, optimizer, number)
    assert not torch.equal(start, first.get_parameter("0.weight"))
    second.load_state_dict(first.state_dict())
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    step(first, optimizer, 9)
    step(second, resumed, 9)
    assert torch.equal(first.get_parameter("0.weight"), second.get_parameter("0.weight"))


def test_sgd_is_nesterovs_and_momentum_is_plain() -> None:
    assert create_optimizer(name="sgd").param_groups[0]["nesterov"]
    assert not create_optimizer(name="momentum").param_groups[0]["nesterov"]
    assert create_optimizer(name="momentum").param_groups[0]["momentum"] == 0.9
    plain = create_optimizer(name="momentum", arguments={"momentum": 0.0})
    assert plain.param_groups[0]["momentum"] == 0.0


def test_unknown_names_are_told() -> None:
    with pytest.raises(MaskgateError, match="adamq"):
        create_optimizer(name="adamq")
    with pytest.raises(MaskgateError, match="second derivatives"):
        create_optimizer(name="adahessian")


# ----------------------------------------------------------------- a rate for each layer


def create(**model: object) -> network.Network:
    photo = {"height": 64, "width": 64}
    return network.create(Recipe.model_validate({"photo": photo, "model": model}))


def by_parameter(
    model: nn.Module, optimizer: torch.optim.Optimizer
) -> dict[str, tuple[float, float]]:
    """Learning rate and weight decay of each parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    settings = {
        names[id(parameter)]: (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    assert len(settings) == len(names) == sum(len(g["params"]) for g in optimizer.param_groups)
    return settings


def test_layers_nearer_the_photo_learn_slower() -> None:
    model = create(backbone="resnet18", hidden=8)
    optimizer = optim.create(Optimizer(lr=1.0, layer_decay=0.5), model)
    schedule = schedules.create(Schedule(name="constant"), optimizer, 2, 5)
    schedule.step_update(5)
    settings = by_parameter(model, optimizer)
    blocks = [f"layer{stage}.{block}" for stage in (1, 2, 3, 4) for block in (0, 1)]
    for depth, block in enumerate(reversed(blocks)):
        assert settings[f"backbone.{block}.conv1.weight"] == (0.5**depth, 0.05)
        assert settings[f"backbone.{block}.bn1.weight"] == (0.5**depth, 0.0)
    assert settings["backbone.conv1.weight"] == (0.5**8, 0.05)
    assert settings["neck.0.weight"] == settings["head.linear.weight"] == (1.0, 0.05)
    assert settings["neck.0.bias"] == settings["head.linear.bias"] == (1.0, 0.0)


def test_both_backbones_have_their_layers() -> None:
    model = create(backbone="test_resnet", beside="test_vit")
    optimizer = optim.create(Optimizer(lr=1.0, layer_decay=0.5), model)
    schedule = schedules.create(Schedule(name="plateau", min_lr=0.6), optimizer, 2, 5)
    schedule.step_update(0)
    settings = by_parameter(model, optimizer)
    for number in (0, 1):
        lrs = {lr for name, (lr, _) in settings.items() if f"parts.{number}." in name}
        assert max(lrs) == 1.0
        assert len(lrs) > 2
    assert settings["head.linear.weight"] == (1.0, 0.05)


def test_without_layer_decay_all_learn_alike_and_the_same_is_decayed() -> None:
    model = create(backbone="test_vit")
    plain = by_parameter(model, optim.create(Optimizer(lr=1.0), model))
    scaled = by_parameter(model, optim.create(Optimizer(lr=1.0, layer_decay=0.9), model))
    assert {lr for lr, _ in plain.values()} == {1.0}
    assert {name: decay for name, (_, decay) in plain.items()} == {
        name: decay for name, (_, decay) in scaled.items()
    }


def test_a_backbone_that_does_not_tell_its_layers_is_refused() -> None:
    model = nn.ModuleDict({"backbone": net()})
    with pytest.raises(MaskgateError, match="layers of the backbone Sequential are not known"):
        optim.create(Optimizer(layer_decay=0.9), model)


def test_the_lowest_rate_is_scaled_by_layer() -> None:
    model = create(backbone="test_resnet")
    optimizer = optim.create(Optimizer(lr=1.0, layer_decay=0.5), model)
    recipe = Schedule(name="step", min_lr=0.1, arguments={"decay_epochs": 1, "decay_rate": 0.01})
    schedule = schedules.create(recipe, optimizer, 3, 5)
    schedule.step_update(10)
    for group in optimizer.param_groups:
        assert group["lr"] == pytest.approx(0.1 * group.get("lr_scale", 1.0))
    assert min(group["lr"] for group in optimizer.param_groups) < 0.1
