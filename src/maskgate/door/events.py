"""What `maskgate watch` reports: one JSON object on a line for each event.

An event says when, where and what was decided. No picture, crop or feature of a face is in it.
Seconds are taken from a clock that never jumps; only `time` and `since` are those of the wall.
"""

import json
from datetime import UTC, datetime
from typing import Annotated, Final, Literal
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    TypeAdapter,
    ValidationError,
)

from maskgate.door.decision.deciding import Message
from maskgate.door.decision.voting import Value
from maskgate.door.readings import Policy

_DIGITS: Final = 4  # of probabilities and measures; seconds have three
MAX_LENGTH: Final = 100_000  # characters of a line; an event has a few hundred

MaskState = Literal["wear", "incorrect", "not_wear"]
Reason = Literal["lost", "frozen", "dark", "covered"]
"""What is wrong with a camera or its picture."""
DoorState = Literal[Message, "none"]
"""What the door says; `none` while its camera has a fault."""


def _to_milliseconds(time: datetime) -> datetime:
    time = time.astimezone(UTC)
    return time.replace(microsecond=time.microsecond // 1000 * 1000)


def text_of_time(time: datetime) -> str:
    """A time in ISO 8601, UTC, with milliseconds, such as 2026-11-27T08:30:00.250Z."""
    return time.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


Time = Annotated[
    AwareDatetime, AfterValidator(_to_milliseconds), PlainSerializer(text_of_time, return_type=str)
]
"""A time by the clock on the wall, in UTC and whole milliseconds."""
Seconds = Annotated[float, Field(ge=0), AfterValidator(lambda value: round(value, 3))]
Share = Annotated[float, Field(ge=0, le=1), AfterValidator(lambda value: round(value, _DIGITS))]
Measure = Annotated[float, AfterValidator(lambda value: round(value, _DIGITS))]
Name = Annotated[str, Field(min_length=1, max_length=200)]


class _Part(BaseModel):
    """Keys that are not listed are refused, and numbers are finite."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Measures(_Part):
    """Means over the near faces of one person: of the model's input, as for the drift of a bundle
    (see `bundle.drift_measures`), of the box and of the answer."""

    faces: int = Field(ge=1, description="How many faces were measured.")
    brightness: Measure = Field(description="Mean luma of the model's input, 0 to 255.")
    sharpness: Measure = Field(description="Variance of the Laplacian of its luma.")
    face_width: Measure = Field(description="Pixels of the frame.")
    face_score: Measure = Field(description="The face detector's.")
    confidence_mask: Share = Field(description="Probability of the likeliest mask state.")


class _Common(_Part):
    id: UUID = Field(
        default_factory=uuid4, description="Of this event: deliver it twice, and it is one event."
    )
    time: Time = Field(description="When it happened, ISO 8601 in UTC.")
    process: UUID | None = Field(
        default=None,
        description="Of the start of maskgate that reports it; events of old versions have none.",
    )


class _OfCamera(_Common):
    camera: Name = Field(description="The name of the camera.")
    policy: Policy = Field(description="Who may pass there: people with a mask, or bare faces.")


class _OfPerson(_OfCamera):
    track: int = Field(
        ge=1, description="The person's number while in view, used once in a process."
    )
    verdict: Value = Field(description="What the person is to do.")
    state: MaskState = Field(description="The likeliest mask state of the newest face.")
    probability: Share = Field(description="Of that state, calibrated.")
    unsure: bool = Field(description="Whether the newest face is too unsure to decide by.")
    since: Time = Field(description="Since when the verdict has held.")
    held: Seconds = Field(description="Seconds for which it has held.")


class PersonSeen(_OfPerson):
    """Somebody has come near."""

    event: Literal["seen"] = "seen"


class FirstVerdict(_OfPerson):
    """The first verdict on a person other than moment and closer."""

    event: Literal["verdict"] = "verdict"
    waited: Seconds = Field(
        description="Seconds from the first near frame since the person last stepped back."
    )


class Changed(_OfPerson):
    """A later, other verdict on a person."""

    event: Literal["changed"] = "changed"
    previous: Value = Field(description="The verdict before it.")


class Left(_OfPerson):
    """Somebody has gone, or the camera has a fault."""

    event: Literal["left"] = "left"
    present: Seconds = Field(description="Seconds from the first near frame to the newest face.")
    measures: Measures
    unsure_share: Share = Field(description="Share of the person's near faces that were unsure.")


class DoorChanged(_OfCamera):
    """What the door says has changed."""

    event: Literal["door"] = "door"
    door: DoorState = Field(description="What it says now.")
    previous: DoorState = Field(description="What it said before.")
    since: Time = Field(description="Since when it says so.")


class CameraLost(_OfCamera):
    """The camera, or its picture, has a fault; nothing is decided until it is back."""

    event: Literal["camera_lost"] = "camera_lost"
    reason: Reason


class CameraBack(_OfCamera):
    """The fault has ended."""

    event: Literal["camera_back"] = "camera_back"
    reason: Reason = Field(description="The fault that has ended.")
    gap: Seconds = Field(description="Seconds for which nothing was decided.")


class _OfDoor(_Common):
    cameras: tuple[Name, ...] = Field(description="The names of all cameras.")
    policy: Policy


class Override(_OfDoor):
    """Staff let somebody in; the relay opens the door."""

    event: Literal["override"] = "override"


class _OfProcess(_OfDoor):
    model: str = Field(description="SHA-256 of the bundle.")
    maskgate: str = Field(description="The version of maskgate.")


class Started(_OfProcess):
    """Watching starts."""

    event: Literal["started"] = "started"


class Stopped(_OfProcess):
    """Watching ends as it should; it may also end without."""

    event: Literal["stopped"] = "stopped"


PersonEvent = PersonSeen | FirstVerdict | Changed | Left
Event = PersonEvent | DoorChanged | CameraLost | CameraBack | Override | Started | Stopped

_ANY: Final = TypeAdapter[Event](Annotated[Event, Field(discriminator="event")])


def cameras_of(event: Event) -> tuple[str, ...]:
    """The names of the cameras that an event is of."""
    return event.cameras if isinstance(event, _OfDoor) else (event.camera,)


def to_json(event: Event) -> str:
    """The event as JSON on one line."""
    return event.model_dump_json()


def parse(line: str | bytes) -> Event:
    """The event of a line. Raises ValueError, whose message quotes nothing of the line."""
    if len(line) > MAX_LENGTH:
        raise ValueError(f"longer than {MAX_LENGTH:,} characters")
    try:
        return _ANY.validate_json(line)
    except ValidationError as error:
        raise ValueError(_fault(error)) from None


def schema() -> str:
    """The JSON schema of an event."""
    return json.dumps(_ANY.json_schema(mode="serialization"), indent=2)


def _fault(error: ValidationError) -> str:
    """The first fault of a line, such as `not an event: verdict.track is missing`."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    place = ".".join(str(part) for part in first["loc"])
    if first["type"] == "missing":
        return f"not an event: {place} is missing"
    if first["type"].startswith("json_"):
        return "not an event: no JSON"
    return f"not an event: {place or 'it'} is not as expected"
