"""The service in a thread of the test, at a real port."""

import http.client
import io
import json
import shutil
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from websockets.sync.client import ClientConnection, connect

from maskgate.door.cameras.frames import Camera
from maskgate.door.delivery.file_sinks import FileSink
from maskgate.door.engine import Engine
from maskgate.door.server import serving
from maskgate.door.server.access import Access
from maskgate.door.server.app import Door
from maskgate.door.server.settings import Settings
from maskgate.door.verdict import Verdict, verdicts
from maskgate.imaging import pixels
from maskgate.imaging.pixels import Pixels

CHROMIUM = shutil.which("chromium") or ""
VIEW = {"width": 540, "height": 960}  # of a browser's page
PROBABILITIES = np.full(18, 0.02 / 17, np.float32)
PROBABILITIES[0] = 0.98


class FakeEngine(Engine):
    """Finds one face in every frame of more than 100 pixels; it judges while `gate` is set."""

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.error: Exception | None = None
        self.batches: list[list[tuple[int, ...]]] = []

    @property
    def digest(self) -> str:
        return "d1" * 32

    @property
    def attributes(self) -> tuple[str, ...]:
        return ("mask", "gender", "age_band")

    def warm_up(self, cameras: int = 0) -> None: ...

    def batch(self, frames: Any) -> list[list[Verdict]]:
        self.batches.append([frame.shape for frame in frames])
        assert self.gate.wait(30)
        if self.error is not None:
            raise self.error
        box = np.array([[1.0, 2.0, 3.0, 4.0, 0.9]], np.float32)
        return [verdicts(box, PROBABILITIES[None], self.attributes) for _ in frames]


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def reason(self) -> str:
        reason: str = self.json["error"]["reason"]
        return reason


class Running:
    """A running service, and a client of it."""

    def __init__(self, server: serving.Server, door: Door, port: int, tls: Path | None) -> None:
        self.server, self.door, self.port = server, door, port
        self.context = ssl.create_default_context(cafile=tls) if tls else None

    def request(
        self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None
    ) -> Answer:
        connection: http.client.HTTPConnection
        if self.context:
            connection = http.client.HTTPSConnection(
                "127.0.0.1", self.port, context=self.context, timeout=60
            )
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        try:
            connection.request(method, path, body, headers or {})
            response = connection.getresponse()
            got = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, got, response.read())
        finally:
            connection.close()

    def get(self, path: str, **headers: str) -> Answer:
        return self.request("GET", path, headers=headers)

    def post(self, content: bytes, media_type: str = "image/png") -> Answer:
        return self.request("POST", "/v1/verdict", content, {"Content-Type": media_type})

    def form(self, *contents: bytes) -> Answer:
        body = b"".join(
            b'--edge\r\nContent-Disposition: form-data; name="photos"; filename="a.jpg"\r\n'
            b"Content-Type: image/jpeg\r\n\r\n" + content + b"\r\n"
            for content in contents
        )
        return self.post(body + b"--edge--\r\n", "multipart/form-data; boundary=edge")

    def stream(self, query: str = "", **options: Any) -> ClientConnection:
        return connect(f"ws://127.0.0.1:{self.port}/v1/stream{query}", **options)

    def metric(self, name: str) -> float:
        """The value of a metric, such as `maskgate_rejections_total{reason="busy"}`."""
        for line in self.door.metrics.text().decode().splitlines():
            if line.startswith(f"{name} "):
                return float(line.split()[-1])
        return 0.0


Serve = Callable[..., Running]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """`serve(engine, settings)` starts a service, which ends with the test."""
    with ExitStack() as stack:

        def start(
            engine: Engine | None = None,
            settings: Settings | None = None,
            access: Access | None = None,
            certificate: tuple[Path, Path] | None = None,
            own_cameras: Sequence[Camera] = (),
            event_file: FileSink | None = None,
        ) -> Running:
            listener = stack.enter_context(serving.bind("127.0.0.1", 0))
            port = listener.getsockname()[1]
            scheme = "https" if certificate else "http"
            door = Door(
                engine or FakeEngine(),
                settings or Settings(),
                model="tiny",
                address=f"{scheme}://127.0.0.1:{port}",
                access=access,
                own_cameras=own_cameras,
                event_file=event_file,
            )
            server = serving.Server(door, certificate)
            thread = threading.Thread(target=server.run, args=[[listener]])
            thread.start()

            def stop() -> None:
                server.should_exit = True
                thread.join(30)
                assert not thread.is_alive()

            stack.callback(stop)
            wait_until(lambda: server.started or not thread.is_alive())
            return Running(server, door, port, certificate[0] if certificate else None)

        yield start


def wait_until(condition: Callable[[], object], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.01)


def encoded(image: Pixels | Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    out = io.BytesIO()
    pixels.as_image(image).save(out, kind, **options)
    return out.getvalue()


@pytest.fixture(scope="session")
def photo(people: Path) -> Pixels:
    """A photo of one drawn person, (640, 480, 3)."""
    path = min(people.glob("train/images/*/normal.*"))
    return np.asarray(pixels.decode(path).resize((480, 640)))


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium, for tests of pages."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        yield started.chromium


Open = Callable[..., Any]


@pytest.fixture
def browse(chromium: Any) -> Iterator[Open]:
    """`browse(url, video)` is the page in a browser of its own, whose camera shows the video."""
    browsers = []

    def show(url: str, video: Path | None = None, **context: Any) -> Any:
        camera = ["--use-fake-ui-for-media-stream", "--use-fake-device-for-media-stream=fps=10"]
        if video is not None:
            camera.append(f"--use-file-for-fake-video-capture={video}")
        browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *camera])
        browsers.append(browser)
        page = browser.new_page(viewport=VIEW, **context)
        page.errors = []
        page.on("pageerror", lambda error: page.errors.append(str(error)))
        page.goto(url)
        return page

    yield show
    for browser in browsers:
        for context in browser.contexts:
            for page in context.pages:
                page.unroute_all(behavior="ignoreErrors")  # of requests under way
        browser.close()
