"""Runs that answer together, through `maskgate combine` and `maskgate submit`."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from maskgate import labels, runs
from maskgate.config.settings import Component
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.ensemble.learning import combinations
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.errors import MaskgateError
from maskgate.evaluation import ensemble, metrics, oof
from maskgate.evaluation.ensemble import MemberRun
from maskgate.inference import loading
from maskgate.runs import RunFolder, tables

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def trained(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of these tests' own: another augmentation leaves a file in it."""
    return train(tmp_path_factory.mktemp("runs") / "tiny")


@pytest.fixture(scope="module")
def other(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As `trained`, with another seed."""
    return train(tmp_path_factory.mktemp("runs") / "Other_Seed", "seed=8")


@pytest.fixture(scope="module")
def masks(train: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model of masks alone."""
    head = "model.head={name: one_attribute, of: mask}"
    return train(tmp_path_factory.mktemp("runs") / "masks", head, "loss=cross_entropy")


def eval_photos(people: Path) -> list[Path]:
    names = pd.read_csv(people / "eval" / "info.csv")["ImageID"]
    return [people / "eval" / "images" / name for name in names]


@pytest.mark.slow
def test_combined_runs_are_a_run(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "both"
    words = ("combine", trained, other, "--out", out, "--combine", "weights", "--adjust", "offsets")
    code, output, err = call(*words)
    assert code == 0, err
    run = RunFolder(out)
    results = run.metrics()
    # The members alone, the steps, and what each added, are told with intervals.
    for name, path in (("tiny", trained), ("other-seed", other)):
        score = RunFolder(path).metrics().score
        kept = results.members[name].score
        assert kept.model_dump() == pytest.approx(score.model_dump())
        assert str(score) in output
    assert [step.name for step in results.steps] == ["weights", "offsets"]
    assert results.steps[1].before == "weights"
    last = results.steps[1]
    assert last.score.model_dump() == pytest.approx(results.score.model_dump())
    assert last.gain.value == pytest.approx(last.score.value - results.steps[0].score.value)
    assert last.gain.low <= last.gain.value <= last.gain.high
    # What is kept are the nested probabilities, by a second way.
    table, nested = tables.oof(run)
    voices = []
    for path in (trained, other):
        rows, probabilities = tables.oof(RunFolder(path))
        place = pd.Index(rows["photo"]).get_indexer(pd.Index(table["photo"]))
        voices.append(MemberProbabilities(probabilities[place], tuple(labels.ATTRIBUTES)))
    how = EnsembleSpec(Component(name="weights"), (Component(name="offsets"),))
    for fold in (0, 1):
        inside = (table["fold"] == fold).to_numpy()
        learned = combinations.learn(
            how, [v.select(~inside) for v in voices], table[~inside].reset_index(drop=True)
        )
        np.testing.assert_allclose(
            nested[inside], learned([v.select(inside) for v in voices]), atol=1e-6
        )
    # New photos are answered by what all of them taught.
    photos = eval_photos(people)[:5]
    parts = [loading.load(path).probabilities(photos)[0] for path in (trained, other)]
    combination = combinations.learn(how, voices, table)
    expected = combination([MemberProbabilities(part, tuple(labels.ATTRIBUTES)) for part in parts])
    np.testing.assert_allclose(loading.load(out).probabilities(photos)[0], expected, atol=1e-5)
    learned = json.loads(json.dumps(combination.learned))
    assert run.learned().by_name() == learned
    assert json.loads(run.combination_file.read_text()) == {"version": 1, **learned}
    # Every command takes it for a run, and repeating this one changes nothing.
    before = run.metrics_file.stat().st_mtime_ns
    code, again, _ = call(*words)
    assert (code, again) == (0, output)
    assert run.metrics_file.stat().st_mtime_ns == before
    for command in (
        ("report", out, "--no-photos"),
        ("compare", trained, out),
        ("runs", tmp_path),
        ("submit", out, people, "-o", tmp_path / "answers.csv"),
    ):
        code, _, err = call(*command)
        assert code == 0, err
    page = run.report_file.read_text()
    assert "+ offsets" in page
    assert "Weights, age band" in page


@pytest.mark.slow
def test_submit_answers_as_the_combined_run_does(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    how = ("--combine", "stacking", "--adjust", "near_tie", "--adjust", "offsets")
    answers = tmp_path / "answers.csv"
    code, output, err = call("submit", trained, other, people, "-o", answers, *how)
    assert code == 0, err
    assert call("combine", trained, other, "-o", tmp_path / "both", *how)[0] == 0
    probabilities, _ = loading.load(tmp_path / "both").probabilities(eval_photos(people))
    assert pd.read_csv(answers)["ans"].tolist() == probabilities.argmax(1).tolist()
    for word in (
        "tiny",
        "other-seed",
        "stacking",
        "near_tie",
        "offsets",
        "photos/s",
        "4 networks",
    ):
        assert word in output
    score = RunFolder(tmp_path / "both").metrics().score
    assert str(score) in output


@pytest.mark.slow
def test_a_submission_says_each_photos_own_answer(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    """Photos are answered one by one: fewer of them, in another order, get the same answers."""
    full_file = tmp_path / "whole.csv"
    how = ("--combine", "weights", "--adjust", "offsets", "--tta", "flip")
    assert call("submit", trained, other, people, "-o", full_file, *how)[0] == 0
    part = tmp_path / "eval"
    part.mkdir()
    (part / "images").symlink_to(people / "eval" / "images")
    rows = pd.read_csv(people / "eval" / "info.csv").iloc[[7, 2, 30]]
    rows.to_csv(part / "info.csv", index=False)
    few = tmp_path / "few.csv"
    assert call("submit", trained, other, part, "-o", few, *how)[0] == 0
    full_answers = pd.read_csv(full_file).set_index("ImageID")["ans"]
    answers = pd.read_csv(few)
    assert answers["ImageID"].tolist() == rows["ImageID"].tolist()
    assert answers["ans"].tolist() == full_answers[rows["ImageID"]].tolist()


def test_models_that_know_some_are_put_together(
    call: Call, trained: Path, masks: Path, people: Path, tmp_path: Path
) -> None:
    code, output, err = call("submit", masks, trained, people, "-o", tmp_path / "answers.csv")
    assert code == 0, err
    assert "attributes" in output
    assert "macro F1, mean of mask" in output
    code, _, err = call("submit", masks, people, "-o", tmp_path / "alone.csv")
    assert code == 2
    assert "no member predicts age_band, gender; add one" in err
    code, _, err = call("submit", masks, trained, people, "--combine", "soft_vote")
    assert (code, "use attributes, weights or stacking" in err) == (2, True)


@pytest.mark.slow
def test_another_augmentation_is_scored_and_used(
    call: Call, trained: Path, people: Path, tmp_path: Path, cache: Path
) -> None:
    out = tmp_path / "flipped"
    assert call("combine", trained, "-o", out, "--tta", "flip")[0] == 0
    _, mirrored = oof.oof_with(RunFolder(trained), [Component(name="flip")], cache)
    np.testing.assert_array_equal(tables.oof(RunFolder(out))[1], mirrored)
    photos = eval_photos(people)[:4]
    flip = loading.load(trained, cache, [Component(name="flip")]).probabilities(photos)[0]
    np.testing.assert_allclose(loading.load(out).probabilities(photos)[0], flip, atol=1e-6)
    # Of a run of runs, too; and `none` goes back to the photo as it is.
    inner = ensemble.MemberRun("inner", RunFolder(out), tta=())
    _, plain = ensemble._member_oof(inner, cache)
    np.testing.assert_array_equal(plain, tables.oof(RunFolder(trained))[1])
    code, _, err = call("combine", trained, "-o", tmp_path / "plain", "--tta", "none")
    assert code == 0, err
    np.testing.assert_array_equal(
        tables.oof(RunFolder(tmp_path / "plain"))[1], tables.oof(RunFolder(trained))[1]
    )


@pytest.mark.slow
def test_a_file_names_the_runs(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    members = [
        {"name": "one", "run": str(trained), "weight": 3, "tta": ["flip"]},
        {"name": "two", "run": str(other)},
    ]
    file = tmp_path / "best.yaml"
    file.write_text(yaml.safe_dump({"members": members, "combine": "soft_vote"}))
    code, output, err = call("submit", file, people, "-o", tmp_path / "answers.csv")
    assert code == 0, err
    assert output.index("one") < output.index("two") < output.index("soft_vote")
    assert call("combine", file, "-o", tmp_path / "both")[0] == 0
    photos = eval_photos(people)[:4]
    first = loading.load(trained, None, [Component(name="flip")]).probabilities(photos)[0]
    second = loading.load(other).probabilities(photos)[0]
    np.testing.assert_allclose(
        loading.load(tmp_path / "both").probabilities(photos)[0],
        (3 * first + second) / 4,
        atol=1e-6,
    )
    for command, sentence in (
        (("train", file, people), "its members are trained already"),
        (("submit", file, trained, people), "give a system's file alone"),
        (("submit", "s4-small.yaml", people), "its members are recipes; train it"),
    ):
        if command[1] == "s4-small.yaml":
            (tmp_path / "s4-small.yaml").write_text("members: [{name: a, recipe: small}]\n")
            command = (command[0], tmp_path / "s4-small.yaml", *command[2:])
        code, _, err = call(*command)
        assert code == 2
        assert sentence in err
        assert err.count("\n") == 1


@pytest.mark.slow
def test_what_has_learned_itself_is_learned_of_no_more(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    """What it says of one fold was learned of the labels of the others."""
    stacked, plain = tmp_path / "stacked", tmp_path / "plain"
    assert call("combine", trained, other, "-o", stacked, "--combine", "stacking")[0] == 0
    assert call("combine", trained, other, "-o", plain)[0] == 0
    outer = tmp_path / "outer"
    assert call("combine", stacked, trained, "-o", outer)[0] == 0  # learns nothing
    for run in (stacked, outer):
        for how in (("--combine", "weights"), ("--adjust", "offsets"), ("--tta", "flip")):
            code, _, err = call("combine", run, trained, "-o", tmp_path / "new", *how)
            assert (code, "give its members instead" in err) == (2, True), err
    code, _, err = call("combine", plain, trained, "-o", tmp_path / "new", "--combine", "weights")
    assert code == 0, err


def test_members_that_are_gone_or_others_by_now_are_told(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    shutil.copytree(trained, first)
    shutil.copytree(other, second)
    assert call("combine", first, second, "-o", tmp_path / "both")[0] == 0
    shutil.rmtree(second)
    for command in (("submit", tmp_path / "both", people), ("report", tmp_path / "both")):
        code, _, err = call(*command)
        assert (code, "is gone; put it back" in err) == (2, True), err
    shutil.copytree(first, second)
    code, _, err = call("submit", tmp_path / "both", people)
    assert (code, "trained again" in err) == (2, True)


def test_a_combined_run_and_its_members_can_be_moved_together(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    for source, name in ((trained, "a"), (other, "b")):
        shutil.copytree(source, tmp_path / "here" / name)
    monkeypatch.chdir(tmp_path)
    assert call("combine", "here/a", "here/b", "--out", "here/both")[0] == 0
    before = loading.load("here/both").probabilities(eval_photos(people))[0]
    (tmp_path / "here").rename(tmp_path / "there")
    for folder in (tmp_path, tmp_path / "there"):
        monkeypatch.chdir(folder)
        after = loading.load(tmp_path / "there/both").probabilities(eval_photos(people))[0]
        np.testing.assert_array_equal(after, before)


def test_what_a_submission_adds_to_a_system_is_told(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    both, out = tmp_path / "both", ("-o", tmp_path / "answers.csv")
    assert call("combine", trained, other, "--out", both)[0] == 0
    code, output, err = call("submit", both, people, *out)
    assert (code, "tiny" in output, "offsets" in output) == (0, True, False), err
    code, output, err = call("submit", both, people, *out, "--adjust", "offsets")
    assert (code, "offsets" in output, "over soft_vote" in output) == (0, True, True), err


def test_a_weight_that_would_not_be_heard_is_refused(
    call: Call, trained: Path, other: Path, people: Path, tmp_path: Path
) -> None:
    file = tmp_path / "system.yaml"
    members = [{"name": "a", "run": str(trained), "weight": 2}, {"name": "b", "run": str(other)}]
    file.write_text(yaml.safe_dump({"members": members}))
    code, _, err = call("submit", file, people, "--combine", "weights")
    assert (code, "learns how much members count; leave out weight" in err) == (2, True)


@pytest.mark.slow
def test_another_augmentation_is_another_combination(
    call: Call, trained: Path, tmp_path: Path
) -> None:
    out = tmp_path / "flipped"
    assert call("combine", trained, "-o", out, "--tta", "flip")[0] == 0
    assert "this run is finished" in call("combine", trained, "-o", out, "--tta", "flip")[2]
    code, _, err = call("combine", trained, "-o", out, "--tta", "none")
    assert (code, "give another --out" in err) == (2, True)
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / ".run.json.7.part").touch()  # killed while it was written first
    assert call("combine", trained, "-o", tmp_path / "half")[0] == 0


def test_folders_of_one_name_are_told_apart(trained: Path, other: Path, tmp_path: Path) -> None:
    names = []
    for number, (source, place) in enumerate(((trained, "a"), (other, "a-3"), (trained, "a"))):
        folder = tmp_path / str(number) / place
        shutil.copytree(source, folder)
        names.append(folder)
    members = [member.name for member in ensemble.system_of(names).members]
    assert members == ["a", "a-3", "a-2"]


def test_members_with_other_labels_are_refused(
    call: Call, trained: Path, other: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(other, copy)
    photos = pd.read_parquet(copy / "photos.parquet")
    photos["gender"] = 1 - photos["gender"]
    photos.to_parquet(copy / "photos.parquet", index=False)
    RunFolder(copy).finish()
    code, _, err = call("combine", trained, copy, "-o", tmp_path / "new")
    assert (code, "differ; give both the same labels" in err) == (2, True)


@pytest.mark.slow
def test_folds_that_vote_hard_teach_nothing(
    call: Call, trained: Path, train: Callable[..., Path], tmp_path: Path
) -> None:
    hard = train(tmp_path / "hard", "folds.vote=hard_vote")
    code, _, err = call("combine", trained, hard, "-o", tmp_path / "new", "--adjust", "offsets")
    assert (code, "train it with folds.vote=soft_vote" in err) == (2, True)
    assert call("combine", trained, hard, "-o", tmp_path / "new")[0] == 0


def test_a_system_that_learns_wants_people_left_out(
    call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    file = tmp_path / "learns.yaml"
    members = [{"name": "a", "recipe": str(tiny)}]
    file.write_text(yaml.safe_dump({"members": members, "combine": "weights"}))
    for change in ("folds.kind=all", "folds.vote=hard_vote"):
        code, _, err = call("train", file, people, change, "--runs", tmp_path / "runs")
        assert (code, "is learned from out-of-fold probabilities" in err) == (2, True)
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([{"name": "a"}], "is of a recipe or of a run; name one"),
        ([{"name": "a", "recipe": "small", "run": "x"}], "is of a recipe or of a run"),
        (
            [{"name": "a", "run": "x", "changes": {"seed": 8}}],
            "trained already; leave out its changes",
        ),
        ([{"name": "a", "run": "x"}, {"name": "b", "recipe": "small"}], "train the recipes first"),
        ([{"name": "a", "recipe": "small", "tta": ["flip"]}], "its tta among the changes"),
        ([{"name": "a", "run": "nowhere"}], "nowhere: no run"),
        ([{"name": "a", "run": "x", "weight": 2}], "learns how much members count"),
    ],
)
def test_members_are_of_one_kind(
    members: list[dict[str, object]], message: str, call: Call, people: Path, tmp_path: Path
) -> None:
    file = tmp_path / "system.yaml"
    combine = "weights" if "weight" in members[0] else "soft_vote"
    file.write_text(yaml.safe_dump({"members": members, "combine": combine}))
    code, _, err = call("submit", file, people)
    assert code == 2
    assert message in err
    file.write_text(yaml.safe_dump({"members": [{"name": "a", "run": "x"}], "folds": {"count": 3}}))
    assert "leave out folds" in call("submit", file, people)[2]


@pytest.mark.slow
def test_what_cannot_answer_together_is_refused(
    call: Call, trained: Path, people: Path, train: Callable[..., Path], tmp_path: Path
) -> None:
    everything = train(tmp_path / "everything", "folds.kind=all")
    elsewhere = train(tmp_path / "elsewhere", "folds.seed=8")
    before = sorted(tmp_path.iterdir())
    out = ("-o", tmp_path / "new")
    for command, message in (
        (("combine", trained, trained, *out), "is given twice"),
        (("combine", trained, elsewhere, *out), "people are in other folds than"),
        (
            ("combine", trained, everything, *out, "--combine", "weights"),
            "has no validation people",
        ),
        (("combine", trained, *out, "--combine", "wieghts"), "did you mean weights?"),
        (("combine", trained, *out, "--adjust", "near_tie"), "and fewer than two do"),
        (("combine", trained, *out, "--tta", "flop"), "did you mean flip?"),
        (("combine", trained, "-o", elsewhere), "has a run of tiny"),
        (("submit", trained), "EVAL"),
        (("submit", trained, tmp_path, "-o", tmp_path / "a.csv"), "no photo in it"),
    ):
        code, _, err = call(*command)
        assert code == 2
        assert message in err.splitlines()[-1]
    assert sorted(tmp_path.iterdir()) == before


def test_runs_on_all_photos_vote_without_a_score(
    call: Call, trained: Path, people: Path, train: Callable[..., Path], tmp_path: Path
) -> None:
    everything = train(tmp_path / "everything", "folds.kind=all")
    code, _, err = call("submit", trained, everything, people, "-o", tmp_path / "a.csv")
    assert code == 0
    assert "the ensemble has no out-of-fold score" in err
    fitted_ensemble = ensemble.fit(
        [MemberRun("a", RunFolder(trained)), MemberRun("b", RunFolder(everything))],
        EnsembleSpec(Component(name="hard_vote")),
    )
    assert fitted_ensemble.steps == ()


def test_the_competitions_variables_stand_in(
    call: Call,
    trained: Path,
    other: Path,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert call("submit")[0] == 2
    monkeypatch.setenv("SM_CHANNEL_EVAL", str(people / "eval"))
    assert call("submit", trained)[0] == 0
    assert call("submit", trained, people)[0] == 0  # what is given counts
    monkeypatch.setenv("SM_CHANNEL_MODEL", str(other))
    assert call("submit", people)[0] == 0
    answers = pd.read_csv("submission.csv")["ans"].tolist()
    assert call("submit")[0] == 0
    assert pd.read_csv("submission.csv")["ans"].tolist() == answers
    photos = eval_photos(people)
    assert answers == loading.load(other).probabilities(photos)[0].argmax(1).tolist()
    assert runs.open_run(other).path == other


@pytest.mark.parametrize("place", ["new/both", "there"])
def test_a_combination_that_fails_leaves_nothing(
    call: Call,
    trained: Path,
    other: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    (tmp_path / "there").mkdir()
    command = ("combine", trained, other, "-o", tmp_path / place, "--combine", "stacking")
    with monkeypatch.context() as broken:

        def fails(*_: object) -> None:
            raise MaskgateError("stopped")

        broken.setattr(metrics, "evaluate", fails)
        assert call(*command)[0] == 2
    left = [path for path in tmp_path.rglob("*") if path != tmp_path / "there"]
    assert left == []
    code, _, err = call(*command)
    assert code == 0, err
    assert RunFolder(tmp_path / place).status().finished


KILLED = (
    ("maskgate.runs:RunFolder.update_status", 1),
    ("pathlib:Path.write_bytes", 1),
    ("maskgate.training.ensemble_run:conclude", 1),
    ("os:replace", 1),
    ("os:replace", 4),
    ("maskgate.reports.run:write", 1),
)


@pytest.mark.slow
@pytest.mark.parametrize(("point", "at"), KILLED)
def test_what_a_killed_combination_leaves_gives_way(
    call: Call,
    kill: Callable[..., None],
    trained: Path,
    other: Path,
    tmp_path: Path,
    point: str,
    at: int,
) -> None:
    out = tmp_path / "both"
    kill(point, at, "combine", trained, other, "-o", out)
    # Another combination too: there is nothing to go on with.
    code, _, err = call("combine", trained, "-o", out)
    assert code == 0, err
    assert RunFolder(out).status().finished
    assert [member.path.name for member in RunFolder(out).members()] == [trained.name]
    assert not list(tmp_path.rglob("*.part"))
