"""The names of losses, heads and so on that a recipe may use, for a check before torch is imported.

The implementations are in dicts of the same names in the modules of `model/` and `pipeline/`, which
need torch: importing it takes seconds. A test compares both.
"""

import difflib
import functools
import importlib.util
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

from maskgate.config.recipe import Recipe, is_factory
from maskgate.config.settings import lookup
from maskgate.errors import MaskgateError

CLASS_LOSSES: Final = (
    "cross_entropy", "label_smoothing", "focal", "f1", "ldam", "logit_adjusted",
)  # fmt: skip
LOSSES: Final = (
    *CLASS_LOSSES, "per_attribute", "sum", "binary_cross_entropy", "arcface", "age_regression",
    "distillation", "fine_age", "label_distribution", "mean_variance", "supervised_contrastive",
    "triplet",
)  # fmt: skip
HEADS: Final = ("factored", "joint", "one_attribute", "multi_label", "cosine")
SCHEDULES: Final = (
    "cosine", "step", "multistep", "exponential", "plateau", "poly", "tanh", "wsd", "rsqrt",
    "constant", "none",
)  # fmt: skip
AVERAGES: Final = ("ema", "swa", "wise_ft")
SAMPLERS: Final = ("shuffle", "weighted", "imbalanced", "copies")
MIXES: Final = ("mixup", "cutmix", "half_cutmix", "intra_class_cutmix")
TRANSFORMS: Final = (
    "random_crop", "horizontal_flip", "affine", "shift_scale_rotate", "color_jitter",
    "brightness_contrast", "gauss_noise", "solarize", "blur", "photo_edge", "rand_augment",
    "random_erasing",
)  # fmt: skip

_Used = tuple[str, list[str], tuple[str, ...]]
# What timm's source says where it registers a network or an optimiser.
_NETWORK: Final = re.compile(r"^def (\w+)\(\s*pretrained", re.MULTILINE)
_OPTIMIZER: Final = re.compile(r"^\s*name='(\w+)'", re.MULTILINE)


def check(recipe: Recipe) -> None:
    """Raise MaskgateError for a name that does not exist; arguments are not checked."""
    for kind, names, listed in _used(recipe):
        known = dict.fromkeys(listed)
        for name in names:
            lookup(kind, name, known)
    for backbone in (recipe.model.backbone, recipe.model.beside):
        if backbone is not None and not is_factory(backbone):
            _check_timm("backbone", backbone.partition(".")[0], timm_backbones)
    _check_timm("optimizer", recipe.optimizer.name.lower().split("_")[-1], timm_optimizers)


def _used(recipe: Recipe) -> Iterator[_Used]:
    """Per kind: the names in the recipe, and the known ones."""
    average = recipe.training.average
    yield "transform", [each.name for each in recipe.augment], TRANSFORMS
    yield "mixing", [each.name for each in recipe.mixing], MIXES
    yield "sampling", [recipe.sampling.name], SAMPLERS
    yield "head", [recipe.model.head.name], HEADS
    yield from _losses({"name": recipe.loss.name, **recipe.loss.arguments})
    yield "average", [] if average is None else [average.name], AVERAGES
    yield "schedule", [recipe.schedule.name], SCHEDULES


def _losses(loss: Any, known: tuple[str, ...] = LOSSES) -> Iterator[_Used]:
    """A loss, a name or a mapping, and those in it; training refuses what is neither."""
    settings = {"name": loss} if isinstance(loss, str) else loss
    if not isinstance(settings, dict) or not isinstance(settings.get("name"), str):
        return
    yield "loss" if known is LOSSES else "class loss", [settings["name"]], known
    if settings["name"] == "sum" and isinstance(settings.get("parts"), list | tuple):
        for part in settings["parts"]:
            yield from _losses(part)
    if settings["name"] == "per_attribute":
        for attribute, part in settings.items():
            if attribute != "name":
                yield from _losses(part, CLASS_LOSSES)


# --------------------------------------------------------------------------- names in timm


def timm_backbones() -> frozenset[str]:
    """The networks that the source of the installed timm defines; empty without timm."""
    return frozenset(_NETWORK.findall(_timm_source("models")))


def timm_optimizers() -> frozenset[str]:
    """The optimisers that the source of the installed timm registers; empty without timm."""
    return frozenset(_OPTIMIZER.findall(_timm_source("optim")))


@functools.cache
def _timm_source(folder: str) -> str:
    """The source text of a folder of timm, which is not imported."""
    package = importlib.util.find_spec("timm")
    places = (package and package.submodule_search_locations) or []
    files = [file for place in places for file in sorted(Path(place, folder).glob("*.py"))]
    return "\n".join(file.read_text("utf-8", errors="replace") for file in files)


def _check_timm(kind: str, name: str, names: Callable[[], frozenset[str]]) -> None:
    """Raise MaskgateError if timm's source nowhere has the word `name`, an old name perhaps."""
    known = names()
    source = _timm_source("models" if kind == "backbone" else "optim")
    if not known or name in known or re.search(rf"\b{re.escape(name)}\b", source):
        return  # training asks timm itself
    near = difflib.get_close_matches(name, sorted(known), 1)
    hint = f"did you mean {near[0]}?" if near else "see docs/recipe.md"
    raise MaskgateError(f"unknown {kind} {name}; {hint}")
