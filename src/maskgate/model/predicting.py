"""A network's probabilities for photos: of one batch, or of all batches of a loader."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from maskgate import labels


@torch.inference_mode()
def batch_probabilities(network: nn.Module, photos: torch.Tensor) -> npt.NDArray[np.float32]:
    """The probabilities (N, 18) of photos (N, H, W, 3) uint8 on the network's device. The network
    must be in evaluation mode."""
    log_probabilities: torch.Tensor = network(photos).log_probabilities
    return log_probabilities.exp().float().cpu().numpy()


def probabilities(network: nn.Module, loader: Any, device: torch.device) -> npt.NDArray[np.float32]:
    """A network's probabilities (N, 18) for the photos of a loader, in its order."""
    network.eval()
    parts = [batch_probabilities(network, photos.to(device)) for photos, _ in loader]
    return np.concatenate(parts) if parts else np.empty((0, labels.COUNT), dtype=np.float32)
