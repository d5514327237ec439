"""A map of validated photos: those that a network sees alike are near each other.

The features of one fold's validated photos are reduced to two dimensions by t-SNE (van der Maaten
and Hinton, Visualizing data using t-SNE, JMLR 2008). One fold, because each fold's network has
features of its own. Distances between groups, and their sizes, mean nothing in such a map.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core.progress import say
from maskgate.errors import MaskgateError
from maskgate.explain.features import Features
from maskgate.runs import RunFolder, comparability, tables

_LEAST: Final = 5  # photos of a map
_DIMENSIONS: Final = 50  # before t-SNE
_PERPLEXITY: Final = 30


@dataclass(frozen=True)
class EmbeddingMap:
    """Photos of a `fold` (N rows of a photo table) with their `points` (N, 2)."""

    fold: int
    table: pd.DataFrame
    points: npt.NDArray[np.float64]


def project(features: Features, seed: int) -> npt.NDArray[np.float64]:
    """Points (N, 2) for features (N, F) of at least `_LEAST` photos."""
    from sklearn.decomposition import PCA
    from sklearn.manifold import TSNE

    deviation = features.std(0)
    scaled = (features - features.mean(0)) / np.where(deviation > 0, deviation, 1)
    size = min(_DIMENSIONS, *scaled.shape)
    reduced = PCA(size, random_state=seed % 2**31).fit_transform(scaled)
    perplexity = min(_PERPLEXITY, (len(features) - 1) / 3)
    say(f"arranging {len(features)} photos by t-SNE")
    tsne = TSNE(perplexity=perplexity, init="pca", random_state=seed % 2**31)
    return np.asarray(tsne.fit_transform(reduced), dtype=np.float64)


def is_enough(photos: int) -> bool:
    """Whether so many photos make a map."""
    return photos >= _LEAST


def failures(runs: Sequence[RunFolder]) -> pd.DataFrame:
    """The validated photos of the first run with, by attribute, whether all `runs` predict it
    wrongly: `photo`, `person`, `fold`, the attributes' codes, and a column `all_wrong_<name>` and
    `probability_<name>` (of the label, mean of the runs; NaN where unknown) for each.

    Raises MaskgateError where runs were validated on different photos, folds or labels.
    """
    first = comparability.validation_set(runs[0])
    for run in runs[1:]:
        comparability.check(first, comparability.validation_set(run))
    table, probabilities = tables.oof(runs[0])
    names = table["photo"].tolist()
    others = [tables.oof_probabilities(run, names) for run in runs[1:]]
    all_probabilities = [probabilities, *others]
    columns: dict[str, Any] = {}
    for attribute in labels.ATTRIBUTES:
        truth = table[attribute].to_numpy()
        known = truth != labels.UNKNOWN
        parts = [labels.marginals(each)[attribute] for each in all_probabilities]
        wrong = np.logical_and.reduce([part.argmax(1) != truth for part in parts]) & known
        correct = np.mean([part[np.arange(len(truth)), truth] for part in parts], axis=0)
        columns[f"all_wrong_{attribute}"] = wrong
        columns[f"probability_{attribute}"] = np.where(known, correct, np.nan)
    chosen = table[["photo", "person", "fold", *labels.ATTRIBUTES]]
    return pd.concat([chosen, pd.DataFrame(columns)], axis=1)


def hard_people(failed: pd.DataFrame, attributes: Sequence[str]) -> pd.DataFrame:
    """The people of whom all runs predict an attribute wrongly in at least half of their photos,
    the least probable label first: `person`, `attribute`, `photos`, `wrong` (photos) and the mean
    `probability` of the label. `failed` is the table of `failures`."""
    rows = []
    for attribute in attributes:
        wrong, probability = f"all_wrong_{attribute}", f"probability_{attribute}"
        known = failed[failed[probability].notna()]
        by_person = known.groupby("person").agg(
            photos=(wrong, "size"), wrong=(wrong, "sum"), probability=(probability, "mean")
        )
        chosen = by_person[by_person["wrong"] * 2 >= by_person["photos"]].reset_index()
        rows.append(chosen.assign(attribute=attribute))
    columns = ["person", "attribute", "photos", "wrong", "probability"]
    return pd.concat(rows)[columns].sort_values(["probability", "person"], ignore_index=True)


def check_runs(run: RunFolder, others: Sequence[RunFolder]) -> None:
    """Raise MaskgateError unless all are validated."""
    for each in (run, *others):
        if not each.metrics().validated:
            raise MaskgateError(
                f"{each.path}: was trained on all photos, so that none is validated; name PHOTOS to"
                " explain, or give a run with folds"
            )
