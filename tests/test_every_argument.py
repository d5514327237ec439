"""Every argument of every name, given what nobody means: it works, or is one sentence."""

import inspect
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from timm.optim import get_optimizer_class

from maskgate import labels
from maskgate.config import arguments
from maskgate.config.recipe import Mix, Optimizer, Sampling, Schedule
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.ensemble import combining
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.faces import detectors
from maskgate.imaging.tta import TTA_METHODS, tta_views
from maskgate.model import averages, heads, losses, optim, schedules
from maskgate.pipeline import sampling
from maskgate.pipeline.mixing import MIXES, Mixing
from maskgate.pipeline.target import Target, one_of_each
from maskgate.pipeline.transforms import TRANSFORMS, Augment

VALUES: list[Any] = [
    -1, 0, 1, 2.0, 0.5, 1e30, 1e308, 1e-300, 10**9, 2**62, True, "x", [1], [1, 2], [-1, 1e30],
    {"a": 1}, None,
]  # fmt: skip
GEOMETRY = Geometry(32, 24, 0.25)
PHOTOS = 140


def augment(name: str, arguments: dict[str, Any]) -> None:
    transform = Augment((Component(name=name, **arguments),), GEOMETRY)
    transform.check()
    photos = torch.arange(3, dtype=torch.uint8)[:, None, None, None].repeat(1, 40, 30, 3)
    assert transform(photos, range(3)).shape == (3, 32, 24, 3)


def mix(name: str, arguments: dict[str, Any]) -> None:
    target = Target(torch.eye(18).bool()[:8], torch.zeros(8, 2), torch.empty(8, 0))
    Mixing((Mix(name=name, **arguments),))(torch.zeros(8, 32, 24, 3, dtype=torch.uint8), target)


def sample(name: str, arguments: dict[str, Any]) -> None:
    rows = np.arange(PHOTOS)
    table = pd.DataFrame({"person": rows // 7, "mask": rows % 3, "gender": rows // 7 % 2,
                          "age_band": rows // 14 % 3})  # fmt: skip
    assert len(sampling.epoch_order(Sampling(name=name, **arguments), rows, table, 1))


def head(name: str, arguments: dict[str, Any]) -> None:
    model_head = heads.create(Component(name=name, **arguments), 8)
    assert model_head(torch.zeros(4, 8)).log_probabilities.shape == (4, 18)


# What a loss needs of the head.
HEADS = {
    "arcface": Component(name="cosine"),
    "binary_cross_entropy": Component(name="multi_label"),
    "fine_age": Component(name="factored", age="fine"),
    "label_distribution": Component(name="factored", age="years"),
    "mean_variance": Component(name="factored", age="years"),
    "age_regression": Component(name="factored", regress_age=True),
}


def loss(name: str, arguments: dict[str, Any]) -> None:
    model_head = heads.create(HEADS.get(name, Component(name="factored")), 8)
    function = losses.create(Component(name=name, **arguments), one_of_each(), model_head)
    soft_labels = torch.full((8, 18), 1 / 18)
    target = Target(torch.eye(18).bool()[:8], torch.full((8, 2), 30.0), soft_labels)
    function(model_head(torch.randn(8, 8)), target)


def average(name: str, arguments: dict[str, Any]) -> None:
    weight_average = averages.create(Component(name=name, **arguments), torch.nn.Linear(2, 2))
    for share in (0.5, 1.0):
        weight_average.after_update()
        weight_average.after_epoch(share)


def schedule(name: str, arguments: dict[str, Any]) -> None:
    recipe = Schedule(name=name, arguments=arguments)
    for updates in (1, 3):  # the first as a check has it, which comes before a training
        optimizer = torch.optim.SGD(torch.nn.Linear(2, 2).parameters(), lr=0.1)
        scheduler = schedules.create(recipe, optimizer, 5, updates)
        if updates == 1:
            schedules.check(scheduler, recipe, optimizer, 5)
    for update in range(15):
        scheduler.step_update(update)
        if update % 3 == 2:
            scheduler.end_epoch(update // 3 + 1, 0.5)


def augmented(name: str, arguments: dict[str, Any]) -> None:
    tta_views((Component(name=name, **arguments),), GEOMETRY)


Use = Callable[[str, dict[str, Any]], None]
USES: dict[str, tuple[Use, Mapping[str, Callable[..., Any]], tuple[str, ...]]] = {
    "augment": (augment, TRANSFORMS, ("geometry",)),
    "mixing": (mix, MIXES, ()),
    "sampling": (sample, sampling.SAMPLERS, ("rows", "table", "random")),
    "head": (head, heads.HEADS, ("features",)),
    "loss": (loss, losses.LOSSES, ("counts", "head")),
    "average": (average, averages.AVERAGES, ("network",)),
    "schedule": (schedule, schedules.SCHEDULES, ("course",)),
    "tta": (augmented, TTA_METHODS, ("view", "geometry")),
}


def tried(use: Use, name: str, argument: str) -> None:
    for value in VALUES:
        try:
            use(name, {argument: value})
        except MaskgateError as error:
            assert "\n" not in str(error)
            assert len(str(error)) <= 1000


@pytest.mark.parametrize("key", USES)
def test_an_argument_works_or_is_refused(key: str) -> None:
    use, table, internal_arguments = USES[key]
    for name, make in table.items():
        for each in inspect.signature(make).parameters.values():
            if each.name not in internal_arguments and each.kind not in (
                each.VAR_KEYWORD,
                each.VAR_POSITIONAL,
            ):
                tried(use, name, each.name)


@pytest.mark.parametrize("name", ["adamw", "sgd", "lamb", "adamax"])
def test_an_argument_of_an_optimiser_works_or_is_refused(name: str) -> None:
    def use(name: str, arguments: dict[str, Any]) -> None:
        recipe = Optimizer(name=name, arguments=arguments)
        optim.check(recipe)
        layer = torch.nn.Linear(2, 2)
        optimizer = optim.create(recipe, layer)
        layer(torch.randn(2, 2)).sum().backward()
        optimizer.step()

    for argument in ("betas", "eps", "momentum", "amsgrad", "fused", "foreach", "maximise"):
        tried(use, name, argument)


def detector(name: str, arguments: dict[str, Any]) -> None:
    detectors.create(Component(name=name, **arguments), Path("nowhere"))


def optimiser(name: str, arguments: dict[str, Any]) -> None:
    optim.create(Optimizer(name=name, arguments=arguments), torch.nn.Linear(2, 2))


def combination(name: str, arguments: dict[str, Any]) -> None:
    component = Component(name=name, **arguments)
    spec = (
        EnsembleSpec(component)
        if name in combining.COMBINATIONS
        else EnsembleSpec(VOTE, (component,))
    )
    combining.check(spec, [tuple(labels.ATTRIBUTES)] * 2)


VOTE = Component(name="soft_vote")
OPTIMISERS = {name: get_optimizer_class(name) for name in ("adamw", "sgd", "lamb", "muon", "adan")}
EVERY_TABLE = USES | {
    "detector": (detector, {"mtcnn": detectors.DETECTORS["mtcnn"]}, ("folders",)),
    "optimiser": (optimiser, OPTIMISERS, ("params", "lr", "weight_decay")),
    "combination": (
        combination,
        combining.COMBINATIONS | combining.ADJUSTMENTS,
        combining.INTERNAL_PARAMETERS,
    ),
}


REQUIRED: dict[str, dict[str, object]] = {
    "step": {"decay_epochs": 1},
    "multistep": {"decay_milestones": [1]},
}


def of_kind(key: str, kind: tuple[type, ...]) -> list[tuple[str, str]]:
    """The names in a table, with each argument whose default is of that kind."""
    _, table, internal_arguments = EVERY_TABLE[key]
    return [
        (name, each.name)
        for name, make in table.items()
        for each in inspect.signature(make).parameters.values()
        if each.name not in internal_arguments and type(each.default) in kind
    ]


@pytest.mark.parametrize("key", EVERY_TABLE)
def test_neither_true_nor_text_is_a_number(key: str) -> None:
    use = EVERY_TABLE[key][0]
    numbers = of_kind(key, (int, float))
    for name, argument in numbers:
        for value, text in ((True, "true"), ("yes", "yes")):
            fault = (
                rf"{argument} .*(a number.*, not '?{text}|is (True|'yes'), not a (whole )?number)"
            )
            with pytest.raises(MaskgateError, match=fault):
                use(name, REQUIRED.get(name, {}) | {argument: value})
    assert numbers, "each table has one"


@pytest.mark.parametrize("key", EVERY_TABLE)
def test_text_is_neither_true_nor_false(key: str) -> None:
    for name, argument in of_kind(key, (bool,)):
        with pytest.raises(MaskgateError, match=f"{argument} is '?no'?, neither true nor false"):
            EVERY_TABLE[key][0](name, {argument: "no"})


@pytest.mark.parametrize(
    ("use", "name", "argument", "value"),
    [
        (augment, "affine", "degrees", True),  # by its annotation: it has no default
        (augment, "affine", "degrees", [True, 3]),
        (augment, "color_jitter", "brightness", True),
        (augment, "affine", "fill", "yes"),
        (augment, "random_erasing", "scale", [0.1, "yes"]),
        (schedule, "step", "decay_epochs", True),
        (schedule, "multistep", "decay_milestones", [1, True]),
        (schedule, "rsqrt", "stable_timescale", True),
        (optimiser, "adamw", "betas", [0.9, True]),
        (optimiser, "lookahead_adamw", "eps", True),
        (optimiser, "AdamW", "eps", "yes"),
        (augmented, "sizes", "scales", [True]),
        (head, "factored", "fine_ages", [30, True]),
        (loss, "sum", "parts", [{"name": "cross_entropy", "weight": True}]),
        (loss, "sum", "parts", [{"name": "focal", "gamma": True}]),
        (loss, "per_attribute", "mask", {"name": "focal", "gamma": True}),
    ],
)
def test_a_number_is_known_by_its_annotation_and_in_lists(
    use: Use, name: str, argument: str, value: object
) -> None:
    with pytest.raises(MaskgateError, match=r"a number.*, not '?(true|yes)"):
        use(name, {argument: value})


def test_what_is_taken_stays_taken() -> None:
    """Whole numbers where the default is broken, text and None where they are allowed."""
    augment("affine", {"degrees": 3, "interpolation": "nearest", "translate": None})
    augment("affine", {"degrees": [-3, 3.5], "shear": 1, "fill": [1, 2, 3]})
    augment("random_erasing", {"p": 1, "value": 0})
    loss("focal", {"gamma": 3, "weights": "inverse"})
    optimiser("muon", {"ns_coefficients": "quintic"})
    optimiser("adamw", {"betas": [0.0, 0.9], "amsgrad": True, "fused": False})


def test_an_annotation_that_cannot_be_read_is_passed_over() -> None:
    def make(p: "Missing" = 0.5, how: "Missing" = None) -> None:  # type: ignore[name-defined]  # noqa: F821
        """Its annotations are of names that are imported for type checking alone."""

    arguments.check(make, {"how": True})
    with pytest.raises(ValueError, match="p should be a number, not true"):
        arguments.check(make, {"p": True, "how": True})
