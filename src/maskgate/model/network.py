"""The whole model: from uint8 photos to log-probabilities of the 18 classes."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from maskgate.config.recipe import Model, Recipe
from maskgate.errors import MaskgateError
from maskgate.model import backbone as backbones
from maskgate.model import heads, onnx_weights, pretrained
from maskgate.model.heads import Head, Output


class Normalise(nn.Module):
    """(N, H, W, 3) uint8 to (N, 3, H, W) float, normalised by the mean and std per channel.

    It is part of the model, so that no caller can forget it.
    """

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        memory_format: torch.memory_format = torch.channels_last,
    ) -> None:
        super().__init__()
        self.memory_format = memory_format
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1) * 255)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1) * 255)

    def forward(self, photos: Tensor) -> Tensor:
        floats = photos.permute(0, 3, 1, 2).float().contiguous(memory_format=self.memory_format)
        return (floats - self.get_buffer("mean")) / self.get_buffer("std")


class Network(nn.Module):
    """normalise → backbone → neck → head; (N, height, width, 3) uint8 or float (of values 0–255)
    to an Output with log-probabilities (N, 18)."""

    def __init__(
        self, normalise: Normalise, backbone: nn.Module, neck: nn.Module, head: Head
    ) -> None:
        super().__init__()
        self.normalise = normalise
        self.backbone = backbone
        self.neck = neck
        self.head = head

    def forward(self, photos: Tensor) -> Output:
        output: Output = self.head(self.neck(self.backbone(self.normalise(photos))))
        return output


def _neck(features: int, hidden: int | None, dropout: float) -> tuple[nn.Module, int]:
    """The layers between backbone and head, and the length of their features (S2)."""
    if hidden is None:
        return nn.Dropout(dropout), features
    layers = nn.Sequential(nn.Linear(features, hidden), nn.ReLU(), nn.Dropout(dropout))
    return layers, hidden


def create(
    recipe: Recipe,
    statistics: tuple[Sequence[float], Sequence[float]] | None = None,
    with_weights: bool = True,
) -> Network:
    """The network of a recipe; torch's global seed determines the initial weights.

    `statistics` are the mean and std (values 0–1) of `normalise: data`. `with_weights` false skips
    pretrained and local weights, for a caller who loads all weights. Raises MaskgateError.
    """
    geometry = recipe.photo.geometry
    if statistics is not None and not all(statistics[1]):
        raise MaskgateError(
            "model.normalise=data: a colour channel has the same value in all training photos, so"
            " that its standard deviation is 0; set model.normalise=backbone"
        )
    backbone = backbones.create(recipe.model, geometry, with_weights)
    features = backbones.feature_count(backbone, geometry)
    crashes = any(map(_crashes_channels_last, backbone.modules()))
    layout = torch.contiguous_format if crashes else torch.channels_last
    pretraining = pretrained.statistics(recipe.model) or backbones.statistics(backbone)
    normalise = Normalise(*(statistics or pretraining), layout)
    neck, width = _neck(features, recipe.model.hidden, recipe.model.dropout)
    head = heads.create(recipe.model.head, width)
    if with_weights and recipe.model.start_head and recipe.model.weights is not None:
        _load_head(head, recipe.model)
    network = Network(normalise, backbone, neck, head)
    return network.to(memory_format=layout)


def _load_head(head: Head, model: Model) -> None:
    """Load the head of the default model. Raises MaskgateError for weights without a head."""
    if not isinstance(pretrained.packaged(model), pretrained.DefaultModelWeights):
        raise MaskgateError(
            f"model.start_head: the weights {model.weights} have no head; give weights=faces or"
            " init=RUN, or set start_head=false"
        )
    head.load_state_dict(onnx_weights.read(pretrained.path(model), "head", head.state_dict()))


def _crashes_channels_last(module: nn.Module) -> bool:
    """torch 2.15 crashes on the CPU in the backward pass of a photo's strided 1×1 convolution."""
    return (
        isinstance(module, nn.Conv2d)
        and module.in_channels == 3
        and module.kernel_size == (1, 1)
        and module.stride != (1, 1)
    )
