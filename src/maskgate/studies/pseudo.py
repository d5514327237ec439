"""Rounds of pseudo labels: a round trains with the labels that the run of the one before gives.

The guard stops where a round lowers the out-of-fold score: its labels taught mistakes, as S1 found
of pseudo labels without a threshold.
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
from maskgate.runs import Run
from maskgate.training import crossval, preflight, processes, run_folder
from maskgate.training.options import TrainOptions
from maskgate.training.training_data import prepare

_OURS: Final = ("round-*", page.PAGE, page.LISTING, ".*")


def train(
    recipe: Recipe,
    options: TrainOptions,
    wanted: Pseudo,
    count: int,
    first: Path | None = None,
    keep_going: bool = False,
) -> Rounds:
    """Train up to `count` rounds of a recipe in `options.out`, each a run `round-R` in it.

    Round 0 is trained without pseudo labels, or is the finished run `first`, whose folds are kept.
    Rounds end at one that has no photo to learn from and, unless they are to `keep_going`, at the
    first that lowers the score. Finished rounds are left as they are, an unfinished one is resumed.
    `wanted.run` is not looked at. Raises MaskgateError.
    """
    if options.out is None:
        raise ValueError("rounds need a folder")
    place = options.out
    done: Rounds | None = None
    with processes.group() as group:

        def on_main(work: Callable[[], Any]) -> Any:
            return processes.on_main(group, work)

        recipe = on_main(lambda: _begin(recipe, options, wanted, first))
        lock = FileLock(place / ".lock", timeout=0)
        on_main(lambda: run_folder.acquire(lock, Run(place)))
        try:
            trained = [] if first is None else [runs.open_model(first)]
            while len(trained) <= count:
                number = len(trained)
                if group.is_main_process:
                    say(f"round {number} of {count}")
                told = wanted.model_copy(update={"run": str(trained[-1].path)}) if trained else None
                own = recipe.model_copy(update={"pseudo": told})
                out = replace(options, out=place / f"round-{number}")
                trained.append(crossval.train(own, out))
                if not number:
                    continue
                done = on_main(lambda: _judged(trained, wanted, place))
                last = done.rounds[-1]
                if not last.trained or (last.lowered and not keep_going):
                    break
        finally:
            lock.release()
    if done is None:
        raise ValueError(f"{count} rounds")
    return done


def _begin(recipe: Recipe, options: TrainOptions, wanted: Pseudo, first: Path | None) -> Recipe:
    """The recipe less its pseudo labels, on the folds of `first`; makes the folder.

    All that is needed is tried before the first round is trained, not after.
    """
    place = options.out
    assert place is not None
    files.check_folder(place, remedy="give another --out")
    known = {path for pattern in _OURS for path in place.glob(pattern)}
    there = set(place.iterdir()) if place.is_dir() else set()
    others = sorted(path.name for path in there - known)
    if others:
        raise MaskgateError(
            f"{place}: holds other things than rounds ({listed(others)}); give another --out"
        )
    recipe = recipe.model_copy(update={"pseudo": None})
    if first is not None:
        run = runs.open_model(first)
        if not run.metrics().validated:
            raise MaskgateError(
                f"{run.path}: validated nobody, so that no round can be judged against it; give a"
                " run with folds"
            )
        if recipe.folds.file is None:
            kept = recipe.folds.model_copy(update={"file": str(run.folds_file)})
            recipe = recipe.model_copy(update={"folds": kept})
    if recipe.folds.kind == "all":
        raise MaskgateError(
            f"recipe {options.name}: folds.kind is all, so that no round can be judged; set kfold"
            " or holdout"
        )
    preflight.check_recipe(recipe, options.name, options.trust)
    tried = recipe.model_copy(update={"pseudo": wanted})
    prepare(preflight.with_detector(tried, options, options.name), options)
    place.mkdir(parents=True, exist_ok=True)
    return recipe


def _judged(trained: list[Run], wanted: Pseudo, place: Path) -> Rounds:
    """The rounds so far; tells of the last one, and writes the page."""
    found = rounds.judge(trained)
    say(page.sentence(found, found.rounds[-1]))
    page.write(found, wanted, place)
    return found
