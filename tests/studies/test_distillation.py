"""`maskgate distill`: one model learns from another's probabilities, and says what it keeps."""

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.core.score import Score
from maskgate.errors import MaskgateError
from maskgate.reports import distillation as report
from maskgate.runs import RunFolder, open_run, tables
from maskgate.runs.records.distillation import Compared, Distillation
from maskgate.runs.records.results import Figure

pytestmark = pytest.mark.slow

Call = Callable[..., tuple[int, str, str]]
Train = Callable[..., Path]

SHORT = "training.epochs=1"


@pytest.fixture(scope="module")
def runs(train: Train, trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the runs of two seeds, `one` and `two`."""
    folder = tmp_path_factory.mktemp("members")
    shutil.copytree(trained, folder / "one")
    train(folder / "two", "seed=8")
    return folder


@pytest.fixture
def both(runs: Path, call: Call, tmp_path: Path) -> Path:
    """The run of both."""
    out = tmp_path / "both"
    assert call("combine", runs / "one", runs / "two", "-o", out)[0] == 0
    return out


def test_a_student_is_compared_with_its_teacher_and_a_single_model(
    call: Call, both: Path, runs: Path, tiny: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student"
    command = ("distill", both, tiny, people, SHORT, "--out", out, "--single", runs / "two")
    code, printed, err = call(*command)
    assert code == 0, err
    assert "The student is" in printed and "Student less single" in printed
    run = open_run(out)
    record = run.distillation()
    assert record is not None and not record.out_of_fold
    assert record.single.run == str(runs / "two")
    assert (record.ensemble.networks, record.student.networks) == (4, 2)
    results, of_teacher = run.metrics(), RunFolder(both).metrics()
    assert (record.student.score, record.ensemble.score) == (results.score, of_teacher.score)
    page = run.report_file.read_text("utf-8")
    assert "<h2>Distillation</h2>" in page and str(runs / "two") in page
    recipe = run.recipe()
    assert (recipe.teacher, recipe.soft_labels) == (str(both), None)
    assert run.folds_file.read_bytes() == RunFolder(both).folds_file.read_bytes()
    student, teacher = run.status().warnings, RunFolder(both).status().warnings
    of_data = [[each for each in one if "updates" not in each] for one in (student, teacher)]
    assert of_data[0] == of_data[1]

    weights = run.weights_file(0).read_bytes()
    code, again, err = call(*command)
    assert code == 0 and "this run is finished" in err
    assert run.weights_file(0).read_bytes() == weights
    assert again.splitlines()[1] == printed.splitlines()[1]
    open_run(out)
    assert call("report", out)[0] == 0
    assert "<h2>Distillation</h2>" in run.report_file.read_text("utf-8")


def test_it_may_learn_what_is_stored_and_is_compared_with_the_best_member(
    call: Call, both: Path, runs: Path, tiny: Path, people: Path, tmp_path: Path
) -> None:
    out, options = tmp_path / "student", ("--weight", "0.9", "--temperature", "3")
    code, printed, err = call(
        "distill", both, tiny, people, SHORT, "--out", out, "--out-of-fold", *options
    )
    assert code == 0, err
    assert "its score is too high" in printed and "soft labels for" not in err
    recipe, record = RunFolder(out).recipe(), RunFolder(out).distillation()
    assert f"{both}, by its out-of-fold probabilities" in RunFolder(out).report_file.read_text(
        "utf-8"
    )
    assert recipe.soft_labels == "out_of_fold"
    assert recipe.loss.arguments["parts"][1] == {
        "name": "distillation", "temperature": 3.0, "weight": 0.9
    }  # fmt: skip
    scores = {name: RunFolder(runs / name).metrics().score for name in ("one", "two")}
    assert record is not None and record.out_of_fold
    values = {name: score.value for name, score in scores.items() if score is not None}
    assert Path(record.single.run).name == max(values, key=lambda name: values[name])


def test_it_may_learn_from_photos_without_labels(
    call: Call, both: Path, runs: Path, tiny: Path, people: Path, tmp_path: Path
) -> None:
    out = tmp_path / "student"
    command = ("distill", both, tiny, people, SHORT, "--out", out, "--single", runs / "two")
    code, printed, err = call(*command, "--unlabelled", people, "--weight", 0.9)
    assert code == 0, err
    assert "Student less single" in printed
    run = open_run(out)
    settings = run.recipe().pseudo
    assert settings is not None and settings.run == str(runs / "two")
    assert "photos without labels are trained on" in err
    photos, _ = tables.pseudo(run, 0)
    assert len(photos) > 0
    code, _, err = call(*command, "--unlabelled", tmp_path / "gone")
    assert code == 2 and "no such folder; give a folder of photos without labels" in err


def test_a_smoke_test_compares_nothing(
    call: Call, both: Path, tiny: Path, people: Path, tmp_path: Path
) -> None:
    code, _, err = call("distill", both, tiny, people, "--out", tmp_path / "smoke", "--smoke")
    assert code == 0, err
    assert RunFolder(tmp_path / "smoke").distillation() is None


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("TEACHER", "tiny", "people", "folds.seed=3"), "folds.seed=3: the student keeps the"),
        (("TEACHER", "tiny", "people", "teacher=TEACHER"), "the recipe has a teacher, or the loss"),
        (("one", "tiny", "people"), "one: has no member to be the single model"),
        (("FILE", "tiny", "people"), "is a file; give a run, which maskgate combine"),
        (("BUNDLE", "tiny", "people"), "a bundle, not a run"),
        (("TEACHER", "tiny", "people", "--single", "TEACHER"), "the run of a system, not of a"),
        (("TEACHER", "tiny", "others"), "it belongs to other data"),
        (("TEACHER", "tiny", "people", "--single", "FOLDS"), "people are in other folds than in"),
    ],
)  # fmt: skip
def test_what_cannot_be_compared_is_refused_before_the_training(
    words: tuple[str, ...], sentence: str, call: Call, both: Path, runs: Path, tiny: Path,
    people: Path, bundle: Path, train: Train, tmp_path: Path,
) -> None:  # fmt: skip
    from maskgate.synthetic.people import sample_people

    if "FOLDS" in words:
        train(tmp_path / "folds", SHORT, "folds.seed=3")
    if "others" in words:
        sample_people.make(tmp_path / "others", people=12, eval_people=0, size=(64, 48), seed=9)
    (tmp_path / "system.yaml").write_text("members: []")
    places = {
        "TEACHER": both, "one": runs / "one", "tiny": tiny, "people": people, "BUNDLE": bundle,
        "FILE": tmp_path / "system.yaml", "others": tmp_path / "others",
        "FOLDS": tmp_path / "folds",
        "teacher=TEACHER": f"teacher={both}",
    }  # fmt: skip
    out = tmp_path / "student"
    code, _, err = call("distill", *(places.get(word, word) for word in words), "--out", out)
    assert code == 2, err
    assert sentence in err.splitlines()[-1]
    assert not out.exists()


def test_killed_and_resumed_to_the_same_bytes(
    kill: Callable[..., None], moments: random.Random, call: Call, both: Path, tiny: Path,
    people: Path, tmp_path: Path,
) -> None:  # fmt: skip
    """Of the updates, tests/training/test_soft_labels.py kills some."""
    words = ("distill", both, tiny, people, SHORT, "--cache", tmp_path / "cache", "--out")
    at = moments.randint(1, 4)
    kill("maskgate.inference.classifier:SingleModel.__call__", at, *words, tmp_path / "killed")
    assert not RunFolder(tmp_path / "killed").distillation_file.exists()
    for name in ("killed", "whole"):
        code, _, err = call(*words, tmp_path / name)
        assert code == 0, err
    for name in ("oof.parquet", "fold-0/model.safetensors", "fold-1/model.safetensors"):
        killed, uninterrupted = (tmp_path / run / name for run in ("killed", "whole"))
        assert killed.read_bytes() == uninterrupted.read_bytes(), f"{name}, {at}"


def test_code_of_a_stranger_is_not_run_for_the_comparison(
    call: Call, both: Path, runs: Path, tiny: Path, people: Path, tmp_path: Path
) -> None:
    stranger = RunFolder(Path(shutil.copytree(runs / "one", tmp_path / "theirs")))
    text = stranger.recipe_file.read_text().replace(
        "backbone: test_resnet", "backbone: stranger:net"
    )
    stranger.recipe_file.write_text(text)
    stranger.files.add(stranger.recipe_file)
    out = tmp_path / "student"
    words = ("distill", both, tiny, people, "--out", out, "--single", stranger.path)
    code, _, err = call(*words)
    assert code == 2 and "would import and run the code stranger:net" in err
    assert not out.exists()


# ------------------------------------------------------------------------------- the report


def record(**changes: object) -> Distillation:
    """A comparison."""
    model = Compared(
        run="runs/x", score=figure(0.5, 0.4, 0.6), networks=5, passes=10, milliseconds=2.0
    )
    values: dict[str, object] = {
        "score_of": "macro F1", "people": 1200, "single": model, "ensemble": model,
        "student": model.model_copy(update={"passes": 1}), "gain": figure(0.04, 0.02, 0.06),
        "student_gain": figure(0.03, 0.0, 0.05), "lost": figure(0.01, -0.01, 0.02),
        "kept": figure(0.75, 0.1, 1.25), "times_faster": 9.87,
    }  # fmt: skip
    return Distillation.model_validate(
        {key: value for key, value in (values | changes).items() if value is not None}
    )


def figure(value: float, low: float, high: float) -> Figure:
    return Figure.from_score(Score(value, low, high))


def test_the_sentences_say_what_is_kept_and_how_much_faster() -> None:
    differences, kept, speed = report.sentences(record())
    assert "Student less single: +0.0300 [+0.0000, +0.0500]" in differences
    assert "1,200 people" in differences
    assert "keeps 75% [10%, 125%] of the ensemble's gain, which is +0.0400" in kept
    assert "9.9 times as fast" in speed and "see 1 picture for one" in speed
    _, undecided, *_ = report.sentences(record(kept=None))
    assert "is undecided: the gain itself is +0.0400" in undecided
    assert "its score is too high" in report.sentences(record(out_of_fold=True))[0]


def test_a_damaged_comparison_is_one_sentence(trained: Path, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))
    run.distillation_file.write_text(json.dumps({"version": 1, "people": "x"}))
    assert run.distillation() is None  # it is not listed
    run.files.add(run.distillation_file)
    with pytest.raises(MaskgateError, match=r"distillation\.json"):
        run.distillation()
    run.distillation_file.unlink()
    with pytest.raises(MaskgateError, match=r"distillation\.json"):
        run.check()
    assert len(tables.oof(run)[0])
