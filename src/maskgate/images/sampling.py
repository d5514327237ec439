"""Which photos an epoch draws, and in what order, by the name in a recipe's `sampling`."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.errors import MaskgateError
from maskgate.randomness import derive
from maskgate.recipe import Named, lookup

Rows = npt.NDArray[np.int64]


def shuffle(rows: Rows, table: pd.DataFrame, random: np.random.Generator) -> Rows:
    """Every photo once, in random order."""
    return random.permutation(rows)


SAMPLERS: Final[dict[str, Callable[..., Rows]]] = {"shuffle": shuffle}


def epoch_order(named: Named, rows: Rows, table: pd.DataFrame, *place: int) -> Rows:
    """The rows of `table` an epoch draws, (draws,), a function of `place` (seed, fold, epoch)."""
    random = np.random.default_rng(derive(*place, "order"))
    arguments: dict[str, Any] = named.arguments
    try:
        return lookup("sampling", named.name, SAMPLERS)(rows, table, random, **arguments)
    except TypeError as error:
        raise MaskgateError(f"sampling {named.name}: {error}; see docs/recipe.md") from error


def batches(order: Rows, size: int) -> list[Rows]:
    """Global batches of an epoch; a last one cut short is left out unless it is the only one.

    Batch normalisation wants no tiny batches; over the epochs every photo gets its turn.
    """
    whole = len(order) // size
    return [order] if whole == 0 else list(order[: whole * size].reshape(whole, size))
