"""A bundle may prefer face detectors that it does not hold: they are used where their file is."""

import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskgate
from maskgate.bundle import open_bundle
from maskgate.bundle.manifest import SingleModelSpec, leaves
from maskgate.door import Engine
from maskgate.errors import MaskgateError
from maskgate.faces import model_files
from maskgate.imaging import pixels
from maskgate.inference import bundles, loading

Call = Callable[..., tuple[int, str, str]]
YUNET = os.environ.get("MASKGATE_YUNET", "")
NEEDS_YUNET = pytest.mark.skipif(
    not YUNET, reason="YuNet's file is not given: name it in $MASKGATE_YUNET"
)
CONTENT = b"a model"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
SETTING = {"name": "yunet", "score": 0.3, "side": 128, "overlap": 0.3}


@pytest.fixture(autouse=True)
def no_file(monkeypatch: pytest.MonkeyPatch) -> None:
    """YuNet's file is not at hand, unless a test names it."""
    monkeypatch.delenv(model_files.YUNET.variable, raising=False)


@pytest.fixture
def preferring(face_bundle: Path, tmp_path: Path) -> Callable[..., Path]:
    """`preferring(**values)` is a bundle with MTCNN whose manifest prefers YuNet, or the detector
    of these values."""

    def write(**values: object) -> Path:
        folder = Path(shutil.copytree(face_bundle, tmp_path / "bundle"))
        manifest = json.loads((folder / "manifest.json").read_text())
        manifest["model"]["preferred"] = [{"detector": SETTING, "sha256": SHA256} | values]
        _seal(folder / "manifest.json", manifest)
        return folder

    return write


def _seal(path: Path, values: Mapping[str, Any]) -> None:
    rest = {key: value for key, value in values.items() if key != "sha256"}
    digest = hashlib.sha256((json.dumps(rest, indent=2) + "\n").encode()).hexdigest()
    path.write_text(json.dumps({**rest, "sha256": digest}, indent=2) + "\n")


def spec_of(folder: Path) -> SingleModelSpec:
    (spec,) = leaves(open_bundle(folder).manifest.model)
    return spec


def test_it_is_the_bundles_own_without_the_others_file(
    preferring: Callable[..., Path], tmp_path: Path
) -> None:
    spec = spec_of(preferring())
    assert bundles.choose_detector(spec, tmp_path) == (spec.photo, spec.detector)


@pytest.mark.parametrize("place", ["environment", "cache"])
def test_a_file_with_the_hash_is_used(
    place: str,
    preferring: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    spec = spec_of(preferring())
    file = tmp_path / "models" / model_files.YUNET.name
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    cache = tmp_path
    if place == "environment":
        cache = tmp_path / "empty"
        monkeypatch.setenv(model_files.YUNET.variable, str(file))
    photo, folder = bundles.choose_detector(spec, cache)
    assert folder is None and photo.face is not None and spec.photo.face is not None
    assert photo.face.sha256 == SHA256
    assert (photo.face.detector.name, photo.face.margin) == ("yunet", spec.photo.face.margin)
    assert photo.face.detector.arguments == {
        "score": 0.3, "side": 128, "overlap": 0.3, "file": str(file)
    }  # fmt: skip
    file.write_bytes(b"another model")
    assert bundles.choose_detector(spec, cache) == (spec.photo, spec.detector)


def test_a_file_is_named_by_path(preferring: Callable[..., Path], tmp_path: Path) -> None:
    spec = spec_of(preferring())
    file = tmp_path / "named.onnx"
    file.write_bytes(CONTENT)
    photo, folder = bundles.choose_detector(spec, tmp_path, file)
    assert folder is None and photo.face is not None
    assert photo.face.detector.arguments["file"] == str(file)


def test_a_file_that_is_not_the_detectors_is_refused(
    call: Call, preferring: Callable[..., Path], face_bundle: Path, people: Path, tmp_path: Path
) -> None:
    bundle, photo = preferring(), min((people / "eval" / "images").iterdir())
    file = tmp_path / "other.onnx"
    file.write_bytes(b"another model")
    for model, path, sentence in (
        (bundle, file, f"{file}: not the file of yunet (SHA-256 {SHA256[:12]}…), which the model"),
        (bundle, "/gone", "/gone: no such file, named by --detector-file; correct the path"),
        (face_bundle, file, f"{file}: the model has the face detector that it was trained with"),
    ):
        code, output, error = call("predict", model, photo, "--detector-file", path)
        assert (code, output, error.count("\n")) == (2, "", 1)
        assert error.startswith(f"maskgate: {sentence}"), error
        with pytest.raises(MaskgateError) as raised:
            maskgate.load(model, detector_file=path)
        assert str(raised.value).startswith(sentence)
        with pytest.raises(MaskgateError) as raised:
            Engine(model, detector_file=path)
        assert str(raised.value).startswith(sentence)
    code, _, error = call("predict", photo, "--detector-file", file, "--on", "ray")
    assert code == 2


def test_a_run_has_its_own_detector(
    call: Call, face_run: Path, people: Path, tmp_path: Path
) -> None:
    photo, file = min((people / "eval" / "images").iterdir()), tmp_path / "yunet.onnx"
    file.write_bytes(CONTENT)
    code, output, error = call("predict", face_run, photo, "--detector-file", file)
    assert (code, output, error.count("\n")) == (2, "", 1)
    assert error.startswith(f"maskgate: {face_run}: a run uses the face detector of its training")


def test_a_variable_that_names_no_file_is_refused(
    preferring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(model_files.YUNET.variable, "/gone.onnx")
    with pytest.raises(MaskgateError, match=r"^/gone.onnx: no such file, named by \$MASKGATE"):
        maskgate.load(preferring())


def test_without_a_home_the_cache_is_empty(
    preferring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("HOME", "XDG_CACHE_HOME", "MASKGATE_CACHE"):
        monkeypatch.delenv(variable, raising=False)

    def unknown(uid: int) -> None:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    monkeypatch.setattr("pwd.getpwuid", unknown)
    spec = spec_of(preferring())
    assert bundles.choose_detector(spec) == (spec.photo, spec.detector)


def test_predict_says_which_one_was_used(
    call: Call, preferring: Callable[..., Path], face_bundle: Path, people: Path
) -> None:
    photos = sorted((people / "eval" / "images").iterdir())[:4]
    code, text, error = call("predict", preferring(), *photos)
    assert code == 0
    assert error.splitlines()[0] == (
        "face detector: mtcnn; yunet, as in training, needs its file: name it by $MASKGATE_YUNET or"
        f" --detector-file (in Python: detector_file=; SHA-256 {SHA256[:12]}…)"
    )
    assert (0, text) == call("predict", face_bundle, *photos)[:2]
    assert "face detector" not in call("predict", face_bundle, *photos)[2]


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        ({"sha256": "0"}, "preferred.0.sha256: "),
        ({"sha256": None}, "sha256 is null"),
        ({"detector": {"name": "os"}}, "the detector os has no file that can be at hand"),
        ({"detector": {"name": "mtcnn"}}, "the detector mtcnn has no file that can be at hand"),
        ({"detector": {"name": "yunet", "file": "/etc/passwd"}}, "a file outside the bundle"),
    ],
)
def test_what_a_stranger_prefers_is_refused(
    values: dict[str, object], reason: str, preferring: Callable[..., Path]
) -> None:
    with pytest.raises(MaskgateError) as error:
        maskgate.load(preferring(**values))
    assert reason in str(error.value)


@NEEDS_YUNET
def test_arguments_of_a_stranger_are_checked(
    preferring: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(model_files.YUNET.variable, YUNET)
    digest = hashlib.sha256(Path(YUNET).read_bytes()).hexdigest()
    folder = preferring(sha256=digest, detector={"name": "yunet", "side": 3})
    with pytest.raises(MaskgateError, match="side"):
        maskgate.load(folder)


@pytest.mark.slow
@NEEDS_YUNET
def test_an_export_with_another_detector_prefers_its_own(
    call: Call,
    train: Callable[..., Path],
    people: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(model_files.YUNET.variable, YUNET)
    run = train(
        tmp_path / "run", "training.epochs=1", "folds.kind=all", "photo.face={detector: yunet}"
    )
    code, _, error = call("export", run, tmp_path / "out", "--detector", "mtcnn")
    assert code == 0, error
    spec = spec_of(tmp_path / "out")
    assert spec.photo.face is not None
    assert (spec.photo.face.detector.name, len(spec.preferred)) == ("mtcnn", 1)
    card = (tmp_path / "out" / "card.md").read_text("utf-8")
    assert "the face (yunet where its file is at hand, as in training, else mtcnn)" in card

    photos = sorted((people / "eval" / "images").iterdir())[:6]
    preferred = loading.load(tmp_path / "out", tmp_path).predict(photos)
    expected = maskgate.load(run).predict(photos)
    np.testing.assert_allclose(preferred.probabilities, expected.probabilities, atol=1e-3)
    np.testing.assert_array_equal(preferred.boxes, expected.boxes)
    large = np.asarray(pixels.decode(photos[0]).resize((480, 640)))
    engine = Engine(tmp_path / "out", smallest_face=100)
    sha256s = [engine._detector(large).sha256]
    monkeypatch.delenv(model_files.YUNET.variable)
    predictor = maskgate.load(tmp_path / "out", detector_file=YUNET)
    np.testing.assert_array_equal(predictor.predict(photos).boxes, preferred.boxes)
    by_path = Engine(tmp_path / "out", smallest_face=100, detector_file=YUNET)
    assert by_path._detector(large).sha256 == sha256s[0]
    bundled = loading.load(tmp_path / "out", tmp_path)
    assert bundled.digest != loading.load(run).digest
    assert (bundled.predict(photos).boxes != preferred.boxes).any()
    sha256s.append(Engine(tmp_path / "out", smallest_face=100)._detector(large).sha256)
    assert sha256s == [spec.preferred[0].sha256, spec.photo.face.sha256]


def test_a_detector_that_a_bundle_cannot_hold_is_refused(
    call: Call, face_run: Path, tmp_path: Path
) -> None:
    for words, reason in (
        (["retinaface"], "--detector retinaface: cannot be in a bundle; give yunet or mtcnn"),
        (["auto"], "--detector auto: cannot be in a bundle"),
        (["yunet"], "was trained with the detector mtcnn, of which no user has a file at hand"),
    ):
        code, text, error = call("export", face_run, tmp_path / "out", "--detector", *words)
        assert (code, text, error.count("\n")) == (2, "", 1), error
        assert reason in error
        assert not list(tmp_path.iterdir())
