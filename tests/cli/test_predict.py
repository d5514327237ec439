"""`maskgate predict [MODEL] PHOTOS…`: the first word is a model, or a photo for the default one."""

import io
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import maskgate
from maskgate.cli import predict as command
from maskgate.core import default_model
from maskgate.door import Engine
from maskgate.imaging import pixels

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def default(face_bundle: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A bundle in place of the default model."""
    monkeypatch.setattr(default_model, "FOLDER", face_bundle)
    return face_bundle


@pytest.fixture
def photos(people: Path) -> list[Path]:
    return sorted((people / "eval" / "images").iterdir())[:4]


def refused(answer: tuple[int, str, str]) -> str:
    """The one sentence of a refusal."""
    code, out, error = answer
    assert (code, out, error.count("\n")) == (2, "", 1), error
    return error


def test_without_a_model_the_default_model_predicts(
    call: Call, default: Path, photos: list[Path], tmp_path: Path
) -> None:
    expected = call("predict", default, *photos)
    assert expected[0] == 0
    assert call("predict", *photos) == expected
    folder = tmp_path / "photos"
    folder.mkdir()
    for photo in photos:
        shutil.copy(photo, folder)
    code, text, _ = call("predict", folder)
    assert code == 0
    assert text.replace(str(folder), str(photos[0].parent)) == expected[1]
    out = tmp_path / "out.csv"
    assert call("predict", "--all-faces", "-o", out, *photos)[0] == 0
    assert out.read_text() == call("predict", default, *photos, "--all-faces")[1]


def test_python_takes_the_default_model_too(default: Path, photos: list[Path]) -> None:
    expected = maskgate.load(default).predict(photos)
    np.testing.assert_array_equal(maskgate.load().predict(photos).probabilities,
                                  expected.probabilities)  # fmt: skip
    frame = np.asarray(pixels.decode(photos[0]))
    verdicts, others = Engine()(frame), Engine(default)(frame)
    assert [each.box for each in verdicts] == [each.box for each in others]


def test_an_installation_without_it_says_so(
    call: Call, photos: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(default_model, "FOLDER", tmp_path / "default_model")
    error = refused(call("predict", *photos))
    assert f"{tmp_path}/default_model: this installation has no default model" in error


def test_runs_bundles_zips_and_folders_of_one_run_are_models(
    trained: Path, face_bundle: Path, tmp_path: Path
) -> None:
    shutil.make_archive(str(tmp_path / "bundle"), "zip", face_bundle)
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs" / "only").symlink_to(trained)
    for path in (trained, face_bundle, tmp_path / "bundle.zip", tmp_path / "runs"):
        assert command._model_and_photos([str(path), "a.jpg"]) == (path, ["a.jpg"])


def test_photos_are_no_model(photos: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "site"  # a page of photos has a manifest.json of its own
    folder.mkdir()
    shutil.copy(photos[0], folder)
    (folder / "manifest.json").write_text("{}")
    linked = tmp_path / "linked"
    linked.mkdir()
    (linked / "photos").symlink_to(folder)
    (tmp_path / "IMG_0001").write_bytes(photos[0].read_bytes())
    for word in (str(photos[0]), "gone.jpg", "s3://bucket/folder", str(folder), str(linked),
                 str(tmp_path), str(tmp_path / "IMG_0001")):  # fmt: skip
        assert command._model_and_photos([word]) == (None, [word])


def test_a_mistyped_model_is_called_neither(
    call: Call, default: Path, photos: list[Path], tmp_path: Path
) -> None:
    (tmp_path / "baseline").mkdir()
    error = refused(call("predict", tmp_path / "basline", *photos))
    assert f"{tmp_path}/basline: no such run, system or bundle, and no such photo" in error
    assert f"did you mean {tmp_path}/baseline?" in error
    error = refused(call("predict", tmp_path / "baseline", *photos))
    assert f"{tmp_path}/baseline: no run or bundle, and no photo in it" in error
    (tmp_path / "b.zip").write_bytes(b"no zip")
    assert "b.zip: no run; give" in refused(call("predict", tmp_path / "b.zip", *photos))


def test_a_model_alone_is_refused(call: Call, default: Path, trained: Path) -> None:
    for model in (default, trained):
        assert f"{model}: a model, but nothing to predict" in refused(call("predict", model))


def test_a_system_file_predicts_as_the_run_of_it(
    call: Call, trained: Path, photos: list[Path], tmp_path: Path
) -> None:
    run = shutil.copytree(trained, tmp_path / "run")
    system = tmp_path / "two.yaml"
    system.write_text(
        f"combine: soft_vote\nmembers: [{{name: one, run: {run}}}, {{name: two, run: {trained}}}]\n"
    )
    code, text, error = call("predict", system, *photos)
    assert code == 0, error
    assert text == call("predict", trained, *photos)[1]


def test_a_bundle_without_a_manifest_is_neither(
    call: Call, face_bundle: Path, photos: list[Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(face_bundle, tmp_path / "copy"))
    (folder / "manifest.json").unlink()
    assert "copy: no run or bundle, and no photo in it" in refused(call("predict", folder, *photos))


def test_a_photo_that_begins_as_a_zip_is_a_bundle_to_be_refused(
    call: Call, photos: list[Path], tmp_path: Path
) -> None:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("note.txt", "no bundle")
    (tmp_path / "a.jpg").write_bytes(content.getvalue())
    assert "no such file in the zip" in refused(call("predict", tmp_path / "a.jpg", *photos))
    Image.new("RGB", (48, 64)).save(tmp_path / "b.jpg")
    assert command._model_and_photos([str(tmp_path / "b.jpg")]) == (None, [f"{tmp_path}/b.jpg"])
