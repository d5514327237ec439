"""manifest.json of a bundle: how its networks see photos and are combined, and what is known of
them."""

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, field_validator, model_validator

from maskgate import labels
from maskgate.bundle.held_out import HeldOutScores
from maskgate.bundle.passing import Passings
from maskgate.bundle.thresholds import Threshold
from maskgate.config.recipe import Photo
from maskgate.config.settings import Component
from maskgate.faces import model_files
from maskgate.runs.records.contents import Entries, Name
from maskgate.runs.records.learned import Learned, Scale
from maskgate.runs.records.results import Attribute, Figure, Reliability, Results, SubsetScores
from maskgate.runs.records.status import Time
from maskgate.runs.records.stored import Count, File, Record

# The files of each detector that a bundle may hold: those that run on ONNX Runtime alone.
DETECTOR_FILES: Final = {
    "yunet": ("yunet.onnx",),
    "mtcnn": ("mtcnn_pnet.onnx", "mtcnn_rnet.onnx", "mtcnn_onet.onnx"),
}
Precision = Literal["fp32", "fp16", "int8"]
ComponentSetting = Annotated[Component, BeforeValidator(Component.model_validate)]
PhotoSetting = Annotated[Photo, BeforeValidator(Photo.model_validate)]


class PreferredDetector(Record):
    """A face detector that is used instead of the one in the bundle, where its file is at hand."""

    detector: ComponentSetting
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]  # of the file

    @field_validator("detector")
    @classmethod
    def _has_a_file(cls, detector: Component) -> Component:
        if detector.name not in model_files.SOURCES:
            raise ValueError(f"the detector {detector.name} has no file that can be at hand")
        if "file" in detector.arguments:
            raise ValueError("names a file outside the bundle")
        return detector


class SingleModelSpec(Record):
    """The networks of one recipe, such as those of its folds; see `inference.SingleModel`."""

    nullable = frozenset({"detector"})

    kind: Literal["single"] = "single"
    networks: Annotated[list[Name], Field(min_length=1)]  # ONNX files
    attributes: Annotated[list[Attribute], Field(min_length=1)]  # that it predicts
    photo: PhotoSetting  # geometry and crop
    detector: Name | None = None  # the folder of the face detector's files
    preferred: list[PreferredDetector] = Field([])  # in this order, before that detector
    tta: list[ComponentSetting] = Field([])
    vote: Literal["soft_vote", "hard_vote"] = "soft_vote"

    @field_validator("attributes")
    @classmethod
    def _in_order(cls, attributes: list[str]) -> list[str]:
        if attributes != [name for name in labels.ATTRIBUTES if name in attributes]:
            raise ValueError("each once, in the order of the labels")
        return attributes

    @model_validator(mode="after")
    def _has_detector(self) -> "SingleModelSpec":
        if (self.photo.face is None) != (self.detector is None):
            raise ValueError("a detector goes with photo.face, and one of the two is missing")
        if self.photo.face is None and self.preferred:
            raise ValueError("preferred detectors go with photo.face, which is missing")
        if self.photo.face is None:
            return self
        face = self.photo.face
        if face.detector.name not in DETECTOR_FILES:
            raise ValueError(f"photo.face: the detector {face.detector.name} cannot be bundled")
        if "file" in face.detector.arguments:
            raise ValueError("photo.face names a file outside the bundle")
        if face.sha256 is None:
            raise ValueError("photo.face has no sha256 of its detector's model")
        if face.background != "keep":
            raise ValueError("photo.face removes the background, which a bundle cannot")
        return self

    def files(self) -> Iterator[str]:
        """The files of its networks and its detector."""
        yield from self.networks
        if self.photo.face is not None:
            for name in DETECTOR_FILES[self.photo.face.detector.name]:
                yield f"{self.detector}/{name}"


class MemberSpec(Record):
    """A member of an ensemble."""

    name: str
    weight: Annotated[float, Field(gt=0)] = 1.0
    model: "ModelSpec"


class EnsembleModelSpec(Record):
    """Members whose probabilities are combined; see `inference.Ensemble`."""

    kind: Literal["ensemble"]
    members: Annotated[list[MemberSpec], Field(min_length=1)]
    combine: ComponentSetting
    adjust: list[ComponentSetting] = Field([])
    learned: Learned


ModelSpec = Annotated[
    Annotated[SingleModelSpec, Tag("single")] | Annotated[EnsembleModelSpec, Tag("ensemble")],
    Discriminator("kind"),
]
MemberSpec.model_rebuild()


class TrainingFacts(Record):
    """What a model of the bundle was trained on."""

    model: str  # the member's name, or the run's
    recipe: str
    data: str
    photos: Count
    people: Count
    extra_photos: Count = 0
    started: str = ""
    backbone: str
    weights: str  # the initial weights
    warnings: list[str] = Field([])
    before: "list[TrainingFacts]" = Field([])  # the trainings of the initial weights


TrainingFacts.model_rebuild()


class PrecisionLoss(Record):
    """Scores of the same out-of-fold photos in full and in reduced precision."""

    score_of: str
    photos: Count
    people: Count
    before: Figure
    after: Figure
    loss: Figure  # before − after, on the same resamples of people
    limit: float


class Calibration(Record):
    """Temperatures by which the model's probabilities are calibrated; see `ensemble.calibration`.

    They were fitted to out-of-fold probabilities of so many photos and people. `before` and `after`
    is how reliable these are, each person's by temperatures that were fitted to others.
    """

    temperatures: Annotated[dict[Attribute, Scale], Field(min_length=1)]
    photos: Count
    people: Count
    before: dict[Attribute, Reliability]
    after: dict[Attribute, Reliability]


class Distribution(Record):
    """What one measure is like over photos."""

    photos: Count
    mean: float
    std: float
    quantiles: Annotated[list[float], Field(min_length=5, max_length=5)]  # at QUANTILES


QUANTILES: Final = (0.05, 0.25, 0.5, 0.75, 0.95)


class Software(Record):
    maskgate: str
    torch: str
    opset: Count


class Manifest(File):
    """The manifest. Its last key is a digest of all others, those of the files included."""

    sealed = True
    nullable = frozenset({"calibration", "scores", "loss", "terms", "held_out"})

    name: str
    created: Time
    software: Software
    labels: dict[str, list[str]]
    precision: Precision
    loss: PrecisionLoss | None = None
    model: ModelSpec
    calibration: Calibration | None = None  # of the probabilities of the model
    thresholds: dict[Attribute, Threshold] = Field({})  # of the confidence in its answers
    passing: Passings = Field([])  # what a door does, by policy
    training: Annotated[list[TrainingFacts], Field(min_length=1)]
    terms: str | None = None  # under which the training photos may be used
    scores: Results | None = None
    groups: dict[str, SubsetScores] = Field({})
    held_out: HeldOutScores | None = None
    reference: dict[str, Distribution] = Field({})  # see `bundle.drift_measures`
    files: Entries
    sha256: str

    @model_validator(mode="after")
    def _of_these_classes(self) -> "Manifest":
        if self.labels != {name: list(values) for name, values in labels.ATTRIBUTES.items()}:
            raise ValueError("labels: other classes than this maskgate knows")
        predicted = {name for model in leaves(self.model) for name in model.attributes}
        if self.calibration is not None and set(self.calibration.temperatures) - predicted:
            raise ValueError("calibration: of an attribute that the model does not predict")
        if set(self.thresholds) - predicted:
            raise ValueError("thresholds: of an attribute that the model does not predict")
        networks = list(self.networks())
        if len(set(networks)) < len(networks):
            raise ValueError("model: a network is named twice")
        for model in leaves(self.model):
            for path in model.files():
                if path not in self.files:
                    raise ValueError(f"files: {path} is missing")
        return self

    def lowest_confidences(self) -> dict[str, float]:
        """By attribute, the confidence below which an answer is unsure."""
        return {
            str(name): each.confidence
            for name, each in self.thresholds.items()
            if each.confidence is not None
        }

    def networks(self) -> Iterator[str]:
        """The ONNX files of its networks."""
        for model in leaves(self.model):
            yield from model.networks


def leaves(model: "SingleModelSpec | EnsembleModelSpec") -> Iterator[SingleModelSpec]:
    """The single models in a model, in order."""
    if isinstance(model, SingleModelSpec):
        yield model
        return
    for member in model.members:
        yield from leaves(member.model)
