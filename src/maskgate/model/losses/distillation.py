"""Distillation: Hinton et al. 2015, "Distilling the Knowledge in a Neural Network"."""

from torch import Tensor

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.pipeline.target import Target


class Distillation(Loss):
    """KL divergence of the predicted classes from those of the recipe's `teacher`, both softened.

    Hinton et al. 2015: probabilities to the power 1 / `temperature`, scaled to sum to 1, and the
    divergence times `temperature`², beside a loss of the labels. The mean over the batch; a photo
    without soft labels (NaN) adds nothing.
    """

    needs_teacher = True

    def __init__(self, temperature: float = 2.0) -> None:
        super().__init__()
        if not 0.1 <= temperature <= 100:
            raise MaskgateError(
                f"loss distillation: temperature must be 0.1 to 100, not {temperature}"
            )
        self.temperature = temperature

    def forward(self, output: Output, target: Target) -> Tensor:
        has_soft_labels = target.soft_labels.isfinite().all(1)
        # NaN would reach the gradients even with a weight of 0.
        soft_labels = target.soft_labels.where(has_soft_labels[:, None], 1 / labels.COUNT)
        taught = soft_labels.clamp(min=1e-8).log()
        log_q = (taught / self.temperature).log_softmax(1)
        log_p = (output.log_probabilities / self.temperature).log_softmax(1)
        divergence = (log_q.exp() * (log_q - log_p)).sum(1) * has_soft_labels
        return self.temperature**2 * divergence.mean()
