"""Loads the networks of face detectors with ONNX Runtime."""

from pathlib import Path
from typing import Any

import onnxruntime

from maskgate.errors import MaskgateError


def load(file: Path) -> Any:
    """A session that uses one thread and may be called from several. Raises MaskgateError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised as exceptions anyway
    try:
        content = file.read_bytes()
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # its error classes have no common base class
        raise MaskgateError(
            f"{file}: not a model that ONNX Runtime can load; remove the file, or name another"
        ) from error
