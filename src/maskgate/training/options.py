"""The options of a training apart from its recipe. Imports nothing heavy."""

from dataclasses import dataclass
from pathlib import Path

from maskgate.core import files
from maskgate.training.callbacks import Callbacks


@dataclass(frozen=True)
class TrainOptions:
    """The command line's options apart from the recipe; none of them changes the results."""

    name: str  # of the recipe
    data: Path
    out: Path | None = None
    cache: Path | None = None
    runs: Path = Path("runs")  # the folder for new runs, without `out`
    smoke: bool = False
    skip_faulty: bool = False
    workers: int = 0
    checkpoint_seconds: float = 60.0
    command: str = ""
    trust: bool = False  # whether to run code that runs named in the recipe need
    callbacks: tuple[Callbacks, ...] = ()

    @property
    def folder(self) -> Path:
        """The cache folder."""
        return self.cache or files.cache_folder()
