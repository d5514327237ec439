"""Where a model's file comes from; what is downloaded comes from a server in this process."""

import hashlib
import threading
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from maskgate.config.settings import Component
from maskgate.errors import MaskgateError
from maskgate.faces import detectors, model_files
from maskgate.faces.model_files import Folders, Source

CONTENT = b"a model" * 1000


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = CONTENT if self.path != "/other" else b"<html>"
        self.send_response(404 if self.path == "/missing" else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:100] if self.path == "/cut" else body)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("MASKGATE_YUNET", "http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


def source(url: str) -> Source:
    digest = hashlib.sha256(CONTENT).hexdigest()
    return replace(model_files.YUNET, url=url, sha256=digest)


def test_a_download_is_kept(server: str, tmp_path: Path) -> None:
    model_source = source(f"{server}/model")
    downloaded = model_files.find(model_source, Folders(tmp_path))
    assert (
        downloaded == tmp_path / "models" / model_source.name and downloaded.read_bytes() == CONTENT
    )
    assert [file.name for file in downloaded.parent.iterdir()] == [downloaded.name]
    assert (
        model_files.find(replace(model_source, url="http://127.0.0.1:1"), Folders(tmp_path))
        == downloaded
    )
    assert model_files.local_file(model_source, tmp_path) == downloaded


@pytest.mark.parametrize("page", ["other", "cut", "missing"])
def test_a_bad_download_leaves_nothing(server: str, page: str, tmp_path: Path) -> None:
    model_source = source(f"{server}/{page}")
    with pytest.raises(MaskgateError) as fault:
        model_files.find(model_source, Folders(tmp_path))
    message = str(fault.value)
    for part in (model_source.url, "connect to the network", "file:", "$MASKGATE_YUNET", "mtcnn"):
        assert part in message
    assert not list((tmp_path / "models").iterdir())


def test_no_server_is_told(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match=r"cannot be downloaded.*Connection refused.*mtcnn"):
        model_files.find(source("http://127.0.0.1:1/model"), Folders(tmp_path))


def test_a_cache_that_cannot_be_is_told(server: str, tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(MaskgateError, match="models: "):
        model_files.find(source(f"{server}/model"), Folders(tmp_path))


def test_a_file_named_goes_first_then_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given_file, from_environment, cached = tmp_path / "n", tmp_path / "o", tmp_path / "models" / "m"
    cached.parent.mkdir()
    model_source = replace(source("http://127.0.0.1:1"), name="m")
    for file in (given_file, from_environment, cached):
        file.write_bytes(b"other content than the known one")
    assert model_files.find(model_source, Folders(tmp_path)) == cached
    monkeypatch.setenv("MASKGATE_YUNET", str(from_environment))
    assert model_files.find(model_source, Folders(tmp_path)) == from_environment
    assert model_files.find(model_source, Folders(tmp_path), str(given_file)) == given_file
    monkeypatch.setenv("MASKGATE_YUNET", str(tmp_path / "gone"))
    with pytest.raises(MaskgateError, match=r"gone: no such file, named by \$MASKGATE_YUNET"):
        model_files.local_file(model_source, tmp_path)


def test_auto_downloads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "_download", lambda *_: pytest.fail("a download"))
    assert detectors.create(Component(name="auto"), tmp_path).name == "mtcnn"


def test_what_needs_no_download_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(model_files, "_download", lambda *_: pytest.fail("a download"))
    for name in ("auto", "mtcnn"):
        assert detectors.is_available(Component(name=name), tmp_path)
        assert detectors.create(Component(name=name), tmp_path).name == "mtcnn"
    assert not detectors.is_available(Component(name="yunet", file=None), tmp_path)
    with pytest.raises(MaskgateError, match="no argument size"):
        detectors.create(Component(name="yunet", size=3), tmp_path)
    with pytest.raises(MaskgateError, match=r"unknown detector yunt; did you mean yunet\?"):
        detectors.is_available(Component(name="yunt"), tmp_path)


def test_yunets_file_is_at_hand_wherever_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain, file = Component(name="yunet"), tmp_path / "models" / model_files.YUNET.name
    assert detectors.is_available(Component(name="yunet", file="anywhere"), tmp_path)
    file.parent.mkdir()
    file.write_bytes(CONTENT)
    assert detectors.is_available(plain, tmp_path) and not detectors.is_available(
        plain, tmp_path / "no"
    )
    with pytest.raises(MaskgateError, match="not a model"):  # it is looked into
        detectors.create(plain, tmp_path)
    monkeypatch.setenv("MASKGATE_YUNET", str(file))
    assert detectors.is_available(plain, tmp_path / "no")


@pytest.mark.parametrize("content", [b"", b"no model at all"])
def test_a_file_that_is_no_model_is_told(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "model.onnx"
    file.write_bytes(content)
    with pytest.raises(MaskgateError, match=r"model\.onnx: not a model"):
        detectors.create(Component(name="yunet", file=str(file)), tmp_path)


def test_another_networks_file_is_told(tmp_path: Path) -> None:
    detectors.create(Component(name="mtcnn"), tmp_path)
    other = str(tmp_path / "models" / "mtcnn_pnet.onnx")
    with pytest.raises(MaskgateError, match="a model, but not YuNet"):
        detectors.create(Component(name="yunet", file=other), tmp_path)
