"""A bundle whose files are not as they were exported is refused in one sentence."""

import json
import os
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import maskgate
from maskgate.bundle import is_bundle
from maskgate.errors import MaskgateError
from maskgate.faces import model_files

Call = Callable[..., tuple[int, str, str]]
Reseal = Callable[..., Path]
Refused = Callable[[Path], str]


@pytest.fixture
def refused(call: Call, people: Path) -> Refused:
    """`refused(path)` is the one sentence with which `predict` refuses a bundle."""
    photo = next((people / "eval" / "images").iterdir())

    def run(path: Path) -> str:
        code, out, error = call("predict", path, photo)
        assert (code, out) == (2, ""), error
        assert error.count("\n") == 1, error
        return error

    return run


def zipped(folder: Path, method: int = zipfile.ZIP_DEFLATED) -> Path:
    """A zip of the folder, beside it."""
    target = folder.with_suffix(".zip")
    with zipfile.ZipFile(target, "w", method) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            archive.write(path, path.relative_to(folder).as_posix())
    return target


def listed(folder: Path) -> list[str]:
    return list(json.loads((folder / "manifest.json").read_text())["files"])


def flip(path: Path, place: float = 0.5) -> None:
    content = bytearray(path.read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    path.write_bytes(content)


# ------------------------------------------------------------------------------ folders


def test_every_missing_or_changed_file_is_named(face_bundle: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(face_bundle, tmp_path / "copy"))
    names = [*listed(folder), "manifest.json"]
    assert len(names) == 2 + 4 + 2 + 1  # networks, detector, cards, manifest
    for name in names:
        file = folder / name
        content = file.read_bytes()
        for place in (0, 0.5, 1):
            flip(file, place)
            with pytest.raises(MaskgateError, match=file.name):
                maskgate.load(folder)
            file.write_bytes(content)
        file.write_bytes(content[:-1])
        with pytest.raises(MaskgateError, match=file.name):
            maskgate.load(folder)
        file.unlink()
        with pytest.raises(MaskgateError, match="no run" if name == names[-1] else file.name):
            maskgate.load(folder)
        file.write_bytes(content)
    maskgate.load(folder)


def test_an_empty_folder_is_no_model(refused: Refused, tmp_path: Path) -> None:
    assert f"{tmp_path}: no run" in refused(tmp_path)


def test_files_that_are_not_listed_are_left_alone(broken: Path) -> None:
    (broken / "models" / "more.onnx").write_bytes(b"no network")
    (broken / "setup.py").write_text("raise SystemExit(3)")
    assert maskgate.load(broken).count == 2


@pytest.mark.parametrize("name", ["models/fold-0.onnx", "manifest.json", "card.md"])
def test_links_pipes_and_folders_are_no_files(
    name: str, broken: Path, refused: Refused, tmp_path: Path
) -> None:
    file = broken / name
    moved = file.rename(tmp_path / "moved")
    file.symlink_to("/dev/zero")
    assert f"{file}: missing or damaged (it is no file)" in refused(broken)
    file.unlink()
    os.mkfifo(file)
    assert f"{file}: missing or damaged (it is no file)" in refused(broken)
    file.unlink()
    file.mkdir()
    assert f"{file}: missing or damaged (it is no file)" in refused(broken)
    file.rmdir()
    file.symlink_to(file)
    assert str(broken) in refused(broken)
    file.unlink()
    file.symlink_to(moved)  # the same bytes elsewhere
    assert maskgate.load(broken).count == 2


def test_a_pipe_is_no_bundle(refused: Refused, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    assert not is_bundle(tmp_path / "pipe")
    assert "pipe: a pipe, socket or device" in refused(tmp_path / "pipe")


# --------------------------------------------------------------------------------- zips


def test_a_zip_that_is_cut_off_is_refused(broken: Path, refused: Refused) -> None:
    path = zipped(broken)
    content = path.read_bytes()
    for share in (0.001, 0.3, 0.999):
        path.write_bytes(content[: int(share * len(content))])
        assert f"{path}: missing or damaged (not a whole zip file" in refused(path)


@pytest.mark.parametrize(
    "method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA]
)
def test_other_bytes_in_a_zip_are_never_another_error(
    method: int, broken: Path, reseal: Reseal
) -> None:
    for fold in range(2):
        (broken / "models" / f"fold-{fold}.onnx").write_bytes(b"no network" * 50)
    path = zipped(reseal(broken), method)
    content = path.read_bytes()
    draw = random.Random(0)
    for _ in range(60):
        changed = bytearray(content)
        for _ in range(draw.randint(1, 8)):
            changed[draw.randrange(4, len(content))] = draw.randrange(256)
        path.write_bytes(changed)
        with pytest.raises(MaskgateError):  # at the latest as the networks are none
            maskgate.load(path)


def test_a_zip_that_unpacks_to_too_much_is_refused(broken: Path, refused: Refused) -> None:
    (broken / "models" / "fold-0.onnx").write_bytes(bytes(20 << 20))
    path = zipped(broken)
    assert path.stat().st_size < 1 << 20
    assert "fold-0.onnx: missing or damaged (it has changed since the export)" in refused(path)


def test_a_sealed_zip_that_unpacks_to_too_much_is_refused(
    broken: Path, reseal: Reseal, refused: Refused
) -> None:
    for fold in range(2):
        (broken / "models" / f"fold-{fold}.onnx").write_bytes(bytes(20 << 20))
    path = zipped(reseal(broken))
    assert path.stat().st_size < 1 << 20
    assert "its files are too large for a zip of this size" in refused(path)


def test_a_file_larger_than_any_network_is_refused_unread(
    broken: Path, reseal: Reseal, refused: Refused
) -> None:
    def larger(values: dict[str, Any]) -> None:
        values["files"]["models/fold-0.onnx"]["bytes"] = 1 << 40

    with (broken / "models" / "fold-0.onnx").open("r+b") as file:
        file.truncate(1 << 10)
    assert "too large for ONNX" in refused(reseal(broken, larger))


@pytest.mark.parametrize("name", ["../evil.onnx", "/tmp/evil.onnx", "a/../../evil", "a\\b", "."])
def test_names_that_lead_out_of_a_bundle_are_refused(
    name: str, broken: Path, reseal: Reseal, refused: Refused
) -> None:
    def listed_so(values: dict[str, Any]) -> None:
        values["files"][name] = {"sha256": "0" * 64, "bytes": 1}

    assert "manifest.json: missing or damaged (files" in refused(reseal(broken, listed_so))


def test_what_else_is_in_a_zip_is_never_written(broken_face: Path, tmp_path: Path) -> None:
    path = zipped(broken_face)
    with zipfile.ZipFile(path, "a") as archive:
        for name in ("../evil", "detectors/../../evil", "/evil", "detectors/evil"):
            archive.writestr(name, b"evil")
    before = sorted(tmp_path.rglob("*"))
    assert maskgate.load(path).count == 2
    assert sorted(tmp_path.rglob("*")) == before


# ------------------------------------------------------------------------------ networks

Graph = Callable[..., bytes]


def with_network(folder: Path, content: bytes, reseal: Reseal) -> Path:
    (folder / "models" / "fold-1.onnx").write_bytes(content)
    return reseal(folder)


def test_the_smallest_network_is_one(graph: Graph, broken: Path, reseal: Reseal) -> None:
    predictor = maskgate.load(with_network(broken, graph(), reseal))
    assert predictor.predict(np.zeros((50, 40, 3), np.uint8)).probabilities.shape == (1, 18)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"kind": 1}, "takes tensor(float) ['N', 32, 24, 3], not photos (N, 32, 24, 3) of uint8"),
        ({"shape": ("N", 24, 32, 3)}, "takes tensor(uint8) ['N', 24, 32, 3], not photos"),
        ({"shape": ("N", 3, 32, 24)}, "takes tensor(uint8) ['N', 3, 32, 24], not photos"),
        ({"shape": (1, 32, 24, 3)}, "takes tensor(uint8) [1, 32, 24, 3], not photos"),
        ({"second": True}, "it is no network of maskgate"),
        ({"classes": 17, "declared": ("N", 17)}, "it is no network of maskgate"),
        ({"declared": ("N", 18), "output": 11}, "it is no network of maskgate"),
        ({"domain": "com.example"}, "not a model that ONNX Runtime can load"),
        ({"external": True}, "its weights are in another file, which is not supported"),
    ],
)  # fmt: skip
def test_another_network_is_refused(
    changes: dict[str, Any],
    sentence: str,
    graph: Graph,
    broken: Path,
    reseal: Reseal,
    refused: Refused,
) -> None:
    error = refused(with_network(broken, graph(**changes), reseal))
    assert "fold-1.onnx: " in error
    assert sentence in error


def test_external_weights_are_recognised_in_every_spelling(
    graph: Graph, broken: Path, reseal: Reseal, refused: Refused
) -> None:
    key, value = b"\n\x08location", b"\x12\x0bweights.bin"
    content = graph(external=True)
    assert key + value in content
    swapped = content.replace(key + value, value + key)
    assert "in another file" in refused(with_network(broken, swapped, reseal))


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.999])
def test_a_sealed_network_that_is_cut_off_is_refused(
    share: float, broken: Path, reseal: Reseal, refused: Refused
) -> None:
    content = (broken / "models" / "fold-1.onnx").read_bytes()
    error = refused(with_network(broken, content[: int(share * len(content))], reseal))
    assert "fold-1.onnx: " in error


def test_a_network_that_gives_other_shapes_than_it_declares_is_refused(
    graph: Graph, broken: Path, reseal: Reseal, refused: Refused
) -> None:
    content = graph(classes=17, declared=("N", 18))
    error = refused(with_network(broken, content, reseal))
    assert "fold-1.onnx: " in error


def test_a_detector_that_is_none_is_refused(
    graph: Graph, broken_face: Path, reseal: Reseal, refused: Refused
) -> None:
    before = sorted(broken_face.rglob("*"))
    (file,) = broken_face.glob("detectors/*/mtcnn_rnet.onnx")
    file.write_bytes(graph())
    assert "not the files of its face detector" in refused(reseal(broken_face))
    assert sorted(broken_face.rglob("*")) == before


def test_a_detector_with_other_outputs_is_refused(
    graph: Graph, broken_face: Path, reseal: Reseal, refused: Refused
) -> None:
    """A file that passes as YuNet by its hash, which is the manifest's own."""
    folder = next(broken_face.glob("detectors/*"))
    (folder / "yunet.onnx").write_bytes(graph())

    def yunet(values: dict[str, Any]) -> None:
        name = f"detectors/{folder.name}/yunet.onnx"
        content = (folder / "yunet.onnx").read_bytes()
        digest = model_files.sha256(folder / "yunet.onnx")
        values["files"][name] = {"sha256": digest, "bytes": len(content)}
        values["model"]["photo"]["face"] |= {"detector": {"name": "yunet"}, "sha256": digest}

    assert "not YuNet" in refused(reseal(broken_face, yunet))
