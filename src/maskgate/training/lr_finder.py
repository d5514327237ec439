"""Learning rate finder: tries rates from very low to very high and suggests one.

After Smith 2017 (Cyclical Learning Rates for Training Neural Networks) and fastai's `lr_find`.
"""

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.config.recipe import Recipe
from maskgate.core import charts, files
from maskgate.core.progress import track
from maskgate.core.seeding import derive
from maskgate.errors import MaskgateError
from maskgate.pipeline.loader import Batch
from maskgate.pipeline.target import counts
from maskgate.reports import pages
from maskgate.training import preflight, processes, pseudo
from maskgate.training.batches import Batches
from maskgate.training.fold_data import FoldData, with_pseudo_labels
from maskgate.training.options import TrainOptions
from maskgate.training.step import TrainingStep
from maskgate.training.training_data import TrainingData, prepare

_DIVERGED: Final = 4.0  # times the smallest smoothed loss
# fastai's 0.98 lags by fifty updates, half of all.
_SMOOTHING: Final = 0.9
_LEFT_OUT: Final = 10  # the first tenth of the rates, whose smoothed losses are still noisy

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Sweep:
    """Learning rates in the order tried, the batch loss at each, and the smoothed loss; all (U,).

    `diverged` is true if the loss exploded, which ends the sweep. `lowest` is the position of the
    smallest smoothed loss. `suggestion` is the rate at which the smoothed loss falls fastest, None
    if it never falls.
    """

    rates: Floats
    losses: Floats
    smoothed: Floats
    diverged: bool

    @property
    def first(self) -> int:
        """The position from which on the smoothed loss is relied on."""
        return len(self.rates) // _LEFT_OUT

    @property
    def lowest(self) -> int:
        return self.first + int(self.smoothed[self.first :].argmin())

    @property
    def suggestion(self) -> float | None:
        first, last = self.first, self.lowest + 1
        if last - first < 2:
            return None
        slope = np.gradient(self.smoothed[first:last], np.log(self.rates[first:last]))
        steepest = int(slope.argmin())
        return float(self.rates[first + steepest]) if slope[steepest] < 0 else None


def run_sweep(
    low: float, high: float, updates: int, update: Callable[[int, float], float]
) -> Sweep:
    """Call `update(number, rate)`, which returns a loss, at rates that rise by a constant factor.

    Ends early if the loss is not finite, or the smoothed loss is above 4 times its minimum so far.
    Raises MaskgateError if it ends within the first two rates.
    """
    tried: list[tuple[float, float, float]] = []
    mean, smallest, diverged = 0.0, math.inf, False
    rates = np.geomspace(low, high, updates).tolist()
    for number, rate in enumerate(track(rates, "learning rates", updates)):
        loss = update(number, rate)
        if not math.isfinite(loss):
            diverged = True
            break
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * loss
        smoothed = mean / (1 - _SMOOTHING ** (number + 1))
        tried.append((rate, loss, smoothed))
        smallest = min(smallest, smoothed)
        if smoothed > _DIVERGED * smallest > 0:
            diverged = True
            break
    if len(tried) < 2:
        raise MaskgateError(
            f"the loss is not finite from a learning rate of {low:g} on; lower --low"
        )
    columns = np.array(tried).T
    return Sweep(columns[0], columns[1], columns[2], diverged)


def find(recipe: Recipe, options: TrainOptions, low: float, high: float, updates: int) -> Sweep:
    """Sweep the learning rate over the training batches of the recipe's first fold.

    Batches, mixing, loss and optimiser are the recipe's. Nothing is frozen, and there is neither
    schedule nor validation. `layer_decay` scales the rates as in training. Raises MaskgateError.
    """
    if not 0 < low < high:
        raise MaskgateError(f"learning rates from {low:g} to {high:g}: give 0 < --low < --high")
    with processes.started(recipe.training.precision) as accelerator:
        if accelerator.num_processes > 1:
            raise MaskgateError(
                "the learning rate finder runs in one process; start it without torchrun"
            )
        prepared, data = _first_fold(recipe, options)
        network = preflight.initial_network(recipe, prepared, data)
        task = preflight.create_task(
            recipe, prepared, data, options=options, accelerator=accelerator
        )
        step = TrainingStep(recipe, network, counts(data.table.iloc[data.train]), accelerator)
        batches = _endless(Batches(recipe, task, accelerator), data, step)

        def update(number: int, rate: float) -> float:
            for group in step.optimizer.param_groups:
                group["lr"] = rate * group.get("lr_scale", 1.0)
            photos, target = next(batches)
            seed = derive(recipe.seed, data.fold, "lr", number)
            return step.update(photos, target, seed).loss_sum.item() / len(photos)

        return run_sweep(low, high, updates, update)


def _first_fold(recipe: Recipe, options: TrainOptions) -> tuple[TrainingData, FoldData]:
    """The data, and the first fold's data at the start of training."""
    preflight.check_recipe(recipe, options.name, options.trust)
    prepared = prepare(recipe, options)
    preflight.check_data(recipe, prepared, processes=1)
    data = prepared.fold_data(prepared.folds[0])
    if recipe.pseudo is not None:
        table, _ = pseudo.create_labels(recipe, prepared, data, options)
        data = with_pseudo_labels(data, table)
    return prepared, data


def _endless(batches: Batches, data: FoldData, step: TrainingStep) -> Iterator[Batch]:
    """The batches of one epoch after another."""
    for epoch in itertools.count():
        rows = batches.of_epoch(data.train, epoch)
        step.begin_epoch(len(rows[0]))
        yield from batches.load(rows, epoch)


# ------------------------------------------------------------------------------- the page


def write(sweep: Sweep, out: Path, recipe: str, changes: list[str]) -> Path:
    """Write `lr.html` and `lr.csv` into the folder; returns the page's path."""
    with files.new_folder(out):
        return _write(sweep, out, recipe, changes)


def _write(sweep: Sweep, out: Path, recipe: str, changes: list[str]) -> Path:
    table = pd.DataFrame({"lr": sweep.rates, "loss": sweep.losses, "smoothed": sweep.smoothed})
    table.insert(0, "update", np.arange(1, len(table) + 1))
    files.replace(out / "lr.csv", lambda part: table.to_csv(part, index=False))
    powers = np.log10(sweep.rates)
    # Clipped: the last losses would flatten the rest of the chart.
    ceiling = 2 * float(sweep.smoothed[0])
    losses, smoothed = (each.clip(max=ceiling) for each in (sweep.losses, sweep.smoothed))
    curves = {
        "smoothed": list(zip(powers.tolist(), smoothed.tolist(), strict=True)),
        "of each batch": list(zip(powers.tolist(), losses.tolist(), strict=True)),
    }
    # Taken from the curve: a logarithm computed again might differ in its last digit.
    suggested = [
        p for p, rate in zip(powers.tolist(), sweep.rates, strict=True) if rate == sweep.suggestion
    ]
    pages.write(
        out / "lr.html",
        "lr.html",
        recipe=recipe,
        changes=changes,
        sweep=sweep,
        sentence=sentence(sweep),
        chart=charts.lines(
            curves,
            "learning rate, as a power of ten",
            "Training loss",
            {"smoothed": suggested[0]} if suggested else None,
        ),
    )
    return out / "lr.html"


def sentence(sweep: Sweep) -> str:
    """The sweep's suggestion in one sentence, and how the smoothed loss goes on after it."""
    low, high = sweep.rates[0], sweep.rates[-1]
    if sweep.suggestion is None:
        return (
            f"no suggestion: the loss never falls between learning rates of {low:.3g} and"
            f" {high:.3g}; set more --updates, or other --low and --high"
        )
    return f"optimizer.lr={sweep.suggestion:.2g}: the loss falls fastest there; {_course(sweep)}"


def _course(sweep: Sweep) -> str:
    """Where the smoothed loss is lowest, and what it does from there on."""
    highest_rate = f"{sweep.rates[-1]:.2g}"
    least, last = (f"{loss:.3g}" for loss in (sweep.smoothed[sweep.lowest], sweep.smoothed[-1]))
    if sweep.lowest == len(sweep.rates) - 1 and not sweep.diverged:
        return f"it still falls at {highest_rate}, the highest rate, where it is {least}"
    course = f"it is lowest, {least}, at {sweep.rates[sweep.lowest]:.2g}"
    if sweep.diverged:
        return f"{course}, and diverges at {highest_rate}"
    if last == least:
        return f"{course}, and as low at {highest_rate}"
    return f"{course}, and has risen to {last} at {highest_rate}"
