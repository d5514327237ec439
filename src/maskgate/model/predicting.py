"""A network's probabilities of photos, of one batch or of all that a loader reads."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from maskgate import labels


@torch.inference_mode()
def batch_probabilities(network: nn.Module, photos: torch.Tensor) -> npt.NDArray[np.float32]:
    """The probabilities (N, 18) of photos (N, H, W, 3) of uint8 on the network's device, which is
    not in training."""
    log_probabilities: torch.Tensor = network(photos).log_probabilities
    return log_probabilities.exp().float().cpu().numpy()


def probabilities(network: nn.Module, loader: Any, device: torch.device) -> npt.NDArray[np.float32]:
    """A network's probabilities (N, 18) of the photos that a loader gives, in its order."""
    network.eval()
    parts = [batch_probabilities(network, photos.to(device)) for photos, _ in loader]
    return np.concatenate(parts) if parts else np.empty((0, labels.COUNT), dtype=np.float32)
