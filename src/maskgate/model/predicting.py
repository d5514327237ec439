"""A network's probabilities of photos that a loader reads, batch by batch."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from maskgate import labels


@torch.inference_mode()
def probabilities(network: nn.Module, loader: Any, device: torch.device) -> npt.NDArray[np.float32]:
    """A network's probabilities (N, 18) of the photos that a loader gives, in its order."""
    network.eval()
    parts = [
        network(photos.to(device)).log_probabilities.exp().float().cpu().numpy()
        for photos, _ in loader
    ]
    return np.concatenate(parts) if parts else np.empty((0, labels.COUNT), dtype=np.float32)
