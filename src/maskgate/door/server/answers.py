"""The JSON of verdicts, and its schema."""

from typing import Annotated, Any, Final, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from maskgate import labels
from maskgate.door.decision import Situation
from maskgate.door.decision.tracking import Box
from maskgate.door.readings import Reading, reading
from maskgate.door.server.batching import Judged
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.settings import Settings
from maskgate.door.verdict import Verdict

_DIGITS: Final = 4
MaskState = Literal["wear", "incorrect", "not_wear"]
Probability = Annotated[float, Field(ge=0, le=1)]


class Mask(BaseModel):
    """Whether the mask is worn, worn incorrectly, or not worn."""

    value: MaskState
    probabilities: dict[MaskState, Probability]
    unsure: bool


class Gender(BaseModel):
    """Only where gender and age are turned on."""

    value: Literal["male", "female"]
    probabilities: dict[str, Probability]
    unsure: bool


class AgeBand(BaseModel):
    """Only where gender and age are turned on."""

    value: Literal["<30", "30-59", ">=60"]
    probabilities: dict[str, Probability]
    unsure: bool


class Face(BaseModel):
    """The verdict on one face: its box [left, top, right, bottom] in pixels, which may reach beyond
    the photo, and the face detector's score. `unsure` is that of the mask; `reading` is what the
    person should do at this door, or `go`, or `moment` for another look."""

    box: Annotated[list[float], Field(min_length=4, max_length=4)]
    score: float
    mask: Mask
    unsure: bool
    reading: Reading
    gender: Gender | None = None
    age_band: AgeBand | None = None


class Error(BaseModel):
    """Why a request or a photo was refused; `retry_after` in seconds."""

    reason: str
    message: str
    retry_after: int | None = None


class ErrorAnswer(BaseModel):
    """The answer to a refused request."""

    error: Error
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "error": {
                    "reason": "busy",
                    "message": "too many photos are waiting; repeat the request later",
                    "retry_after": 1,
                }
            }
        }
    )


class PhotoAnswer(BaseModel):
    """One photo: its upright size in pixels and its faces, the most certain first; or the error."""

    width: int | None = None
    height: int | None = None
    faces: list[Face] | None = None
    error: Error | None = None


class Answer(BaseModel):
    """The photos in the order of the request."""

    photos: list[PhotoAnswer]
    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "photos": [
                    {
                        "width": 384,
                        "height": 512,
                        "faces": [
                            {
                                "box": [118.2, 140.9, 262.4, 330.7],
                                "score": 0.93,
                                "mask": {
                                    "value": "wear",
                                    "probabilities": {
                                        "wear": 0.97,
                                        "incorrect": 0.02,
                                        "not_wear": 0.01,
                                    },
                                    "unsure": False,
                                },
                                "unsure": False,
                                "reading": "go",
                            }
                        ],
                    }
                ]
            }
        }
    )


class DoorCosts(BaseModel):
    """Costs of letting in somebody who may not pass, of stopping somebody who may, and of another
    look."""

    let_in: float
    stopped: float
    look: float


class DoorSettings(BaseModel):
    """What this door judges, and its limits; `digest` is the SHA-256 in the model's manifest,
    `purpose` is that of gender and age, null where they are off. `unsure_below` is the threshold of
    the mask state; where there are `costs`, these decide in its place."""

    version: str
    model: str
    digest: str
    attributes: list[Literal["mask", "gender", "age_band"]]
    purpose: str | None
    unsure_below: float
    costs: DoorCosts | None
    max_bytes: int
    max_frame_bytes: int
    max_pixels: int
    max_photos: int


def is_unsure(verdict: Verdict) -> bool:
    """Whether the mask state is unsure."""
    assert verdict.mask is not None
    return verdict.mask.is_unsure


def of_photo(judged: Judged, settings: Settings) -> dict[str, Any]:
    """The JSON of one photo; see PhotoAnswer."""
    faces = [_of_face(verdict, settings) for verdict in judged.verdicts]
    return {"width": judged.width, "height": judged.height, "faces": faces}


def counted(judged: Judged, source: str, *, settings: Settings, metrics: Metrics) -> dict[str, Any]:
    """The JSON of one photo from a source, `photo` or `stream`, whose verdicts are counted."""
    unsure = sum(is_unsure(each) for each in judged.verdicts)
    metrics.count(source, judged.verdicts, unsure)
    return of_photo(judged, settings)


def of_situation(situation: Situation, now: float) -> dict[str, Any]:
    """The JSON of what is decided by a frame that arrived at the time `now`: each person's `track`,
    the number of their `face` in the frame or null, their `box`, their `verdict` and the seconds
    for which it has `held`; and what the `door` says."""
    people = [
        {
            "track": person.track,
            "face": person.face,
            "box": _rounded(person.box),
            "verdict": person.verdict,
            "held": round(now - person.since, 2),
        }
        for person in situation.people
    ]
    return {"people": people, "door": situation.door}


def _of_face(verdict: Verdict, settings: Settings) -> dict[str, Any]:
    marginals = labels.marginals(np.asarray(verdict.probabilities)[None])
    attributes = labels.ATTRIBUTES if settings.purpose else ("mask",)
    face: dict[str, Any] = {
        "box": _rounded(verdict.box),
        "score": round(verdict.score, _DIGITS),
        "unsure": is_unsure(verdict),
        "reading": reading(verdict, settings.kiosk.policy, settings.kiosk.costs),
    }
    for name in attributes:
        answer = getattr(verdict, name)
        if answer is not None:
            values = zip(labels.ATTRIBUTES[name], marginals[name][0], strict=True)
            probabilities = {value: _probability(each) for value, each in values}
            face[name] = {
                "value": answer.value,
                "probabilities": probabilities,
                "unsure": answer.is_unsure,
            }
    return face


def _rounded(box: Box) -> list[float]:
    return [round(edge, 1) for edge in box]


def _probability(value: float) -> float:
    """Rounded, and at most 1: sums of 32-bit probabilities may be a little more."""
    return min(1.0, round(float(value), _DIGITS))
