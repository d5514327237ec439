"""The three networks of MTCNN as ONNX files, from the weights in the package facenet-pytorch.

The package itself is not imported: only its weights are read, and the networks are defined here.
Each takes uint8 pixels (N, H, W, 3) in RGB; the normalisation (pixel - 127.5) / 128 is part of the
first convolution. The softmax of two outputs is replaced by the sigmoid of their difference.

Another version of onnx may write other bytes for the same network. So each file contains the hash
of its weights, and the hash of its own bytes, which shows whether it is damaged.
"""

import hashlib
import importlib.util
import io
from pathlib import Path
from typing import Any, Final

import numpy as np

from maskgate.core import extras, files, onnx_sessions
from maskgate.errors import MaskgateError, disk_error
from maskgate.faces.protocol import Floats

NETWORKS: Final = ("pnet", "rnet", "onet")
VERSION: Final = 1  # raise it, and change SHA256, with any change of what the files compute
SHA256: Final = "3e824863f89637b69d6a32a209952e130a1962da029b21ebfd9a200518fd5819"
_RELEASE: Final = "facenet-pytorch==2.5.3"  # SHA256 is of its weights and VERSION
_NO_HASH: Final = "0" * 64  # placeholder for a file's own hash
_OPSET: Final = 17
_IR: Final = 8

# The convolutions with their pooling (size and stride); the dense layer, if any; the outputs, of
# which the layer of the two scores is the first.
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
    """Sessions of the three networks, None if a file in `folder` is missing, damaged or of another
    version. Writes nothing."""
    networks = [_load_valid(file) for file in paths(folder)]
    return networks if all(networks) else None


def load(folder: Path) -> list[Any]:
    """Sessions of the three networks, from their files in `folder`.

    A file that is missing, damaged or of another version is written again. Raises MaskgateError if
    the weights of facenet-pytorch are needed for that and are missing or of another release.
    """
    targets = paths(folder)
    networks = [_load_valid(target) for target in targets]
    if all(networks):
        return networks
    weights = _weights()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise disk_error(error, folder) from error
    for place, (name, target) in enumerate(zip(NETWORKS, targets, strict=True)):
        if networks[place] is None:
            content = _network(name, weights[name])
            files.replace(target, lambda path, content=content: path.write_bytes(content))  # type: ignore[misc]
            networks[place] = onnx_sessions.load(target)
    return networks


def _load_valid(file: Path) -> Any | None:
    """The session of a file that this version wrote and that is undamaged; else None."""
    if not file.is_file():
        return None
    try:
        content = file.read_bytes()
        network = onnx_sessions.load(file)
    except (OSError, MaskgateError):
        return None
    model_meta = network.get_modelmeta()
    metadata = model_meta.custom_metadata_map
    stored_hash = metadata.get("sha256") or _NO_HASH
    blank = content.replace(stored_hash.encode(), _NO_HASH.encode())
    same_version = (model_meta.graph_name, metadata.get("weights")) == (file.stem, SHA256)
    return network if same_version and hashlib.sha256(blank).hexdigest() == stored_hash else None


def _digest(weights: dict[str, bytes]) -> str:
    """The hash of the files of weights and of VERSION, in hex."""
    digest = hashlib.sha256(f"mtcnn {VERSION}".encode())
    for name in NETWORKS:
        digest.update(hashlib.sha256(weights[name]).digest())
    return digest.hexdigest()


def _weights() -> dict[str, bytes]:
    """The weight files in facenet-pytorch, which is located but not imported."""
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
    """The error for a package that is not installed."""
    return MaskgateError(
        "detector mtcnn: its networks are not in the cache, and writing them needs the package"
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

    def add_node(kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def add_layer(
        kind: str, key: str, tensor: str, weight: Floats, bias: Floats, output: str | None = None
    ) -> str:
        inputs = [tensor, parameter(f"{key}.weight", weight), parameter(f"{key}.bias", bias)]
        return add_node(kind, inputs, output or key, **({"transB": 1} if kind == "Gemm" else {}))

    def add_prelu(key: str, tensor: str, trailing: int) -> str:
        """PReLU as slope · x + (1 - slope) · relu(x): twice as fast as ONNX Runtime's PReLU."""
        slope = state[f"{key}.weight"].numpy().reshape(-1, *[1] * trailing)
        negative = add_node("Mul", [tensor, parameter(f"{key}.slope", slope)], f"{key}.below")
        positive = add_node("Relu", [tensor], f"{key}.relu")
        positive = add_node("Mul", [positive, parameter(f"{key}.rest", 1 - slope)], f"{key}.above")
        return add_node("Add", [negative, positive], key)

    tensor = add_node("Transpose", ["pixels"], "planes", perm=[0, 3, 1, 2])
    tensor = add_node("Cast", [tensor], "values", to=TensorProto.FLOAT)
    for number, pool in enumerate(_CONVOLUTIONS[name], 1):
        weight = state[f"conv{number}.weight"].numpy().astype("f8")
        bias = state[f"conv{number}.bias"].numpy().astype("f8")
        if number == 1:
            bias -= weight.sum(axis=(1, 2, 3)) * (127.5 / 128)
            weight /= 128
        tensor = add_layer("Conv", f"conv{number}", tensor, weight=weight, bias=bias)
        tensor = add_prelu(f"prelu{number}", tensor, 2)
        if pool:
            size, stride = pool
            sizes: dict[str, Any] = {"kernel_shape": [size] * 2, "strides": [stride] * 2}
            tensor = add_node("MaxPool", [tensor], f"pool{number}", ceil_mode=1, **sizes)
    kind = "Conv"
    if name in _DENSE:
        kind, number = "Gemm", _DENSE[name]
        tensor = add_node(
            "Transpose", [tensor], "columns", perm=[0, 3, 2, 1]
        )  # as the weights were trained
        tensor = add_node("Flatten", [tensor], "flat", axis=1)
        weight, bias = (state[f"dense{number}.{part}"].numpy() for part in ("weight", "bias"))
        tensor = add_prelu(
            f"prelu{number}",
            add_layer("Gemm", f"dense{number}", tensor, weight=weight, bias=bias),
            0,
        )
    for output, number_of in zip(_NAMES, _OUTPUTS[name], strict=False):
        key = f"{'conv' if kind == 'Conv' else 'dense'}{number_of}"
        weight, bias = (state[f"{key}.{part}"].numpy() for part in ("weight", "bias"))
        if output == "scores":  # softmax's second output is the sigmoid of the difference
            difference = add_layer(
                kind, key, tensor, weight=weight[1:] - weight[:1], bias=bias[1:] - bias[:1]
            )
            add_node("Sigmoid", [difference], output)
        else:
            add_layer(kind, key, tensor, weight=weight, bias=bias, output=output)
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
