"""Our cascade against that of facenet-pytorch, whose weights it uses."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import skimage.data

from maskgate.config import Named
from maskgate.data import sample_people
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, mtcnn_export, overlaps
from maskgate.pixels import Pixels, decode

PAPER = {"thresholds": [0.6, 0.7, 0.7], "factor": 0.709}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def theirs() -> Any:
    package = pytest.importorskip("facenet_pytorch")
    return package.MTCNN(min_face_size=40, keep_all=True, select_largest=False, **PAPER)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> list[Pixels]:
    root = tmp_path_factory.mktemp("people")
    people = sample_people.make(root, 2, 0, (256, 192), twins=0, oddities=False)
    return [np.asarray(decode(file)) for file in sorted(people.train.glob("images/*/*.*"))]


def test_the_known_face_lies_where_they_find_it(folder: Path, theirs: Any) -> None:
    photo = skimage.data.astronaut()
    faces = detectors.create(Named(name="mtcnn", min_face=40 / 512, **PAPER), folder)(photo)
    boxes, scores, points = theirs.detect(photo, landmarks=True)
    assert len(faces) == len(boxes) == 1
    assert faces.boxes[0] == pytest.approx(boxes[0].astype(float), abs=5)
    assert faces.landmarks[0] == pytest.approx(points[0].astype(float), abs=3)
    assert faces.scores[0] == pytest.approx(scores[0], abs=0.01)


def test_it_finds_no_fewer_drawn_people(folder: Path, theirs: Any, drawn: list[Pixels]) -> None:
    own = detectors.create(Named(name="mtcnn", min_face=40 / 192, **PAPER), folder)
    ours = np.array([len(own(photo)) > 0 for photo in drawn])
    other = np.array([theirs.detect(photo)[0] is not None for photo in drawn])
    assert ours.sum() >= other.sum() - 1


def test_networks_compute_what_theirs_do(folder: Path, theirs: Any) -> None:
    import torch

    from maskgate.faces import sessions

    files = mtcnn_export.export(folder / "models")
    rng = np.random.default_rng(0)
    for file, network, side in zip(
        files, (theirs.pnet, theirs.rnet, theirs.onet), (37, 24, 48), strict=True
    ):
        photos = rng.integers(0, 256, (3, side, side, 3), dtype=np.uint8)
        ours = sessions.load(file).run(None, {"pixels": photos})
        values = (torch.from_numpy(photos).permute(0, 3, 1, 2).float() - 127.5) / 128
        with torch.no_grad():
            *rest, scores = network(values)
        for own, other in zip(ours, [scores[:, 1:], *rest], strict=True):
            assert own == pytest.approx(other.numpy(), abs=1e-4)


def test_the_files_are_always_the_same(tmp_path: Path) -> None:
    """Their hash stands in recipes: where this fails, a new onnx writes other bytes."""
    digest = detectors.create(Named(name="mtcnn"), tmp_path).sha256
    assert digest == "9b16895845af600de244216dc88341c4ed966aca716779779b31e3feced31da6"


def test_once_exported_neither_torch_nor_the_weights_are_needed(
    folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    detectors.create(Named(name="mtcnn"), folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert detectors.create(Named(name="mtcnn"), folder).name == "mtcnn"
    with pytest.raises(MaskgateError, match="pip install facenet-pytorch"):
        detectors.create(Named(name="mtcnn"), tmp_path)


def test_a_damaged_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    for name in mtcnn_export.NETWORKS:
        (tmp_path / "models" / f"mtcnn_{name}.onnx").write_bytes(b"half")
    with pytest.raises(MaskgateError, match=r"mtcnn_pnet\.onnx: not a model.*remove the file"):
        detectors.create(Named(name="mtcnn"), tmp_path)


def test_a_close_up_is_found(folder: Path) -> None:
    close = skimage.data.astronaut()[70:176, 180:270]
    assert len(detectors.create(Named(name="mtcnn"), folder)(close)) == 1


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
    assert overlaps.surest(boxes, scores, 0.4, of_smaller).tolist() == stay
    assert len(overlaps.surest(boxes[:0], scores[:0], 0.4)) == 0
