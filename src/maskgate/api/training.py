"""Train from Python."""

import os
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from maskgate.api.run import Run
from maskgate.config import settings
from maskgate.config.system import System
from maskgate.core import files
from maskgate.data.label_map import LabelMap
from maskgate.errors import MaskgateError
from maskgate.imaging import photo_files
from maskgate.inference import trainable
from maskgate.training import crossval, ensembles
from maskgate.training.options import TrainOptions


def train(
    recipe: str | os.PathLike[str],
    data: str | os.PathLike[str],
    changes: Mapping[str, Any] | None = None,
    *,
    columns: Mapping[str, str] | None = None,
    words: Mapping[str, Mapping[str, str]] | None = None,
    out: str | os.PathLike[str] | None = None,
    runs: str | os.PathLike[str] = "runs",
    cache: str | os.PathLike[str] | None = None,
    smoke: bool = False,
    skip_faulty: bool = False,
    workers: int = 0,
    trust: bool = False,
) -> Run:
    """Train a recipe, or all members of a system, and return the finished run.

    `recipe` is a file or the name of an included one, `data` a folder of people or a CSV, and
    `changes` are keys of the recipe with their values, such as `{"optimizer.lr": 1e-3, "loss":
    "focal"}`; `columns` and `words` are those of `read`. `out` is the run's folder, by default
    `runs/<recipe>-<hash>`; the other arguments are the options of `maskgate train`. An interrupted
    training resumes when it is called again, and a finished one is opened. Raises MaskgateError for
    all that the command refuses.
    """
    name = os.fspath(recipe)
    photo_files.check_data(Path(data))
    label_map = LabelMap(columns or {}, words or {})
    label_map.check()
    overrides = [_override(key, value) for key, value in (changes or {}).items()]
    overrides += label_map.overrides()
    path, loaded = trainable.open_recipe_or_system(name, overrides)
    files.check_folder(Path(runs if out is None else out))
    options = TrainOptions(
        name=path.stem,
        data=Path(data),
        out=None if out is None else Path(out),
        runs=Path(runs),
        cache=None if cache is None else Path(cache),
        smoke=smoke,
        skip_faulty=skip_faulty,
        workers=workers,
        command=_command(
            [name, os.fspath(data), *overrides], out=out, smoke=smoke, skip_faulty=skip_faulty
        ),
        trust=trust,
    )
    if isinstance(loaded, System):
        return Run(ensembles.train(loaded, options).path, trust)
    return Run(crossval.train(loaded, options).path, trust)


def _override(key: str, value: Any) -> str:
    """A change of a key as the command line writes it. Raises MaskgateError for a value that no
    recipe can hold."""
    if isinstance(value, os.PathLike):
        value = os.fspath(value)
    try:
        return f"{key}={settings.override_text(value)}"
    except TypeError as error:
        raise MaskgateError(
            f"{key}: a {type(value).__name__} is no value of a recipe; give a number, a text, a"
            " list or a dict"
        ) from error


def _command(
    words: list[str], *, out: str | os.PathLike[str] | None, smoke: bool, skip_faulty: bool
) -> str:
    """The command that trains the same, to be stored in the run."""
    options = [] if out is None else ["--out", os.fspath(out)]
    options += ["--smoke"] if smoke else []
    options += ["--skip-faulty"] if skip_faulty else []
    return shlex.join(["maskgate", "train", *words, *options])
