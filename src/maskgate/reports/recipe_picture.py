"""What a recipe does to photos: its transforms and mixes in words, and as a picture.

A row a photo: as the model sees it in validation, test and prediction, then as training draws it;
below them a row for each way to mix a batch, with the labels that are learnt and their shares.
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
_GIVEN: Final = ("geometry",)
_SAID: Final = {"p": "probability"}
_TRIES: Final = 8  # to draw a batch in which few photos are their own partner
_WIDTH, _LABEL, _GAP, _LINE = 176, 190, 10, 25  # pixels: a photo, the words beside it, …
_INK, _SOFT, _RULE = "#1f2937", "#6b7280", "#e5e7eb"


@dataclass(frozen=True)
class Step:
    """One entry of a recipe's `augment` or `mixing` in words."""

    name: str
    arguments: str
    purpose: str


class Effects:
    """What the recipe of that name does to photos.

    `folder` is the cache's. Raises MaskgateError for transforms or mixes that cannot be made,
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
        """In words, what of a photo the model sees."""
        seen = f"{self.geometry.width} × {self.geometry.height} pixels (width × height)"
        if self.view.detector is not None and self.view.face is not None:
            around = f"{self.view.face.margin:.0%} of it around"
            return f"{seen} of the face, found by {self.view.detector.name}, with {around}"
        if self.geometry.crop == 1:
            return seen
        return f"{seen} of the middle {self.geometry.crop:.0%} of each side"

    def transforms(self) -> list[Step]:
        return [_step(named, TRANSFORMS) for named in self.recipe.augment]

    def mixes(self) -> list[Step]:
        """The ways to mix, each with its share of the batches."""
        return [
            Step(f"{mix.probability:.0%} {step.name}", step.arguments, step.purpose)
            for mix, step in ((mix, _step(mix, MIXES)) for mix in self.recipe.mixing)
        ]

    def picture(self, photos: Photos) -> Image.Image:
        """The picture of some of the readable `photos`, at least one; always the same."""
        table = photos.table
        chosen = _spread(table)
        stored = {row: self._stored(photos, row) for row in [*chosen, *_mates(table, chosen)]}
        rows = [
            _Row(
                _words(table, row),
                [pixels.centre(stored[row], self.geometry), *self._drawn(stored[row], row)],
                [],
            )
            for row in chosen
        ]
        heads = ["validation", "training: six draws of each"]
        whole = [_drawing(rows, heads, self.geometry)]
        if self.ways:
            mixed = [
                self._mixed(mix, mixer, table, stored=stored, shown=len(chosen))
                for mix, mixer in self.ways
            ]
            heads = ["", "batches mixed in training, shown without the transforms"]
            whole.append(_drawing(mixed, heads, self.geometry))
        return _below(whole)

    def _stored(self, photos: Photos, row: int) -> Pixels:
        image = pixels.decode(photos.root / photos.table["photo"].iloc[row])
        return self.view.stored(image)

    def _drawn(self, stored: Pixels, row: int) -> list[Pixels]:
        """Training's DRAWS of a photo."""
        seeds = [derive(self.recipe.seed, "picture", row, draw) for draw in range(DRAWS)]
        return [self.augment(stored.copy(), seed).numpy() for seed in seeds]

    def _mixed(
        self,
        mix: Mix,
        mixer: mixing.Mixer,
        table: pd.DataFrame,
        stored: Mapping[int, Pixels],
        shown: int,
    ) -> "_Row":
        """The first `shown` photos of a batch after a mix, with what is learnt of each."""
        numbers = list(stored)
        seen = [pixels.centre(each, self.geometry) for each in stored.values()]
        batch = torch.from_numpy(np.stack(seen))
        known = target.of_table(table.iloc[numbers])

        def mixed(attempt: int) -> Mixed:
            torch.manual_seed(derive(self.recipe.seed, "picture", mix.name, attempt))
            return mixer(batch, known)

        found = min(map(mixed, range(_TRIES)), key=lambda each: _alone(each, shown))
        partner = range(len(batch)) if found.partner is None else found.partner.tolist()
        told = [
            [
                f"{part:.0%} {' '.join(_words(table, numbers[at]))}"
                for part, at in ((found.share, own), (1 - found.share, partner[own]))
            ]
            for own in range(shown)
        ]
        photos = found.photos[:shown].round().clamp(0, 255).to(torch.uint8).numpy()
        words = [mix.name.replace("_", " "), f"{mix.probability:.0%} of batches"]
        return _Row(words, [None, *photos], told)


# ------------------------------------------------------------------------------ in words


def _step(named: Component, table: Mapping[str, Callable[..., object]]) -> Step:
    """Name, all arguments that hold a value, and the first sentence of what it is."""
    from maskgate.reports import reference  # timm comes along, which a plain page can do without

    make = table[named.name]
    parameters = inspect.signature(make).parameters.values()
    values = {each.name: each.default for each in parameters if each.name not in _GIVEN}
    values |= named.arguments
    told = [f"{_SAID.get(name, name.replace('_', ' '))} {_plain(v)}" for name, v in values.items()]
    kept = [each for each, value in zip(told, values.values(), strict=True) if value is not None]
    purpose = re.sub(r"\[([^]]*)\]\([^)]*\)|`", r"\1", reference.purpose(make))
    return Step(named.name.replace("_", " "), ", ".join(kept), purpose)


def _plain(value: object) -> str:
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


def _spread(table: pd.DataFrame) -> list[int]:
    """Rows of up to PEOPLE photos of different people and of values as varied as there are."""
    codes, person = table[list(labels.ATTRIBUTES)].to_numpy(), table["person"].to_numpy()
    left, chosen = np.random.default_rng(0).permutation(len(table)), np.empty(0, dtype=np.int64)
    while len(chosen) < PEOPLE and len(left):
        again = (codes[left][:, None] == codes[chosen]).sum(axis=(1, 2))
        unknown = (codes[left] == labels.UNKNOWN).sum(axis=1)
        chosen = np.append(chosen, left[(again + unknown).argmin()])
        left = left[~np.isin(person[left], person[chosen])]
    return sorted(chosen.tolist(), key=lambda row: tuple(codes[row]))


def _mates(table: pd.DataFrame, chosen: Sequence[int]) -> list[int]:
    """For each of the rows another one of which the same is known, where there is one."""
    codes, people = table[list(labels.ATTRIBUTES)].to_numpy(), table["person"].to_numpy()
    mates: list[int] = []
    for row in chosen:
        alike = np.flatnonzero((codes == codes[row]).all(axis=1))
        alike = alike[~np.isin(alike, [*chosen, *mates])]
        others = alike[people[alike] != people[row]]
        mates += [int(one) for one in (others if len(others) else alike)[:1]]
    return mates


def _alone(mixed: Mixed, shown: int) -> int:
    """How many of the photos shown are their own partner."""
    if mixed.partner is None:
        return shown
    return int((mixed.partner[:shown] == torch.arange(shown)).sum())


# ---------------------------------------------------------------------------- the drawing


@dataclass(frozen=True)
class _Row:
    """Words beside photos (None: left empty), and lines below each photo but the first."""

    words: list[str]
    photos: Sequence[Pixels | None]
    below: Sequence[Sequence[str]]


def _drawing(rows: Sequence[_Row], heads: Sequence[str], geometry: Geometry) -> Image.Image:
    tall = round(_WIDTH * geometry.height / geometry.width)
    below = [words for row in rows for told in row.below for words in told]
    small_font = _fitting(below)
    lines = max((len(each) for row in rows for each in row.below), default=0)
    step = tall + lines * 19 + _GAP + (4 if lines else 0)
    top = 2 * _LINE
    wide = _LABEL + (DRAWS + 1) * (_WIDTH + _GAP) + 2 * _GAP
    whole = Image.new("RGB", (wide, top + len(rows) * step), "white")
    draw = ImageDraw.Draw(whole)
    for head, left in zip(heads, (_at(0), _at(1)), strict=True):
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
                whole.paste(
                    small.resize((_WIDTH, tall), Image.Resampling.BICUBIC), (_at(column), y)
                )
        for column, told in enumerate(row.below, 1):
            for line, words in enumerate(told):
                place = (_at(column), y + tall + 4 + line * 19)
                draw.text(place, words, fill=_SOFT, font=small_font)
    return whole


def _at(column: int) -> int:
    """Where a column of photos begins; the first stands a little apart."""
    return _LABEL + column * (_WIDTH + _GAP) + (_GAP if column else 0)


def _fitting(lines: Sequence[str]) -> Any:
    """The largest font in which no line is wider than a photo."""
    for size in range(16, 8, -1):
        font = ImageFont.load_default(size)
        if all(font.getlength(words) <= _WIDTH for words in lines):
            break
    return font


def _below(parts: Sequence[Image.Image]) -> Image.Image:
    """The parts one below the other, a rule between them."""
    size = (parts[0].width, sum(part.height for part in parts))
    whole, top = Image.new("RGB", size, "white"), 0
    for part in parts:
        whole.paste(part, (0, top))
        if top:
            ImageDraw.Draw(whole).line((0, top, whole.width, top), fill=_RULE, width=2)
        top += part.height
    return whole
