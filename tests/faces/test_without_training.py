"""Faces are found and cut out where nothing that only training needs is installed."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage.data
from PIL import Image

from maskgate.config.recipe import Photo
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, reader, view

TRAINING = (
    *("cv2", "facenet_pytorch", "filelock", "onnx", "pandas", "pyarrow", "safetensors", "scipy"),
    *("sklearn", "sqlite3", "torch", "torchvision"),
)
SCRIPT = f"""
import sys
sys.modules.update(dict.fromkeys({TRAINING!r}))  # to import any of them fails
from pathlib import Path
import numpy as np
from maskgate.faces import reader, view
from maskgate.config.recipe import Photo
photo = Photo.model_validate({{"face": {{"detector": "mtcnn"}}}})
face_view = view.create(photo, Path(sys.argv[1]))
reading = reader.read_photo(Path(sys.argv[2]), [face_view])
np.savez(sys.argv[3], boxes=reading.boxes, pictures=reading.pictures[0])
"""


def test_a_face_is_shown_as_where_all_is_installed(tmp_path: Path) -> None:
    photo, archive = tmp_path / "photo.png", tmp_path / "there.npz"
    Image.fromarray(skimage.data.astronaut()).save(photo)
    face_view = view.create(Photo.model_validate({"face": {"detector": "mtcnn"}}), tmp_path)
    reading = reader.read_photo(photo, [face_view])
    subprocess.run([sys.executable, "-c", SCRIPT, tmp_path, photo, archive], check=True)
    with np.load(archive) as other:
        np.testing.assert_array_equal(other["boxes"], reading.boxes)
        np.testing.assert_array_equal(other["pictures"], reading.pictures[0])
    assert np.isfinite(reading.boxes).all()


@pytest.mark.parametrize("name", ["torch", "onnx"])
def test_networks_that_cannot_be_written_are_one_sentence(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, name, None)
    message = (
        rf'package {name}, which is not installed; pip install "maskgate\[train\]",'
        " or train with yunet"
    )
    with pytest.raises(MaskgateError, match=message):
        detectors.create(Component(name="mtcnn"), tmp_path)


def test_a_scene_that_cannot_be_removed_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(sys.modules, "cv2", None)
    face = {"detector": "mtcnn", "background": "remove"}
    with pytest.raises(MaskgateError, match=r'remove needs OpenCV.*; pip install "maskgate\[train'):
        view.create(Photo.model_validate({"face": face}), tmp_path)
    assert not list(tmp_path.iterdir())
