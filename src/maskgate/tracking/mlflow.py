"""MLflow: runs of an experiment on a tracking server."""

import csv
import hashlib
import io
import json
import os
import re
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, Final, TypeVar

from PIL import Image

from maskgate.config import yaml12
from maskgate.config.trackers import TrackerSettings
from maskgate.tracking.protocol import EpochMetrics, Outcome, Table, TrackedRun

if TYPE_CHECKING:
    from mlflow import MlflowClient

Item = TypeVar("Item")

# Settings of the client, unless the user has set them: by default it waits for minutes.
_PATIENCE: Final = {"MLFLOW_HTTP_REQUEST_TIMEOUT": "10", "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0"}
_QUIET: Final = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
_ID: Final = "maskgate.id"  # the tag by which a run is found again
_TABLES: Final = "mlflow.loggedArtifacts"  # the tag that lists artefacts to show as tables
_SENT: Final = "maskgate.artifacts"  # the tag with their checksums: SHA-256 by path
_MISTAKES: Final = "mistakes.json"
_AT_ONCE: Final = 100  # parameters or metrics in a request
_LONGEST_VALUE: Final = 6000  # characters of a parameter
_KEY: Final = re.compile(r"[A-Za-z0-9_-]+")  # that may be part of a parameter's name
_EPOCHS: Final = re.compile(r"fold_(\d+)/train_loss")  # the metric that every epoch has


class MLflowTracker:
    """Keeps a run's settings as parameters, its metrics by name and epoch, and its files, confusion
    matrices and mistakes as artefacts.

    A run has the tag `maskgate.id`, by which a resumed training finds it.
    """

    def __init__(self, settings: TrackerSettings) -> None:
        self._settings = settings
        self._run = ""  # MLflow's own id
        self._epochs: set[tuple[int, int]] = set()  # folds and epochs that the server has
        self._scores: set[str] = set()  # names of the scores that it has
        self._opened: MlflowClient | None = None

    @property
    def _client(self) -> "MlflowClient":
        assert self._opened is not None
        return self._opened

    def start(self, run: TrackedRun) -> None:
        """Find the run on the server, and what it has, or create it."""
        for name, value in (_PATIENCE | _QUIET).items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        self._opened = MlflowClient(tracking_uri=self._settings.server)
        experiment = self._experiment()
        existing = self._client.search_runs([experiment], f"tags.`{_ID}` = '{run.id}'")
        if existing:
            self._run = existing[0].info.run_id
            self._client.update_run(self._run, status="RUNNING")
            names = existing[0].data.metrics
            self._scores = {name for name in names if not name.startswith("fold_")}
            self._epochs = {each for name in names for each in self._epochs_of(name)}
        else:
            tags = {f"maskgate.{name}": value for name, value in run.tags.items()} | {_ID: run.id}
            created = self._client.create_run(experiment, tags=tags, run_name=run.name)
            self._run, self._scores, self._epochs = created.info.run_id, set(), set()
        self._log_settings(run.settings)

    def log_epoch(self, metrics: EpochMetrics) -> None:
        """Send the metrics in one request, which the server keeps as a whole, unless it has the
        epoch."""
        place = (metrics.fold, metrics.epoch)
        if place not in self._epochs:
            self._log_metrics(metrics.values, metrics.epoch)
            self._epochs.add(place)

    def log_outcome(self, outcome: Outcome) -> None:
        """Send scores, and artefacts that the server does not have with this content."""
        new = {key: value for key, value in outcome.scores.items() if key not in self._scores}
        for some in _parts(list(new.items())):
            self._log_metrics(dict(some), 0)
        self._scores.update(new)
        artifacts = _artifacts(outcome)
        self._log_artifacts(artifacts)
        listed = [{"path": _MISTAKES, "type": "table"}] if _MISTAKES in artifacts else []
        self._client.set_tag(self._run, _TABLES, json.dumps(listed))

    def close(self, finished: bool) -> None:
        """Say that the run has ended."""
        self._client.set_terminated(self._run, "FINISHED" if finished else "FAILED")

    def _experiment(self) -> str:
        """The id of the experiment, created if it does not exist."""
        name = self._settings.experiment
        experiment = self._client.get_experiment_by_name(name)
        return (
            self._client.create_experiment(name) if experiment is None else experiment.experiment_id
        )

    def _epochs_of(self, name: str) -> Iterator[tuple[int, int]]:
        """Fold and epoch of each point of a metric, if it is the one that every epoch has."""
        if match := _EPOCHS.fullmatch(name):
            for point in self._client.get_metric_history(self._run, name):
                yield int(match[1]), point.step

    def _log_artifacts(self, artifacts: Mapping[str, bytes]) -> None:
        """Send those that are new or have changed. The server lists them without checksums, so the
        checksums of those that were sent are in a tag."""
        digests = {name: hashlib.sha256(each).hexdigest() for name, each in artifacts.items()}
        tags = self._client.get_run(self._run).data.tags
        known: dict[str, str] = json.loads(tags.get(_SENT, "{}"))
        folders = {_folder(name) for name in artifacts}
        existing = {
            each.path
            for folder in folders
            for each in self._client.list_artifacts(self._run, folder or None)
        }
        new = [
            name for name in artifacts if name not in existing or known.get(name) != digests[name]
        ]
        with TemporaryDirectory(prefix="maskgate-", ignore_cleanup_errors=True) as place:
            for name in new:
                path = Path(place) / name
                path.parent.mkdir(exist_ok=True)
                path.write_bytes(artifacts[name])
                self._client.log_artifact(self._run, str(path), _folder(name) or None)
        if new:
            self._client.set_tag(self._run, _SENT, json.dumps(known | digests))

    def _log_settings(self, settings: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        params = [Param(key, value[:_LONGEST_VALUE]) for key, value in _flat(settings)]
        for some in _parts(params):
            self._client.log_batch(self._run, params=some)

    def _log_metrics(self, values: Mapping[str, float], step: int) -> None:
        from mlflow.entities import Metric

        now = round(time.time() * 1000)
        metrics = [Metric(key, value, now, step) for key, value in values.items()]
        self._client.log_batch(self._run, metrics=metrics)


def _parts(items: list[Item]) -> Iterator[list[Item]]:
    """The items in lists that fit into a request."""
    return (items[start : start + _AT_ONCE] for start in range(0, len(items), _AT_ONCE))


def _flat(settings: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, str]]:
    """Every key of nested settings, as `key.sub`, with its value as YAML."""
    for key, value in settings.items():
        if isinstance(value, dict) and value and all(map(_KEY.fullmatch, value)):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value if isinstance(value, str) else yaml12.line(value)


def _artifacts(outcome: Outcome) -> dict[str, bytes]:
    """What is kept of an outcome as files, by their paths."""
    artifacts = {}
    for name, confusion in outcome.confusions.items():
        picture = io.BytesIO()
        Image.fromarray(confusion.picture).save(picture, "PNG")
        artifacts[f"confusion/{name}.csv"] = _csv(confusion.table).encode()
        artifacts[f"confusion/{name}.png"] = picture.getvalue()
    if (mistakes := outcome.mistakes) is not None:
        content = {"columns": mistakes.columns, "data": mistakes.rows}
        artifacts[_MISTAKES] = json.dumps(content).encode()
    return artifacts | {path.name: path.read_bytes() for path in outcome.files.values()}


def _folder(name: str) -> str:
    """The folder of an artefact; empty for the root."""
    return name.rpartition("/")[0]


def _csv(table: Table) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([table.columns, *table.rows])
    return text.getvalue()
