"""maskgate trains a classifier of mask use, gender and age band, for a mask check at the door."""

import os
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from maskgate.api.comparison import compare
    from maskgate.api.data import read
    from maskgate.api.ensembles import combine, submit
    from maskgate.api.run import Run
    from maskgate.api.training import train
    from maskgate.inference.predictor import Predictor

# Before ONNX Runtime is imported: from version 1.31 it reports its use to its maker, and keeps a
# database of that in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["Run", "__version__", "combine", "compare", "load", "read", "submit", "train"]

# Imported when they are used: they need torch and pandas, which the base install does not have.
_MODULE_OF: Final = {
    "Run": "maskgate.api.run",
    "combine": "maskgate.api.ensembles",
    "compare": "maskgate.api.comparison",
    "read": "maskgate.api.data",
    "submit": "maskgate.api.ensembles",
    "train": "maskgate.api.training",
}

if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """A name of `_MODULE_OF`. Raises MaskgateError where a package is missing that it needs."""
        if name not in _MODULE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        from maskgate.core import extras

        with extras.needed_by(f"maskgate.{name}"):
            value = getattr(import_module(_MODULE_OF[name]), name)
        globals()[name] = value
        return value

    def __dir__() -> list[str]:
        return sorted({*globals(), *_MODULE_OF})


def load(
    model: "str | os.PathLike[str] | None" = None,
    trust: bool = False,
    detector_file: "str | os.PathLike[str] | None" = None,
) -> "Predictor":
    """A model, ready to `predict(photos)`: that of a run folder or a bundle, by default the default
    model, which is part of maskgate and needs neither training nor torch.

    A run may come from anybody, and bring code of its own (a backbone `package.module:factory`).
    That is imported and run only with `trust`, else MaskgateError is raised; so too where a package
    is missing that the model needs. `detector_file` is the file of the face detector that a bundle
    was trained with, where it does not contain it; the default model was trained with YuNet.

    >>> maskgate.load().predict(["photo.jpg"])  # doctest: +SKIP
    >>> maskgate.load("runs/default-1a2b3c4d").predict(["photo.jpg"])  # doctest: +SKIP
    """
    from pathlib import Path

    from maskgate.core import extras

    with extras.needed_by("maskgate.load"):
        from maskgate.inference import loading

        path, file = (None if each is None else Path(each) for each in (model, detector_file))
        return loading.load(path, trust=trust, detector_file=file)
