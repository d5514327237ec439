"""Real trainings, read back from the files that Weights & Biases writes offline."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.runs import open_run, tables

pytest.importorskip("wandb")
from maskgate.tracking import wandb_files
from maskgate.tracking.wandb import WandbTracker

Train = Callable[..., Path]
Kill = Callable[..., None]
OFFLINE = "tracking={name: wandb, mode: offline, project: masks}"


@pytest.fixture(autouse=True)
def no_network(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A server that nothing can reach: offline nothing may try. A process of its own starts the
    package's service, and does not use this one's. The user's own settings have no effect."""
    monkeypatch.setenv("WANDB_BASE_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("WANDB_SERVICE", "WANDB_MODE", "WANDB_DISABLED"):
        monkeypatch.delenv(name, raising=False)


def files(run: Path) -> list[Path]:
    return sorted((run / "wandb").glob("offline-run-*/run-*.wandb"))


def records(run: Path, kind: str) -> list[Any]:
    return [
        getattr(record, kind)
        for path in files(run)
        for record in wandb_files.records(path)
        if record.WhichOneof("record_type") == kind
    ]


def reports(run: Path) -> list[Any]:
    return [each for each in records(run, "artifact") if each.type == "report"]


def values(items: Any) -> dict[str, Any]:
    """Items with a key, or a nested key, and a value in JSON."""
    return {each.key or "/".join(each.nested_key): json.loads(each.value_json) for each in items}


def curve(run: Path, name: str) -> list[tuple[int, Any]]:
    rows = [values(record.item) for record in records(run, "history")]
    return [(row[f"{name.split('/')[0]}/epoch"], row[name]) for row in rows if name in row]


def history(run: Path, fold: int, name: str) -> list[tuple[int, Any]]:
    rows = tables.fold_history(open_run(str(run)), fold)
    return [
        (epoch, pytest.approx(value))
        for epoch, value in zip(rows["epoch"], rows[name], strict=True)
    ]


@pytest.mark.slow
def test_a_training_is_kept_offline(train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "run", OFFLINE)
    run = open_run(str(out))
    assert len(files(out)) == 1
    for fold in (0, 1):
        assert curve(out, f"fold_{fold}/train_loss") == history(out, fold, "train_loss")
    steps = [record.step.num for record in records(out, "history")]
    assert steps == [1, 2, 3, 4, 5]
    (started,) = records(out, "run")
    assert (started.project, started.display_name) == ("masks", "run")
    assert started.host == "maskgate"  # and not the machine's name
    assert values(started.config.update)["model"]["backbone"] == "test_resnet"
    summary: dict[str, Any] = {}
    for record in records(out, "summary"):
        summary |= values(record.update)
    macro_f1 = run.metrics().macro_f1
    assert macro_f1 is not None
    assert summary["macro_f1_low"] == pytest.approx(macro_f1.low)
    last = values(records(out, "history")[-1].item)
    assert last["mistakes/_type"] == "table-file"
    assert last["confusion/class_picture/_type"] == "image-file"
    (table,) = (out / "wandb").glob("offline-run-*/files/media/table/mistakes_*.json")
    content = json.loads(table.read_text())
    assert content["columns"][3:5] == ["true_mask", "mask"]
    assert len(content["data"]) == len(run.mistakes_file.read_text("utf-8").splitlines()) - 1
    (artifact,) = reports(out)
    names = {each.path for each in artifact.manifest.contents}
    assert names == {"mistakes.csv", "recipe.yaml", "report.html"}
    assert "track" not in str(run.status().all_warnings)


@pytest.mark.slow
def test_the_old_name_of_offline_keeps_it_on_the_machine(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", "dryrun")
    out = train(tmp_path / "run", "tracking=wandb")
    assert len(files(out)) == 1
    assert "track" not in str(open_run(str(out)).status().all_warnings)


@pytest.mark.slow
@pytest.mark.parametrize("tracking", ["wandb", "{name: wandb, mode: online}"])
def test_nothing_is_sent_or_written_where_the_user_has_switched_it_off(
    tracking: str,
    train: Train,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("WANDB_MODE", "disabled")
    monkeypatch.setattr(WandbTracker, "start", lambda *_: pytest.fail("it is off"))
    out = train(tmp_path / "run", f"tracking={tracking}")
    lines = [line for line in capsys.readouterr().err.splitlines() if "track" in line]
    assert lines == [
        f"{out}: not tracked by wandb at 127.0.0.1, project maskgate: WANDB_MODE is disabled"
    ]
    assert not (out / "wandb").exists()
    assert "track" not in str(open_run(str(out)).status().all_warnings)


def test_an_unknown_mode_is_an_error_before_the_training(
    call: Callable[..., tuple[int, str, str]],
    tiny: Path,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "shared")
    code, _, err = call("train", tiny, people, "tracking=wandb", "--out", tmp_path / "run")
    assert code == 2
    assert len(err.splitlines()) == 1
    assert "WANDB_MODE is 'shared'; set it to online, offline or disabled" in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_an_artifact_is_kept_once_unless_it_changes(train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "run", OFFLINE)
    train(out, OFFLINE)
    assert len(files(out)) == 2 and len(reports(out)) == 1
    open_run(str(out)).add_note("seen", "Kim")  # which the report shows
    train(out, OFFLINE)
    assert len(files(out)) == 3 and len(reports(out)) == 2


@pytest.mark.slow
def test_a_killed_training_goes_on_in_the_same_run(
    train: Train, kill: Kill, tiny: Path, people: Path, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "run"
    place = "maskgate.training.trainer:Trainer._validate_epoch"
    words = ("train", tiny, people, OFFLINE, "--out", out, "--cache", cache)
    kill(place, 4, *words, "--checkpoint-seconds", 0)
    train(out, OFFLINE, checkpoint_seconds=0)
    assert len({path.name for path in files(out)}) == 1
    for fold in (0, 1):
        assert curve(out, f"fold_{fold}/train_loss") == history(out, fold, "train_loss")
    steps = [record.step.num for record in records(out, "history")]
    assert sorted(steps) == [1, 2, 3, 4, 5]


@pytest.mark.slow
def test_a_file_that_is_cut_off_is_read_to_there(train: Train, tmp_path: Path) -> None:
    out = train(tmp_path / "run", OFFLINE)
    (path,) = files(out)
    content, record_count = path.read_bytes(), len(list(wandb_files.records(path)))
    for end in (0, 5, 7, 20, len(content) // 2, len(content) - 1):
        path.write_bytes(content[:end])
        assert len(list(wandb_files.records(path))) < record_count
