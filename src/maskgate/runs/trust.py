"""What a run from elsewhere does only if the user trusts it: run code, read files of this machine.

A run is a folder that may come from anybody. Only a recipe that the user names for a training is
the user's own; one that lies in a run is not.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.runs import Run

Factory = tuple[str, dict[str, Any]]


def check_trusted(run: Run, recipe: Recipe) -> None:
    """Raise MaskgateError, before anything is imported or read, where the models of `recipe`, which
    lies in the `run`, need code or a local file, and the run is not trusted."""
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
            f"{run.path}: its recipe would read {file} without telling what that must be"
            " (photo.face.sha256); add --trust (in Python trust=True) if you know who made this run"
            " and trust them"
        )


def vouched(run: Run, factories: Iterable[Factory]) -> Run:
    """The run as a trusted one where all of its factories, with their arguments, are among those of
    a recipe that the user has named: they run anyway. Else as it is."""
    known = list(factories)
    own = run.recipe().model.factories
    return replace(run, trusted=True) if own and all(each in known for each in own) else run
