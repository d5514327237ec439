"""A run: the folder one training leaves, and what the others read from it.

What reads its tables stands apart in `runs.tables`: all else needs neither pandas nor torch.
"""

from maskgate.runs.opening import is_run, open_model, open_run, scan, usable, verify
from maskgate.runs.run import Run, unfinished

__all__ = ["Run", "is_run", "open_model", "open_run", "scan", "unfinished", "usable", "verify"]
