"""Networks in ONNX, run by ONNX Runtime on the CPU."""

from pathlib import Path
from typing import Any, Final

import onnxruntime

from maskgate.errors import MaskgateError, of_disk

# How ONNX's protobuf names the file of a tensor that lies outside the model's.
_EXTERNAL: Final = b"\n\x08location\x12"


def load(file: Path) -> Any:
    """A session that uses one thread and may be run from several. Raises MaskgateError."""
    try:
        content = file.read_bytes()
    except OSError as error:
        raise of_disk(error, file) from error
    return create(content, str(file), threads=1)


def create(content: bytes, name: str, threads: int) -> Any:
    """The session of a model's file, which may be run from several threads; it uses as many as
    `threads` itself, 0 for one a core. Raises MaskgateError, which calls the file `name`."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 4  # what goes wrong comes as an exception as well
    if _EXTERNAL in content:
        raise MaskgateError(f"{name}: keeps weights in another file, which is not read")
    try:
        return onnxruntime.InferenceSession(content, options, ["CPUExecutionProvider"])
    except Exception as error:  # its own classes of errors have no common base
        raise MaskgateError(
            f"{name}: not a model that ONNX Runtime can load; remove the file, or name another"
        ) from error
