"""Scores of a model on people whom it was not trained on: a file, and a part of a manifest."""

from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field

from maskgate.bundle.thresholds import Share
from maskgate.core import files
from maskgate.runs.records import stored
from maskgate.runs.records.results import Attribute, Figure
from maskgate.runs.records.status import Time
from maskgate.runs.records.stored import Count, File, Record

WORN: Final = 0.95  # the recall of masks worn at which masks worn incorrectly are scored
_REMEDY: Final = "write it again with benchmarks/default_model.py"
Measure = Literal[
    "macro_f1",  # of the 18 classes
    "balanced_recall",  # the mean recall of the three mask states
    "mask_accuracy",
    "wear_recall",
    "incorrect_recall",
    "not_wear_recall",
    "not_called_worn",  # share of photos without a mask worn that have another state predicted
    "incorrect_at_worn",  # see `evaluation.held_out.incorrect_at_worn`
    "gender_accuracy",
    "age_band_accuracy",
    "mask_calibration_error",  # expected, see `evaluation.calibration`
    "gender_calibration_error",
    "age_band_calibration_error",
    "age_error",  # mean absolute error in years
    "mask_accepted_error",  # of the answers that are sure, see `bundle.thresholds`
    "gender_accepted_error",
    "age_band_accepted_error",
    "mask_another_look",  # the share of answers that are unsure
    "gender_another_look",
    "age_band_another_look",
]


class GroupScores(Record):
    """Scores of some photos: the measures that their labels allow, none where the people are too
    few for intervals."""

    photos: Count
    people: Count
    measures: dict[Measure, Figure] = Field({})


class DataScores(GroupScores):
    """Scores of one data set with one face detector, in all and by group: of each kind of group,
    such as `gender`, the scores by the group's name."""

    name: str
    description: str  # what the photos are, in sentences
    detector: str = ""  # empty where the model sees the photo's centre
    without_face: Count = 0  # photos
    groups: dict[str, dict[str, GroupScores]] = Field({})


class HeldOutScores(File):
    """The scores of one model, which the digest of its `weights` identifies; None where only its
    bundle was at hand. Probabilities were `calibrated` as in a bundle, or as the networks give
    them. Answers were unsure below the `thresholds`."""

    nullable = frozenset({"weights"})

    model: str
    weights: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    created: Time
    maskgate: str
    interval: str
    calibrated: bool = False
    thresholds: dict[Attribute, Share] = Field({})
    data: Annotated[list[DataScores], Field(min_length=1)]


def read(path: Path) -> HeldOutScores:
    """The scores in a file. Raises MaskgateError where it is missing or damaged."""
    content = files.content(path, "a file of benchmarks/default_model.py")
    return stored.parse(content, HeldOutScores, path, _REMEDY)
