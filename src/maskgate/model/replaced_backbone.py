"""Another backbone in a change: arguments of the recipe's that it does not take are left out.

`maskgate train baseline PEOPLE model.backbone=efficientnet_b0` would otherwise fail because of the
arguments of baseline's own backbone, which nobody typed. torch is imported only where there are
such arguments.
"""

import functools
from collections.abc import Iterable
from typing import Final

from maskgate.config import settings
from maskgate.config.recipe import Recipe, is_factory
from maskgate.config.system import System
from maskgate.core.progress import say
from maskgate.errors import listed

# The keys of a backbone and of its arguments.
_KEYS: Final = (("backbone", "arguments"), ("beside", "beside_arguments"))


def fitted(recipe: Recipe, overrides: Iterable[str]) -> Recipe:
    """The recipe, which `overrides` have changed, without the arguments that belonged to a backbone
    which they replace and that the new one does not take; says which.

    Arguments that an override gives are kept, so that a wrong one is an error.
    """
    return _fitted(recipe, {settings.split(override)[0] for override in overrides})


def fitted_members(system: System) -> System:
    """As `fitted`, for the recipes of a system's members and their changes. Raises
    MaskgateError."""
    members = []
    for member in system.members:
        if member.run is None:
            recipe = system.recipe_of(member)
            model = _fitted(recipe, set(member.changes)).model
            update = {
                f"model.{key}": getattr(model, key)
                for _, key in _KEYS
                if getattr(model, key) != getattr(recipe.model, key)
            }
            member = member.model_copy(update={"changes": {**member.changes, **update}})
        members.append(member)
    return system.model_copy(update={"members": tuple(members)})


def _fitted(recipe: Recipe, keys: set[str]) -> Recipe:
    """As `fitted`; `keys` have been changed."""
    for key, arguments_key in _replaced(keys):
        name, arguments = getattr(recipe.model, key), getattr(recipe.model, arguments_key)
        if name is None or not arguments or is_factory(name):
            continue
        from maskgate.model import backbone

        kept = backbone.accepted_arguments(name, arguments)
        if dropped := [argument for argument in arguments if argument not in kept]:
            _say_once(
                f"model.{key}={name} does not take the recipe's {listed(dropped)} in"
                f" model.{arguments_key}: left out"
            )
            model = recipe.model.model_copy(update={arguments_key: kept})
            recipe = recipe.model_copy(update={"model": model})
    return recipe


def _replaced(keys: set[str]) -> list[tuple[str, str]]:
    """Those of _KEYS whose backbone is among the changed keys and whose arguments are not."""
    return [
        (key, arguments_key)
        for key, arguments_key in _KEYS
        if f"model.{key}" in keys
        and not any(f"{each}.".startswith(f"model.{arguments_key}.") for each in keys)
    ]


@functools.cache
def _say_once(message: str) -> None:
    say(message)
