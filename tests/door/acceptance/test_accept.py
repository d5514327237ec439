"""`maskgate accept` at a terminal, beside `maskgate serve` and a browser whose camera shows drawn
people: the whole of it, as an operator sees it."""

import io
import os
import pty
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskgate.door.acceptance.passages import passages
from tests.door.server.camera import scene
from tests.door.server.conftest import CHROMIUM, Open, wait_until
from tests.door.server.conftest import browse as browse
from tests.door.server.conftest import chromium as chromium
from tests.door.server.test_kiosk_page import Service
from tests.door.server.test_kiosk_page import portraits as portraits

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="Chromium is not installed")
WIDTHS = {"phone": 390, "desk": 1280}
# A machine that does much else at once judges few frames a second: a verdict may come and go.
RELAXED = ("--median", "60", "--slowest", "60", "--let-through", "5", "--stopped", "9")
MASK_OF = {"worn": "wear", "bare": "not_wear", "nose": "incorrect", "chin": "incorrect"}


class Film:
    """A film that the browser's camera shows again and again; `show` replaces its frames, all of
    the same size, while it runs."""

    def __init__(self, path: Path, empty: Image.Image) -> None:
        self.path, self._empty = path, empty
        path.write_bytes(self._frames(empty))

    def show(self, frame: Image.Image | None = None, light: float = 1) -> None:
        """From now on this frame; by default one without people."""
        with self.path.open("r+b") as file:
            file.write(self._frames(frame or self._empty, light))

    def _frames(self, frame: Image.Image, light: float = 1) -> bytes:
        """YUV4MPEG2 with the noise of a camera."""
        rng, clean = np.random.default_rng(3), np.asarray(frame) * light
        out = io.BytesIO()
        out.write(f"YUV4MPEG2 W{frame.width} H{frame.height} F10:1 Ip A1:1 C420jpeg\n".encode())
        for _ in range(6):
            noisy = np.clip(clean + rng.integers(-3, 4, clean.shape), 0, 255).astype(np.uint8)
            luma, *chroma = Image.fromarray(noisy).convert("YCbCr").split()
            out.write(b"FRAME\n" + luma.tobytes())
            for plane in chroma:
                out.write(plane.resize((frame.width // 2, frame.height // 2)).tobytes())
        return out.getvalue()


class Terminal:
    """The command at a terminal of its own; `text` is what it has printed there."""

    def __init__(self, *words: object) -> None:
        self._operator, terminal = pty.openpty()
        command = [sys.executable, "-m", "maskgate", "accept", *map(str, words)]
        self.process = subprocess.Popen(
            command, stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, text=True
        )
        os.close(terminal)
        self.text = ""
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        try:
            while content := os.read(self._operator, 4096):
                self.text += content.decode("utf-8", "replace")
        except OSError:  # the command has ended
            pass

    def wait(self, text: str, count: int = 1, seconds: float = 60) -> None:
        wait_until(
            lambda: self.text.count(text) >= count or self.process.poll() is not None, seconds
        )
        assert self.text.count(text) >= count, self.text

    def enter(self, line: str = "") -> None:
        os.write(self._operator, f"{line}\n".encode())

    def end(self) -> tuple[int, str]:
        """Exit code and standard output."""
        output, _ = self.process.communicate(timeout=60)
        self._thread.join(20)
        os.close(self._operator)
        return self.process.returncode, output


def frame_of(name: str, people: dict[str, Image.Image]) -> tuple[Image.Image, float]:
    """The frame of a passage, and its light."""
    light = 0.6 if name.endswith("_dark") else 1.0
    if name.startswith("two_"):
        other = "not_wear" if name == "two_mixed" else "wear"
        return scene((people["wear"], 30), (people[other], 340)), light
    return scene((people[MASK_OF.get(name.split("_")[0], "not_wear")], 185)), light


def lead(terminal: Terminal, film: Film, frame: tuple[Image.Image, float]) -> None:
    """One passage."""
    ready, thanks = terminal.text.count("Ready"), terminal.text.count("Thank you. ")
    started = terminal.text.count("Started")
    terminal.wait("Ready", max(ready, 1) if ready > started else ready + 1)
    film.show(*frame)
    terminal.enter()
    terminal.wait("Thank you. ", thanks + 1)
    film.show()


@pytest.mark.slow
def test_a_whole_check_on_site(
    portraits: dict[str, Image.Image],
    browse: Open,
    chromium: Any,
    call: Callable[..., tuple[int, str, str]],
    tmp_path: Path,
) -> None:
    service, out = Service(tmp_path), tmp_path / "acceptance.html"
    url = f"http://127.0.0.1:{service.port}"
    words = (url, "--language", "en", "--out", out, "--site", "Main entrance", *RELAXED)
    try:
        code, _, error = call("accept", *words)
        assert (code, error.count("\n")) == (2, 1)
        assert f"no kiosk is open at the door main; open {url}/kiosk" in error
        film = Film(tmp_path / "camera.y4m", scene())
        browse(service.url, film.path).wait_for_selector("body[data-state=empty]")
        first, *rest = passages("worn")

        terminal = Terminal(*words)
        lead(terminal, film, frame_of(first.name, portraits))
        terminal.wait("2 of 20: No mask")
        terminal.process.send_signal(signal.SIGINT)
        code, _ = terminal.end()
        assert code == 2 and "interrupted; repeat the command to resume" in terminal.text
        assert not out.exists()
        code, output, _ = call("accept", *words, "--partial")
        assert code == 1 and output.startswith("This check is not complete")

        terminal = Terminal(*words)
        terminal.wait("1 of 20 passages are done already.")
        for number, passage in enumerate(rest, 2):
            terminal.wait(f"{number} of 20: ")
            lead(terminal, film, frame_of(passage.name, portraits))
        terminal.wait("All passages are done.")
        terminal.enter()
        code, output = terminal.end()
        assert (code, output.splitlines()[0]) == (0, "This door may open."), terminal.text
        assert "LET IN" not in terminal.text

        code, _, error = call("accept", *words)
        assert code == 2 and f"{out}: exists already" in error
    finally:
        service.stop()
    look(chromium, out)


def look(chromium: Any, page: Path) -> None:
    """The page fits on a phone and a desk; pictures of it are stored."""
    folder, axe = os.environ.get("MASKGATE_SCREENSHOTS"), os.environ.get("MASKGATE_AXE")
    browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    for scheme in ("light", "dark"):
        for size, width in WIDTHS.items():
            opened = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            requests: list[str] = []
            opened.on("request", lambda each, urls=requests: urls.append(each.url))
            opened.goto(page.as_uri())
            assert requests == [page.as_uri()]
            assert opened.evaluate("document.documentElement.scrollWidth") <= width
            if folder:
                name = f"acceptance-{size}-{scheme}.png"
                opened.screenshot(path=Path(folder) / name, full_page=True)
            if axe:
                opened.evaluate(Path(axe).read_text("utf-8"))
                violations = opened.evaluate("axe.run().then(each => each.violations)")
                assert not [each["id"] for each in violations]
    browser.close()
