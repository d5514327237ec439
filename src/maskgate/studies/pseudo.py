"""Rounds of pseudo labels: each round trains on labels predicted by the round before.

The rounds stop when one lowers the out-of-fold score, as wrong pseudo labels do: S1 found this
without a threshold.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from filelock import FileLock

from maskgate import runs
from maskgate.config.recipe import Pseudo, Recipe
from maskgate.core import files
from maskgate.core.progress import say
from maskgate.errors import MaskgateError, listed
from maskgate.evaluation import rounds
from maskgate.evaluation.rounds import Rounds
from maskgate.reports import pseudo as page
from maskgate.runs import RunFolder
from maskgate.training import crossval, preflight, processes, run_folder
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare

_OWN_FILES: Final = ("round-*", page.PAGE, page.LISTING, ".*")


def train(
    recipe: Recipe,
    options: TrainOptions,
    pseudo: Pseudo,
    count: int,
    first: Path | None = None,
    keep_going: bool = False,
) -> Rounds:
    """Train up to `count` rounds of a recipe in `options.out`, each a run `round-R` in it.

    Round 0 is trained without pseudo labels, or is the finished run `first`, whose folds are kept.
    The rounds stop at one without pseudo labels and, unless `keep_going`, at the first that lowers
    the score. Finished rounds are kept, an unfinished one is resumed. `pseudo.run` is ignored.
    Raises MaskgateError.
    """
    if options.out is None:
        raise ValueError("rounds need a folder")
    folder = options.out
    done: Rounds | None = None
    with processes.group() as group:

        def on_main(work: Callable[[], Any]) -> Any:
            return processes.on_main(group, work)

        recipe = on_main(lambda: _prepare_folder(recipe, options, pseudo, first))
        lock = FileLock(folder / ".lock", timeout=0)
        on_main(lambda: run_folder.acquire(lock, RunFolder(folder)))
        try:
            trained = [] if first is None else [runs.open_model(first)]
            while len(trained) <= count:
                number = len(trained)
                if group.is_main_process:
                    say(f"round {number} of {count}")
                round_pseudo = (
                    pseudo.model_copy(update={"run": str(trained[-1].path)}) if trained else None
                )
                round_recipe = recipe.model_copy(update={"pseudo": round_pseudo})
                round_options = replace(options, out=folder / f"round-{number}")
                trained.append(crossval.train(round_recipe, round_options))
                if not number:
                    continue
                done = on_main(lambda: _report_rounds(trained, pseudo, folder))
                last = done.rounds[-1]
                if not last.trained or (last.lowered and not keep_going):
                    break
        finally:
            lock.release()
    if done is None:
        raise ValueError(f"{count} rounds")
    return done


def _prepare_folder(
    recipe: Recipe, options: TrainOptions, pseudo: Pseudo, first: Path | None
) -> Recipe:
    """The recipe without pseudo labels, on the folds of `first`; creates the folder.

    Everything that later rounds need is checked before the first one is trained.
    """
    folder = options.out
    assert folder is not None
    files.check_folder(folder, remedy="give another --out")
    known = {path for pattern in _OWN_FILES for path in folder.glob(pattern)}
    existing = set(folder.iterdir()) if folder.is_dir() else set()
    others = sorted(path.name for path in existing - known)
    if others:
        raise MaskgateError(
            f"{folder}: has other files than rounds ({listed(others)}); give another --out"
        )
    recipe = recipe.model_copy(update={"pseudo": None})
    if first is not None:
        run = runs.open_model(first)
        if not run.metrics().validated:
            raise MaskgateError(
                f"{run.path}: has no validation, so that no round can be compared with it; give a"
                " run with folds"
            )
        if recipe.folds.file is None:
            kept = recipe.folds.model_copy(update={"file": str(run.folds_file)})
            recipe = recipe.model_copy(update={"folds": kept})
    if recipe.folds.kind == "all":
        raise MaskgateError(
            f"recipe {options.name}: folds.kind is all, so that rounds have no score; set kfold or"
            " holdout"
        )
    preflight.check_recipe(recipe, options.name, options.trust)
    first_recipe = recipe.model_copy(update={"pseudo": pseudo})
    prepare(preflight.with_detector(first_recipe, options, options.name), options)
    folder.mkdir(parents=True, exist_ok=True)
    return recipe


def _report_rounds(trained: list[RunFolder], pseudo: Pseudo, folder: Path) -> Rounds:
    """The rounds so far; prints the last one, and writes the page."""
    judged = rounds.judge(trained)
    say(page.sentence(judged, judged.rounds[-1]))
    page.write(judged, pseudo, folder)
    return judged
