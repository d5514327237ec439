"""A bundle of a model that looks for faces."""

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def bundle(
    train: Callable[..., Path], cache: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The bundle of a model that looks for faces; beside it is its run."""
    from maskgate.export import exporter
    from maskgate.export.exporter import ExportOptions
    from maskgate.runs import RunFolder

    folder = tmp_path_factory.mktemp("door")
    run = train(
        folder / "run", "training.epochs=1", "photo.face={detector: mtcnn}", "folds.kind=holdout"
    )
    exporter.export(RunFolder(run), ExportOptions(folder / "bundle", cache=cache))
    return folder / "bundle"
