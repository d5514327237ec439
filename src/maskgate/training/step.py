"""One optimiser step on a batch: mixing, forward and backward in parts that fit into memory."""

from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn

from maskgate.config.recipe import Recipe
from maskgate.core.progress import log
from maskgate.errors import MaskgateError
from maskgate.model import losses, optim
from maskgate.model.network import Network
from maskgate.pipeline.mixing import Mixing
from maskgate.pipeline.target import Target


@dataclass(frozen=True)
class Update:
    """A step: the sum of the losses of this process's photos, and the mixer's name.

    The sum is a float64 on the device, which may still be computing it: to read it is to wait.
    """

    loss_sum: Tensor
    mixing: str


class TrainingStep:
    """Updates a network with this process's share of each batch: forward, loss, backward, step.

    `counts` are the training photos of each class (`target.counts`). `network` and `optimizer` are
    wrapped by Accelerate. `size` is the number of photos per batch in all processes; `accumulate`
    is the number of parts in which a share is run, which grows if memory runs out.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        counts: dict[str, npt.NDArray[np.int64]],
        accelerator: Accelerator,
    ) -> None:
        loss = losses.create(recipe.loss, counts, network.head)
        optimizer = optim.create(recipe.optimizer, network)
        self.accelerator = accelerator
        self.network, self.optimizer = accelerator.prepare(network, optimizer)
        self.loss = loss.to(accelerator.device)
        self.mixing = Mixing(recipe.mixing)
        self.clip_norm = recipe.training.clip_norm
        self.accumulate = recipe.training.accumulate
        self.size = 0
        self._frozen = False

    @property
    def bare_network(self) -> Network:
        """The network without Accelerate's wrapper."""
        network: Network = self.accelerator.unwrap_model(self.network)
        return network

    def begin_epoch(self, size: int, share_done: float = 0.0, frozen: bool = False) -> None:
        """Prepare for batches of `size` photos; `share_done` (0 to 1) of the training is done.

        A `frozen` backbone keeps its weights and its statistics.
        """
        self.size, self._frozen = size, frozen
        losses.set_progress(self.loss, share_done)
        self.network.train()
        if frozen:
            self._backbone().eval()

    def update(self, photos: Tensor, target: Target, seed: int) -> Update:
        """One step on a share of a batch. `seed` determines all its random numbers.

        Raises MaskgateError if memory is too small for two photos at once.
        """
        update = self._backward_within_memory(photos, target, seed)
        if self._frozen:  # dropped after computing: processes exchange all gradients
            for parameter in self._backbone().parameters():
                parameter.grad = None
        if self.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return update

    def state_dict(self) -> dict[str, Any]:
        """The state of network and optimiser, tensors and primitives, for a checkpoint."""
        scaler = self.accelerator.scaler
        return {
            "weights": weights(self.bare_network),
            "optimizer": self.optimizer.state_dict(),
            "scaler": scaler.state_dict() if scaler is not None else None,
            "accumulate": self.accumulate,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.bare_network.load_state_dict(state["weights"])
        self.optimizer.load_state_dict(state["optimizer"])
        if state["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(state["scaler"])
        self.accumulate = state["accumulate"]

    def _backbone(self) -> nn.Module:
        return self.bare_network.backbone

    def _backward_within_memory(self, photos: Tensor, target: Target, seed: int) -> Update:
        """`_backward`, in more parts if memory runs out."""
        while True:
            torch.manual_seed(seed)
            try:
                return self._backward(photos, target)
            except Exception as error:
                self._use_less_memory(error)

    def _backward(self, photos: Tensor, target: Target) -> Update:
        """Compute the gradients of the batch's mean loss, in `accumulate` parts."""
        mixed = self.mixing(photos, target)
        targets = [*target] if mixed.partner is None else [*target, *target.take(mixed.partner)]
        # At least two photos per part: batch normalisation fails with one.
        count = min(self.accumulate, max(1, len(photos) // 2))
        parts = list(zip(*(t.tensor_split(count) for t in (mixed.photos, *targets)), strict=True))
        accelerator = self.accelerator
        total = torch.zeros((), dtype=torch.float64, device=accelerator.device)
        for number, tensors in enumerate(parts, 1):
            last = number == len(parts)
            with nullcontext() if last else accelerator.no_sync(self.network):
                part, *known = (t.to(accelerator.device, non_blocking=True) for t in tensors)
                output = self.network(part)
                loss = self.loss(output, Target(*known[: len(target)]))
                if mixed.partner is not None:
                    other = self.loss(output, Target(*known[len(target) :]))
                    loss = mixed.share * loss + (1 - mixed.share) * other
                # The gradients of all processes are averaged; shares and parts may differ in size.
                share = len(part) * accelerator.num_processes / self.size
                accelerator.backward(loss * share)
            total += loss.detach().double() * len(part)
        return Update(total, mixed.name)

    def _use_less_memory(self, error: Exception) -> None:
        """Halve the number of photos run at once, after running out of memory."""
        accelerator = self.accelerator
        if not is_out_of_memory(error):
            raise error
        share = self.size // accelerator.num_processes
        if accelerator.num_processes > 1 or self.accumulate * 4 > share:
            raise MaskgateError(
                f"out of memory with {share // self.accumulate} photos at once; lower"
                " training.batch_size, photo.height and photo.width, or raise training.accumulate"
            ) from error
        self.accumulate *= 2
        self.optimizer.zero_grad()
        if accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        log(
            f"warning: out of memory; each batch of {self.size} now runs in {self.accumulate}"
            " parts (batch normalisation sees the smaller parts)"
        )


def weights(network: nn.Module) -> dict[str, Tensor]:
    """The weights and statistics of a network by name, copied to the CPU."""
    return {
        name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
        for name, tensor in network.state_dict().items()
    }


def is_out_of_memory(error: Exception) -> bool:
    """Whether host or device ran out of memory."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or bool(should_reduce_batch_size(error))
