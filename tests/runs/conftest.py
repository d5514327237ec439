"""What tests of runs share."""

import shutil
from pathlib import Path

import pytest

SYSTEM = """
folds: {kind: kfold, count: 2}
members:
  - {name: one, recipe: tiny.yaml}
  - {name: two, recipe: tiny.yaml, changes: {seed: 8}}
combine: weights
adjust: [near_tie, offsets]
"""


@pytest.fixture(scope="module")
def joint(tiny: Path, people: Path, cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a system that learns."""
    from maskgate.config import system
    from maskgate.training import ensembles
    from maskgate.training.options import TrainOptions

    folder = tmp_path_factory.mktemp("system")
    shutil.copy(tiny, folder / "tiny.yaml")
    (folder / "joint.yaml").write_text(SYSTEM)
    loaded = system.load(folder / "joint.yaml", ["training.epochs=1"])
    return ensembles.train(loaded, TrainOptions("joint", people, folder / "run", cache)).path
