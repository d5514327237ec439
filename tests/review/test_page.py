"""The page in Chromium: by keyboard alone, and through the death of browser and server."""

import contextlib
import http.client
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from maskgate.review import decisions, people
from maskgate.review.decisions import Decision
from tests.door.server import screens

pytestmark = pytest.mark.slow

CHROMIUM = shutil.which("chromium") or ""
COUNT = 8


class Review:
    """`maskgate review` in a process of its own."""

    def __init__(self, folder: Path, data: Path) -> None:
        self.out = folder / "corrections.csv"
        suspects = folder / "suspects.csv"
        if not suspects.exists():
            names = [*people.of_data(data).rows_by_name][-COUNT:]
            rows = [f"{name},gender,male,female,the run says female" for name in names]
            header = "person,attribute,label,predicted_label,reason"
            suspects.write_text("\n".join([header, *rows]) + "\n")
        self.words = [suspects, "--data", data, "--out", self.out, "--author", "Kim"]
        self.start()

    def start(self) -> None:
        command = [sys.executable, "-m", "maskgate", "review", *map(str, self.words)]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        self.lines: list[str] = []
        for line in self.process.stderr:
            self.lines.append(line)
            if match := re.search(r"http://\S+", line):
                self.address = match[0]
                return
        raise AssertionError(self.lines)

    def stop(self, number: int = signal.SIGKILL) -> str:
        """Send the signal; what the process has printed since."""
        self.process.send_signal(number)
        rest: str = self.process.communicate(timeout=60)[1]
        return rest

    @property
    def decided(self) -> list[Decision]:
        return decisions.read(self.out)

    @property
    def choices(self) -> list[str]:
        return [each.decision for each in self.decided]


@pytest.fixture
def review(tmp_path: Path, people: Path) -> Iterator[Review]:
    running = Review(tmp_path, people)
    yield running
    if running.process.poll() is None:
        running.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    """Chromium, for tests of pages."""
    playwright = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM:
        pytest.skip("Chromium is not installed")
    with playwright.sync_playwright() as started:
        yield started.chromium


def opened(chromium: Any, address: str, **context: Any) -> Any:
    browser = chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
    page = browser.new_page(**context)
    page.errors = []
    page.on("pageerror", lambda error: page.errors.append(str(error)))
    page.goto(address)
    page.wait_for_selector("#main:not([hidden])")
    return page


def place(page: Any, number: int) -> None:
    """Wait until the page shows this question."""
    page.wait_for_function(
        "text => document.getElementById('place').textContent.startsWith(text)",
        arg=f"Question {number} of",
    )


def crash(browser: Any) -> None:
    """Kill the browser's process."""
    with contextlib.suppress(Exception):  # it dies without an answer
        browser.new_browser_cdp_session().send("Browser.crash")
    assert not browser.is_connected()


def test_a_review_by_keyboard_survives_the_death_of_server_and_browser(
    chromium: Any, review: Review
) -> None:
    page = opened(chromium, review.address)
    assert "token" not in page.url
    place(page, 1)
    page.keyboard.press("k")
    place(page, 2)
    label = page.locator("#facts dd").first.inner_text()
    other = {"male": "2", "female": "1"}[label]
    page.keyboard.press("t")  # likely → doubtful
    page.keyboard.press("r")
    page.keyboard.type("3 looks, k")
    page.keyboard.press("Enter")
    page.keyboard.press(other)
    place(page, 3)
    page.keyboard.press("u")
    place(page, 4)
    page.keyboard.press("d")
    place(page, 5)
    assert review.choices == ["keep", "change", "unsure", "drop"]
    changed = review.decided[1]
    assert (changed.tier, changed.reason, changed.author) == ("doubtful", "3 looks, k", "Kim")
    page.keyboard.press("z")
    place(page, 4)
    assert review.choices == ["keep", "change", "unsure"]
    page.keyboard.press("ArrowLeft")
    place(page, 3)
    page.keyboard.press("ArrowRight")
    place(page, 4)

    review.stop()
    page.keyboard.press("k")
    page.wait_for_function("document.getElementById('fault').textContent.includes('not answer')")
    assert review.choices == ["keep", "change", "unsure"]
    review.start()
    assert f"{COUNT} labels of" in review.lines[-2]
    assert "3 decided" in review.lines[-2]
    page.goto(review.address)
    place(page, 4)
    page.keyboard.press("k")
    place(page, 5)
    assert page.errors == []
    crash(page.context.browser)
    assert review.choices == ["keep", "change", "unsure", "keep"]

    page = opened(chromium, review.address)
    place(page, 5)
    page.keyboard.press("m")  # the mask in the photo that is first on the page
    place(page, COUNT + 1)
    assert page.locator("#ask").inner_text() == "Mask in normal.jpg?"
    page.keyboard.press("3")  # what it is already
    place(page, 5)
    last = review.decided[-1]
    assert (last.attribute, last.decision, last.photo.endswith("/normal.jpg")) == (
        "mask", "keep", True,
    )  # fmt: skip
    for number in range(5, COUNT + 1):
        place(page, number)
        page.keyboard.press("k")
    page.wait_for_selector("#done:not([hidden])")
    assert page.errors == []
    page.context.browser.close()
    assert "stopped; every decision is written" in review.stop(signal.SIGINT)
    assert review.process.returncode == 0


def test_what_a_killed_server_has_acknowledged_is_never_lost(
    review: Review, moments: random.Random
) -> None:
    for _ in range(2):
        browser = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        browser.open(review.address).read()
        root = review.address.partition("?")[0]
        acknowledged: list[int] = []
        before = len(review.decided)
        timer = threading.Timer(moments.uniform(0, 0.1), review.process.kill)
        last = moments.randint(1, 20)
        with contextlib.suppress(OSError, http.client.HTTPException):
            for turn in range(10_000):
                number, choice = turn % COUNT, moments.choice(["keep", "unsure", "drop"])
                body = {"number": number, "choice": choice, "tier": "sure", "note": f"turn {turn}"}
                browser.open(_request(f"{root}decisions", body)).read()
                acknowledged.append(turn)
                if turn == last:
                    timer.start()
        timer.join()
        review.process.wait(60)
        review.process.stderr.close()
        review.start()  # which also checks the corrections against the journal
        lines = decisions.journal_file(review.out).read_text("utf-8").splitlines()
        written = [line.rpartition(",turn ")[2] for line in lines[-len(acknowledged) - 1 :]]
        assert len(acknowledged) > last
        assert {str(turn) for turn in acknowledged} <= {*written}
        assert len(review.decided) >= before


def _request(url: str, body: dict[str, Any]) -> urllib.request.Request:
    content = json.dumps(body).encode()
    return urllib.request.Request(url, content, {"Content-Type": "application/json"})


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_page_fits_every_screen(scheme: str, chromium: Any, review: Review) -> None:
    page = opened(chromium, review.address, color_scheme=scheme)
    for width, height in ((1280, 800), (768, 1024), (390, 844)):
        page.set_viewport_size({"width": width, "height": height})
        page.wait_for_load_state("networkidle")
        screens.save(page, f"review-{scheme}-{width}")
        assert screens.faults(page, least_size=12, may_scroll=True) == []
        screens.check_accessibility(page)
    assert page.errors == []
    page.context.browser.close()
