"""An ablation: what it changes, what it refuses, that it goes on, and what it finds."""

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from maskgate import cluster
from maskgate.cluster import Cluster
from maskgate.config import recipe
from maskgate.config.recipe import Recipe
from maskgate.core.interruption import Interrupted
from maskgate.errors import DiskFullError, MaskgateError
from maskgate.evaluation.compare import compare
from maskgate.reports import ablate as page
from maskgate.reports import compare as compare_page
from maskgate.studies import ablate, ablation_plan, changes
from maskgate.training import crossval, processes
from maskgate.training.options import TrainOptions

Call = Callable[..., tuple[int, str, str]]
QUICK = ("training.epochs=1", "folds.kind=holdout")


@pytest.mark.slow
def test_every_change_of_a_recipe_can_be_undone_alone() -> None:
    for path in sorted(recipe.shipped().glob("*.yaml")):
        base = recipe.load(path)
        single_changes = changes.leave_one_out(base)
        assert len({change.name for change in single_changes}) == len(single_changes)
        for change in single_changes:
            changed = recipe.load(path, list(change.overrides))
            assert changed != base, (path.name, change)
            fault = ablation_plan._why_not_comparable(base, changed)
            assert not fault or "which attributes the model predicts" in fault, (path.name, change)


def test_what_is_put_back() -> None:
    base = recipe.load(recipe.find("from-faces"))
    overrides = {change.name: change.overrides for change in changes.leave_one_out(base)}
    assert overrides["without-average"] == ("training.average=",)
    assert overrides["without-worn_per_person"] == ("sampling.worn_per_person=",)
    assert "without-face" in overrides
    assert "without-start" in overrides
    assert not [name for name in overrides if "epochs" in name and name != "without-warmup_epochs"]
    assert not [name for name in overrides if name.endswith(("-folds", "-kind", "-count", "-lr"))]
    two = Recipe.model_validate(
        {"augment": [{"name": "horizontal_flip"}, {"name": "random_erasing"}]}
    )
    assert changes.leave_one_out(two) == [
        changes.Change("without-horizontal_flip", ('augment=[{"name": "random_erasing"}]',)),
        changes.Change("without-random_erasing", ('augment=[{"name": "horizontal_flip"}]',)),
    ]
    assert changes.leave_one_out(Recipe()) == []


def test_a_file_of_changes(tmp_path: Path) -> None:
    path = tmp_path / "changes.yaml"
    path.write_text(
        "slow: {optimizer.name: sgd, optimizer.lr: 1e-2}\nplain: {training.average: }\n"
    )
    assert changes.read(path) == [
        changes.Change("slow", ('optimizer.name="sgd"', "optimizer.lr=0.01")),
        changes.Change("plain", ("training.average=",)),
    ]
    path.write_text("- loss: focal\n- model.dropout=0.5\n")
    assert [change.name for change in changes.read(path)] == ["loss=focal", "model.dropout=0.5"]
    for content in ("", "3", "a: 4", "a: {}", "- 5"):
        path.write_text(content)
        with pytest.raises(MaskgateError, match=r"has no changes|is not a change"):
            changes.read(path)


def test_all_faults_are_told_before_anything_is_trained(
    call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    path = tmp_path / "changes.yaml"
    path.write_text(
        "same: {model.dropout: 0.0}\nflip: {augment: []}\nagain: {augment: []}\n"
        "split: {folds.count: 3}\nluck: {seed: 9}\nodd: {loss: nonsense}\n"
        "typo: {model.dropuot: 1}\ntruth: {labels.corrections: competition, labels.truth: sure}\n"
        "a/b: {model.dropout: 0.3}\n"
    )
    out = tmp_path / "study"
    code, _, err = call("ablate", tiny, people, "--changes", path, "--out", out)
    assert code == 2
    line = err.splitlines()[-1]
    for message in (
        "change same: does not change the recipe",
        "changes flip and again are the same",
        "change split: changes folds",
        "change luck: changes the seed",
        "change typo: ",
        "change truth: changes the labels that scores are computed against",
        "change 'a/b': becomes a folder name",
    ):
        assert message in line, message
    code, _, err = call("ablate", tiny, people, "--change", "loss=nonsense", "--out", out)
    assert code == 2
    assert "change loss=nonsense: " in err
    code, _, err = call("ablate", tiny, people, "folds.kind=all", "--change", "loss=focal")
    assert "has no validation" in err
    assert not out.exists()


@pytest.mark.slow
def test_a_change_that_fails_is_told_and_the_others_go_on(
    call: Call, tiny: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "study"
    words = ["ablate", tiny, people, *QUICK, "--seeds", 1, "--out", out]
    words += ["--change", "optimizer.lr=1e30"]
    code, _, err = call(*words)
    assert code == 2
    assert "every change failed; the first: fold 0, epoch 1: the loss is" in err
    for _ in range(2):  # the second time only what failed is tried again
        code, printed, err = call(*words, "--change", "model.dropout=0.5")
        assert code == 0, err
        assert "optimizer.lr=1e30 failed: fold 0, epoch 1: the loss is" in printed
        assert "failed" in (out / "ablate.html").read_text()
        for text in (printed, (out / "ablate.html").read_text()):
            assert "extra minutes per fit: " in text
            assert ". It takes at least 4 people of every class to decide" in text
        assert pd.read_csv(out / "ablate.csv")["side"].unique().tolist() == ["model.dropout=0.5-7"]
    assert "seed 7: failed (fold 0, epoch 1: the loss is" in err
    assert "run 2 of 3" not in err

    train = crossval.train

    def full(fit_recipe: Recipe, options: TrainOptions, **more: Any) -> Any:
        raise DiskFullError("the disk is full; free some space")

    with monkeypatch.context() as only_here:
        only_here.setattr(crossval, "train", full)
        code, _, err = call(*words)
    assert (code, err.splitlines()[-1]) == (2, "maskgate: the disk is full; free some space")
    assert crossval.train is train


@pytest.mark.slow
@pytest.mark.parametrize(
    ("file", "content"),
    [("run.json", b"null"), ("oof.parquet", b"half"), ("fold-0/model.safetensors", None)],
)
def test_a_change_whose_run_is_damaged_is_told_and_the_others_are_compared(
    file: str, content: bytes | None, call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "study"
    words = ["ablate", tiny, people, *QUICK, "--seeds", 1, "--out", out]
    words += ["--change", "loss=focal", "--change", "model.dropout=0.5"]
    assert call(*words)[0] == 0
    damaged = out / "loss=focal-7" / file
    if content is None:
        damaged.unlink()
    else:
        damaged.write_bytes(content)
    code, printed, err = call(*words, "--list")
    assert code == 0, err
    assert f"warning: {damaged}: missing or damaged" in err
    assert "3 runs, 0 to train" in printed
    code, printed, err = call(*words)
    assert code == 0, err
    assert f"loss=focal failed: {damaged}: missing or damaged" in printed.replace("\n", " ")
    assert pd.read_csv(out / "ablate.csv")["side"].unique().tolist() == ["model.dropout=0.5-7"]
    # The reference is needed by all.
    (out / "reference-7" / "metrics.json").write_text("[]")
    code, _, err = call(*words)
    assert code == 2
    assert "reference-7/metrics.json: missing or damaged" in err.splitlines()[-1]


def test_a_model_of_one_attribute_is_ablated_as_such(
    call: Call, people: Path, tiny: Path, tmp_path: Path
) -> None:
    words = ["ablate", tiny, people, *QUICK, "model.head={name: one_attribute, of: mask}"]
    code, printed, err = call(*words, "--list")
    assert "skipped change default-head: changes which attributes the model predicts" in err
    assert "default-head" not in printed
    code, _, err = call(*words, "--change", "model.head=joint")
    assert (code, "changes which attributes the model predicts" in err) == (2, True)


@pytest.mark.slow
def test_an_ablation_goes_on_and_its_figures_are_those_of_compare(
    call: Call, tiny: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    words: list[Any] = ["ablate", tiny, people, *QUICK, "--seeds", 2, "--out", "study"]
    words += ["--change", "augment=[]", "--change", "model.dropout=0.9"]
    code, out, _ = call(*words, "--list")
    assert code == 0
    assert "model.dropout=0.9: model.dropout=0.9" in out
    assert "6 runs, 6 to train." in out
    assert not Path("study").exists()

    trained: list[Path] = []
    train = crossval.train

    def dying(fit_recipe: Recipe, options: Any, **more: Any) -> Any:
        if len(trained) == 2:
            raise Interrupted
        trained.append(options.out)
        return train(fit_recipe, options, **more)

    with monkeypatch.context() as only_here:
        only_here.setattr(crossval, "train", dying)
        code, _, err = call(*words)
    assert code == 2
    assert "run 3 of 6: model.dropout=0.9, seed 7" in err
    assert "repeat the command" in err.splitlines()[-1]
    assert [path.name for path in trained] == ["reference-7", "augment-7"]
    code, out, _ = call(*words, "--list")
    assert "6 runs, 4 to train. A fit took" in out
    first = Path("study/reference-7/run.json").stat().st_mtime_ns

    code, out, err = call(*words)
    assert code == 0, err
    assert "run 1 of 6" not in err
    assert "run 6 of 6: model.dropout=0.9, seed 8" in err
    assert Path("study/reference-7/run.json").stat().st_mtime_ns == first
    assert out.splitlines()[-1] == "study/ablate.html"
    assert "Of these recipes, " in out
    assert "; extra minutes per fit: " in out
    table = pd.read_csv("study/ablate.csv")
    folders = [f"study/{name}-{seed}" for name in ("reference", "augment", "model.dropout=0.9")
               for seed in (7, 8)]  # fmt: skip
    expected = compare_page.as_table(compare([Path(folder) for folder in folders]))
    keys = ["side", "measure"]
    pd.testing.assert_frame_equal(
        table[expected.columns].sort_values(keys, ignore_index=True).fillna(""),
        expected.sort_values(keys, ignore_index=True).fillna(""),
        check_dtype=False,
    )
    effects = table.loc[table["measure"] == "score", "difference"].tolist()
    assert effects == sorted(effects, reverse=True)
    assert (table["minutes_low"] <= table["minutes"]).all()
    assert "corrected for 2 comparisons" in Path("study/ablate.html").read_text()
    code, out, _ = call("runs", "study")
    assert out.count("reference-") == 2
    code, _, err = call(*words, "model.hidden=8")
    assert code == 2
    assert "study/reference-7 has a run of another recipe" in err


@pytest.mark.slow
def test_a_run_is_known_again_whatever_its_recipe_asks_for(
    tiny: Path, people: Path, cache: Path, trained: Path, tmp_path: Path
) -> None:
    """The photos that a run labels are part of some changes, and of others not."""
    pseudo = [f"pseudo.photos={people / 'eval' / 'images'}", f"pseudo.run={trained}"]
    overrides = [
        *QUICK,
        *pseudo,
        "tta=[flip]",
        f"folds.file={trained / 'folds.csv'}",
        "folds.kind=kfold",
    ]
    options = TrainOptions("tiny", people, cache=cache)

    def load(more: Sequence[str]) -> Recipe:
        return recipe.load(tiny, [*overrides, *more])

    applicable = ablation_plan.applicable_changes(load, changes.leave_one_out(load([])), options)
    assert {"without-pseudo", "without-flip"} <= {change.name for change in applicable}
    with processes.started("fp32") as accelerator:
        for fit in ablation_plan.plan(load, applicable, 1, tmp_path, options).runs:
            assert crossval.begin(fit.recipe, fit.options, accelerator).digest == fit.digest


def test_nothing_is_less_than_no_minutes() -> None:
    assert str(page.Minutes(-0.01, -0.04, 0.02)) == "+0.0 [+0.0, +0.0]"
    assert str(page.Minutes(-0.16, -0.24, -0.08)) == "-0.2 [-0.2, -0.1]"


@pytest.mark.slow
def test_on_a_cluster_each_run_is_a_task(
    tiny: Path, people: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a task gets can be sent to a node, which tells of what it does not see."""
    tasks: list[tuple[str, ...]] = []

    def each(
        work: Any, items: Sequence[Any], on: Cluster, name_of: Callable[[Any], str]
    ) -> Iterator[tuple[int, object]]:
        tasks.append((on.address, *map(name_of, items)))
        for number, item in enumerate(items):
            yield number, pickle.loads(pickle.dumps(work))(pickle.loads(pickle.dumps(item)))

    monkeypatch.setattr(cluster, "map_unordered", each)
    options = TrainOptions("tiny", people, cache=cache)

    def load(more: Sequence[str]) -> Recipe:
        return recipe.load(tiny, [*QUICK, *more])

    study = ablation_plan.plan(
        load, [changes.from_override("model.dropout=0.5")], 1, tmp_path / "s", options
    )
    ablate.train(study, Cluster("ray"))
    assert tasks == [("ray", "reference-7", "model.dropout=0.5-7")]
    assert not study.left
    fit = replace(study.runs[0], digest="another")
    with pytest.raises(MaskgateError, match="this node sees other photos or labels there"):
        ablate._train_on_node(fit)
    fit = replace(fit, options=replace(options, out=tmp_path / "elsewhere" / "reference-7"))
    with pytest.raises(MaskgateError, match="this node does not see the folder of runs"):
        ablate._train_on_node(fit)


@pytest.mark.slow
def test_two_nodes_find_what_one_process_finds(
    nodes: str, call: Call, tiny: Path, people: Path, tmp_path: Path, cache: Path
) -> None:
    words = ["ablate", tiny, people, *QUICK, "--seeds", 1, "--change", "model.dropout=0.9",
             "--cache", cache]  # fmt: skip
    for out, more in (("here", []), ("there", ["--on", nodes])):
        code, _, err = call(*words, "--out", tmp_path / out, *more)
        assert code == 0, err
    for run in ("reference-7", "model.dropout=0.9-7"):
        local, remote = (tmp_path / out / run / "oof.parquet" for out in ("here", "there"))
        assert local.read_bytes() == remote.read_bytes()


def test_processes_of_torchrun_are_refused(
    call: Call, tiny: Path, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    code, _, err = call("ablate", tiny, people, "--change", "loss=focal")
    assert (code, "without torchrun" in err) == (2, True)


@pytest.mark.slow
def test_finished_runs_are_sent_to_trackers(
    call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    pytest.importorskip("tensorboard")
    study = tmp_path / "study"
    words: list[Any] = ["ablate", tiny, people, *QUICK, "--seeds", 1, "--out", study]
    words += ["--change", "model.dropout=0.9"]
    assert call(*words)[0] == 0
    assert not list(study.glob("*/tensorboard"))
    (study / "reference-7" / "tensorboard").touch()  # where there should be a folder
    _, _, err = call(*words, "tracking=tensorboard")
    assert err.count("tracking with tensorboard is incomplete") == 1, "the others are not tried"
    (study / "reference-7" / "tensorboard").unlink()
    code, _, err = call(*words, "tracking=tensorboard")
    assert code == 0, err
    boards = {path.parent.name for path in study.glob("*/tensorboard")}
    assert boards == {"reference-7", "model.dropout=0.9-7"}
