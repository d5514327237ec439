"""Samplers: which photos an epoch draws, in which order, by the name in a recipe's `sampling`.

A photo table may have a column `weight`: how often a photo is drawn, compared with one of weight 1.
Every epoch of a fold draws the same number of photos, so that the updates are known in advance.
"""

from collections.abc import Callable
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.config import arguments
from maskgate.config.recipe import Sampling
from maskgate.config.settings import WRONG_ARGUMENTS, lookup
from maskgate.core.seeding import derive
from maskgate.errors import MaskgateError

Rows = npt.NDArray[np.int64]
_Floats = npt.NDArray[np.float64]

GROUPS: Final = {"class": ("mask", "gender", "age_band"), "gender_age": ("gender", "age_band")}


def shuffle(rows: Rows, table: pd.DataFrame, random: np.random.Generator) -> Rows:
    """Every photo once, in random order; one of weight w about w times.

    That is floor(w) times, and once more with probability w − floor(w).
    """
    return random.permutation(_weighed(rows, table, random))


def weighted(
    rows: Rows,
    table: pd.DataFrame,
    random: np.random.Generator,
    by: str = "class",
    power: float = 1.0,
) -> Rows:
    """As many draws as photos, with replacement; photos of rare groups are drawn more often.

    The WeightedRandomSampler of S0, S2 and S3: a photo's probability is proportional to its
    weight / (photos of its group) ** `power`, from 0 (groups as frequent as they are) to 1 (all
    equally frequent). Groups are the classes, or with `by: gender_age` the six gender × age bands.
    Photos that lack a label make groups of their own: one for each combination of what is known.
    """
    if by not in GROUPS:
        raise ValueError(f"by is {' or '.join(GROUPS)}, not {by}")
    if power < 0:
        raise ValueError(f"power is {power}, below 0")
    if power > 10:
        raise ValueError(f"power is {power}, above 10")
    group, count = _groups(rows, table, by)
    return _drawn(rows, _weights(rows, table) / count[group] ** float(power), random)


def imbalanced(rows: Rows, table: pd.DataFrame, random: np.random.Generator) -> Rows:
    """As many draws as photos, with replacement, every class equally likely.

    The ImbalancedDatasetSampler of S0 and S2 (github.com/ufoym/imbalanced-dataset-sampler). It is
    `weighted` by class with power 1, but weights of photos count only within a class: classes stay
    equally likely. Photos that lack a label are grouped as in `weighted`.
    """
    group, _ = _groups(rows, table, "class")
    weights = _weights(rows, table)
    return _drawn(rows, weights / np.bincount(group, weights)[group], random)


def copies(
    rows: Rows,
    table: pd.DataFrame,
    random: np.random.Generator,
    people: int = 1000,
    masks: bool = True,
) -> Rows:
    """Oversampling: people are copied until each gender × age band has `people` of them.

    As S0 did: people are copied one after another, in the table's order, with all their photos. A
    band that has more people keeps them. With `masks`, photos of the rarer masks are then copied
    until each mask is as frequent as the most frequent one. People without a gender or band and
    photos without a mask label are not copied. A copy of a photo of weight w is drawn w times, as
    in `shuffle`.
    """
    if people != int(people) or not 1 <= people <= 100_000:
        raise ValueError(f"people is {people}, no whole number from 1 on to 100,000")
    if not isinstance(masks, bool):
        raise ValueError(f"masks is {masks}, neither true nor false")
    chosen = _with_copied_people(rows, table, int(people))
    if masks:
        chosen = _with_copied_masks(chosen, table)
    return shuffle(chosen, table, random)


SAMPLERS: Final[dict[str, Callable[..., Rows]]] = {
    "shuffle": shuffle,
    "weighted": weighted,
    "imbalanced": imbalanced,
    "copies": copies,
}


def epoch_order(settings: Sampling, rows: Rows, table: pd.DataFrame, *place: int | str) -> Rows:
    """The rows of `table` that an epoch draws (draws,); they depend on `place` (seed, fold, epoch).

    Raises MaskgateError for an unknown sampler or wrong arguments.
    """
    sampler = lookup("sampling", settings.name, SAMPLERS)
    if settings.worn_per_person is not None:
        random = np.random.default_rng(derive(*place, "worn"))
        rows = _limit(rows, table, mask="wear", limit=settings.worn_per_person, random=random)
    if settings.incorrect_per_person is not None:
        random = np.random.default_rng(derive(*place, "incorrect"))
        limit = settings.incorrect_per_person
        rows = _limit(rows, table, mask="incorrect", limit=limit, random=random)
    random = np.random.default_rng(derive(*place, "order"))
    try:
        arguments.check(sampler, settings.arguments)
        return np.asarray(sampler(rows, table, random, **settings.arguments), dtype=np.int64)
    except WRONG_ARGUMENTS as error:
        raise MaskgateError(f"sampling {settings.name}: {error}; see docs/recipe.md") from error


def batches(order: Rows, size: int) -> list[Rows]:
    """Global batches of an epoch; an incomplete last one is left out unless it is the only one.

    Batch normalisation needs large batches. Other photos are left out in other epochs.
    """
    count = len(order) // size
    return [order] if count == 0 else list(order[: count * size].reshape(count, size))


# ------------------------------------------------------------------------------- the parts


def _limit(
    rows: Rows, table: pd.DataFrame, *, mask: str, limit: int, random: np.random.Generator
) -> Rows:
    """The rows with at most `limit` photos of each person that have that mask label, at random."""
    of_mask = np.flatnonzero(table["mask"].to_numpy()[rows] == labels.MASKS.index(mask))
    of_mask = random.permutation(of_mask)
    turn = table["person"].iloc[rows[of_mask]].reset_index(drop=True)
    return np.delete(rows, of_mask[turn.groupby(turn).cumcount().to_numpy() >= limit])


def _weights(rows: Rows, table: pd.DataFrame) -> _Floats:
    if "weight" not in table:
        return np.ones(len(rows))
    return table["weight"].to_numpy(dtype=np.float64)[rows]


def _weighed(rows: Rows, table: pd.DataFrame, random: np.random.Generator) -> Rows:
    """The rows, each repeated by its weight."""
    weights = _weights(rows, table)
    if (weights == 1).all():
        return rows
    repeats = np.floor(weights).astype(np.int64)
    return np.concatenate([np.repeat(rows, repeats), _some(rows, weights - repeats, random)])


def _some(rows: Rows, shares: _Floats, random: np.random.Generator) -> Rows:
    """Each row with its probability in `shares`, by systematic sampling: the number of rows is
    fixed.

    The shares are placed end to end in random order, with marks at distance 1 from a random start.
    They are scaled slightly so that their sum is a whole number.
    """
    count = round(shares.sum())
    if not count:
        return rows[:0]
    order = random.permutation(len(rows))
    ends = np.cumsum(shares[order]) * (count / shares.sum())
    hit = np.searchsorted(ends, random.random() + np.arange(count), side="right")
    return rows[order[hit.clip(max=len(rows) - 1)]]


def _drawn(rows: Rows, likelihood: _Floats, random: np.random.Generator) -> Rows:
    return random.choice(rows, len(rows), p=likelihood / likelihood.sum())


def _groups(rows: Rows, table: pd.DataFrame, by: str) -> tuple[Rows, Rows]:
    """Each row's group (N,), of rows with equal codes, and the number of rows per group (G,)."""
    codes = table[list(GROUPS[by])].to_numpy()[rows]
    _, group, count = np.unique(codes, axis=0, return_inverse=True, return_counts=True)
    return group.reshape(-1), count


def _with_copied_people(rows: Rows, table: pd.DataFrame, people_per_band: int) -> Rows:
    """All rows, and the rows of each copied person."""
    drawn = table.iloc[rows]
    photos_of = {person: rows[places] for person, places in drawn.groupby("person").indices.items()}
    people = drawn.drop_duplicates("person")
    known = (people[list(GROUPS["gender_age"])] != labels.UNKNOWN).all(axis=1)
    parts = [rows]
    for _, band in people[known].groupby(list(GROUPS["gender_age"])):
        copied = np.resize(band["person"].to_numpy(), max(0, people_per_band - len(band)))
        parts += [photos_of[person] for person in copied]
    return np.concatenate(parts)


def _with_copied_masks(rows: Rows, table: pd.DataFrame) -> Rows:
    """All rows, and copies of those with the rarer masks."""
    mask = table["mask"].to_numpy()[rows]
    by_mask = [rows[mask == code] for code in range(len(labels.MASKS))]
    most = max(map(len, by_mask))
    return np.concatenate(
        [rows, *(np.resize(group, most - len(group)) for group in by_mask if len(group))]
    )
