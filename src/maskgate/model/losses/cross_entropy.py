"""Cross-entropy: minus the log of the probability of the known labels."""

from torch import Tensor, nn

from maskgate.model.losses.class_weights import ClassWeights
from maskgate.model.losses.counts import ClassCounts


class CrossEntropy(nn.Module):
    """Mean of −log of the summed probability of all classes that agree with the target.

    With the factored head this is the sum of the known attributes' cross-entropies. `weights`
    (`inverse`, `effective` with `beta`) make rare classes count more.
    """

    def __init__(
        self, counts: ClassCounts, weights: str | None = None, beta: float = 0.999
    ) -> None:
        super().__init__()
        self.weights = ClassWeights(counts, weights, beta)

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        return -self.weights.mean(log_p, target)
