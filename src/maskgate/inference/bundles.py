"""The classifier of a bundle: its networks run by ONNX Runtime, without torch."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from maskgate.bundle import Bundle
from maskgate.bundle.manifest import EnsembleModelSpec, Manifest, SingleModelSpec, leaves
from maskgate.config.recipe import Photo
from maskgate.config.settings import Component
from maskgate.core import files
from maskgate.ensemble import combining
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.errors import MaskgateError, listed
from maskgate.faces import detectors, model_files, view
from maskgate.faces.view import View
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.inference.classifier import Classifier, Ensemble, SingleModel, calibrated

_PROBE: Final = np.zeros((64, 64, 3), np.uint8)  # a photo that a detector is tried on


def classifier(
    bundle: Bundle,
    tta: Sequence[Component] | None = None,
    threads: int = 0,
    cache: Path | None = None,
    detector_file: Path | None = None,
) -> Classifier:
    """The classifier of an open bundle, with its own test-time augmentation unless `tta` is given,
    and with its calibration.

    Each network uses as many `threads`, 0 for one a core. For `cache` and `detector_file` see
    `choose_detector`. Raises MaskgateError.
    """

    def classifier_of(spec: SingleModelSpec | EnsembleModelSpec) -> Classifier:
        if isinstance(spec, EnsembleModelSpec):
            return _ensemble(bundle, spec, classifier_of)
        choice = choose_detector(spec, cache, detector_file)
        return _single(bundle, spec, tta, threads=threads, choice=choice)

    manifest = bundle.manifest
    model = classifier_of(manifest.model)
    if manifest.calibration is None:
        return model
    temperatures = {str(name): each for name, each in manifest.calibration.temperatures.items()}
    return calibrated(model, temperatures)


def _ensemble(
    bundle: Bundle,
    spec: EnsembleModelSpec,
    classifier_of: Callable[[SingleModelSpec | EnsembleModelSpec], Classifier],
) -> Ensemble:
    members = [(classifier_of(member.model), member.weight) for member in spec.members]
    ensemble = EnsembleSpec(spec.combine, tuple(spec.adjust))
    attributes = [member.attributes for member, _ in members]
    try:
        combining.check(ensemble, attributes)
    except MaskgateError as error:
        raise MaskgateError(f"{bundle.path}: {error}") from error
    if reason := spec.learned.mismatch(ensemble, attributes):
        raise MaskgateError(f"{bundle.path}: {reason}; export it again")
    return Ensemble(members, Combination(ensemble, spec.learned.by_name()))


def _single(
    bundle: Bundle,
    spec: SingleModelSpec,
    tta: Sequence[Component] | None,
    threads: int,
    choice: tuple[Photo, str | None],
) -> SingleModel:
    photo, detector = choice
    try:
        photo_view = create_view(bundle, photo, detector)
        networks = [
            OnnxBackend(
                bundle.read(name),
                str(bundle.path / name),
                geometry=spec.photo.geometry,
                attributes=tuple(spec.attributes),
                threads=threads,
            )
            for name in spec.networks
        ]
        return SingleModel(networks, photo_view, spec.tta if tta is None else tta, spec.vote)
    except MaskgateError as error:
        if str(error).startswith(str(bundle.path)):
            raise
        raise MaskgateError(f"{bundle.path}: {error}") from error


def choose_detector(
    spec: SingleModelSpec, cache: Path | None = None, detector_file: Path | None = None
) -> tuple[Photo, str | None]:
    """How a model of a bundle sees photos, with the face detector to use, and the folder in the
    bundle with that detector's files; None for a detector with a file on this machine, and for
    whole photos.

    It is the first of the preferred detectors whose file is at hand, else the bundle's own. The
    file is `detector_file`, else what an environment variable names, else in the folder `cache`, by
    default the user's. A file with another hash is another detector. Raises MaskgateError for a
    missing file, and for a `detector_file` of another detector.
    """
    face = spec.photo.face
    if detector_file is not None:
        detector_file = model_files.existing_file(detector_file, "--detector-file")
    if face is None:
        if detector_file is not None:
            raise MaskgateError(
                f"{detector_file}: the model uses no face detector; leave out --detector-file"
            )
        return spec.photo, None
    for preferred in spec.preferred:
        source = model_files.SOURCES[preferred.detector.name]
        file = detector_file or model_files.local_file(source, cache or _cache_folder())
        if file is not None and model_files.sha256(file) == preferred.sha256:
            arguments = {**preferred.detector.arguments, "file": str(file)}
            update = {
                "detector": Component(name=preferred.detector.name, **arguments),
                "sha256": preferred.sha256,
            }
            photo = spec.photo.model_copy(update={"face": face.model_copy(update=update)})
            return photo, None
    if detector_file is not None:
        names = [f"{each.detector.name} (SHA-256 {each.sha256[:12]}…)" for each in spec.preferred]
        raise MaskgateError(
            f"{detector_file}: not the file of {listed(names)}, which the model was trained with"
            if names
            else f"{detector_file}: the model has the face detector that it was trained with,"
            f" {face.detector.name}; leave out --detector-file"
        )
    return spec.photo, spec.detector


def _cache_folder() -> Path:
    """The user's cache; without a home folder a path where nothing is."""
    try:
        return files.cache_folder()
    except MaskgateError:
        return Path(os.devnull)


def detector_sentence(manifest: Manifest, views: Sequence[View]) -> str:
    """Which face detector is used where a bundle leaves a choice, `views` being those of its
    classifier; empty where it leaves none."""
    for model, photo_view in zip(leaves(manifest.model), views, strict=True):
        if not model.preferred or photo_view.detector is None:
            continue
        used = photo_view.detector
        best = model.preferred[0].detector.name
        if used.sha256 == model.preferred[0].sha256:
            return f"face detector: {used.name}, as in training"
        variable = model_files.SOURCES[best].variable
        return (
            f"face detector: {used.name}; {best}, as in training, needs its file: name it by"
            f" ${variable} or --detector-file (in Python: detector_file=; SHA-256"
            f" {model.preferred[0].sha256[:12]}…)"
        )
    return ""


def create_view(bundle: Bundle, photo: Photo, detector: str | None) -> View:
    """The view of a model of the bundle, as `choose_detector` gives it: the detector's files lie in
    the folder `detector` of the bundle, or `photo` names its file. Raises MaskgateError."""
    if detector is None:
        return view.create(photo, Path())
    with bundle.folder(detector) as folder:
        if photo.face is not None and not detectors.is_kept(photo.face.detector.name, folder):
            raise MaskgateError(f"{bundle.path / detector}: not the files of its face detector")
        photo_view = view.create(photo, folder, folder)
    try:
        photo_view.faces(_PROBE)
    except Exception as error:  # a graph may compute anything
        raise MaskgateError(f"{bundle.path / detector}: no face detector ({error})") from error
    return photo_view
