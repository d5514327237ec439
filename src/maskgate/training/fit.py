"""Trains one fold: a plain loop that can be killed at any moment and goes on to the same bytes."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch import Tensor, nn

from maskgate import finite, labels
from maskgate.errors import MaskgateError
from maskgate.images import sampling
from maskgate.images.loader import Loader
from maskgate.images.target import counts
from maskgate.model import averages, schedules
from maskgate.model.network import Network
from maskgate.model.output_losses import CLASSES
from maskgate.progress import say, track
from maskgate.randomness import derive
from maskgate.recipe import Recipe
from maskgate.training import checkpoint, validation
from maskgate.training.fold_data import FoldData, Rows
from maskgate.training.update import Updater, is_out_of_memory, weights
from maskgate.training.validation import Probabilities, Validator


@dataclass(frozen=True)
class Task:
    """What one fold trains on and validates on; `loader` serves the rows of its table."""

    data: FoldData
    loader: Loader
    updates: int | None = None  # the most of an epoch


@dataclass
class State:
    """Where a fold's training is: all of a checkpoint but the weights and the optimiser."""

    epoch: int = 0
    update: int = 0  # of this epoch: the sampler's position
    updates: int = 0  # of all epochs
    loss_sum: float = 0.0
    seconds: float = 0.0
    history: list[dict[str, Any]] = field(default_factory=list)
    best: dict[str, Any] | None = None  # epoch, score and weights
    stopped: bool = False
    mixed: dict[str, int] = field(default_factory=dict)  # batches by the way they were mixed
    drawn: list[int] = field(default_factory=lambda: [0] * labels.COUNT)  # photos of each class
    photos: int = 0  # drawn in all, those with unknown labels too
    # Once the validation photos are trained on: for how many epochs, and the probabilities from
    # before, as `_select` tells them.
    unvalidated: int = 0
    validated: list[Tensor] | None = None


@dataclass(frozen=True)
class Fitted:
    """A fold at its end: weights, validation probabilities (V, 18) of the epoch selected, the same
    without test-time augmentation and those of the last epoch, also without it, a history row an
    epoch, and the seconds all of it took.

    The probabilities are those from before any training on the validation photos. `mixed` counts
    the batches by the way they were mixed, `drawn` (18,) the photos of each class in all epochs
    (`epochs`) but those on the validation photos, `photos` those of all epochs, whatever their
    label.
    """

    weights: dict[str, Tensor]
    probabilities: Probabilities
    plain_probabilities: Probabilities
    last_probabilities: Probabilities
    history: list[dict[str, Any]]
    seconds: float
    mixed: dict[str, int]
    drawn: list[int]
    photos: int
    epochs: int


class Fit:
    """A `network` in training on a task, from the checkpoint at `path` where there is one."""

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        task: Task,
        path: Path,
        accelerator: Accelerator,
        checkpoint_seconds: float,
        after_epoch: Callable[[dict[str, Any]], None] | None = None,
    ) -> None:
        self.recipe, self.task, self.data = recipe, task, task.data
        self.path, self.accelerator = path, accelerator
        self.timer = checkpoint.Timer(checkpoint_seconds, accelerator)
        self.after_epoch = after_epoch
        self.knows = network.head.knows
        self.never_finite = finite.broken(network.state_dict())
        self.validator = Validator(
            recipe=recipe,
            fold=self.data.fold,
            loader=task.loader,
            rows=self.data.validation,
            accelerator=accelerator,
        )
        self.size = min(recipe.training.batch_size, len(self.data.train))
        self.updater = Updater(
            recipe, network, counts(self.data.table.iloc[self.data.train]), accelerator
        )
        self.schedule = schedules.create(
            recipe.schedule,
            self.updater.optimizer,
            recipe.training.epochs + recipe.training.validation_epochs,
            len(self._batches(self.data.train, epoch=0)),
        )
        named, bare = recipe.training.average, self.updater.bare_network
        self.average = averages.create(named, bare) if named is not None else None
        self.state = State()
        self._load()

    # ------------------------------------------------------------------------- the loop

    def run(self) -> Fitted:
        """Train to the end. Raises MaskgateError where the loss explodes or memory is short."""
        state, wanted = self.state, self.recipe.training
        last: Probabilities | None = None
        while state.epoch < wanted.epochs and not state.stopped and state.validated is None:
            self._train_epoch(self.data.train)
            last = self._end_epoch()
        if state.validated is None:
            state.validated = [torch.from_numpy(each) for each in self._select(last)]
        while state.unvalidated < wanted.validation_epochs and len(self.data.afterwards) > 1:
            self._train_epoch(self.data.afterwards)
            self._end_unvalidated_epoch()
        self._check_weights()
        chosen, plain, final = (each.numpy() for each in state.validated)
        return Fitted(
            weights=weights(self._kept()),
            probabilities=chosen,
            plain_probabilities=plain,
            last_probabilities=final,
            history=state.history,
            seconds=state.seconds,
            mixed=state.mixed,
            drawn=state.drawn,
            photos=state.photos,
            epochs=state.epoch - state.unvalidated,
        )

    def batches(self) -> Iterator[tuple[Tensor, Any]]:
        """This process's shares of the batches that are left of an epoch's training photos."""
        return iter(self._loader(self._batches(self.data.train, self.state.epoch)))

    def _select(self, last: Probabilities | None) -> tuple[Probabilities, ...]:
        """Go back to the epoch selected; its probabilities, the same without test-time
        augmentation, and those of the last epoch, also without it."""
        if last is None:  # killed after the last checkpoint: only the probabilities are missing
            last = self.validator.predict(self._kept())
        best = self.state.best if self.recipe.training.select == "best" else None
        plain = last
        if best is not None and best["epoch"] != self.state.epoch:
            self.updater.bare_network.load_state_dict(best["weights"])
            self.average = None  # those weights are an average already
            plain = self.validator.predict(self._kept())
        return self._augmented(plain), plain, last

    def _augmented(self, plain: Probabilities) -> Probabilities:
        """Probabilities (V, 18) with the recipe's test-time augmentation; `plain` are without."""
        since = time.monotonic()
        found = self.validator.augmented(self._kept(), plain)
        self.state.seconds += time.monotonic() - since
        return found

    def _train_epoch(self, rows: Rows) -> None:
        state = self.state
        wanted = self.recipe.training
        since = time.monotonic()
        batches = self._batches(rows, state.epoch)
        self.updater.begin_epoch(
            size=len(batches[0]),
            share_done=state.epoch / wanted.epochs,
            frozen=state.epoch < wanted.freeze_epochs,
        )
        self.timer.restart()
        for photos, target in self._shown(self._loader(batches), len(batches)):
            self._update(photos, target)
            if self.timer.is_due():
                state.seconds += time.monotonic() - since
                self._save()
                since = time.monotonic()
        self._count(batches)
        state.seconds += time.monotonic() - since

    def _count(self, batches: list[Rows]) -> None:
        """Note what an epoch has drawn."""
        rows, state = np.concatenate(batches), self.state
        state.photos += len(rows)
        if state.validated is None:
            drawn = counts(self.data.table.iloc[rows])[CLASSES].tolist()
            state.drawn = [before + now for before, now in zip(state.drawn, drawn, strict=True)]

    def _update(self, photos: Tensor, target: Any) -> None:
        state = self.state
        self.schedule.step_update(state.updates)
        seed = derive(*self._place("update", state.update, self.accelerator.process_index))
        update = self.updater.update(photos, target, seed)
        if not np.isfinite(update.loss_sum):
            raise MaskgateError(
                f"fold {self.data.fold}, epoch {state.epoch + 1}: the loss is {update.loss_sum};"
                " lower optimizer.lr, or set training.clip_norm"
            )
        state.loss_sum += update.loss_sum
        state.mixed[update.mixing] = state.mixed.get(update.mixing, 0) + 1
        state.update += 1
        state.updates += 1
        if self.average is not None:
            self.average.after_update()

    # --------------------------------------------------------------- the end of an epoch

    def _end_epoch(self) -> Probabilities:
        state, since = self.state, time.monotonic()
        if self.average is not None:
            self.average.after_epoch((state.epoch + 1) / self.recipe.training.epochs)
        self._check_weights()
        probabilities = self.validator.predict(self._kept())
        if not len(self.data.validation) and state.epoch + 1 == self.recipe.training.epochs:
            self._check_unvalidated()
        row = self._row()
        if len(self.data.validation):
            row |= validation.scores(probabilities, self.data.truth, self.knows)
            self._note_best(row)
        self._close_epoch(row)
        self.schedule.end_epoch(state.epoch, row.get("valid_score"))
        state.stopped = self._no_longer_better()
        state.seconds += time.monotonic() - since
        self._save()
        if self.after_epoch is not None:
            self.after_epoch(row)
        return probabilities

    def _end_unvalidated_epoch(self) -> None:
        self.state.unvalidated += 1
        if self.average is not None:
            self.average.after_epoch(share_done=1.0)
        self._check_weights()
        if self.state.unvalidated == self.recipe.training.validation_epochs:
            self._check_unvalidated()
        self._close_epoch(self._row())
        self._save()

    def _row(self) -> dict[str, Any]:
        """What the history tells of an epoch, less its validation."""
        state = self.state
        return {
            "fold": self.data.fold,
            "epoch": state.epoch + 1,
            "updates": state.updates,
            "lr": max(group["lr"] for group in self.updater.optimizer.param_groups),
            "accumulate": self.updater.accumulate,
            "train_loss": self._sum(state.loss_sum) / (self.updater.size * state.update),
        }

    def _close_epoch(self, row: dict[str, Any]) -> None:
        state = self.state
        state.history.append(row)
        state.epoch, state.update, state.loss_sum = state.epoch + 1, 0, 0.0
        if self.accelerator.is_main_process:
            say(validation.told(row))

    def _note_best(self, row: dict[str, Any]) -> None:
        if self.recipe.training.select != "best" and self.recipe.training.patience is None:
            return
        best = self.state.best
        if best is None or row["valid_score"] > best["score"]:
            kept = weights(self._kept()) if self.recipe.training.select == "best" else None
            score = row["valid_score"]
            self.state.best = {"epoch": row["epoch"], "score": score, "weights": kept}

    def _no_longer_better(self) -> bool:
        patience, best = self.recipe.training.patience, self.state.best
        return (
            patience is not None
            and best is not None
            and self.state.epoch - best["epoch"] >= patience
        )

    # ---------------------------------------------------------------------- the network

    def _kept(self) -> nn.Module:
        """The network that is validated and kept: the average, where there is one."""
        averaged = self.average.averaged if self.average is not None else None
        return self.updater.bare_network if averaged is None else averaged

    def _check_weights(self) -> None:
        """Raise MaskgateError where an update, the last one too, has left weights, or an average of
        them, that are not finite."""
        where = f"fold {self.data.fold}, update {self.state.updates}"
        for network in (self.updater.bare_network, self._kept()):
            finite.check_weights(network.state_dict(), self.never_finite, where, finite.LOWER)

    def _check_unvalidated(self) -> None:
        """Raise MaskgateError where the weights to keep, which nothing validates, do not give
        finite probabilities: of finite ones, too, that have grown without bounds."""
        loader, rows = self.task.loader, self.data.train
        rows = rows[: self.recipe.training.validation_batch_size]
        validator = Validator(
            recipe=self.recipe,
            fold=self.data.fold,
            loader=loader,
            rows=rows,
            accelerator=self.accelerator,
        )
        validator.predict(self._kept())

    # ---------------------------------------------------------------- position and state

    def _batches(self, rows: Rows, epoch: int) -> list[Rows]:
        place = (self.recipe.seed, self.data.fold, epoch)
        order = sampling.epoch_order(self.recipe.sampling, rows, self.data.table, *place)
        return sampling.batches(order, self.size)[: self.task.updates]

    def _loader(self, batches: list[Rows]) -> Any:
        return self.task.loader.training(
            batches,
            self.state.update,
            self.accelerator.process_index,
            self.accelerator.num_processes,
            *self._place("augment"),
        )

    def _place(self, *more: int | str) -> tuple[int | str, ...]:
        return (self.recipe.seed, self.data.fold, self.state.epoch, *more)

    def _sum(self, value: float) -> float:
        if self.accelerator.num_processes == 1:
            return value
        return float(sum(gather_object([value])))

    def _shown(self, loader: Any, updates: int) -> Iterator[tuple[Tensor, Any]]:
        if not self.accelerator.is_main_process:
            return iter(loader)
        wanted, state = self.recipe.training, self.state
        what = f"fold {self.data.fold}, epoch {state.epoch + 1}/{wanted.epochs}"
        if state.validated is not None:
            what = f"fold {self.data.fold}, validation photos, {state.unvalidated + 1}"
        return track(loader, what, updates, state.update)

    def _save(self) -> None:
        self._check_weights()
        sums = gather_object([self.state.loss_sum])
        if self.accelerator.is_main_process:
            step = self.updater.state_dict()
            position = {**vars(self.state), "accumulate": step.pop("accumulate")}
            checkpoint.save(
                self.path,
                {
                    **step,
                    "position": position,
                    "loss_sums": sums,  # of the processes
                    "average": self.average.state_dict() if self.average is not None else None,
                    "schedule": self.schedule.state_dict(),
                },
            )
        self.timer.restart()

    def _load(self) -> None:
        found = checkpoint.load(self.path)
        if found is None:
            return
        try:
            self._restore(found)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            raise checkpoint.damaged(self.path, "it is of another training") from error
        if self.accelerator.is_main_process:
            say(
                f"fold {self.data.fold}: going on at epoch {self.state.epoch + 1},"
                f" update {self.state.update}"
            )

    def _restore(self, found: dict[str, Any]) -> None:
        """Go on where a checkpoint was written."""
        position = dict(found["position"])
        self.updater.load_state_dict({**found, "accumulate": position.pop("accumulate")})
        self.state = State(**position)
        sums = found["loss_sums"]
        if len(sums) == self.accelerator.num_processes:
            self.state.loss_sum = sums[self.accelerator.process_index]
        else:
            self.state.loss_sum = sum(sums) if self.accelerator.is_main_process else 0.0
        if found["average"] is None:
            self.average = None
        elif self.average is not None:
            self.average.load_state_dict(found["average"])
        self.schedule.load_state_dict(found["schedule"])
