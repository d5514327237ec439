"""A photo table and evidence that are drawn, with known errors, for tests of label errors."""

import numpy as np
import pandas as pd
from scipy.stats import norm

from maskgate import labels
from maskgate.data import table as photo_table
from maskgate.data.seven_photos import STEMS
from maskgate.label_errors.evidence import Evidence

PEOPLE = 240


def drawn(
    people: int = PEOPLE, seed: int = 0, stems: tuple[str, ...] = tuple(STEMS)
) -> tuple[pd.DataFrame, Evidence]:
    """The photos of people, with true labels, and what a good model says of them."""
    random = np.random.default_rng(seed)
    person = np.repeat(np.arange(people), len(stems))
    mask = np.tile([labels.MASKS.index(STEMS[stem]) for stem in stems], people)
    gender = random.integers(0, 2, people)[person]
    age = random.integers(18, 80, people).astype(np.float64)[person]
    table = photo_table.build(
        [f"{one:03d}/{stem}.jpg" for one in range(people) for stem in stems],
        [f"{one:03d}" for one in person],
        mask,
        gender,
        age,
    )
    table = table.assign(cluster=person, fold=person % 2, digest=table["photo"])
    seems = age + random.normal(0, 4, people)[person] + random.normal(0, 2, len(person))
    codes = {"mask": mask, "gender": gender}
    below = norm.cdf((np.array(labels.AGE_BOUNDARIES) - seems[:, None]) / 6)
    probabilities = {"age_band": np.diff(below, axis=1, prepend=0, append=1)}
    for name, code in codes.items():
        size = len(labels.ATTRIBUTES[name])
        logits = random.normal(0, 0.6, (people, size))[person] + random.normal(
            0, 0.6, (len(person), size)
        )
        logits[np.arange(len(person)), code] += 3
        probabilities[name] = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    return table, Evidence("the run", probabilities, seems)


def relabelled(table: pd.DataFrame, **columns: np.ndarray) -> pd.DataFrame:
    """The table with other labels."""
    changed = table.assign(**columns)
    if "age" in columns:
        changed["age_band"] = labels.age_band(changed["age"])
    return changed


def rows_of(table: pd.DataFrame, people: list[int]) -> np.ndarray:
    """Whether each row of the table is of one of the people (N,)."""
    return table["person"].isin([f"{one:03d}" for one in people]).to_numpy()
