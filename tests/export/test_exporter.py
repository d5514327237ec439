"""What cannot be exported is refused with the reason, and a failed export leaves nothing."""

import errno
import importlib.util
import json
import os
import re
import shutil
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest

import maskgate
from maskgate.errors import DiskFullError, MaskgateError
from maskgate.export import exporter, graph
from maskgate.export.exporter import ExportOptions
from maskgate.runs import RunFolder, open_run

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def no_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Networks are not converted, which takes most of the time."""
    monkeypatch.setattr(graph, "to_onnx", lambda *_: b"a network")


@pytest.fixture
def changed(face_run: Path, tmp_path: Path) -> Callable[..., Path]:
    """`changed(old, new)` is a run whose recipe has other words, listed anew."""

    def run(old: str, new: str) -> Path:
        copy = RunFolder(Path(shutil.copytree(face_run, tmp_path / "run")))
        text, count = re.subn(old, new, copy.recipe_file.read_text())
        assert count
        copy.recipe_file.write_text(text)
        copy.finish()
        return copy.path

    return run


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        ("background: keep", "background: remove", "removes the scene behind faces"),
        (
            r"name: mtcnn\n(      .*\n(        .*\n|      - .*\n)*)*",
            "name: retinaface\n",
            "its face detector retinaface needs a package of its own; train it with"
            " photo.face.detector=yunet or mtcnn",
        ),
        ("backbone: resnet10t", "backbone: stranger:net", "--trust"),
    ],
)
def test_what_a_door_lacks_is_refused(
    old: str, new: str, reason: str, changed: Callable[..., Path], call: Call, tmp_path: Path
) -> None:
    run = changed(old, new)
    code, text, error = call("export", run, tmp_path / "out")
    assert (code, text) == (2, "")
    assert error.count("\n") == 1, error
    assert str(run) in error
    assert reason in error
    assert not (tmp_path / "out").exists()


def test_an_unfinished_run_is_refused(call: Call, trained: Path, tmp_path: Path) -> None:
    run = RunFolder(Path(shutil.copytree(trained, tmp_path / "run")))
    status = json.loads(run.status_file.read_text())
    for key in ("finished", "files", "sha256"):
        status.pop(key, None)
    run.status_file.write_text(json.dumps(status, indent=2) + "\n")
    code, _, error = call("export", run.path, tmp_path / "out")
    assert code == 2
    assert "the run is unfinished" in error
    assert not (tmp_path / "out").exists()


def test_an_operator_that_onnx_lacks_is_refused_with_the_reason(
    trained: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch
    from torch import Tensor, nn

    from maskgate.inference.backends import torch as torch_backend

    class Eigenvalues(nn.Module):
        def forward(self, photos: Tensor) -> Tensor:
            return torch.linalg.eigvals(photos[:, 0, :8, :8]).real

    restore = torch_backend.restore

    def with_eigenvalues(run: RunFolder, fold: int) -> Any:
        network = restore(run, fold)
        network.backbone = nn.Sequential(Eigenvalues(), nn.LazyLinear(512))
        return network

    monkeypatch.setattr(torch_backend, "restore", with_eigenvalues)
    with pytest.raises(MaskgateError) as error:
        exporter.export(open_run(trained), ExportOptions(tmp_path / "out", cache=cache))
    message = str(error.value)
    assert f"{trained}, fold 0: cannot be exported to ONNX (" in message
    assert message.endswith("train another backbone or head for the door")
    assert "\n" not in message
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["out", "out.zip"])
def test_an_existing_bundle_is_kept(name: str, call: Call, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / name
    if out.suffix:
        out.write_bytes(b"mine")
    else:
        out.mkdir()
        (out / "mine").touch()
    code, _, error = call("export", trained, out)
    assert code == 2
    assert f"{out}: exists already; remove it, or name another" in error
    assert out.exists()


@pytest.mark.parametrize("name", ["out", "out.zip", "a/b/out"])
@pytest.mark.parametrize("failure", ["full", "interrupted"])
@pytest.mark.parametrize("file", ["fold-1.onnx", "card.html", "manifest.json", "out.zip"])
@pytest.mark.usefixtures("no_networks")
def test_a_failed_export_leaves_nothing(
    name: str,
    failure: str,
    file: str,
    trained: Path,
    cache: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if file == "out.zip" != name:
        pytest.skip("writes no zip")
    error = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    raised = error if failure == "full" else KeyboardInterrupt()

    def failing(write: Callable[..., Any]) -> Callable[..., Any]:
        def call(path: Any, *arguments: Any, **options: Any) -> Any:
            if file in str(path):
                raise raised
            return write(path, *arguments, **options)

        return call

    for method in ("write_bytes", "write_text"):
        monkeypatch.setattr(Path, method, failing(getattr(Path, method)))
    monkeypatch.setattr(zipfile, "ZipFile", failing(zipfile.ZipFile))
    expected = DiskFullError if failure == "full" else KeyboardInterrupt
    with pytest.raises(expected):
        exporter.export(open_run(trained), ExportOptions(tmp_path / name, cache=cache))
    assert not list(tmp_path.iterdir())


@pytest.mark.usefixtures("no_networks")
def test_an_interrupted_conversion_leaves_nothing(
    trained: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> bytes:
        raise KeyboardInterrupt

    monkeypatch.setattr(graph, "to_onnx", interrupted)
    with pytest.raises(KeyboardInterrupt):
        exporter.export(open_run(trained), ExportOptions(tmp_path / "a" / "out", cache=cache))
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def older() -> ModuleType:
    """The module tests/runs/older.py."""
    path = Path(__file__).parents[1] / "runs" / "older.py"
    spec = importlib.util.spec_from_file_location("older", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_a_run_of_an_older_version(
    older: ModuleType, trained: Path, cache: Path, tmp_path: Path
) -> None:
    run = older.unlisted(RunFolder(Path(shutil.copytree(trained, tmp_path / "run"))))
    out = tmp_path / "out.zip"
    exporter.export(open_run(run.path), ExportOptions(out, calibrate=False, cache=cache))
    photo = np.random.default_rng(0).integers(0, 256, (60, 40, 3), np.uint8)
    expected = maskgate.load(trained).predict(photo)
    predictions = maskgate.load(out).predict(photo)
    np.testing.assert_allclose(predictions.probabilities, expected.probabilities, atol=1e-5)
    assert {path.name for path in tmp_path.iterdir()} == {"run", "out.zip"}


@pytest.mark.usefixtures("no_networks")
def test_the_run_of_a_system_names_its_members(cache: Path, tmp_path: Path) -> None:
    together = Path(__file__).parents[1] / "golden" / "together"
    exporter.export(open_run(together), ExportOptions(tmp_path / "out", cache=cache))
    manifest = json.loads((tmp_path / "out" / "manifest.json").read_text())
    networks = [member["model"]["networks"] for member in manifest["model"]["members"]]
    folds = ("fold-0.onnx", "fold-1.onnx")
    assert networks == [[f"models/{name}/{fold}" for fold in folds] for name in ("plain", "faces")]
    assert list(manifest["model"]["learned"]["weights"]) == ["mask", "gender", "age_band"]
    assert [each["model"] for each in manifest["training"]] == ["plain", "faces"]
    assert "plain" in (tmp_path / "out" / "card.md").read_text()
