"""The words in the name of a class, such as `wear`, `not_wear/female` or `wear male <30`."""

import re
from collections.abc import Callable
from typing import Final

from maskgate.data import label_words

_NUMBER: Final = "a number does not say which"
_PARSERS: Final[dict[str, Callable[[str], object]]] = {
    "mask": label_words.mask,
    "gender": label_words.gender,
    "age_group": label_words.age_group,
}


def parsed(text: str) -> dict[str, str]:
    """The word for each attribute that a class's name gives: of `mask`, `gender`, `age_group`.

    Several words are separated by `/`, or by spaces if each of them has one word. Raises
    ValueError, with a reason unless the name is just unknown.
    """
    if attribute := _attribute(text):
        return {attribute: text}
    words = text.split("/") if "/" in text else text.split()
    by_attribute: dict[str, str] = {}
    for word in filter(None, map(str.strip, words)):
        attribute = _attribute(word)
        if attribute is None:
            raise ValueError(f"{word!r} is no word of a label" if len(words) > 1 else "")
        if attribute in by_attribute:
            raise ValueError(f"{by_attribute[attribute]!r} and {word!r} are both its {attribute}")
        by_attribute[attribute] = word
    if not by_attribute:
        raise ValueError
    return by_attribute


def _attribute(word: str) -> str | None:
    """What a word is about; None if it is no word of a label. Raises ValueError for a number."""
    if re.fullmatch(r"\d+([.,]\d*)?", label_words.folded(word)):
        raise ValueError(_NUMBER)
    for attribute, parse in _PARSERS.items():
        try:
            parse(word)
        except ValueError:
            continue
        return attribute
    return None
