"""Heat lies where a network looks, by every method."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from maskgate import labels
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.explain import heat
from maskgate.model import heads
from maskgate.model.network import Network, Normalise

GEOMETRY = Geometry(48, 40)


class BrightPatch(nn.Module):
    """A backbone whose two features are large where the picture is red, or blue."""

    def __init__(self) -> None:
        super().__init__()
        self.map = nn.Conv2d(3, 2, 4, stride=4, bias=False)
        with torch.no_grad():
            self.map.weight.zero_()
            self.map.weight[0, 0] = 1 / 16
            self.map.weight[1, 2] = 1 / 16

    def forward(self, photos: Tensor) -> Tensor:
        return self.map(photos).relu().mean((2, 3))


def network(head: str = "factored") -> Network:
    """A network whose gender is that of the brighter colour."""
    torch.manual_seed(0)
    made_head = heads.create(Component(name=head), 2)
    normalise = Normalise((0.0,) * 3, (1.0,) * 3, torch.contiguous_format)
    if head == "factored":
        linear = made_head.get_submodule("linear")
        with torch.no_grad():
            weight = linear.get_parameter("weight")
            weight.zero_()
            weight[3:5] = torch.tensor([[40.0, -40.0], [-40.0, 40.0]])
    return Network(normalise, BrightPatch(), nn.Identity(), made_head).eval()


def pictures() -> np.ndarray:
    """Two black pictures, with a red patch at the top left and a blue one at the bottom right."""
    both = np.zeros((2, 48, 40, 3), np.uint8)
    both[0, 4:16, 4:16, 0] = 255
    both[1, 32:44, 24:36, 2] = 255
    return both


@pytest.mark.parametrize("method", heat.METHODS)
def test_heat_is_where_the_network_looks(method: str) -> None:
    if method != "occlusion":
        pytest.importorskip("pytorch_grad_cam")
    maps = heat.create(method, network(), GEOMETRY)("gender", pictures(), np.array([0, 1]))
    assert maps.shape == (2, 48, 40) and maps.dtype == np.float32
    assert maps.min() >= 0 and maps.max((1, 2)) == pytest.approx(1, abs=1e-5)
    total = maps.sum((1, 2))
    assert maps[0, :24, :24].sum() > 0.8 * total[0]
    assert maps[1, 24:, 16:].sum() > 0.8 * total[1]


@pytest.mark.parametrize("method", ["grad_cam", "grad_cam_plus_plus"])
def test_where_nothing_speaks_for_a_value_there_is_no_heat(method: str) -> None:
    pytest.importorskip("pytorch_grad_cam")
    maps = heat.create(method, network(), GEOMETRY)("gender", pictures(), np.array([1, 0]))
    assert not maps.any()


@pytest.mark.parametrize("head", sorted(heads.HEADS.keys() - {"one_attribute"}))
@pytest.mark.parametrize("attribute", labels.ATTRIBUTES)
def test_log_odds_are_those_of_the_marginal(head: str, attribute: str) -> None:
    model = network(head)
    floats = torch.from_numpy(pictures()).permute(0, 3, 1, 2).float()
    odds = heat.LogOdds(model, attribute)(floats)
    probabilities = model(torch.from_numpy(pictures())).log_probabilities.exp().detach().numpy()
    marginal = labels.marginals(probabilities.astype(np.float64))[attribute]
    assert odds.detach().numpy() == pytest.approx(np.log(marginal / (1 - marginal)), abs=0.02)
