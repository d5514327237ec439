"""What a kiosk says, as events for others."""

import asyncio
import contextlib
import json
import re
import textwrap
import time
from pathlib import Path
from typing import Any

import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from maskgate.door.server import states
from maskgate.door.server.kiosk_settings import KioskSettings
from maskgate.door.server.settings import Settings
from tests.door.server.conftest import Running, Serve, wait_until
from tests.door.server.test_kiosk import Reader

DOCS = Path(__file__).parents[3] / "docs" / "door.md"


def kiosk(running: Running, door: str = "main") -> ClientConnection:
    return connect(f"ws://127.0.0.1:{running.port}/v1/stream?door={door}")


def report(stream: ClientConnection, state: str, reason: str | None = None) -> None:
    stream.send(json.dumps({"state": state, "reason": reason, "policy": "worn"}))


def states_of(reader: Reader) -> list[tuple[Any, ...]]:
    return [(each["kiosk"], each["state"], each["reason"]) for each in reader.events]


def test_each_change_is_one_event_and_is_counted(serve: Serve) -> None:
    running = serve()
    reader = Reader(running)
    with kiosk(running, "north") as stream:
        for state in ("empty", "moment", "go", "go", "go"):
            report(stream, state)
        report(stream, "none", "dark")
        wait_until(lambda: len(reader.events) == 4)
        assert states_of(reader) == [
            (1, "empty", None), (1, "moment", None), (1, "go", None), (1, "none", "dark"),
        ]  # fmt: skip
        event = reader.events[2]
        assert set(event) == {
            "kind", "state", "reason", "door", "kiosk", "policy", "since", "time",
        }  # fmt: skip
        assert (event["kind"], event["door"], event["policy"]) == ("state", "north", "worn")
        assert event["since"].endswith("+00:00")
    assert running.metric('maskgate_states_total{state="go"}') == 1
    assert running.metric('maskgate_states_total{state="take_off"}') == 0


def test_a_new_reader_gets_what_each_kiosk_says_now(serve: Serve) -> None:
    running = serve()
    first = Reader(running)
    with kiosk(running) as one, kiosk(running, "north") as two:
        report(one, "go")
        report(two, "empty")
        wait_until(lambda: len(first.events) == 2)
        assert sorted(states_of(Reader(running))) == [(1, "go", None), (2, "empty", None)]


def test_a_go_ends_when_its_page_is_closed_or_lost(serve: Serve) -> None:
    running = serve()
    reader = Reader(running)
    with kiosk(running) as stream:
        report(stream, "go")
        wait_until(lambda: states_of(reader) == [(1, "go", None)])
    wait_until(lambda: states_of(reader)[-1] == (1, "none", "closed"), 2)
    with kiosk(running) as stream:
        report(stream, "go")
        wait_until(lambda: states_of(reader)[-1] == (2, "go", None))
        stream.socket.close()  # without a word
    wait_until(lambda: states_of(reader)[-1] == (2, "none", "closed"), 2)
    late = Reader(running)
    assert not late.events


def test_a_go_of_a_page_that_hangs_ends(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(states, "LEASE", 0.5)
    running = serve()
    reader = Reader(running)
    with kiosk(running) as stream:
        for _ in range(4):  # for longer than one report holds
            report(stream, "go")
            time.sleep(0.2)
        wait_until(lambda: states_of(reader)[-1] == (1, "none", "silent"), 2)
        assert states_of(reader) == [(1, "go", None), (1, "none", "silent")]
        report(stream, "go")
        wait_until(lambda: states_of(reader)[-1] == (1, "go", None))


def test_a_go_ends_when_the_service_stops(serve: Serve) -> None:
    running = serve()
    reader = Reader(running)
    with kiosk(running) as stream:
        report(stream, "go")
        wait_until(lambda: reader.events)
        running.server.should_exit = True
        reader.thread.join(10)
        assert states_of(reader) == [(1, "go", None), (1, "none", "stopping")]


def test_a_page_with_another_policy_says_nothing(serve: Serve) -> None:
    running = serve(settings=Settings(kiosk=KioskSettings(policy="bare")))
    reader = Reader(running)
    with kiosk(running) as stream:
        report(stream, "go")
        stream.send(json.dumps({"state": "empty", "policy": "bare"}))
        wait_until(lambda: reader.events)
    assert states_of(reader)[0] == (1, "empty", None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "go",
        "[]",
        '{"state": "open", "policy": "worn"}',
        '{"state": "none", "policy": "worn"}',
        '{"state": "go", "reason": "dark", "policy": "worn"}',
        '{"state": "go", "policy": "worn", "box": [1, 2, 3, 4]}',
    ],
)
def test_another_text_closes_the_stream(text: str, serve: Serve) -> None:
    running = serve()
    with kiosk(running) as stream:
        stream.send(text)
        with pytest.raises(ConnectionClosed) as closed:
            stream.recv(timeout=20)
        assert closed.value.rcvd is not None and closed.value.rcvd.code == 1003


@pytest.mark.parametrize("door", ["North", "", "a" * 33, "a%20b"])
def test_a_door_of_another_name_is_refused(door: str, serve: Serve) -> None:
    running = serve()
    with pytest.raises(InvalidStatus) as refused:
        kiosk(running, door)
    assert refused.value.response.status_code == 403


@pytest.mark.slow
def test_readers_hear_from_the_service_each_second(serve: Serve) -> None:
    reader = Reader(serve())
    wait_until(lambda: reader.lines.count(": nothing new") >= 2, 4)


class EndError(Exception):
    pass


def test_the_program_in_the_guide_opens_on_go_alone(serve: Serve) -> None:
    (program,) = re.findall(r"```python\n(import http\.client.*?)```", DOCS.read_text(), re.DOTALL)
    running = serve()
    doors: list[bool] = []

    def lock(is_open: bool) -> None:
        doors.append(is_open)
        if len(doors) == 6:
            raise EndError

    def steps() -> None:
        with kiosk(running) as stream:
            for state in ("moment", "go", "let_in", "go"):
                report(stream, state)
        running.server.should_exit = True

    async def run() -> None:
        program_run = asyncio.to_thread(exec, code, {"set_door": lock})
        task = asyncio.create_task(program_run)
        await asyncio.sleep(0.5)
        await asyncio.to_thread(steps)
        with contextlib.suppress(EndError):
            await asyncio.wait_for(task, 20)

    code = textwrap.dedent(program).replace(
        "http://127.0.0.1:8000", f"http://127.0.0.1:{running.port}"
    )
    asyncio.run(run())
    # moment, go, let_in, go, closed, and the service has stopped
    assert doors == [False, True, False, True, False, False]
