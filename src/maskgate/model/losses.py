"""Losses by the name in a recipe: log-probabilities (N, 18) and targets (N, 18) to a scalar.

A target is true for every class that agrees with what is known of the photo: one class when
it is fully labelled, several when an attribute is missing.
"""

from collections.abc import Callable
from typing import Final

from torch import Tensor, nn

from maskgate.errors import MaskgateError
from maskgate.recipe import Named, lookup


class CrossEntropy(nn.Module):
    """Mean of −log of the summed probability of all classes that agree with the target.

    With the factored head that is the sum of the known attributes' cross-entropies; a photo
    of which nothing is known adds nothing.
    """

    def forward(self, log_probabilities: Tensor, agrees: Tensor) -> Tensor:
        agreeing = log_probabilities.masked_fill(~agrees, float("-inf"))
        return -agreeing.logsumexp(dim=1).mean()


LOSSES: Final[dict[str, Callable[..., nn.Module]]] = {"cross_entropy": CrossEntropy}


def create(named: Named) -> nn.Module:
    """The loss of a recipe. Raises MaskgateError for an unknown name or argument."""
    make = lookup("loss", named.name, LOSSES)
    try:
        loss: nn.Module = make(**named.arguments)
    except TypeError as error:
        raise MaskgateError(f"loss {named.name}: {error}; see docs/recipe.md") from error
    return loss
