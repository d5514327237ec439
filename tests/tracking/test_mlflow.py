"""Real trainings against a real MLflow server on SQLite."""

import contextlib
import json
import os
import socket
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from maskgate.runs import open_run, tables

pytest.importorskip("mlflow")
pytest.importorskip("aiohttp", reason="MLflow's server is not installed")
Train = Callable[..., Path]
Kill = Callable[..., None]
START_SECONDS = 180  # at most, for the server on a busy machine


class Server:
    """An MLflow server on SQLite in a folder, on a free port that it keeps."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.port = free.getsockname()[1]
        self.uri = f"http://127.0.0.1:{self.port}"
        self.tracking = f"tracking={{name: mlflow, uri: '{self.uri}', experiment: masks}}"

    def start(self) -> None:
        command = [
            sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1",
            "--port", str(self.port), "--workers", "1",
            "--backend-store-uri", f"sqlite:///{self.folder / 'mlflow.db'}",
            "--artifacts-destination", str(self.folder / "artifacts"),
        ]  # fmt: skip
        quiet = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", "MLFLOW_DISABLE_TELEMETRY": "true"}
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                command, env=os.environ | quiet, stdout=log, stderr=log, start_new_session=True
            )
        until = time.monotonic() + START_SECONDS
        while not self._is_up():
            assert time.monotonic() < until, (self.folder / "log").read_text()
            time.sleep(0.2)

    def stop(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, 15)
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            os.killpg(self.process.pid, 9)
            self.process.wait(20)

    def runs(self, name: str) -> list[Any]:
        experiment = self.client.get_experiment_by_name("masks")
        if experiment is None:  # nothing has arrived yet
            return []
        tracked_runs = self.client.search_runs([experiment.experiment_id])
        return [run for run in tracked_runs if run.info.run_name == name]

    def curve(self, run: Any, name: str) -> list[tuple[int, Any]]:
        points = self.client.get_metric_history(run.info.run_id, name)
        return sorted((point.step, pytest.approx(point.value)) for point in points)

    def artifact(self, run: Any, name: str) -> Path:
        (path,) = self.folder.glob(f"artifacts/*/{run.info.run_id}/artifacts/{name}")
        return path

    def times(self, run: Any) -> dict[str, int]:
        """When each artefact was written, by its path."""
        (folder,) = self.folder.glob(f"artifacts/*/{run.info.run_id}/artifacts")
        files = [path for path in folder.rglob("*") if path.is_file()]
        return {path.relative_to(folder).as_posix(): path.stat().st_mtime_ns for path in files}

    @property
    def client(self) -> Any:
        from mlflow import MlflowClient

        return MlflowClient(self.uri)

    def _is_up(self) -> bool:
        with contextlib.suppress(OSError), urllib.request.urlopen(f"{self.uri}/health") as answer:
            return answer.status == 200
        return False


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("mlflow"))
    server.start()
    yield server
    server.stop()


def history(run: Path, fold: int, name: str) -> list[tuple[int, Any]]:
    rows = tables.fold_history(open_run(str(run)), fold)
    return list(zip(rows["epoch"], rows[name], strict=True))


@pytest.mark.slow
def test_a_server_has_the_whole_run(server: Server, train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "first", server.tracking)
    run, (tracked,) = open_run(str(out)), server.runs("first")
    assert tracked.info.status == "FINISHED"
    for fold in (0, 1):
        for name in ("train_loss", "valid_macro_f1"):
            assert history(out, fold, name) == server.curve(tracked, f"fold_{fold}/{name}")
    assert tracked.data.params["model.backbone"] == "test_resnet"
    assert "tracking" not in tracked.data.params
    macro_f1 = run.metrics().macro_f1
    assert macro_f1 is not None
    assert tracked.data.metrics["macro_f1_high"] == pytest.approx(macro_f1.high)
    mistakes = json.loads(server.artifact(tracked, "mistakes.json").read_text())
    assert len(mistakes["data"]) == len(run.mistakes_file.read_text("utf-8").splitlines()) - 1
    artifacts = json.loads(tracked.data.tags["mlflow.loggedArtifacts"])
    assert artifacts == [{"path": "mistakes.json", "type": "table"}]
    assert server.artifact(tracked, "recipe.yaml").read_bytes() == run.recipe_file.read_bytes()
    assert server.artifact(tracked, "confusion/class.png").stat().st_size > 1000
    local_report, sent = run.report_file.read_text("utf-8"), server.artifact(tracked, "report.html")
    assert "data:image" in local_report, "the run's own report shows photos"
    assert "data:image" not in sent.read_text("utf-8"), "no photo leaves the machine"


@pytest.mark.slow
def test_artifacts_are_sent_once(server: Server, train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "once", server.tracking)
    (tracked,) = server.runs("once")
    first = server.times(tracked)
    assert {"report.html", "mistakes.json", "recipe.yaml", "confusion/class.png"} <= set(first)
    train(out, server.tracking)
    assert server.times(tracked) == first
    server.artifact(tracked, "confusion/mask.csv").unlink()
    server.artifact(tracked, "recipe.yaml").unlink()
    open_run(str(out)).add_note("seen", "Kim")  # which the report shows
    train(out, server.tracking)
    now = server.times(tracked)
    changed = {name for name in now if now[name] != first[name]}
    assert changed == {"confusion/mask.csv", "recipe.yaml", "report.html"} and set(now) == set(
        first
    )
    assert ">seen<" in server.artifact(tracked, "report.html").read_text("utf-8")


@pytest.mark.slow
def test_photos_are_sent_if_the_recipe_says_so(
    server: Server, train: Train, tmp_path: Path
) -> None:
    out = train(tmp_path / "photos", server.tracking.replace("}", ", photos: true}"))
    (tracked,) = server.runs("photos")
    sent = server.artifact(tracked, "report.html").read_text("utf-8")
    assert sent == open_run(str(out)).report_file.read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("at", [2, 4])
def test_a_killed_training_goes_on_in_the_same_run(
    at: int, server: Server, train: Train, kill: Kill, tiny: Path, people: Path, tmp_path: Path,
    cache: Path,
) -> None:  # fmt: skip
    out = tmp_path / f"killed-{at}"
    place = "maskgate.training.trainer:Trainer._validate_epoch"
    words = ("train", tiny, people, server.tracking, "--out", out, "--cache", cache)
    kill(place, at, *words, "--checkpoint-seconds", 0)
    train(out, server.tracking, checkpoint_seconds=0)
    train(out, server.tracking)
    (tracked,) = server.runs(out.name)
    assert tracked.info.status == "FINISHED"
    for fold in (0, 1):
        assert history(out, fold, "train_loss") == server.curve(tracked, f"fold_{fold}/train_loss")
    assert len(server.curve(tracked, "macro_f1")) == 1


@pytest.mark.slow
def test_a_server_that_stops_does_not_stop_the_training(
    train: Train, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    from maskgate.training.callbacks import Callbacks

    server = Server(tmp_path)
    server.start()
    out = tmp_path / "stopped"

    def stop_after_an_epoch(row: dict[str, Any]) -> None:
        if (row["fold"], row["epoch"]) == (0, 2):
            until = time.monotonic() + 60
            while not server.runs(out.name) and time.monotonic() < until:
                time.sleep(0.2)
            server.stop()

    callbacks = (Callbacks(on_epoch_end=stop_after_an_epoch),)
    train(out, server.tracking, callbacks=callbacks)
    run = open_run(str(out))
    (warning,) = (each for each in run.status().all_warnings if "tracking" in each)
    assert f"mlflow at {server.uri} is incomplete" in warning
    assert warning in capsys.readouterr().err
    assert "is incomplete" in run.report_file.read_text("utf-8")
    server.start()
    try:
        train(out, server.tracking)  # the same command sends what is missing
        (tracked,) = server.runs(out.name)
        assert tracked.info.status == "FINISHED"
        for fold in (0, 1):
            points = server.curve(tracked, f"fold_{fold}/train_loss")
            assert history(out, fold, "train_loss") == points
        assert "is incomplete" not in server.artifact(tracked, "report.html").read_text("utf-8")
    finally:
        server.stop()
    assert run.status().untracked == {}
    assert "is incomplete" not in run.report_file.read_text("utf-8")


def refusing() -> Iterator[int]:
    """A port where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    yield port


def hanging() -> Iterator[int]:
    """A port where connections are accepted, and nothing is answered."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepted = []

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    accepted.append(listener.accept())

        threading.Thread(target=accept, daemon=True).start()
        yield listener.getsockname()[1]
        for connection, _ in accepted:
            connection.close()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("port", "reason"), [(refusing, "Connection refused"), (hanging, "timed out")]
)
def test_a_server_that_is_down_does_not_stop_the_training(
    port: Callable[[], Iterator[int]],
    reason: str,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "2")
    with contextlib.contextmanager(port)() as number:
        uri = f"http://127.0.0.1:{number}"
        out = train(tmp_path / "run", f"tracking={{name: mlflow, uri: '{uri}'}}")
    run = open_run(str(out))
    (warning,) = (each for each in run.status().all_warnings if "tracking" in each)
    assert f"tracking with mlflow at {uri} is incomplete" in warning
    assert reason in warning
    assert warning in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_succeeds_without_its_server(
    call: Callable[..., tuple[int, str, str]], tiny: Path, people: Path, tmp_path: Path
) -> None:
    with contextlib.contextmanager(refusing)() as port:
        tracking = f"tracking={{name: mlflow, uri: 'http://127.0.0.1:{port}'}}"
        code, _, err = call("train", tiny, people, tracking, "--out", tmp_path / "run")
    assert code == 0, err
    assert "is incomplete: ConnectionRefusedError" in err
