"""The three networks of MTCNN as ONNX files, from the weights in the package facenet-pytorch.

The package itself is not imported: its weights are read, the networks are written down here. Each
takes uint8 pixels (N, H, W, 3) in RGB; what they expect instead, (pixel - 127.5) / 128, is part
of their first convolution. The two softmax outputs are one sigmoid, the second one's.
"""

import importlib.util
from pathlib import Path
from typing import Any, Final

import numpy as np

from maskgate import files
from maskgate.errors import MaskgateError, of_disk
from maskgate.faces.protocol import Floats

NETWORKS: Final = ("pnet", "rnet", "onet")
_OPSET: Final = 17
_IR: Final = 8

# Convolutions with their pooling (size and stride), then the dense layer where there is one, then
# the outputs: the layer of the two scores first.
_CONVOLUTIONS: Final = {
    "pnet": ((2, 2), None, None),
    "rnet": ((3, 2), (3, 2), None),
    "onet": ((3, 2), (3, 2), (2, 2), None),
}
_DENSE: Final = {"rnet": 4, "onet": 5}
_OUTPUTS: Final = {
    "pnet": ("4_1", "4_2"),
    "rnet": ("5_1", "5_2"),
    "onet": ("6_1", "6_2", "6_3"),
}
_NAMES: Final = ("scores", "boxes", "landmarks")


def export(folder: Path) -> list[Path]:
    """The three files in `folder`, written where they are not there yet.

    The same weights give the same bytes. Raises MaskgateError where facenet-pytorch is missing.
    """
    targets = [folder / f"mtcnn_{name}.onnx" for name in NETWORKS]
    missing = [target for target in targets if not target.is_file()]
    if not missing:
        return targets
    weights = _weights()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_disk(error, folder) from error
    for target in missing:
        name = target.stem.removeprefix("mtcnn_")
        content = _network(name, weights / f"{name}.pt")
        files.replace(target, lambda beside, content=content: beside.write_bytes(content))  # type: ignore[misc]
    return targets


def _weights() -> Path:
    """The folder of the weights in facenet-pytorch, which is found but not imported."""
    package = importlib.util.find_spec("facenet_pytorch")
    for place in (package.submodule_search_locations or []) if package else []:
        if (Path(place) / "data" / "pnet.pt").is_file():
            return Path(place) / "data"
    raise MaskgateError(
        "detector mtcnn: its weights come with the package facenet-pytorch, which is not"
        " installed; pip install facenet-pytorch"
    )


def _network(name: str, weights: Path) -> bytes:
    """One network as the bytes of an ONNX file."""
    import torch  # only to read the weights, once
    from onnx import TensorProto, helper, numpy_helper

    state = torch.load(weights, map_location="cpu", weights_only=True)
    nodes: list[Any] = []
    values: list[Any] = []

    def parameter(key: str, value: Floats) -> str:
        values.append(numpy_helper.from_array(np.ascontiguousarray(value, dtype="<f4"), key))
        return key

    def add(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def layer(
        kind: str, key: str, at: str, weight: Floats, bias: Floats, output: str | None = None
    ) -> str:
        inputs = [at, parameter(f"{key}.weight", weight), parameter(f"{key}.bias", bias)]
        return add(kind, inputs, output or key, **({"transB": 1} if kind == "Gemm" else {}))

    def bend(key: str, at: str, trailing: int) -> str:
        """PReLU as slope · x + (1 - slope) · relu(x): ONNX Runtime's own takes twice as long."""
        slope = state[f"{key}.weight"].numpy().reshape(-1, *[1] * trailing)
        below = add("Mul", [at, parameter(f"{key}.slope", slope)], f"{key}.below")
        above = add("Relu", [at], f"{key}.relu")
        above = add("Mul", [above, parameter(f"{key}.rest", 1 - slope)], f"{key}.above")
        return add("Add", [below, above], key)

    at = add("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    at = add("Cast", [at], "values", to=TensorProto.FLOAT)
    for number, pool in enumerate(_CONVOLUTIONS[name], 1):
        weight = state[f"conv{number}.weight"].numpy().astype("f8")
        bias = state[f"conv{number}.bias"].numpy().astype("f8")
        if number == 1:
            bias -= weight.sum(axis=(1, 2, 3)) * (127.5 / 128)
            weight /= 128
        at = layer("Conv", f"conv{number}", at, weight, bias)
        at = bend(f"prelu{number}", at, 2)
        if pool:
            size, stride = pool
            sizes: dict[str, Any] = {"kernel_shape": [size] * 2, "strides": [stride] * 2}
            at = add("MaxPool", [at], f"pool{number}", ceil_mode=1, **sizes)
    kind = "Conv"
    if name in _DENSE:
        kind, number = "Gemm", _DENSE[name]
        at = add("Transpose", [at], "columns", perm=[0, 3, 2, 1])  # as the weights were trained
        at = add("Flatten", [at], "flat", axis=1)
        weight, bias = (state[f"dense{number}.{part}"].numpy() for part in ("weight", "bias"))
        at = bend(f"prelu{number}", layer("Gemm", f"dense{number}", at, weight, bias), 0)
    for output, number_of in zip(_NAMES, _OUTPUTS[name], strict=False):
        key = f"{'conv' if kind == 'Conv' else 'dense'}{number_of}"
        weight, bias = (state[f"{key}.{part}"].numpy() for part in ("weight", "bias"))
        if output == "scores":  # softmax's second output is the sigmoid of the difference
            difference = layer(kind, key, at, weight[1:] - weight[:1], bias[1:] - bias[:1])
            add("Sigmoid", [difference], output)
        else:
            layer(kind, key, at, weight, bias, output)
    pixels = helper.make_tensor_value_info(
        "pixels", TensorProto.UINT8, ["photos", "height", "width", 3]
    )
    outputs = [
        helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        for output in _NAMES[: len(_OUTPUTS[name])]
    ]
    graph = helper.make_graph(nodes, f"mtcnn_{name}", [pixels], outputs, values)
    model = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR, producer_name=""
    )
    content: bytes = model.SerializeToString(deterministic=True)
    return content
