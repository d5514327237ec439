"""A run: the folder that a training writes, and how it is read.

Its tables are read by `runs.tables`; everything else needs neither pandas nor torch.
"""

from maskgate.runs.opening import is_run, open_model, open_run, scan, usable, verify
from maskgate.runs.run import Run, unfinished

__all__ = ["Run", "is_run", "open_model", "open_run", "scan", "unfinished", "usable", "verify"]
