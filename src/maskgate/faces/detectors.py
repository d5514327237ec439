"""Face detectors by name, and which one `auto` is."""

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Final

from maskgate.config.settings import WRONG_ARGUMENTS, Component, lookup
from maskgate.errors import MaskgateError, listed
from maskgate.faces import model_files
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import Detector

AUTO: Final = "auto"
_VARIANT: Final = "mnet_v2"  # of RetinaFace


def _yunet(
    folders: Folders,
    file: str | None = None,
    score: float = 0.3,
    side: int = 256,
    overlap: float = 0.3,
) -> Detector:
    """YuNet; its file, where none is named or at hand, is downloaded."""
    from maskgate.faces.yunet import YuNet

    return YuNet(model_files.find(model_files.YUNET, folders, file), score, side, overlap)


def _mtcnn(
    folders: Folders,
    min_face: float = 0.2,
    thresholds: tuple[float, float, float] = (0.4, 0.5, 0.4),
    factor: float = 0.8,
) -> Detector:
    """MTCNN; its weights come with a package, so that it needs no download.

    The defaults suit masked faces; the paper's thresholds are 0.6, 0.7 and 0.7.
    """
    from maskgate.faces.mtcnn import MTCNN

    return MTCNN(folders, min_face, thresholds, factor)


def _retinaface(
    folders: Folders,
    file: str | None = None,
    variant: str = _VARIANT,
    score: float = 0.5,
    side: int = 640,
    overlap: float = 0.4,
) -> Detector:
    """RetinaFace; of the package uniface, which downloads its file."""
    from maskgate.faces.retinaface import RetinaFace

    return RetinaFace(
        folders=folders, file=file, variant=variant, score=score, side=side, overlap=overlap
    )


DETECTORS: Final[dict[str, Callable[..., Detector]]] = {
    "yunet": _yunet,
    "mtcnn": _mtcnn,
    "retinaface": _retinaface,
}


def at_hand(wanted: Component, folder: Path) -> bool:
    """Whether `create` would need no download.

    Raises MaskgateError for an unknown name, or where the environment names a file that is not
    there.
    """
    lookup("detector", wanted.name, {AUTO: None, **DETECTORS})
    if wanted.arguments.get("file") is not None:
        return True
    if wanted.name == "yunet":
        return model_files.at_hand(model_files.YUNET, folder) is not None
    if wanted.name == "retinaface":
        from maskgate.faces import retinaface

        return retinaface.at_hand(folder, str(wanted.arguments.get("variant", _VARIANT)))
    return True


def create(wanted: Component, folder: Path, kept: Path | None = None) -> Detector:
    """The detector of that name; model files are kept in `folder`/models, the cache's.

    Those in `kept`, the folder of a run, are taken before any others, except for `auto`.

    `auto` is YuNet where its file is at hand and MTCNN otherwise; only a detector asked for by
    its own name is downloaded. Raises MaskgateError for an unknown name or argument, and where a
    model is not to be had.
    """
    check(wanted)
    name = wanted.name
    if name == AUTO:
        kept = None
        name = "yunet" if model_files.at_hand(model_files.YUNET, folder) else "mtcnn"
    make = DETECTORS[name]
    try:
        return make(Folders(folder, kept), **wanted.arguments)
    except WRONG_ARGUMENTS as error:
        known = listed(_arguments(name), 20)
        raise MaskgateError(f"detector {name}: {error}; it takes {known}") from error


def check(wanted: Component) -> None:
    """Raise MaskgateError for an unknown name, and for arguments that the detector does not take;
    nothing is imported."""
    name = wanted.name
    lookup("detector", name, {AUTO: None, **DETECTORS})
    if name == AUTO:
        if wanted.arguments:
            raise MaskgateError(
                f"detector auto: arguments ({listed(list(wanted.arguments))}) need the detector's"
                " name, such as photo.face.detector={name: yunet, file: PATH}"
                " (in maskgate faces: --detector yunet file=PATH)"
            )
        return
    known = _arguments(name)
    if unknown := [argument for argument in wanted.arguments if argument not in known]:
        raise MaskgateError(
            f"detector {name}: no argument {listed(unknown)}; it takes {listed(known, 20)}"
        )


def _arguments(name: str) -> list[str]:
    return list(inspect.signature(DETECTORS[name]).parameters)[1:]
