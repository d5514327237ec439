"""Weights of a network in an ONNX file whose batch normalisations were not folded in the export."""

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import torch
from torch import Tensor

from maskgate.core import files
from maskgate.errors import MaskgateError, listed

FP16: Final = ".fp16"
"""The end of the name of a tensor in 16-bit floats, which a node casts to the tensor of 32 bits."""
_REMEDY: Final = {
    "backbone": "remove the model.arguments that change its layers",
    "head": "give the head of the default model, or set model.start_head=false",
}
_COUNT: Final = "num_batches_tracked"  # training alone reads it; no ONNX file has it


def read(path: Path, part: str, expected: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The tensors of a part (`backbone` or `head`) from the ONNX file of a network; `expected` is
    its state dict.

    Tensors in 16-bit floats become 32-bit floats. Raises MaskgateError if the file cannot be read,
    or a tensor is missing or has another shape.
    """
    tensors = _tensors(path)
    state = {
        key: tensor if key.endswith(_COUNT) else tensors.get(f"network.{part}.{key}")
        for key, tensor in expected.items()
    }
    filled = {key: each for key, each in state.items() if each is not None}
    if different := [
        key for key in expected if key not in filled or filled[key].shape != expected[key].shape
    ]:
        raise MaskgateError(
            f"{path}: does not fit the {part}, {len(different)} of its {len(expected)} tensors"
            f" are missing or have another shape ({listed(different, 1)}); {_REMEDY[part]}"
        )
    return filled


def _tensors(path: Path) -> dict[str, Tensor]:
    """The constant tensors of 16-bit and 32-bit floats in an ONNX file, in 32 bits."""
    import onnx
    from onnx import TensorProto, numpy_helper

    content = files.content(path, "a file of weights")
    try:
        graph = onnx.load_from_string(content).graph
        return {
            each.name.removesuffix(FP16): torch.from_numpy(
                numpy_helper.to_array(each).astype("float32")
            )
            for each in graph.initializer
            if each.data_type in (TensorProto.FLOAT, TensorProto.FLOAT16)
        }
    except Exception as error:  # what protobuf raises has no common base
        raise MaskgateError(
            f"{path}: not an ONNX file ({type(error).__name__}); install maskgate again"
        ) from error
