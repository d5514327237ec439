"""The three networks of MTCNN as ONNX files, from the weights in the package facenet-pytorch.

The package itself is not imported: its weights are read, the networks are written down here. Each
takes uint8 pixels (N, H, W, 3) in RGB; what they expect instead, (pixel - 127.5) / 128, is part
of their first convolution. The two softmax outputs are one sigmoid, the second one's.

Another version of onnx may write other bytes for the same network. So a file says of itself what it
holds: the hash of the weights it is of, and that of its own bytes, which tells whether it is whole.
"""

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Any, Final

import numpy as np

from maskgate.core import extras, files, onnx_sessions
from maskgate.errors import MaskgateError, of_disk
from maskgate.faces.protocol import Floats

NETWORKS: Final = ("pnet", "rnet", "onet")
VERSION: Final = 1  # raised by whatever changes what the files compute: SHA256 is another then
SHA256: Final = "3e824863f89637b69d6a32a209952e130a1962da029b21ebfd9a200518fd5819"
_RELEASE: Final = "facenet-pytorch==2.5.3"  # whose weights, exported by this version, SHA256 is of
_NO_HASH: Final = "0" * 64  # stands where a file's own hash will be
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


def paths(folder: Path) -> list[Path]:
    """The files of the three networks in a folder."""
    return [folder / f"mtcnn_{name}.onnx" for name in NETWORKS]


def find(folder: Path) -> list[Any] | None:
    """Sessions of the three networks, None where a file in `folder` is missing, damaged or of
    another version. Nothing is written."""
    networks = [_whole(file) for file in paths(folder)]
    return networks if all(networks) else None


def load(folder: Path) -> list[Any]:
    """Sessions of the three networks, from their files in `folder`.

    A file that is missing, damaged or of another version is written anew. Raises MaskgateError
    where that needs the weights of facenet-pytorch and they are missing or others.
    """
    targets = paths(folder)
    networks = [_whole(target) for target in targets]
    if all(networks):
        return networks
    weights = _weights()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise of_disk(error, folder) from error
    for place, (name, target) in enumerate(zip(NETWORKS, targets, strict=True)):
        if networks[place] is None:
            content = _network(name, weights[name])
            files.replace(target, lambda beside, content=content: beside.write_bytes(content))  # type: ignore[misc]
            networks[place] = onnx_sessions.load(target)
    return networks


def _whole(file: Path) -> Any | None:
    """The session of a file that is as it was written, by this version; else None."""
    if not file.is_file():
        return None
    try:
        content = file.read_bytes()
        network = onnx_sessions.load(file)
    except (OSError, MaskgateError):
        return None
    about = network.get_modelmeta()
    told = about.custom_metadata_map
    own = told.get("sha256") or _NO_HASH
    blank = content.replace(own.encode(), _NO_HASH.encode())
    known = (about.graph_name, told.get("weights")) == (file.stem, SHA256)
    return network if known and hashlib.sha256(blank).hexdigest() == own else None


def _digest(weights: dict[str, bytes]) -> str:
    """The hash of the files of weights and of VERSION, in hex."""
    told = hashlib.sha256(f"mtcnn {VERSION}".encode())
    for name in NETWORKS:
        told.update(hashlib.sha256(weights[name]).digest())
    return told.hexdigest()


def _weights() -> dict[str, bytes]:
    """The files of weights in facenet-pytorch, which is found but not imported."""
    package = importlib.util.find_spec("facenet_pytorch")
    for place in (package.submodule_search_locations or []) if package else []:
        folder = Path(place) / "data"
        try:
            weights = {name: (folder / f"{name}.pt").read_bytes() for name in NETWORKS}
        except OSError:
            continue
        if _digest(weights) != SHA256:
            raise MaskgateError(
                f"detector mtcnn: the weights in {folder} are not those of release 2.5.3;"
                f" pip install --force-reinstall --no-deps {_RELEASE}"
            )
        return weights
    raise _missing("facenet-pytorch")


def _missing(package: str | None) -> MaskgateError:
    """The fault of a package that is not installed."""
    return MaskgateError(
        "detector mtcnn: its networks are not at hand, and to write them takes the package"
        f" {package}, which is not installed; {extras.install('train')}, or train with yunet"
    )


def _network(name: str, weights: bytes) -> bytes:
    """One network as the bytes of an ONNX file. Raises MaskgateError without torch or onnx."""
    try:
        import torch  # only to read the weights, once
        from onnx import TensorProto, helper, numpy_helper
    except ImportError as error:
        raise _missing(error.name) from error

    state = torch.load(io.BytesIO(weights), map_location="cpu", weights_only=True)
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
        at = layer("Conv", f"conv{number}", at, weight=weight, bias=bias)
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
        at = bend(
            f"prelu{number}", layer("Gemm", f"dense{number}", at, weight=weight, bias=bias), 0
        )
    for output, number_of in zip(_NAMES, _OUTPUTS[name], strict=False):
        key = f"{'conv' if kind == 'Conv' else 'dense'}{number_of}"
        weight, bias = (state[f"{key}.{part}"].numpy() for part in ("weight", "bias"))
        if output == "scores":  # softmax's second output is the sigmoid of the difference
            difference = layer(
                kind, key, at, weight=weight[1:] - weight[:1], bias=bias[1:] - bias[:1]
            )
            add("Sigmoid", [difference], output)
        else:
            layer(kind, key, at, weight=weight, bias=bias, output=output)
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
    helper.set_model_props(model, {"weights": SHA256, "sha256": _NO_HASH})
    blank: bytes = model.SerializeToString(deterministic=True)
    return blank.replace(_NO_HASH.encode(), hashlib.sha256(blank).hexdigest().encode())
