"""What is measured of each photo: numbers and categories."""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core.progress import track
from maskgate.dataset_shift import views
from maskgate.dataset_shift.sets import PhotoSet
from maskgate.dataset_shift.views import ModelView
from maskgate.imaging import pixels

Floats = npt.NDArray[np.float64]

NUMBERS: Final[dict[str, tuple[str, str, str]]] = {
    "megapixels": ("Size, megapixels", "are smaller", "are larger"),
    "aspect": ("Width / height", "are narrower", "are wider"),
    "bytes_per_pixel": ("Bytes per pixel", "are compressed more", "are compressed less"),
    "brightness": ("Brightness of the photo, 0 to 255", "are darker", "are brighter"),
    "contrast": ("Contrast of the photo", "have less contrast", "have more contrast"),
    "saturation": ("Saturation, 0 to 1", "are paler", "are more colourful"),
    "warmth": ("Red minus blue, 0 to 255", "are bluer", "are redder"),
    "input_brightness": ("Brightness of the face", "show darker faces", "show brighter faces"),
    "input_sharpness": ("Sharpness of the face", "show less sharp faces", "show sharper faces"),
    "face_width": ("Face width, pixels", "show smaller faces", "show larger faces"),
    "face_share": (
        "Face width / photo width",
        "show faces that fill less of the photo",
        "show faces that fill more of the photo",
    ),
    "face_score": (
        "Score of the face detector",
        "show faces that are harder to detect",
        "show faces that are easier to detect",
    ),
} | {
    f"confidence_{name}": (
        f"Confidence in the {name.replace('_', ' ')}",
        f"get less certain answers on the {name.replace('_', ' ')}",
        f"get more certain answers on the {name.replace('_', ' ')}",
    )
    for name in labels.ATTRIBUTES
}
"""The numbers, with title, and what photos are or do whose number is lower or higher."""


@dataclass(frozen=True)
class Categories:
    """Of each photo (N,) the code of one of the `names`, negative where unknown."""

    title: str
    names: list[str]
    codes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Measured:
    """The measures of a sample's photos (N): numbers, NaN where unknown, and categories."""

    numbers: dict[str, Floats]
    categories: dict[str, Categories]


def of_sample(photo_set: PhotoSet, view: ModelView | None) -> Measured:
    """Measures of the sample of a set, in the order of its rows. Without a look through a model
    there are none of faces and answers."""
    table = photo_set.photos.table.iloc[photo_set.rows]
    numbers, formats = _of_files(photo_set)
    numbers |= _of_pictures(photo_set)
    categories = {
        name: Categories(
            name.replace("_", " "), list(values), table[name].to_numpy().astype(np.int64)
        )
        for name, values in labels.ATTRIBUTES.items()
    }
    kinds = sorted(set(formats))
    codes = np.array([kinds.index(each) for each in formats])
    categories["format"] = Categories("file format", kinds, codes)
    if view is not None:
        _add_seen(numbers, categories, view)
    return Measured(numbers, categories)


def _of_files(photo_set: PhotoSet) -> tuple[dict[str, Floats], list[str]]:
    """Sizes from the headers of the files, and their formats."""
    paths = [photo_set.photos.root / name for name in photo_set.photos.table["photo"]]
    sample = [paths[row] for row in photo_set.rows]
    headers = list(track(map(pixels.header, sample), "measuring photos", len(sample)))
    width = np.array([header[1] for header in headers], dtype=np.float64)
    height = np.array([header[2] for header in headers], dtype=np.float64)
    size = np.array([path.stat().st_size for path in sample], dtype=np.float64)
    return {
        "megapixels": width * height / 1e6,
        "aspect": width / height,
        "bytes_per_pixel": size / (width * height),
        "_width": width,
    }, [header[0] for header in headers]


def _of_pictures(photo_set: PhotoSet) -> dict[str, Floats]:
    rows = []
    for row in track(photo_set.rows, "measuring colours", len(photo_set.rows)):
        picture = photo_set.store[row].astype(np.float32)
        grey = photo_set.store.thumbnails_of(np.array([row]))[0]
        highest, lowest = picture.max(-1), picture.min(-1)
        saturation = (highest - lowest) / np.maximum(highest, 1)
        warmth = picture[..., 0].mean() - picture[..., 2].mean()
        rows.append((grey.mean(), grey.std(), saturation.mean(), warmth))
    names = ("brightness", "contrast", "saturation", "warmth")
    return dict(zip(names, np.array(rows, dtype=np.float64).T, strict=True))


def _add_seen(
    numbers: dict[str, Floats], categories: dict[str, Categories], view: ModelView
) -> None:
    faces = view.faces.astype(np.float64)
    is_found = np.isfinite(faces[:, 0])
    if is_found.any():
        face_width = faces[:, 2] - faces[:, 0]
        numbers |= {
            "face_width": face_width,
            "face_share": face_width / numbers["_width"],
            "face_score": faces[:, 4],
        }
        categories["face"] = Categories("face", ["none found", "found"], is_found.astype(np.int64))
    numbers |= {f"input_{name}": values for name, values in view.measures.items()}
    numbers |= {f"confidence_{name}": each for name, each in views.confidences(view).items()}
    for name, codes in views.predicted(view).items():
        title = f"{name.replace('_', ' ')}, as predicted"
        categories[f"predicted_{name}"] = Categories(title, list(labels.ATTRIBUTES[name]), codes)
