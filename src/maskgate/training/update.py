"""One step of the optimiser on a batch: mixed, run in parts, and in fewer where memory is short."""

from contextlib import nullcontext

import torch
from accelerate import Accelerator
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn
from torch.optim import Optimizer

from maskgate.errors import MaskgateError
from maskgate.images.mixing import Mixing
from maskgate.images.target import Target
from maskgate.model.output_losses import Loss
from maskgate.progress import say
from maskgate.recipe import Recipe


class Updater:
    """Updates a network by this process's shares of batches of `size` photos.

    `network` and `optimizer` are those that Accelerate has prepared. `accumulate` is the number of
    parts a share is run in; `frozen` keeps the backbone as it is.
    """

    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        optimizer: Optimizer,
        loss: Loss,
        accelerator: Accelerator,
        size: int,
    ) -> None:
        self.network, self.optimizer, self.accelerator = network, optimizer, accelerator
        self.loss = loss.to(accelerator.device)
        self.mixing = Mixing(recipe.mixing)
        self.clip_norm = recipe.training.clip_norm
        self.size = size
        self.accumulate = recipe.training.accumulate
        self.frozen = False
        self.mixed: dict[str, int] = {}  # batches by the way they were mixed

    def begin(self, frozen: bool) -> None:
        """Get the network ready to train; a `frozen` backbone keeps its statistics too."""
        self.frozen = frozen
        self.network.train()
        if frozen:
            self._backbone().eval()

    def update(self, photos: Tensor, target: Target, seed: int) -> float:
        """One step; the sum of the photos' losses. `seed` is of all that is random in it.

        Raises MaskgateError where memory does not do for two photos at once.
        """
        while True:
            torch.manual_seed(seed)
            try:
                loss, name = self._backward(photos, target)
                break
            except Exception as error:
                self._use_less_memory(error)
        self.mixed[name] = self.mixed.get(name, 0) + 1
        if self.frozen:  # dropped rather than not computed: several processes exchange all of them
            for parameter in self._backbone().parameters():
                parameter.grad = None
        if self.clip_norm is not None:
            self.accelerator.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def _backbone(self) -> nn.Module:
        backbone: nn.Module = self.accelerator.unwrap_model(self.network).backbone
        return backbone

    def _backward(self, photos: Tensor, target: Target) -> tuple[float, str]:
        """Gradients of the batch's mean loss, in `accumulate` parts.

        The sum of the photos' losses, and how the batch was mixed.
        """
        mixed = self.mixing(photos, target)
        told = [*target] if mixed.partner is None else [*target, *target.take(mixed.partner)]
        # At least two photos a part: batch normalisation cannot do with one.
        count = min(self.accumulate, max(1, len(photos) // 2))
        parts = list(zip(*(t.tensor_split(count) for t in (mixed.photos, *told)), strict=True))
        accelerator, total = self.accelerator, 0.0
        for number, tensors in enumerate(parts, 1):
            last = number == len(parts)
            with nullcontext() if last else accelerator.no_sync(self.network):
                part, *known = (t.to(accelerator.device, non_blocking=True) for t in tensors)
                output = self.network(part)
                loss = self.loss(output, Target(*known[:2]))
                if mixed.partner is not None:
                    other = self.loss(output, Target(*known[2:]))
                    loss = mixed.share * loss + (1 - mixed.share) * other
                # The processes' gradients are averaged; shares and parts may differ in size.
                share = len(part) * accelerator.num_processes / self.size
                accelerator.backward(loss * share)
            total += loss.item() * len(part)
        return total, mixed.name

    def _use_less_memory(self, error: Exception) -> None:
        """Halve the part of a batch that is run at once, after the device ran out of memory."""
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
        say(
            f"warning: out of memory; each batch of {self.size} now runs in {self.accumulate}"
            " parts (batch normalisation sees the smaller parts)"
        )


def is_out_of_memory(error: Exception) -> bool:
    """Whether the error says that host or device has too little memory."""
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or bool(should_reduce_batch_size(error))
