"""Makes the goldens anew: what a training of today's version gives.

    python tests/golden/make.py FOLDER [--runs]

trains in FOLDER, which is made, and copies what `tests/test_golden.py` compares beside this file.
With `--runs`, also the runs themselves and what they say of photos; without it, those of an older
version stay, which this one has to read, and combines. Only to be run where results are meant to
change; the commit says why they do.
"""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
PEOPLE: Final = {"people": 30, "eval_people": 6, "size": (64, 48), "twins": 2, "label_errors": 3}
_TRAINING: Final = """
folds: {kind: kfold, count: 2}
augment: [{name: horizontal_flip}]
optimizer: {lr: 1.0e-2}
training: {epochs: 12, batch_size: 32}
"""
_BACKBONE: Final = "backbone: resnet10t, arguments: {channels: [4, 8, 8, 16], stem_width: 4}"
RECIPES: Final = {
    "plain": "photo: {height: 32, width: 24, margin: 0.25}\ntta: [flip]\n"
    f"model: {{{_BACKBONE}}}\n",
    "faces": "photo: {height: 48, width: 40, margin: 0, face: {detector: mtcnn}}\n"
    f"model: {{{_BACKBONE}, head: {{name: factored, age: ordinal}}}}\n",
}
COMBINE: Final = ("combine", "plain", "faces", "--combine", "weights", "--adjust", "offsets")
# Of each golden the words of the command line, whose output it is.
COMMANDS: Final = {
    "plain.csv": ["predict", "plain", "people/eval/images"],
    "faces.csv": ["predict", "faces", "people/eval/images", "--all-faces"],
    "together.csv": ["predict", "together", "people/eval/images"],
}


def processor() -> str:
    """What last digits depend on: a training on another one gives others."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.is_file() else [platform.processor()]
    model_lines = [line for line in lines if line.startswith(("cpu family", "flags", "model"))]
    return hashlib.sha256("\n".join(sorted(set(model_lines))).encode()).hexdigest()


def recipe(name: str) -> str:
    """The file of a run's recipe."""
    return RECIPES[name] + _TRAINING


def _maskgate(folder: Path, *words: str) -> str:
    command = [sys.executable, "-m", "maskgate", *words]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASKGATE_CACHE": str(folder / "cache")}
    done = subprocess.run(command, cwd=folder, env=environment, stdout=subprocess.PIPE, check=True)
    return done.stdout.decode()


TRAINED: Final = ("metrics.json", "folds.csv", "oof.parquet")


def _make(folder: Path, has_runs: bool) -> None:
    from maskgate.synthetic.people import sample_people

    folder.mkdir(parents=True)
    sample_people.make(folder / "people", **PEOPLE)  # type: ignore[arg-type]
    for name in RECIPES:
        (folder / f"{name}.yaml").write_text(recipe(name))
        _maskgate(folder, "train", f"{name}.yaml", "people", "--out", name)
        _copy_trained(folder, name)
    if has_runs:
        _copy_runs(folder)
    _combine_runs(folder / "older")
    _maskgate(folder, "demo", "--out", "demo")
    for target, source in {
        "demo-oof.parquet": "demo/run/oof.parquet",
        "demo-submission.csv": "demo/submission.csv",
    }.items():
        shutil.copy(folder / source, FOLDER / target)
    (FOLDER / "processor.txt").write_text(processor() + "\n")


def _combine_runs(folder: Path) -> None:
    """Combine the runs among the goldens."""
    shutil.copytree(folder.parent / "people", folder / "people")
    for name in RECIPES:
        shutil.copytree(FOLDER / name, folder / name)
    _maskgate(folder, *COMBINE, "-o", "together")
    _copy_trained(folder, "together")


def _copy_trained(folder: Path, name: str) -> None:
    (FOLDER / "trained" / name).mkdir(parents=True, exist_ok=True)
    for file in TRAINED:
        shutil.copy(folder / name / file, FOLDER / "trained" / name)


def _copy_runs(folder: Path) -> None:
    _maskgate(folder, *COMBINE, "-o", "together")
    for name in (*RECIPES, "together"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
        leave = shutil.ignore_patterns("report.html", "mistakes.csv", ".*")
        shutil.copytree(folder / name, FOLDER / name, ignore=leave)
    for name, command in COMMANDS.items():
        (FOLDER / name).write_text(_maskgate(folder, *command))
    _maskgate(folder, "submit", "together", "people/eval", "-o", "submission.csv")
    shutil.copy(folder / "submission.csv", FOLDER)


if __name__ == "__main__":
    _make(Path(sys.argv[1]), "--runs" in sys.argv[2:])
