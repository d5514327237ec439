"""The network that a fold validates and saves: the one in training, or its average."""

from typing import Any

from torch import Tensor, nn

from maskgate.config.recipe import Recipe
from maskgate.core import finite
from maskgate.model import averages
from maskgate.model.network import Network


class KeptNetwork:
    """The network `in_training`, or the recipe's average of it as soon as there is one."""

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
        """Call after every update of the network in training."""
        if self._average is not None:
            self._average.after_update()

    def after_epoch(self, share_done: float) -> None:
        """Call after every epoch; `share_done` (0 to 1) is the share of training done so far."""
        if self._average is not None:
            self._average.after_epoch(share_done)

    def go_back(self, weights: dict[str, Tensor]) -> None:
        """Restore earlier weights, which are averaged already if the recipe averages."""
        self._in_training.load_state_dict(weights)
        self._average = None

    def check(self, where: str) -> None:
        """Raise MaskgateError if the weights, or their average, are not finite."""
        for network in (self._in_training, self.network):
            finite.check_weights(network.state_dict(), self._never_finite, where, finite.LOWER_LR)

    def state_dict(self) -> dict[str, Any] | None:
        """The average's state for a checkpoint, None without an average."""
        return self._average.state_dict() if self._average is not None else None

    def load_state_dict(self, state: dict[str, Any] | None) -> None:
        if state is None:
            self._average = None
        elif self._average is not None:
            self._average.load_state_dict(state)
