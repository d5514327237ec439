"""The kiosk in Chromium with a camera that the service reads."""

import signal
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from maskgate.imaging.pixels import Pixels
from tests.door import films
from tests.door.films import Scene
from tests.door.server import screens
from tests.door.server.conftest import Open, Serve, wait_until
from tests.door.server.test_cameras import camera_of, room
from tests.door.server.test_kiosk import Reader
from tests.door.server.test_kiosk_page import NO_VERDICT, Service
from tests.door.server.test_screens import LARGE_TEXT, LEAST_SHARE, LEAST_SIZE, OK, SIZES, Scripted
from tests.door.watching.servers import Mjpeg

# How bright the middle of the picture is that is shown; 0 if none is.
MIDDLE = """() => {
  const canvas = document.getElementById("frame");
  if (!canvas.checkVisibility({ visibilityProperty: true })) return 0;
  const x = canvas.width / 2, y = canvas.height / 2;
  return canvas.getContext("2d").getImageData(x, y, 1, 1).data[1];
}"""
NO_CAMERA = "body[data-state=none] #detail:text('The camera gives no picture')"
NO_SERVER = "body[data-state=none] #detail:text('The service does not answer')"
ENGLISH = {"locale": "en-US"}


@pytest.fixture
def mjpeg() -> Iterator[Mjpeg]:
    camera = Mjpeg()
    camera.show(room())
    yield camera
    camera.stop()


def _seconds(page: Any, selector: str) -> float:
    begin = time.monotonic()
    page.wait_for_selector(selector)
    return time.monotonic() - begin


@pytest.mark.slow
def test_the_only_camera_is_shown_with_boxes(serve: Serve, browse: Open, mjpeg: Mjpeg) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    reader = Reader(running)
    page = browse(f"http://127.0.0.1:{running.port}/kiosk?door=north", **ENGLISH)
    page.wait_for_selector("body[data-state=go] #people li[data-state=go]")
    assert page.evaluate(MIDDLE) > 100
    assert not page.evaluate("document.getElementById('video').srcObject"), "not its own camera"
    size = page.evaluate("[document.getElementById('frame').width, innerWidth]")
    assert size[0] == 640
    wait_until(lambda: reader.events and reader.events[-1]["state"] == "go")
    assert reader.events[-1]["door"] == "north"
    running.request("POST", "/v1/events/override/operator?door=north")
    page.wait_for_selector("body[data-state=let_in]")
    page.click("#call")
    wait_until(lambda: running.metric('maskgate_events_total{kind="alert",reason="help"}') == 1)
    assert not page.errors


@pytest.mark.slow
def test_faults_are_named_and_end(serve: Serve, browse: Open, mjpeg: Mjpeg) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    reader = Reader(running)
    page = browse(f"http://127.0.0.1:{running.port}/kiosk?camera=front", **ENGLISH)
    page.wait_for_selector("body[data-state=go]")
    mjpeg.show(room(0.05))
    assert _seconds(page, "body[data-state=none] #detail:text('It is too dark here')") < NO_VERDICT
    assert page.evaluate(MIDDLE) == 0
    mjpeg.show(room())
    page.wait_for_selector("body[data-state=go]")
    mjpeg.show(_covered())
    covered = "body[data-state=none] #detail:text('Something covers the camera')"
    assert _seconds(page, covered) < NO_VERDICT
    mjpeg.show(room())
    page.wait_for_selector("body[data-state=go]")
    mjpeg.show(iter([next(room())]))
    assert _seconds(page, "body[data-state=none] #detail:text('stands still')") < NO_VERDICT
    mjpeg.show(room())
    page.wait_for_selector("body[data-state=go]")
    mjpeg.hangs = True
    assert _seconds(page, NO_CAMERA) < NO_VERDICT
    mjpeg.hangs = False
    page.wait_for_selector("body[data-state=go]")
    wait_until(lambda: reader.events[-1]["state"] == "go")
    reasons = [each["reason"] for each in reader.events if each["reason"]]
    assert reasons == ["dark", "covered", "frozen", "no_camera"], "and no service is blamed"
    states = [each["state"] for each in reader.events]
    after = [states[place + 1] for place, state in enumerate(states) if state == "none"]
    assert set(after) == {"moment"}, "no frame from before a fault counts"
    assert not page.errors


def _covered() -> Iterator[Pixels]:
    """What a camera sees whose lens is covered: it changes a little."""
    for grey in (120, 121):
        yield np.full((*films.SIZE[::-1], 3), grey, np.uint8)


@pytest.mark.slow
def test_two_screens_and_a_kiosk_with_its_own_camera(
    serve: Serve, browse: Open, mjpeg: Mjpeg
) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    url = f"http://127.0.0.1:{running.port}/kiosk"
    front_page = browse(f"{url}?camera=front")
    other = browse(f"{url}?camera=front&door=back")
    browser_page = browse(f"{url}?camera=browser&door=side")
    for page in (front_page, other, browser_page):
        page.wait_for_selector("body[data-state=go]")
    assert browser_page.evaluate("!!document.getElementById('video').srcObject")
    assert not browser_page.is_visible("#frame")
    mjpeg.hangs = True
    for page in (front_page, other):
        page.wait_for_selector("body[data-state=none]")
    assert browser_page.get_attribute("body", "data-state") == "go"
    mjpeg.hangs = False
    for page in (front_page, other):
        page.wait_for_selector("body[data-state=go]")


@pytest.mark.slow
def test_what_a_slow_connection_holds_up_is_never_new(
    serve: Serve, browse: Open, mjpeg: Mjpeg
) -> None:
    """Messages that arrive four seconds late change nothing on the screen."""
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    url = f"http://127.0.0.1:{running.port}"
    page = browse(f"{url}/sign", **ENGLISH)
    page.add_init_script("""window.late = 0;
      window.states = [];
      const property = Object.getOwnPropertyDescriptor(WebSocket.prototype, "onmessage");
      Object.defineProperty(WebSocket.prototype, "onmessage", { set(take) {
        property.set.call(this, (event) =>
          window.late ? setTimeout(() => take(event), window.late) : take(event));
      } });
      setInterval(() => window.states.push(document.body?.dataset.state), 20);""")
    page.goto(f"{url}/kiosk")
    page.wait_for_selector("body[data-state=go]")
    page.evaluate("window.late = 4000")
    assert _seconds(page, NO_SERVER) < NO_VERDICT
    page.evaluate("window.states.length = 0")
    page.wait_for_timeout(5000)
    assert set(page.evaluate("window.states")) == {"none"}
    page.evaluate("window.late = 0")
    page.wait_for_selector("body[data-state=go]")


@pytest.mark.slow
def test_an_unknown_camera_is_one_sentence_until_it_is_known(
    serve: Serve, browse: Open, mjpeg: Mjpeg
) -> None:
    url = f"http://127.0.0.1:{serve(Scripted(OK), own_cameras=[camera_of(mjpeg)]).port}/kiosk"
    page = browse(f"{url}?camera=side")
    assert "no such camera; this service has front, browser" in page.text_content("body")
    with page.expect_navigation(timeout=10_000):  # it asks again
        page.wait_for_timeout(1)


@pytest.mark.slow
@pytest.mark.parametrize("state", ["go", "no-camera", "covered"])
def test_every_screen(state: str, serve: Serve, browse: Open, mjpeg: Mjpeg) -> None:
    running = serve(Scripted(OK), own_cameras=[camera_of(mjpeg)])
    page = browse(f"http://127.0.0.1:{running.port}/kiosk", reduced_motion="reduce", **ENGLISH)
    page.wait_for_selector("body[data-state=go]")
    if state == "no-camera":
        mjpeg.hangs = True
    elif state == "covered":
        mjpeg.show(_covered())
    expected = "go" if state == "go" else "none"
    faults = []
    for size, (width, height) in [*SIZES.items(), LARGE_TEXT]:
        is_large = size == LARGE_TEXT[0]
        page.set_viewport_size({"width": width, "height": height})
        for _ in range(3 if is_large else 0):
            page.click("#text_size")
        least = max(LEAST_SIZE, LEAST_SHARE * min(width, height)) * (2 if is_large else 1)
        for language in ("en", "ko"):
            page.click(f"#languages [lang={language}]")
            page.wait_for_selector(f"body[data-state={expected}]")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            page.wait_for_timeout(200)
            faults += [
                f"{size} {language}: {each}" for each in screens.faults(page, least, is_large)
            ]
            screens.save(page, f"service-{state}-{size}-{language}")
    screens.check_accessibility(page)
    assert not faults, "\n".join(faults)
    assert not page.errors


@pytest.mark.slow
def test_the_default_model_on_drawn_people(
    portraits: dict[str, Image.Image], browse: Open, tmp_path: Path
) -> None:
    """Every verdict on the screen; the camera pulled and put back; the service hangs and is
    killed."""

    def show(camera: Mjpeg, state: str | None) -> None:
        people = [("it", 200.0)] if state else []
        drawn = {"it": portraits[state]} if state else {}
        camera.show(films.frames([Scene(0.6, people)], drawn))

    with ExitStack() as stack:
        camera = Mjpeg()
        stack.callback(lambda: camera.stop())
        show(camera, "wear")
        service = Service(tmp_path, "--from", f"front={camera.url}")
        stack.callback(service.stop)
        pages = [browse(f"{service.url}?camera=front") for _ in range(2)]

        def wait(selector: str) -> list[float]:
            return [_seconds(page, selector) for page in pages]

        for state, verdict in (("wear", "go"), ("incorrect", "cover"), ("not_wear", "put_on")):
            show(camera, state)
            wait(f"body[data-state={verdict}] #people li[data-state={verdict}]")
        show(camera, None)
        wait("body[data-state=empty]")
        show(camera, "wear")
        wait("body[data-state=go]")

        port = camera.port
        camera.stop()  # the cable is pulled
        assert max(wait(NO_CAMERA)) < NO_VERDICT
        assert all(page.evaluate(MIDDLE) == 0 for page in pages)
        camera = Mjpeg(port)
        show(camera, "not_wear")
        wait("body[data-state=put_on]")
        show(camera, "wear")
        wait("body[data-state=go]")

        service.process.send_signal(signal.SIGSTOP)
        assert max(wait(NO_SERVER)) < NO_VERDICT
        show(camera, "not_wear")
        service.process.send_signal(signal.SIGCONT)
        for page in pages:
            page.wait_for_selector("body:not([data-state=none]):not([data-state=moment])")
            assert page.get_attribute("body", "data-state") == "put_on"
        show(camera, "wear")
        wait("body[data-state=go]")
        service.stop()
        assert max(wait("body[data-state=none]")) < NO_VERDICT
        service.start()
        wait("body[data-state=go]")
        assert not any(page.errors for page in pages)
