"""The default model: the bundle in the package.

Photos are predicted with it where no other model is named, and a training can start from its
backbone.
"""

import hashlib
import json
from pathlib import Path
from typing import Final

from maskgate.core import files
from maskgate.errors import MaskgateError

FOLDER: Final = Path(__file__).parents[1] / "default_model"
NETWORK: Final = "models/fold-0.onnx"
"""The file of its only network."""
_MANIFEST: Final = "manifest.json"


def folder() -> Path:
    """The folder of the bundle. Raises MaskgateError in an installation without it."""
    if not (FOLDER / _MANIFEST).is_file():
        raise MaskgateError(
            f"{FOLDER}: this installation has no default model; install maskgate again, or give a"
            " model of your own, a run or a bundle"
        )
    return FOLDER


def network_file() -> Path:
    """The file of its network. Raises MaskgateError where it is missing, or not as the manifest
    lists it."""
    manifest = files.content(folder() / _MANIFEST, "the manifest")
    network = FOLDER / NETWORK
    try:
        expected = json.loads(manifest)["files"][NETWORK]["sha256"]
    except (ValueError, LookupError, TypeError, RecursionError):
        expected = None
    content = files.content(network, "the network")
    if hashlib.sha256(content).hexdigest() != expected:
        raise MaskgateError(
            f"{network}: not the network of the default model; install maskgate again"
        )
    return network
