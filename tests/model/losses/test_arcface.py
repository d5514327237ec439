"""ArcFace at every angle."""

import math

import numpy as np
import pytest
import torch

from maskgate import labels
from maskgate.model.heads import Output
from maskgate.pipeline.target import Target
from tests.model.losses.naive_losses import create_head, create_loss


@pytest.mark.parametrize("margin", [0.0, 0.3, 1.0, 1.5])
def test_arcface_falls_as_features_turn_to_their_class_however_far_they_are(margin) -> None:
    network = create_head({"name": "cosine"})
    loss = create_loss("arcface", network, margin=margin, of=["gender"])
    angles = torch.linspace(0, math.pi, 121, dtype=torch.float64)
    cosines = torch.zeros(121, 8, dtype=torch.float64)
    cosines[:, 3] = angles.cos()
    cosines.requires_grad_()
    target = Target(
        torch.from_numpy(labels.agrees(*np.array([[-1], [0], [-1]], "i1"))),
        angles[:1],
        torch.empty(3, 0),
    )
    values = []
    for row in cosines:
        more = {"cosines": row[None], "scale": torch.tensor(4.0)}
        values.append(loss(Output(torch.zeros(1, 18), more), target))
    assert (torch.stack(values).diff() > -1e-9).all()
    torch.stack(values).sum().backward()
    slope = cosines.grad
    assert slope is not None and slope.isfinite().all() and (slope[:, 3] <= 0).all()
    # Flat at the one angle that the margin widens to π, and nowhere else.
    assert ((slope[:, 3] > -1e-3).sum() <= 2) and (
        slope[angles > math.pi - margin / 2, 3] < -0.1
    ).all()
