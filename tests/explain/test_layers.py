"""The layer that heat comes from, in networks whose layers are called differently."""

from typing import Any

import pytest
import timm
import torch
from torch import Tensor, nn

from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.explain import layers
from maskgate.model import backbone as backbones
from maskgate.model import heads
from maskgate.model.backbone import ParallelBackbones
from maskgate.model.network import Network, Normalise


def network(backbone: nn.Module, features: int) -> Network:
    """The whole network of a backbone."""
    head = heads.create(Component(name="factored"), features)
    normalise = Normalise((0.5,) * 3, (0.5,) * 3, torch.contiguous_format)
    return Network(normalise, backbone, nn.Identity(), head).eval()


def timm_network(name: str, **arguments: Any) -> Network:
    backbone = timm.create_model(name, num_classes=0, **arguments)
    size = arguments.get("img_size", (96, 80))
    return network(backbone, backbones.feature_count(backbone, Geometry(*size)))


@pytest.mark.parametrize(
    ("name", "height", "width", "layer", "rows", "columns"),
    [
        ("test_resnet", 96, 80, "layer3", 6, 5),
        ("test_resnet", 32, 32, "layer1", 8, 8),
        ("test_vit", 96, 80, "blocks.4", 6, 5),  # the last block's patches do not matter
        ("test_vit2", 96, 80, "blocks.7", 6, 5),  # here they do: it averages them
        ("test_mambaout", 96, 80, "stages.2", 6, 5),  # (N, H, W, C)
    ],
)
def test_the_deepest_layer_with_cells_enough(
    name: str, height: int, width: int, layer: str, rows: int, columns: int
) -> None:
    arguments: Any = {"img_size": (height, width)} if "vit" in name else {}
    (chosen,) = layers.find(timm_network(name, **arguments), Geometry(height, width))
    assert (chosen.name, chosen.rows, chosen.columns) == (layer, rows, columns)


def test_each_of_two_backbones_has_a_layer() -> None:
    parts = [timm.create_model(name, num_classes=0) for name in ("test_resnet", "test_convnext")]
    backbone = ParallelBackbones(*parts)
    both = network(backbone, backbones.feature_count(backbone, Geometry(96, 80)))
    chosen = layers.find(both, Geometry(96, 80))
    assert [layer.name for layer in chosen] == ["layer3", "stages.2"]
    assert chosen[0].module is parts[0].layer3


class Plain(nn.Module):
    """A backbone that timm does not know."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 4, 3, stride=4)
        self.second = nn.Conv2d(4, 5, 3, stride=4)

    def forward(self, photos: Tensor) -> Tensor:
        return self.second(self.first(photos).relu()).mean((2, 3))


def test_a_backbone_without_information_has_all_its_layers_tried() -> None:
    (chosen,) = layers.find(network(Plain(), 5), Geometry(96, 80))
    assert (chosen.name, chosen.rows, chosen.columns) == ("second", 6, 5)
    (chosen,) = layers.find(network(Plain(), 5), Geometry(16, 16))
    assert chosen.name == "first"  # the largest of all that are too small


def test_a_backbone_without_a_map_is_refused() -> None:
    flat = nn.Sequential(nn.Flatten(), nn.Linear(3 * 8 * 8, 4))
    with pytest.raises(MaskgateError, match="no layer of the backbone has a map"):
        layers.find(network(flat, 4), Geometry(8, 8))


def test_tokens_become_a_map_without_the_class_token() -> None:
    layer = layers.MapLayer(nn.Identity(), "", 2, 3)
    tokens = torch.arange(2 * 7 * 4.0).reshape(2, 7, 4)
    grid = layer.as_map(tokens)
    assert grid.shape == (2, 4, 2, 3)
    assert grid[1, 2, 1, 0] == tokens[1, 1 + 3, 2]


def test_channels_come_first() -> None:
    layer = layers.MapLayer(nn.Identity(), "", 2, 3, channels_last=True)
    assert layer.as_map(torch.zeros(5, 2, 3, 4)).shape == (5, 4, 2, 3)
