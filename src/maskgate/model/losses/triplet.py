"""Triplet loss, batch hard.

Hermans et al. 2017, "In Defense of the Triplet Loss for Person Re-Identification".
"""

from torch import Tensor
from torch.nn import functional

from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import CLASSES
from maskgate.model.losses.metric_learning import check_of, feature_pairs
from maskgate.pipeline.target import Target


class Triplet(Loss):
    """The farthest photo of a class must be nearer, by `margin`, than the nearest of another.

    Batch-hard triplets of normalised features (Hermans et al. 2017; S1). Uses photos whose class is
    known; `of` is `classes` or an attribute.
    """

    trains_classes = False

    def __init__(self, of: str = CLASSES, margin: float = 0.2) -> None:
        super().__init__()
        check_of("triplet", of)
        if not 0 <= margin < float("inf"):
            raise MaskgateError("loss triplet: margin must be 0 or more")
        self.of, self.margin = of, margin

    def forward(self, output: Output, target: Target) -> Tensor:
        features, positives, negatives = feature_pairs(output, target, self.of)
        anchors = positives.any(1) & negatives.any(1)
        if not anchors.any():
            return features.sum() * 0
        # The distance has no finite gradient where two features are equal.
        distances = (2 - 2 * features @ features.T).clamp(min=1e-6).sqrt()[anchors]
        farthest = distances.masked_fill(~positives[anchors], float("-inf")).amax(1)
        nearest = distances.masked_fill(~negatives[anchors], float("inf")).amin(1)
        return functional.relu(farthest - nearest + self.margin).mean()
