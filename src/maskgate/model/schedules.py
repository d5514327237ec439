"""Learning rate schedules, mostly timm's, by the name in a recipe's `schedule`."""

import inspect
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

from timm import scheduler as timm_schedules
from timm.scheduler.scheduler import Scheduler
from timm.scheduler.wsd_lr import WSDLRScheduler
from torch.optim import Optimizer

from maskgate.config import arguments
from maskgate.config.recipe import Schedule as ScheduleRecipe
from maskgate.config.settings import WRONG_ARGUMENTS, lookup
from maskgate.errors import MaskgateError, listed

# timm warns that the single update of a smoke test is too short for a cosine.
logging.getLogger("timm.scheduler.cosine_lr").setLevel(logging.ERROR)

_MAX_CYCLES: Final = 1000
_CHECKED_EPOCHS: Final = 30


@dataclass(frozen=True)
class Timeline:
    """The optimiser of a schedule, and the updates of warm-up and schedule.

    Epochs in a schedule's arguments are counted from the end of the warm-up.
    """

    optimizer: Optimizer
    epochs: float  # without the warm-up
    warmup_epochs: float
    updates_per_epoch: int
    min_lr: float

    @property
    def updates(self) -> float:
        return self.epochs * self.updates_per_epoch

    @property
    def warmup(self) -> float:
        return self.warmup_epochs * self.updates_per_epoch

    @property
    def timm(self) -> dict[str, Any]:
        """The arguments that all timm schedules share."""
        return {"warmup_t": self.warmup, "warmup_lr_init": 0.0, "t_in_epochs": False}


class Schedule(Protocol):
    """Sets an optimiser's learning rates; each group's rate is scaled by its `lr_scale`."""

    def step_update(self, updates: int) -> None:
        """Call before each update; `updates` is the number of updates done so far."""

    def end_epoch(self, epochs: int, score: float | None) -> None:
        """Call after each epoch; `epochs` are done so far, the last one with macro F1 `score`."""

    def state_dict(self) -> dict[str, Any]:
        """The state that does not follow from the number of updates, for a checkpoint."""

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the state of `state_dict`."""


class UpdateSchedule:
    """One of timm's schedules: the learning rate depends only on the number of updates."""

    def __init__(self, timeline: Timeline, schedule: Scheduler) -> None:
        self.timeline, self.schedule = timeline, schedule

    def step_update(self, updates: int) -> None:
        # After the end the rate stays the same; timm's cycles fail there.
        self.schedule.step_update(min(updates, self.timeline.warmup + self.timeline.updates))
        if updates >= self.timeline.warmup:  # some timm schedules have no lowest rate
            for group in self.timeline.optimizer.param_groups:
                lowest = self.timeline.min_lr * group.get("lr_scale", 1.0)
                group["lr"] = max(group["lr"], lowest)

    def end_epoch(self, epochs: int, score: float | None) -> None:
        pass

    def state_dict(self) -> dict[str, Any]:
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        pass


class Plateau:
    """torch's ReduceLROnPlateau on the validation macro F1, with its full state in checkpoints.

    timm's version saves only the best score, not how long it has waited.
    """

    def __init__(
        self, timeline: Timeline, patience: int, rate: float, threshold: float, cooldown: int
    ) -> None:
        self.timeline, self.patience, self.rate = timeline, patience, rate
        self.threshold, self.cooldown = threshold, cooldown
        self.base = [group["lr"] for group in timeline.optimizer.param_groups]
        self.best: float | None = None
        self.worse = self.resting = self.falls = 0
        self.step_update(0)

    def step_update(self, updates: int) -> None:
        timeline = self.timeline
        is_warmup = updates < timeline.warmup
        for group, base in zip(timeline.optimizer.param_groups, self.base, strict=True):
            decayed = max(base * self.rate**self.falls, timeline.min_lr)
            rate = base * updates / timeline.warmup if is_warmup else decayed
            group["lr"] = rate * group.get("lr_scale", 1.0)

    def end_epoch(self, epochs: int, score: float | None) -> None:
        if score is None or epochs <= self.timeline.warmup_epochs:
            return
        if self.best is None or score > self.best * (1 + self.threshold):
            self.best, self.worse = score, 0
        else:
            self.worse += 1
        if self.resting:
            self.resting, self.worse = self.resting - 1, 0
        if self.worse > self.patience:
            self.falls, self.worse, self.resting = self.falls + 1, 0, self.cooldown

    def state_dict(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("best", "worse", "resting", "falls")}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        vars(self).update(state)


def _cycle_arguments(timeline: Timeline, limit: int, mul: float, decay: float) -> dict[str, Any]:
    """The arguments of timm's schedules with restarts; all cycles together fill the epochs."""
    if limit < 1 or mul <= 0:
        raise ValueError("cycle_limit must be at least 1 and cycle_mul more than 0")
    if limit > _MAX_CYCLES:
        raise ValueError(f"cycle_limit must be at most {_MAX_CYCLES}")
    share = sum(mul**number for number in range(limit))
    return timeline.timm | {
        "t_initial": timeline.updates / share,
        "lr_min": timeline.min_lr,
        "cycle_mul": mul,
        "cycle_decay": decay,
        "cycle_limit": limit,
        "warmup_prefix": True,
    }


def _cosine(
    timeline: Timeline,
    cycle_limit: int = 1,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    k_decay: float = 1.0,
) -> Schedule:
    """Half a cosine down to `min_lr`; `cycle_limit` of them with restarts fill the epochs.

    Each is `cycle_mul` times as long and `cycle_decay` times as high as the one before (Loshchilov
    and Hutter 2017); `k_decay` above 1 keeps the rate high for longer (Zhang and Li 2020).
    """
    options = _cycle_arguments(timeline, cycle_limit, cycle_mul, cycle_decay)
    schedule = timm_schedules.CosineLRScheduler(timeline.optimizer, k_decay=k_decay, **options)
    return UpdateSchedule(timeline, schedule)


def _tanh(
    timeline: Timeline,
    lb: float = -7.0,
    ub: float = 3.0,
    cycle_limit: int = 1,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
) -> Schedule:
    """A hyperbolic tangent from `lb` to `ub`, down to `min_lr`; cycles as those of `cosine`.

    Hsueh et al. 2019.
    """
    options = _cycle_arguments(timeline, cycle_limit, cycle_mul, cycle_decay)
    schedule = timm_schedules.TanhLRScheduler(timeline.optimizer, lb=lb, ub=ub, **options)
    return UpdateSchedule(timeline, schedule)


def _poly(
    timeline: Timeline,
    power: float = 0.5,
    cycle_limit: int = 1,
    cycle_mul: float = 1.0,
    cycle_decay: float = 1.0,
    k_decay: float = 1.0,
) -> Schedule:
    """What is left of the epochs to the `power` (1: a line), down to `min_lr`; else as `cosine`."""
    options = _cycle_arguments(timeline, cycle_limit, cycle_mul, cycle_decay)
    schedule = timm_schedules.PolyLRScheduler(
        timeline.optimizer, power=power, k_decay=k_decay, **options
    )
    return UpdateSchedule(timeline, schedule)


def _step_decay(timeline: Timeline, updates: float, rate: float) -> Schedule:
    schedule = timm_schedules.StepLRScheduler(
        timeline.optimizer, decay_t=updates, decay_rate=rate, warmup_prefix=True, **timeline.timm
    )
    return UpdateSchedule(timeline, schedule)


def _step(timeline: Timeline, decay_epochs: float, decay_rate: float = 0.1) -> Schedule:
    """Times `decay_rate` after every `decay_epochs` that follow the warm-up (torch's StepLR)."""
    if decay_epochs <= 0:
        raise ValueError("decay_epochs must be more than 0")
    return _step_decay(timeline, decay_epochs * timeline.updates_per_epoch, decay_rate)


def _multistep(
    timeline: Timeline, decay_milestones: Sequence[float], decay_rate: float = 0.1
) -> Schedule:
    """Times `decay_rate` after each number of epochs in `decay_milestones` (torch's MultiStepLR).

    They are counted from the end of the warm-up.
    """
    # timm's milestones come one update early.
    milestones = sorted(each * timeline.updates_per_epoch + 1 for each in decay_milestones)
    schedule = timm_schedules.MultiStepLRScheduler(
        timeline.optimizer,
        decay_t=milestones,
        decay_rate=decay_rate,
        warmup_prefix=True,
        **timeline.timm,
    )
    return UpdateSchedule(timeline, schedule)


def _exponential(timeline: Timeline, decay_rate: float = 0.9) -> Schedule:
    """Times `decay_rate` an epoch, a little of it at every update (torch's ExponentialLR)."""
    if decay_rate <= 0:
        raise ValueError("decay_rate must be more than 0")
    return _step_decay(timeline, 1, decay_rate ** (1 / timeline.updates_per_epoch))


def _plateau(
    timeline: Timeline,
    patience_epochs: int = 3,
    decay_rate: float = 0.1,
    threshold: float = 1e-4,
    cooldown_epochs: int = 0,
) -> Schedule:
    """Times `decay_rate` after more than `patience_epochs` without a better validation macro F1.

    Better is by the share `threshold`; after a fall `cooldown_epochs` are not counted. All is as
    of torch's ReduceLROnPlateau.
    """
    for name, value in (("patience", patience_epochs), ("cooldown", cooldown_epochs)):
        if not isinstance(value, int) or value < 0:
            raise ValueError(f"{name}_epochs is {value}, not a whole number of 0 or more")
    return Plateau(
        timeline=timeline,
        patience=patience_epochs,
        rate=decay_rate,
        threshold=threshold,
        cooldown=cooldown_epochs,
    )


def _stable_then_decay(
    timeline: Timeline, decay_epochs: float, decay_fn: str, **options: Any
) -> Schedule:
    """timm's warm-up, stable phase and final decay, with the decay limited to all epochs."""
    if decay_epochs <= 0:
        raise ValueError("decay_epochs must be more than 0")
    share = decay_epochs / timeline.epochs if decay_epochs >= 1 else decay_epochs
    schedule = WSDLRScheduler(
        timeline.optimizer,
        t_initial=timeline.updates,
        decay_t=min(1.0, share) * timeline.updates,
        lr_min=timeline.min_lr,
        decay_fn=decay_fn,
        **options,
        **timeline.timm,
    )
    return UpdateSchedule(timeline, schedule)


def _wsd(timeline: Timeline, decay_epochs: float = 0.2, decay_fn: str = "1-sqrt") -> Schedule:
    """The full rate, then down to `min_lr` in the last `decay_epochs`, below 1 a share of them all.

    `decay_fn` is `1-sqrt`, `linear`, `cosine` or `exp` (Hägele et al. 2024).
    """
    return _stable_then_decay(timeline, decay_epochs, decay_fn)


def _rsqrt(
    timeline: Timeline,
    decay_epochs: float = 0.2,
    decay_fn: str = "linear",
    stable_timescale: float | None = None,
) -> Schedule:
    """Falls as 1/√(1 + epochs/`stable_timescale`), then to `min_lr` as `wsd` does.

    The time is that of the warm-up where it is not given, or an epoch (Zhai et al. 2022).
    """
    epochs = stable_timescale or timeline.warmup_epochs or 1.0
    timescale = epochs * timeline.updates_per_epoch
    return _stable_then_decay(
        timeline, decay_epochs, decay_fn, stable_fn="rsqrt", stable_timescale=timescale
    )


def _constant(timeline: Timeline) -> Schedule:
    """The same learning rate after the warm-up."""
    return _step_decay(timeline, 1, 1.0)


SCHEDULES: Final[dict[str, Callable[..., Schedule]]] = {
    "cosine": _cosine,
    "step": _step,
    "multistep": _multistep,
    "exponential": _exponential,
    "plateau": _plateau,
    "poly": _poly,
    "tanh": _tanh,
    "wsd": _wsd,
    "rsqrt": _rsqrt,
    "constant": _constant,
    "none": _constant,
}


def create(
    recipe: ScheduleRecipe, optimizer: Optimizer, epochs: int, updates_per_epoch: int
) -> Schedule:
    """The schedule of a recipe. Raises MaskgateError for an unknown name or argument."""
    make = lookup("schedule", recipe.name, SCHEDULES)
    parameters = dict(list(inspect.signature(make).parameters.items())[1:])
    unknown = [name for name in recipe.arguments if name not in parameters]
    if unknown:
        takes = f"it takes {listed(list(parameters))}" if parameters else "it takes none"
        raise MaskgateError(f"schedule {recipe.name}: no argument {listed(unknown)}; {takes}")
    for name, parameter in parameters.items():
        if parameter.default is parameter.empty and name not in recipe.arguments:
            raise MaskgateError(
                f"schedule {recipe.name}: {name} must be given; write schedule.arguments.{name}=…"
            )
    timeline = Timeline(
        optimizer=optimizer,
        epochs=epochs - recipe.warmup_epochs,
        warmup_epochs=recipe.warmup_epochs,
        updates_per_epoch=updates_per_epoch,
        min_lr=recipe.min_lr,
    )
    try:
        arguments.check(make, recipe.arguments)
        return make(timeline, **recipe.arguments)
    except WRONG_ARGUMENTS as error:
        reason = str(error) or "an argument is out of range"
        raise MaskgateError(f"schedule {recipe.name}: {reason}; see docs/recipe.md") from error


def check(schedule: Schedule, recipe: ScheduleRecipe, optimizer: Optimizer, epochs: int) -> None:
    """Step through some epochs of one update each: some arguments are checked only then.

    Raises MaskgateError, also if a learning rate is negative or not finite.
    """
    step = max(1, epochs // _CHECKED_EPOCHS)
    try:
        for epoch in range(0, epochs, step):
            schedule.step_update(epoch)
            schedule.end_epoch(epoch + 1, 0.0)
            for rate in (group["lr"] for group in optimizer.param_groups):
                if not (isinstance(rate, int | float) and 0 <= rate < math.inf):
                    raise ValueError(f"in epoch {epoch + 1} the learning rate is {rate}")
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"schedule {recipe.name}: {error}; see docs/recipe.md") from error
