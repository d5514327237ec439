"""Copies of bundles to damage, small networks, and manifests sealed again after a change."""

import hashlib
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskgate.faces import model_files, mtcnn_export

Graph = Callable[..., bytes]
Reseal = Callable[..., Path]


def sealed(values: dict[str, Any]) -> str:
    """The text of a manifest with its seal, as an export writes it."""
    rest = {key: value for key, value in values.items() if key != "sha256"}
    digest = hashlib.sha256((json.dumps(rest, indent=2) + "\n").encode()).hexdigest()
    return json.dumps({**rest, "sha256": digest}, indent=2) + "\n"


@pytest.fixture(autouse=True)
def nothing_from_elsewhere(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a bundle says, no detector comes from outside it."""

    def fail(*_: object, **__: object) -> Any:
        pytest.fail("a model is taken from outside the bundle")

    monkeypatch.setattr(model_files, "_fetch", fail)
    monkeypatch.setattr(mtcnn_export, "_weights", fail)


@pytest.fixture
def reseal() -> Reseal:
    """`reseal(folder, change)` lets `change` edit the manifest's values, lists the files again as
    they are, and seals it: what a stranger can do. The folder."""

    def write(folder: Path, change: Callable[[dict[str, Any]], object] | None = None) -> Path:
        manifest = folder / "manifest.json"
        values = json.loads(manifest.read_text())
        for name in list(values["files"]):
            if (folder / name).is_file():
                content = (folder / name).read_bytes()
                digest = hashlib.sha256(content).hexdigest()
                values["files"][name] = {"sha256": digest, "bytes": len(content)}
        if change is not None:
            change(values)
        manifest.write_text(sealed(values))
        return folder

    return write


@pytest.fixture(scope="session")
def graph() -> Graph:
    """`graph()` is a network of maskgate in its smallest form, or another with `changes`."""
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper

    def make(
        shape: tuple[Any, ...] = ("N", 32, 24, 3),
        kind: int = TensorProto.UINT8,
        classes: int = 18,
        declared: tuple[Any, ...] = ("N", 18),
        output: int = TensorProto.FLOAT,
        domain: str = "",
        external: bool = False,
        second: bool = False,
    ) -> bytes:
        features = math.prod(shape[2:])  # of the mean over rows
        weights = numpy_helper.from_array(np.full((features, classes), 0.01, np.float32), "weights")
        if external:
            weights.ClearField("raw_data")
            weights.data_location = TensorProto.EXTERNAL
            weights.external_data.add(key="location", value="weights.bin")
        nodes = [
            helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["floats", "axis"], ["means"], keepdims=0),
            helper.make_node("Reshape", ["means", "flat"], ["features"]),
            helper.make_node("MatMul", ["features", "weights"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["softmax"], domain=domain),
            helper.make_node("Cast", ["softmax"], ["probabilities"], to=output),
        ]
        inputs = [helper.make_tensor_value_info("photos", kind, shape)]
        if second:
            inputs.append(helper.make_tensor_value_info("more", kind, shape))
        constants = [
            numpy_helper.from_array(np.array([1]), "axis"),
            numpy_helper.from_array(np.array([-1, features]), "flat"),
            weights,
        ]
        outputs = [helper.make_tensor_value_info("probabilities", output, declared)]
        network = helper.make_graph(nodes, "network", inputs, outputs, constants)
        opsets = [helper.make_opsetid("", 18)]
        if domain:
            opsets.append(helper.make_opsetid(domain, 1))
        model = helper.make_model(network, opset_imports=opsets, ir_version=10)
        assert isinstance(model, onnx.ModelProto)
        return bytes(model.SerializeToString())

    return make


@pytest.fixture
def broken(bundle: Path, graph: Graph, reseal: Reseal, tmp_path: Path) -> Path:
    """A copy of the bundle of whole photos with the smallest networks, to be damaged."""
    return reseal(_copy(bundle, tmp_path / "broken", graph()))


@pytest.fixture
def broken_face(face_bundle: Path, graph: Graph, reseal: Reseal, tmp_path: Path) -> Path:
    """A copy of the bundle with a face detector and the smallest networks, to be damaged."""
    content = graph(shape=("N", 48, 40, 3))
    return reseal(_copy(face_bundle, tmp_path / "broken-face", content))


def _copy(bundle: Path, folder: Path, network: bytes) -> Path:
    shutil.copytree(bundle, folder)
    for path in folder.glob("models/*.onnx"):
        path.write_bytes(network)
    return folder
