"""A view is the part of a photo that a model sees: the face, or the centre.

Training, validation and prediction all use the same view.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from PIL import Image

from maskgate.config.recipe import Face, Photo
from maskgate.config.settings import Component
from maskgate.core import files
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.faces import background, crop, detectors, model_files
from maskgate.faces.protocol import NO_FACES, Detector, Faces, detector_key
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels


@dataclass(frozen=True)
class View:
    """From a photo to the pixels of a model's input.

    With a `detector` it is the face, cropped as `face` says. Without a detector, and in a photo
    without a face, it is the photo's centre.
    """

    geometry: Geometry
    detector: Detector | None = None
    face: Face | None = None

    @cached_property
    def detector_key(self) -> str:
        """The key of its detector; empty without one."""
        return "" if self.detector is None else detector_key(self.detector)

    @cached_property
    def name(self) -> str:
        """The name of the cache folder for the pictures of this view."""
        height, width = self.geometry.stored
        text = f"{height}x{width}"
        if self.geometry.crop != 1:
            text += f"-crop{self.geometry.crop}"
        if self.detector is not None and self.face is not None:
            # The margin for random shifts is part of the window, not of the stored size.
            settings = [self.geometry, self.face.margin, self.face.align, self.face.background]
            text += (
                f"-{self.detector_key}-{hashlib.sha256(repr(settings).encode()).hexdigest()[:8]}"
            )
        return f"{text}-v{pixels.VERSION}"

    def faces(self, image: Image.Image | Pixels) -> Faces:
        """The faces in a photo, or in a frame (H, W, 3); none without a detector."""
        return NO_FACES if self.detector is None else self.detector(np.asarray(image))

    def stored(
        self, image: Image.Image | Pixels, faces: Faces | None = None, number: int | None = None
    ) -> Pixels:
        """The stored picture (H, W, 3) of a photo, the model's input with its margin.

        It shows the face with that `number`, by default the main face. The photo's `faces` are
        detected unless given.
        """
        if faces is None:
            faces = self.faces(image)
        if number is None:
            width, height = pixels.size(image)
            number = crop.main_face(faces, height, width)
        if self.face is None or number is None:
            return pixels.resize(pixels.as_image(image), *self.geometry.stored, self.geometry.crop)
        window = crop.window(
            faces, number, self.geometry, margin=self.face.margin, align=self.face.align
        )
        if self.face.background == "remove":
            box = faces.boxes[number]
            image = background.remove_background(pixels.as_image(image), box, window)
        return pixels.crop_window(image, window, *self.geometry.stored)


def create(photo: Photo, folder: Path | None, kept: Path | None = None) -> View:
    """The view that a recipe's `photo` describes. `folder` is the cache with the detector's model:
    by default the user's, and unused without a detector.

    `kept` is the folder in which the recipe's run keeps that model. It is preferred if the recipe
    has the model's hash.

    Raises MaskgateError if the detector cannot be had or has another model than in training, and if
    the background is to be removed without OpenCV.
    """
    if photo.face is None:
        return View(photo.geometry)
    if photo.face.background == "remove":
        background.check()
    folder = folder or files.cache_folder()
    kept = kept if photo.face.sha256 is not None else None
    if photo.face.sha256 is not None:  # before a file from a stranger is loaded
        _check_file(photo.face, model_files.Folders(folder, kept))
    detector = detectors.create(photo.face.detector, folder, kept=kept)
    _check_same(photo.face, detector.sha256)
    return View(photo.geometry, detector, photo.face)


def keep(photo: Photo, cache: Path, folder: Path) -> None:
    """Copy the model of the detector, if there is one, into the `folder` of a run. Raises
    MaskgateError."""
    detector = create(photo, cache).detector
    if detector is not None:
        model_files.keep(detector.files, folder)


def _check_file(face: Face, folders: model_files.Folders) -> None:
    """Raise MaskgateError if the file that the run keeps, or else the one that the recipe names,
    has another hash than the recipe says."""
    name, file = face.detector.name, face.detector.arguments.get("file")
    kept = folders.kept_file(name)
    if kept is not None or file is not None:
        path = kept or model_files.existing_file(file, f"file of detector {name}")
        _check_same(face, model_files.sha256(path))


def _check_same(face: Face, sha256: str) -> None:
    """Raise MaskgateError if the detector's model has another hash than the recipe says."""
    if face.sha256 not in (None, sha256):
        raise MaskgateError(
            f"photo.face: the recipe was trained with detector {face.detector.name} and its model"
            f" {str(face.sha256)[:12]}…, but the model here is {sha256[:12]}…, which may crop faces"
            " differently; use the first model's file, or train again with photo.face.sha256=null"
        )


def resolved(photo: Photo, folder: Path) -> Photo:
    """The same `photo`, with the actual detector, all its arguments and its model's hash."""
    view = create(photo, folder)
    if view.detector is None or view.face is None:
        return photo
    arguments = _file(view.face.detector, view.detector, folder) | view.detector.arguments
    face = view.face.model_copy(
        update={
            "detector": Component(name=view.detector.name, **arguments),
            "sha256": view.detector.sha256,
        }
    )
    return photo.model_copy(update={"face": face})


def _file(setting: Component, detector: Detector, folder: Path) -> dict[str, str]:
    """The file that the recipe names, as an absolute path; nothing if the same model is available
    without it."""
    file = setting.arguments.get("file")
    if file is None:
        return {}
    plain = Component(name=detector.name, **detector.arguments)
    is_available = detectors.is_available(plain, folder)
    if is_available and detectors.create(plain, folder).sha256 == detector.sha256:
        return {}
    return {"file": str(Path(file).absolute())}
