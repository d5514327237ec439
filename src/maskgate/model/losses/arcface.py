"""ArcFace: Deng et al. 2019, "ArcFace: Additive Angular Margin Loss for Deep Face Recognition"."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from maskgate import labels
from maskgate.config.settings import lookup
from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import marginal_target
from maskgate.model.losses.partial_labels import log_likelihood
from maskgate.pipeline.target import Target


class ArcFace(Loss):
    """Softmax over angles, with `margin` radians added to the true one (Deng et al. 2019; S3).

    For the head `cosine`. The cross-entropies of the attributes in `of` are summed. If an angle
    with its margin would exceed π, its cosine is lowered by a constant instead: it keeps a
    gradient.
    """

    needs = frozenset({"cosines"})

    def __init__(self, margin: float = 0.3, of: Sequence[str] = tuple(labels.ATTRIBUTES)) -> None:
        super().__init__()
        if isinstance(of, str) or not of:
            raise MaskgateError(f"loss arcface: of is a list of attributes, not {of!r}")
        for name in of:
            lookup("attribute", name, labels.ATTRIBUTES)
        if not 0 <= margin < np.pi / 2:
            raise MaskgateError(f"loss arcface: margin must be in [0, π/2), not {margin}")
        self.margin, self.of = margin, tuple(of)

    def forward(self, output: Output, target: Target) -> Tensor:
        cosines = torch.split(output.loss_inputs["cosines"], list(labels.SIZES), dim=1)
        terms = []
        for name, part_cosines in zip(labels.ATTRIBUTES, cosines, strict=True):
            if name not in self.of:
                continue
            values = marginal_target(target.classes, name)
            certain = values.float()
            if not values.is_floating_point():
                certain = certain * (certain.sum(1, keepdim=True) == 1)
            logits = output.loss_inputs["scale"] * _add_margin(part_cosines, self.margin * certain)
            terms.append(log_likelihood(logits.log_softmax(1), values).mean())
        return -torch.stack(terms).sum()


def _add_margin(cosines: Tensor, margin: Tensor) -> Tensor:
    """Cosines of angles with `margin` radians added; they decrease with the angle up to π."""
    # At ±1 the sine has no finite gradient.
    sines = (1 - cosines.square()).clamp(min=1e-6).sqrt()
    shifted = cosines * margin.cos() - sines * margin.sin()
    return torch.where(cosines > -margin.cos(), shifted, cosines - 1 + margin.cos())
