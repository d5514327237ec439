"""A run keeps its face detector's model: a copy of it predicts anywhere, without a network."""

import csv
import json
import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.core import onnx_sessions
from maskgate.faces import detectors, model_files, mtcnn_export
from maskgate.runs import RunFolder

Train = Callable[..., Path]
RunOf = Callable[[str], Path]
Predict = Callable[..., tuple[int, str]]
YUNET = os.environ.get("MASKGATE_YUNET", "")
WITHOUT = "YuNet's file is not given: name face_detection_yunet_2026may.onnx in $MASKGATE_YUNET"
NEEDS_YUNET = pytest.mark.skipif(not YUNET, reason=WITHOUT)
MTCNN_FILES = ["mtcnn_onet.onnx", "mtcnn_pnet.onnx", "mtcnn_rnet.onnx"]
BOTH = pytest.mark.parametrize(
    ("name", "kept"),
    [("mtcnn", MTCNN_FILES), pytest.param("yunet", ["yunet.onnx"], marks=NEEDS_YUNET)],
)


def changes_of(name: str) -> tuple[str, ...]:
    """What differs from the tiny recipe."""
    return "training.epochs=1", "folds.kind=all", f"photo.face={{detector: {name}}}"


@pytest.fixture(scope="module")
def run_of(train: Train, tmp_path_factory: pytest.TempPathFactory) -> RunOf:
    """`run_of(name)` is a run of the faces that the detector of that name finds."""
    runs: dict[str, Path] = {}

    def run(name: str) -> Path:
        if name not in runs:
            runs[name] = train(tmp_path_factory.mktemp("runs") / name, *changes_of(name))
        return runs[name]

    return run


@pytest.fixture
def predict(
    call: Callable[..., Any], people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Predict:
    """`predict(run)` gives the exit code and the CSV of some photos, or what went wrong; with
    `offline` where nothing is at hand that a detector's model comes from."""
    photos = sorted((people / "eval" / "images").iterdir())[:8]
    out = tmp_path / "answers.csv"

    def away(*_: object, **__: object) -> Any:
        pytest.fail("a model is taken from elsewhere")

    def run(path: Path, offline: bool = False) -> tuple[int, str]:
        if offline:
            for name in ("facenet_pytorch", "onnx"):
                monkeypatch.setitem(sys.modules, name, None)
            monkeypatch.setattr(mtcnn_export, "_weights", away)
            monkeypatch.setattr(model_files, "_fetch", away)
            monkeypatch.delenv(model_files.YUNET.variable, raising=False)
            monkeypatch.setenv("MASKGATE_CACHE", str(tmp_path / "empty"))
        code, _, error_output = call("predict", path, *photos, "-o", out)
        return code, out.read_text() if code == 0 else error_output

    return run


def copied(run: Path, place: Path) -> Path:
    return Path(shutil.copytree(run, place / "elsewhere"))


@BOTH
def test_a_copied_run_predicts_the_same_offline(
    name: str, kept: list[str], run_of: RunOf, predict: Predict, tmp_path: Path
) -> None:
    run = run_of(name)
    assert sorted(file.name for file in (run / "detector").iterdir()) == kept
    listed = json.loads((run / "run.json").read_text())["files"]
    assert {f"detector/{file}" for file in kept} <= set(listed)
    code, first_predictions = predict(run)
    assert code == 0, first_predictions
    assert any(row["face_left"] for row in csv.DictReader(first_predictions.splitlines()))
    assert predict(copied(run, tmp_path), offline=True) == (0, first_predictions)
    assert not (tmp_path / "empty" / "models").exists()


@NEEDS_YUNET
def test_a_file_that_a_recipe_names_may_be_gone(
    train: Train, predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "mine.onnx"
    shutil.copyfile(YUNET, file)
    monkeypatch.delenv(model_files.YUNET.variable)
    monkeypatch.setattr(model_files, "local_file", lambda source, folder: None)
    face = f"photo.face={{detector: {{name: yunet, file: {file}}}}}"
    run = train(tmp_path / "run", "training.epochs=1", "folds.kind=all", face)
    recipe = RunFolder(run).recipe()
    assert recipe.photo.face is not None
    assert recipe.photo.face.detector.arguments["file"] == str(file)
    code, first_predictions = predict(run)
    assert code == 0, first_predictions
    file.unlink()
    assert predict(copied(run, tmp_path), offline=True) == (0, first_predictions)


@BOTH
def test_a_run_of_an_earlier_version_takes_the_model_at_hand(
    name: str, kept: list[str], run_of: RunOf, predict: Predict, tmp_path: Path
) -> None:
    copied_run = RunFolder(copied(run_of(name), tmp_path))
    shutil.rmtree(copied_run.detector_folder)
    listed = copied_run.files.listed() or {}
    copied_run.update_status(
        files={file: entry for file, entry in listed.items() if "detector" not in file}
    )
    assert copied_run.kept_detector() is None
    assert predict(copied_run.path) == predict(run_of(name))


@BOTH
def test_a_resumed_training_keeps_it(
    name: str, kept: list[str], run_of: RunOf, train: Train, tmp_path: Path
) -> None:
    run = RunFolder(copied(run_of(name), tmp_path))
    run.update_status(finished=None, files=None)
    (run.detector_folder / kept[0]).rename(run.detector_folder / f".{kept[0]}.part")
    train(run.path, *changes_of(name))
    assert sorted(file.name for file in run.detector_folder.iterdir()) == kept
    assert run.kept_detector() == run.detector_folder


@BOTH
def test_a_damaged_model_is_refused(
    name: str, kept: list[str], run_of: RunOf, predict: Predict, tmp_path: Path
) -> None:
    copied_run = copied(run_of(name), tmp_path)
    file = copied_run / "detector" / kept[0]
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
    code, error_output = predict(copied_run)
    assert code == 2 and f"{kept[0]}: " in error_output and "changed" in error_output, error_output
    file.unlink()
    code, error_output = predict(copied_run)
    assert code == 2 and f"{kept[0]}: " in error_output, error_output


@NEEDS_YUNET
def test_another_model_is_refused_before_it_is_loaded(
    run_of: RunOf, predict: Predict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    copied_run = RunFolder(copied(run_of("yunet"), tmp_path))
    file = copied_run.detector_folder / "yunet.onnx"
    file.write_bytes(b"another")
    copied_run.files.add(file)  # as a stranger can
    monkeypatch.setattr(onnx_sessions, "load", lambda path: pytest.fail("it is loaded"))
    code, error_output = predict(copied_run.path)
    assert code == 2 and "was trained with detector yunet and its model" in error_output


def test_mtcnn_of_other_weights_is_not_taken(run_of: RunOf, tmp_path: Path, cache: Path) -> None:
    copied_run = RunFolder(copied(run_of("mtcnn"), tmp_path))
    first, second = (copied_run.detector_folder / name for name in MTCNN_FILES[:2])
    first.write_bytes(second.read_bytes())
    recipe = copied_run.recipe()
    assert recipe.photo.face is not None
    detector = detectors.create(recipe.photo.face.detector, cache, kept=copied_run.detector_folder)
    assert {file.parent for file in detector.files.values()} == {cache / "models"}
    assert first.read_bytes() == second.read_bytes()  # nothing is written into a run


@pytest.mark.slow
def test_each_member_of_a_system_keeps_its_own(
    call: Callable[..., Any], predict: Predict, people: Path, tmp_path: Path, tiny: Path
) -> None:
    members = [
        f"  - {{name: {name}, recipe: {tiny}, changes: {{photo.face: {face}}}}}"
        for name, face in (("face", "{detector: mtcnn}"), ("whole", "null"))
    ]
    system = tmp_path / "both.yaml"
    system.write_text("\n".join(["members:", *members, "combine: soft_vote", ""]))
    code, _, error_output = call("train", system, people, "--out", tmp_path / "run")
    assert code == 0, error_output
    code, first_predictions = predict(tmp_path / "run")
    assert code == 0, first_predictions
    copied_run = copied(tmp_path / "run", tmp_path)
    kept = sorted(
        file.relative_to(copied_run).as_posix() for file in copied_run.rglob("detector/*")
    )
    assert kept == [f"members/face/detector/{name}" for name in MTCNN_FILES]
    assert predict(copied_run, offline=True) == (0, first_predictions)


def test_models_of_whole_photos_keep_none(trained: Path) -> None:
    assert not RunFolder(trained).detector_folder.exists()
    assert RunFolder(trained).kept_detector() is None
