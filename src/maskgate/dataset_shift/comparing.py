"""Compares two sets of photos: measures, labels, features, and what is in both."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate.dataset_shift import effects, leaks, measures, two_sample, views
from maskgate.dataset_shift.effects import Effect, Shares
from maskgate.dataset_shift.leaks import Leaks
from maskgate.dataset_shift.measures import NUMBERS, Categories, Measured
from maskgate.dataset_shift.sets import PhotoSet
from maskgate.dataset_shift.units import Units
from maskgate.dataset_shift.views import Model, ModelView

LEVEL: Final = 0.05  # of p-values that are corrected for the number of measures


@dataclass(frozen=True)
class Difference:
    """How the sets differ in one measure. `a` and `b` are the medians, or the share of the category
    that differs most; `p` is corrected for the number of measures. `shares` of categories."""

    name: str
    title: str
    effect: Effect
    p: float
    a: str
    b: str
    sentence: str
    shares: Shares | None = None

    @property
    def is_decided(self) -> bool:
        """Whether it is more than chance."""
        return self.p <= LEVEL


@dataclass(frozen=True)
class Comparison:
    """What was found: `differences` by the size of their effect, largest first. `model` is the name
    of the model whose faces, features and answers are compared."""

    a: PhotoSet
    b: PhotoSet
    model: str
    differences: list[Difference]
    leaks: Leaks

    @property
    def decided(self) -> list[Difference]:
        """Those that are more than chance."""
        return [each for each in self.differences if each.is_decided]

    @property
    def sentences(self) -> list[str]:
        """What was decided, what is in both sets first."""
        lines = [*self.leaks.sentences, *(each.sentence for each in self.decided)]
        if not self.decided:
            lines.append(
                "No difference is statistically significant, with"
                f" {len(self.a.rows):,} and {len(self.b.rows):,} photos measured."
            )
        lines += [
            f"{each.name}: unreadable photos left out: {each.unreadable:,}; see `maskgate inspect`."
            for each in (self.a, self.b)
            if each.unreadable
        ]
        return lines


def compare(a: PhotoSet, b: PhotoSet, model: Model, cache: Path, seed: int = 0) -> Comparison:
    """Compare the samples of two sets, and all their photos for what is in both. Raises
    MaskgateError."""
    model_views = [views.look(model, _paths(each)) for each in (a, b)]
    measured = [
        measures.of_sample(photo_set, look)
        for photo_set, look in zip((a, b), model_views, strict=True)
    ]
    person, is_b = _people(a, b)
    units = Units(person.tolist(), is_b, seed)
    in_both = leaks.find(a, b, cache)
    differences = [
        *_of_numbers(measured[0], measured[1], units, name_a=a.name, name_b=b.name),
        *_of_categories(measured[0], measured[1], units, name_a=a.name, name_b=b.name),
        *_of_features(model_views, _groups(a, b, in_both), units, seed),
    ]
    corrected = effects.holm([each.p for each in differences])
    differences = [
        Difference(**{**vars(each), "p": p}) for each, p in zip(differences, corrected, strict=True)
    ]
    differences.sort(key=lambda each: -each.effect.size)
    return Comparison(a, b, model.name, differences, leaks=in_both)


def _paths(photo_set: PhotoSet) -> list[Path]:
    names = photo_set.photos.table["photo"].iloc[photo_set.rows]
    return [photo_set.photos.root / name for name in names]


def _people(a: PhotoSet, b: PhotoSet) -> tuple[npt.NDArray[np.object_], npt.NDArray[np.bool_]]:
    """The people (N,) of both samples, and which photos are in B (N,)."""
    names = [each.photos.table["person"].iloc[each.rows].to_numpy(object) for each in (a, b)]
    is_b = np.arange(len(names[0]) + len(names[1])) >= len(names[0])
    return np.concatenate(names), is_b


def _groups(a: PhotoSet, b: PhotoSet, in_both: Leaks) -> npt.NDArray[np.int64]:
    """People (N,) of both samples who are held out together: one name, or near-duplicates."""
    person, _ = _people(a, b)
    leader: dict[object, object] = {}

    def root(name: object) -> object:
        while name in leader:
            name = leader[name]
        return name

    of_photo = [
        dict(zip(each.photos.table["photo"], each.photos.table["person"], strict=True))
        for each in (a, b)
    ]
    of_digest = [
        dict(zip(each.store.digests, each.photos.table["person"], strict=True)) for each in (a, b)
    ]
    pairs = [(of_photo[0][one], of_photo[1][other]) for one, other in in_both.near_duplicates]
    same = of_digest[0].keys() & of_digest[1].keys()
    pairs += [(of_digest[0][digest], of_digest[1][digest]) for digest in sorted(same)]
    for one, other in pairs:
        first, second = root(one), root(other)
        if first != second:
            leader[second] = first
    codes, _ = pd.factorize(np.array([root(name) for name in person], dtype=object))
    return np.asarray(codes, dtype=np.int64)


def _of_numbers(
    a: Measured, b: Measured, units: Units, *, name_a: str, name_b: str
) -> list[Difference]:
    differences = []
    for name, (title, lower, higher) in NUMBERS.items():
        if name not in a.numbers or name not in b.numbers:
            continue
        values = [a.numbers[name], b.numbers[name]]
        effect = effects.cliffs_delta(np.concatenate(values), units)
        if effect is None:
            continue
        medians = [
            f"{_median(each, weight):.3g}"
            for each, weight in zip(values, _weights(units), strict=True)
        ]
        what = higher if effect.value > 0 else lower
        sentence = (
            f"Photos of {name_b} {what} ({title[0].lower()}{title[1:]}: median {medians[0]} in"
            f" {name_a}, {medians[1]} in {name_b}; effect {_interval(effect)})."
        )
        differences.append(
            Difference(
                name, title, effect, p=effect.p, a=medians[0], b=medians[1], sentence=sentence
            )
        )
    return differences


def _weights(units: Units) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """The weights of the photos of A and of B, in order."""
    weight, is_b = units.shares(units.unit), units.is_b[units.unit]
    return weight[~is_b], weight[is_b]


def _median(values: npt.NDArray[np.float64], weight: npt.NDArray[np.float64]) -> float:
    """The weighted median of the values that are known."""
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    reached = np.cumsum(weight[order])
    return float(values[order[np.searchsorted(reached, reached[-1] / 2)]])


def _of_categories(
    a: Measured, b: Measured, units: Units, *, name_a: str, name_b: str
) -> list[Difference]:
    differences = []
    for name, of_a in a.categories.items():
        of_b = b.categories.get(name)
        if of_b is None:
            continue
        names, codes = _joined(of_a, of_b)
        result = effects.total_variation(codes, names, units)
        if result is None or len(names) < 2:
            continue
        effect, shares = result
        most = shares.largest()
        word = names[most].replace("_", " ")
        texts = [f"{word} {100 * float(each[most]):.1f}%" for each in (shares.a, shares.b)]
        sentence = (
            f"Shares differ in {of_a.title}: {texts[0]} in {name_a},"
            f" {100 * float(shares.b[most]):.1f}% in {name_b} (difference"
            f" [{100 * float(shares.low[most]):+.1f}, {100 * float(shares.high[most]):+.1f}]"
            f" points; effect {_interval(effect)})."
        )
        differences.append(
            Difference(
                name,
                f"{of_a.title[0].upper()}{of_a.title[1:]}",
                effect,
                p=effect.p,
                a=texts[0],
                b=texts[1],
                sentence=sentence,
                shares=shares,
            )
        )
    return differences


def _joined(a: Categories, b: Categories) -> tuple[list[str], npt.NDArray[np.int64]]:
    """The names of both, and the codes of both into them."""
    names = list(dict.fromkeys([*a.names, *b.names]))
    parts = []
    for each in (a, b):
        place = np.array([names.index(name) for name in each.names], dtype=np.int64)
        parts.append(np.where(each.codes >= 0, place[each.codes], -1))
    return names, np.concatenate(parts)


def _of_features(
    model_views: Sequence[ModelView], groups: npt.NDArray[np.int64], units: Units, seed: int
) -> list[Difference]:
    if model_views[0].features is None or model_views[1].features is None:
        return []
    features = np.concatenate([each.features for each in model_views if each.features is not None])
    effect = two_sample.find(features, groups, units, seed)
    if effect is None:
        return []
    value, low, high = (f"{each:.2f}".removeprefix("0") for each in two_sample.auc(effect))
    text = f"AUC {value} [{low}, {high}]"
    sentence = f"A classifier tells the sets apart by the model's features with {text}."
    return [
        Difference(
            "features", "Features of the model", effect, p=effect.p, a="", b=text, sentence=sentence
        )
    ]


def _interval(effect: Effect) -> str:
    return f"{effect.value:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]".replace("0.", ".")
