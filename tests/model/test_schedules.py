import math
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from maskgate.config.recipe import Optimizer, Schedule
from maskgate.errors import MaskgateError
from maskgate.model import optim, schedules

EPOCHS, UPDATES, WARMUP, LOWEST = 7, 10, 1.5, 0.02


def create_optimizer() -> torch.optim.Optimizer:
    return optim.create(Optimizer(lr=1.0), nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)))


def test_an_unknown_name_is_told() -> None:
    with pytest.raises(MaskgateError, match="cosinus"):
        schedules.create(Schedule(name="cosinus"), create_optimizer(), 3, 10)


def rates(name: str, epochs: int = EPOCHS, **keys: Any) -> list[float]:
    """The learning rate of every update, the peak being 1."""
    optimizer = create_optimizer()
    schedule = schedules.create(Schedule(name=name, **keys), optimizer, epochs, UPDATES)
    learning_rates = []
    for update in range(epochs * UPDATES):
        schedule.step_update(update)
        learning_rates.append(optimizer.param_groups[0]["lr"])
        if (update + 1) % UPDATES == 0:
            schedule.end_epoch((update + 1) // UPDATES, 0.5)
    return learning_rates


def cosine(share: float, top: float = 1.0) -> float:
    return LOWEST + (top - LOWEST) * (1 + math.cos(math.pi * share)) / 2


def restarts(passed: float, lengths: list[float], tops: list[float]) -> float:
    for length, top in zip(lengths, tops, strict=True):
        if passed < length - 1e-9:
            return cosine(passed / length, top)
        passed -= length
    raise AssertionError


LENGTH = EPOCHS - WARMUP
# The rate after so many epochs since the end of the warm-up, without the lowest one as a bound.
FORMULAS: dict[str, tuple[str, dict[str, object], Callable[[float], float]]] = {
    "cosine": ("cosine", {}, lambda e: cosine(e / LENGTH)),
    "cosine, k": ("cosine", {"k_decay": 2.0}, lambda e: cosine((e / LENGTH) ** 2)),
    "cosine, restarts": (
        "cosine",
        {"cycle_limit": 2, "cycle_decay": 0.5},
        lambda e: restarts(e, [LENGTH / 2] * 2, [1, 0.5]),
    ),
    "cosine, longer restarts": (
        "cosine",
        {"cycle_limit": 2, "cycle_mul": 2.0},
        lambda e: restarts(e, [LENGTH / 3, 2 * LENGTH / 3], [1, 1]),
    ),
    "cosine, shorter restarts": (
        "cosine",
        {"cycle_limit": 3, "cycle_mul": 0.5},
        lambda e: restarts(e, [LENGTH * part / 7 for part in (4, 2, 1)], [1, 1, 1]),
    ),
    "tanh": (
        "tanh",
        {},
        lambda e: LOWEST + (1 - LOWEST) * (1 - math.tanh(-7 + 10 * e / LENGTH)) / 2,
    ),
    "tanh, bounds": (
        "tanh",
        {"lb": -3.0, "ub": 2.0},
        lambda e: LOWEST + (1 - LOWEST) * (1 - math.tanh(-3 + 5 * e / LENGTH)) / 2,
    ),
    "poly": ("poly", {}, lambda e: LOWEST + (1 - LOWEST) * math.sqrt(1 - e / LENGTH)),
    "line": ("poly", {"power": 1.0}, lambda e: LOWEST + (1 - LOWEST) * (1 - e / LENGTH)),
    "poly, k": (
        "poly",
        {"power": 1.0, "k_decay": 2.0},
        lambda e: LOWEST + (1 - LOWEST) * (1 - (e / LENGTH) ** 2),
    ),
    "step": ("step", {"decay_epochs": 2}, lambda e: 0.1 ** (e // 2)),
    "step, rate": (
        "step",
        {"decay_epochs": 1, "decay_rate": 0.5},
        lambda e: 0.5 ** math.floor(e),
    ),
    "multistep": (
        "multistep",
        {"decay_milestones": [4, 2], "decay_rate": 0.3},
        lambda e: 0.3 ** ((e >= 2) + (e >= 4)),
    ),
    "exponential": ("exponential", {"decay_rate": 0.6}, lambda e: 0.6**e),
    "exponential, default": ("exponential", {}, lambda e: 0.9**e),
    "constant": ("constant", {}, lambda _: 1.0),
    "none": ("none", {}, lambda _: 1.0),
    "wsd": (
        "wsd",
        {},
        lambda e: (
            LOWEST + (1 - LOWEST) * (1 - math.sqrt(max(0, (e - 0.8 * LENGTH) / (0.2 * LENGTH))))
        ),
    ),
    "wsd, linear": (
        "wsd",
        {"decay_epochs": 2, "decay_fn": "linear"},
        lambda e: LOWEST + (1 - LOWEST) * (1 - max(0, (e - LENGTH + 2) / 2)),
    ),
    "rsqrt": (
        "rsqrt",
        {"stable_timescale": 2, "decay_epochs": 1},
        lambda e: LOWEST + ((1 + e / 2) ** -0.5 - LOWEST) * (1 - max(0, e - LENGTH + 1)),
    ),
    "rsqrt, default": (
        "rsqrt",
        {},
        lambda e: (
            LOWEST
            + ((1 + e / WARMUP) ** -0.5 - LOWEST)
            * (1 - max(0, (e - 0.8 * LENGTH) / (0.2 * LENGTH)))
        ),
    ),
}


@pytest.mark.parametrize("which", FORMULAS)
def test_learning_rates_are_the_formula(which: str) -> None:
    name, arguments, formula = FORMULAS[which]
    learning_rates = rates(name, warmup_epochs=WARMUP, min_lr=LOWEST, arguments=arguments)
    for update, rate in enumerate(learning_rates):
        passed = update / UPDATES - WARMUP
        expected = update / UPDATES / WARMUP if passed < 0 else max(LOWEST, formula(passed))
        assert rate == pytest.approx(expected), update


def test_every_schedule_has_a_formula_and_every_argument_a_use() -> None:
    assert {name for name, *_ in FORMULAS.values()} | {"plateau"} == set(schedules.SCHEDULES)
    required: dict[str, Any] = {"step": {"decay_epochs": 3}, "multistep": {"decay_milestones": [3]}}
    cycles = {"cycle_limit": 3}
    other: dict[str, dict[str, Any]] = {
        "cosine": {"k_decay": 2, "cycle_limit": 2} | {"cycle_mul": 2, "cycle_decay": 0.5},
        "tanh": {"lb": -3, "ub": 1, "cycle_limit": 2, "cycle_mul": 2, "cycle_decay": 0.5},
        "poly": {"power": 2, "k_decay": 2, "cycle_limit": 2, "cycle_mul": 2, "cycle_decay": 0.5},
        "step": {"decay_epochs": 2, "decay_rate": 0.5},
        "multistep": {"decay_milestones": [2], "decay_rate": 0.5},
        "exponential": {"decay_rate": 0.5},
        "plateau": {"patience_epochs": 1, "decay_rate": 0.5, "cooldown_epochs": 2},
        "wsd": {"decay_epochs": 3, "decay_fn": "linear"},
        "rsqrt": {"decay_epochs": 3, "decay_fn": "cosine", "stable_timescale": 3},
    }
    for name, changes in other.items():
        for key, value in changes.items():
            base = required.get(name, {}) | (cycles if key.startswith("cycle_") else {})
            base |= {"patience_epochs": 0} if name == "plateau" and key != "patience_epochs" else {}
            before = rates(name, arguments=base)
            assert before != rates(name, arguments=base | {key: value}), (name, key)


@pytest.mark.parametrize("name", schedules.SCHEDULES)
def test_every_schedule_warms_up_and_fits_one_epoch(name: str) -> None:
    needs = {"step": {"decay_epochs": 5}, "multistep": {"decay_milestones": [5]}}
    learning_rates = rates(name, warmup_epochs=2, arguments=needs.get(name, {}))
    assert learning_rates[:20] == pytest.approx([update / 20 for update in range(20)])
    assert learning_rates[20] == pytest.approx(1)
    assert len(rates(name, epochs=1, arguments=needs.get(name, {}))) == UPDATES


@pytest.mark.parametrize("name", ["cosine", "tanh", "poly", "wsd", "rsqrt"])
def test_past_the_end_the_lowest_rate_stays(name: str) -> None:
    cycles = {} if name in ("wsd", "rsqrt") else {"cycle_limit": 3, "cycle_mul": 0.5}
    optimizer = create_optimizer()
    recipe = Schedule(name=name, min_lr=LOWEST, arguments=cycles)
    schedule = schedules.create(recipe, optimizer, EPOCHS, UPDATES)
    for update in (EPOCHS * UPDATES, 10 * EPOCHS * UPDATES):
        schedule.step_update(update)
        assert optimizer.param_groups[0]["lr"] == pytest.approx(LOWEST)


def test_the_lowest_rate_holds_for_all() -> None:
    for name, arguments in {
        "step": {"decay_epochs": 1},
        "multistep": {"decay_milestones": [1, 2]},
        "exponential": {"decay_rate": 0.1},
        "plateau": {"patience_epochs": 0},
    }.items():
        assert min(rates(name, min_lr=0.3, arguments=arguments)) == pytest.approx(0.3), name


def test_unknown_arguments_are_told_with_the_known_ones() -> None:
    for name, arguments, message in (
        ("step", {"decay_epoch": 3}, "step: no argument decay_epoch; it takes decay_epochs, decay"),
        ("none", {"decay_epochs": 3}, "none: no argument decay_epochs; it takes none"),
        ("step", {}, "step: decay_epochs must be given; write schedule.arguments.decay_epochs"),
        ("step", {"decay_epochs": 0}, "decay_epochs must be more than 0"),
        ("cosine", {"cycle_limit": 0}, "cycle_limit must be at least 1"),
        ("wsd", {"decay_fn": "cos"}, "Invalid decay_fn"),
    ):
        with pytest.raises(MaskgateError, match=message):
            schedules.create(Schedule(name=name, arguments=arguments), create_optimizer(), 3, 10)


SCORES = [0.1, 0.3, 0.3, 0.2, 0.25, 0.3, 0.31, 0.2, 0.1, 0.1, 0.1, 0.1, 0.4, 0.3, 0.3, 0.3]


@pytest.mark.parametrize("cooldown", [0, 2])
def test_plateau_is_torchs(cooldown: int) -> None:
    arguments = {"patience_epochs": 1, "decay_rate": 0.5, "cooldown_epochs": cooldown}
    optimizer, naive_optimizer = create_optimizer(), create_optimizer()
    schedule = schedules.create(
        Schedule(name="plateau", arguments=arguments, min_lr=0.1), optimizer, len(SCORES), 10
    )
    naive = torch.optim.lr_scheduler.ReduceLROnPlateau(
        naive_optimizer, "max", factor=0.5, patience=1, cooldown=cooldown, min_lr=0.1
    )
    distinct_rates = set()
    for epoch, score in enumerate(SCORES, 1):
        schedule.end_epoch(epoch, score)
        naive.step(score)
        schedule.step_update(epoch * 10)
        assert optimizer.param_groups[0]["lr"] == naive_optimizer.param_groups[0]["lr"], epoch
        distinct_rates.add(optimizer.param_groups[0]["lr"])
    assert len(distinct_rates) > 2


@pytest.mark.parametrize("killed", range(1, len(SCORES)))
def test_plateau_goes_on_where_it_was(killed: int) -> None:
    recipe = Schedule(
        name="plateau", arguments={"patience_epochs": 2, "cooldown_epochs": 1}, warmup_epochs=1
    )

    def run(schedule: Any, first: int, last: int) -> list[float]:
        learning_rates = []
        for epoch in range(first, last):
            schedule.step_update(epoch * 10)
            learning_rates.append(schedule.timeline.optimizer.param_groups[0]["lr"])
            schedule.end_epoch(epoch + 1, SCORES[epoch])
        return learning_rates

    def create() -> Any:
        return schedules.create(recipe, create_optimizer(), len(SCORES), 10)

    uninterrupted, first, second = create(), create(), create()
    before = run(first, 0, killed)
    second.timeline.optimizer.load_state_dict(first.timeline.optimizer.state_dict())
    second.load_state_dict(first.state_dict())
    assert run(uninterrupted, 0, len(SCORES)) == before + run(second, killed, len(SCORES))
    assert len(set(run(create(), 0, len(SCORES)))) > 2


@pytest.mark.parametrize("name", sorted({*schedules.SCHEDULES} - {"plateau"}))
def test_other_schedules_keep_nothing(name: str) -> None:
    needs: dict[str, dict[str, Any]] = {
        "step": {"decay_epochs": 5},
        "multistep": {"decay_milestones": [5]},
    }
    recipe = Schedule(name=name, arguments=needs.get(name, {}))
    schedule = schedules.create(recipe, create_optimizer(), EPOCHS, UPDATES)
    schedule.step_update(30)
    assert schedule.state_dict() == {}
