"""A network as an ONNX graph: pictures of uint8 in, probabilities of the 18 classes out."""

from typing import Any, Final

import torch
from torch import Tensor, nn

from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError, shorten_middle
from maskgate.export.quiet import quiet
from maskgate.model.network import Network

OPSET: Final = 18
_LONGEST: Final = 200  # characters of what the exporter says went wrong


class _Probabilities(nn.Module):
    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, photos: Tensor) -> Tensor:
        probabilities: Tensor = self.network(photos).log_probabilities.exp()
        return probabilities


def to_onnx(network: Network, geometry: Geometry, name: str, fold_batch_norm: bool = True) -> bytes:
    """The ONNX file of a network: `photos` (N, H, W, 3) of uint8 to `probabilities` (N, 18).

    N is any number from 1. Normalising is part of the graph; resizing never is. Batch
    normalisations are folded into the convolutions before them, unless `fold_batch_norm` is false:
    then the file holds every weight under its name in the network, such as
    `network.backbone.conv_stem.weight`, and ONNX Runtime folds them while it loads the file, to the
    same probabilities at the same speed. Raises MaskgateError, which calls the network `name`,
    where ONNX lacks an operator that it needs.
    """
    model = _Probabilities(network).cpu().eval()
    photos = torch.zeros((2, geometry.height, geometry.width, 3), dtype=torch.uint8)
    try:
        with quiet("onnxscript", "torch.onnx", "onnx_ir"):
            program = torch.onnx.export(
                model,
                (photos,),
                input_names=["photos"],
                output_names=["probabilities"],
                dynamic_shapes=({0: torch.export.Dim("N", min=1)},),
                opset_version=OPSET,
                dynamo=True,
                external_data=False,
                verbose=False,
                optimize=fold_batch_norm,
            )
            assert program is not None  # it is, where no file is named
            if not fold_batch_norm:
                _simplify(program.model)
            return _anonymous(program.model_proto).SerializeToString()
    except Exception as error:  # what torch raises here has no common base
        reason = shorten_middle(_first_line(error.__cause__ or error), _LONGEST)
        raise MaskgateError(
            f"{name}: cannot be exported to ONNX ({reason}); train another backbone or head for"
            " the door"
        ) from error


def _simplify(model: Any) -> None:
    """Compute what is constant, as the exporter's own optimiser does, but rewrite nothing: that
    would fold batch normalisations."""
    from onnxscript import optimizer

    optimizer.inline(model)
    optimizer.fold_constants(model)
    optimizer.remove_unused_nodes(model)


def _first_line(error: BaseException) -> str:
    """The first line of an error's message, or its class where it has none."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _anonymous(model: Any) -> Any:
    """The ONNX model without what the exporter notes in it: the lines of source code behind each
    node, with the folders of this machine."""
    for part in (model, model.graph, *model.graph.node, *model.graph.value_info):
        part.ClearField("metadata_props")
    return model
