"""Backbones by name: photos in, one feature vector a photo out."""

import difflib
import importlib
from pathlib import Path
from typing import Any

import timm
import torch
from torch import nn

from maskgate.errors import MaskgateError
from maskgate.pixels import Geometry
from maskgate.recipe import Model

IMAGENET = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))


def create(model: Model, geometry: Geometry, start: bool = True) -> nn.Module:
    """The backbone of a recipe, (N, 3, H, W) → (N, features).

    With `start` false neither pretrained nor local weights are loaded: the caller has better.
    Raises MaskgateError for an unknown name, weights that cannot be had or do not fit.
    """
    if ":" in model.backbone:
        backbone = _from_factory(model)
    else:
        backbone = _from_timm(model, geometry, pretrained=start and model.pretrained)
    if start and model.weights is not None:
        load_weights(backbone, Path(model.weights))
    return backbone


def _from_timm(model: Model, geometry: Geometry, pretrained: bool) -> nn.Module:
    name = model.backbone
    if not timm.is_model(name):
        near = difflib.get_close_matches(name.split(".")[0], timm.list_models(), 1)
        hint = f"did you mean {near[0]}?" if near else "timm.list_models() has them all"
        raise MaskgateError(f"unknown backbone {name}; {hint}")
    arguments: dict[str, Any] = dict(model.arguments)
    if _wants_size(name):
        arguments.setdefault("img_size", (geometry.height, geometry.width))
    try:
        return timm.create_model(name, pretrained=pretrained, num_classes=0, **arguments)
    except TypeError as error:
        raise MaskgateError(f"backbone {name}: {error}; see model.arguments") from error
    except Exception as error:
        if not pretrained:
            raise MaskgateError(f"backbone {name} cannot be built: {error}") from error
        raise MaskgateError(
            f"the pretrained weights of {name} cannot be had ({type(error).__name__}); set"
            " model.pretrained=false to start from scratch, or model.weights=FILE to a file you"
            " have, or connect this machine to the network"
        ) from error


def _wants_size(name: str) -> bool:
    config = timm.get_pretrained_cfg(name, allow_unregistered=True)
    return config is not None and bool(config.fixed_input_size)


def _from_factory(model: Model) -> nn.Module:
    module, _, factory = model.backbone.partition(":")
    try:
        made = getattr(importlib.import_module(module), factory)(**model.arguments)
    except (ImportError, AttributeError, TypeError) as error:
        raise MaskgateError(
            f"backbone {model.backbone}: {error}; it names a function of an importable module"
            " that returns a torch module"
        ) from error
    if not isinstance(made, nn.Module):
        raise MaskgateError(f"backbone {model.backbone} returned no torch module")
    return made


def load_weights(backbone: nn.Module, path: Path) -> None:
    """Fill the whole backbone from a .safetensors or .pth file; only a classifier may be left over.

    Raises MaskgateError where a tensor is missing, has another shape or is unknown.
    """
    if not path.is_file():
        raise MaskgateError(f"{path}: no such file of weights; see model.weights")
    try:
        state = timm.models.load_state_dict(str(path), device="cpu", weights_only=True)
    except Exception as error:
        raise MaskgateError(
            f"{path}: not a file of weights ({type(error).__name__}); give a .safetensors or .pth"
        ) from error
    wanted = backbone.state_dict()
    missing = sorted(wanted.keys() - state.keys())
    shaped = [key for key in wanted if key in state and wanted[key].shape != state[key].shape]
    config = getattr(backbone, "pretrained_cfg", None) or {}
    classifier = config.get("classifier") or "classifier"
    heads = (classifier,) if isinstance(classifier, str) else tuple(classifier)
    unknown = [key for key in state.keys() - wanted.keys() if not key.startswith(heads)]
    faults = [
        f"{len(m)} {what} (first {min(m)})"
        for what, m in (("missing", missing), ("of another shape", shaped), ("unknown", unknown))
        if m
    ]
    if faults:
        raise MaskgateError(
            f"{path}: does not fit the backbone, tensors {', '.join(faults)}; use the backbone they"
            " come from, or model.init=RUN for those of a run"
        )
    backbone.load_state_dict({key: state[key] for key in wanted})


def statistics(backbone: nn.Module) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and std per channel (of values 0–1) the backbone was pretrained with, or ImageNet's."""
    config = getattr(backbone, "pretrained_cfg", None) or {}
    return tuple(config.get("mean") or IMAGENET[0]), tuple(config.get("std") or IMAGENET[1])


def feature_count(backbone: nn.Module, geometry: Geometry) -> int:
    """Length of the feature vector, by trying. Raises MaskgateError where no input fits."""
    training = backbone.training
    try:
        with torch.no_grad():
            features = backbone.eval()(torch.zeros(1, 3, geometry.height, geometry.width))
    except Exception as error:
        raise MaskgateError(
            f"the backbone takes no photos of {geometry.height}×{geometry.width} ({error}); see"
            " photo.height and photo.width"
        ) from error
    finally:
        backbone.train(training)
    if features.ndim != 2:
        raise MaskgateError(
            f"the backbone gives {tuple(features.shape)} instead of one vector a photo"
        )
    return int(features.shape[1])
