"""A network's predictions for photos: of one batch, or of all batches of a loader."""

from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from maskgate import labels
from maskgate.model.heads import Output, expected_age


@torch.inference_mode()
def predict_batch(
    network: nn.Module, photos: torch.Tensor
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """The probabilities (N, 18) and the mean ages (N,) in years of photos (N, H, W, 3) uint8 on the
    network's device; ages are NaN if its head predicts none. The network must be in evaluation
    mode."""
    output: Output = network(photos)
    probabilities: npt.NDArray[np.float32] = output.log_probabilities.exp().float().cpu().numpy()
    if "age_distribution" not in output.loss_inputs:
        return probabilities, np.full(len(photos), np.nan, dtype=np.float32)
    return probabilities, expected_age(output.loss_inputs["age_distribution"]).float().cpu().numpy()


def probabilities(network: nn.Module, loader: Any, device: torch.device) -> npt.NDArray[np.float32]:
    """A network's probabilities (N, 18) for the photos of a loader, in its order."""
    network.eval()
    parts = [predict_batch(network, photos.to(device))[0] for photos, _ in loader]
    return np.concatenate(parts) if parts else np.empty((0, labels.COUNT), dtype=np.float32)


def ages(network: nn.Module, loader: Any, device: torch.device) -> npt.NDArray[np.float32]:
    """A network's mean ages (N,) in years for the photos of a loader, in its order; NaN if its head
    predicts none."""
    network.eval()
    parts = [predict_batch(network, photos.to(device))[1] for photos, _ in loader]
    return np.concatenate(parts) if parts else np.empty(0, dtype=np.float32)
