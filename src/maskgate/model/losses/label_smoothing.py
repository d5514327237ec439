"""Label smoothing.

Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision".
"""

from torch import Tensor, nn

from maskgate.errors import MaskgateError
from maskgate.model.losses.class_weights import ClassWeights
from maskgate.model.losses.counts import ClassCounts
from maskgate.model.losses.partial_labels import known_mask


class LabelSmoothing(nn.Module):
    """Cross-entropy with a share `smoothing` of the target spread evenly over all classes.

    Szegedy et al. 2016; S0, S2, S4. `weights` as in cross_entropy.
    """

    def __init__(
        self,
        counts: ClassCounts,
        smoothing: float = 0.1,
        weights: str | None = None,
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        if not 0 <= smoothing <= 1:
            raise MaskgateError(
                f"loss label_smoothing: smoothing must be in [0, 1], not {smoothing}"
            )
        self.smoothing = smoothing
        self.weights = ClassWeights(counts, weights, beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        uniform = (self.weights(target) * known_mask(target) * log_p.mean(1)).mean()
        likelihood = self.weights.mean(log_p, target)
        return -((1 - self.smoothing) * likelihood + self.smoothing * uniform)
