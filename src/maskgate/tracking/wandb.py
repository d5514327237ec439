"""Weights & Biases: runs of a project, on its server or, offline, in the run's folder."""

import os
from typing import TYPE_CHECKING, Any, Final

from maskgate.config import wandb_mode
from maskgate.config.trackers import TrackerSettings
from maskgate.config.wandb_mode import Mode
from maskgate.tracking import wandb_files
from maskgate.tracking.protocol import EpochMetrics, Outcome, Table, TrackedRun

if TYPE_CHECKING:
    import wandb

_ENVIRONMENT: Final = {"WANDB_ERROR_REPORTING": "false", "WANDB_SILENT": "true"}
# Nothing is sent but what a tracker is given: no code, console, host or system metrics.
_QUIET: Final[dict[str, Any]] = {
    "console": "off",
    "disable_code": True,
    "disable_git": True,
    "host": "maskgate",  # otherwise the machine's name
    "x_disable_meta": True,
    "x_disable_stats": True,
    "silent": True,
}
# By default it waits for a day, also when the process ends.
_PATIENCE: Final[dict[str, Any]] = {
    "init_timeout": 20,
    "finish_timeout": 50,
    "finish_timeout_raises": True,
    "x_graphql_timeout_seconds": 10,
    "x_graphql_retry_max": 1,
    "x_file_stream_timeout_seconds": 10,
    "x_file_stream_retry_max": 2,
    "x_file_transfer_timeout_seconds": 30,
    "x_file_transfer_retry_max": 2,
}
_LONGEST_TABLE: Final = 10_000  # rows; more are not shown


class WandbTracker:
    """Keeps settings as the run's configuration, metrics by name, scores in its summary, confusion
    matrices as tables and pictures, mistakes as a table, and the files as an artefact.

    Its own run has the id of the tracked run. `fold_0/epoch` is the x-axis of `fold_0/…`; a step is
    an epoch over all folds.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._opened: wandb.Run | None = None
        self._id, self._epochs, self._last_step = "", 0, 1
        self._fault: Exception | None = None  # of its start
        self._steps: set[int] = set()  # that it has
        self._artifacts: set[str] = set()  # digests of those that are in its files
        self._folds: set[int] = set()  # whose x-axis is set

    def start(self, run: TrackedRun) -> None:
        """Create the run, or resume it."""
        for name, value in _ENVIRONMENT.items():
            os.environ.setdefault(name, value)
        if self._fault is not None:  # in this process the package does not create that run again
            raise self._fault
        if self._opened is not None:
            self._opened.finish(exit_code=1)
            self._opened = None
        self._id, self._epochs, self._folds = run.id, run.epochs, set()
        self._last_step = run.folds * run.epochs + 1
        mode = wandb_mode.mode(self._settings.mode)
        is_offline = mode == "offline"
        self._steps, self._artifacts = set(), set()
        if is_offline:
            self._steps = wandb_files.steps(run.folder, run.id)
            self._artifacts = wandb_files.artifacts(run.folder, run.id)
        try:
            self._opened = self._init(run, mode)
        except Exception as error:
            self._fault = error
            raise
        if not is_offline:
            self._steps = set(range(self._run.step))

    def log_epoch(self, metrics: EpochMetrics) -> None:
        """Add a row to the run's history, unless it has the step."""
        fold = f"fold_{metrics.fold}"
        if metrics.fold not in self._folds:
            self._run.define_metric(f"{fold}/*", step_metric=f"{fold}/epoch")
            self._folds.add(metrics.fold)
        row = {**metrics.values, f"{fold}/epoch": metrics.epoch}
        self._log(row, metrics.fold * self._epochs + metrics.epoch)

    def log_outcome(self, outcome: Outcome) -> None:
        """Set the summary, and add a row with tables and pictures, unless the run has it."""
        import wandb

        self._run.summary.update(dict(outcome.scores))
        row: dict[str, Any] = {}
        for name, confusion in outcome.confusions.items():
            row[f"confusion/{name}"] = _table(confusion.table)
            row[f"confusion/{name}_picture"] = wandb.Image(confusion.picture)
        if outcome.mistakes is not None:
            row["mistakes"] = _table(outcome.mistakes)
        self._log(row, self._last_step)
        artifact = wandb.Artifact(f"report-{self._id}", type="report")
        for name, path in outcome.files.items():
            artifact.add_file(str(path), name)
        if artifact.digest not in self._artifacts:  # a server sees that itself
            self._run.log_artifact(artifact)
            self._artifacts.add(artifact.digest)

    def close(self, finished: bool) -> None:
        """Wait until everything is sent, or written, and end the run."""
        self._run.finish(exit_code=0 if finished else 1)
        self._opened = None

    def _init(self, run: TrackedRun, mode: Mode) -> "wandb.Run":
        import wandb

        return wandb.init(
            id=run.id,
            name=run.name,
            project=self._settings.project,
            group=run.tags.get("system"),
            config=run.settings,
            tags=[run.tags["recipe"]] if "recipe" in run.tags else None,
            dir=str(run.folder.resolve()),
            mode=mode,
            resume="allow",
            settings=wandb.Settings(reinit="create_new", **_QUIET, **_PATIENCE),
        )

    @property
    def _run(self) -> "wandb.Run":
        assert self._opened is not None
        return self._opened

    def _log(self, row: dict[str, Any], step: int) -> None:
        if row and step not in self._steps:
            self._run.log(row, step=step, commit=True)
            self._steps.add(step)


def _table(table: Table) -> "wandb.Table":
    import wandb

    return wandb.Table(columns=[*table.columns], data=[*table.rows[:_LONGEST_TABLE]])
