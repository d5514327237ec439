"""Focal loss: Lin et al. 2017, "Focal Loss for Dense Object Detection"."""

from torch import Tensor, nn

from maskgate.errors import MaskgateError
from maskgate.model.losses.class_weights import ClassWeights
from maskgate.model.losses.counts import ClassCounts


class Focal(nn.Module):
    """Cross-entropy × (1−p)^`gamma`: photos that are already correct count less.

    Lin et al. 2017; S0, S2, S3, S4. `weights` as in cross_entropy.
    """

    def __init__(
        self,
        counts: ClassCounts,
        gamma: float = 2.0,
        weights: str | None = None,
        beta: float = 0.999,
    ) -> None:
        super().__init__()
        if not 0 <= gamma < float("inf"):
            raise MaskgateError(f"loss focal: gamma must be 0 or more, not {gamma}")
        self.gamma = gamma
        self.weights = ClassWeights(counts, weights, beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        return self.weights.mean(log_p, target, self._focal)

    def _focal(self, log_p: Tensor) -> Tensor:
        # The power has no finite gradient at 0 if gamma is below 1.
        return -(-log_p.expm1()).clamp(min=1e-6).pow(self.gamma) * log_p
