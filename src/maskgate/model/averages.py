"""Averages of a network's weights over the training, by the name in `training.average`."""

from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError


class Average:
    """Weights averaged beside a network in training, the statistics of its norms among them.

    `averaged` is the network to validate and keep, None before the first weights are in it.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.model = AveragedModel(network, avg_fn=self._moved, use_buffers=True)

    @property
    def averaged(self) -> nn.Module | None:
        return self.model.module if int(self.model.n_averaged) else None

    def mean(self, before: Tensor, now: Tensor, count: int) -> Tensor:
        """The average of `count` weights `before` and those of `now`."""
        raise NotImplementedError

    def _moved(self, before: Tensor, now: Tensor, count: Tensor | int) -> Tensor:
        # The norms count their batches: there is no mean of that.
        return self.mean(before, now, int(count)) if now.is_floating_point() else now

    def after_update(self) -> None:
        """The network has been updated."""

    def after_epoch(self, share_done: float) -> None:
        """An epoch has ended, after which this share of the training is done."""

    def state_dict(self) -> dict[str, Any]:
        """Tensors for a checkpoint."""
        return self.model.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.model.load_state_dict(state)


class EMA(Average):
    """Exponential moving average of the weights, moved by 1 − `decay` after every update.

    The first updates move it further, by 9 / (10 + updates), so that it soon forgets where the
    network began.
    """

    def __init__(self, network: nn.Module, decay: float = 0.998) -> None:
        if not 0 <= decay < 1:
            raise MaskgateError(f"training.average ema: decay lies from 0 to under 1, not {decay}")
        self.decay = decay
        super().__init__(network)

    def mean(self, before: Tensor, now: Tensor, count: int) -> Tensor:
        return before.lerp(now, 1 - min(self.decay, (1 + count) / (10 + count)))

    def after_update(self) -> None:
        self.model.update_parameters(self.network)


class SWA(Average):
    """Stochastic weight averaging: the plain mean of the weights at the ends of the last epochs.

    Izmailov et al. 2018. Epochs count from where a share `start` of the training is done. The
    paper measures the statistics of the norms anew; here they are averaged as the weights are.
    """

    def __init__(self, network: nn.Module, start: float = 0.75) -> None:
        if not 0 <= start < 1:
            raise MaskgateError(f"training.average swa: start lies from 0 to under 1, not {start}")
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
