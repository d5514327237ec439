"""Trust in runs: only a trusted run may run code, or read other files of this machine.

A run may come from a stranger. A recipe that the user gives to a training is the user's own; a
recipe in a run is not.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder

Factory = tuple[str, dict[str, Any]]


def check_trusted(run: RunFolder, recipe: Recipe) -> None:
    """Raise MaskgateError where the `recipe` of an untrusted `run` needs code or a local file,
    before any of it is imported or read."""
    if run.trusted:
        return
    for name, _ in recipe.model.factories:
        raise MaskgateError(
            f"{run.path}: its recipe would import and run the code {name}; add --trust (in Python"
            " trust=True) if you know who made this run and trust them, else do not use it"
        )
    face = recipe.photo.face
    file = None if face is None else face.detector.arguments.get("file")
    if face is not None and file is not None and face.sha256 is None:
        raise MaskgateError(
            f"{run.path}: its recipe would read {file} without its checksum (photo.face.sha256);"
            " add --trust (in Python trust=True) if you know who made this run and trust them"
        )


def trust_if_known(run: RunFolder, factories: Iterable[Factory]) -> RunFolder:
    """The run, trusted if it has factories and all of them, with their arguments, are among the
    `factories` of a recipe that the user has given: these run anyway."""
    known = list(factories)
    run_factories = run.recipe().model.factories
    is_known = run_factories and all(factory in known for factory in run_factories)
    return replace(run, trusted=True) if is_known else run
