"""Searches of the tiny recipe: pruned, failed, interrupted, killed and gone on with."""

import errno
import json
import os
import pickle
import shutil
import subprocess
import sys
import time
import uuid
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pandas as pd
import psycopg
import pytest
from sqlalchemy import make_url

from maskgate import cluster, runs
from maskgate.cluster import Cluster
from maskgate.config import recipe
from maskgate.core.interruption import Interrupted
from maskgate.errors import DiskFullError, MaskgateError, disk_error
from maskgate.evaluation import compare
from maskgate.reports import listing
from maskgate.studies import study as studies
from maskgate.studies import trial as trials
from maskgate.studies import tune
from maskgate.studies.space import Parameter, Space
from maskgate.studies.study import Search
from maskgate.training import crossval, validation
from maskgate.training.callbacks import Callbacks
from maskgate.training.options import TrainOptions

Plan = Callable[..., Search]
LISTED = ["trial", "state", "score", "low", "high", "optimizer.lr", "training.batch_size"]


def listed(folder: Path, *columns: str) -> list[list[object]]:
    """Those columns of trials.csv, a list a trial."""
    table = pd.read_csv(folder / "trials.csv", dtype={"optimizer.lr": str}).astype(object)
    table = table.where(table.notna(), "")
    return table[list(columns or LISTED)].to_numpy().tolist()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a search of two trials; made by the first test that needs it."""
    return tmp_path_factory.mktemp("undisturbed") / "study"


@pytest.fixture
def done(undisturbed: Path, plan: Plan) -> Path:
    if not (undisturbed / "tune.html").exists():
        tune.tune(plan(undisturbed))
    return undisturbed


def test_trials_are_runs_on_the_same_folds(done: Path, plan: Plan, tiny: Path) -> None:
    folders = sorted((done / "trials").iterdir())
    assert [folder.name for folder in folders] == ["001", "002"]
    trial_runs = [runs.open_run(folder) for folder in folders]
    assert trial_runs[0].folds_file.read_text() == trial_runs[1].folds_file.read_text()
    assert len({run.recipe().optimizer.lr for run in trial_runs}) == 2
    assert compare.compare(folders).comparisons
    listing.show(done / "trials")
    rows = pd.read_csv(done / "trials.csv")
    scores = [run.metrics().score for run in trial_runs]
    assert rows["score"].tolist() == [score.value for score in scores]
    assert rows["low"].tolist() == [score.low for score in scores]


@pytest.mark.slow
def test_a_trial_whose_run_is_damaged_is_left_out(
    done: Path, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = Path(shutil.copytree(done, tmp_path / "study"))
    search = plan(folder, trials=3)
    assert tune.tune(search).compared
    path = folder / "trials" / "001" / "oof.parquet"
    path.write_bytes(path.read_bytes()[:-1])
    result = tune.tune(search)
    assert f"warning: left out, {path}: missing or damaged" in capsys.readouterr().err
    assert len(result.trials) == 3


def test_what_is_told_trains_the_best_again(
    done: Path, plan: Plan, people: Path, cache: Path, tmp_path: Path
) -> None:
    search = plan(done)
    result = tune.tune(search)  # nothing is left to do
    text = tune.closing_text(result, done)
    rows: list[Any] = listed(done)
    best = max(rows, key=lambda row: row[2])
    assert (
        f"trial {best[0]}, out-of-fold macro F1 {best[2]:.4f} [{best[3]:.4f}, {best[4]:.4f}]"
        in text
    )
    assert "optimistic" in text
    assert f"optimizer.lr={best[5]} training.batch_size={best[6]}" in text
    assert "of 1 other runs" in text
    changes = [*search.changes, *trials.overrides(dict(result.best.values))]
    path = crossval.train(
        search.load(changes), TrainOptions("tiny", people, tmp_path / "again", cache)
    ).path
    trial_folder = done / result.best.folder
    assert (path / "oof.parquet").read_bytes() == (trial_folder / "oof.parquet").read_bytes()


def test_more_trials_go_on_with_the_study(done: Path, plan: Plan, tmp_path: Path) -> None:
    shutil.copytree(done, tmp_path / "study")
    before = listed(tmp_path / "study")
    tune.tune(plan(tmp_path / "study", trials=3))
    assert listed(tmp_path / "study")[:2] == before
    assert len(listed(tmp_path / "study")) == 3
    assert (tmp_path / "study/trials/003/oof.parquet").exists()


@pytest.mark.slow
def test_finished_trials_are_sent_to_trackers(
    done: Path, plan: Plan, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("tensorboard")
    folder = Path(shutil.copytree(done, tmp_path / "study"))
    (folder / "trials" / "001" / "history.csv").unlink()
    tune.tune(plan(folder, "tracking=tensorboard"))
    assert [path.parent.name for path in folder.glob("trials/*/tensorboard")] == ["002"]
    assert f"warning: {folder / 'trials' / '001'} is not sent" in capsys.readouterr().err


def test_another_search_in_the_same_folder_is_refused(done: Path, plan: Plan) -> None:
    for changed in (
        {"space": "optimizer.lr: [0.1, 0.2]"},
        {"seed": 8},
        {"storage": "sqlite:///elsewhere.db"},
    ):
        search = plan(done, **changed)
        with pytest.raises(MaskgateError, match="give another --out"):
            tune.tune(search)
    with pytest.raises(MaskgateError, match="give another --out"):
        tune.tune(plan(done, "model.dropout=0.1"))
    with pytest.raises(MaskgateError, match="not empty, and not a study"):
        tune.tune(plan(done / "trials"))


def test_values_depend_on_seed_and_number_alone(plan: Plan, tmp_path: Path) -> None:
    """Also when they are drawn by what was found, after the first ten."""
    search = plan(tmp_path / "study", trials=30)

    def drawn(count: int) -> list[dict[str, str]]:
        study = optuna.create_study(direction="maximize")
        suggestions = []
        for number in range(count):
            study.sampler = studies.sampler(search.seed, number)
            trial = study.ask()
            suggestions.append(search.space.suggest(trial))
            study.tell(trial, -abs(float(suggestions[-1]["optimizer.lr"]) - 0.005))
        return suggestions

    assert drawn(14) == drawn(14)
    assert len({each["optimizer.lr"] for each in drawn(14)}) == 14


# ------------------------------------------------------------------ pruned, failed, repeated


def scored(monkeypatch: pytest.MonkeyPatch, scores: dict[int, list[float]]) -> None:
    """Plant the validation score of every epoch, by the trial's batch size."""
    end: Callable[..., dict[str, float]] = validation.scores

    def planted(*arguments: object, **more: object) -> dict[str, float]:
        return end(*arguments, **more) | {"valid_score": next(queue)}

    train = crossval.train
    queue = iter([0.0])

    def trained(trial_recipe: recipe.Recipe, options: TrainOptions) -> runs.RunFolder:
        nonlocal queue
        queue = iter(scores[trial_recipe.training.batch_size])
        return train(trial_recipe, options)

    monkeypatch.setattr(validation, "scores", planted)
    monkeypatch.setattr(crossval, "train", trained)


@pytest.mark.slow
def test_a_bad_trial_is_pruned_on_the_first_fold(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Three good ones, then two bad: the second on the second fold only.
    good, bad, late = [0.5, 0.6] * 2, [0.1, 0.2] * 2, [0.5, 0.6, 0.0, 0.0]
    scored(monkeypatch, {30: good, 31: good, 32: good, 33: bad, 34: late})
    out = tmp_path / "study"
    monkeypatch.setattr(Space, "suggest", _in_turn(range(30, 35)))
    search = plan(
        out, "training.epochs=2", space="training.batch_size: [30, 31, 32, 33, 34]", trials=5,
        prune_after=3,
    )  # fmt: skip
    result = tune.tune(search)
    assert [trial.state for trial in result.trials] == ["complete"] * 3 + ["pruned", "complete"]
    pruned = result.trials[3]
    assert dict(pruned.first_fold) == {1: 0.1}
    assert "0.1000 by epoch 1, below the median" in pruned.reason
    left = out / "trials/004"
    assert sorted(path.name for path in left.iterdir()) == ["history.csv", "recipe.yaml"]
    history = pd.read_csv(left / "history.csv")
    assert history[["fold", "epoch", "valid_score"]].to_numpy().tolist() == [[0, 1, 0.1]]
    capsys.readouterr()
    listing.show(out / "trials")
    printed = capsys.readouterr().out
    assert "unfinished" not in printed
    assert "004" not in printed
    assert "005" in printed
    assert pruned.reason in (out / "tune.html").read_text()


def _in_turn(sizes: range) -> Callable[..., dict[str, object]]:
    """In the place of `Space.suggest`: the batch size by the trial's number."""

    def suggest(space: object, trial: "optuna.trial.Trial") -> dict[str, object]:
        choices = optuna.distributions.CategoricalDistribution([str(size) for size in sizes])
        fixed = {"training.batch_size": str(sizes[trial.number])}
        with warnings.catch_warnings(action="ignore"):  # the sampler is experimental
            trial.study.sampler = optuna.samplers.PartialFixedSampler(fixed, trial.study.sampler)
        return {
            "training.batch_size": trial.suggest_categorical("training.batch_size", choices.choices)
        }

    return suggest


def test_where_epochs_are_searched_nothing_is_pruned(plan: Plan, tmp_path: Path) -> None:
    search = plan(tmp_path)
    assert type(studies.pruner(search)).__name__ == "MedianPruner"
    searched = Parameter("training.epochs", ("1", "2"))
    search = replace(search, space=replace(search.space, parameters=(searched,)))
    assert type(studies.pruner(search)).__name__ == "NopPruner"


@pytest.mark.slow
def test_a_single_fold_is_not_pruned_at_its_end(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored(monkeypatch, {30: [0.5], 31: [0.1]})
    monkeypatch.setattr(Space, "suggest", _in_turn(range(30, 32)))
    space = "training.batch_size: [30, 31]"
    result = tune.tune(
        plan(tmp_path / "study", "folds.kind=holdout", space=space, trials=2, prune_after=1)
    )
    assert [trial.state for trial in result.trials] == ["complete"] * 2


EXPLODES = "optimizer.lr: [1e30, 1e29]"


@pytest.mark.slow
def test_a_failed_trial_is_told_and_the_search_goes_on(plan: Plan, tmp_path: Path) -> None:
    out = tmp_path / "study"
    search = plan(out, "optimizer.name=sgd", space="optimizer.lr: [1e-3, 1e30]", trials=6)
    result = tune.tune(search)
    failed, complete = result.of("failed"), result.of("complete")
    assert failed
    assert complete
    assert all("the loss is" in trial.reason for trial in failed)
    assert f"trial {failed[0].number} failed: {failed[0].reason}" in tune.closing_text(result, out)
    assert "the loss is" in (out / "tune.html").read_text()
    # Two values make two trainings; the other trials repeat them.
    assert sum(trial.repeats is None for trial in result.trials) == 2
    assert {trial.score for trial in complete} == {complete[0].score}
    folder = out / "trials" / f"{failed[0].number:03d}"
    assert not (folder / "run.json").exists()
    assert len([path for path in (out / "trials").iterdir() if path.is_dir()]) == 2


def test_where_every_trial_fails_the_first_reason_is_told(plan: Plan, tmp_path: Path) -> None:
    search = plan(tmp_path / "study", "optimizer.name=sgd", space=EXPLODES, trials=2)
    for _ in range(2):  # the second time nothing is left to try
        with pytest.raises(MaskgateError, match=r"all 2 trials failed; the first: .*the loss is"):
            tune.tune(search)
    assert (tmp_path / "study/tune.html").exists()


@pytest.mark.slow
def test_a_full_disk_is_no_fault_of_a_trial(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, done: Path
) -> None:
    search = plan(tmp_path / "study")
    with monkeypatch.context() as full:

        def fails(path: Path, write: object) -> None:
            raise disk_error(OSError(errno.ENOSPC, "full"), path)

        full.setattr("maskgate.training.checkpoint.files.replace", fails)
        with pytest.raises(DiskFullError, match="free some space"):
            tune.tune(search)
    tune.tune(search)
    assert listed(tmp_path / "study") == listed(done)


# ---------------------------------------------------------------------- cut off and gone on


@pytest.mark.slow
@pytest.mark.parametrize("epochs", [1, 3])
def test_interrupted_it_goes_on(epochs: int, plan: Plan, tmp_path: Path, done: Path) -> None:
    """At the end of that many epochs, the checkpoint being written and the study not told."""
    search, out = plan(tmp_path / "study"), tmp_path / "study"
    left = epochs

    def interrupt(_: object) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            raise Interrupted

    options = replace(search.options, callbacks=(Callbacks(on_epoch_end=interrupt),))
    with pytest.raises(Interrupted):
        tune.tune(replace(search, options=options))
    tune.tune(search)
    assert listed(out) == listed(done)
    columns = ("best_of_first_fold", "epochs_of_first_fold")
    assert listed(out, *columns) == listed(done, *columns)


def test_interrupted_after_an_epoch_without_a_score_it_goes_on(plan: Plan, tmp_path: Path) -> None:
    """The epochs on the validation photos have none."""
    search = plan(tmp_path / "study", "training.validation_epochs=1", trials=1)

    def interrupt(row: dict[str, object]) -> None:
        if "valid_score" not in row:
            raise Interrupted

    options = replace(search.options, callbacks=(Callbacks(on_epoch_end=interrupt),))
    with pytest.raises(Interrupted):
        tune.tune(replace(search, options=options))
    (trial,) = tune.tune(search).trials
    assert trial.state == "complete"


POINTS = [
    ("optuna.trial:Trial.suggest_categorical", 1),  # in the midst of drawing
    ("maskgate.training.step:TrainingStep.update", 2),
    ("maskgate.training.validation:Validator.predict", 3),
    ("optuna.study:Study.tell", 1),
]


@pytest.mark.slow
def test_killed_again_and_again_it_ends_the_same(
    plan: Plan, kill: Callable[..., None], tmp_path: Path, done: Path, tiny: Path, people: Path,
    cache: Path,
) -> None:  # fmt: skip
    out, space = tmp_path / "study", tmp_path / "space.yaml"
    search = plan(out)  # writes the space
    words = ["tune", tiny, people, *search.changes, "--space", space, "--trials", 2, "--out", out,
             "--cache", cache, "--checkpoint-seconds", 0]  # fmt: skip
    for place, at in POINTS:
        kill(place, at, *words)
    tune.tune(search)
    assert listed(out) == listed(done)
    for number in ("001", "002"):
        resumed_file, other = (folder / "trials" / number / "oof.parquet" for folder in (out, done))
        assert resumed_file.read_bytes() == other.read_bytes()


@pytest.mark.slow
def test_processes_share_a_postgresql(
    plan: Plan, postgresql: str, tmp_path: Path, tiny: Path, people: Path, cache: Path
) -> None:
    plan(tmp_path / "unused")  # writes the space
    url = _empty_database(postgresql)
    outs = [tmp_path / "one", tmp_path / "two"]  # as two machines that share no folder
    started = []
    for out in outs:
        words = ["tune", tiny, people, "training.epochs=1", "--space", tmp_path / "space.yaml",
                 "--trials", 4, "--out", out, "--cache", cache,
                 "--storage", url]  # fmt: skip
        command = [sys.executable, "-m", "maskgate", *map(str, words)]
        started.append(subprocess.Popen(command, stderr=subprocess.PIPE, text=True))
    for process in started:
        _, stderr = process.communicate(timeout=500)
        assert process.returncode == 0, stderr
    shares = [{path.name for path in (out / "trials").glob("*")} for out in outs]
    assert shares[0] | shares[1] == {"001", "002", "003", "004"}
    assert not shares[0] & shares[1]
    assert all(shares)
    assert listed(outs[0]) == listed(outs[1])
    assert {row[1] for row in listed(outs[0])} == {"complete"}


@pytest.mark.slow
def test_on_a_cluster_each_trial_is_a_task(
    plan: Plan, tmp_path: Path, postgresql: str, monkeypatch: pytest.MonkeyPatch, done: Path
) -> None:
    """What a task gets can be sent to a node, and leaves nothing to do."""
    tasks: list[tuple[int, Cluster]] = []

    def each(work: object, items: Sequence[int], on: Cluster) -> Iterator[tuple[int, object]]:
        for item in items:
            tasks.append((item, on))
            yield item, pickle.loads(pickle.dumps(work))(item)

    monkeypatch.setattr(cluster, "map_unordered", each)
    url = _empty_database(postgresql)
    result = tune.tune(plan(tmp_path / "study", storage=url), on=Cluster("ray"))
    assert tasks == [(0, Cluster("ray")), (1, Cluster("ray"))]
    assert [trial.score for trial in result.trials] == [
        trial.score for trial in tune.tune(plan(done)).trials
    ]
    more = plan(tmp_path / "study", storage=url, trials=3)
    tune.tune(more, on=Cluster("ray"))
    assert tasks[2:] == [(0, Cluster("ray"))]  # the third; the others have ended

    with pytest.raises(MaskgateError, match="this node sees other photos or labels there"):
        tune._run_one_trial(replace(more, name="of other photos"), 0)
    (tmp_path / "study" / "study.json").unlink()
    with pytest.raises(MaskgateError, match="this node does not see the study's folder"):
        tune._run_one_trial(more, 0)


@pytest.mark.slow
def test_two_nodes_find_what_one_process_finds(
    plan: Plan, tmp_path: Path, postgresql: str, nodes: str, done: Path
) -> None:
    search = plan(tmp_path / "study", storage=_empty_database(postgresql))
    assert [trial.score for trial in tune.tune(search, on=Cluster(nodes)).trials] == [
        trial.score for trial in tune.tune(plan(done)).trials
    ]


def _empty_database(url: str) -> str:
    """A new database on the server at `url`."""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f'CREATE DATABASE "{(name := uuid.uuid4().hex)}"')
    return str(make_url(url).set(database=name))


def test_a_file_of_one_machine_is_no_storage_of_a_cluster(
    plan: Plan, tmp_path: Path, call: Callable[..., tuple[int, str, str]], tiny: Path
) -> None:
    with pytest.raises(MaskgateError, match="--on needs a database that all nodes reach"):
        tune.tune(plan(tmp_path / "study"), on=Cluster("ray"))
    (tmp_path / "no data").mkdir()
    code, _, err = call("tune", tiny, tmp_path / "no data", "--on", "ray")  # before any data
    assert (code, "--on needs a database that all nodes reach" in err) == (2, True)


# ------------------------------------------------------------------------- what is missing


def test_without_the_extra_it_is_named(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(MaskgateError, match=r'pip install "maskgate\[search\]"'):
        plan(tmp_path / "study")


def test_processes_of_torchrun_are_refused(
    plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    with pytest.raises(MaskgateError, match="instead of torchrun"):
        plan(tmp_path / "study")


def test_without_validation_there_is_nothing_to_search_by(plan: Plan, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="has no validation"):
        plan(tmp_path / "study", "folds.kind=all")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("storage", "message"),
    [
        ("nonsense", "not the URL of a database"),
        ("postgresql://someone:secret@localhost:1/no", "cannot be used"),
        ("nosql://host/name", "nosql"),
    ],
)
def test_a_database_that_does_not_answer_is_one_sentence(
    storage: str, message: str, plan: Plan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    with pytest.raises(MaskgateError, match=message) as error:
        tune.tune(plan(tmp_path / "study", storage=storage))
    assert "secret" not in str(error.value)
    assert not (tmp_path / "study").exists()
    tune.tune(plan(tmp_path / "study", trials=0))  # the same folder, with a database that is there


def test_no_password_is_written(done: Path, plan: Plan, tmp_path: Path) -> None:
    search = plan(tmp_path / "study", storage="postgresql://someone:secret@host/name")
    studies._create_folder(search)
    record = json.loads((tmp_path / "study/study.json").read_text())
    assert record["storage"] == "postgresql+psycopg://someone:***@host/name"
    status = runs.open_run(done / "trials/001").status()
    assert status.command.startswith("maskgate train ")
    assert os.fspath(done) in status.command


def test_a_kill_as_the_folder_is_made_is_gone_on_with(plan: Plan, tmp_path: Path) -> None:
    folder = tmp_path / "study"
    folder.mkdir()
    (folder / ".study.json.part").write_text("half")
    studies._create_folder(plan(folder))
    assert [path.name for path in folder.iterdir()] == ["study.json"]
