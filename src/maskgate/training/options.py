"""What a training is asked for beside its recipe; known before anything heavy is imported."""

from dataclasses import dataclass
from pathlib import Path

from maskgate.core import files
from maskgate.training.callbacks import Callbacks


@dataclass(frozen=True)
class TrainOptions:
    """What the command line asks for, beside the recipe; none of it changes the numbers."""

    name: str  # of the recipe
    data: Path
    out: Path | None = None
    cache: Path | None = None
    runs: Path = Path("runs")  # where a run gets its folder without `out`
    smoke: bool = False
    skip_faulty: bool = False
    workers: int = 0
    checkpoint_seconds: float = 60.0
    command: str = ""
    trust: bool = False  # of the code that a run named in the recipe may bring
    callbacks: tuple[Callbacks, ...] = ()

    @property
    def folder(self) -> Path:
        """The cache's."""
        return self.cache or files.cache_folder()
