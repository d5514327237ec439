"""The 18 classes, which only this module defines.

``label = mask * 6 + gender * 3 + age_band``. Everywhere else an attribute is its code
(0, 1, 2 …) and an unknown attribute is ``UNKNOWN`` (-1).
"""

from typing import Final

import numpy as np
import numpy.typing as npt

Codes = npt.NDArray[np.int8]

UNKNOWN: Final = -1
MASKS: Final = ("wear", "incorrect", "not_wear")
GENDERS: Final = ("male", "female")
AGE_BANDS: Final = ("<30", "30-59", ">=60")
AGE_BOUNDARIES: Final = (30, 60)

ATTRIBUTES: Final[dict[str, tuple[str, ...]]] = {
    "mask": MASKS,
    "gender": GENDERS,
    "age_band": AGE_BANDS,
}
SIZES: Final = tuple(len(values) for values in ATTRIBUTES.values())
CLASSES: Final = tuple(
    f"{mask} {gender} {band}" for mask in MASKS for gender in GENDERS for band in AGE_BANDS
)
COUNT: Final = len(CLASSES)
# The columns of the classes' probabilities in tables: p00 … p17.
PROBABILITY_COLUMNS: Final = tuple(f"p{label:02d}" for label in range(COUNT))


def encode(mask: npt.ArrayLike, gender: npt.ArrayLike, age_band: npt.ArrayLike) -> Codes:
    """Labels 0–17 (N,) from three arrays of codes (N,); UNKNOWN where an attribute is unknown."""
    code_arrays = [np.asarray(code) for code in (mask, gender, age_band)]
    for name, code in zip(ATTRIBUTES, code_arrays, strict=True):
        if ((code < UNKNOWN) | (code >= len(ATTRIBUTES[name]))).any():
            raise ValueError(f"{name} codes lie outside -1…{len(ATTRIBUTES[name]) - 1}")
    known = np.logical_and.reduce([code != UNKNOWN for code in code_arrays])
    label = code_arrays[0] * 6 + code_arrays[1] * 3 + code_arrays[2]
    return np.where(known, label, UNKNOWN).astype(np.int8)


def decode(label: npt.ArrayLike) -> tuple[Codes, Codes, Codes]:
    """Mask, gender and age-band codes (N,) of labels (N,); UNKNOWN stays UNKNOWN."""
    label = np.asarray(label)
    if ((label < UNKNOWN) | (label >= COUNT)).any():
        raise ValueError(f"labels lie outside -1…{COUNT - 1}")
    known = label != UNKNOWN
    parts = (label // 6 % 3, label // 3 % 2, label % 3)
    mask, gender, band = (np.where(known, part, UNKNOWN).astype(np.int8) for part in parts)
    return mask, gender, band


def age_band(age: npt.ArrayLike, boundaries: tuple[int, int] = AGE_BOUNDARIES) -> Codes:
    """Band codes (N,) of ages in years (N,); a negative or missing age is UNKNOWN.

    `boundaries` are the ages at which the second and the third band start.
    """
    age = np.asarray(age, dtype=np.float64)
    band = np.digitize(age, boundaries)
    return np.where(age >= 0, band, UNKNOWN).astype(np.int8)


# MEMBERS[name][k, c] is 1 where class c has value k of the attribute.
MEMBERS: Final[dict[str, npt.NDArray[np.bool_]]] = {
    name: np.equal.outer(np.arange(len(values)), codes)
    for (name, values), codes in zip(
        ATTRIBUTES.items(), decode(np.arange(COUNT, dtype=np.int8)), strict=True
    )
}


def marginals(
    probabilities: npt.NDArray[np.floating],
) -> dict[str, npt.NDArray[np.floating]]:
    """The probabilities of each attribute, (N, 3), (N, 2), (N, 3), from those of the classes (N,
    18)."""
    return {name: probabilities @ members.T for name, members in MEMBERS.items()}


def agrees(mask: Codes, gender: Codes, age_band: Codes) -> npt.NDArray[np.bool_]:
    """(N, 18), true for every class that agrees with the known attributes of each photo.

    A fully labelled photo has one such class, a photo without labels has 18.
    """
    allowed = np.ones((len(mask), COUNT), dtype=np.bool_)
    for members, codes in zip(MEMBERS.values(), (mask, gender, age_band), strict=True):
        allowed &= members[codes] | (codes == UNKNOWN)[:, None]
    return allowed
