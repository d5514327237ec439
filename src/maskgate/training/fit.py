"""Trains one fold: a plain loop that can be killed at any moment and goes on to the same bytes."""

import time
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from accelerate import Accelerator
from accelerate.utils import broadcast, gather_object
from accelerate.utils.memory import should_reduce_batch_size
from torch import Tensor, nn

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.images import sampling
from maskgate.images.loader import Loader
from maskgate.model import losses, optim
from maskgate.progress import say, track
from maskgate.randomness import derive
from maskgate.recipe import Recipe
from maskgate.training import checkpoint, validation
from maskgate.training.processes import on_main
from maskgate.training.validation import Probabilities

Rows = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Task:
    """What one fold trains on and validates on: rows of `table`, served by `loader`."""

    fold: int
    table: pd.DataFrame
    loader: Loader
    training: Rows
    validation: Rows


@dataclass
class State:
    """Where a fold's training is: all of a checkpoint but the weights and the optimiser."""

    epoch: int = 0
    update: int = 0  # of this epoch: the sampler's position
    accumulate: int = 1
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None  # epoch, score and weights
    stopped: bool = False


@dataclass(frozen=True)
class Fitted:
    """A fold at its end: weights, validation probabilities (V, 18) of the epoch selected and
    of the last, a history row an epoch, and the seconds all of it took."""

    weights: dict[str, Tensor]
    probabilities: Probabilities
    last_probabilities: Probabilities
    history: list[dict[str, Any]]
    seconds: float


def fit(
    recipe: Recipe,
    network: nn.Module,
    task: Task,
    path: Path,
    accelerator: Accelerator,
    checkpoint_seconds: float,
) -> Fitted:
    """Train the `network` on the task, from the checkpoint at `path` where there is one."""
    return _Fit(recipe, network, task, path, accelerator, checkpoint_seconds).run()


class _Fit:
    def __init__(
        self,
        recipe: Recipe,
        network: nn.Module,
        task: Task,
        path: Path,
        accelerator: Accelerator,
        checkpoint_seconds: float,
    ) -> None:
        self.recipe, self.task, self.path, self.accelerator = recipe, task, path, accelerator
        self.checkpoint_seconds = checkpoint_seconds
        self.loss = losses.create(recipe.loss)
        self.size = min(recipe.training.batch_size, len(task.training))
        self.at_once = recipe.training.validation_batch_size
        self.updates = len(self._batches(epoch=0))
        optimizer = optim.create_optimizer(recipe.optimizer, network)
        self.schedule = optim.create_schedule(
            recipe.schedule, optimizer, recipe.training.epochs, self.updates
        )
        self.network, self.optimizer = accelerator.prepare(network, optimizer)
        self.state = State(accumulate=recipe.training.accumulate)
        self._load()

    # ------------------------------------------------------------------------- the loop

    def run(self) -> Fitted:
        state = self.state
        last: Probabilities | None = None
        while state.epoch < self.recipe.training.epochs and not state.stopped:
            self._train_epoch()
            last = self._end_epoch()
        if last is None:  # killed after the last checkpoint: only the probabilities are missing
            last = self._validate()
        weights = self._weights()
        chosen = last
        best = state.best if self.recipe.training.select == "best" else None
        if best is not None and best["epoch"] < state.epoch:
            weights = best["weights"]
            self.accelerator.unwrap_model(self.network).load_state_dict(weights)
            chosen = self._validate()
        return Fitted(weights, chosen, last, state.history, state.seconds)

    def _train_epoch(self) -> None:
        state, accelerator = self.state, self.accelerator
        batches = self._batches(state.epoch)
        loader = self.task.loader.training(
            batches,
            state.update,
            accelerator.process_index,
            accelerator.num_processes,
            *self._place("augment"),
        )
        self.network.train()
        since = saved = time.monotonic()
        for photos, targets in self._shown(loader):
            state.loss_sum += self._update(photos, targets)
            state.update += 1
            now = time.monotonic()
            if on_main(accelerator, lambda: now - saved > self.checkpoint_seconds):  # noqa: B023
                state.seconds += now - since
                self._save()
                since = saved = time.monotonic()
        state.seconds += time.monotonic() - since

    def _update(self, photos: Tensor, targets: Tensor) -> float:
        """One step of the optimiser on this process's share of a batch; its part of the loss."""
        state, accelerator = self.state, self.accelerator
        done = state.epoch * self.updates + state.update
        self.schedule.step_update(done)
        while True:
            torch.manual_seed(self._seed("update", state.update, accelerator.process_index))
            try:
                loss = self._backward(photos, targets)
                break
            except Exception as error:
                self._use_less_memory(error)
        if self.recipe.training.clip_norm is not None:
            accelerator.clip_grad_norm_(self.network.parameters(), self.recipe.training.clip_norm)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return loss

    def _backward(self, photos: Tensor, targets: Tensor) -> float:
        """Gradients of the batch's mean loss, in `accumulate` parts; the sum of photo losses."""
        # At least two photos a part: batch normalisation cannot do with one.
        accelerator, parts = self.accelerator, min(self.state.accumulate, max(1, len(photos) // 2))
        total = 0.0
        pairs = list(zip(photos.tensor_split(parts), targets.tensor_split(parts), strict=True))
        for number, (part, target) in enumerate(pairs, 1):
            last = number == len(pairs)
            with nullcontext() if last else accelerator.no_sync(self.network):
                part = part.to(accelerator.device, non_blocking=True)
                target = target.to(accelerator.device, non_blocking=True)
                loss = self.loss(self.network(part), target)
                # The processes' gradients are averaged; shares and parts may differ in size.
                share = len(part) * accelerator.num_processes / self.size
                accelerator.backward(loss * share)
            total += loss.item() * len(part)
        if not np.isfinite(total):
            raise MaskgateError(
                f"fold {self.task.fold}, epoch {self.state.epoch + 1}: the loss is {total}; lower"
                " optimizer.lr, or set training.clip_norm"
            )
        return total

    def _use_less_memory(self, error: Exception) -> None:
        """Halve the part of a batch that is run at once, after the device ran out of memory."""
        state, accelerator = self.state, self.accelerator
        if not _is_out_of_memory(error):
            raise error
        share = self.size // accelerator.num_processes
        if accelerator.num_processes > 1 or state.accumulate * 4 > share:
            raise MaskgateError(
                f"out of memory with {share // state.accumulate} photos at once; lower"
                " training.batch_size, photo.height and photo.width, or raise training.accumulate"
            ) from error
        state.accumulate *= 2
        self.optimizer.zero_grad()
        if accelerator.device.type == "cuda":
            torch.cuda.empty_cache()
        say(
            f"warning: out of memory; each batch of {self.size} now runs in {state.accumulate}"
            " parts (batch normalisation sees the smaller parts)"
        )

    # --------------------------------------------------------------- the end of an epoch

    def _end_epoch(self) -> Probabilities:
        state, since = self.state, time.monotonic()
        probabilities = self._validate()
        losses_of_all = self._sum(state.loss_sum)
        row: dict[str, Any] = {
            "fold": self.task.fold,
            "epoch": state.epoch + 1,
            "updates": (state.epoch + 1) * self.updates,
            "lr": max(group["lr"] for group in self.optimizer.param_groups),
            "accumulate": state.accumulate,
            "train_loss": losses_of_all / (self.size * self.updates),
        }
        if len(self.task.validation):
            rows = self.task.table.iloc[self.task.validation]
            row |= validation.scores(probabilities, rows)
            self._note_best(row)
        state.history.append(row)
        state.epoch, state.update, state.loss_sum = state.epoch + 1, 0, 0.0
        state.stopped = self._no_longer_better()
        state.seconds += time.monotonic() - since
        self._save()
        if self.accelerator.is_main_process:
            say(validation.told(row))
        return probabilities

    def _note_best(self, row: dict[str, Any]) -> None:
        if self.recipe.training.select != "best" and self.recipe.training.patience is None:
            return
        best = self.state.best
        if best is None or row["valid_score"] > best["score"]:
            kept = self._weights() if self.recipe.training.select == "best" else None
            score = row["valid_score"]
            self.state.best = {"epoch": row["epoch"], "score": score, "weights": kept}

    def _no_longer_better(self) -> bool:
        patience, best = self.recipe.training.patience, self.state.best
        return (
            patience is not None
            and best is not None
            and self.state.epoch - best["epoch"] >= patience
        )

    # ------------------------------------------------------------------------ validation

    def _validate(self) -> Probabilities:
        """Probabilities (V, 18) of every validation photo exactly once, in every process."""
        rows, accelerator = self.task.validation, self.accelerator
        if not len(rows):
            return np.empty((0, labels.COUNT), dtype=np.float32)
        rank, ranks = accelerator.process_index, accelerator.num_processes
        # Not the wrapped model: it would exchange buffers at every batch, and shares may differ.
        network = accelerator.unwrap_model(self.network)
        if ranks > 1:
            for buffer in network.buffers():
                broadcast(buffer)
        while True:
            try:
                loader = self.task.loader.validation(rows, self.at_once, rank, ranks)
                mine = validation.predict(network, loader, accelerator.device)
                break
            except Exception as error:
                if not _is_out_of_memory(error) or self.at_once == 1 or ranks > 1:
                    raise
                self.at_once //= 2
                say(f"warning: out of memory in validation; now {self.at_once} photos at once")
        if ranks == 1:
            return mine
        shares = gather_object([mine])
        merged = np.full((len(rows), labels.COUNT), np.nan, dtype=np.float32)
        for number, share in enumerate(shares):
            merged[number::ranks] = share
        return merged

    # ---------------------------------------------------------------- position and state

    def _batches(self, epoch: int) -> list[Rows]:
        place = (self.recipe.seed, self.task.fold, epoch)
        order = sampling.epoch_order(
            self.recipe.sampling, self.task.training, self.task.table, *place
        )
        return sampling.batches(order, self.size)

    def _place(self, *more: int | str) -> tuple[int | str, ...]:
        return (self.recipe.seed, self.task.fold, self.state.epoch, *more)

    def _seed(self, *more: int | str) -> int:
        return derive(*self._place(*more))

    def _sum(self, value: float) -> float:
        if self.accelerator.num_processes == 1:
            return value
        return float(sum(gather_object([value])))

    def _shown(self, loader: Any) -> Iterator[tuple[Tensor, Tensor]]:
        if not self.accelerator.is_main_process:
            return iter(loader)
        what = f"fold {self.task.fold}, epoch {self.state.epoch + 1}/{self.recipe.training.epochs}"
        return track(loader, what, self.updates, self.state.update)

    def _weights(self) -> dict[str, Tensor]:
        model = self.accelerator.unwrap_model(self.network)
        return {
            name: tensor.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, tensor in model.state_dict().items()
        }

    def _save(self) -> None:
        state = self.state
        sums = gather_object([state.loss_sum])
        if self.accelerator.is_main_process:
            scaler = self.accelerator.scaler
            checkpoint.save(
                self.path,
                {
                    "position": vars(state),
                    "loss_sums": sums,  # of the processes
                    "weights": self._weights(),
                    "optimizer": self.optimizer.state_dict(),
                    "schedule": self.schedule.state_dict(),
                    "scaler": scaler.state_dict() if scaler is not None else None,
                },
            )

    def _load(self) -> None:
        found = checkpoint.load(self.path)
        if found is None:
            return
        self.state = State(**found["position"])
        sums = found["loss_sums"]
        if len(sums) == self.accelerator.num_processes:
            self.state.loss_sum = sums[self.accelerator.process_index]
        else:
            self.state.loss_sum = sum(sums) if self.accelerator.is_main_process else 0.0
        self.accelerator.unwrap_model(self.network).load_state_dict(found["weights"])
        self.optimizer.load_state_dict(found["optimizer"])
        self.schedule.load_state_dict(found["schedule"])
        if found["scaler"] is not None and self.accelerator.scaler is not None:
            self.accelerator.scaler.load_state_dict(found["scaler"])
        if self.accelerator.is_main_process:
            say(
                f"fold {self.task.fold}: going on at epoch {self.state.epoch + 1},"
                f" update {self.state.update}"
            )


def _is_out_of_memory(error: Exception) -> bool:
    known = isinstance(error, MemoryError | torch.OutOfMemoryError)
    return known or bool(should_reduce_batch_size(error))
