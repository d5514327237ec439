"""Networks in ONNX, as a bundle holds them, run by ONNX Runtime on the CPU."""

import hashlib
from typing import Any

import numpy as np
import numpy.typing as npt

from maskgate import labels
from maskgate.core import onnx_sessions
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends.protocol import Prediction


class OnnxBackend:
    """The network in the bytes of a file called `name`; see `Backend`.

    It takes pictures (N, height, width, 3) of uint8, N from 1, and normalises them itself. It uses
    as many `threads`, 0 for one a core. It predicts no ages in years: the file holds none. Raises
    MaskgateError where the file is no such network.
    """

    predicts_ages = False

    def __init__(
        self,
        content: bytes,
        name: str,
        *,
        geometry: Geometry,
        attributes: tuple[str, ...],
        threads: int = 0,
    ) -> None:
        self.attributes, self.name = attributes, name
        self.digest = hashlib.sha256(content).hexdigest()
        self._session = onnx_sessions.create(content, name, threads)
        self._input = _checked(self._session, name, geometry)

    def __call__(self, pictures: Pixels) -> Prediction:
        feed = {self._input: np.ascontiguousarray(pictures)}
        try:
            probabilities: npt.NDArray[np.float32] = self._session.run(None, feed)[0]
        except Exception as error:  # its own classes of errors have no common base
            raise MaskgateError(f"{self.name}: ONNX Runtime cannot run it: {error}") from error
        if probabilities.shape != (len(pictures), labels.COUNT):  # a graph may declare others
            raise MaskgateError(
                f"{self.name}: returns {probabilities.shape} for {len(pictures)} photos, not"
                f" {labels.COUNT} probabilities each; it is no network of maskgate"
            )
        return Prediction(probabilities, np.full(len(pictures), np.nan, dtype=np.float32))


def _checked(session: Any, name: str, geometry: Geometry) -> str:
    """The name of the network's input. Raises MaskgateError where it takes or gives other arrays
    than a network of maskgate."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    takes, gives = (
        [(each.type, each.shape[1:]) for each in inputs],
        [(each.type, each.shape[1:]) for each in outputs],
    )
    batches = all(each.shape and not isinstance(each.shape[0], int) for each in inputs + outputs)
    size = [geometry.height, geometry.width, 3]
    if not (
        batches
        and takes == [("tensor(uint8)", size)]
        and gives == [("tensor(float)", [labels.COUNT])]
    ):
        shapes = ", ".join(f"{each.type} {each.shape}" for each in inputs)
        raise MaskgateError(
            f"{name}: takes {shapes}, not photos (N, {geometry.height}, {geometry.width}, 3) of"
            f" uint8 for {labels.COUNT} probabilities; it is no network of maskgate"
        )
    return str(inputs[0].name)
