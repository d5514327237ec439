"""TensorBoard: event files in the run's folder, or in a folder of the user's."""

from pathlib import Path
from typing import Any, Final

from maskgate.config.trackers import TrackerSettings
from maskgate.tracking.event_file import EventFile, summaries
from maskgate.tracking.protocol import EpochMetrics, Outcome, Table, TrackedRun

_MOST_ROWS: Final = 1000  # of the photos predicted wrongly; a text has no pages
_NO_LIMIT: Final = {"scalars": 0, "images": 1, "tensors": 1}  # of points that are read back


class TensorBoardTracker:
    """Writes event files that `tensorboard --logdir` shows.

    Scalars have the metrics' names, with the epoch as step; texts are `recipe` and `mistakes`,
    pictures `confusion/NAME`. It keeps no files, so that the report stays in the run's folder.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._folder = Path()
        self._file: EventFile | None = None  # of this training, once there is something to write
        self._known: set[tuple[str, int]] = set()  # names and steps

    def start(self, run: TrackedRun) -> None:
        """Read what is in the event files of a training that was killed, or that failed."""
        self._folder = run.folder / "tensorboard"
        if self._settings.folder is not None:
            self._folder = Path(self._settings.folder) / f"{run.name}-{run.id[:8]}"
        self._close()
        self._known = _points(self._folder)
        self._text("recipe", f"    {run.text}".replace("\n", "\n    "))

    def log_epoch(self, metrics: EpochMetrics) -> None:
        """Write the points that the files lack."""
        for name, value in metrics.values.items():
            self._scalar(name, value, metrics.epoch)

    def log_outcome(self, outcome: Outcome) -> None:
        """Write scores, confusion matrices and the table of mistakes that the files lack."""
        for name, value in outcome.scores.items():
            self._scalar(name, value, 0)
        for name, confusion in outcome.confusions.items():
            tag = f"confusion/{name}"
            if self._is_new(tag, 0):
                self._add(summaries().image(tag, confusion.picture, dataformats="HWC"), 0)
        if outcome.mistakes is not None:
            self._text("mistakes", _markdown(outcome.mistakes))

    def close(self, finished: bool) -> None:
        """Close the event file."""
        self._close()

    def _close(self) -> None:
        if self._file is not None:
            self._file.close()
            self._file = None

    def _scalar(self, name: str, value: float, step: int) -> None:
        if self._is_new(name, step):
            self._add(summaries().scalar(name, value), step)

    def _text(self, name: str, text: str) -> None:
        if self._is_new(f"{name}/text_summary", 0):
            self._add(summaries().text(name, text), 0)

    def _add(self, content: Any, step: int) -> None:
        if self._file is None:
            self._file = EventFile(self._folder)
        self._file.add(content, step)

    def _is_new(self, name: str, step: int) -> bool:
        is_new = (name, step) not in self._known
        self._known.add((name, step))
        return is_new


def _points(folder: Path) -> set[tuple[str, int]]:
    """The names and steps in the event files of a folder."""
    if not any(folder.glob("events.out.*")):
        return set()
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events: Any = EventAccumulator(str(folder), size_guidance=_NO_LIMIT)
    events.Reload()
    kinds = {"scalars": events.Scalars, "images": events.Images, "tensors": events.Tensors}
    return {
        (name, point.step)
        for kind, points in kinds.items()
        for name in events.Tags()[kind]
        for point in points(name)
    }


def _markdown(table: Table) -> str:
    """A table of text in Markdown."""
    rows = [table.columns, ["---"] * len(table.columns), *table.rows[:_MOST_ROWS]]
    lines = [f"| {' | '.join(str(cell).replace('|', ' ') for cell in row)} |" for row in rows]
    if (left_out := len(table.rows) - _MOST_ROWS) > 0:
        lines += ["", f"and {left_out:,} more, in the run's mistakes.csv"]
    return "\n".join(lines)
