"""Label distribution learning of ages.

Geng et al. 2013, "Facial Age Estimation by Learning from Label Distributions"; Gao et al. 2017,
"Deep Label Distribution Learning with Label Ambiguity".
"""

import torch
from torch import Tensor

from maskgate.errors import MaskgateError
from maskgate.model.heads import Output
from maskgate.model.losses.loss import Loss
from maskgate.model.losses.marginals import marginal, marginal_target
from maskgate.model.losses.partial_labels import log_likelihood
from maskgate.pipeline.target import Target


class LabelDistribution(Loss):
    """KL divergence of the predicted years from a normal distribution around the known age.

    Geng et al. 2013; Gao et al. 2017. `sigma` is its standard deviation in years. Of a photo with
    only an age group or band: −log of the summed probability of its years. The mean over the batch.
    For a head with `age: years`.
    """

    needs = frozenset({"age_distribution"})

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
        of_group = -log_likelihood(log_p, (years >= first.floor()) & (years <= last))
        bands = marginal_target(target.classes, "age_band")
        of_band = -log_likelihood(marginal(output.log_probabilities, "age_band"), bands)
        is_group = target.ages[:, 0].isfinite()
        of_unknown = torch.where(is_group, of_group, of_band)
        return torch.where(target.age.isfinite(), divergence, of_unknown).mean()
