"""Shows the progress of a run: a bar of the epoch's updates, then a line with its scores.

Both say how much of the run, over all its folds, is done, and about how much time is left.
"""

import time
from collections.abc import Callable, Sequence

from maskgate.core import units
from maskgate.core.progress import Bar, log
from maskgate.training import validation
from maskgate.training.callbacks import Callbacks, Epoch, Row


class RunProgress:
    """The progress of a run over the `folds` that this process trains one after the other.

    The time left is estimated from the part of the run that this process has done, as if the other
    epochs took as long; early stopping shortens it. `clock` gives seconds.
    """

    def __init__(self, folds: Sequence[int], clock: Callable[[], float] = time.monotonic) -> None:
        self._folds, self._clock = list(folds), clock
        self._bar: Bar | None = None
        self._epoch = Epoch(0, "", 1, 0)
        self._done = 0  # updates of the epoch
        self._begin: tuple[float, float] | None = None  # time, and share done, of the first update

    def callbacks(self) -> Callbacks:
        """Callbacks that show the training of one of the folds."""
        return Callbacks(
            on_epoch_start=self._start,
            on_update_end=self._advance,
            on_epoch_end=self._end,
            on_fit_end=self._close,
        )

    def remaining(self) -> str:
        """How much is done, and about how long the rest takes: `40% of 5 folds, 12 min left`."""
        share = self._share()
        what = "the run" if len(self._folds) == 1 else f"{len(self._folds)} folds"
        text = f"{share:.0%} of {what}"
        assert self._begin is not None
        began, before = self._begin
        if not before < share < 1:
            return text
        left = (self._clock() - began) * (1 - share) / (share - before)
        return f"{text}, about {units.duration(left)} left"

    def _share(self) -> float:
        """The share of the run that is done."""
        epoch = self._epoch
        place = self._folds.index(epoch.fold) if epoch.fold in self._folds else 0
        epochs = (epoch.number + self._done / max(1, epoch.updates)) / max(1, epoch.epochs)
        return (place + min(1.0, epochs)) / max(1, len(self._folds))

    def _start(self, epoch: Epoch) -> None:
        self._epoch, self._done = epoch, epoch.done
        if self._begin is None:
            self._begin = self._clock(), self._share()
        what = f"fold {epoch.fold}, {epoch.name}"
        self._bar = Bar(what, epoch.updates, epoch.done, remaining=self.remaining)

    def _advance(self, _: int) -> None:
        self._done += 1
        if self._bar is not None:
            self._bar.advance()

    def _end(self, row: Row) -> None:
        self._close()
        self._done = self._epoch.updates
        log(f"{validation.history_line(row)}; {self.remaining()}")

    def _close(self) -> None:
        if self._bar is not None:
            self._bar.close()
