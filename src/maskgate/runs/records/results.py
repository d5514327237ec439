"""metrics.json: the scores of a run, each with its interval."""

from typing import Annotated, Any, Final, Literal, get_args

from pydantic import Field, model_validator

from maskgate.core import notebook
from maskgate.core.score import Score
from maskgate.runs.records.stored import Count, File, Record

Attribute = Literal["mask", "gender", "age_band"]
Matrix = list[list[float]]


class Figure(Record):
    """A stored score: a value with the ends of its 95% interval."""

    value: float
    low: float
    high: float

    @classmethod
    def from_score(cls, score: Score) -> "Figure":
        """The record of a score."""
        return cls(value=score.value, low=score.low, high=score.high)

    def as_score(self) -> Score:
        """The score of this record."""
        return Score(self.value, self.low, self.high)

    def __str__(self) -> str:
        return str(self.as_score())


def _require(record: Record, key: str, *others: str) -> None:
    """Raise ValueError where the key is set and one of the others is not."""
    if key in record.model_fields_set:
        for other in others:
            if other not in record.model_fields_set:
                raise ValueError(f"{other} is missing")


class ClassScores(Record):
    name: str
    photos: Count
    people: Count
    f1: Figure
    precision: Figure
    recall: Figure


class Matrices(Record):
    value: Matrix
    low: Matrix
    high: Matrix

    def is_square(self, size: int) -> bool:
        """Whether all of them have that many rows and columns."""
        return all(
            len(each) == size and all(len(row) == size for row in each)
            for each in (self.value, self.low, self.high)
        )


class Confusion(Matrices):
    share: Matrices


class Bin(Record):
    """Photos of similar confidence: its mean, and the share of them that is right."""

    photos: Count
    confidence: float
    accuracy: Figure


class Reliability(Record):
    """The expected calibration error of an attribute, and its reliability diagram; see
    `evaluation.calibration`."""

    error: Figure
    bins: Annotated[list[Bin], Field(min_length=1)]

    @property
    def points(self) -> list[tuple[float, float, float, float]]:
        """The points of its reliability diagram; see `core.reliability`."""
        return [
            (each.confidence, each.accuracy.value, each.accuracy.low, each.accuracy.high)
            for each in self.bins
        ]


class Scores(Record):
    """Scores of one attribute, or of the 18 classes."""

    macro_f1: Figure
    accuracy: Figure
    classes: Annotated[list[ClassScores], Field(min_length=2)]
    confusion: Confusion
    calibration: Reliability | None = None  # of an attribute

    @model_validator(mode="after")
    def _check_sizes(self) -> "Scores":
        size = len(self.classes)
        if not (self.confusion.is_square(size) and self.confusion.share.is_square(size)):
            raise ValueError(f"the confusion is not of {size} classes")
        return self


class SubsetScores(Record):
    """Scores of some of the photos; only the counts where they are too few."""

    photos: Count
    people: Count
    score: Figure | None = None
    score_of: str = ""
    accuracy: dict[Attribute, Figure] = Field({})

    @model_validator(mode="after")
    def _check_score_name(self) -> "SubsetScores":
        _require(self, "score", "score_of", "accuracy")
        return self


class Faces(Record):
    """Scores of the photos with a detected face, and of those without."""

    detected: SubsetScores = Field(alias="found")
    missed: SubsetScores


class AgeErrors(Record):
    """The mean absolute error of the predicted age in years; only the counts where the people are
    too few."""

    photos: Count
    people: Count
    mean_absolute_error: Figure | None = None


class Decade(AgeErrors):
    first: Count  # its first year of age


class AllAgeErrors(AgeErrors):
    decades: list[Decade] = Field([])


class Slice(Record):
    """The accuracy of an attribute in some of the photos; see `evaluation.slices`."""

    kind: str
    name: str
    attribute: Attribute
    photos: Count
    people: Count
    accuracy: Figure
    difference: Figure

    @property
    def lost(self) -> float:
        """How many of its photos more would be right if it were as accurate as the others."""
        return -self.difference.value * self.photos

    @property
    def is_worse(self) -> bool:
        """Whether it is certainly less accurate than the others."""
        return self.difference.high < 0


class WithoutTta(Record):
    score: Figure
    difference: Figure


class Member(Record):
    """What a system's metrics.json holds of a member; see `Results.as_member`."""

    score: Figure | None = None
    score_of: str = ""
    known_attributes: list[Attribute] | None = Field(None, alias="knows")
    selection: str = ""
    unvalidated_epochs: Count = 0

    @model_validator(mode="after")
    def _check_score_name(self) -> "Member":
        _require(self, "score", "score_of")
        return self


class Step(Record):
    """The score after a system's combination, or after an adjustment."""

    name: str
    score: Figure
    score_of: str
    before: str = ""
    gain: Figure | None = None
    calibration_errors: dict[Attribute, Figure] = Field({})  # see `evaluation.calibration`

    @model_validator(mode="after")
    def _check_gain(self) -> "Step":
        _require(self, "gain", "before")
        return self


_UNVALIDATED: Final = "trained on all photos, without validation"
_REQUIRED_IF_VALIDATED: Final = (
    "photos", "people", "fully_labelled", "interval", "attributes", "score", "score_of", "selection"
)  # fmt: skip


class Results(File):
    """metrics.json. Where `validated` is true, the keys of a validated run are required."""

    validated: bool
    unvalidated_epochs: Count = 0
    photos: Count = 0
    people: Count = 0
    fully_labelled: Count = 0
    interval: str = ""
    attributes: dict[Attribute, Scores] = Field({})
    macro_f1: Figure | None = None  # of the 18 classes, as the next three
    accuracy: Figure | None = None
    classes: list[ClassScores] = Field([])
    confusion: Confusion | None = None
    score: Figure | None = None
    score_of: str = ""
    known_attributes: list[Attribute] | None = Field(None, alias="knows")
    selection: str = ""
    faces: Faces | None = None
    age: AllAgeErrors | None = None
    slices: list[Slice] = Field([])
    without_tta: WithoutTta | None = None
    last_epoch: Figure | None = None
    members: dict[str, Member] = Field({})
    steps: list[Step] = Field([])
    combine: str = ""

    @model_validator(mode="before")
    @classmethod
    def _check_required(cls, content: Any) -> Any:
        """The scores of the 18 classes are keys of the file itself."""
        if isinstance(content, dict) and content.get("validated") is True:
            for key in _REQUIRED_IF_VALIDATED:
                if content.get(key) is None:
                    raise ValueError(f"{key} is missing")
            if content["fully_labelled"]:
                Scores.model_validate(content)
        return content

    @property
    def all_classes(self) -> Scores | None:
        """The scores of the 18 classes, where photos have all labels."""
        if not self.fully_labelled:
            return None
        assert self.macro_f1 is not None and self.accuracy is not None  # checked when it is read
        assert self.confusion is not None
        return Scores(
            macro_f1=self.macro_f1,
            accuracy=self.accuracy,
            classes=self.classes,
            confusion=self.confusion,
        )

    def __repr__(self) -> str:
        if not self.validated:
            return _UNVALIDATED
        lines = [
            f"{name}: macro F1 {scores.macro_f1}, accuracy {scores.accuracy}"
            for name, scores in self._parts().items()
        ]
        return "\n".join([f"out of fold, {self.photos:,} photos of {self.people:,} people", *lines])

    __str__ = __repr__

    def _repr_html_(self) -> str:
        """In a notebook: the scores of the 18 classes and of each attribute."""
        if not self.validated:
            return notebook.paragraph(_UNVALIDATED)
        rows = [(name, each.macro_f1, each.accuracy) for name, each in self._parts().items()]
        return notebook.table(["out of fold", "macro F1", "accuracy"], rows)

    def _parts(self) -> "dict[str, Scores]":
        """The scores of the 18 classes, where there are any, and of each attribute."""
        parts = {name.replace("_", " "): scores for name, scores in self.attributes.items()}
        if (all_classes := self.all_classes) is not None:
            return {"18 classes": all_classes} | parts
        return parts

    def as_member(self) -> dict[str, Any]:
        """What a system's metrics.json repeats of this member's, ready for JSON."""
        values = self.model_dump(exclude_unset=True)
        keys = ("knows", "score", "score_of", "selection", "unvalidated_epochs")
        return {key: values[key] for key in keys if key in values}


def known_attributes(results: Results | Member) -> list[str]:
    """The attributes that a model predicts: all, unless the file lists some."""
    listed = results.known_attributes
    return list(get_args(Attribute)) if listed is None else list(listed)
