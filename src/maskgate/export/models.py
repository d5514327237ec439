"""A finished run as a bundle describes it: its single models, and how they are combined."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, get_args

from maskgate.bundle.manifest import (
    DETECTOR_FILES,
    EnsembleModelSpec,
    MemberSpec,
    PreferredDetector,
    SingleModelSpec,
    TrainingFacts,
)
from maskgate.config.recipe import Photo, Recipe
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import model_files, view
from maskgate.faces.protocol import Detector
from maskgate.faces.view import View
from maskgate.model import heads, pretrained
from maskgate.runs import RunFolder, open_model, tables
from maskgate.runs.records.results import Attribute
from maskgate.runs.trust import check_trusted


@dataclass(frozen=True)
class ModelRun:
    """The run of a single model, itself or a member of a system's. `name` is its path among the
    members, empty where it is alone; `tta` is its test-time augmentation. `detector` is the name of
    the face detector that its bundle is to hold, its own if None."""

    run: RunFolder
    name: str
    tta: tuple[Component, ...]
    cache: Path
    detector: str | None = None

    @cached_property
    def recipe(self) -> Recipe:
        return self.run.recipe()

    @cached_property
    def view(self) -> View:
        """How the model sees a photo. Raises MaskgateError."""
        return view.create(self.recipe.photo, self.cache, self.run.kept_detector())

    @cached_property
    def bundled_view(self) -> View:
        """How it sees a photo with the face detector of its bundle. Raises MaskgateError."""
        face = self.recipe.photo.face
        if face is None or self.detector is None or not self.has_other_detector:
            return self.view
        update = {"detector": Component(name=self.detector), "sha256": None}
        photo = self.recipe.photo.model_copy(update={"face": face.model_copy(update=update)})
        return view.create(photo, self.cache)

    @property
    def has_other_detector(self) -> bool:
        """Whether its bundle is to hold another face detector than the one it was trained with."""
        face = self.recipe.photo.face
        return face is not None and self.detector not in (None, face.detector.name)

    @property
    def title(self) -> str:
        """What messages call it."""
        return str(self.run.path)

    def network_file(self, fold: int) -> str:
        """The name in a bundle of the network of one fold."""
        folder = f"models/{self.name}" if self.name else "models"
        return f"{folder}/fold-{fold}.onnx"

    @property
    def detector_folder(self) -> str | None:
        """The name in a bundle of the folder with its detector's files."""
        key = self.bundled_view.detector_key
        return f"detectors/{key}" if key else None

    def check(self) -> None:
        """Raise MaskgateError where the model cannot be exported."""
        check_trusted(self.run, self.recipe)
        face = self.recipe.photo.face
        if face is None:
            return
        if face.background == "remove":
            raise MaskgateError(
                f"{self.title}: removes the scene behind faces (photo.face.background), which needs"
                " OpenCV and is too slow at a door; train it with photo.face.background=keep"
            )
        if face.detector.name not in DETECTOR_FILES:
            raise MaskgateError(
                f"{self.title}: its face detector {face.detector.name} needs a package of its own;"
                f" train it with photo.face.detector={' or '.join(DETECTOR_FILES)}"
            )
        if self.has_other_detector and face.detector.name not in model_files.SOURCES:
            raise MaskgateError(
                f"{self.title}: was trained with the detector {face.detector.name}, of which no"
                f" user has a file at hand, so that a bundle with {self.detector} would always crop"
                " other faces; leave out --detector"
            )

    def spec(self) -> SingleModelSpec:
        """What the manifest says of it."""
        predicted = heads.attributes(self.recipe.model.head)
        detectors: dict[str, Any] = {}  # without the keys of what there is not
        if self.detector_folder is not None:
            detectors["detector"] = self.detector_folder
        if self.has_other_detector:
            detectors["preferred"] = [self._preferred()]
        return SingleModelSpec(
            kind="single",
            networks=[self.network_file(fold) for fold in self.run.folds],
            attributes=[n for n in get_args(Attribute) if n in predicted],
            photo=self._photo(),
            **detectors,
            tta=list(self.tta),
            vote=self.recipe.folds.vote,
        )

    def _photo(self) -> Photo:
        """`photo` of the recipe, its detector without the path of a file."""
        photo, detector = self.recipe.photo, self.bundled_view.detector
        if photo.face is None or detector is None:
            return photo
        update = {"detector": _component(detector), "sha256": detector.sha256}
        return photo.model_copy(update={"face": photo.face.model_copy(update=update)})

    def _preferred(self) -> PreferredDetector:
        """The detector that it was trained with."""
        detector = self.view.detector
        assert detector is not None  # has_other_detector
        return PreferredDetector(detector=_component(detector), sha256=detector.sha256)

    def facts(self) -> TrainingFacts:
        """What it was trained on, and what its initial weights were."""
        return _facts(self.run, self.name or self.run.path.name, frozenset())


def _component(detector: Detector) -> Component:
    return Component(name=detector.name, **detector.arguments)


def _facts(run: RunFolder, name: str, visited: frozenset[Path]) -> TrainingFacts:
    """`visited` are the real paths of the runs that began with this one's weights."""
    status, recipe = run.status(), run.recipe()
    model = recipe.model
    backbone = model.backbone if model.beside is None else f"{model.backbone} + {model.beside}"
    weights, before = _initial_weights(run, recipe, visited | {run.path.resolve()})
    if recipe.teacher is not None:
        weights += f"; taught by {Path(recipe.teacher).name}"
    return TrainingFacts(
        model=name,
        recipe=status.recipe,
        data=Path(status.data).name,
        photos=status.photos,
        people=status.people,
        extra_photos=status.more,
        started=status.started,
        backbone=backbone,
        weights=weights,
        warnings=status.warnings,
        before=before,
    )


def _initial_weights(
    run: RunFolder, recipe: Recipe, visited: frozenset[Path]
) -> tuple[str, list[TrainingFacts]]:
    """Where the weights of a run's network began, and the trainings of the run they are from, as
    far as it is still there."""
    model = recipe.model
    if model.init is not None:
        name = Path(model.init).name
        try:
            source = open_model(model.init)
            if source.path.resolve() not in visited and _has_inherited(run, source):
                return f"the run {name}", [_facts(source, name, visited)]
        except (MaskgateError, OSError):
            pass  # anything may lie at that path by now, or on another machine
        return f"the run {name}, which is gone", []
    if model.weights is not None:
        return pretrained.description(model) or f"the file {Path(model.weights).name}", []
    return "timm's pretrained weights" if model.pretrained else "random", []


def _has_inherited(run: RunFolder, source: RunFolder) -> bool:
    """Whether a run lists the training photos of the `source` among those that its weights come
    from: its recipe, which may be a stranger's, can name any path. Raises MaskgateError."""
    inherited = [tables.training_digests(run, fold) for fold in run.folds]
    trained = [tables.training_digests(source, fold) for fold in source.folds]
    return all(any(each and each <= digests for each in trained) for digests in inherited)


def models(run: RunFolder, cache: Path, detector: str | None = None) -> list[ModelRun]:
    """The single models of a run, which may be a system's, in order; `cache` is where detectors'
    models are looked for that an older run does not keep. A bundle is to hold the `detector` of
    that name, by default each model's own. Raises MaskgateError."""
    return [replace(each, detector=detector) for each in _models(run, "", cache, None)]


def member_path(name: str, member: str) -> str:
    """The path among the members of a `member` of the run at `name`, which is empty for the run
    that is exported."""
    return f"{name}/{member}".lstrip("/")


def _models(
    run: RunFolder, name: str, cache: Path, tta: Sequence[Component] | None
) -> Iterator[ModelRun]:
    if not run.is_system:
        yield ModelRun(run, name, tuple(run.recipe().tta if tta is None else tta), cache)
        return
    for member, inner in zip(run.system().members, run.members(), strict=True):
        below = member_path(name, member.name)
        yield from _models(inner, below, cache, member.tta if tta is None else tta)


def specification(
    run: RunFolder, models: Sequence[ModelRun], name: str = ""
) -> SingleModelSpec | EnsembleModelSpec:
    """How the networks of a run are combined, of which `models` are the single models."""
    if not run.is_system:
        return next(model.spec() for model in models if model.name == name)
    system = run.system()
    members = [
        MemberSpec(
            name=member.name,
            weight=member.weight,
            model=specification(inner, models, member_path(name, member.name)),
        )
        for member, inner in zip(system.members, run.members(), strict=True)
    ]
    return EnsembleModelSpec(
        kind="ensemble",
        members=members,
        combine=system.combine,
        adjust=list(system.adjust),
        learned=run.learned(),
    )
