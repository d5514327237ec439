"""Networks in reduced precision: weights in 16-bit floats, or weights and activations in 8-bit
integers."""

from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
import onnx
import pandas as pd
from onnx import TensorProto, helper, numpy_helper

from maskgate.bundle.manifest import Precision
from maskgate.core.seeding import derive
from maskgate.errors import MaskgateError, shorten_middle
from maskgate.evaluation import validation_photos
from maskgate.evaluation.validation_photos import ValidationPhotos
from maskgate.export.models import ModelRun
from maskgate.export.quiet import quiet
from maskgate.imaging.pixels import Pixels
from maskgate.model.onnx_weights import FP16
from maskgate.runs import tables

PHOTOS: Final = 256  # that activations are calibrated on
_BATCH: Final = 32
_LARGE: Final = 256  # numbers: a smaller tensor is no smaller with a node that casts it
# Pooling, normalising and the head stay in floats: there 8 bits save nothing, and cost the most.
_OPERATORS: Final = ("Conv", "MatMul", "Clip", "Relu", "Add")
_COLOURS: Final = 3
_LONGEST: Final = 200  # characters of what the quantiser says went wrong


def reduce(
    content: bytes, precision: Precision, name: str, calibration: Callable[[], Pixels]
) -> bytes:
    """The ONNX file `content` of a network in a precision. Activations of int8 are calibrated on
    the pictures (N, H, W, 3) that `calibration` gives. Raises MaskgateError, which calls the
    network `name`, where it cannot be reduced."""
    if precision == "fp16":
        return to_fp16(content)
    if precision == "int8":
        return to_int8(content, name, calibration())
    return content


def read_photos(single: ModelRun, table: pd.DataFrame, root: Path | None) -> ValidationPhotos:
    """Photos of a run's data, by the column `photo` of a `table`, in the run's data folder unless a
    `root` is given. Raises MaskgateError where one is missing or has changed."""
    try:
        return validation_photos.read(single.run, single.cache, table, root)
    except MaskgateError as error:
        raise MaskgateError(f"{error}, or name their folder with --photos") from error


def calibration_photos(single: ModelRun, fold: int, root: Path | None) -> Pixels:
    """At most PHOTOS pictures (N, H, W, 3) that the network of a fold was trained on, as the model
    sees them: of people who are not validated by the fold, drawn with the recipe's seed.

    They lie in the run's data folder unless a `root` is given. Raises MaskgateError where one is
    missing or has changed.
    """
    table = tables.photos(single.run)
    trained = table.index[table["fold"] != fold].to_numpy()
    random = np.random.default_rng(derive("calibration", single.recipe.seed, fold))
    drawn = np.sort(random.choice(trained, min(PHOTOS, len(trained)), replace=False))
    return read_photos(single, table.loc[drawn], root).inputs(np.arange(len(drawn)))


def to_fp16(content: bytes) -> bytes:
    """The network with its large tensors stored in 16-bit floats.

    A node casts each to 32 bits, which ONNX Runtime does once, when it loads the file: half the
    bytes at the same speed, on any processor. A tensor with a number too large for 16 bits stays as
    it is.
    """
    model = onnx.load_from_string(content)
    weights, casts = [], []
    for tensor in model.graph.initializer:
        short = _short(tensor)
        weights.append(tensor if short is None else short)
        if short is not None:
            node = helper.make_node("Cast", [short.name], [tensor.name], to=TensorProto.FLOAT)
            casts.append(node)
    nodes = [*casts, *model.graph.node]
    for field, items in ((model.graph.initializer, weights), (model.graph.node, nodes)):
        del field[:]
        field.extend(items)
    return model.SerializeToString()


def _short(tensor: TensorProto) -> TensorProto | None:
    """A tensor in 16-bit floats, under another name; None where it is to stay as it is.

    Vectors stay: they are small, and the variances of batch normalisations would be rounded to
    zero.
    """
    is_vector = len(tensor.dims) < 2
    if tensor.data_type != TensorProto.FLOAT or is_vector or np.prod(tensor.dims) < _LARGE:
        return None
    with np.errstate(over="ignore"):
        values = numpy_helper.to_array(tensor).astype(np.float16)
    return (
        numpy_helper.from_array(values, f"{tensor.name}{FP16}")
        if np.isfinite(values).all()
        else None
    )


def to_int8(content: bytes, name: str, calibration: Pixels) -> bytes:
    """The network with weights and activations of its convolutions and matrix products in 8-bit
    integers, whose scales are fixed: a weight's of each channel, an activation's of its smallest
    and largest value on the pictures of `calibration` (N, H, W, 3).

    Activations are unsigned: signed ones take twice the time on x86. Raises MaskgateError, which
    calls the network `name`, where ONNX Runtime's quantiser finds nothing that it can reduce.
    """
    from onnxruntime import quantization

    try:
        with quiet(), TemporaryDirectory(prefix="maskgate-") as folder:
            target = Path(folder) / "int8.onnx"
            quantization.quantize_static(
                onnx.load_from_string(content),
                target,
                _reader(calibration),
                quant_format=quantization.QuantFormat.QDQ,
                op_types_to_quantize=list(_OPERATORS),
                per_channel=True,
                nodes_to_exclude=_stems(content),
                activation_type=quantization.QuantType.QUInt8,
                weight_type=quantization.QuantType.QInt8,
                extra_options={"MatMulConstBOnly": True},
            )
            reduced = target.read_bytes()
    except Exception as error:  # the quantiser's own errors have no common base
        reason = shorten_middle(" ".join(str(error).split()) or type(error).__name__, _LONGEST)
        raise _refused(name, reason) from error
    if not any(
        node.op_type == "QuantizeLinear" for node in onnx.load_from_string(reduced).graph.node
    ):
        raise _refused(name, "nothing in it can be computed in integers")
    return reduced


def _stems(content: bytes) -> list[str]:
    """The nodes that convolve the photo itself: of three colours, integers are slower than floats
    and lose the most."""
    graph = onnx.load_from_string(content).graph
    of_colours = {each.name for each in graph.initializer if list(each.dims[1:2]) == [_COLOURS]}
    return [n.name for n in graph.node if n.op_type == "Conv" and n.input[1] in of_colours]


def _refused(name: str, reason: str) -> MaskgateError:
    return MaskgateError(
        f"{name}: cannot be reduced to int8 ({reason}); export it with --precision fp16 or fp32"
    )


def _reader(pictures: Pixels) -> Any:
    """What gives the quantiser the pictures, batch by batch."""
    from onnxruntime.quantization import CalibrationDataReader

    class Reader(CalibrationDataReader):
        def __init__(self) -> None:
            self.batches: Iterator[dict[str, Pixels]] = (
                {"photos": pictures[at : at + _BATCH]} for at in range(0, len(pictures), _BATCH)
            )

        def get_next(self) -> dict[str, Pixels] | None:
            return next(self.batches, None)

    return Reader()
