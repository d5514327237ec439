"""Averages of a network's weights over training (EMA, SWA), by the name in `training.average`."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError


class Average:
    """The average of a network's weights in training, with the statistics of its norms.

    `averaged` is the network to validate and keep, None before the first weights are averaged.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.model = AveragedModel(network, avg_fn=self._moved, use_buffers=True)

    @property
    def averaged(self) -> nn.Module | None:
        return self.model.module if int(self.model.n_averaged) else None

    def mean(self, before: Tensor, now: Tensor, count: int) -> Tensor:
        """The new average, from `before`, the average of `count` weights, and the weights `now`."""
        raise NotImplementedError

    def _moved(self, before: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        # The norms' counters of batches are integers: they are copied, not averaged.
        return self.mean(before, now, int(count)) if now.is_floating_point() else now

    def after_update(self) -> None:
        """Call after every update of the network."""

    def after_epoch(self, share_done: float) -> None:
        """Call after every epoch; `share_done` (0 to 1) is the share of training done so far."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors for a checkpoint."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state)


class EMA(Average):
    """Exponential moving average of the weights: each update counts 1 − `decay`.

    The first updates count more, 9 / (10 + updates), so that the initial weights soon fade.
    """

    def __init__(self, network: nn.Module, decay: float = 0.998) -> None:
        if not 0 <= decay < 1:
            raise MaskgateError(f"training.average ema: decay must be in [0, 1), not {decay}")
        self.decay = decay
        super().__init__(network)

    def mean(self, before: Tensor, now: Tensor, count: int) -> Tensor:
        return before.lerp(now, 1 - min(self.decay, (1 + count) / (10 + count)))

    def after_update(self) -> None:
        self.model.update_parameters(self.network)


class SWA(Average):
    """Stochastic weight averaging: the mean of the weights after each of the last epochs.

    Izmailov et al. 2018. Epochs count once a share `start` of training is done. The paper
    recomputes the statistics of the norms; here they are averaged like the weights.
    """

    def __init__(self, network: nn.Module, start: float = 0.75) -> None:
        if not 0 <= start < 1:
            raise MaskgateError(f"training.average swa: start must be in [0, 1), not {start}")
        self.start = start
        super().__init__(network)

    def mean(self, before: Tensor, now: Tensor, count: int) -> Tensor:
        return before + (now - before) / (count + 1)

    def after_epoch(self, share_done: float) -> None:
        if share_done > self.start:
            self.model.update_parameters(self.network)


AVERAGES: Final[dict[str, Callable[..., Average]]] = {"ema": EMA, "swa": SWA}


def create(component: Component, network: nn.Module) -> Average:
    """The average of a recipe. Raises MaskgateError for an unknown name or argument."""
    make = lookup("average", component.name, AVERAGES)
    try:
        arguments.check(make, component.arguments)
        with torch.no_grad():
            return make(network, **component.arguments)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(
            f"training.average {component.name}: {error}; see docs/recipe.md"
        ) from error
