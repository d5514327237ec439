from pathlib import Path

import pytest

from maskgate.bundle import open_bundle
from maskgate.bundle.manifest import Manifest
from maskgate.core import default_model


@pytest.fixture(scope="session")
def manifest() -> Manifest:
    """The manifest of the default model, whose reference the events are compared with."""
    return open_bundle(Path(default_model.folder())).manifest
