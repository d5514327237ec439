"""A recipe's `teacher`: a run or a bundle whose probabilities are soft labels."""

from pathlib import Path

from maskgate import bundle, runs
from maskgate.bundle import Bundle
from maskgate.runs import Run


def open_teacher(teacher: str, trust: bool = False) -> Run | Bundle:
    """The run of a single model, or the bundle, at that path. Raises MaskgateError."""
    path = Path(teacher)
    return bundle.open_bundle(path) if bundle.is_bundle(path) else runs.open_model(path, trust)
