"""The kiosk in Chromium, with a camera that shows drawn people."""

import io
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskgate import labels
from maskgate.core import default_model
from maskgate.door.decision.voting import SPAN
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from maskgate.door.server.states import LEASE
from tests.door.server.camera import film, scene
from tests.door.server.conftest import Open, Serve, wait_until
from tests.door.server.test_kiosk import Reader
from tests.door.server.test_screens import OK, Scripted

NO_VERDICT = 3.0  # seconds until a lost camera or service is noticed, at most


def test_a_fault_is_named(serve: Serve, browse: Open) -> None:
    page = browse(f"http://127.0.0.1:{serve().port}/kiosk")
    code = """times => import("/assets/kiosk-faults.js").then(({ fault }) => fault(10, {
      problem: null, frame: 10, change: 10, answer: 9.9, dark: null, ...times }))"""
    assert page.evaluate(code, {}) is None
    assert page.evaluate(code, {"frame": 7.9, "change": 7, "answer": 7}) == "no_camera"
    assert page.evaluate(code, {"change": 7.9}) == "frozen"
    assert page.evaluate(code, {"change": 7.9, "dark": 9}) == "dark"
    assert page.evaluate(code, {"dark": 9.9}) is None
    assert page.evaluate(code, {"answer": 7.9}) == "no_server"
    assert page.evaluate(code, {"problem": "insecure"}) == "insecure"


@pytest.mark.slow
def test_languages_text_size_and_events(serve: Serve, browse: Open) -> None:
    running = serve(settings=Settings(purpose="Statistics", kiosk=KioskSettings(alert_after=1)))
    page = browse(f"http://127.0.0.1:{running.port}/kiosk?door=north", locale="ko-KR")
    page.wait_for_selector("#languages button")
    assert page.text_content("#call span") == "직원 호출"
    page.click("text=English")
    assert page.text_content("#call span") == "Call staff"
    assert page.evaluate("document.documentElement.lang") == "en"
    assert page.text_content("#judged").startswith("Gender and age are estimated too. Purpose: St")
    size = "parseFloat(getComputedStyle(document.querySelector('#message')).fontSize)"
    before = page.evaluate(size)
    for _ in range(3):
        page.click("#text_size")
    assert page.evaluate(size) == pytest.approx(2 * before)
    page.click("#sound")
    assert page.get_attribute("#sound", "aria-pressed") == "true"
    page.wait_for_timeout(300)  # the feed of events is open
    page.click("#call")
    page.wait_for_selector("#called:not([hidden])")
    assert running.metric('maskgate_events_total{kind="alert",reason="help"}') == 1
    running.request("POST", "/v1/events/override/operator?door=south")
    page.keyboard.press("F8")
    page.wait_for_selector("body[data-state=let_in]")
    assert page.text_content("#detail") == "Staff let you in"
    assert running.metric('maskgate_events_total{kind="override",reason="operator"}') == 2
    page.reload()
    page.wait_for_selector("#languages button")
    assert page.text_content("#call span") == "Call staff"
    assert page.get_attribute("#sound", "aria-pressed") == "true"
    assert not page.errors


@pytest.mark.slow
def test_the_page_reports_what_it_shows(serve: Serve, browse: Open) -> None:
    running = serve()
    reader = Reader(running)

    def latest() -> tuple[str, str | None]:
        event: dict[str, Any] = reader.events[-1] if reader.events else {}
        assert event.get("door", "north") == "north"
        return event.get("state", ""), event.get("reason")

    page = browse(f"http://127.0.0.1:{running.port}/kiosk?door=north")
    page.wait_for_selector("body[data-state=closer]")  # the face is two pixels wide
    wait_until(lambda: latest() == ("closer", None))
    page.wait_for_timeout(1000 * (LEASE + 1))
    assert latest() == ("closer", None), "a page repeats its report"
    assert "silent" not in [each["reason"] for each in reader.events]
    page.evaluate("document.querySelector('video').pause()")
    wait_until(lambda: latest() == ("none", "no_camera"))
    page.close()
    wait_until(lambda: latest() == ("none", "closed"))


OPEN_SOCKETS = """window.sockets = [];
window.WebSocket = class extends WebSocket {
  constructor(url) { super(url); window.sockets.push(this); }
};"""


@pytest.mark.slow
def test_after_a_lost_connection_the_settings_are_known_before_a_verdict(
    serve: Serve, browse: Open
) -> None:
    url = f"http://127.0.0.1:{serve().port}"
    page = browse(f"{url}/sign")
    page.add_init_script(OPEN_SOCKETS)
    page.goto(f"{url}/kiosk")
    page.wait_for_selector("body[data-state=closer]")
    page.route("**/v1/kiosk", lambda route: route.abort())
    page.evaluate("window.sockets.at(-1).close()")
    page.wait_for_selector("body[data-state=none] #detail:text('The service does not answer')")
    page.wait_for_timeout(1500)  # frames are answered again
    assert page.get_attribute("body", "data-state") == "none"
    page.unroute("**/v1/kiosk")
    page.wait_for_selector("body[data-state=closer]")

    def other(route: Any) -> None:
        route.fulfill(json=route.fetch().json() | {"policy": "bare"})

    page.route("**/v1/kiosk", other)
    with page.expect_navigation():
        page.evaluate("window.sockets.at(-1).close()")


@pytest.mark.slow
@pytest.mark.parametrize("lost", ["**/assets/kiosk-view.js", "**/v1/settings"])
def test_a_service_lost_while_the_page_loads(lost: str, serve: Serve, browse: Open) -> None:
    url = f"http://127.0.0.1:{serve().port}"
    page = browse(f"{url}/sign")
    page.route(lost, lambda route: route.abort())
    page.goto(f"{url}/kiosk")
    assert not page.is_visible("#unloaded")
    page.wait_for_selector("#unloaded:has-text('No verdict'):has-text('판정할 수 없음')")
    page.unroute(lost)
    page.goto(f"{url}/kiosk")
    page.wait_for_selector("body[data-state=closer]")
    assert not page.query_selector("#unloaded")


@pytest.mark.slow
def test_a_verdict_after_a_fault_rests_on_new_frames(serve: Serve, browse: Open) -> None:
    running = serve(Scripted(OK))
    reader = Reader(running)
    page = browse(f"http://127.0.0.1:{running.port}/kiosk")
    page.wait_for_selector("body[data-state=go]")
    page.wait_for_selector("#people li[data-state=go]")
    page.evaluate("document.querySelector('video').pause()")
    page.wait_for_selector("body[data-state=none]")
    assert not page.query_selector("#people li")
    page.evaluate("document.querySelector('video').play()")
    page.wait_for_selector("body[data-state=go]")
    wait_until(lambda: reader.events[-1]["state"] == "go")
    states = [each["state"] for each in reader.events]
    last = len(states) - states[::-1].index("none")  # the first event after the faults
    assert states[last:] == ["moment", "go"]
    begin, end = (datetime.fromisoformat(each["since"]) for each in reader.events[last:])
    assert (end - begin).total_seconds() > SPAN - 0.3  # a frame or two before the first answer


CAMERAS = """window.streams = [];
window.delay = 0;
window.details = [];
const open = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
navigator.mediaDevices.getUserMedia = async (options) => {
  await new Promise((resolve) => setTimeout(resolve, window.delay));
  window.streams.push(await open(options));
  return window.streams.at(-1);
};
const play = HTMLMediaElement.prototype.play;
window.fails = FAILS;
HTMLMediaElement.prototype.play = function () {
  if (window.fails) throw new Error("it does not play");
  return play.call(this);
};
new MutationObserver(() => {
  const text = document.getElementById("detail")?.textContent;
  if (text !== window.details.at(-1)) window.details.push(text);
}).observe(document, { childList: true, subtree: true });
"""


@pytest.mark.slow
def test_a_camera_that_does_not_play_is_closed(serve: Serve, browse: Open) -> None:
    url = f"http://127.0.0.1:{serve().port}"
    page = browse(f"{url}/sign")
    page.add_init_script(CAMERAS.replace("FAILS", "true"))
    page.goto(f"{url}/kiosk")
    wait_until(lambda: page.evaluate("window.streams.length") > 1)
    states = "window.streams.slice(0, -1).map((each) => each.getTracks()[0].readyState)"
    assert set(page.evaluate(states)) == {"ended"}
    page.evaluate("window.fails = false")
    page.wait_for_selector("body[data-state=closer]")
    assert set(page.evaluate(states)) == {"ended"}


@pytest.mark.slow
def test_a_camera_that_comes_back_blames_no_service(serve: Serve, browse: Open) -> None:
    url = f"http://127.0.0.1:{serve().port}"
    page = browse(f"{url}/sign")
    page.add_init_script(CAMERAS.replace("FAILS", "false"))
    page.goto(f"{url}/kiosk")
    page.wait_for_selector("body[data-state=closer]")
    page.evaluate("""window.delay = 2500;
        for (const track of document.querySelector("video").srcObject.getTracks()) track.stop();""")
    page.wait_for_selector("body[data-state=none]")
    page.wait_for_selector("body[data-state=closer]")
    details = page.evaluate("window.details")
    assert any("camera gives no picture" in each for each in details)
    assert not any("service does not answer" in each for each in details)


class Service:
    """`maskgate serve` with the default model, in a process of its own."""

    def __init__(self, folder: Path, *options: str) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        python = os.environ.get("MASKGATE_SERVE_PYTHON", sys.executable)  # see test_door_install
        self.command = [python, "-m", "maskgate", "serve", "--port", str(self.port)]
        self.command += ["--language", "en", "--alert-after", "1", *options]
        self.folder = folder
        self.start()

    def start(self) -> None:
        cache = {"MASKGATE_CACHE": str(self.folder)}
        self.process = subprocess.Popen(self.command, env=os.environ | cache)
        wait_until(self._is_open, 60)

    def _is_open(self) -> bool:
        assert self.process.poll() is None
        with socket.socket() as client:
            return client.connect_ex(("127.0.0.1", self.port)) == 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/kiosk"

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image.Image]:
    """For each mask state the drawn person, 270×360, of whom the default model is surest, so that
    what the camera's compression changes does not matter."""
    from maskgate.door import Engine
    from maskgate.synthetic.people import sample_people

    if not default_model.FOLDER.is_dir():
        pytest.skip("the package contains no default model")
    root = tmp_path_factory.mktemp("drawn")
    sample_people.make(root, people=20, eval_people=1, size=(512, 384))
    engine = Engine()

    def probability(portrait: Image.Image, state: int) -> float:
        compressed = io.BytesIO()
        scene((portrait, 185)).save(compressed, "JPEG", quality=80)
        frames = scene((portrait, 185)), Image.open(compressed)
        faces = [verdict for frame in frames for verdict in engine(np.asarray(frame))]
        if len(faces) != len(frames):
            return 0.0
        masks = labels.marginals(np.stack([each.probabilities for each in faces]))["mask"]
        return float(masks[:, state].min())

    portraits = {}
    names = ("mask1", "incorrect", "normal")
    for code, (state, name) in enumerate(zip(labels.MASKS, names, strict=True)):
        paths = sorted(root.glob(f"train/images/*/{name}*"))
        people = [Image.open(path).convert("RGB").resize((270, 360)) for path in paths]
        portraits[state] = max(people, key=lambda each: probability(each, code))
        assert probability(portraits[state], code) > 0.97
    return portraits


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("worn"))
    yield service
    service.stop()


@pytest.fixture(scope="module")
def bank(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    service = Service(tmp_path_factory.mktemp("bare"), "--policy", "bare")
    yield service
    service.stop()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("state", "worn", "bare"),
    [("wear", "go", "take_off"), ("incorrect", "cover", "take_off"), ("not_wear", "put_on", "go")],
)
def test_both_policies(
    state: str,
    worn: str,
    bare: str,
    *,
    door: Service,
    bank: Service,
    portraits: dict[str, Image.Image],
    browse: Open,
    tmp_path: Path,
) -> None:
    video = film(tmp_path / "camera.mjpeg", scene((portraits[state], 185)))
    for service, verdict in ((door, worn), (bank, bare)):
        page = browse(service.url, video)
        page.wait_for_selector(f"body[data-state={verdict}]")
        page.wait_for_selector(f"body[data-state={verdict}] #people li[data-state={verdict}]")
        assert page.text_content("#judged") == "Only the mask is checked. No picture is kept."
        assert not page.errors


@pytest.mark.slow
def test_two_people(
    door: Service, portraits: dict[str, Image.Image], browse: Open, tmp_path: Path
) -> None:
    frame = scene((portraits["wear"], 30), (portraits["not_wear"], 340))
    page = browse(door.url, film(tmp_path / "camera.mjpeg", frame))
    both = "#people:has(li[data-state=go]):has(li[data-state=put_on])"
    page.wait_for_selector(f"body[data-state=put_on] {both}", state="attached")
    page.wait_for_selector("#called:not([hidden])")  # somebody has waited for a second


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "frames", "light", "state", "detail"),
    [
        ("empty", 6, 1, "empty", "Look at the screen, one step away"),
        ("dark", 6, 0.05, "none", "It is too dark here"),
        ("frozen", 1, 1, "none", "The camera’s picture stands still. Please ask staff"),
    ],
)
def test_no_face_no_light_no_movement(
    name: str,
    frames: int,
    light: float,
    *,
    state: str,
    detail: str,
    door: Service,
    portraits: dict[str, Image.Image],
    browse: Open,
    tmp_path: Path,
) -> None:
    people = [] if name == "empty" else [(portraits["wear"], 185)]
    page = browse(door.url, film(tmp_path / "camera.mjpeg", scene(*people), frames, light))
    page.wait_for_selector(f"body[data-state={state}] #detail:text-is('{detail}')")


def _seconds(page: Any, selector: str) -> float:
    begin = time.monotonic()
    page.wait_for_selector(selector)
    return time.monotonic() - begin


@pytest.mark.slow
def test_a_lost_camera_or_service_is_noticed_and_comes_back(
    portraits: dict[str, Image.Image], browse: Open, tmp_path: Path
) -> None:
    service = Service(tmp_path)
    try:
        video = film(tmp_path / "camera.mjpeg", scene((portraits["wear"], 185)))
        page = browse(service.url, video)
        page.wait_for_selector("body[data-state=go]")
        no_camera = "body[data-state=none] #detail:text('The camera gives no picture')"
        page.evaluate("document.querySelector('video').pause()")  # frames stop without an event
        assert _seconds(page, no_camera) < NO_VERDICT
        assert not page.is_visible("#video")
        page.wait_for_selector("body[data-state=go]")
        tracks = "document.querySelector('video').srcObject.getTracks()"
        page.evaluate(f"{tracks}.forEach((each) => each.stop())")
        assert _seconds(page, no_camera) < NO_VERDICT
        page.wait_for_selector("body[data-state=go]")

        service.process.send_signal(signal.SIGSTOP)  # it hangs
        assert _seconds(page, "body[data-state=none]") < NO_VERDICT
        page.wait_for_selector("#detail:text('The service does not answer')")
        service.process.send_signal(signal.SIGCONT)
        page.wait_for_selector("body[data-state=go]")

        service.stop()
        assert _seconds(page, "body[data-state=none]") < NO_VERDICT
        service.start()
        page.wait_for_selector("body[data-state=go]")
        assert not page.errors
    finally:
        service.stop()
