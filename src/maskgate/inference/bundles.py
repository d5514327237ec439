"""The classifier of a bundle: its networks run by ONNX Runtime, without torch."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np

from maskgate.bundle import Bundle
from maskgate.bundle.manifest import EnsembleModelSpec, SingleModelSpec
from maskgate.config.recipe import Photo
from maskgate.config.settings import Component
from maskgate.ensemble import combining
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, view
from maskgate.faces.view import View
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.inference.classifier import Classifier, Ensemble, SingleModel

_PROBE: Final = np.zeros((64, 64, 3), np.uint8)  # a photo that a detector is tried on


def classifier(
    bundle: Bundle, tta: Sequence[Component] | None = None, threads: int = 0
) -> Classifier:
    """The classifier of an open bundle, with its own test-time augmentation unless `tta` is given.

    Each network uses as many `threads`, 0 for one a core. Raises MaskgateError.
    """
    return _of_spec(bundle, bundle.manifest.model, tta, threads)


def _of_spec(
    bundle: Bundle,
    spec: SingleModelSpec | EnsembleModelSpec,
    tta: Sequence[Component] | None,
    threads: int,
) -> Classifier:
    if isinstance(spec, SingleModelSpec):
        return _single(bundle, spec, tta, threads)
    members = [
        (_of_spec(bundle, member.model, tta, threads), member.weight) for member in spec.members
    ]
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
    bundle: Bundle, spec: SingleModelSpec, tta: Sequence[Component] | None, threads: int
) -> SingleModel:
    try:
        photo_view = create_view(bundle, spec.photo, spec.detector)
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


def create_view(bundle: Bundle, photo: Photo, detector: str | None) -> View:
    """The view of a model of the bundle, whose detector's files lie in the folder `detector`.
    Raises MaskgateError."""
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
