"""What the kiosk looks like in every state, on four screens and in both languages."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np
import pytest
from PIL import Image

from maskgate import labels
from maskgate.door.readings import Policy
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from maskgate.door.verdict import Verdict, verdicts
from maskgate.synthetic.people import sample_people
from tests.door.server import screens
from tests.door.server.camera import film, scene
from tests.door.server.conftest import FakeEngine, Open, Serve

SIZES: Final = {"phone": (360, 740), "portrait": (1080, 1920), "4k": (3840, 2160)}
LARGE_TEXT: Final = ("text-200", (1280, 800))
LEAST_SIZE: Final = 18  # pixels of letters
LEAST_SHARE: Final = 0.052  # of the shorter side of the screen

NEAR, LEFT, RIGHT, FAR = (
    (265.0, 85.0, 375.0, 225.0), (110.0, 85.0, 220.0, 225.0), (420.0, 85.0, 530.0, 225.0),
    (295.0, 120.0, 345.0, 180.0),
)  # fmt: skip
Face = tuple[tuple[float, float, float, float], str, float]


class Scripted(FakeEngine):
    """Finds the same faces in every frame: a box, a mask state and its probability."""

    def __init__(self, *faces: Face) -> None:
        super().__init__()
        self.faces = faces

    def batch(self, frames: Any) -> list[list[Verdict]]:
        if not self.faces:
            return [[] for _ in frames]
        boxes = np.array([[*box, 0.9] for box, _, _ in self.faces], np.float32)
        probabilities = np.zeros((len(boxes), labels.COUNT), np.float32)
        for row, (_, state, share) in zip(probabilities, self.faces, strict=True):
            code = 6 * labels.MASKS.index(state)
            row[:] = (1 - share) / (labels.COUNT - 1)
            row[code + 1] = share
        return [verdicts(boxes, probabilities, self.attributes) for _ in frames]


class State(NamedTuple):
    """A state of the screen: the faces, and what the screen says then."""

    name: str
    state: str
    message: str
    faces: tuple[Face, ...] = ()
    policy: Policy = "worn"
    purpose: str | None = None
    script: str = ""  # what is done to the page first
    light: float = 1
    frames: int = 6


LOSE = "document.querySelector('video').srcObject.getTracks().forEach((each) => each.stop());"
REFUSE = "navigator.mediaDevices.getUserMedia = async () => { throw new DOMException('', NAME) };"
OK = (NEAR, "wear", 0.95)
STATES = [
    State("go", "go", "go", (OK,)),
    State("cover", "cover", "cover", ((NEAR, "incorrect", 0.9),)),
    State("put-on", "put_on", "put_on", ((NEAR, "not_wear", 0.9),)),
    State("take-off", "take_off", "take_off", (OK,), policy="bare"),
    State("closer", "closer", "closer", ((FAR, "wear", 0.9),)),
    State("moment", "moment", "moment", ((NEAR, "wear", 0.4),)),
    State("empty", "empty", "empty"),
    State("let-in", "let_in", "let_in", ((NEAR, "not_wear", 0.9),)),
    State("two", "put_on", "put_on", ((LEFT, "wear", 0.95), (RIGHT, "not_wear", 0.9))),
    State("two-bare", "take_off", "take_off", ((LEFT, "wear", 0.95), (RIGHT, "incorrect", 0.9)),
          policy="bare"),
    State("gender-age", "go", "go", (OK,), purpose="Statistics of the museum / 박물관 관람객 통계"),
    State("no-camera", "none", "no_camera", (OK,),
          script=REFUSE.replace("NAME", "'NotFoundError'") + LOSE),
    State("no-permission", "none", "no_permission", (OK,),
          script=REFUSE.replace("NAME", "'NotAllowedError'") + LOSE),
    State("insecure", "none", "insecure", (OK,),
          script="Object.defineProperty(navigator, 'mediaDevices', { value: null });" + LOSE),
    State("frozen", "none", "frozen", (OK,), frames=1),
    State("dark", "none", "dark", (OK,), light=0.05),
    State("no-server", "none", "no_server", (OK,)),
]  # fmt: skip


@pytest.fixture(scope="module")
def portraits(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Image.Image]:
    """A drawn person for each mask state, 270×360."""
    root = tmp_path_factory.mktemp("drawn")
    sample_people.make(root, people=1, eval_people=0, size=(512, 384))
    return {
        state: Image.open(min(root.glob(f"train/images/*/{name}*"))).resize((270, 360))
        for state, name in (("wear", "mask"), ("incorrect", "incorrect"), ("not_wear", "normal"))
    }


@pytest.mark.slow
@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_every_state_on_every_screen(
    state: State,
    *,
    serve: Serve,
    browse: Open,
    portraits: dict[str, Image.Image],
    tmp_path: Path,
) -> None:
    kiosk = KioskSettings(policy=state.policy, alert_after=1)
    running = serve(Scripted(*state.faces), Settings(purpose=state.purpose, kiosk=kiosk))
    people = [
        (portraits[value], round((box[0] + box[2]) / 2) - 135) for box, value, _ in state.faces
    ]
    video = film(tmp_path / "camera.mjpeg", scene(*people), state.frames, state.light)
    page = browse(
        f"http://127.0.0.1:{running.port}/kiosk", video, locale="en-US", reduced_motion="reduce"
    )
    page.set_default_timeout(120_000)  # a busy machine draws 4K slowly
    page.wait_for_selector("body[data-state=go]" if state.script else "#languages button")
    page.evaluate(f"() => {{ {state.script} }}")
    if state.message == "no_server":
        page.wait_for_selector("body[data-state=go]")
        running.server.should_exit = True

    def reached() -> None:
        if state.name == "let-in":  # it lasts six seconds
            running.request("POST", "/v1/events/override/operator")
        sign = f"#verdict use[href='#{state.state}']"
        page.wait_for_selector(f"body[data-state={state.state}] {sign}", state="attached")

    faults = []
    for size, (width, height) in [*SIZES.items(), LARGE_TEXT]:
        is_large = size == LARGE_TEXT[0]
        page.set_viewport_size({"width": width, "height": height})
        for _ in range(3 if is_large else 0):
            page.click("#text_size")
        least = max(LEAST_SIZE, LEAST_SHARE * min(width, height)) * (2 if is_large else 1)
        for language in ("en", "ko"):
            page.click(f"#languages [lang={language}]")
            page.evaluate("document.activeElement.blur(); scrollTo(0, 0)")
            name = f"{state.name}-{size}-{language}"
            problems = _look(page, name, reached, least=least, may_scroll=is_large)
            faults += [f"{size} {language}: {each}" for each in problems]
    screens.check_accessibility(page)
    assert not faults, "\n".join(faults)
    assert not page.errors


def _look(
    page: Any, name: str, reached: Callable[[], None], *, least: float, may_scroll: bool
) -> list[str]:
    """The faults of a state, while it lasts: a slow machine drops frames, and then verdicts."""
    for _ in range(5):
        reached()
        page.wait_for_timeout(200)
        state = page.get_attribute("body", "data-state")
        people = page.locator("#people li").count()
        problems = screens.faults(page, least, may_scroll)
        message = page.locator("#message").bounding_box()
        if message["y"] < 0 or message["y"] + message["height"] > page.viewport_size["height"]:
            problems.append("the message is not on the screen")
        screens.save(page, name)
        after = page.get_attribute("body", "data-state")
        if state == after and people == page.locator("#people li").count():
            break
    return problems
