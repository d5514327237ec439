"""The effect of a recipe on photos: its transforms and mixing in words, and as a picture.

The picture has one row per photo: as the model sees it in validation, test and prediction, then as
augmented in training. Below is one row for each way to mix a batch, with the mixed labels and their
shares.
"""

import inspect
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
import torch
from PIL import Image, ImageDraw, ImageFont

from maskgate import labels
from maskgate.config.recipe import Mix, Recipe
from maskgate.config.settings import Component
from maskgate.core.geometry import Geometry
from maskgate.core.seeding import derive
from maskgate.data.table import Photos
from maskgate.errors import MaskgateError
from maskgate.faces import view
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels
from maskgate.pipeline import mixing, target
from maskgate.pipeline.mixing import MIXES, Mixed
from maskgate.pipeline.transforms import TRANSFORMS, Augment

PEOPLE: Final = 6
DRAWS: Final = 6
_PROGRAM_ARGUMENTS: Final = ("geometry",)
_ARGUMENT_WORDS: Final = {"p": "probability"}
_ATTEMPTS: Final = 8  # batches to draw, for one in which few photos are mixed with themselves
_WIDTH, _LABEL, _GAP, _LINE = 176, 190, 10, 25  # pixels: photo width, caption width, …
_INK, _SOFT, _RULE = "#1f2937", "#6b7280", "#e5e7eb"


@dataclass(frozen=True)
class Step:
    """One entry of a recipe's `augment` or `mixing` in words."""

    name: str
    arguments: str
    purpose: str


class Effects:
    """The effect of a recipe on photos.

    `folder` is the cache's. Raises MaskgateError for transforms or mixes that cannot be created,
    before a photo is read.
    """

    def __init__(self, name: str, recipe: Recipe, folder: Path | None = None) -> None:
        self.name, self.recipe, self.geometry = name, recipe, recipe.photo.geometry
        try:
            self.view = view.create(recipe.photo, folder)
            self.augment = Augment(recipe.augment, self.geometry)
            self.ways = [(mix, mixing.create(mix)) for mix in recipe.mixing]
        except MaskgateError as error:
            raise MaskgateError(f"recipe {name}: {error}") from error

    def size(self) -> str:
        """The part of a photo that the model sees, in words."""
        size = f"{self.geometry.width} × {self.geometry.height} pixels (width × height)"
        if self.view.detector is not None and self.view.face is not None:
            margin = f"{self.view.face.margin:.0%} of it around"
            return f"{size} of the face, found by {self.view.detector.name}, with {margin}"
        if self.geometry.crop == 1:
            return size
        return f"{size} of the middle {self.geometry.crop:.0%} of each side"

    def transforms(self) -> list[Step]:
        return [_step(component, TRANSFORMS) for component in self.recipe.augment]

    def mixes(self) -> list[Step]:
        """The ways to mix, each with its share of batches."""
        return [
            Step(f"{mix.probability:.0%} {step.name}", step.arguments, step.purpose)
            for mix, step in ((mix, _step(mix, MIXES)) for mix in self.recipe.mixing)
        ]

    def picture(self, photos: Photos) -> Image.Image:
        """The picture, for some of the readable `photos` (at least one); always the same."""
        table = photos.table
        chosen = _varied_rows(table)
        stored = {row: self._stored(photos, row) for row in [*chosen, *_partners(table, chosen)]}
        rows = [
            _Row(
                _words(table, row),
                [pixels.centre(stored[row], self.geometry), *self._drawn(stored[row], row)],
                [],
            )
            for row in chosen
        ]
        heads = ["validation", "training: six draws of each"]
        drawings = [_drawing(rows, heads, self.geometry)]
        if self.ways:
            mixed = [
                self._mixed(mix, mixer, table, stored=stored, count=len(chosen))
                for mix, mixer in self.ways
            ]
            heads = ["", "batches mixed in training, shown without transforms"]
            drawings.append(_drawing(mixed, heads, self.geometry))
        return _stacked(drawings)

    def _stored(self, photos: Photos, row: int) -> Pixels:
        image = pixels.decode(photos.root / photos.table["photo"].iloc[row])
        return self.view.stored(image)

    def _drawn(self, stored: Pixels, row: int) -> list[Pixels]:
        """A photo as augmented in training, DRAWS times."""
        seeds = [derive(self.recipe.seed, "picture", row, draw) for draw in range(DRAWS)]
        return list(self.augment(torch.from_numpy(np.stack([stored] * DRAWS)), seeds).numpy())

    def _mixed(
        self,
        mix: Mix,
        mixer: mixing.Mixer,
        table: pd.DataFrame,
        stored: Mapping[int, Pixels],
        count: int,
    ) -> "_Row":
        """The first `count` photos of a batch after mixing, with their mixed labels."""
        numbers = list(stored)
        crops = [pixels.centre(each, self.geometry) for each in stored.values()]
        batch = torch.from_numpy(np.stack(crops))
        known = target.of_table(table.iloc[numbers])

        def mixed(attempt: int) -> Mixed:
            torch.manual_seed(derive(self.recipe.seed, "picture", mix.name, attempt))
            return mixer(batch, known)

        best = min(map(mixed, range(_ATTEMPTS)), key=lambda each: _count_unmixed(each, count))
        partner = range(len(batch)) if best.partner is None else best.partner.tolist()
        captions = [
            [
                f"{part:.0%} {' '.join(_words(table, numbers[source]))}"
                for part, source in ((best.share, index), (1 - best.share, partner[index]))
            ]
            for index in range(count)
        ]
        photos = best.photos[:count].round().clamp(0, 255).to(torch.uint8).numpy()
        words = [mix.name.replace("_", " "), f"{mix.probability:.0%} of batches"]
        return _Row(words, [None, *photos], captions)


# ------------------------------------------------------------------------------ in words


def _step(component: Component, table: Mapping[str, Callable[..., object]]) -> Step:
    """Name, all arguments with a value, and the first line of the docstring."""
    from maskgate.reports import (
        reference,  # imports timm, which a page without a recipe does not need
    )

    make = table[component.name]
    parameters = inspect.signature(make).parameters.values()
    values = {each.name: each.default for each in parameters if each.name not in _PROGRAM_ARGUMENTS}
    values |= component.arguments
    texts = [
        f"{_ARGUMENT_WORDS.get(name, name.replace('_', ' '))} {_value_text(v)}"
        for name, v in values.items()
    ]
    kept = [each for each, value in zip(texts, values.values(), strict=True) if value is not None]
    purpose = re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", reference.purpose(make))
    return Step(component.name.replace("_", " "), ", ".join(kept), purpose)


def _value_text(value: object) -> str:
    if isinstance(value, list | tuple):
        return " to ".join(map(str, value))
    return {True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value)


def _words(table: pd.DataFrame, row: int) -> list[str]:
    codes = {name: int(table[name].iloc[row]) for name in labels.ATTRIBUTES}
    known = [
        labels.ATTRIBUTES[name][code].replace("_", " ")
        for name, code in codes.items()
        if code != labels.UNKNOWN
    ]
    return known or ["unknown"]


# ----------------------------------------------------------------------------- the photos


def _varied_rows(table: pd.DataFrame) -> list[int]:
    """Rows of up to PEOPLE photos of different people, with labels as varied as possible."""
    codes, person = table[list(labels.ATTRIBUTES)].to_numpy(), table["person"].to_numpy()
    remaining, chosen = (
        np.random.default_rng(0).permutation(len(table)),
        np.empty(0, dtype=np.int64),
    )
    while len(chosen) < PEOPLE and len(remaining):
        repeated = (codes[remaining][:, None] == codes[chosen]).sum(axis=(1, 2))
        unknown = (codes[remaining] == labels.UNKNOWN).sum(axis=1)
        chosen = np.append(chosen, remaining[(repeated + unknown).argmin()])
        remaining = remaining[~np.isin(person[remaining], person[chosen])]
    return sorted(chosen.tolist(), key=lambda row: tuple(codes[row]))


def _partners(table: pd.DataFrame, chosen: Sequence[int]) -> list[int]:
    """For each of the rows another one with the same labels, if there is one."""
    codes, people = table[list(labels.ATTRIBUTES)].to_numpy(), table["person"].to_numpy()
    mates: list[int] = []
    for row in chosen:
        same_labels = np.flatnonzero((codes == codes[row]).all(axis=1))
        same_labels = same_labels[~np.isin(same_labels, [*chosen, *mates])]
        others = same_labels[people[same_labels] != people[row]]
        mates += [int(candidate) for candidate in (others if len(others) else same_labels)[:1]]
    return mates


def _count_unmixed(mixed: Mixed, count: int) -> int:
    """How many of the first `count` photos are mixed with themselves."""
    if mixed.partner is None:
        return count
    return int((mixed.partner[:count] == torch.arange(count)).sum())


# ---------------------------------------------------------------------------- the drawing


@dataclass(frozen=True)
class _Row:
    """A caption, photos (None: empty place), and lines below each photo but the first."""

    words: list[str]
    photos: Sequence[Pixels | None]
    below: Sequence[Sequence[str]]


def _drawing(rows: Sequence[_Row], heads: Sequence[str], geometry: Geometry) -> Image.Image:
    photo_height = round(_WIDTH * geometry.height / geometry.width)
    below = [words for row in rows for captions in row.below for words in captions]
    small_font = _fitting(below)
    lines = max((len(each) for row in rows for each in row.below), default=0)
    step = photo_height + lines * 19 + _GAP + (4 if lines else 0)
    top = 2 * _LINE
    width = _LABEL + (DRAWS + 1) * (_WIDTH + _GAP) + 2 * _GAP
    image = Image.new("RGB", (width, top + len(rows) * step), "white")
    draw = ImageDraw.Draw(image)
    for head, left in zip(heads, (_column_x(0), _column_x(1)), strict=True):
        draw.text((left, 16), head, fill=_INK, font=ImageFont.load_default(20))
    for number, row in enumerate(rows):
        y = top + number * step
        for line, words in enumerate(row.words):
            size = 20 if line == 0 else 18
            place = (_GAP, y + 4 + line * _LINE)
            draw.text(place, words, fill=_SOFT if line else _INK, font=ImageFont.load_default(size))
        for column, photo in enumerate(row.photos):
            if photo is not None:
                small = Image.fromarray(np.ascontiguousarray(photo))
                image.paste(
                    small.resize((_WIDTH, photo_height), Image.Resampling.BICUBIC),
                    (_column_x(column), y),
                )
        for column, captions in enumerate(row.below, 1):
            for line, words in enumerate(captions):
                place = (_column_x(column), y + photo_height + 4 + line * 19)
                draw.text(place, words, fill=_SOFT, font=small_font)
    return image


def _column_x(column: int) -> int:
    """The x position of a column of photos; after the first there is a wider gap."""
    return _LABEL + column * (_WIDTH + _GAP) + (_GAP if column else 0)


def _fitting(lines: Sequence[str]) -> Any:
    """The largest font in which no line is wider than a photo."""
    for size in range(16, 8, -1):
        font = ImageFont.load_default(size)
        if all(font.getlength(words) <= _WIDTH for words in lines):
            break
    return font


def _stacked(parts: Sequence[Image.Image]) -> Image.Image:
    """The images one below the other, with a line between them."""
    size = (parts[0].width, sum(part.height for part in parts))
    image, top = Image.new("RGB", size, "white"), 0
    for part in parts:
        image.paste(part, (0, top))
        if top:
            ImageDraw.Draw(image).line((0, top, image.width, top), fill=_RULE, width=2)
        top += part.height
    return image
