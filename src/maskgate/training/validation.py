"""Predicts and scores the validation photos of a fold."""

from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from maskgate import labels, metrics

Probabilities = npt.NDArray[np.float32]


@torch.inference_mode()
def predict(network: nn.Module, loader: Any, device: torch.device) -> Probabilities:
    """Probabilities (N, 18) of the photos a loader gives, in its order."""
    network.eval()
    parts = [network(photos.to(device)).exp().float().cpu().numpy() for photos, _ in loader]
    return np.concatenate(parts) if parts else np.empty((0, labels.COUNT), dtype=np.float32)


def scores(probabilities: Probabilities, rows: pd.DataFrame) -> dict[str, float]:
    """An epoch's scores of probabilities (V, 18) against the table's rows (V), for the history."""
    targets = labels.agrees(*(rows[name].to_numpy() for name in labels.ATTRIBUTES))
    agreeing = (probabilities.astype(np.float64) * targets).sum(1).clip(1e-12)
    whole = metrics.confusion(rows["label"], probabilities.argmax(1), labels.COUNT)
    found = {
        "valid_loss": float(-np.log(agreeing).mean()),
        "valid_macro_f1": float(metrics.macro_f1(whole)),
        "valid_accuracy": float(metrics.accuracy(whole)),
    }
    for name, part in labels.marginals(probabilities).items():
        counts = metrics.confusion(rows[name], part.argmax(1), part.shape[1])
        found[f"valid_{name}_accuracy"] = float(metrics.accuracy(counts))
        found[f"valid_{name}_macro_f1"] = float(metrics.macro_f1(counts))
    return found


def told(row: dict[str, Any]) -> str:
    """A row of the history in one line."""
    line = f"fold {row['fold']}, epoch {row['epoch']}: training loss {row['train_loss']:.3f}"
    if "valid_macro_f1" in row:
        line += f", validation loss {row['valid_loss']:.3f}, macro F1 {row['valid_macro_f1']:.3f}"
    return line
