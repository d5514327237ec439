"""RetinaFace through uniface's own classes; only the weights are made up."""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from maskgate.config import Named
from maskgate.errors import MaskgateError
from maskgate.faces import detectors

SIDE = 64


def test_without_uniface_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "uniface.constants", None)
    monkeypatch.setitem(sys.modules, "uniface", None)
    with pytest.raises(MaskgateError, match=r"pip install maskgate\[retinaface\]"):
        detectors.create(Named(name="retinaface"), tmp_path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network that sees one face around the middle of its first place, and a lesser one."""
    pytest.importorskip("uniface")
    onnx = pytest.importorskip("onnx")
    from onnx import TensorProto, helper, numpy_helper
    from uniface.common import generate_anchors

    count = len(generate_anchors(image_size=(SIDE, SIDE)))
    scores = np.tile(np.array([1, 0], "f4"), (1, count, 1))
    scores[0, [0, count - 1]] = [[0.4, 0.6], [0.1, 0.9]]
    values = [np.zeros((1, count, 4), "f4"), scores, np.zeros((1, count, 10), "f4")]
    names = ["boxes", "scores", "landmarks"]
    nodes = [helper.make_node("Identity", [f"{name}_value"], [name]) for name in names]
    made_up = [
        numpy_helper.from_array(each, f"{name}_value")
        for name, each in zip(names, values, strict=True)
    ]
    pixels = helper.make_tensor_value_info("input", TensorProto.FLOAT, [1, 3, SIDE, SIDE])
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names]
    graph = helper.make_graph(nodes, "retinaface", [pixels], outputs, made_up)
    file = tmp_path / "retinaface.onnx"
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=8), file)
    return file


def test_its_faces_are_in_the_photos_pixels_surest_first(weights: Path, tmp_path: Path) -> None:
    wanted = Named(name="retinaface", file=str(weights), side=SIDE)
    detector = detectors.create(wanted, tmp_path)
    faces = detector(np.zeros((100, 200, 3), np.uint8))
    assert faces.scores == pytest.approx([0.9, 0.6])
    assert faces.boxes.shape == (2, 4) and faces.landmarks.shape == (2, 5, 2)
    scale = 200 / SIDE
    centres = faces.boxes.reshape(-1, 2, 2).mean(axis=1)
    assert centres == pytest.approx(np.array([[48, 48], [4, 4]]) * scale, abs=0.01)
    assert faces.landmarks[1] == pytest.approx(np.full((5, 2), 4 * scale), abs=0.01)
    assert len(detector.sha256) == 64
    assert detector.arguments == {"variant": "mnet_v2", "score": 0.5, "side": 64, "overlap": 0.4}


@pytest.mark.parametrize("shape", [(1, 1), (1, 1500), (1500, 1)])
def test_odd_photos_raise_nothing(weights: Path, shape: tuple[int, int], tmp_path: Path) -> None:
    wanted = Named(name="retinaface", file=str(weights), side=SIDE, score=0.95)
    assert len(detectors.create(wanted, tmp_path)(np.zeros((*shape, 3), np.uint8))) == 0


def test_uniface_is_asked_for_the_weights(
    weights: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from uniface import model_store

    asked: list[Any] = []

    def given(model: Any, root: str, **_: Any) -> str:
        asked.append((model.value, root))
        return str(weights)

    monkeypatch.setattr(model_store, "verify_model_weights", given)
    detectors.create(Named(name="retinaface", variant="r18", side=SIDE), tmp_path)
    assert asked == [("retinaface_r18", str(tmp_path / "models"))]


def test_a_failed_download_is_told(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("uniface")
    from uniface import model_store

    def fails(*_: Any, **__: Any) -> str:
        raise ConnectionError("no way out")

    monkeypatch.setattr(model_store, "verify_model_weights", fails)
    with pytest.raises(MaskgateError, match=r"downloaded by uniface \(no way out\).*mtcnn"):
        detectors.create(Named(name="retinaface"), tmp_path)


def test_unknown_variants_and_other_files_are_refused(tmp_path: Path) -> None:
    pytest.importorskip("uniface")
    with pytest.raises(MaskgateError, match="variant of retinaface mnet_v3; did you mean mnet_v"):
        detectors.create(Named(name="retinaface", variant="mnet_v3"), tmp_path)
    with pytest.raises(MaskgateError, match="no such file"):
        detectors.create(Named(name="retinaface", file="gone.onnx"), tmp_path)
