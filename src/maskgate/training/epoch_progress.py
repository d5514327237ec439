"""Shows the progress of a fold: a bar of the epoch's updates, then a line with its scores."""

from maskgate.core.progress import Bar, say
from maskgate.training import validation
from maskgate.training.callbacks import Callbacks, Epoch, Row


def callbacks() -> Callbacks:
    """Callbacks that show the training of one fold."""
    progress = _Progress()
    return Callbacks(
        on_epoch_start=progress.start,
        on_update_end=progress.advance,
        on_epoch_end=progress.end,
        on_fit_end=progress.close,
    )


class _Progress:
    def __init__(self) -> None:
        self._bar: Bar | None = None

    def start(self, epoch: Epoch) -> None:
        self._bar = Bar(f"fold {epoch.fold}, {epoch.name}", epoch.updates, epoch.done)

    def advance(self, _: int) -> None:
        if self._bar is not None:
            self._bar.advance()

    def end(self, row: Row) -> None:
        self.close()
        say(validation.history_line(row))

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()
