"""How a model sees a photo: the face in it, or its centre. The same for all who show it one."""

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
from maskgate.faces.protocol import NONE, Detector, Faces, key
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels


@dataclass(frozen=True)
class View:
    """From a photo to the pixels of a model's input.

    With a `detector` it is the face as `face` tells, or where none is found the centre, which
    without one it always is.
    """

    geometry: Geometry
    detector: Detector | None = None
    face: Face | None = None

    @cached_property
    def finds(self) -> str:
        """What tells its detector from others; empty where it has none."""
        return "" if self.detector is None else key(self.detector)

    @cached_property
    def name(self) -> str:
        """Of the folder for pictures that are stored alike."""
        height, width = self.geometry.stored
        told = f"{height}x{width}"
        if self.geometry.crop != 1:
            told += f"-crop{self.geometry.crop}"
        if self.detector is not None and self.face is not None:
            # The margin for random shifts is part of the window, and no part of the stored size.
            how = [self.geometry, self.face.margin, self.face.align, self.face.background]
            told += f"-{self.finds}-{hashlib.sha256(repr(how).encode()).hexdigest()[:8]}"
        return f"{told}-v{pixels.VERSION}"

    def faces(self, image: Image.Image) -> Faces:
        """The faces in a photo; none where the view is of its centre."""
        return NONE if self.detector is None else self.detector(np.asarray(image))

    def stored(
        self, image: Image.Image, faces: Faces | None = None, number: int | None = None
    ) -> Pixels:
        """The stored picture (H, W, 3) of a photo, the model's input and its margin.

        Of the photo's `faces`, which are looked for unless given, it shows the one with that
        `number`, else the one that counts.
        """
        if faces is None:
            faces = self.faces(image)
        if number is None:
            number = crop.chosen(faces, image.height, image.width)
        if self.face is None or number is None:
            return pixels.resize(image, *self.geometry.stored, self.geometry.crop)
        window = crop.window(
            faces, number, self.geometry, margin=self.face.margin, align=self.face.align
        )
        if self.face.background == "remove":
            image = background.without(image, faces.boxes[number], window)
        return pixels.cut(image, window, *self.geometry.stored)


def create(photo: Photo, folder: Path | None, kept: Path | None = None) -> View:
    """The view that a recipe's `photo` tells; `folder` is the cache's, with the detector's model:
    the user's unless given, and not needed without a detector.

    `kept` is the folder in which the recipe's run keeps that model. It is taken first where the
    recipe tells its hash.

    Raises MaskgateError where the detector is not to be had or not the one it was trained with,
    and where the scene is to be removed without OpenCV.
    """
    if photo.face is None:
        return View(photo.geometry)
    if photo.face.background == "remove":
        background.check()
    folder = folder or files.cache_folder()
    kept = kept if photo.face.sha256 is not None else None
    if photo.face.sha256 is not None:  # before a stranger has it loaded
        _check_file(photo.face, model_files.Folders(folder, kept))
    detector = detectors.create(photo.face.detector, folder, kept=kept)
    _check_same(photo.face, detector.sha256)
    return View(photo.geometry, detector, photo.face)


def keep(photo: Photo, cache: Path, folder: Path) -> None:
    """Copy the model of the detector, where there is one, into the `folder` of a run that keeps it.
    Raises MaskgateError."""
    detector = create(photo, cache).detector
    if detector is not None:
        model_files.keep(detector.files, folder)


def _check_file(face: Face, folders: model_files.Folders) -> None:
    """Raise MaskgateError where the file that is kept, or else the one that the recipe names, has
    another hash than the recipe tells."""
    name, file = face.detector.name, face.detector.arguments.get("file")
    kept = folders.kept_file(name)
    if kept is not None or file is not None:
        path = kept or model_files.named(file, f"file of detector {name}")
        _check_same(face, model_files.sha256(path))


def _check_same(face: Face, here: str) -> None:
    """Raise MaskgateError where the detector's model has another hash than the recipe tells."""
    if face.sha256 not in (None, here):
        raise MaskgateError(
            f"photo.face: the recipe is of the detector {face.detector.name} with the model"
            f" {str(face.sha256)[:12]}…, and here is {here[:12]}…, which would crop faces"
            " otherwise; use that model's file, or train anew with photo.face.sha256=null"
        )


def resolved(photo: Photo, folder: Path) -> Photo:
    """The same with the detector that is at hand, all of its arguments and its model's hash."""
    view = create(photo, folder)
    if view.detector is None or view.face is None:
        return photo
    given = _file(view.face.detector, view.detector, folder) | view.detector.arguments
    face = view.face.model_copy(
        update={
            "detector": Component(name=view.detector.name, **given),
            "sha256": view.detector.sha256,
        }
    )
    return photo.model_copy(update={"face": face})


def _file(wanted: Component, detector: Detector, folder: Path) -> dict[str, str]:
    """The file that the recipe names, from anywhere; nothing where its model is at hand anyway."""
    given = wanted.arguments.get("file")
    if given is None:
        return {}
    plain = Component(name=detector.name, **detector.arguments)
    there = detectors.at_hand(plain, folder)
    if there and detectors.create(plain, folder).sha256 == detector.sha256:
        return {}
    return {"file": str(Path(given).absolute())}
