"""Backbones by name: from photos to one feature vector per photo."""

import difflib
import importlib
import re
import sys
import textwrap
from typing import Any, Final

import timm
import torch
from torch import Tensor, nn

from maskgate.config.recipe import Model, is_factory
from maskgate.core import finite
from maskgate.core.geometry import Geometry
from maskgate.core.interruption import Interrupted
from maskgate.errors import MaskgateError
from maskgate.model import onnx_weights, pretrained, weight_files

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


SIZES: Final = (32, 64, 96, 128, 160, 192, 224, 256, 384)
"""Sides in pixels of the square photos that `smallest_size` tries."""


_LOCAL_WEIGHTS: Final = "checkpoint_path"  # timm's argument for a local file
_RESERVED: Final = frozenset({"pretrained", "num_classes"})  # of timm's arguments
_UNKNOWN_ARGUMENT: Final = re.compile(r"unexpected keyword argument '(\w+)'")
_MAX_REASON: Final = 200  # characters of a factory's error message


class ParallelBackbones(nn.Module):
    """Backbones whose features are concatenated, (N, 3, H, W) → (N, F₁ + F₂ + …).

    Photos are normalised as for the first one's pretraining (S0: resnet18 ⊕ efficientnet_b0).
    """

    def __init__(self, *parts: nn.Module) -> None:
        super().__init__()
        self.parts = nn.ModuleList(parts)
        self.pretrained_cfg = getattr(parts[0], "pretrained_cfg", None)

    def forward(self, photos: Tensor) -> Tensor:
        return torch.cat([part(photos) for part in self.parts], dim=1)


def create(model: Model, geometry: Geometry, with_weights: bool = True) -> nn.Module:
    """The backbone of a recipe, (N, 3, H, W) → (N, features); `ParallelBackbones` if it names two.

    `with_weights` false loads neither pretrained nor local weights, for a caller who has others. A
    factory is imported and called: check `trust` before, for a recipe from a stranger. Raises
    MaskgateError for an unknown name, or weights that cannot be downloaded or do not fit.
    """
    pretrained = with_weights and model.pretrained
    arguments, second_arguments = (
        each
        if with_weights
        else {key: value for key, value in each.items() if key != _LOCAL_WEIGHTS}
        for each in (model.arguments, model.beside_arguments)
    )
    backbone = _create_one(
        model.backbone, arguments, "model.arguments", geometry=geometry, pretrained=pretrained
    )
    if model.beside is not None:
        second = _create_one(
            model.beside,
            second_arguments,
            "model.beside_arguments",
            geometry=geometry,
            pretrained=pretrained,
        )
        backbone = ParallelBackbones(backbone, second)
    if with_weights and model.weights is not None:
        load_weights(backbone, model)
    return backbone


def _create_one(
    name: str, arguments: dict[str, Any], key: str, geometry: Geometry, pretrained: bool
) -> nn.Module:
    """One backbone; `key` is the recipe's key of its arguments."""
    if is_factory(name):
        return _from_factory(name, arguments)
    return _from_timm(name, dict(arguments), key, geometry=geometry, pretrained=pretrained)


def _from_timm(
    name: str, arguments: dict[str, Any], key: str, geometry: Geometry, pretrained: bool
) -> nn.Module:
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.split(".")[0], timm.list_models(), 1)
        hint = f"did you mean {near[0]}?" if near else "timm.list_models() lists all"
        raise MaskgateError(f"unknown backbone {name}; {hint}")
    if reserved := sorted(_RESERVED & arguments.keys()):
        raise MaskgateError(f"{key}: {reserved[0]} cannot be set here; see model.pretrained")
    if _has_fixed_size(name):
        arguments.setdefault("img_size", (geometry.height, geometry.width))
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
    except TypeError as error:
        raise MaskgateError(f"backbone {name}: {error}; see {key}") from error
    except Exception as error:
        if not pretrained:
            raise MaskgateError(f"backbone {name} cannot be built: {error}") from error
        raise MaskgateError(
            f"the pretrained weights of {name} could not be downloaded ({type(error).__name__});"
            " set model.pretrained=false to start from scratch, or model.weights=FILE to a local"
            " file, or connect this machine to the network"
        ) from error


def accepted_arguments(name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Those of the arguments that a timm backbone takes; it is built on torch's `meta` device, and
    what else is wrong with them is left to `create`."""
    kept = dict(arguments)
    with torch.random.fork_rng(devices=[]), torch.device("meta"):
        while kept:
            try:
                timm.create_model(name, num_classes=0, **kept)
            except TypeError as error:
                unknown = _UNKNOWN_ARGUMENT.search(str(error))
                if unknown is None or kept.pop(unknown[1], None) is None:
                    return kept
            except Exception:
                return kept
            else:
                return kept
    return kept


def _has_fixed_size(name: str) -> bool:
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return config is not None and bool(config.fixed_input_size)


def _from_factory(name: str, arguments: dict[str, Any]) -> nn.Module:
    module, _, factory = name.partition(":")
    if "" not in sys.path:
        sys.path.insert(0, "")  # the module may be in the working folder
    try:
        backbone = getattr(importlib.import_module(module), factory)(**arguments)
    except (KeyboardInterrupt, Interrupted):
        raise
    except BaseException as error:  # SystemExit too: it would end the command without a message
        reason = str(error) or type(error).__name__
        if isinstance(error, SystemExit):
            reason = f"it would end the command ({reason})"
        reason = textwrap.shorten(reason, _MAX_REASON, placeholder="…")
        raise MaskgateError(
            f"backbone {name}: {reason}; it names a function of an importable module"
            " that returns a torch module"
        ) from error
    if not isinstance(backbone, nn.Module):
        raise MaskgateError(f"backbone {name} returned no torch module")
    return backbone


def load_weights(backbone: nn.Module, model: Model) -> None:
    """Load the backbone's weights from the package or the file that `model.weights` names.

    A file (.safetensors or .pth) may have a classifier. Raises MaskgateError if a tensor is
    missing, has another shape, is unknown or not finite.
    """
    path, expected = pretrained.path(model), backbone.state_dict()
    packaged = pretrained.packaged(model)
    if isinstance(packaged, pretrained.DefaultModelWeights):
        state = onnx_weights.read(path, "backbone", expected)
    elif packaged is not None:
        state = pretrained.renamed(weight_files.load(path), expected, path)
    else:
        state = weight_files.read(path, expected, _classifiers(backbone))
    finite.check_weights(
        state, finite.non_finite(expected), str(path), "give another file of weights"
    )
    backbone.load_state_dict(state)


def _classifiers(backbone: nn.Module) -> tuple[str, ...]:
    """The names of classifiers, which a file of weights may have besides the backbone."""
    config = getattr(backbone, "pretrained_cfg", None) or {}
    classifier = config.get("classifier") or "classifier"
    removed = [name for name, module in backbone.named_modules() if isinstance(module, nn.Identity)]
    names = []
    for last in (classifier,) if isinstance(classifier, str) else classifier:
        # If a head has several layers, all are removed, but timm names only the last.
        names += [name for name in removed if last.startswith(f"{name}.")] or [last]
    return tuple(names)


def statistics(backbone: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std per channel (of values 0–1) of timm's pretraining, or ImageNet's."""
    config = getattr(backbone, "pretrained_cfg", None) or {}
    return tuple(config.get("mean") or IMAGENET[0]), tuple(config.get("std") or IMAGENET[1])


def feature_count(backbone: nn.Module, geometry: Geometry) -> int:
    """Length of the feature vector, found by a forward pass.

    Nothing is computed if the backbone is on torch's `meta` device. Raises MaskgateError if the
    backbone does not accept photos of this size.
    """
    training = backbone.training
    device = next((each.device for each in backbone.parameters()), torch.device("cpu"))
    photo = torch.zeros(1, 3, geometry.height, geometry.width, device=device)
    try:
        with torch.no_grad():
            features = backbone.eval()(photo)
    except (Exception, SystemExit) as error:  # a factory's network may raise anything
        raise MaskgateError(
            f"the backbone does not accept photos of {geometry.height}×{geometry.width} ({error});"
            " see photo.height and photo.width"
        ) from error
    finally:
        backbone.train(training)
    if features.ndim != 2:
        raise MaskgateError(
            f"the backbone returns {tuple(features.shape)} instead of one vector per photo"
        )
    return int(features.shape[1])


def smallest_size(model: Model) -> tuple[int, int]:
    """Height and width of the smallest square photo in SIZES that the backbone accepts.

    Tried on torch's `meta` device, which computes only shapes; on the CPU if the backbone cannot
    be built there. Raises MaskgateError if it accepts none of them.
    """
    with torch.random.fork_rng(devices=[]):
        for size in SIZES:
            try:
                with torch.device("meta"):
                    _try_size(model, size)
                return size, size
            except Exception:
                continue
        for size in SIZES:
            try:
                _try_size(model, size)
                return size, size
            except MaskgateError as error:
                fault = error
    raise fault


def _try_size(model: Model, size: int) -> None:
    geometry = Geometry(size, size)
    feature_count(create(model, geometry, with_weights=False), geometry)
