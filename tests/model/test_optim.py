import pytest
from torch import nn

from maskgate.errors import MaskgateError
from maskgate.model import optim
from maskgate.recipe import Optimizer, Schedule


def net() -> nn.Module:
    return nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))


@pytest.mark.parametrize("name", ["adamw", "adam", "sgd", "adamax"])
def test_optimisers_by_name(name: str) -> None:
    made = optim.create_optimizer(Optimizer(name=name, lr=0.1), net())
    assert made.param_groups[0]["lr"] == 0.1
    decayed = {id(p) for g in made.param_groups if g["weight_decay"] > 0 for p in g["params"]}
    assert len(decayed) == 1  # the linear layer's weight alone


def test_unknown_names_are_told() -> None:
    with pytest.raises(MaskgateError, match="adamq"):
        optim.create_optimizer(Optimizer(name="adamq"), net())
    made = optim.create_optimizer(Optimizer(), net())
    with pytest.raises(MaskgateError, match="cosinus"):
        optim.create_schedule(Schedule(name="cosinus"), made, 3, 10)


def test_cosine_with_warm_up_is_the_formula() -> None:
    import math

    made = optim.create_optimizer(Optimizer(lr=1.0), net())
    recipe = Schedule(warmup_epochs=1, min_lr=0.1)
    schedule = optim.create_schedule(recipe, made, epochs=5, updates_per_epoch=10)
    for update in range(50):
        schedule.step_update(update)
        lr = made.param_groups[0]["lr"]
        if update < 10:
            assert lr == pytest.approx(update / 10)
        else:
            phase = (update - 10) / 40
            assert lr == pytest.approx(0.1 + 0.9 * (1 + math.cos(math.pi * phase)) / 2)
