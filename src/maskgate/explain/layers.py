"""Finds the layer of a backbone that heat maps are computed from.

The features of a deep layer mean more, those of an early one are finer. The choice is the deepest
layer with a map of at least MIN_CELLS cells a side whose cells influence the output: in a
transformer that predicts from its class token, the patches of the last block do not. timm lists the
layers of its backbones in `feature_info`; of a backbone without it, every layer is tried.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import torch
from torch import Tensor, nn

from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.model.backbone import ParallelBackbones
from maskgate.model.network import Network

MIN_CELLS: Final = 5


@dataclass(frozen=True)
class MapLayer:
    """A layer, its `name` in the network, and the `rows` and `columns` of its map.

    Its output is (N, C, rows, columns), or (N, rows, columns, C) where `channels_last`, or tokens
    (N, T, C), the last of which are the map.
    """

    module: nn.Module
    name: str
    rows: int
    columns: int
    channels_last: bool = False

    @property
    def cells(self) -> int:
        """Those of the shorter side."""
        return min(self.rows, self.columns)

    def as_map(self, output: Tensor) -> Tensor:
        """The layer's output as (N, C, rows, columns)."""
        if output.ndim == 3:
            patches = output[:, -self.rows * self.columns :]
            return patches.transpose(1, 2).reshape(len(output), -1, self.rows, self.columns)
        return output.permute(0, 3, 1, 2) if self.channels_last else output


@dataclass(frozen=True)
class _Candidate:
    """A layer that may have a map, with its number of channels and the size of its cells in pixels
    as timm states them; 0 where unknown."""

    name: str
    module: nn.Module
    channels: int = 0
    reduction: int = 0


def find(network: Network, geometry: Geometry) -> list[MapLayer]:
    """The layer of the network's backbone, or of each of its `ParallelBackbones`. Raises
    MaskgateError where a backbone has none."""
    backbone = network.backbone
    parts = list(backbone.parts) if isinstance(backbone, ParallelBackbones) else [backbone]
    return [_of_backbone(network, part, geometry) for part in parts]


def _of_backbone(network: Network, backbone: nn.Module, geometry: Geometry) -> MapLayer:
    candidates = list(_candidates(backbone))
    outputs = _outputs(network, candidates, geometry)
    layers = []
    for candidate in reversed(candidates):
        output = outputs.get(candidate.name)
        layer = None if output is None else _layer(candidate, output, backbone, geometry)
        if layer is None or output is None or not _matters(layer, output):
            continue
        if layer.cells >= MIN_CELLS:
            return layer
        layers.append(layer)
    if not layers:
        raise MaskgateError(
            "no layer of the backbone has a map of the photo that Grad-CAM needs; give --method"
            " occlusion"
        )
    return max(layers, key=lambda layer: layer.cells)


def _candidates(backbone: nn.Module) -> Iterator[_Candidate]:
    """The layers that may have a map, in their order."""
    modules = dict(backbone.named_modules())
    information: Any = getattr(backbone, "feature_info", None)
    for entry in getattr(information, "info", information) or ():
        if entry["module"] in modules:
            name = entry["module"]
            yield _Candidate(name, modules[name], entry["num_chs"], entry["reduction"])
    if not information:
        yield from (_Candidate(name, module) for name, module in modules.items() if name)


def _outputs(
    network: Network, candidates: list[_Candidate], geometry: Geometry
) -> dict[str, Tensor]:
    """The outputs of layers by name, with the gradient of one prediction."""
    outputs: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
            if isinstance(output, Tensor) and output.requires_grad and output.ndim in (3, 4):
                output.retain_grad()
                outputs[name] = output

        return hook

    handles = [each.module.register_forward_hook(keep(each.name)) for each in candidates]
    device = next(network.parameters()).device
    generator = torch.Generator().manual_seed(0)
    photo = 255 * torch.rand(1, geometry.height, geometry.width, 3, generator=generator)
    try:
        log_probabilities = network(photo.to(device).requires_grad_()).log_probabilities
        log_probabilities[0, 0].backward()
    finally:
        for handle in handles:
            handle.remove()
        network.zero_grad()
    return outputs


def _layer(
    candidate: _Candidate, output: Tensor, backbone: nn.Module, geometry: Geometry
) -> MapLayer | None:
    """The layer with its map's layout; None if it has no map."""
    shape, channels = tuple(output.shape), candidate.channels
    if len(shape) == 4 and (not channels or shape[1] == channels):
        return MapLayer(candidate.module, candidate.name, shape[2], shape[3])
    if len(shape) == 4 and shape[3] == channels:
        return MapLayer(candidate.module, candidate.name, *shape[1:3], channels_last=True)
    if len(shape) == 3 and shape[2] == channels and candidate.reduction:
        rows, columns = _grid(backbone, candidate.reduction, geometry)
        if rows * columns <= shape[1]:
            return MapLayer(candidate.module, candidate.name, rows, columns)
    return None


def _grid(backbone: nn.Module, reduction: int, geometry: Geometry) -> tuple[int, int]:
    """Rows and columns of the patches of a transformer."""
    patches: Any = getattr(backbone, "patch_embed", None)
    grid = getattr(patches, "grid_size", None)
    if grid is not None:
        return int(grid[0]), int(grid[1])
    return -(-geometry.height // reduction), -(-geometry.width // reduction)


def _matters(layer: MapLayer, output: Tensor) -> bool:
    """Whether the prediction depends on the cells of the map."""
    gradient = output.grad
    return gradient is not None and bool(layer.as_map(gradient).any())
