"""Macro F1 as a differentiable loss, also called soft F1."""

from torch import Tensor, nn

from maskgate.model.losses.counts import ClassCounts
from maskgate.model.losses.partial_labels import known_mask, posterior


class F1(nn.Module):
    """1 − macro F1 of the batch, with probabilities instead of counts (S2, S3).

    The mean is over the classes that occur in the batch. Other classes would always count 0 and
    only make the gradient smaller.
    """

    def __init__(self, counts: ClassCounts) -> None:
        super().__init__()

    def forward(self, log_p: Tensor, target: Tensor) -> Tensor:
        known = known_mask(target)[:, None]
        truth, p = posterior(log_p, target) * known, log_p.exp() * known
        hits, total = (truth * p).sum(0), truth.sum(0) + p.sum(0)
        occurs = truth.sum(0) > 1e-6
        # Indexing with `occurs` would wait for the device, to count them.
        missed = occurs * (1 - 2 * hits / total.masked_fill(~occurs, 1))
        return missed.sum() / occurs.sum().clamp(min=1)
