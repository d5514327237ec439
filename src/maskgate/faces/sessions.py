"""Networks of face detectors, run by ONNX Runtime."""

from pathlib import Path
from typing import Any

import onnxruntime

from maskgate.errors import MaskgateError


def load(file: Path) -> Any:
    """A session that uses one thread and may be run from several. Raises MaskgateError."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4  # what goes wrong comes as an exception as well
    try:
        content = file.read_bytes()
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # its own classes of errors have no common base
        raise MaskgateError(
            f"{file}: not a model that ONNX Runtime can load; remove the file, or name another"
        ) from error
