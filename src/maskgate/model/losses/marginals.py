"""One attribute of the 18 classes: its log-probabilities and its target."""

from typing import Final

import numpy as np
import torch
from torch import Tensor

from maskgate import labels

CLASSES: Final = "classes"
"""Instead of an attribute's name: all 18 classes."""


def marginal(log_p: Tensor, attribute: str) -> Tensor:
    """Log-probabilities (N, K) of an attribute's values from those of the classes (N, 18)."""
    members = labels.MEMBERS[attribute]
    return torch.stack([log_p[:, np.flatnonzero(row)].logsumexp(1) for row in members], dim=1)


def marginal_target(classes: Tensor, attribute: str) -> Tensor:
    """(N, K), true for every value of the attribute that agrees with the target `classes` (N, 18);
    probabilities if `classes` has probabilities."""
    members = torch.from_numpy(labels.MEMBERS[attribute]).to(classes.device)
    counts = classes.float() @ members.T.float()
    return counts if classes.is_floating_point() else counts > 0
