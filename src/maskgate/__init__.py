"""maskgate trains a classifier of mask use, gender and age band, for a mask check at the door."""

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from maskgate.inference.predictor import Predictor

# Before ONNX Runtime is imported: from version 1.31 it reports its use to its maker, and keeps a
# database of that in the user's cache.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")

__version__ = "0.1.0"
__all__ = ["__version__", "load"]


def load(
    model: "str | Path | None" = None,
    trust: bool = False,
    detector_file: "str | Path | None" = None,
) -> "Predictor":
    """A model, ready to `predict(photos)`: that of a run folder or a bundle, by default the default
    model, which is part of maskgate and needs neither training nor torch.

    A run may come from anybody, and bring code of its own (a backbone `package.module:factory`).
    That is imported and run only with `trust`, else MaskgateError is raised; so too where a package
    is missing that the model needs. `detector_file` is the file of the face detector that a bundle
    was trained with, where it does not contain it; the default model was trained with YuNet.

    >>> maskgate.load().predict(["photo.jpg"])  # doctest: +SKIP
    >>> maskgate.load("runs/baseline-1a2b3c4d").predict(["photo.jpg"])  # doctest: +SKIP
    """
    from pathlib import Path

    from maskgate.core import extras

    with extras.needed_by("maskgate.load"):
        from maskgate.inference import loading

        file = None if detector_file is None else Path(detector_file)
        return loading.load(model, trust=trust, detector_file=file)
