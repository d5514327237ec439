"""The kiosk's settings and languages, and the events of the door."""

import asyncio
import contextlib
import http.client
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.server import kiosk_settings
from maskgate.door.server.events import Events
from maskgate.door.server.kiosk_settings import PACKAGED, KioskSettings
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.request_errors import RequestError
from maskgate.door.server.settings import Settings
from maskgate.errors import MaskgateError
from tests.door.server.conftest import Running, Serve, wait_until

PAGES = Path(kiosk_settings.__file__).parent / "pages"


def language(**changes: Any) -> dict[str, Any]:
    english: dict[str, Any] = json.loads((PAGES / "kiosk-en.json").read_text("utf-8"))
    return english | {"code": "fr", "name": "Français"} | changes


class Reader:
    """Reads the events of a service; `lines` are those so far."""

    def __init__(self, running: Running) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=30)
        self.connection.request("GET", "/v1/events")
        self.response = self.connection.getresponse()
        self.lines: list[str] = []
        self.thread = threading.Thread(target=self._read)
        self.thread.start()
        wait_until(lambda: ": open" in self.lines)

    def _read(self) -> None:
        with contextlib.closing(self.connection), self.response:
            for line in self.response:
                self.lines.append(line.decode().strip())

    @property
    def events(self) -> list[dict[str, str]]:
        return [json.loads(each[5:]) for each in self.lines if each.startswith("data:")]


def test_english_and_korean_are_packaged(serve: Serve) -> None:
    assert PACKAGED == ("en", "ko")
    answer = serve().get("/v1/kiosk").json
    assert [each["name"] for each in answer["languages"]] == ["English", "한국어"]
    assert answer["follow_browser"] and answer["policy"] == "worn"
    assert not answer["sound"] and not answer["speech"]


def test_a_language_of_ones_own_is_one_file(tmp_path: Path, serve: Serve) -> None:
    file = tmp_path / "french.json"
    file.write_text(json.dumps(language()), "utf-8")
    settings = Settings(kiosk=KioskSettings("bare", (str(file), "ko")))
    answer = serve(settings=settings).get("/v1/kiosk").json
    assert [each["code"] for each in answer["languages"]] == ["fr", "ko"]
    assert not answer["follow_browser"] and answer["policy"] == "bare"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (language(code="a language"), "code: String should match pattern"),
        (language(colour="red"), "colour: Extra inputs are not permitted"),
        (language(labels={"call": "Appeler"}), "labels.title is missing; add its text"),
        (language(sign={"title": "Port"}), "sign.worn is missing; add its text"),
        (language(messages={}), "messages.go is missing; add its text"),
        (language(messages={"go": {"message": ""}}), "messages.go.message: String should have at"),
        ("{", "not JSON in UTF-8; see docs/door.md"),
    ],
)
def test_a_language_that_is_not_complete_is_one_sentence(
    content: Any, message: str, tmp_path: Path
) -> None:
    file = tmp_path / "language.json"
    file.write_text(content if isinstance(content, str) else json.dumps(content), "utf-8")
    with pytest.raises(MaskgateError) as raised:
        KioskSettings(languages=(str(file),)).answer()
    assert str(raised.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    ("languages", "message"),
    [
        (("kr",), "--language kr: no such language; give en, ko, or a JSON file"),
        (("ko", "ko"), "--language: ko is given twice; give each language once"),
        (("/gone.json",), "/gone.json: cannot be read (No such file or directory)"),
    ],
)
def test_a_language_that_is_not_there(languages: tuple[str, ...], message: str) -> None:
    with pytest.raises(MaskgateError) as raised:
        kiosk_settings.load(languages)
    assert str(raised.value).startswith(message)


def test_the_page_and_its_files_are_served(serve: Serve) -> None:
    running = serve()
    page = running.get("/kiosk")
    assert page.status == 200 and page.headers["content-type"].startswith("text/html")
    for file in PAGES.glob("*.js"):
        assert running.get(f"/assets/{file.name}").body == file.read_bytes()


def test_every_reader_gets_an_event_and_it_is_counted(serve: Serve) -> None:
    running = serve()
    readers = [Reader(running), Reader(running)]
    assert running.request("POST", "/v1/events/override/operator?door=north").status == 204
    assert running.request("POST", "/v1/events/alert/help").status == 204
    for reader in readers:
        wait_until(lambda reader=reader: len(reader.events) == 2)  # type: ignore[misc]
        first, second = reader.events
        assert (first["kind"], first["reason"], first["door"]) == ("override", "operator", "north")
        assert (second["kind"], second["reason"], second["door"]) == ("alert", "help", "main")
        assert first["time"].endswith("+00:00")
    assert running.metric('maskgate_events_total{kind="override",reason="operator"}') == 1
    assert running.metric('maskgate_events_total{kind="alert",reason="help"}') == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["fire/help", "alert/fire", "override/help", "alert/help?door=A", "alert/help?door="]
)
def test_another_event_is_refused(path: str, serve: Serve) -> None:
    answer = serve().request("POST", f"/v1/events/{path}")
    assert (answer.status, answer.reason) == (404, "not_found")


def test_a_page_of_another_site_cannot_let_people_in(serve: Serve) -> None:
    running = serve()
    headers = {"Origin": "http://elsewhere.example"}
    answer = running.request("POST", "/v1/events/override/operator", headers=headers)
    assert (answer.status, answer.reason) == (403, "wrong_origin")
    assert running.metric('maskgate_events_total{kind="override",reason="operator"}') == 0


def test_a_service_that_stops_ends_its_readers(serve: Serve) -> None:
    running = serve()
    reader = Reader(running)
    running.server.should_exit = True
    reader.thread.join(10)
    assert not reader.thread.is_alive()


def test_readers_are_limited_and_slow_ones_lose_the_oldest_events() -> None:
    async def run() -> None:
        events = Events(Metrics(), max_readers=1)
        reader = events.read()
        assert (await anext(reader)).endswith(b": open\n\n")
        with pytest.raises(RequestError) as raised:
            events.read()
        assert raised.value.reason == "busy"
        for _ in range(150):
            events.publish("alert", "waiting", "main")
        assert (await anext(reader)).startswith(b"id: 51\n")
        events.stop()
        rest = [each async for each in reader]
        assert rest[-1].startswith(b"id: 150\n")
        with pytest.raises(RequestError) as raised:
            events.read()
        assert raised.value.reason == "stopping"

    asyncio.run(run())
