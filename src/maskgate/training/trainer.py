"""Trains one fold: a plain loop. If killed at any moment, it resumes with identical results."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.utils import gather_object

from maskgate.config.recipe import Recipe
from maskgate.core.progress import log
from maskgate.core.seeding import derive
from maskgate.errors import MaskgateError
from maskgate.model import schedules
from maskgate.model.network import Network
from maskgate.pipeline.target import counts
from maskgate.training import checkpoint, validation
from maskgate.training.batches import Batches, Task
from maskgate.training.callbacks import Callbacks, Epoch, Row
from maskgate.training.fold_data import Rows
from maskgate.training.kept_network import KeptNetwork
from maskgate.training.state import Fitted, State
from maskgate.training.step import TrainingStep, is_out_of_memory, weights
from maskgate.training.validation import Probabilities, Validator

LOSS_CHECK: Final = 16  # updates until their losses are read, which waits for the device


class Trainer:
    """Trains a network on a task, from the checkpoint at `path` if there is one."""

    def __init__(
        self,
        recipe: Recipe,
        network: Network,
        task: Task,
        path: Path,
        accelerator: Accelerator,
        checkpoint_seconds: float,
        callbacks: Sequence[Callbacks] = (),
    ) -> None:
        self.recipe, self.task, self.data = recipe, task, task.data
        self.path, self.accelerator, self.callbacks = path, accelerator, callbacks
        self.attributes = network.head.attributes
        self.batches = Batches(recipe, task, accelerator)
        self.validator = Validator(
            recipe=recipe,
            fold=self.data.fold,
            loader=task.loader,
            rows=self.data.validation,
            accelerator=accelerator,
        )
        self.step = TrainingStep(
            recipe, network, counts(self.data.table.iloc[self.data.train]), accelerator
        )
        self.schedule = schedules.create(
            recipe.schedule,
            self.step.optimizer,
            recipe.training.epochs + recipe.training.validation_epochs,
            len(self.batches.of_epoch(self.data.train, epoch=0)),
        )
        self.kept = KeptNetwork(recipe, self.step.bare_network)
        self.timer = checkpoint.Timer(checkpoint_seconds, accelerator)
        self.state = State()
        self._load()

    # ------------------------------------------------------------------------- the loop

    def run(self) -> Fitted:
        """Train to the end. Raises MaskgateError if the loss explodes or memory runs out."""
        state, training = self.state, self.recipe.training
        last: Probabilities | None = None
        try:
            while state.validated is None and not state.stopped and state.epoch < training.epochs:
                self._train_epoch(self.data.train)
                last = self._validate_epoch()
            if state.validated is None:
                state.validated = [torch.from_numpy(each) for each in self._select(last)]
                if "age_distribution" in self.step.bare_network.head.provides:
                    state.ages = torch.from_numpy(self.validator.ages(self.kept.network))
            while state.unvalidated < training.validation_epochs and len(self.data.afterwards) > 1:
                self._train_epoch(self.data.afterwards)
                self._end_unvalidated_epoch()
        finally:
            for each in self.callbacks:
                each.on_fit_end()
        self._check_weights()
        return state.fitted(weights(self.kept.network))

    def _train_epoch(self, rows: Rows) -> None:
        """Train on the batches of an epoch that are not done yet."""
        state, since = self.state, time.monotonic()
        batches = self.batches.of_epoch(rows, state.epoch)
        self._begin_epoch(batches)
        for photos, target in self.batches.load(batches, state.epoch, start=state.update):
            self.schedule.step_update(state.updates)
            # Forward, loss, backward and step.
            update = self.step.update(photos, target, self._seed_of_update())
            state.add_update(update)
            self.kept.after_update()
            if state.update % LOSS_CHECK == 0:
                self._check_loss()
            if self.timer.is_due():
                state.seconds += time.monotonic() - since
                self._save()
                since = time.monotonic()
            for each in self.callbacks:
                each.on_update_end(state.updates)
        self._check_loss()
        state.add_drawn(batches, self.data.table)
        state.seconds += time.monotonic() - since

    def _validate_epoch(self) -> Probabilities:
        """Predict and score the validation photos (V, 18), and keep the epoch if it is the best."""
        state, training, since = self.state, self.recipe.training, time.monotonic()
        self.kept.after_epoch(share_done=(state.epoch + 1) / training.epochs)
        self._check_weights()
        probabilities = self.validator.predict(self.kept.network)
        if not len(self.data.validation) and state.epoch + 1 == training.epochs:
            self._check_unvalidated()
        row = self._row()
        if len(self.data.validation):
            row |= validation.scores(probabilities, self.data.truth, self.attributes)
            self._keep_best(row)
        state.end_epoch(row)
        self.schedule.end_epoch(state.epoch, row.get("valid_score"))
        state.stopped = self._is_patience_over()
        state.seconds += time.monotonic() - since
        self._end_epoch(row)
        return probabilities

    def _end_unvalidated_epoch(self) -> None:
        self.state.unvalidated += 1
        self.kept.after_epoch(share_done=1.0)
        self._check_weights()
        if self.state.unvalidated == self.recipe.training.validation_epochs:
            self._check_unvalidated()
        row = self._row()
        self.state.end_epoch(row)
        self._end_epoch(row)

    # ------------------------------------------------------------------ parts of an epoch

    def _begin_epoch(self, batches: list[Rows]) -> None:
        state, training = self.state, self.recipe.training
        self.step.begin_epoch(
            size=len(batches[0]),
            share_done=state.epoch / training.epochs,
            frozen=state.epoch < training.freeze_epochs,
        )
        self.timer.restart()
        name = f"epoch {state.epoch + 1}/{training.epochs}"
        if state.validated is not None:
            name = f"validation photos, {state.unvalidated + 1}"
        epoch = Epoch(
            fold=self.data.fold,
            name=name,
            updates=len(batches),
            done=state.update,
            number=state.epoch,
            epochs=training.epochs + training.validation_epochs,
        )
        for each in self.callbacks:
            each.on_epoch_start(epoch)

    def _end_epoch(self, row: Row) -> None:
        self._save()
        for each in self.callbacks:
            each.on_epoch_end(row)

    def _seed_of_update(self) -> int:
        place = (self.recipe.seed, self.data.fold, self.state.epoch)
        return derive(*place, "update", self.state.update, self.accelerator.process_index)

    def _row(self) -> Row:
        """An epoch's row of the history, without validation scores."""
        state, step = self.state, self.step
        loss_sum = sum(gather_object([state.loss_sum.item()]))
        return {
            "fold": self.data.fold,
            "epoch": state.epoch + 1,
            "updates": state.updates,
            "lr": max(group["lr"] for group in step.optimizer.param_groups),
            "accumulate": step.accumulate,
            "train_loss": loss_sum / (step.size * state.update),
        }

    # ----------------------------------------------------------------------- what is kept

    def _keep_best(self, row: Row) -> None:
        training, best = self.recipe.training, self.state.best
        if training.select != "best" and training.patience is None:
            return
        score = row["valid_score"]
        if best is None or score > best["score"]:
            kept = weights(self.kept.network) if training.select == "best" else None
            self.state.best = {"epoch": row["epoch"], "score": score, "weights": kept}

    def _is_patience_over(self) -> bool:
        patience, best = self.recipe.training.patience, self.state.best
        return (
            patience is not None
            and best is not None
            and self.state.epoch - best["epoch"] >= patience
        )

    def _select(self, last: Probabilities | None) -> tuple[Probabilities, ...]:
        """Restore the selected epoch; returns its probabilities with test-time augmentation,
        without it, and those of the last epoch without it."""
        if last is None:  # resumed after the last epoch: only the probabilities are missing
            last = self.validator.predict(self.kept.network)
        best = self.state.best if self.recipe.training.select == "best" else None
        plain = last
        if best is not None and best["epoch"] != self.state.epoch:
            self.kept.go_back(best["weights"])
            plain = self.validator.predict(self.kept.network)
        since = time.monotonic()
        augmented = self.validator.augmented(self.kept.network, plain)
        self.state.seconds += time.monotonic() - since
        return augmented, plain, last

    def _check_loss(self) -> None:
        """Raise MaskgateError if a loss of this epoch was not finite; waits for the device."""
        loss_sum = self.state.loss_sum.item()
        if not np.isfinite(loss_sum):
            raise MaskgateError(
                f"fold {self.data.fold}, epoch {self.state.epoch + 1}: the loss is {loss_sum};"
                " lower optimizer.lr, or set training.clip_norm"
            )

    def _check_weights(self) -> None:
        self.kept.check(f"fold {self.data.fold}, update {self.state.updates}")

    def _check_unvalidated(self) -> None:
        """Raise MaskgateError if the final weights, which nothing validates, do not give finite
        probabilities: finite weights may be too large."""
        validator = Validator(
            recipe=self.recipe,
            fold=self.data.fold,
            loader=self.task.loader,
            rows=self.data.train[: self.recipe.training.photos_per_validation_batch],
            accelerator=self.accelerator,
        )
        validator.predict(self.kept.network)

    # --------------------------------------------------------------------- the checkpoint

    def _save(self) -> None:
        self._check_loss()  # first: the reason is the same whenever a checkpoint is due
        self._check_weights()
        sums = gather_object([self.state.loss_sum.item()])
        if self.accelerator.is_main_process:
            step_state = self.step.state_dict()
            position = {**vars(self.state), "accumulate": step_state.pop("accumulate")}
            del position["loss_sum"]  # of one process
            checkpoint.save(
                self.path,
                {
                    **step_state,
                    "position": position,
                    "loss_sums": sums,  # of the processes
                    "average": self.kept.state_dict(),
                    "schedule": self.schedule.state_dict(),
                },
            )
        self.timer.restart()

    def _load(self) -> None:
        content = checkpoint.load(self.path)
        if content is None:
            return
        try:
            self._restore(content)
        except (AttributeError, KeyError, RuntimeError, TypeError, ValueError) as error:
            if is_out_of_memory(error):
                raise
            raise checkpoint.damaged(self.path, "it is of another training") from error
        if self.accelerator.is_main_process:
            log(
                f"fold {self.data.fold}: resuming at epoch {self.state.epoch + 1},"
                f" update {self.state.update}"
            )

    def _restore(self, content: dict[str, Any]) -> None:
        """Restore the state of a checkpoint."""
        position = dict(content["position"])
        self.step.load_state_dict({**content, "accumulate": position.pop("accumulate")})
        position.pop("loss_sum", None)  # of earlier versions
        self.state = State(**position)
        sums = content["loss_sums"]
        if len(sums) == self.accelerator.num_processes:
            self.state.loss_sum += sums[self.accelerator.process_index]
        elif self.accelerator.is_main_process:
            self.state.loss_sum += sum(sums)
        self.kept.load_state_dict(content["average"])
        self.schedule.load_state_dict(content["schedule"])
