import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.config.recipe import Recipe
from maskgate.reports import next_steps
from maskgate.runs import RunFolder
from maskgate.training import crossval, scoring
from maskgate.training.options import TrainOptions

Call = Callable[..., tuple[int, str, str]]


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom maskgate import cli\nsys.argv = ['maskgate', '--help']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'accelerate', 'timm', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_from_people_to_submission(
    call: Call, tiny: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("train", tiny, people, "training.epochs=1", "folds.kind=holdout")
    assert code == 0
    assert "out-of-fold macro F1" in out
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("tiny-")
    again = call("train", tiny, people, "training.epochs=1", "folds.kind=holdout")
    assert again[0] == 0
    assert "finished" in again[2]
    other = call("train", tiny, people, "training.epochs=1", "folds.kind=holdout", "seed=8")
    assert other[0] == 0
    code, out, _ = call("runs")
    assert "seed=8" in out
    assert out.count("tiny-") == 2
    code, out, _ = call("submit", run, people, "-o", "answers.csv")
    assert code == 0
    assert len(Path("answers.csv").read_text().splitlines()) == 43
    code, out, _ = call("predict", run, people / "eval" / "images")
    assert code == 0
    assert out.splitlines()[0].startswith("photo,mask,mask_probability,gender,")
    assert len(out.splitlines()) == 43
    code, out, _ = call("predict", run, people / "eval" / "images", "-o", "photos.csv")
    assert out == ""
    (run / "report.html").unlink()
    code, out, _ = call("report", run)
    assert (run / "report.html").stat().st_size > 10_000
    assert "<img" in (run / "report.html").read_text()
    assert call("report", run, "--no-photos")[0] == 0
    assert "<img" not in (run / "report.html").read_text()


# Words of the command line, the variable, what is trained on, and in how many epochs.
DATA = (
    ("training.epochs=5", "{people}/train/images", "{people}/train/images", 5),
    ("", "{people}/train/images", "{people}/train/images", 2),
    ("{people} training.epochs=5", "none", "{people}", 5),
    ("{people}", "", "{people}", 2),
    ("seed=3 training.epochs=5", "none", "seed=3", 5),  # a folder of that name is there
)


@pytest.mark.parametrize(("words", "variable", "data", "epochs"), DATA)
def test_data_is_given_or_left_to_its_variable(
    call: Call,
    tiny: Path,
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    words: str,
    variable: str,
    data: str,
    epochs: int,
) -> None:
    trained: list[tuple[Recipe, TrainOptions]] = []

    def train(*arguments: Any) -> RunFolder:
        trained.append(arguments)
        return RunFolder(tmp_path)

    monkeypatch.setattr(crossval, "train", train)
    monkeypatch.setattr(scoring, "summary", lambda run: "")
    monkeypatch.setattr(next_steps, "in_terminal", lambda run: [])
    monkeypatch.setenv("SM_CHANNEL_TRAIN", variable.format(people=people))
    monkeypatch.chdir(tmp_path)
    Path("seed=3").mkdir()
    assert call("train", tiny, *words.format(people=people).split())[0] == 0
    ((recipe, options),) = trained
    assert options.data == Path(data.format(people=people))
    assert recipe.training.epochs == epochs
    assert recipe.seed == 7


def test_the_competitions_variables_stand_in_for_all_folders(
    call: Call, tiny: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    model, output = tmp_path / "model", tmp_path / "output"
    output.mkdir()
    for name, folder in {
        "SM_CHANNEL_TRAIN": people / "train" / "images",
        "SM_CHANNEL_EVAL": people / "eval",
        "SM_CHANNEL_MODEL": model,
        "SM_MODEL_DIR": model,
        "SM_OUTPUT_DATA_DIR": output,
    }.items():
        monkeypatch.setenv(name, str(folder))
    assert call("train", tiny, "training.epochs=1", "folds.kind=holdout")[0] == 0
    (run,) = model.iterdir()
    assert run.name in call("runs")[1]
    code, stdout, err = call("submit")
    assert (code, err) == (0, "")
    assert f"{output}/output.csv: 42 rows, " in stdout
    answers = (output / "output.csv").read_bytes()
    # What is given wins.
    for name in ("CHANNEL_MODEL", "CHANNEL_EVAL", "OUTPUT_DATA_DIR", "MODEL_DIR"):
        monkeypatch.setenv(f"SM_{name}", "none")
    assert call("submit", run, people, "-o", "mine.csv")[0] == 0
    assert Path("mine.csv").read_bytes() == answers
    assert run.name in call("runs", model)[1]
    again = call("train", tiny, "training.epochs=1", "folds.kind=holdout", "--runs", model)
    assert "this run is finished" in again[2]
    assert {path.name for path in tmp_path.iterdir()} == {"model", "output", "mine.csv"}


def test_without_the_variables_answers_go_to_the_working_folder(
    call: Call, trained: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("SM_OUTPUT_DATA_DIR", "")
    assert "submission.csv: 42 rows, " in call("submit", trained, people)[1]


def test_help_names_the_variables(call: Call) -> None:
    for command, names in {
        "train": ("SM_CHANNEL_TRAIN", "SM_MODEL_DIR", "MASKGATE_CACHE"),
        "inspect": ("SM_CHANNEL_TRAIN",),
        "submit": ("SM_CHANNEL_MODEL", "SM_CHANNEL_EVAL", "SM_OUTPUT_DATA_DIR"),
        "runs": ("SM_MODEL_DIR",),
    }.items():
        code, out, _ = call(command, "--help")
        assert code == 0
        assert all(name in out for name in names)


def test_called_without_anything_it_helps(call: Call) -> None:
    code, out, err = call()
    assert (code, err) == (0, "")
    assert "train" in out


def test_version(call: Call) -> None:
    assert call("--version")[1].startswith("maskgate ")
