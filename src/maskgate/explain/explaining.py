"""Explains a run: heat maps, their shares of regions, and scores on changed photos."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from maskgate import labels
from maskgate.core.progress import Bar
from maskgate.data import contents
from maskgate.explain import (
    changes,
    embedding_map,
    features,
    heat,
    inputs,
    measures,
    regions,
    sample,
)
from maskgate.explain.embedding_map import EmbeddingMap
from maskgate.explain.inputs import Inputs
from maskgate.explain.measures import RegionShare, Sensitivity
from maskgate.imaging.pixels import Pixels
from maskgate.model.network import Network
from maskgate.model.predicting import predict_batch
from maskgate.runs import RunFolder, tables

CARDS: Final = 6  # of right, and as many of wrong answers of an attribute
_BATCH: Final = 64
_POINTS: Final = 800  # photos of a map

Probabilities = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Options:
    """How a run is explained: see the options of `maskgate explain`. `root` is the folder of the
    validated photos, by default where the run was trained."""

    cache: Path
    method: str = "grad_cam"
    photos: int = 600
    fold: int | None = None
    detector: str = "auto"
    seed: int = 7
    root: Path | None = None


@dataclass(frozen=True)
class Card:
    """A photo with the heat (H, W) of one attribute, the `box` of the face (NaN without), the
    `predicted` code, its `probability`, and the label `truth` (UNKNOWN in photos without labels).
    """

    attribute: str
    photo: str
    picture: Pixels
    heat: npt.NDArray[np.float32]
    box: npt.NDArray[np.float64]
    predicted: int
    probability: float
    truth: int = labels.UNKNOWN
    shares: dict[str, float] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        """Whether the label is predicted."""
        return self.predicted == self.truth


@dataclass(frozen=True)
class Explanation:
    """What the networks of a run look at. `description` says what heat is computed from; `folds`
    are those whose networks are explained; `trained` is the number of photos that the network was
    trained on. Without labels there are neither `shares` nor `sensitivities`, and no map."""

    run: RunFolder
    options: Options
    description: str
    folds: list[int]
    attributes: tuple[str, ...]
    photos: int
    people: int
    without_face: int
    cards: list[Card]
    trained: int = 0
    shares: list[RegionShare] = field(default_factory=list)
    sensitivities: list[Sensitivity] = field(default_factory=list)
    map: EmbeddingMap | None = None
    failures: pd.DataFrame | None = None
    hard_people: pd.DataFrame | None = None
    compared: list[RunFolder] = field(default_factory=list)


def of_photos(run: RunFolder, paths: Sequence[Path], options: Options) -> Explanation:
    """Explain one fold's network on photos without labels. Raises MaskgateError."""
    number = features.fold_number(run, options.fold)
    network = features.load(run, number)
    photos = inputs.files(run, paths, options.cache, options.detector)
    method = heat.create(options.method, network, run.recipe().photo.geometry)
    parts = labels.marginals(_probabilities(network, photos.pictures))
    attributes = network.head.attributes
    training = tables.training_digests(run, number)
    cards = []
    masks = regions.masks(photos.boxes, *photos.pictures.shape[1:3])
    bar = Bar("computing heat", len(paths) * len(attributes))
    for attribute in attributes:
        predicted = parts[attribute].argmax(1)
        maps = method(attribute, photos.pictures, predicted)
        shares = {name: regions.shares(maps, mask) for name, mask in masks.items()}
        bar.advance(len(paths))
        cards += [
            Card(
                attribute,
                photo=str(path),
                picture=photos.pictures[row],
                heat=maps[row],
                box=photos.boxes[row],
                predicted=int(predicted[row]),
                probability=float(parts[attribute][row].max()),
                shares={name: float(values[row]) for name, values in shares.items()}
                if photos.has_face[row]
                else {},
            )
            for row, path in enumerate(paths)
        ]
    return Explanation(
        run,
        options,
        method.description,
        folds=[number],
        attributes=attributes,
        photos=len(paths),
        people=len(paths),
        without_face=int((~photos.has_face).sum()),
        cards=cards,
        trained=sum(contents.file_digest(path).hex() in training for path in paths),
    )


def of_validation(
    run: RunFolder, options: Options, others: Sequence[RunFolder] = ()
) -> Explanation:
    """Explain the networks of a run on a sample of its validated photos, each by the network of its
    fold, which was not trained on it. `others` are runs whose mistakes are compared. Raises
    MaskgateError."""
    embedding_map.check_runs(run, others)
    if options.fold is not None:
        features.fold_number(run, options.fold)
    failed = embedding_map.failures([run, *others])
    table, probabilities = tables.oof(run)
    if options.fold is not None:
        rows = np.flatnonzero(table["fold"] == options.fold)
        table, probabilities = table.iloc[rows].reset_index(drop=True), probabilities[rows]
    drawn = sample.people(table, options.photos, options.seed)
    attributes = _attributes(run)
    wrong = [sample.wrong(table, probabilities, name, options.seed) for name in attributes]
    chosen = np.unique(np.concatenate([drawn, *wrong]))
    photos = inputs.validated(
        run, table.iloc[chosen], options.cache, options.detector, root=options.root
    )
    is_drawn = np.isin(chosen, drawn)
    answers = _answers(run, photos, is_drawn, attributes, options=options)
    faces = photos.has_face
    shares, sensitivities = [], []
    for name in attributes:
        known = faces & (photos.table[name] != labels.UNKNOWN).to_numpy()
        right = answers.predicted(name) == photos.table[name].to_numpy()
        shares += measures.region_shares(
            photos.table[known].reset_index(drop=True),
            name,
            right[known],
            heat={region: each[known] for region, each in answers.heat[name].items()},
            area={region: each[known] for region, each in answers.area.items()},
        )
        measured = _sensitivity(photos, faces & is_drawn, name, answers)
        sensitivities += [] if measured is None else [measured]
    return Explanation(
        run,
        options,
        answers.description,
        folds=sorted(set(map(int, photos.table["fold"]))),
        attributes=attributes,
        photos=len(photos.table),
        people=int(photos.table["person"].nunique()),
        without_face=int((~faces).sum()),
        cards=_few(answers.cards),
        shares=shares,
        sensitivities=sensitivities,
        map=_map(run, options),
        failures=failed,
        hard_people=embedding_map.hard_people(failed, attributes),
        compared=[run, *others],
    )


@dataclass
class _Answers:
    """What the networks of all folds answer for N photos: probabilities (N, 18), those for changed
    photos by name of `measures.CHANGES` with the photos (N,) that could be changed, the shares (N,)
    of heat by attribute and region, those of the area by region, and cards."""

    probabilities: Probabilities
    changed: dict[str, tuple[npt.NDArray[np.bool_], Probabilities]]
    heat: dict[str, dict[str, npt.NDArray[np.float64]]]
    area: dict[str, npt.NDArray[np.float64]]
    cards: list[Card] = field(default_factory=list)
    description: str = ""

    def predicted(self, attribute: str) -> npt.NDArray[np.int64]:
        """The predicted codes (N,)."""
        return np.asarray(labels.marginals(self.probabilities)[attribute].argmax(1))

    def changed_codes(
        self, attribute: str, rows: npt.NDArray[np.bool_]
    ) -> dict[str, tuple[npt.NDArray[np.bool_], npt.NDArray[np.int64]]]:
        """The photos among `rows` that could be changed, and their predicted codes."""
        return {
            name: (possible[rows], labels.marginals(each)[attribute].argmax(1)[rows])
            for name, (possible, each) in self.changed.items()
        }


def _answers(
    run: RunFolder,
    photos: Inputs,
    is_drawn: npt.NDArray[np.bool_],
    attributes: tuple[str, ...],
    *,
    options: Options,
) -> _Answers:
    """The answers of each fold's network for the photos that it validates."""
    count, (height, width) = len(photos.table), photos.pictures.shape[1:3]
    masks = regions.masks(photos.boxes, height, width)
    donors = _donors(photos, options.seed)
    answers = _Answers(
        np.zeros((count, labels.COUNT), np.float32),
        changed={
            name: (possible, np.zeros((count, labels.COUNT), np.float32))
            for name, possible in _possible(photos.has_face & is_drawn, donors, masks).items()
        },
        heat={
            name: {each: np.full(count, np.nan) for each in regions.REGIONS} for name in attributes
        },
        area={
            name: np.where(photos.has_face, mask.mean((1, 2)), np.nan)
            for name, mask in masks.items()
        },
    )
    bar = Bar(f"explaining ({options.method})", count)
    fold_of = photos.table["fold"].to_numpy()
    by_fold: list[list[Card]] = []
    for number in np.unique(fold_of):
        network = features.load(run, int(number))
        method = heat.create(options.method, network, run.recipe().photo.geometry)
        answers.description = method.description
        rows = np.flatnonzero(fold_of == number)
        fold_cards: list[Card] = []
        for start in range(0, len(rows), _BATCH):
            batch = rows[start : start + _BATCH]
            answers.probabilities[batch] = _probabilities(network, photos.pictures[batch])
            for name, (possible, probabilities) in answers.changed.items():
                able = batch[possible[batch]]
                if len(able):
                    pictures = _changed(name, photos, able, donors[able])
                    probabilities[able] = _probabilities(network, pictures)
            for name in attributes:
                cards = _heat(method, name, photos, batch=batch, masks=masks, answers=answers)
                fold_cards = _few(fold_cards + cards)
            bar.advance(len(batch))
        by_fold.append(fold_cards)
    # In turn, so that every fold is among the first cards.
    longest = max(map(len, by_fold))
    answers.cards = [cards[n] for n in range(longest) for cards in by_fold if n < len(cards)]
    return answers


def _heat(
    method: heat.HeatMethod,
    attribute: str,
    photos: Inputs,
    *,
    batch: npt.NDArray[np.int64],
    masks: dict[str, regions.Masks],
    answers: _Answers,
) -> list[Card]:
    """Compute the heat of a batch; its shares are kept in `answers`."""
    parts = labels.marginals(answers.probabilities[batch])[attribute]
    predicted = parts.argmax(1)
    maps = method(attribute, photos.pictures[batch], predicted)
    shares = {name: regions.shares(maps, mask[batch]) for name, mask in masks.items()}
    for name, values in shares.items():
        answers.heat[attribute][name][batch] = np.where(photos.has_face[batch], values, np.nan)
    truth = photos.table[attribute].to_numpy()
    return [
        Card(
            attribute,
            photo=str(photos.table["photo"].iloc[row]),
            picture=photos.pictures[row],
            heat=maps[place].copy(),
            box=photos.boxes[row],
            predicted=int(predicted[place]),
            probability=float(parts[place].max()),
            truth=int(truth[row]),
            shares={name: float(values[place]) for name, values in shares.items()},
        )
        for place, row in enumerate(batch)
        if truth[row] != labels.UNKNOWN
    ]


def _few(cards: list[Card]) -> list[Card]:
    """The first CARDS right and wrong ones of each attribute: others would only take memory."""
    counts: dict[tuple[str, bool], int] = {}
    kept = []
    for card in cards:
        key = card.attribute, card.is_right
        counts[key] = counts.get(key, 0) + 1
        if counts[key] <= CARDS:
            kept.append(card)
    return kept


def _possible(
    faces: npt.NDArray[np.bool_],
    donors: npt.NDArray[np.int64],
    masks: dict[str, regions.Masks],
) -> dict[str, npt.NDArray[np.bool_]]:
    """By name of `measures.CHANGES`, the photos (N,) of those with `faces` that can be changed."""
    swapped = {
        name: faces & (donors >= 0) & (masks[region].mean((1, 2)) >= regions.SMALLEST)
        for name, region in (
            (measures.SURROUNDINGS, "outside the face"),
            (measures.SCENERY, "scenery"),
        )
    }
    return {measures.COVERED: faces, **swapped}


def _donors(photos: Inputs, seed: int) -> npt.NDArray[np.int64]:
    """The position of each photo's donor, a photo with a face that the same network validates; -1
    without."""
    donors = np.full(len(photos.table), -1, dtype=np.int64)
    for number in photos.table["fold"].unique():
        rows = np.flatnonzero(photos.has_face & (photos.table["fold"] == number).to_numpy())
        chosen = changes.donors(photos.table.iloc[rows], seed)
        donors[rows] = np.where(chosen >= 0, rows[chosen], -1)
    return donors


def _changed(
    name: str, photos: Inputs, rows: npt.NDArray[np.int64], donors: npt.NDArray[np.int64]
) -> Pixels:
    """The photos at `rows`, changed; `donors` are the positions of their donors."""
    pictures, boxes = photos.pictures[rows], photos.boxes[rows]
    if name == measures.COVERED:
        return changes.cover(pictures, boxes)
    other_boxes = photos.boxes[donors]
    if name == measures.SCENERY:
        size = photos.pictures.shape[1:3]
        boxes, other_boxes = (regions.heads(each, *size) for each in (boxes, other_boxes))
    return changes.move(pictures, boxes, photos.pictures[donors], other_boxes)


def _sensitivity(
    photos: Inputs, rows: npt.NDArray[np.bool_], attribute: str, answers: _Answers
) -> Sensitivity | None:
    return measures.sensitivity(
        photos.table[rows].reset_index(drop=True),
        attribute,
        answers.predicted(attribute)[rows],
        answers.changed_codes(attribute, rows),
    )


def _probabilities(network: Network, pictures: Pixels) -> Probabilities:
    device = next(network.parameters()).device
    parts = [
        predict_batch(network, torch.from_numpy(pictures[start : start + _BATCH]).to(device))[0]
        for start in range(0, len(pictures), _BATCH)
    ]
    return np.concatenate(parts)


def _attributes(run: RunFolder) -> tuple[str, ...]:
    """The attributes that the run predicts and has labels of."""
    results = run.metrics()
    return tuple(name for name in labels.ATTRIBUTES if name in results.attributes)


def _map(run: RunFolder, options: Options) -> EmbeddingMap | None:
    """The map of one fold's validated photos, of a person one photo with each state of the mask."""
    number = features.fold_number(run, options.fold)
    table, _ = tables.oof(run)
    table = table[table["fold"] == number].reset_index(drop=True)
    chosen = table.iloc[sample.people(table, _POINTS, options.seed)]
    if not embedding_map.is_enough(len(chosen)):
        return None
    photos = inputs.validated(run, chosen, options.cache, options.detector, root=options.root)
    points = embedding_map.project(
        features.of_pictures(features.load(run, number), photos.pictures), options.seed
    )
    return EmbeddingMap(number, photos.table, points)
