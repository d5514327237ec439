"""Label distribution learning of ages.

Geng et al. 2013, "Facial Age Estimation by Learning from Label Distributions"; Gao et al. 2017,
"Deep Label Distribution Learning with Label Ambiguity".
"""

import torch
from torch import Tensor

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import marginal, marginal_target
from maskgate.model.losses.partial_labels import log_likelihood
from maskgate.pipeline.target import Target

_RARE = 1e-3  # a teacher that gives a group less than this has no say within it


class LabelDistribution(Loss):
    """KL divergence of the predicted years from a normal distribution around the known age.

    Geng et al. 2013; Gao et al. 2017. `sigma` is its standard deviation in years. Of a photo with
    only an age group or band: −log of the summed probability of its years, or with a `teacher` of
    ages the divergence from the teacher's distribution, cut to these years and scaled to sum to 1.
    The mean over the batch. For a head with `age: years`.
    """

    needs = frozenset({"age_distribution"})
    soft_labels = frozenset({"years"})

    def __init__(self, sigma: float = 2.0) -> None:
        super().__init__()
        if not 0.1 <= sigma < float("inf"):  # below, squares overflow
            raise MaskgateError(f"loss label_distribution: sigma must be 0.1 or more, not {sigma}")
        self.sigma = sigma

    def forward(self, output: Output, target: Target) -> Tensor:
        log_p = output.loss_inputs["age_distribution"]
        years = torch.arange(log_p.shape[1], device=log_p.device)
        first, last = target.ages.nan_to_num().clamp(max=len(years) - 1)[:, :, None].unbind(1)
        log_q = (-((years - first) / self.sigma).square() / 2).log_softmax(1)
        divergence = (log_q.exp() * (log_q - log_p)).sum(1)
        # Of an age such as 34.5, one year is in the group: the sum of none has no gradient.
        in_group = (years >= first.floor()) & (years <= last)
        of_group = -log_likelihood(log_p, in_group)
        bands = marginal_target(target.classes, "age_band")
        of_band = -log_likelihood(marginal(output.log_probabilities, "age_band"), bands)
        is_group = target.ages[:, 0].isfinite()
        of_unknown = torch.where(is_group, of_group, of_band)
        if target.soft_labels.shape[1] == len(years) and not bands.is_floating_point():
            starts = torch.tensor(labels.AGE_BOUNDARIES, device=years.device)
            band_of_year = torch.bucketize(years, starts, right=True)
            agrees = torch.where(is_group[:, None], in_group, bands[:, band_of_year])
            of_unknown = _taught(log_p, target.soft_labels, agrees, of_unknown)
        return torch.where(target.age.isfinite(), divergence, of_unknown).mean()


def _taught(log_p: Tensor, soft_labels: Tensor, agrees: Tensor, otherwise: Tensor) -> Tensor:
    """KL divergence (N,) of the predicted years from a teacher's (N, 101), cut to those that agree
    with the labels; `otherwise` (N,) for photos without, and where the teacher gives these years
    next to nothing."""
    cut = soft_labels.nan_to_num() * agrees
    total = cut.sum(1, keepdim=True)
    q = cut / total.clamp(min=_RARE)
    divergence = (torch.xlogy(q, q) - q * log_p).sum(1)
    return torch.where(total[:, 0] >= _RARE, divergence, otherwise)
