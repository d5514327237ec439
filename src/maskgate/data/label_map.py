"""How a data set with other names of columns, and other words for labels, is to be read.

This module does not import pandas.
"""

import csv
import difflib
import json
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final

from maskgate import labels
from maskgate.config import settings
from maskgate.config.recipe import DataSet, Labels
from maskgate.data import class_words, label_words
from maskgate.errors import MaskgateError

COLUMNS: Final = ("photo", "person", "mask", "gender", "age", "age_group", "class")
# The words that a label may be, for messages.
ALLOWED: Final = {
    "mask": "wear, incorrect or not_wear",
    "gender": "male or female",
    "age": "years from 0 to 120, or a group such as 20-29, <30 or >=60",
    "age_group": "a group within one of <30, 30-59 and >=60, such as 20-29",
    "class": "words of mask, gender and age group with / between them, such as wear/female/20-29",
}
_WORDS: Final = {
    "mask": (label_words.MASK_WORDS, labels.ATTRIBUTES["mask"]),
    "gender": (label_words.GENDER_WORDS, labels.ATTRIBUTES["gender"]),
}
_NEAR: Final = 0.75  # least similarity of a mistyped word
_MOST_OFFERED: Final = 5  # words in the --map that a message offers


def _age(text: str) -> object:
    try:
        return label_words.years(text)
    except ValueError:
        return label_words.age_group(text)


_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "mask": label_words.mask,
    "gender": label_words.gender,
    "age": _age,
    "age_group": label_words.age_group,
    "class": class_words.parsed,
}


@dataclass(frozen=True)
class LabelMap:
    """`columns` names the data set's columns, by ours; `words` gives, by column, our word for each
    of its words; an empty one leaves the photo without that label. Both are empty by default."""

    columns: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.columns or self.words)

    def overrides(self) -> list[str]:
        """The same as changes of a recipe."""
        keys: dict[str, object] = {
            f"labels.columns.{column}": name for column, name in self.columns.items()
        }
        keys |= {f"labels.map.{column}": words for column, words in self.words.items()}
        return [f"{key}={json.dumps(value, ensure_ascii=False)}" for key, value in keys.items()]

    def check(self) -> None:
        """Raise MaskgateError for a column of ours or a word of ours that is none."""
        for column in self.columns:
            settings.lookup("column", column, dict.fromkeys(COLUMNS))
        for column, words in self.words.items():
            settings.lookup("column of words", column, ALLOWED)
            for word, target in words.items():
                if not target:
                    continue
                try:
                    _PARSERS[column](target)
                except ValueError as error:
                    reason = f" ({error})" if str(error) else ""
                    raise MaskgateError(
                        f"{column} {word!r} is mapped to {target!r}, which is none{reason}; write"
                        f" {ALLOWED[column]}, or nothing where it is unknown"
                    ) from error


NO_MAP: Final = LabelMap()


def of_settings(section: Labels | DataSet) -> LabelMap:
    """The map that a recipe holds, for the command line's data or for extra data."""
    columns = {str(column): name for column, name in section.columns.items()}
    return LabelMap(columns, {str(column): words for column, words in section.map.items()})


def parse(columns: Mapping[str, str], entries: Iterable[str]) -> LabelMap:
    """The map of the options `--photo-column NAME` and so on, `columns`, and `--map`, `entries`
    such as `gender:M=male,F=female`. Raises MaskgateError."""
    words: dict[str, dict[str, str]] = {}
    for entry in entries:
        column, colon, pairs = entry.partition(":")
        if not colon or not pairs.strip():
            raise MaskgateError(f"--map {entry}: write it as gender:M=male,F=female")
        settings.lookup("column of --map", column, ALLOWED)
        for pair in next(csv.reader([pairs], skipinitialspace=True)):
            word, equals, target = pair.partition("=")
            if not equals or not word.strip():
                raise MaskgateError(
                    f"--map {entry}: {pair!r} is not a pair such as M=male; put a pair with a"
                    " comma in double quotes"
                )
            if (
                words.setdefault(column, {}).setdefault(word.strip(), target.strip())
                != target.strip()
            ):
                raise MaskgateError(f"--map {entry}: {word.strip()} is given twice; give it once")
    label_map = LabelMap(columns, words)
    try:
        label_map.check()
    except MaskgateError as error:
        raise MaskgateError(f"--map: {error}") from error
    return label_map


def offer(column: str, unknown: Iterable[str]) -> str:
    """What to do about words of a column that are unknown: the allowed ones, and the option to
    type, with the words that mistyped ones probably mean."""
    names = list(dict.fromkeys(unknown))
    mapped = [f"{name}={_nearest(column, name) or 'WORD'}" for name in names[:_MOST_OFFERED]]
    pairs = ",".join(f'"{each}"' if "," in each else each for each in mapped)
    more = ",…" if len(names) > _MOST_OFFERED else ""
    return (
        f"{column} is {ALLOWED[column]}: correct the data, or map its words with"
        f" --map {shlex.quote(f'{column}:{pairs}{more}')} (in Python: words=)"
    )


def _nearest(column: str, word: str) -> str | None:
    """The value of `mask` or `gender` that a mistyped word probably means."""
    if column not in _WORDS:
        return None
    words, values = _WORDS[column]
    key = re.sub(r"[\s_-]+", "_", label_words.folded(word))
    near = difflib.get_close_matches(key, words, 1, _NEAR)
    return values[words[near[0]]] if near else None
