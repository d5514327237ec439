"""The words and numbers for mask, gender, age and age group in tables of any origin.

The width of characters, case and the kind of dash are ignored. Uncertain words raise ValueError,
with a reason unless the word is just unknown.
"""

import re
import unicodedata
from collections.abc import Iterable
from typing import Final

from maskgate import labels

OLDEST: Final = 120
MASK_WORDS: Final = {
    **dict.fromkeys(
        ("wear", "worn", "mask", "masked", "with_mask", "mask_on", "wearing_mask",
         "wear_mask", "face_with_mask", "correct", "correct_mask", "correctly_worn",
         "mask_worn_correctly", "mask_weared_correctly", "착용", "마스크_착용"), 0),
    **dict.fromkeys(
        ("incorrect", "incorrect_mask", "incorrectly", "incorrectly_worn", "worn_incorrectly",
         "mask_worn_incorrect", "mask_worn_incorrectly", "mask_weared_incorrect",
         "mask_weared_incorrectly", "with_incorrect_mask", "face_with_mask_incorrect",
         "wear_incorrect", "improper", "improperly_worn", "오착용", "잘못_착용", "턱스크"), 1),
    **dict.fromkeys(
        ("not_wear", "normal", "not_worn", "not_wearing", "not_wearing_mask", "without_mask",
         "no_mask", "no_masked", "non_mask", "nomask", "mask_off", "maskless",
         "unmasked", "not_masked", "bare", "face_no_mask", "face_without_mask", "미착용",
         "마스크_미착용"), 2),
}  # fmt: skip
GENDER_WORDS: Final = {
    **dict.fromkeys(("male", "m", "man", "boy", "남", "남자", "남성"), 0),
    **dict.fromkeys(("female", "f", "woman", "girl", "w", "여", "여자", "여성"), 1),
}
_NUMBER: Final = "a number does not say which"
_MAX_QUOTED: Final = 60  # characters of a cell in a message
_DASHES: Final = dict.fromkeys(map(ord, "‐‑‒–—―−~〜∼"), "-")
AGE_CODE: Final = (
    f"{_NUMBER}: write {', '.join(labels.AGE_BANDS[:-1])} or {labels.AGE_BANDS[-1]}, or years with"
    " their unit such as '2 years'"
)
_BARE: Final = re.compile(r"\+?\d+([.,]\d*)?")
# If all numbers are below this, they are codes of age groups: data sets of children use units.
_CODES: Final = 10
_UNITS: Final = r"(세|살|years?|yrs?|yo|y/o)?([ -]?old)?"
_YEARS: Final = re.compile(rf"만? ?(\+?\d+([.,]\d*)?(e[+-]?\d+)?) ?{_UNITS}")


def folded(text: str) -> str:
    """The text in lower case and stripped, with characters of normal width (Unicode NFKC) and each
    dash as `-`."""
    return unicodedata.normalize("NFKC", text).translate(_DASHES).lower().strip()


def quoted(text: str) -> str:
    """A cell's text in quotes for a message, shortened if it is very long."""
    return repr(text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}…")


def mask(text: str) -> int:
    """The mask code of a word."""
    return _code(text, MASK_WORDS, "wear, incorrect or not_wear")


def gender(text: str) -> int:
    """The gender code of a word."""
    return _code(text, GENDER_WORDS, "male or female")


def years(text: str) -> float:
    """The age in years, 0–120."""
    match = _YEARS.fullmatch(folded(text))
    number = float(match[1].replace(",", ".")) if match else -1.0
    if not 0 <= number <= OLDEST:
        raise ValueError
    return number


def age_codes(texts: Iterable[str]) -> set[str]:
    """The texts of a column that may be codes of age groups, not years.

    These are all its numbers without a unit, if each is below 10.
    """
    bare = {text: match[0] for text in texts if (match := _BARE.fullmatch(folded(text)))}
    codes = all(float(number.replace(",", ".")) < _CODES for number in bare.values())
    return set(bare) if codes else set()


def _code(text: str, words: dict[str, int], write: str) -> int:
    word = re.sub(r"[\s_-]+", "_", folded(text))
    if word not in words:
        raise ValueError(f"{_NUMBER}: write {write}" if word.isdigit() else "")
    return words[word]


# ---------------------------------------------------------------------------- age groups

# The spellings of a group without spaces; # is a number or a decade (30대, 30s).
_BELOW: Final = ("<#", "under#", "below#", "youngerthan#", "lessthan#", "#미만")
_UP_TO: Final = (
    "<=#", "≤#", "upto#", "#oryounger", "#orbelow", "#orunder", "#orless", "#andyounger",
    "#andbelow", "#andunder", "#이하",
)  # fmt: skip
_ABOVE: Final = (">#", "over#", "above#", "olderthan#", "morethan#", "#초과")
_FROM: Final = (
    ">=#", "≥#", "#+", "from#", "#plus", "#orolder", "#orabove", "#orover", "#ormore", "#andolder",
    "#andabove", "#andover", "#andup", "#이상",
)  # fmt: skip
# (25, 32) may include both ends or neither: both must be in the same band.
_BETWEEN: Final = (
    "#-#", "##", "#_#", "#,#", "#/#", "#:#", "#..#", "#to#", "#through#", "#until#",
    "between#and#", "from#to#", "#부터#까지", "#에서#", "(#,#)", "[#,#]", "(#-#)", "[#-#]",
)  # fmt: skip
_END: Final = re.compile(r"(\d+)(?:\.0+)?\s*(대|'?s\b)?")
_NOT_COUNTED: Final = re.compile(r"\bage[sd]?\b|(years?|yrs?)([ -]old)?|세|살|만(?=\s*#)|\s+")


def age_group(text: str) -> tuple[int, int]:
    """The first and the last year of a group within one age band: `20-29`, `[20, 30)`, `<30`,
    `70+`, `30대`."""
    ends: list[tuple[int, int]] = []

    def end(match: re.Match[str]) -> str:
        ends.append(_end(match[1].lstrip("0"), decade=match[2] is not None))
        return "#"

    shape = folded(text).replace("#", "?")  # `#` marks our numbers only
    low, high = _ages(_NOT_COUNTED.sub("", _END.sub(end, shape)), ends)
    if not low <= high <= OLDEST:
        raise ValueError
    first, last = labels.age_band([low, high])
    if last > first:
        raise ValueError(f"it spans the bands {' and '.join(labels.AGE_BANDS[first : last + 1])}")
    return low, high


def _end(digits: str, decade: bool) -> tuple[int, int]:
    """The first and the last year of a number or a decade."""
    if len(digits) > len(str(OLDEST)):
        raise ValueError
    number = int(digits or "0")
    if decade and number % 10:
        raise ValueError
    return number, number + 9 if decade else number


def _ages(shape: str, ends: list[tuple[int, int]]) -> tuple[int, int]:
    """The first and the last age of a group with the spelling `shape`."""
    match ends:
        case [(low, high)]:
            if shape == "#":
                return low, high
            if shape in _BELOW:
                return 0, low - 1
            if shape in _UP_TO:
                return 0, high
            if shape in _ABOVE:
                return high + 1, OLDEST
            if shape in _FROM:
                return low, OLDEST
        case [(low, _), (_, high)]:
            if shape in _BETWEEN:
                return low, high
            if shape == "[#,#)":
                return low, high - 1
            if shape == "(#,#]":
                return low + 1, high
    raise ValueError
