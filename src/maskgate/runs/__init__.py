"""A run: the folder that a training writes, and how it is read.

Its tables are read by `runs.tables`; everything else needs neither pandas nor torch.
"""

from maskgate.runs.opening import (
    BUNDLE_MANIFEST,
    bundle_error,
    find_run,
    is_bundle,
    is_run,
    open_model,
    open_run,
    scan,
    usable,
    verify,
)
from maskgate.runs.run import RunFolder, unfinished

__all__ = [
    "BUNDLE_MANIFEST",
    "RunFolder",
    "bundle_error",
    "find_run",
    "is_bundle",
    "is_run",
    "open_model",
    "open_run",
    "scan",
    "unfinished",
    "usable",
    "verify",
]
