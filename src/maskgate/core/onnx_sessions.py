"""Loads networks in ONNX with ONNX Runtime, on the CPU."""

import re
from pathlib import Path
from typing import Any, Final

import onnxruntime

from maskgate.errors import MaskgateError, disk_error

# The key in ONNX's protobuf for a tensor that is stored in another file, after its length, which
# may be written in more bytes than it needs.
_EXTERNAL: Final = re.compile(rb"(?:\x08|\x88\x80*\x00)location")


def load(file: Path) -> Any:
    """A session that uses one thread and may be called from several. Raises MaskgateError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise disk_error(error, file) from error
    return create(content, str(file), threads=1)


def create(content: bytes, name: str, threads: int) -> Any:
    """The session of a model's file, which may be called from several threads. It uses `threads`
    threads itself, 0 for one per core. Raises MaskgateError, which calls the file `name`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # errors are raised as exceptions anyway
    if _EXTERNAL.search(content):
        raise MaskgateError(f"{name}: its weights are in another file, which is not supported")
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # its error classes have no common base class
        raise MaskgateError(
            f"{name}: not a model that ONNX Runtime can load; remove the file, or name another"
        ) from error
