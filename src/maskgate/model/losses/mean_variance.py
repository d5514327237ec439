"""Mean-variance loss: Pan et al. 2018, "Mean-Variance Loss for Deep Age Estimation from a Face"."""

import torch
from torch import Tensor

from maskgate.errors import MaskgateError
from maskgate.model.heads import Output, expected_age
from maskgate.model.losses.loss import Loss
from maskgate.pipeline.target import Target


class MeanVariance(Loss):
    """Half the squared error of the mean age, plus the variance of the predicted years.

    Pan et al. 2018; `mean` and `variance` are the weights of the two. The mean over the batch;
    photos whose age is unknown count 0. For a head with `age: years`, beside a loss of classes.
    """

    needs = frozenset({"age_distribution"})
    trains_classes = False

    def __init__(self, mean: float = 0.2, variance: float = 0.05) -> None:
        super().__init__()
        if not (0 <= mean < float("inf") and 0 <= variance < float("inf")):
            raise MaskgateError("loss mean_variance: mean and variance must be 0 or more")
        self.mean, self.variance = mean, variance

    def forward(self, output: Output, target: Target) -> Tensor:
        log_p = output.loss_inputs["age_distribution"]
        years = torch.arange(log_p.shape[1], device=log_p.device)
        age = expected_age(log_p)
        error = (age - target.age.nan_to_num()).square() / 2
        variance = (log_p.exp() * (years - age[:, None]).square()).sum(1)
        terms = self.mean * error + self.variance * variance
        return torch.where(target.age.isfinite(), terms, 0.0).mean()
