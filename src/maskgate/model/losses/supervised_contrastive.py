"""Supervised contrastive loss: Khosla et al. 2020, "Supervised Contrastive Learning"."""

from torch import Tensor

from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import CLASSES
from maskgate.model.losses.metric_learning import check_of, feature_pairs
from maskgate.pipeline.target import Target


class SupervisedContrastive(Loss):
    """Pulls features of the same class together, pushes others apart (Khosla et al. 2020; S1).

    Uses photos whose class is known; `of` is `classes` or an attribute. A photo that is alone in
    its class in the batch counts 0.
    """

    trains_classes = False

    def __init__(self, of: str = CLASSES, temperature: float = 0.1) -> None:
        super().__init__()
        check_of("supervised_contrastive", of)
        if not temperature > 0:
            raise MaskgateError("loss supervised_contrastive: temperature must be above 0")
        self.of, self.temperature = of, temperature

    def forward(self, output: Output, target: Target) -> Tensor:
        features, positives, negatives = feature_pairs(output, target, self.of)
        if not positives.any():
            return features.sum() * 0
        similarities = features @ features.T / self.temperature
        others = similarities.masked_fill(~(positives | negatives), float("-inf"))
        log_p = similarities - others.logsumexp(1, keepdim=True)
        anchors = positives.any(1)
        log_p, positives = log_p[anchors], positives[anchors]
        return -(log_p.masked_fill(~positives, 0).sum(1) / positives.sum(1)).mean()
