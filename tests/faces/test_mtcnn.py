"""Our cascade against that of facenet-pytorch, whose weights it uses."""

import hashlib
import importlib.util
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
import skimage.data
from onnx import helper

from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, mtcnn_export, nms
from maskgate.faces.mtcnn_export import NETWORKS
from maskgate.imaging.pixels import Pixels, decode
from maskgate.synthetic.people import sample_people

PAPER = {"thresholds": [0.6, 0.7, 0.7], "factor": 0.709}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def facenet_mtcnn() -> Any:
    package = pytest.importorskip("facenet_pytorch")
    return package.MTCNN(min_face_size=40, keep_all=True, select_largest=False, **PAPER)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    root = tmp_path_factory.mktemp("people")
    people = sample_people.make(root, 2, 0, (256, 192), twins=0, irregular_files=False)
    return [np.asarray(decode(file)) for file in sorted(people.train.glob("images/*/*.*"))]


def test_the_known_face_lies_where_they_find_it(folder: Path, facenet_mtcnn: Any) -> None:
    photo = skimage.data.astronaut()
    faces = detectors.create(Component(name="mtcnn", min_face=40 / 512, **PAPER), folder)(photo)
    boxes, scores, points = facenet_mtcnn.detect(photo, landmarks=True)
    assert len(faces) == len(boxes) == 1
    assert faces.boxes[0] == pytest.approx(boxes[0].astype(float), abs=5)
    assert faces.landmarks[0] == pytest.approx(points[0].astype(float), abs=3)
    assert faces.scores[0] == pytest.approx(scores[0], abs=0.01)


def test_it_finds_no_fewer_drawn_people(
    folder: Path, facenet_mtcnn: Any, drawn: list[Pixels]
) -> None:
    detector = detectors.create(Component(name="mtcnn", min_face=40 / 192, **PAPER), folder)
    has_face = np.array([len(detector(photo)) > 0 for photo in drawn])
    other = np.array([facenet_mtcnn.detect(photo)[0] is not None for photo in drawn])
    assert has_face.sum() >= other.sum() - 1


def test_networks_compute_what_theirs_do(folder: Path, facenet_mtcnn: Any) -> None:
    import torch

    networks = mtcnn_export.load(folder / "models")
    rng = np.random.default_rng(0)
    for exported, network, side in zip(
        networks,
        (facenet_mtcnn.pnet, facenet_mtcnn.rnet, facenet_mtcnn.onet),
        (37, 24, 48),
        strict=True,
    ):
        photos = rng.integers(0, 256, (3, side, side, 3), dtype=np.uint8)
        outputs = exported.run(None, {"pixels": photos})
        values = (torch.from_numpy(photos).permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.no_grad():
            *rest, scores = network(values)
        for output, other in zip(outputs, [scores[:, 1:], *rest], strict=True):
            assert output == pytest.approx(other.numpy(), abs=1e-4)


def test_its_hash_is_of_the_weights_and_not_of_what_onnx_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It stands in recipes: where this fails, runs of earlier versions refuse to predict."""
    package = importlib.util.find_spec("facenet_pytorch")
    assert package is not None and package.origin is not None
    data = Path(package.origin).parent / "data"
    digests = [hashlib.sha256((data / f"{name}.pt").read_bytes()).digest() for name in NETWORKS]
    known = hashlib.sha256(b"mtcnn 1" + b"".join(digests)).hexdigest()
    assert known == "3e824863f89637b69d6a32a209952e130a1962da029b21ebfd9a200518fd5819"
    one = detectors.create(Component(name="mtcnn"), tmp_path / "one")
    monkeypatch.setattr("onnx.helper.make_model", partial(helper.make_model, doc_string="new"))
    other = detectors.create(Component(name="mtcnn"), tmp_path / "other")
    assert one.sha256 == other.sha256 == known
    written = [(tmp_path / each / "models" / "mtcnn_pnet.onnx") for each in ("one", "other")]
    assert written[0].read_bytes() != written[1].read_bytes()


def test_once_exported_neither_torch_nor_the_weights_are_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    detectors.create(Component(name="mtcnn"), folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert detectors.create(Component(name="mtcnn"), folder).name == "mtcnn"
    with pytest.raises(
        MaskgateError,
        match=r'facenet-pytorch, which is not .*install "maskgate\[train\]", or train with yunet$',
    ):
        detectors.create(Component(name="mtcnn"), tmp_path)


def flipped(content: bytes) -> bytes:
    """One bit of a weight is another."""
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def of_other_weights(content: bytes) -> bytes:
    """Whole, but says that it is of other weights."""
    model = onnx.load_from_string(content)
    helper.set_model_props(model, {"weights": "1" * 64, "sha256": "0" * 64})
    blank = model.SerializeToString(deterministic=True)
    return blank.replace(b"0" * 64, hashlib.sha256(blank).hexdigest().encode())


def silent(content: bytes) -> bytes:
    """Says nothing of itself, as those of older versions."""
    model = onnx.load_from_string(content)
    del model.metadata_props[:]
    return model.SerializeToString()


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda content: b"half", id="another"),
        pytest.param(lambda content: content[:-9], id="cut short"),
        flipped,
        of_other_weights,
        silent,
    ],
)
def test_a_file_that_is_damaged_or_another_is_exported_anew(
    spoil: Callable[[bytes], bytes], folder: Path
) -> None:
    detectors.create(Component(name="mtcnn"), folder)
    files = [folder / "models" / f"mtcnn_{name}.onnx" for name in NETWORKS]
    contents = [file.read_bytes() for file in files]
    kept = [file.stat().st_mtime_ns for file in files]
    files[1].write_bytes(spoil(contents[1]))
    detectors.create(Component(name="mtcnn"), folder)
    assert [file.read_bytes() for file in files] == contents
    assert [files[place].stat().st_mtime_ns for place in (0, 2)] == [kept[0], kept[2]]


def test_a_network_in_anothers_place_is_exported_anew(folder: Path) -> None:
    detectors.create(Component(name="mtcnn"), folder)
    first, second = (folder / "models" / f"mtcnn_{name}.onnx" for name in NETWORKS[:2])
    content = first.read_bytes()
    first.write_bytes(second.read_bytes())
    detectors.create(Component(name="mtcnn"), folder)
    assert first.read_bytes() == content


def test_other_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "data").mkdir()
    for name in NETWORKS:
        (tmp_path / "data" / f"{name}.pt").write_bytes(b"other")
    package = SimpleNamespace(submodule_search_locations=[str(tmp_path)])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: package)
    with pytest.raises(MaskgateError, match=r"are not those of release 2\.5\.3; pip install"):
        detectors.create(Component(name="mtcnn"), tmp_path)
    (tmp_path / "data" / "onet.pt").unlink()
    with pytest.raises(MaskgateError, match="not installed"):
        detectors.create(Component(name="mtcnn"), tmp_path)
    assert not (tmp_path / "models").exists()


def test_a_close_up_is_found(folder: Path) -> None:
    close = skimage.data.astronaut()[70:176, 180:270]
    assert len(detectors.create(Component(name="mtcnn"), folder)(close)) == 1


@pytest.mark.parametrize("of_smaller", [False, True])
def test_of_overlapping_boxes_the_surest_stay(of_smaller: bool) -> None:
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 60, (50, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (50, 2))], axis=1).astype("f4")
    scores = rng.random(50).astype("f4")

    def overlap(one: Any, other: Any) -> float:
        width = min(one[2], other[2]) - max(one[0], other[0])
        height = min(one[3], other[3]) - max(one[1], other[1])
        shared = max(width, 0) * max(height, 0)
        areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (one, other)]
        return shared / (min(areas) if of_smaller else sum(areas) - shared)

    stay: list[int] = []
    for each in np.argsort(-scores):
        if all(overlap(boxes[each], boxes[kept]) <= 0.4 for kept in stay):
            stay.append(int(each))
    assert nms.suppress(boxes, scores, 0.4, of_smaller).tolist() == stay
    assert len(nms.suppress(boxes[:0], scores[:0], 0.4)) == 0
