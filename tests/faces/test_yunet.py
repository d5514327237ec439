"""YuNet against OpenCV's own way of running it, and on drawn people."""

import os
from pathlib import Path

import cv2
import numpy as np
import onnx
import pytest
import skimage.data

from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, model_files
from maskgate.imaging import pixels
from maskgate.synthetic.people import sample_people

FILE = os.environ.get("MASKGATE_YUNET", "")
WITHOUT = "YuNet's file is not given: name face_detection_yunet_2026may.onnx in $MASKGATE_YUNET"
pytestmark = pytest.mark.skipif(not FILE, reason=WITHOUT)


def test_it_finds_what_opencv_finds(tmp_path: Path) -> None:
    photo = skimage.data.astronaut()[:480, :400]
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
    opencv_detector = cv2.FaceDetectorYN.create(FILE, "", (240, 288), 0.05, 0.3)
    cv2.utils.logging.setLogLevel(level)
    small = cv2.resize(photo, (240, 288), interpolation=cv2.INTER_AREA)
    rows = opencv_detector.detect(small[..., ::-1].copy())[1]
    rows = rows[np.argsort(-rows[:, 14])]
    faces = detectors.create(Component(name="yunet", side=288, score=0.05), tmp_path)(photo)
    scale = 400 / 240
    assert len(rows) == len(faces)
    assert faces.scores == pytest.approx(rows[:, 14], abs=1e-4)
    assert faces.boxes[:, :2] == pytest.approx(rows[:, :2] * scale, abs=0.05)
    assert faces.boxes[:, 2:] == pytest.approx((rows[:, :2] + rows[:, 2:4]) * scale, abs=0.05)
    assert faces.landmarks.reshape(-1, 10) == pytest.approx(rows[:, 4:14] * scale, abs=0.05)


def test_drawn_people_are_found(tmp_path: Path) -> None:
    people = sample_people.make(tmp_path, 3, 0, (192, 144), twins=0, irregular_files=False)
    detector = detectors.create(Component(name="yunet"), tmp_path)
    photos = sorted(people.train.glob("images/*/*.*"))
    has_face = [len(detector(np.asarray(pixels.decode(photo)))) > 0 for photo in photos]
    assert len(photos) == 21 and np.mean(has_face) >= 0.9


def test_a_close_up_is_found(tmp_path: Path) -> None:
    close = skimage.data.astronaut()[70:176, 180:270]
    assert len(detectors.create(Component(name="yunet"), tmp_path)(close)) == 1


def test_a_file_of_one_size_takes_photos_of_any(tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.onnx"
    model = onnx.load(FILE)
    for dimension in model.graph.input[0].type.tensor_type.shape.dim[2:]:
        dimension.dim_value = 320
    onnx.save(model, fixed)
    detector = detectors.create(Component(name="yunet", file=str(fixed)), tmp_path)
    default_detector = detectors.create(Component(name="yunet"), tmp_path)
    photo = skimage.data.astronaut()[:, 100:400]
    assert detector(photo).boxes == pytest.approx(default_detector(photo).boxes, abs=1)
    assert detector.sha256 != default_detector.sha256 == model_files.YUNET.sha256
    with pytest.raises(MaskgateError, match="takes pictures of 320 pixels; set side"):
        detectors.create(Component(name="yunet", file=str(fixed), side=640), tmp_path)
