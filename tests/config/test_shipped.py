"""What is said of shipped recipes and systems: purpose, command, score, time, needs."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
from rich.console import Console

from maskgate.config import recipe, shipped, system
from maskgate.core import terminal
from maskgate.errors import MaskgateError
from maskgate.reports import recipe_list

RESULTS = (Path(__file__).parents[2] / "docs" / "results.md").read_text("utf-8")
ALL = shipped.all_shipped()


def test_every_file_is_listed_the_recommended_one_first() -> None:
    files = [*recipe.shipped().glob("*.yaml"), *system.shipped().glob("*.yaml")]
    assert sorted(file.stem for file in files) == sorted(Path(each.name).name for each in ALL)
    assert ALL[0].name == shipped.RECOMMENDED


@pytest.mark.parametrize("each", ALL, ids=lambda each: each.name)
def test_each_has_a_purpose_and_its_command(each: shipped.Shipped) -> None:
    assert len(each.purpose) > 20
    assert re.match(rf"maskgate (train|pseudo|demo)( {each.name} |$)", each.command)


def test_scores_are_those_of_the_results() -> None:
    folder = recipe.shipped()
    stated = [line for file in folder.glob("*.yaml") for line in file.read_text().splitlines()]
    scores = [line for line in stated if line.startswith("# score")]
    measured = [each.measured for each in ALL if each.measured is not None]
    assert len(scores) == len(measured) >= 3, "a line of a score has another form"
    for each in measured:
        value, low, high = (f"{n:.3f}".lstrip("0") for n in vars(each.score).values())
        assert re.search(rf"{value}\** \[{low}, {high}\]", RESULTS), value
        assert f"{each.people:,} people" in RESULTS


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("baseline", []),
        ("default", ["a face detector (YuNet, else MTCNN)"]),
        ("face-backbone", ["the extra imagenet", "a face detector (YuNet, else MTCNN)"]),
        ("finetune", ["a GPU", "a download of ImageNet weights"]),
        ("more-data", ["further labelled photos"]),
        (
            "s1-retinaface",
            ["a GPU", "a download of ImageNet weights", "the extra retinaface"],
        ),
        (
            "s1-pseudo",
            ["a GPU", "a download of ImageNet weights", "a face detector (MTCNN)",
             "photos without labels and a run that labels them"],
        ),
        ("s4", ["a GPU", "a download of ImageNet weights"]),
    ],
)  # fmt: skip
def test_needs(name: str, needs: list[str]) -> None:
    assert next(list(each.needs) for each in ALL if each.name == name) == needs


def test_a_terminal_of_80_columns_shows_all_names(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(
        terminal, "console", lambda: Console(width=80, force_terminal=True, color_system=None)
    )
    recipe_list.show([], as_json=False)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", capsys.readouterr().out).splitlines()
    assert max(map(len, lines)) <= 80
    first_words = {line.split(" ")[0] for line in lines}
    assert {each.name for each in ALL} <= first_words
    assert any("Score .448 [.420, .476] on 1,356 people, 48 min" in line for line in lines)


def test_text_chooses_and_json_has_the_same(capsys: pytest.CaptureFixture[str]) -> None:
    recipe_list.show(["arcface"], as_json=True)
    (entry,) = json.loads(capsys.readouterr().out)
    assert (entry["name"], entry["kind"], entry["score"]) == ("s3-arcface", "recipe", None)
    recipe_list.show(["baseline", "residual"], as_json=True)
    (entry,) = json.loads(capsys.readouterr().out)
    assert entry["score"] == {"value": 0.448, "low": 0.42, "high": 0.476}
    assert (entry["people"], entry["minutes"], entry["machine"]) == (1356, 48, "two shared cores")
    recipe_list.show(["systems"], as_json=False)
    assert "Needs a GPU" in capsys.readouterr().out
    with pytest.raises(MaskgateError, match="arcfase: no recipe or system has this"):
        recipe_list.show(["arcfase"], as_json=False)


def test_the_command_needs_neither_torch_nor_pandas() -> None:
    script = (
        "import sys; from maskgate import cli; sys.argv[1:] = ['recipes', 'default']\n"
        "try:\n    cli.main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "assert not {'torch', 'pandas'} & set(sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("recipe ")
