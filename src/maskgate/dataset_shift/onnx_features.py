"""Features of a network in a bundle: what its head gets, as `explain.features` has them of a run.

The graph of a bundle gives probabilities alone. Its copy in memory gets the input of its head as a
second output.
"""

from typing import Any, Final

import numpy as np
import numpy.typing as npt

from maskgate.core import onnx_sessions
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels

_HEAD: Final = "network.head."  # the beginning of the names of the head's weights
_BATCH: Final = 64


class OnnxFeatures:
    """The features of pictures by the network in `content`, the bytes of the file `name`. Raises
    MaskgateError where the file does not say which part of it is the head."""

    def __init__(self, content: bytes, name: str) -> None:
        import onnx

        try:
            model = onnx.load_from_string(content)
            output = _input_of_head(model.graph)
        except Exception as error:  # what protobuf raises has no common base
            raise MaskgateError(f"{name}: not an ONNX file ({type(error).__name__})") from error
        if output is None:
            raise MaskgateError(f"{name}: its head cannot be separated from the rest of its graph")
        model.graph.output.append(onnx.helper.make_empty_tensor_value_info(output))
        self._output = output
        self._session = onnx_sessions.create(model.SerializeToString(), name, 0)
        self._input = self._session.get_inputs()[0].name

    def __call__(self, pictures: Pixels) -> npt.NDArray[np.float32]:
        """The features (N, F) of pictures (N, H, W, 3), the network's input."""
        parts = [
            self._session.run([self._output], {self._input: np.ascontiguousarray(batch)})[0]
            for batch in (pictures[at : at + _BATCH] for at in range(0, len(pictures), _BATCH))
        ]
        features = np.concatenate(parts).astype(np.float32)
        return features.reshape(len(features), -1)


def _input_of_head(graph: Any) -> str | None:
    """The tensor that the first node with weights of the head takes, None without such a node."""
    weights = {each.name for each in graph.initializer}
    head = {name for name in weights if name.startswith(_HEAD)}
    for node in graph.node:
        others = [name for name in node.input if name and name not in head]
        if len(others) == len(node.input):
            continue
        if others:
            return str(others[0])
        head |= set(node.output)  # such as a weight cast to 32 bits
    return None
