"""Python code gives a photo as a path, bytes, an image or an array, and gets the same answer."""

import io
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image

import maskgate
from maskgate.errors import MaskgateError
from maskgate.imaging import pixels
from maskgate.inference import photos
from maskgate.inference.predictor import Predictor


@pytest.fixture(scope="module")
def model(trained: Path) -> Predictor:
    return maskgate.load(trained)


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo stored on its side."""
    coarse = np.random.default_rng(3).integers(0, 256, (8, 6, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path_factory.mktemp("photos") / "photo.jpg"
    Image.fromarray(coarse).resize((48, 64)).save(file, exif=exif, quality=90)
    return file


def test_one_photo_in_every_form_gets_one_answer(model: Predictor, path: Path) -> None:
    with Image.open(path) as image:
        forms: dict[str, Any] = {
            str(path): path,
            str(path) + " ": str(path),
            "photo 2": path.read_bytes(),
            "photo 3": image,
            "photo 4": np.asarray(pixels.decode(path)),
            "photo 5": bytearray(path.read_bytes()),
        }
        predictions = model.predict(forms.values()).to_pandas()
        assert predictions["photo"].tolist() == [name.strip() for name in forms]
        for form in forms.values():
            alone = model.predict(form).to_pandas()
            name = str(path) if isinstance(form, str | Path) else "photo 0"
            assert alone["photo"].tolist() == [name]
            pd.testing.assert_frame_equal(
                alone.drop(columns="photo"), predictions.iloc[:1].drop(columns="photo"), atol=1e-6
            )
        image.load()  # it is not closed
    values = predictions.drop(columns="photo")
    for row in range(1, len(values)):
        assert (values.iloc[row] == values.iloc[0]).all()


def test_arrays_and_generators_of_photos(model: Predictor) -> None:
    stack = np.random.default_rng(0).integers(0, 256, (3, 40, 30, 3), dtype=np.uint8)
    predictions = model.predict(stack).to_pandas()
    assert predictions["photo"].tolist() == ["photo 0", "photo 1", "photo 2"]
    again = model.predict(one[:, ::-1][:, ::-1] for one in stack).to_pandas()
    pd.testing.assert_frame_equal(predictions, again)
    assert len(model.predict([])) == 0


def test_an_image_may_be_of_any_mode(model: Predictor) -> None:
    image = Image.new("RGBA", (30, 40), (200, 30, 30, 0))
    white = np.full((40, 30, 3), 255, dtype=np.uint8)
    predictions = model.predict([image, white]).to_pandas().drop(columns="photo")
    assert (predictions.iloc[0] == predictions.iloc[1]).all()
    assert image.getpixel((0, 0)) == (200, 30, 30, 0)


@pytest.mark.parametrize(
    ("inputs", "message"),
    [
        (np.zeros((4, 4, 3)), r"photo 0: an array of 4 × 4 × 3 with values of type float64"),
        (np.zeros((4, 4), np.uint8), r"photo 0: an array of 4 × 4 with values of type uint8"),
        ([np.zeros((4, 4, 4), np.uint8)], r"photo 0: an array of 4 × 4 × 4"),
        ([b"", np.zeros((0, 4, 3), np.uint8)], r"photo 1: an array of 0 × 4 × 3"),
        (np.zeros((2, 3, 4, 4), np.uint8), r"photo 0: an array of 3 × 4 × 4"),
        (
            np.uint8(3) * np.ones((), np.uint8),
            r"photo 0: an array of no dimension|uint8 is no photo",
        ),
        (7, r"photos: int is no photo; give a path"),
        (None, r"photos: NoneType is no photo"),
        ([None], r"photo 0: NoneType is no photo; give a path"),
        (["a.jpg", 3.5], r"photo 1: float is no photo"),
        ([["a.jpg"]], r"photo 0: list is no photo"),
    ],
)
def test_what_is_no_photo_is_one_sentence(inputs: object, message: str) -> None:
    with pytest.raises(MaskgateError, match=message):
        photos.read_inputs(inputs)  # type: ignore[arg-type]


def test_a_photo_opened_as_text_is_one_sentence(path: Path) -> None:
    with path.open(encoding="utf-8") as file, pytest.raises(MaskgateError, match="mode 'rb'"):
        photos.read_inputs(file)
    with pytest.raises(MaskgateError, match="photo 1: a file opened as text"):
        photos.read_inputs([b"", io.StringIO("photo")])  # type: ignore[list-item]


def test_faults_are_named(model: Predictor, path: Path, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError) as error:
        model.predict([path, b"no photo", "gone.jpg", "nul\0.jpg"])
    message = str(error.value)
    assert "3 of 4 photos cannot be read: photo 1 (not an image" in message
    assert "gone.jpg (no such file)" in message
    assert message.endswith("skip them with --skip-faulty (in Python: skip_faulty=True)")
    assert model.predict([b"", path], skip_faulty=True).photos == [str(path)]


def test_an_image_that_is_cut_short_is_a_fault(model: Predictor) -> None:
    buffer = io.BytesIO()
    Image.effect_noise((64, 64), 50).save(buffer, "JPEG")
    with (
        Image.open(io.BytesIO(buffer.getvalue()[:700])) as image,
        pytest.raises(MaskgateError, match=r"photo 0 \(damaged"),
    ):
        model.predict(image)


def test_faces_are_told_in_the_pixels_of_the_photo() -> None:
    from maskgate.faces import reader
    from maskgate.faces.protocol import Faces

    image = Image.new("RGB", (6016, 4000))
    large = np.asarray(pixels.decode(image))
    assert large.shape == (2000, 3008, 3)

    class Toy:
        detector_key = name = "toy"
        detector = object()

        def faces(self, image: Image.Image) -> Faces:
            assert image.size == (3008, 2000)
            box = np.array([[10, 20, 110, 140]], dtype=np.float32)
            return Faces(box, np.full((1, 5, 2), 50, np.float32), np.array([0.75], np.float32))

        def stored(self, image: Image.Image, faces: Faces, number: int) -> "np.ndarray":
            return np.zeros((4, 3, 3), np.uint8)

    views: list[Callable[..., object]] = [Toy()]  # type: ignore[list-item]
    prepared_photo = reader.read_photo(image, views)  # type: ignore[arg-type]
    np.testing.assert_allclose(prepared_photo.boxes, [[20, 40, 220, 280, 0.75]])


def test_an_open_file_is_one_photo(model: Predictor, path: Path) -> None:
    expected = model.predict(path).probabilities
    with path.open("rb") as file:
        predictions = model.predict(file)
    np.testing.assert_array_equal(predictions.probabilities, expected)
    for source in (io.BytesIO(path.read_bytes()), memoryview(path.read_bytes())):
        np.testing.assert_array_equal(model.predict(source).probabilities, expected)
    with pytest.raises(MaskgateError, match="opened as text"):
        model.predict(io.StringIO("text"))


def test_a_folder_is_the_photos_in_it(model: Predictor, path: Path, tmp_path: Path) -> None:
    for name in ("b.jpg", "a.jpg", "inner/c.jpg", ".hidden.jpg", "text.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        shutil.copy(path, tmp_path / name)
    names = [str(tmp_path / name) for name in ("a.jpg", "b.jpg", "inner/c.jpg")]
    folder = model.predict(tmp_path)
    assert folder.photos == names
    np.testing.assert_array_equal(folder.probabilities, model.predict(names).probabilities)
    assert model.predict([path.read_bytes(), tmp_path / "inner"]).photos == ["photo 0", names[2]]
    (tmp_path / "empty").mkdir()
    with pytest.raises(MaskgateError, match="empty: no photo in it"):
        model.predict(tmp_path / "empty")
