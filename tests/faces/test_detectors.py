"""Detectors by name: which are known, what they refuse, and what every one copes with."""

import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import skimage.data

from maskgate.config import recipe
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import detectors
from maskgate.faces.protocol import Detector

YUNET = os.environ.get("MASKGATE_YUNET")
WITHOUT = "YuNet's file is not given: name face_detection_yunet_2026may.onnx in $MASKGATE_YUNET"
AT_HAND = ["mtcnn", *(["yunet"] if YUNET else [])]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(params=AT_HAND)
def detector(request: pytest.FixtureRequest, folder: Path) -> Detector:
    return detectors.create(Component(name=request.param), folder)


def test_a_known_face_is_found_with_its_landmarks_in_order(detector: Detector) -> None:
    faces = detector(skimage.data.astronaut())
    left, top, right, bottom = faces.boxes[0]
    assert 165 < left < 195 and 45 < top < 85 and 250 < right < 285 and 160 < bottom < 190
    points = faces.landmarks[0]
    assert (points > (left, top)).all() and (points < (right, bottom)).all()
    eye, other_eye, nose, mouth, other_mouth = points
    assert eye[0] < nose[0] < other_eye[0] and mouth[0] < nose[0] < other_mouth[0]
    assert max(eye[1], other_eye[1]) < nose[1] < min(mouth[1], other_mouth[1])
    assert faces.scores[0] > 0.8 and (np.diff(faces.scores) <= 0).all()


def test_boxes_are_in_the_photos_own_pixels(detector: Detector) -> None:
    photo = skimage.data.astronaut()
    once = detector(photo)
    moved = detector(np.pad(photo, ((0, 0), (512, 0), (0, 0)))[:, 256:])
    assert moved.boxes[0] == pytest.approx(once.boxes[0] + (256, 0, 256, 0), abs=12)
    twice = detector(np.repeat(np.repeat(photo, 2, axis=0), 2, axis=1))
    assert twice.landmarks[0] == pytest.approx(2 * once.landmarks[0], abs=12)


def test_red_is_not_taken_for_blue(detector: Detector) -> None:
    photo = skimage.data.astronaut()
    assert detector(photo).scores[0] > detector(photo[..., ::-1].copy()).scores[0]


@pytest.mark.parametrize("shape", [(1, 1), (1, 500), (500, 1), (40, 4000), (3000, 3000)])
def test_photos_without_a_face_give_none(detector: Detector, shape: tuple[int, int]) -> None:
    faces = detector(np.zeros((*shape, 3), np.uint8))
    assert len(faces) == 0
    assert faces.boxes.shape == (0, 4) and faces.landmarks.shape == (0, 5, 2)


def test_noise_raises_nothing(detector: Detector) -> None:
    rng = np.random.default_rng(0)
    for shape in ((2, 3), (13, 11), (97, 31), (300, 400)):
        faces = detector(rng.integers(0, 256, (*shape, 3), dtype=np.uint8))
        assert len(faces.boxes) == len(faces.landmarks) == len(faces.scores)


def test_a_view_of_another_array_is_a_photo(detector: Detector) -> None:
    photo = skimage.data.astronaut()
    view = photo[:, ::-1]
    assert np.array_equal(detector(view).boxes, detector(view.copy()).boxes)


def test_threads_find_what_one_finds(detector: Detector) -> None:
    photo = skimage.data.astronaut()
    photos = [photo[: 300 + 20 * cut, : 320 + 10 * cut] for cut in range(8)]
    alone = [detector(each).boxes for each in photos]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda each: detector(each).boxes, photos * 2))
    for one, other in zip(alone * 2, together, strict=True):
        assert np.array_equal(one, other)


def test_what_it_is_can_be_recorded(detector: Detector, folder: Path) -> None:
    assert len(detector.sha256) == 64 and detector.arguments
    again = detectors.create(Component(name=detector.name, **detector.arguments), folder)
    assert (again.sha256, again.arguments) == (detector.sha256, detector.arguments)


def test_auto_is_mtcnn_without_yunets_file(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.delenv("MASKGATE_YUNET", raising=False)
    assert detectors.create(Component(name="auto"), folder).name == "mtcnn"


@pytest.mark.skipif(not YUNET, reason=WITHOUT)
def test_auto_is_yunet_where_its_file_is(folder: Path) -> None:
    assert detectors.create(Component(name="auto"), folder).name == "yunet"


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"name": "mtccn"}, "unknown detector mtccn; did you mean mtcnn?"),
        ({"name": "haar"}, "unknown detector haar; known are auto, mtcnn, retinaface, yunet"),
        ({"name": "auto", "score": 0.5}, "auto: arguments (score) need the detector's name, such"),
        ({"name": "mtcnn", "score": 0.5}, "no argument score; it takes min_face, thresholds, fac"),
        ({"name": "mtcnn", "min_face": 2}, "min_face is 2; it must be in 0.01–1"),
        ({"name": "mtcnn", "min_face": True}, "min_face is True, not a number"),
        ({"name": "mtcnn", "factor": 1}, "factor is 1; it must be in"),
        ({"name": "mtcnn", "thresholds": 0.5}, "thresholds is 0.5; give three numbers"),
        ({"name": "mtcnn", "thresholds": [0.5, 0.5]}, "give three numbers"),
        ({"name": "mtcnn", "thresholds": [0.5, 0.5, "a"]}, "thresholds is 'a', not a number"),
        ({"name": "yunet", "file": "/no/such.onnx"}, "/no/such.onnx: no such file"),
        ({"name": "yunet", "file": 3}, "file of detector yunet is 3, not a path"),
    ],
)
def test_what_is_refused_is_told_in_one_sentence(
    setting: dict[str, object], message: str, folder: Path
) -> None:
    with pytest.raises(MaskgateError) as fault:
        detectors.create(Component(**setting), folder)  # type: ignore[arg-type]
    assert message in str(fault.value) and "\n" not in str(fault.value)


def test_a_file_below_auto_asks_for_the_name(folder: Path) -> None:
    def component(change: str) -> Component:
        changes = ["photo.face.detector=auto", change]
        face = recipe.load(recipe.find("face"), changes).photo.face
        assert face is not None
        return face.detector

    below = component("photo.face.detector.file=PATH")
    with pytest.raises(MaskgateError) as fault:
        detectors.create(below, folder)
    advice = re.search(r"photo\.face\.detector=\{.*?\}", str(fault.value))
    assert advice and "(in maskgate faces: --detector yunet file=PATH)" in str(fault.value)
    assert component(advice[0]) == Component(name="yunet", file="PATH")


@pytest.mark.skipif(not YUNET, reason=WITHOUT)
@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ({"score": -1}, "score is -1; it must be in"),
        ({"side": 320.5}, "side is 320.5, not a whole number"),
        ({"side": 5}, "side is 5; it must be in 64–2048"),
        ({"overlap": "much"}, "overlap is 'much', not a number"),
    ],
)
def test_yunet_refuses(argument: dict[str, object], message: str, folder: Path) -> None:
    with pytest.raises(MaskgateError, match=message):
        detectors.create(Component(name="yunet", **argument), folder)


WITHOUT_TORCH = """
import sys
from pathlib import Path

sys.modules.update(torch=None, facenet_pytorch=None, onnx=None)  # to import one is a fault
import numpy as np
from PIL import Image
from maskgate.config.settings import Component
from maskgate.imaging.tta import tta_views
from maskgate.faces import reader, view
from maskgate.config.recipe import Photo

photo = Photo.model_validate({"face": {"detector": "mtcnn", "background": "remove"}})
seen = view.create(photo, Path(sys.argv[1]))
noise = np.random.default_rng(0).integers(0, 255, (90, 70, 3), dtype=np.uint8)
Image.fromarray(noise).save(sys.argv[2])
stored = reader.read_photo(Path(sys.argv[2]), [seen]).pictures[0]
shown = tta_views([Component(name="flip")], seen.geometry)
print(*(tta_view.apply(stored, seen.geometry).shape for tta_view in shown))
"""


def test_a_door_sees_faces_without_torch(tmp_path: Path, cache: Path) -> None:
    detectors.create(Component(name="mtcnn"), cache)  # here the networks are exported, once
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TORCH, str(cache), str(tmp_path / "photo.png")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout == "(1, 128, 96, 3) (1, 128, 96, 3)\n", done.stderr
