"""RetinaFace with weights made up, through uniface's own classes once and else through others."""

import hashlib
import sys
from enum import Enum
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper, save

from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, model_files

SIDE = 64
WITHOUT = 'uniface is not installed: pip install "maskgate[retinaface]"'


def test_without_uniface_the_extra_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "uniface.constants", None)
    monkeypatch.setitem(sys.modules, "uniface", None)
    with pytest.raises(MaskgateError, match=r'pip install "maskgate\[retinaface\]"'):
        detectors.create(Component(name="retinaface"), tmp_path)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    """A network that sees one face around the middle of its first place, and a lesser one."""
    count = 2 * sum((SIDE // stride) ** 2 for stride in (8, 16, 32))
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
    save(helper.make_model(graph, opset_imports=[opset], ir_version=8), file)
    return file


class Variants(Enum):
    MNET_V2 = "retinaface_mnet_v2"
    RESNET18 = "retinaface_r18"


class Finder:
    """Finds no face in a square of the right size."""

    def detect(self, canvas: np.ndarray[Any, Any]) -> list[Any]:
        assert canvas.shape == (SIDE, SIDE, 3) and canvas.dtype == np.uint8
        return []


@pytest.fixture
def uniface(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """Stands in for the package. Its model store is returned, which downloads nothing."""
    registry = {
        each: SimpleNamespace(sha256=hashlib.sha256(b"whole").hexdigest()) for each in Variants
    }
    parts: dict[str, dict[str, object]] = {
        "common": {"generate_anchors": lambda image_size: None},
        "constants": {"RetinaFaceWeights": Variants, "MODEL_REGISTRY": registry},
        "detection": {"RetinaFace": Finder},
        "model_store": {"verify_model_weights": lambda *_, **__: pytest.fail("a download")},
    }
    package = ModuleType("uniface")
    monkeypatch.setitem(sys.modules, "uniface", package)
    for name, content in parts.items():
        module = ModuleType(f"uniface.{name}")
        vars(module).update(content)
        setattr(package, name, module)
        monkeypatch.setitem(sys.modules, f"uniface.{name}", module)
    return package.model_store


def test_its_faces_are_in_the_photos_pixels_surest_first(weights: Path, tmp_path: Path) -> None:
    """The one test that needs the package itself."""
    pytest.importorskip("uniface", reason=WITHOUT)
    component = Component(name="retinaface", file=str(weights), side=SIDE)
    detector = detectors.create(component, tmp_path)
    faces = detector(np.zeros((100, 200, 3), np.uint8))
    assert faces.scores == pytest.approx([0.9, 0.6])
    assert faces.boxes.shape == (2, 4) and faces.landmarks.shape == (2, 5, 2)
    scale = 200 / SIDE
    centres = faces.boxes.reshape(-1, 2, 2).mean(axis=1)
    assert centres == pytest.approx(np.array([[48, 48], [4, 4]]) * scale, abs=0.01)
    assert faces.landmarks[1] == pytest.approx(np.full((5, 2), 4 * scale), abs=0.01)
    assert len(detector.sha256) == 64
    assert detector.arguments == {"variant": "mnet_v2", "score": 0.5, "side": 64, "overlap": 0.4}


@pytest.mark.usefixtures("uniface")
@pytest.mark.parametrize("shape", [(1, 1), (1, 1500), (1500, 1)])
def test_odd_photos_raise_nothing(weights: Path, shape: tuple[int, int], tmp_path: Path) -> None:
    component = Component(name="retinaface", file=str(weights), side=SIDE)
    assert len(detectors.create(component, tmp_path)(np.zeros((*shape, 3), np.uint8))) == 0


def test_uniface_is_asked_for_the_weights(
    weights: Path, uniface: SimpleNamespace, tmp_path: Path
) -> None:
    requests: list[Any] = []

    def verify_model_weights(model: Any, root: str, **_: Any) -> str:
        requests.append((model.value, root))
        return str(weights)

    uniface.verify_model_weights = verify_model_weights
    detectors.create(Component(name="retinaface", variant="r18", side=SIDE), tmp_path)
    assert requests == [("retinaface_r18", str(tmp_path / "models"))]


def test_a_run_keeps_its_file_and_takes_that(
    weights: Path, uniface: SimpleNamespace, tmp_path: Path
) -> None:
    """`uniface` would download, which fails the test."""
    first = detectors.create(Component(name="retinaface", file=str(weights), side=SIDE), tmp_path)
    kept = tmp_path / "detector"
    model_files.keep(first.files, kept)
    assert [file.name for file in kept.iterdir()] == ["retinaface.onnx"]
    for file in ({}, {"file": "gone.onnx"}):
        component = Component(name="retinaface", side=SIDE, **file)
        assert detectors.create(component, tmp_path, kept=kept).sha256 == first.sha256


def test_a_failed_download_is_told(uniface: SimpleNamespace, tmp_path: Path) -> None:
    def fails(*_: Any, **__: Any) -> str:
        raise ConnectionError("no way out")

    uniface.verify_model_weights = fails
    with pytest.raises(MaskgateError, match=r"downloaded by uniface \(no way out\).*mtcnn"):
        detectors.create(Component(name="retinaface"), tmp_path)


@pytest.mark.usefixtures("uniface")
def test_unknown_variants_and_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="variant of retinaface mnet_v3; did you mean mnet_v"):
        detectors.create(Component(name="retinaface", variant="mnet_v3"), tmp_path)
    with pytest.raises(MaskgateError, match="no such file"):
        detectors.create(Component(name="retinaface", file="gone.onnx"), tmp_path)


@pytest.mark.usefixtures("uniface")
def test_its_file_is_at_hand_where_it_is_whole(tmp_path: Path) -> None:
    file = tmp_path / "models" / "retinaface_mnet_v2.onnx"
    file.parent.mkdir()
    plain, other = Component(name="retinaface"), Component(name="retinaface", variant="r18")
    assert not detectors.is_available(plain, tmp_path)
    file.write_bytes(b"half")  # uniface would download it anew
    assert not detectors.is_available(plain, tmp_path)
    file.write_bytes(b"whole")
    assert detectors.is_available(plain, tmp_path) and not detectors.is_available(other, tmp_path)
    assert detectors.is_available(Component(name="retinaface", variant="r18", file="x"), tmp_path)


def test_what_uniface_would_take_needs_no_uniface(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "uniface.constants", None)
    monkeypatch.setitem(sys.modules, "uniface", None)
    assert not detectors.is_available(Component(name="retinaface"), tmp_path)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "retinaface_mnet_v2.onnx").write_bytes(b"any")
    assert detectors.is_available(Component(name="retinaface"), tmp_path)
