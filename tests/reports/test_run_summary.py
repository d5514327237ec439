"""The beginning and the end of a report: facts, commands that work, what differs in the recipe."""

import json
import os
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest

from maskgate.config import recipe
from maskgate.config.recipe import Recipe
from maskgate.core.score import Score
from maskgate.evaluation.conclusions import Conclusions, Part
from maskgate.reports import next_steps, recipe_changes, run_summary
from maskgate.reports import run as run_report
from maskgate.runs import RunFolder

WEAK = Conclusions("macro F1", [], [], [Part("mask", Score(0.5, 0.4, 0.6))], [])
UNDECIDED = Conclusions("macro F1", [], [], [], [])


@pytest.fixture
def run(trained: Path, tmp_path: Path) -> RunFolder:
    """A copy of the trained run, alone in its folder."""
    return RunFolder(Path(shutil.copytree(trained, tmp_path / "runs" / "mine")))


def commands(run: RunFolder, conclusions: Conclusions | None = WEAK) -> list[str]:
    return [command for _, command in next_steps.of_run(run, conclusions)]


def with_settings(run: RunFolder, **changes: Any) -> None:
    settings = run.recipe()
    Recipe.model_validate(settings.model_dump() | changes).write(run.recipe_file)
    run.finish()


def test_the_page_begins_with_facts_and_conclusions(run: RunFolder, people: Path) -> None:
    run.update_status(command="maskgate train tiny 'my people'", data=str(people))
    page = run_report.write(run).read_text("utf-8")
    assert "<h1>mine</h1>" in page
    head = page[page.index("<h1>") : page.index("<h2>Out-of-fold")]
    facts = dict(run_summary.summarise(run).facts)
    assert facts["Data"] == f"{people}: 224 photos of 32 people"
    assert facts["Scored"] == "224 photos of 32 people"
    assert facts["Date"].endswith(" UTC")
    for title, text in facts.items():
        assert f"<dt>{title}</dt><dd>" in head
        assert text.replace("'", "&#39;") in head
    assert "<h2>Conclusions</h2>" in head
    assert page.index("What to do next") > page.index("<h2>Mistakes")
    assert '<details class="after"><summary>All settings, with every default' in page


def test_what_a_run_of_an_earlier_version_lacks_is_left_out(run: RunFolder) -> None:
    status = json.loads(run.status_file.read_text())
    for key in ("started", "data", "sha256"):
        status.pop(key)
    status |= {"files": None, "command": ""}
    run.status_file.write_text(json.dumps(status))
    summary = run_summary.summarise(run)
    assert [title for title, _ in summary.facts] == ["Recipe", "Data", "Scored", "Time", "Versions"]
    assert [command.split()[1] for _, command in summary.steps if "train" in command] == []


def test_commands_have_the_real_paths_and_the_words_that_were_typed(
    run: RunFolder, people: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(people.parent)
    run.update_status(
        command=f"maskgate train tiny {people.name} --out=x seed=7 --trust --out y 'augment=[]'",
        data=people.name,
    )
    place = run.path.resolve()
    assert commands(run) == [
        f"maskgate train tiny {people.resolve()} 'augment=[]' seed=8 --out {place}-seed-8",
        f"maskgate suspects {place}",
        f"maskgate submit {place} {people.resolve()}/eval --out {place}-submission.csv",
        f"maskgate export {place} {place}-bundle",
    ]


@pytest.mark.parametrize("option", ["--map gender:M=male", "--map=gender:M=male"])
def test_words_that_were_mapped_are_no_code(run: RunFolder, option: str) -> None:
    run.update_status(command=f"maskgate train tiny people {option}", data="")
    assert f"tiny people {option} seed=8" in commands(run)[0]


def test_no_labels_are_doubted_where_nothing_is_decided(run: RunFolder) -> None:
    assert any("suspects" in command for command in commands(run))
    assert not any("suspects" in command for command in commands(run, UNDECIDED))


@pytest.mark.parametrize("command", ["", "maskgate demo", "maskgate train 'half"])
def test_of_another_command_the_recipe_in_the_run_is_trained(run: RunFolder, command: str) -> None:
    run.update_status(command=command)
    words = shlex.split(commands(run)[0])
    assert words[:3] == ["maskgate", "train", str(run.recipe_file.resolve())]
    assert words[4:] == ["seed=8", "--out", f"{run.path.resolve()}-seed-8"]


def test_a_recipe_in_a_run_is_trained_without_its_trackers(run: RunFolder) -> None:
    run.update_status(command="")
    with_settings(run, tracking=({"name": "tensorboard"},))
    words = shlex.split(commands(run)[0])
    assert words[:2] == ["maskgate", "train"] and "tracking=[]" in words


def test_a_command_that_may_name_code_is_not_repeated(run: RunFolder) -> None:
    run.update_status(command="maskgate train tiny people model.backbone=their.code:run", data="")
    assert not any(command.startswith("maskgate train") for command in commands(run))


def test_a_smoke_run_is_trained_for_real(run: RunFolder) -> None:
    run.update_status(command="maskgate train tiny people --smoke --out x", smoke=True)
    assert next_steps.of_run(run, None) == [
        ("Train it on all photos", "maskgate train tiny people")
    ]
    assert not run_summary.summarise(run).sentences
    run.update_status(command="")
    assert next_steps.of_run(run, None) == []


def test_a_run_without_validation_is_neither_compared_nor_doubted(run: RunFolder) -> None:
    run.metrics_file.write_text(json.dumps({"validated": False}))
    run.finish()
    assert [command.split()[1] for command in commands(run, None)] == ["submit", "export"]
    assert dict(run_summary.summarise(run).facts)["Scored"] == "nobody"


def test_runs_beside_it_are_compared_and_combined(run: RunFolder) -> None:
    place = run.path.resolve()
    recipes: dict[str, dict[str, Any]] = {
        "seed-8": {"seed": 8},
        "other": {"tta": ({"name": "flip"},)},
        "unfinished": {},
        "damaged": {},
    }
    for name, changes in recipes.items():
        other = RunFolder(Path(shutil.copytree(run.path, place.parent / name)))
        with_settings(other, **changes)
        if name == "unfinished":
            other.update_status(finished=None, files=None)
        if name == "damaged":
            other.metrics_file.write_text("{")
    os.utime(place.parent / "other" / "run.json", (0, 0))
    (place.parent / "no-run").mkdir()
    assert commands(run)[:2] == [
        f"maskgate compare {place.parent / 'other'} {place}",
        f"maskgate combine {place} {place.parent / 'seed-8'} --out {place}-seeds",
    ]
    assert not any(command.startswith("maskgate train") for command in commands(run))


def test_runs_with_other_folds_are_not_compared(run: RunFolder) -> None:
    other = RunFolder(Path(shutil.copytree(run.path, run.path.parent / "other")))
    other.folds_file.write_text(other.folds_file.read_text() + "\n")
    with_settings(other, tta=({"name": "flip"},))
    assert not any("compare" in command for command in commands(run))


def test_the_recipe_is_compared_with_the_shipped_one_of_its_name(run: RunFolder) -> None:
    default = recipe.load(recipe.shipped() / "default.yaml", ["training.epochs=9", "tta=[flip]"])
    default.write(run.recipe_file)
    run.finish()
    run.update_status(recipe="default")
    changes = recipe_changes.of_run(run)
    assert changes is not None
    assert (changes.name, changes.is_same_name) == ("default", True)
    assert changes.rows == [("training.epochs", "3", "9"), ("tta", "[]", "[{name: flip}]")]
    run.update_status(recipe="my-own")
    changes = recipe_changes.of_run(run)
    assert changes is not None
    assert (changes.name, changes.is_same_name, len(changes.rows)) == ("default", False, 2)


def test_what_training_fills_in_is_no_change(run: RunFolder) -> None:
    base = recipe.load(recipe.shipped() / "from-faces.yaml")
    photo = base.model_dump()["photo"]
    photo["face"]["sha256"] = "0" * 64
    Recipe.model_validate(base.model_dump() | {"photo": photo}).write(run.recipe_file)
    run.finish()
    run.update_status(recipe="from-faces")
    changes = recipe_changes.of_run(run)
    assert changes is not None
    assert changes.rows == []
    page = run_report.write(run, photos=False).read_text("utf-8")
    assert "It is the recipe from-faces that comes with maskgate, without changes." in page
