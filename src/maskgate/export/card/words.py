"""Names of attributes, their values and groups, in words."""

from typing import Final

ATTRIBUTES: Final = {"mask": "mask", "gender": "gender", "age_band": "age band"}
VALUES: Final = {
    "wear": "worn",
    "incorrect": "worn incorrectly",
    "not_wear": "not worn",
    "<30": "under 30",
    "30-59": "30 to 59",
    ">=60": "60 and over",
}


def group_title(title: str) -> str:
    """The title of a group, such as `mask: not_wear` or `male, >=60`, in words."""
    for separator in (": ", ", "):
        first, delimiter, value = title.partition(separator)
        if delimiter:
            return f"{ATTRIBUTES.get(first, first)}{separator}{VALUES.get(value, value)}"
    return title
