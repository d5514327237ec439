"""Heat maps: which parts of a photo speak for a network's prediction of an attribute.

Heat is computed for the log-odds of the predicted value, log p − log(1 − p), of the attribute's
marginal probability. So heads of every kind have the same target, and its gradient does not vanish
where the network is certain.

- `grad_cam`: Selvaraju et al., Grad-CAM, ICCV 2017
- `grad_cam_plus_plus`: Chattopadhay et al., Grad-CAM++, WACV 2018
- `occlusion`: how much the log-odds drop where a patch is covered, without gradients and for any
  network: Zeiler and Fergus, Visualizing and understanding convolutional networks, ECCV 2014
"""

from collections.abc import Callable
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from maskgate import labels
from maskgate.core.geometry import Geometry
from maskgate.explain import layers
from maskgate.explain.layers import MapLayer
from maskgate.imaging.pixels import Pixels
from maskgate.model.network import Network

Heat = npt.NDArray[np.float32]  # (N, H, W), between 0 and 1, the largest of a photo 1
Codes = npt.NDArray[np.integer]

_BATCH: Final = 32
_PATCH: Final = 4  # patches of the occlusion along the shorter side, which overlap by half


class LogOdds(nn.Module):
    """The log-odds (N, K) of an attribute's values for pictures (N, 3, H, W) of values 0–255."""

    members: Tensor

    def __init__(self, network: Network, attribute: str) -> None:
        super().__init__()
        self.network = network
        members = torch.from_numpy(labels.MEMBERS[attribute]).to(next(network.parameters()).device)
        self.register_buffer("members", members, persistent=False)

    def forward(self, pictures: Tensor) -> Tensor:
        log_p = self.network(pictures.permute(0, 2, 3, 1)).log_probabilities[:, None]
        inside, outside = (
            log_p.masked_fill(excluded, -torch.inf).logsumexp(2)
            for excluded in (~self.members, self.members)
        )
        return torch.sub(inside, outside)


class HeatMethod(Protocol):
    """Computes heat maps of one network; `description` says from what."""

    description: str

    def __call__(self, attribute: str, pictures: Pixels, values: Codes) -> Heat:
        """The heat (N, H, W) of pictures (N, H, W, 3) for the `values` (N,) of an attribute; 0
        everywhere in a picture where nothing speaks for the value."""
        ...


class _LayerHeat:
    """A method of the package grad-cam on the maps of layers; of several, the mean."""

    def __init__(self, cam: type, network: Network, geometry: Geometry) -> None:
        self.cam, self.network = cam, network.eval().requires_grad_(False)
        self.layers = layers.find(network, geometry)
        self.description = ", ".join(
            f"layer {layer.name}, {layer.rows}×{layer.columns} cells" for layer in self.layers
        )

    def __call__(self, attribute: str, pictures: Pixels, values: Codes) -> Heat:
        heat = np.mean([self._of_layer(each, attribute, pictures, values)
                        for each in self.layers], axis=0)  # fmt: skip
        return np.asarray(heat, dtype=np.float32)

    def _of_layer(
        self, layer: MapLayer, attribute: str, pictures: Pixels, values: Codes
    ) -> npt.NDArray[np.float32]:
        from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

        model = LogOdds(self.network, attribute)
        maps = []
        with self.cam(model, [layer.module], reshape_transform=layer.as_map) as cam:
            for start in range(0, len(pictures), _BATCH):
                batch = _tensor(pictures[start : start + _BATCH], model).requires_grad_()
                targets = [ClassifierOutputTarget(int(v)) for v in values[start : start + _BATCH]]
                maps.append(cam(batch, targets))
        return np.concatenate(maps)


class _Occlusion:
    """The drop of the log-odds where patches of the mean colour cover the picture."""

    def __init__(self, network: Network, geometry: Geometry) -> None:
        self.network = network.eval()
        self.side = max(2, min(geometry.height, geometry.width) // _PATCH)
        self.description = f"patches of {self.side}×{self.side} pixels"

    @torch.inference_mode()
    def __call__(self, attribute: str, pictures: Pixels, values: Codes) -> Heat:
        model = LogOdds(self.network, attribute)
        maps = [
            self._of_batch(model, _tensor(pictures[start : start + _BATCH], model),
                           values[start : start + _BATCH])
            for start in range(0, len(pictures), _BATCH)
        ]  # fmt: skip
        return np.concatenate(maps)

    def _of_batch(self, model: LogOdds, pictures: Tensor, values: Codes) -> Heat:
        rows = torch.arange(len(pictures), device=pictures.device)
        columns = torch.as_tensor(values.astype(np.int64), device=pictures.device)
        whole_picture = model(pictures)[rows, columns]
        colour = pictures.mean((2, 3), keepdim=True)
        total = torch.zeros_like(pictures[:, 0])
        count = torch.zeros_like(pictures[:1, 0])
        for top, left in self._corners(*pictures.shape[2:]):
            covered = pictures.clone()
            area = (slice(None), slice(top, top + self.side), slice(left, left + self.side))
            covered[:, *area] = colour
            drop = whole_picture - model(covered)[rows, columns]
            total[area] += drop[:, None, None]
            count[area] += 1
        heat = (total / count).clamp(min=0)
        largest = heat.amax((1, 2), keepdim=True)
        heat = torch.where(largest > 0, heat / largest.clamp(min=1e-12), 0)
        return np.asarray(heat.cpu().numpy(), dtype=np.float32)

    def _corners(self, height: int, width: int) -> list[tuple[int, int]]:
        """The top left corners of patches, which overlap by half and reach every edge."""
        tops, lefts = (
            [*range(0, length - self.side, max(1, self.side // 2)), length - self.side]
            for length in (height, width)
        )
        return [(top, left) for top in tops for left in lefts]


def _tensor(pictures: Pixels, model: LogOdds) -> Tensor:
    """Pictures (N, H, W, 3) as floats (N, 3, H, W) on the model's device."""
    return torch.from_numpy(pictures).to(model.members.device).permute(0, 3, 1, 2).float()


def _grad_cam(network: Network, geometry: Geometry) -> HeatMethod:
    from pytorch_grad_cam import GradCAM

    return _LayerHeat(GradCAM, network, geometry)


def _grad_cam_plus_plus(network: Network, geometry: Geometry) -> HeatMethod:
    from pytorch_grad_cam import GradCAMPlusPlus

    return _LayerHeat(GradCAMPlusPlus, network, geometry)


METHODS: Final[dict[str, Callable[[Network, Geometry], HeatMethod]]] = {
    "grad_cam": _grad_cam,
    "grad_cam_plus_plus": _grad_cam_plus_plus,
    "occlusion": _Occlusion,
}


def create(name: str, network: Network, geometry: Geometry) -> HeatMethod:
    """A method for one network. Raises MaskgateError where the network has no layer for it."""
    return METHODS[name](network, geometry)
