"""What to do with a finished run: commands to copy, only those that work on this run."""

import os
import re
import shlex
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from maskgate import labels, runs
from maskgate.core import extras
from maskgate.errors import MaskgateError
from maskgate.evaluation.conclusions import Conclusions
from maskgate.evaluation.groups import without_seed
from maskgate.runs import RunFolder
from maskgate.runs.records import contents
from maskgate.runs.records.results import Results, known_attributes
from maskgate.runs.records.status import Status

_MOST_NEIGHBOURS: Final = 50  # runs in the same folder that are looked at, the newest first
_CODE: Final = re.compile(r"\w:\w")  # as in package.module:factory


def of_run(run: RunFolder, conclusions: Conclusions | None) -> list[tuple[str, str]]:
    """Pairs of a purpose and a command, with absolute paths; `conclusions` are those of its scores,
    None where it has none or they are not known yet."""
    status, results, place = run.status(), run.metrics(), run.path.resolve()
    if status.smoke:
        words = _typed(status)
        return [("Train it on all photos", _command(words))] if words else []
    steps: list[tuple[str, list[str]]] = []
    if results.validated:
        steps += _with_other_runs(run, status, results)
        if conclusions is not None and conclusions.weak:
            needs = "" if extras.is_installed("labels") else f", after {extras.install('labels')}"
            steps.append((f"List the labels that may be wrong{needs}", ["suspects", str(place)]))
    trust = (
        ["--trust"] if any(each.recipe().model.factories for each in run.single_models()) else []
    )
    test_photos = Path(status.data).resolve() / "eval"
    if status.data and (test_photos / "info.csv").is_file():
        out = ["--out", f"{place}-submission.csv"]
        words = ["submit", str(place), str(test_photos), *out, *trust]
        steps.append(("Predict the test photos", words))
    if set(known_attributes(results)) == set(labels.ATTRIBUTES):
        words = ["export", str(place), f"{place}-bundle", *trust]
        steps.append(("Export it for the door", words))
    return [(purpose, _command(words)) for purpose, words in steps]


def in_terminal(run: RunFolder) -> list[str]:
    """The lines that `maskgate train` ends with: the report, and the commands."""
    if run.status().smoke:
        return ["next: the same command without --smoke"]
    place = str(run.path.resolve())
    steps = [
        ("Predict labels and probabilities of photos", _command(["predict", place, "PHOTOS"])),
        ("Predict photos as ImageID,ans", _command(["submit", place, "PHOTOS"])),
        *of_run(run, None),
    ]
    commands = [f"  {command}  # {purpose}" for purpose, command in steps]
    return [f"next: open {shlex.quote(str(run.report_file))} in a browser, or", *commands]


def _command(words: list[str]) -> str:
    return shlex.join(["maskgate", *words])


def _with_other_runs(
    run: RunFolder, status: Status, results: Results
) -> Iterator[tuple[str, list[str]]]:
    """Steps that need another run: of another seed, or of another recipe."""
    place, (settings, seed) = run.path.resolve(), without_seed(run.settings())
    others = [(each, *without_seed(each.settings())) for each in _comparable(run, status, results)]
    same_recipe = next(
        (each for each, bare, its in others if bare == settings and its != seed), None
    )
    other_recipe = next((each for each, bare, _ in others if bare != settings), None)
    if other_recipe is not None:
        words = ["compare", str(other_recipe.path.resolve()), str(place)]
        yield "See whether it is better than another run", words
    if same_recipe is not None:
        words = ["combine", str(place), str(same_recipe.path.resolve())]
        yield "Combine its seeds", [*words, "--out", f"{place}-seeds"]
    elif not run.is_system and (words := _another_seed(run, status)):
        yield "Train a second seed: the scores of one model do not say how much seeds vary", words


def _another_seed(run: RunFolder, status: Status) -> list[str]:
    """The command that trains its recipe with the next seed; empty where there is none."""
    recipe, place = run.recipe(), run.path.resolve()
    words = [word for word in _typed(status) if not word.startswith("seed=")]
    if not words:
        is_alone = recipe.pseudo is None and recipe.teacher is None and not recipe.model.factories
        if not (is_alone and status.data):
            return []
        words = ["train", str(place / run.recipe_file.name), _absolute(status.data)]
        words += ["tracking=[]"] if recipe.tracking else []  # the recipe may be a stranger's
    seed = recipe.seed + 1
    return [*words, f"seed={seed}", "--out", f"{place}-seed-{seed}"]


def _typed(status: Status) -> list[str]:
    """The words of the `train` that was typed, without --smoke, --out and --trust; empty for a run
    of another command, and where a word may name code: the run may be a stranger's."""
    try:
        words = shlex.split(status.command)
    except ValueError:  # of a run that somebody has written by hand
        return []
    maps = {place for place, word in enumerate(words) if "--map" in (words[place - 1], word[:5])}
    may_be_code = [word for place, word in enumerate(words) if place not in maps]
    if words[:2] != ["maskgate", "train"] or any(map(_CODE.search, may_be_code)):
        return []
    kept, rest = ["train"], iter(words[2:])
    for word in rest:
        if word == "--out":
            next(rest, None)
        elif word not in ("--smoke", "--trust") and not word.startswith("--out="):
            kept.append(_absolute(word) if os.sep in word or word == status.data else word)
    return kept


def _absolute(word: str) -> str:
    """A path that exists as an absolute one; any other word as it is."""
    with suppress(OSError, ValueError):
        return str(Path(word).resolve(strict=True))
    return word


def _comparable(run: RunFolder, status: Status, results: Results) -> Iterator[RunFolder]:
    """The runs in the same folder that are scored on the same people and labels, newest first."""
    folds = contents.entry(run.folds_file).sha256
    for other in _neighbours(run):
        with suppress(MaskgateError):  # a damaged run is another command's to report
            other_status = other.status()
            if other_status.finished is None or other_status.smoke:
                continue
            if other_status.truth != status.truth:
                continue
            if contents.entry(other.folds_file).sha256 != folds:
                continue
            other_results = other.metrics()
            if other_results.validated and other_results.score_of == results.score_of:
                without_seed(other.settings())
                yield other


def _neighbours(run: RunFolder) -> list[RunFolder]:
    dated = []
    with suppress(OSError, MaskgateError):
        for path in run.path.resolve().parent.iterdir():
            if path != run.path.resolve() and runs.is_run(path):
                dated.append((RunFolder(path).status_file.stat().st_mtime, path))
    return [RunFolder(path) for _, path in sorted(dated, reverse=True)[:_MOST_NEIGHBOURS]]
