"""Creates face detectors by name; `auto` is the best one available without a download."""

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
    """YuNet; its file is downloaded if none is given or available."""
    from maskgate.faces.yunet import YuNet

    return YuNet(model_files.find(model_files.YUNET, folders, file), score, side, overlap)


def _mtcnn(
    folders: Folders,
    min_face: float = 0.2,
    thresholds: tuple[float, float, float] = (0.4, 0.5, 0.4),
    factor: float = 0.8,
) -> Detector:
    """MTCNN; its weights come with a Python package, so it needs no download.

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
    """RetinaFace, from the package uniface, which downloads its file."""
    from maskgate.faces.retinaface import RetinaFace

    return RetinaFace(
        folders=folders, file=file, variant=variant, score=score, side=side, overlap=overlap
    )


DETECTORS: Final[dict[str, Callable[..., Detector]]] = {
    "yunet": _yunet,
    "mtcnn": _mtcnn,
    "retinaface": _retinaface,
}


def is_available(setting: Component, folder: Path) -> bool:
    """Whether `create` needs no download.

    Raises MaskgateError for an unknown name, or if an environment variable names a missing file.
    """
    lookup("detector", setting.name, {AUTO: None, **DETECTORS})
    if setting.arguments.get("file") is not None:
        return True
    if setting.name == "yunet":
        return model_files.local_file(model_files.YUNET, folder) is not None
    if setting.name == "retinaface":
        from maskgate.faces import retinaface

        return retinaface.is_available(folder, str(setting.arguments.get("variant", _VARIANT)))
    return True


def is_kept(name: str, folder: Path) -> bool:
    """Whether `create` takes all files of that detector from `folder`, the one of a run."""
    if name == "mtcnn":
        from maskgate.faces import mtcnn_export

        return mtcnn_export.find(folder) is not None
    return Folders(folder, folder).kept_file(name) is not None


def create(setting: Component, folder: Path, kept: Path | None = None) -> Detector:
    """The detector that `setting` names; model files are kept in `folder`/models, in the cache.

    Files in `kept`, the folder of a run, are preferred, except for `auto`.

    `auto` is YuNet if its file is available, else MTCNN; only a detector given by its own name is
    downloaded. Raises MaskgateError for an unknown name or argument, and for a model that is
    neither available nor can be downloaded.
    """
    check(setting)
    name = setting.name
    if name == AUTO:
        kept = None
        name = "yunet" if model_files.local_file(model_files.YUNET, folder) else "mtcnn"
    make = DETECTORS[name]
    try:
        return make(Folders(folder, kept), **setting.arguments)
    except WRONG_ARGUMENTS as error:
        known = listed(_arguments(name), 20)
        raise MaskgateError(f"detector {name}: {error}; it takes {known}") from error


def check(setting: Component) -> None:
    """Raise MaskgateError for an unknown name, and for arguments that the detector does not take.
    Imports nothing."""
    name = setting.name
    lookup("detector", name, {AUTO: None, **DETECTORS})
    if name == AUTO:
        if setting.arguments:
            raise MaskgateError(
                f"detector auto: arguments ({listed(list(setting.arguments))}) need the detector's"
                " name, such as photo.face.detector={name: yunet, file: PATH}"
                " (in maskgate faces: --detector yunet file=PATH)"
            )
        return
    known = _arguments(name)
    if unknown := [argument for argument in setting.arguments if argument not in known]:
        raise MaskgateError(
            f"detector {name}: no argument {listed(unknown)}; it takes {listed(known, 20)}"
        )


def _arguments(name: str) -> list[str]:
    return list(inspect.signature(DETECTORS[name]).parameters)[1:]
