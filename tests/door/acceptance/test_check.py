"""The guided check, with a kiosk that a test controls and an operator who types."""

import os
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.acceptance import check as checks
from maskgate.door.acceptance import feed, guide, measuring, texts
from maskgate.door.acceptance.check import Options
from maskgate.door.acceptance.keyboard import Keyboard
from maskgate.door.acceptance.page import Check
from maskgate.door.acceptance.passages import Passage, passages
from maskgate.door.acceptance.record import record_file
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from maskgate.errors import MaskgateError
from tests.door.acceptance.conftest import Kiosk
from tests.door.server.conftest import Running, Serve, wait_until

PASSAGES = passages("worn")


class Operator:
    """Runs a check in a thread: what it printed is in `lines`, what it came to in `result`."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.lines: list[str] = []
        self.result: Check | MaskgateError | None = None
        self._reader, self._writer = os.pipe()
        patch.setattr(guide, "say", self.lines.append)
        patch.setattr(measuring, "HOLD_GO", 0.15)
        patch.setattr(measuring, "HOLD_STOP", 0.2)
        patch.setattr(measuring, "LONGEST", 1.0)
        patch.setattr(feed, "_RETRY", 0.1)

    def begin(self, options: Options, page: Path | None = None) -> None:
        self.lines.clear()
        self.result = None

        def work() -> None:
            try:
                self.result = checks.run(options, page or options.out, Keyboard(self._reader))
            except MaskgateError as error:
                self.result = error

        self.thread = threading.Thread(target=work)
        self.thread.start()

    def type(self, line: str) -> None:
        os.write(self._writer, f"{line}\n".encode())

    def count(self, start: str) -> int:
        return sum(each.startswith(start) for each in self.lines)

    def wait(self, start: str, count: int = 1) -> None:
        wait_until(lambda: self.count(start) >= count or not self.thread.is_alive())
        assert self.count(start) >= count, (self.lines, self.result)

    def passage(self, kiosk: Kiosk, *screens: str) -> None:
        """One passage in which the kiosk says this, after `moment`."""
        thanks, started = self.count("Thank you"), self.count("Started")
        wait_until(lambda: self.lines and self.lines[-1].startswith("Ready"))
        self.type("")
        self.wait("Started", started + 1)
        for screen in ("moment", *screens):
            kiosk.show(*(("none", screen) if screen in ("dark", "no_camera") else (screen,)))
            pause()
        self.wait("Thank you", thanks + 1)
        kiosk.show("empty")

    def close(self) -> None:
        os.close(self._writer)
        self.thread.join(20)
        os.close(self._reader)


def pause() -> None:
    threading.Event().wait(0.08)


def right(passage: Passage) -> str:
    return min(passage.right - {"dark"})


@pytest.fixture
def operator(monkeypatch: pytest.MonkeyPatch) -> Iterator[Operator]:
    started = Operator(monkeypatch)
    yield started
    started.close()


def options(running: Running, folder: Path, **changes: Any) -> Options:
    url = f"http://127.0.0.1:{running.port}"
    return replace(Options(url, "main", folder / "page.html", texts.load("en")), **changes)


@pytest.mark.slow
def test_a_whole_check(serve: Serve, operator: Operator, tmp_path: Path) -> None:
    running = serve()
    chosen = options(running, tmp_path, site="North")
    with Kiosk(running) as kiosk:
        operator.begin(chosen)
        for passage in PASSAGES:
            operator.passage(kiosk, right(passage))
        operator.wait("All passages are done")
        assert record_file(chosen.out).exists() and not chosen.out.exists()
        operator.type("")
        operator.thread.join(20)
    assert isinstance(operator.result, Check), operator.result
    assert operator.result.conclusion == "open"
    assert operator.result.findings.times == 20
    assert "This door may open." in chosen.out.read_text("utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["page.html"]


def test_stopping_repeating_skipping_and_a_page_of_a_part(
    serve: Serve, operator: Operator, tmp_path: Path
) -> None:
    running = serve()
    chosen = options(running, tmp_path)
    with Kiosk(running) as kiosk:
        operator.begin(chosen)
        operator.wait("Ready")
        operator.type("r")
        operator.wait("No passage is done yet.")
        operator.passage(kiosk, "go")
        operator.passage(kiosk, "go", "put_on")  # wrong, then right
        assert operator.count("Thank you. LET IN, which is wrong") == 1
        operator.wait("3 of 20")
        operator.type("r")
        operator.wait("Repeat “No mask”. Why?")
        operator.type("9")
        operator.wait("Repeat “No mask”. Why?", 2)
        operator.type("2")
        operator.wait("2 of 20", 2)
        operator.passage(kiosk, "put_on")
        operator.wait("3 of 20", 2)
        operator.type("s")
        operator.wait("Skip “Nose out”. Why?")
        operator.type("")
        operator.wait("3 of 20", 3)
        operator.type("s")
        operator.wait("Skip “Nose out”. Why?", 2)
        operator.type("1")
        operator.wait("4 of 20")
        operator.type("?")
        operator.wait("Enter, s, r or q.")
        operator.type("q")
        operator.thread.join(20)
        assert str(operator.result).startswith("stopped after 3 of 20 passages; repeat")

        partial = tmp_path / "part.html"
        part = checks.run(replace(chosen, partial=True), partial)
        assert part.conclusion == "incomplete"
        assert "17 of 20 passages are not done." in partial.read_text("utf-8")
        assert "Repeated passages: 1" in partial.read_text("utf-8")

        operator.begin(chosen)
        operator.wait("3 of 20 passages are done already.")
        operator.wait("4 of 20")
        operator.type("q")
        operator.thread.join(20)
        with pytest.raises(MaskgateError) as raised:
            other = replace(chosen, url=f"http://127.0.0.1:{serve(settings=other_policy()).port}")
            checks.run(other, chosen.out)
        assert "the check began with policy worn, and it is now bare" in str(raised.value)


def other_policy() -> Settings:
    return Settings(kiosk=KioskSettings(policy="bare"))


def test_nobody_may_be_in_front_before(serve: Serve, operator: Operator, tmp_path: Path) -> None:
    running = serve()
    with Kiosk(running) as kiosk:
        kiosk.show("go")
        operator.begin(options(running, tmp_path))
        operator.wait("Nobody in front, please. The kiosk says: Please go in")
        operator.type("")
        operator.wait("Nobody in front, please. The kiosk says: Please go in", 2)
        assert not operator.count("Ready")
        kiosk.show("empty")
        operator.passage(kiosk, "go")
        operator.wait("2 of 20")
        operator.type("q")


def test_a_passage_in_which_the_kiosk_is_lost_begins_again(
    serve: Serve, operator: Operator, tmp_path: Path
) -> None:
    running = serve()
    with Kiosk(running):
        operator.begin(options(running, tmp_path))
        operator.wait("Ready")
        operator.type("")
        operator.wait("Started")
    operator.wait("The kiosk or the service was lost. This passage begins again.")
    operator.wait("1 of 20", 2)
    operator.wait("Nobody in front, please. The kiosk says: The kiosk is closed")
    with Kiosk(running) as kiosk:
        operator.passage(kiosk, "go")
        operator.wait("2 of 20")
        running.server.should_exit = True
        operator.wait("Nobody in front, please. The kiosk says: The service", 1)
        operator.type("q")
        operator.thread.join(20)


def test_there_must_be_a_kiosk_at_the_door(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(feed, "_FIRST", 0.5)
    running = serve()
    with Kiosk(running, "north"), pytest.raises(MaskgateError) as raised:
        checks.run(options(running, tmp_path), tmp_path / "page.html")
    assert str(raised.value) == (
        f"no kiosk is open at the door main; open http://127.0.0.1:{running.port}/kiosk in its"
        " browser, or name another --door: north"
    )
    assert not list(tmp_path.iterdir())


def test_the_input_may_end(
    serve: Serve, operator: Operator, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    running = serve()
    empty, writer = os.pipe()
    os.close(writer)
    with Kiosk(running), pytest.raises(MaskgateError) as raised:
        checks.run(options(running, tmp_path), tmp_path / "page.html", Keyboard(empty))
    assert str(raised.value).startswith("the input has ended before the check")
    os.close(empty)
    operator.thread = threading.Thread()
    operator.thread.start()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"let_through": 9}, "--let-through 9: there are only 8; give that at most"),
        ({"stopped": 13}, "--stopped 13: there are only 12; give that at most"),
        ({"door": "North"}, "--door North: no such name of a door"),
        ({"partial": True}, "page.progress.json: no passage is done yet"),
    ],
)
def test_what_cannot_be_checked(
    changes: dict[str, Any], message: str, serve: Serve, tmp_path: Path
) -> None:
    chosen = options(serve(), tmp_path, **changes)
    with pytest.raises(MaskgateError) as raised:
        checks.run(chosen, chosen.out)
    assert message in str(raised.value)
    assert not list(tmp_path.iterdir())
