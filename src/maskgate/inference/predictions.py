"""A model's predictions for photos: as NumPy arrays, as CSV, or as a pandas table."""

import csv
import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core import extras, finite, notebook
from maskgate.faces.protocol import BOX

if TYPE_CHECKING:
    import pandas as pd

AGE: Final = "age_years"
FACE: Final = tuple(f"face_{name}" for name in (*BOX, "score"))


@dataclass(frozen=True, eq=False)
class Predictions:
    """A row for each photo, or for each face of each photo: R rows. Raises ValueError for arrays of
    other shapes, and MaskgateError where a probability is not finite.

    `photos` (R,) are the photos' names. `probabilities` (R, 18) are of the classes; of attributes
    that the model does not predict (not in `attributes`) all values are as likely. `boxes` (R, 5)
    are left, top, right and bottom of the face that the model saw, in pixels of the photo, and the
    detector's score; NaN where it saw the photo's centre. They are None for a model without a face
    detector. `ages` (R,) are mean ages in years, None for a model without a head of single years.
    `thresholds` are, by attribute, the confidence below which an answer is unsure; see
    `bundle.thresholds`.
    """

    photos: Sequence[str]
    probabilities: npt.NDArray[np.float32]
    attributes: tuple[str, ...] = tuple(labels.ATTRIBUTES)
    boxes: npt.NDArray[np.float32] | None = None
    ages: npt.NDArray[np.float32] | None = None
    thresholds: Mapping[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        rows, probabilities = len(self.photos), np.shape(self.probabilities)
        if probabilities != (rows, labels.COUNT):
            raise ValueError(
                f"probabilities of shape {probabilities}; {rows} photos have ({rows},"
                f" {labels.COUNT})"
            )
        if self.boxes is not None and np.shape(self.boxes) != (rows, len(FACE)):
            raise ValueError(
                f"boxes of shape {np.shape(self.boxes)}; {rows} photos have ({rows}, {len(FACE)})"
            )
        if self.ages is not None and np.shape(self.ages) != (rows,):
            raise ValueError(f"ages of shape {np.shape(self.ages)}; {rows} photos have ({rows},)")
        finite.check(self.probabilities, "the model")

    def __len__(self) -> int:
        return len(self.photos)

    def __repr__(self) -> str:
        attributes = ", ".join(self.attributes).replace("_", " ")
        return f"Predictions({len(self)} rows: {attributes})"

    @property
    def classes(self) -> npt.NDArray[np.int8]:
        """The likeliest class 0–17 of each row (R,); UNKNOWN where the model does not predict all
        attributes."""
        if set(labels.ATTRIBUTES) <= set(self.attributes):
            return self.probabilities.argmax(1).astype(np.int8)
        return np.full(len(self), labels.UNKNOWN, np.int8)

    @property
    def mask(self) -> list[str]:
        """`wear`, `incorrect` or `not_wear` of each row; see `words`."""
        return self.words("mask")

    @property
    def gender(self) -> list[str]:
        """`male` or `female` of each row; see `words`."""
        return self.words("gender")

    @property
    def age_band(self) -> list[str]:
        """`<30`, `30-59` or `>=60` of each row; see `words`."""
        return self.words("age_band")

    def words(self, attribute: str) -> list[str]:
        """The likeliest value of an attribute (R,), "" where the model does not predict it. Raises
        ValueError for a name that is no attribute."""
        if not self._is_predicted(attribute):
            return [""] * len(self)
        values = labels.ATTRIBUTES[attribute]
        return [values[code] for code in self._marginals(attribute).argmax(1)]

    def confidence(self, attribute: str) -> npt.NDArray[np.float32]:
        """The probability of the likeliest value (R,), NaN where the model does not predict the
        attribute. Raises ValueError for a name that is no attribute."""
        if not self._is_predicted(attribute):
            return np.full(len(self), np.nan, np.float32)
        return self._marginals(attribute).max(1).clip(max=1)

    def is_unsure(self, attribute: str) -> npt.NDArray[np.bool_]:
        """Whether the confidence is below the attribute's threshold (R,); False without one.
        Raises ValueError for a name that is no attribute."""
        return self.confidence(attribute) < self.thresholds.get(attribute, 0.0)

    def _is_predicted(self, attribute: str) -> bool:
        if attribute not in labels.ATTRIBUTES:
            raise ValueError(f"no attribute {attribute!r}; it is one of {list(labels.ATTRIBUTES)}")
        return attribute in self.attributes

    def _marginals(self, attribute: str) -> npt.NDArray[Any]:
        return labels.marginals(self.probabilities)[attribute]

    def columns(self) -> dict[str, Any]:
        """The columns of its table by name: lists of text, and arrays (R,). Of attributes without
        a threshold none says what is unsure."""
        columns: dict[str, Any] = {"photo": list(self.photos)}
        if self.boxes is not None:
            columns |= zip(FACE, self.boxes.T, strict=True)
        for name in labels.ATTRIBUTES:
            columns[name] = self.words(name)
            columns[f"{name}_probability"] = self.confidence(name)
            if name in self.thresholds:
                columns[f"{name}_unsure"] = self.is_unsure(name)
        if self.ages is not None:
            columns[AGE] = self.ages
        columns["label"] = self.classes
        return columns | dict(zip(labels.PROBABILITY_COLUMNS, self.probabilities.T, strict=True))

    def _repr_html_(self) -> str:
        """In a notebook: of each row the photo and, by attribute, value and confidence."""
        known = [name for name in labels.ATTRIBUTES if name in self.attributes]
        columns: dict[str, Iterable[object]] = {"photo": self.photos}
        for name in known:
            answers = zip(
                self.words(name), self.confidence(name), self.is_unsure(name), strict=True
            )
            columns[name.replace("_", " ")] = [
                f"{word} {confidence:.2f}{' (unsure)' if unsure else ''}"
                for word, confidence, unsure in answers
            ]
        if self.ages is not None:
            columns["age"] = [f"{age:.0f}" for age in self.ages]
        return notebook.table(list(columns), list(zip(*columns.values(), strict=True)))

    def to_csv(self) -> str:
        """The table as CSV with LF line ends: numbers with six decimals, empty where unknown."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        columns = self.columns()
        writer.writerow(columns)
        writer.writerows(zip(*map(_texts, columns.values()), strict=True))
        return text.getvalue()

    def to_pandas(self) -> "pd.DataFrame":
        """The same table, with `pd.NA` for unknown labels. Raises MaskgateError where pandas is
        missing."""
        with extras.needed_by("to_pandas"):
            import pandas as pd

        table = pd.DataFrame(self.columns())
        if set(labels.ATTRIBUTES) <= set(self.attributes):
            return table.astype({"label": "int64"})
        return table.assign(label=np.full(len(table), pd.NA))

    def class_probabilities(self) -> "pd.DataFrame":
        """The probabilities (R, 18) as a table: a column for each class by its name, such as `wear
        male <30`, and the photos as its index. Raises MaskgateError where pandas is missing."""
        with extras.needed_by("class_probabilities"):
            import pandas as pd

        photos = pd.Index(list(self.photos), name="photo")
        return pd.DataFrame(self.probabilities, index=photos, columns=list(labels.CLASSES))


def _texts(column: Any) -> Iterator[str]:
    """The values of a column as text for CSV."""
    if isinstance(column, list):
        yield from column
    elif column.dtype == np.bool_:
        yield from map(str, column.tolist())
    elif np.issubdtype(column.dtype, np.integer):
        yield from ("" if value == labels.UNKNOWN else str(value) for value in column.tolist())
    else:
        yield from ("" if value != value else f"{value:.6f}" for value in column.tolist())
