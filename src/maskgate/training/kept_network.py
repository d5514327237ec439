"""The network that a fold validates and keeps: the one in training, or an average of it."""

from typing import Any

from torch import Tensor, nn

from maskgate.config.recipe import Recipe
from maskgate.core import finite
from maskgate.model import averages
from maskgate.model.network import Network


class KeptNetwork:
    """The network `in_training`, or the recipe's average of it once there is one."""

    def __init__(self, recipe: Recipe, in_training: Network) -> None:
        self._in_training = in_training
        self._never_finite = finite.non_finite(in_training.state_dict())
        average = recipe.training.average
        self._average = averages.create(average, in_training) if average is not None else None

    @property
    def network(self) -> nn.Module:
        averaged = self._average.averaged if self._average is not None else None
        return self._in_training if averaged is None else averaged

    def after_update(self) -> None:
        """The network in training has been updated."""
        if self._average is not None:
            self._average.after_update()

    def after_epoch(self, share_done: float) -> None:
        """An epoch has ended, after which this share of the training is done."""
        if self._average is not None:
            self._average.after_epoch(share_done)

    def go_back(self, weights: dict[str, Tensor]) -> None:
        """Put back weights that were kept; what was averaged already is not averaged again."""
        self._in_training.load_state_dict(weights)
        self._average = None

    def check(self, where: str) -> None:
        """Raise MaskgateError where an update, the last one too, has left weights, or an average of
        them, that are not finite."""
        for network in (self._in_training, self.network):
            finite.check_weights(network.state_dict(), self._never_finite, where, finite.LOWER_LR)

    def state_dict(self) -> dict[str, Any] | None:
        """The average for a checkpoint, None where there is none."""
        return self._average.state_dict() if self._average is not None else None

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        if state is None:
            self._average = None
        elif self._average is not None:
            self._average.load_state_dict(state)
