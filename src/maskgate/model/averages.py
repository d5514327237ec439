"""Averages of a network's weights over training (EMA, SWA) and with those before it (WiSE-FT), by
the name in `training.average`."""

import copy
from collections.abc import Callable
from typing import Any, Final

import torch
from torch import Tensor, nn
from torch.optim.swa_utils import PARAM_LIST, AveragedModel

from maskgate.config import arguments
from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError


class Average:
    """The average of a network's weights in training, with the statistics of its norms.

    `averaged` is the network to validate and keep, None before the first weights are averaged.
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network
        self.model = AveragedModel(network, multi_avg_fn=self._update, use_buffers=True)

    @property
    def averaged(self) -> nn.Module | None:
        return self.model.module if int(self.model.n_averaged) else None

    def share(self, count: int) -> float:
        """The share (0 to 1) of new weights in the average, after `count` that are in it."""
        raise NotImplementedError

    def _update(self, averages: PARAM_LIST, weights: PARAM_LIST, _: Tensor | int) -> None:
        """Update averages in place from as many tensors of weights, all of one type."""
        if averages[0].is_floating_point():
            # This count is on the CPU. The one that is given is on the device: to read it is to
            # wait for all updates so far.
            share = self.share(int(self.model.n_averaged))
            torch._foreach_lerp_(averages, weights, share)
        else:  # the norms' counters of batches
            torch._foreach_copy_(averages, weights)

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

    def share(self, count: int) -> float:
        return 1 - min(self.decay, (1 + count) / (10 + count))

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

    def share(self, count: int) -> float:
        return 1 / (count + 1)

    def after_epoch(self, share_done: float) -> None:
        if share_done > self.start:
            self.model.update_parameters(self.network)


class WiseFT(EMA):
    """Between the weights before training and after it; `alpha` is the share of those after it.

    WiSE-FT (Wortsman et al., Robust Fine-Tuning of Zero-Shot Models, CVPR 2022): what a network
    could do before it was fine-tuned is lost less. Those after it are their `ema`, with `decay`.
    For a network that starts from a trained one, head included (`model.start_head: true`).
    """

    def __init__(self, network: nn.Module, alpha: float = 0.5, decay: float = 0.998) -> None:
        if not 0 < alpha <= 1:
            raise MaskgateError(f"training.average wise_ft: alpha must be in (0, 1], not {alpha}")
        self.alpha = alpha
        self.start = copy.deepcopy(network)
        self.between: nn.Module | None = None
        super().__init__(network, decay)

    @property
    def averaged(self) -> nn.Module | None:
        return self.between

    def after_epoch(self, share_done: float) -> None:  # noqa: ARG002
        self.between = copy.deepcopy(self.start)
        after = self.model.module.state_dict()
        for name, value in self.between.state_dict().items():
            is_float = value.is_floating_point()
            value.copy_(value.lerp(after[name], self.alpha) if is_float else after[name])

    def state_dict(self) -> dict[str, Any]:
        return {"ema": super().state_dict(), "start": self.start.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state["ema"])
        self.start.load_state_dict(state["start"])
        self.after_epoch(share_done=0.0)


AVERAGES: Final[dict[str, Callable[..., Average]]] = {"ema": EMA, "swa": SWA, "wise_ft": WiseFT}


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
