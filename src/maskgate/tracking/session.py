"""Tracks one training, and never stops it: faults of trackers become warnings."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final

from maskgate.config.trackers import TrackerSettings
from maskgate.core.progress import log, say
from maskgate.errors import MaskgateError
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder, tables
from maskgate.tracking import names, outcome
from maskgate.tracking.background import Background
from maskgate.tracking.mlflow import MLflowTracker
from maskgate.tracking.protocol import EpochMetrics, Outcome, Tracker
from maskgate.tracking.tensorboard import TensorBoardTracker
from maskgate.tracking.wandb import WandbTracker

TRACKERS: Final[Mapping[str, Callable[[TrackerSettings], Tracker]]] = {
    "tensorboard": TensorBoardTracker,
    "mlflow": MLflowTracker,
    "wandb": WandbTracker,
}
FINISH_SECONDS: Final = 60.0  # at most, for the outcome of a training
_GIVE_UP_SECONDS: Final = 5.0  # at most, after an error or Ctrl-C


class Tracking:
    """A context in which the training of a run is tracked by `trackers`, if any.

    Start it after the run's description is written; only the main process may.
    """

    def __init__(self, run: RunFolder, trackers: Sequence[TrackerSettings]) -> None:
        self._run = run
        self._settings: list[TrackerSettings] = []
        self._logged: set[tuple[int, int]] = set()  # fold and epoch
        self._warned: set[int] = set()  # trackers, by their place in the list
        self._is_closed = False
        self._background: list[Background] = []
        for each in trackers:
            if reason := each.switched_off:
                say(f"{run.path}: not tracked by {each.place}: {reason}")
            else:
                self._settings.append(each)
        if self._settings:
            tracked = outcome.tracked_run(run)
            makers = [TRACKERS[each.name](each) for each in self._settings]
            self._background = [Background(each, tracked) for each in makers]
            places = " and ".join(each.place for each in self._settings)
            say(f"{run.path}: tracked as {tracked.name} ({tracked.id}) by {places}")
            for each in self._settings:
                if each.photos:
                    say(f"warning: {each.place} gets the report with its photos of people")

    def log_epoch(self, row: Mapping[str, Any]) -> None:
        """Send a row of the history, once. Returns at once."""
        place = int(row["fold"]), int(row["epoch"])
        if place not in self._logged:
            self._logged.add(place)
            metrics = EpochMetrics(*place, names.of_epoch({**row, "fold": place[0]}))
            for each in self._background:
                each.add(lambda tracker: tracker.log_epoch(metrics))
        self._warn()

    def log_epochs(self, rows: Iterable[Mapping[str, Any]]) -> None:
        """As `log_epoch` for several; trackers that have an epoch already, from a training that was
        killed, do not get it twice."""
        for row in rows if self._background else ():
            self.log_epoch(row)

    def log_fold(self, number: int) -> None:
        """As `log_epochs`, for the history of a fold that is trained."""
        if self._background:
            history = tables.fold_history(self._run, number)
            self.log_epochs(history.to_dict("records"))  # type: ignore[arg-type]

    def conclude(self) -> bool:
        """Send the outcome of the run, whose scores and report are written, and wait for trackers.

        The run and its report warn of each that is not complete, until it is. Returns whether all
        are.
        """
        try:
            faults = self._conclude()
        except (MaskgateError, OSError) as error:  # such as a full disk
            faults = dict.fromkeys((each.place for each in self._settings), str(error))
            self._is_closed = False
        warnings = {
            place: f"tracking with {place} is incomplete: {fault}; the run itself is complete, and"
            " the same command sends what is missing"
            if fault
            else ""
            for place, fault in faults.items()
        }
        for warning in filter(None, warnings.values()):
            say(f"warning: {warning}")
        try:
            if self._run.files.note_trackers(warnings):
                run_report.write_again(self._run)
        except (MaskgateError, OSError) as error:
            say(f"warning: the run does not say how complete its tracking is: {error}")
        return not any(faults.values())

    def _conclude(self) -> dict[str, str]:
        """By each tracker's place, what it lacks; empty if it has everything."""
        faults: dict[str, str] = {}
        self._is_closed = True
        with ExitStack() as folders:
            for photos in (False, True):
                folder = folders.enter_context(
                    TemporaryDirectory(prefix="maskgate-", ignore_cleanup_errors=True)
                )
                chosen = [
                    background
                    for background, settings in zip(self._background, self._settings, strict=True)
                    if settings.photos == photos
                ]
                if chosen:
                    self._send(chosen, Path(folder), photos)
            until = time.monotonic() + FINISH_SECONDS
            for background, settings in zip(self._background, self._settings, strict=True):
                background.close(finished=True, seconds=max(0.0, until - time.monotonic()))
                faults[settings.place] = faults.get(settings.place) or background.incomplete
        return faults

    def _send(self, chosen: list[Background], folder: Path, photos: bool) -> None:
        result: Outcome = outcome.read(self._run, folder, photos)
        for each in chosen:
            each.add(lambda tracker: tracker.log_outcome(result))

    def _warn(self) -> None:
        """Say once of each tracker that it is down; here, where no bar of progress is open."""
        for number, each in enumerate(self._background):
            if each.fault and number not in self._warned:
                self._warned.add(number)
                log(
                    f"warning: tracking with {self._settings[number].place}: {each.fault}; training"
                    " goes on, and what is missing is sent when it answers"
                )

    def __enter__(self) -> "Tracking":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for each in () if self._is_closed else self._background:
            each.close(finished=False, seconds=_GIVE_UP_SECONDS)


def send(run: RunFolder, trackers: Sequence[TrackerSettings]) -> bool:
    """Send a finished run to trackers, as far as they do not have it.

    Returns False if a tracker has not taken all, so that it is not waited for with every other run.
    A fault of the run becomes a warning.
    """
    if not trackers:
        return True
    try:
        with Tracking(run, trackers) as tracking:
            if not run.is_system:
                history = tables.history(run)
                tracking.log_epochs(history.to_dict("records"))  # type: ignore[arg-type]
            return tracking.conclude()
    except MaskgateError as error:
        say(f"warning: {run.path} is not sent to trackers: {error}")
        return True
