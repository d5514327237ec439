"""What an error says of words that are no labels: the allowed values, and a mapping to them."""

import difflib
import re
from collections.abc import Iterable
from typing import Final

from maskgate import labels
from maskgate.data import label_words

# The allowed values by kind of problem.
_ALLOWED: Final = {
    "unknown mask": "mask is wear, incorrect or not_wear, or another usual word for them",
    "unknown gender": "gender is male or female, or another usual word for them",
    "unknown age": "age is in years, 0 to 120, or a group within one of <30, 30–59, ≥60",
    "unknown age_group": "age_group lies within one of <30, 30–59, ≥60",
}
_WORD: Final = re.compile(r"(mask|gender) '([^']+)'")  # at the start of a problem's detail
_WORDS: Final = {
    "mask": (label_words.MASK_WORDS, labels.ATTRIBUTES["mask"]),
    "gender": (label_words.GENDER_WORDS, labels.ATTRIBUTES["gender"]),
}
_MOST: Final = 5  # words in a mapping
_NEAR: Final = 0.75  # least similarity of a mistyped word


def remedy(problems: Iterable[tuple[str, str]]) -> str:
    """A phrase on the unknown labels among problems, each a kind and its detail: the allowed
    values, and for words of mask and gender a mapping in pandas to copy. It ends in `; ` unless it
    is empty."""
    problems = list(problems)
    allowed = [
        _ALLOWED[kind] for kind in dict.fromkeys(kind for kind, _ in problems if kind in _ALLOWED)
    ]
    words = [match.groups() for _, detail in problems if (match := _WORD.match(detail))]
    mapping: dict[str, dict[str, str]] = {}
    for attribute, word in list(dict.fromkeys(words))[:_MOST]:
        mapping.setdefault(attribute, {})[word] = nearest(attribute, word) or "…"
    if mapping:
        allowed.append(f"in pandas, map words by table.replace({mapping})")
    return "".join(f"{phrase}; " for phrase in allowed)


def is_label(kind: str) -> bool:
    """Whether a problem of that kind is a label that is none of the known words or numbers."""
    return kind in _ALLOWED


def nearest(attribute: str, word: str) -> str | None:
    """The value of `mask` or `gender` that a mistyped word probably means."""
    words, values = _WORDS[attribute]
    key = re.sub(r"[\s_-]+", "_", label_words.folded(word))
    near = difflib.get_close_matches(key, words, 1, _NEAR)
    return values[words[near[0]]] if near else None
