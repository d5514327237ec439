"""The relay opens on `go` alone, and fails as it is set whatever happens to the process."""

import io
import json
import os
import signal
import socketserver
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.delivery import overrides, relay_process
from maskgate.door.delivery.relay import Relay, RelaySettings
from maskgate.door.delivery.relay_process import RelayRule
from tests.door.delivery import sample_events
from tests.door.delivery.receiver import Receiver, wait_for

_STOPS = ("put_on", "cover", "take_off", "moment")
# Says go and lives on until it is killed or stopped from outside.
_WATCHER = """
import sys, time
from maskgate.door.delivery.relay import Relay, RelaySettings
from tests.door.delivery import sample_events
relay = Relay(RelaySettings(command=sys.argv[1], failed=sys.argv[2]), ["front"])
relay.send(sample_events.door("go" if sys.argv[2] == "shut" else "put_on"))
print(relay._process.pid, flush=True)
while True:
    relay.tick(time.monotonic())
    time.sleep(0.05)
"""


@pytest.fixture
def door(tmp_path: Path) -> "Door":
    return Door(tmp_path)


class Door:
    """A relay's command that writes each order into a file; it fails while `broken` exists."""

    def __init__(self, folder: Path) -> None:
        self._orders, self.broken = folder / "orders", folder / "broken"
        script = folder / "relay command"
        script.write_text(
            f"#!/bin/sh\necho \"$1 $MASKGATE_DOOR\" >> '{self._orders}'\n"
            f"test ! -e '{self.broken}'\n"
        )
        script.chmod(0o700)
        self.command = f"'{script}'"

    @property
    def orders(self) -> list[str]:
        """All orders, without repetitions."""
        lines = self._orders.read_text().splitlines() if self._orders.exists() else []
        words = [line.split() for line in lines]
        assert all(word == variable for word, variable in words)
        return [
            word for number, (word, _) in enumerate(words)
            if number == 0 or words[number - 1][0] != word
        ]  # fmt: skip

    @property
    def position(self) -> str:
        return self.orders[-1] if self.orders else ""


def rule(pulse: float = 3.0) -> RelayRule:
    return RelayRule(pulse, "shut")


def test_it_is_open_while_go_holds_and_for_the_pulse_after() -> None:
    door = rule()
    assert door.position(0) == "shut"
    for tenth in range(100):
        door.update({"a": "go"}, tenth / 10)
        assert door.position(tenth / 10) == "open"
    for tenth in range(100, 160):
        door.update({"a": "empty" if tenth % 2 else "closer"}, tenth / 10)
        assert door.position(tenth / 10) == ("open" if tenth <= 130 else "shut")


@pytest.mark.parametrize("says", [*_STOPS, "none"])
def test_everything_else_shuts_it_at_once_and_ends_the_pulse(says: str) -> None:
    door = rule()
    door.update({"a": "go"}, 1.0)
    door.update({"a": says}, 1.1)
    assert door.position(1.1) == "shut"
    door.update({"a": "empty"}, 1.2)
    assert door.position(1.2) == "shut"


@pytest.mark.parametrize("says", [*_STOPS, "none"])
def test_no_camera_may_stop_somebody(says: str) -> None:
    door = rule()
    door.update({"a": "go", "b": "empty"}, 1.0)
    assert door.position(1.0) == "open"
    door.update({"a": "go", "b": says}, 1.1)
    assert door.position(1.1) == "shut"
    door.update({"a": "go", "b": "closer"}, 1.2)
    assert door.position(1.2) == "open"


@pytest.mark.parametrize("says", [*_STOPS, "none", "empty"])
def test_staff_let_somebody_in_whatever_cameras_say(says: str) -> None:
    door = rule()
    door.update({}, 1.0, override=6.0)
    assert door.position(1.0) == "open", "also before anything is known"
    door.update({"a": says}, 2.0, override=5.0)
    assert door.position(3.9) == "open"
    assert door.position(4.1) == "shut", "the one that watches is silent"
    door.update({"a": says}, 6.9, override=0.1)
    assert door.position(6.9) == "open"
    door.update({"a": says}, 7.0)
    assert door.position(7.0) == "shut"


@pytest.mark.parametrize("failed", ["shut", "open"])
def test_silence_and_faults_fail_it(failed: str) -> None:
    door = RelayRule(3.0, "open" if failed == "open" else "shut")
    assert door.position(0) == failed, "nothing is known yet"
    door.update({"a": "go"}, 1.0)
    assert door.position(2.9) == "open" and door.position(3.1) == failed
    door.update({"a": "put_on"}, 3.2)
    assert door.position(3.3) == "shut" and door.position(5.3) == failed
    door.update({"a": "none"}, 6.0)
    assert door.position(6.0) == failed
    door.update({"a": "empty"}, 6.1)
    assert door.position(6.1) == "shut", "the pulse has ended"


def test_a_sign_of_life_that_is_old_opens_nothing() -> None:
    door = rule()
    door.update({"a": "go"}, 1.0)  # read late
    assert door.position(3.5) == "shut"


def keep_alive(relay: Relay, condition: Callable[[], object], seconds: float = 10) -> None:
    """As `wait_for`, with the ticks of a loop that works."""

    def tick() -> object:
        relay.tick(time.monotonic())
        return condition()

    wait_for(tick, seconds)


def test_a_command_opens_and_shuts(door: Door) -> None:
    relay = Relay(RelaySettings(command=door.command, pulse=0.3), ["front"])
    keep_alive(relay, lambda: door.position == "shut")
    relay.send(sample_events.started("front"))
    relay.send(sample_events.door("moment"))
    relay.send(sample_events.first_verdict(1))
    relay.send(sample_events.door("go"))
    keep_alive(relay, lambda: door.position == "open")
    keep_alive(relay, lambda: relay.position == "open")
    relay.send(sample_events.door("empty", previous="go"))
    keep_alive(relay, lambda: door.position == "shut")
    relay.send(sample_events.door("go"))
    keep_alive(relay, lambda: door.position == "open")
    relay.send(sample_events.lost())
    keep_alive(relay, lambda: door.position == "shut", 1)
    relay.send(sample_events.door("go"))  # of a camera with a fault
    relay.send(sample_events.back())
    keep_alive(relay, lambda: door.position == "open")
    relay.close(5)
    assert door.orders == ["shut", "open", "shut", "open", "shut", "open", "shut"]
    assert relay.position == "shut" and not relay.counts.failures


def test_a_suspended_machine_ends_what_staff_opened(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, suspended = overrides.uptime, 0.0
    monkeypatch.setattr(overrides, "uptime", lambda: now() + suspended)
    relay = Relay(RelaySettings(command=door.command), ["front"])
    relay.send(sample_events.override("front"))
    keep_alive(relay, lambda: door.position == "open")
    suspended = overrides.OPENS
    keep_alive(relay, lambda: door.position == "shut", 3)
    relay.close(5)


def test_an_address_gets_json(tmp_path: Path) -> None:
    with Receiver() as receiver:
        relay = Relay(RelaySettings(url=receiver.url, failed="open"), ["front"])
        relay.send(sample_events.door("put_on"))
        keep_alive(relay, lambda: relay.position == "shut")
        relay.close(5)
    orders = [json.loads(each.body) for each in receiver.requests]
    assert orders[-2:] == [{"door": "shut"}, {"door": "open"}]


@pytest.mark.slow
def test_open_is_repeated_so_that_a_relay_may_shut_by_itself(door: Door) -> None:
    with Receiver() as receiver:
        relay = Relay(RelaySettings(url=receiver.url), ["front"])
        relay.send(sample_events.door("go"))
        keep_alive(relay, lambda: len(receiver.requests) >= 3)
        relay.close(5)
    orders = [json.loads(each.body)["door"] for each in receiver.requests]
    assert orders[-4:].count("open") >= 2 and orders[-1] == "shut"


@pytest.mark.slow
def test_silence_shuts_the_door(door: Door) -> None:
    relay = Relay(RelaySettings(command=door.command, pulse=60), ["front"])
    relay.send(sample_events.door("go"))
    keep_alive(relay, lambda: door.position == "open")
    start = time.monotonic()
    wait_for(lambda: door.position == "shut", 5)
    assert 1.5 < time.monotonic() - start < 4
    keep_alive(relay, lambda: door.position == "open")
    relay.close(5)


@pytest.mark.slow
@pytest.mark.parametrize("failed", ["shut", "open"])
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_a_process_that_is_killed_or_hangs_fails_the_door(
    number: signal.Signals, failed: str, door: Door
) -> None:
    other = "open" if failed == "shut" else "shut"
    watcher = subprocess.Popen(
        [sys.executable, "-c", _WATCHER, door.command, failed], stdout=subprocess.PIPE
    )
    try:
        wait_for(lambda: door.position == other, 20)
        watcher.send_signal(number)
        wait_for(lambda: door.position == failed, 5)
    finally:
        watcher.kill()
        watcher.communicate()


def test_its_own_process_is_started_again(door: Door, capfd: pytest.CaptureFixture[str]) -> None:
    relay = Relay(RelaySettings(command=door.command), ["front"])
    relay.send(sample_events.door("go"))
    keep_alive(relay, lambda: relay.position == "open")
    first = relay._process.pid
    time.sleep(1)
    os.kill(first, signal.SIGKILL)
    keep_alive(relay, lambda: relay._process.pid != first)
    relay.send(sample_events.door("put_on"))
    keep_alive(relay, lambda: door.position == "shut")
    relay.close(5)
    assert "is started again" in capfd.readouterr().err and relay.counts.failures == 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("broken", "error"),
    [
        ((subprocess, "Popen"), BlockingIOError(11, "Resource temporarily unavailable")),
        ((threading.Thread, "start"), RuntimeError("can't start new thread")),
    ],
)
def test_a_process_that_cannot_be_started_is_started_later(
    broken: tuple[Any, str], error: Exception, door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    relay = Relay(RelaySettings(command=door.command), ["front"])
    relay.send(sample_events.door("go"))
    keep_alive(relay, lambda: relay.position == "open")

    def fail(*_: object, **__: object) -> None:
        raise error

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(*broken, fail)
        relay._process.kill()
        keep_alive(relay, lambda: relay.counts.failures >= 2)
        relay.send(sample_events.door("put_on"))
    keep_alive(relay, lambda: door.position == "shut")
    relay.close(5)
    message = capfd.readouterr().err
    assert message.count(f"cannot be started: {getattr(error, 'strerror', None) or error}") == 1
    assert message.count("its process is started\n") == 1


def test_it_can_be_closed_while_its_process_cannot_be_started(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    relay = Relay(RelaySettings(command=door.command), ["front"])
    relay._process.kill()

    def fail(*_: object, **__: object) -> None:
        raise OSError(12, "Cannot allocate memory")

    monkeypatch.setattr(subprocess, "Popen", fail)
    wait_for(lambda: relay._process.poll() is not None)
    relay.tick(time.monotonic() + 2)
    with monkeypatch.context() as patch:
        patch.setattr(os, "write", lambda *_: pytest.fail("the pipe is closed"))
        relay.send(sample_events.door("go"))
    relay.close(5)
    assert relay.counts.failures == 1


@pytest.mark.slow
def test_a_command_that_fails_is_repeated_counted_and_reported(
    door: Door, capfd: pytest.CaptureFixture[str]
) -> None:
    door.broken.write_text("")
    relay = Relay(RelaySettings(command=door.command), ["front"])
    keep_alive(relay, lambda: relay.counts.failures >= 2)
    assert relay.position is None
    door.broken.unlink()
    keep_alive(relay, lambda: relay.position == "shut")
    relay.close(5)
    message = capfd.readouterr().err
    assert message.count("cannot shut: exit code 1") == 1 and "works again" in message


@pytest.mark.parametrize("garbage", [b"garbage\r\n\r\n", b"HTTP/1.1 200 " + b"x" * 70_000, b""])
def test_an_answer_that_is_not_http_does_not_keep_the_door_open(
    garbage: bytes, capfd: pytest.CaptureFixture[str]
) -> None:
    bodies: list[bytes] = []

    class Garbage(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            length = 0
            while (line := self.rfile.readline()).strip():
                name, _, value = line.partition(b":")
                length = int(value) if name.lower() == b"content-length" else length
            bodies.append(self.rfile.read(length))
            self.wfile.write(garbage)

    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Garbage) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        relay = Relay(RelaySettings(url=f"http://127.0.0.1:{server.server_address[1]}"), ["front"])
        relay.send(sample_events.door("go"))
        keep_alive(relay, lambda: b'{"door": "open"}' in bodies)
        relay.send(sample_events.door("put_on"))
        keep_alive(relay, lambda: bodies[-1] == b'{"door": "shut"}')
        keep_alive(relay, lambda: relay.counts.failures)
        assert relay._process.poll() is None, "the same process goes on"
        relay._process.kill()
        relay.close(5)
        server.shutdown()
        thread.join()
    assert relay.counts.delivered == 0 and "cannot " in capfd.readouterr().err


def test_lines_that_waited_while_the_process_started_are_read(door: Door) -> None:
    """They are longer than any buffer."""
    settings = {"command": door.command, "url": None, "pulse": 0.0, "failed": "shut"}
    known = {"time": time.monotonic(), "doors": {"front": "go"}, "override": 0.0}
    lines = [json.dumps(each) for each in (settings, *[known] * 500)]
    done = subprocess.run(
        [sys.executable, "-I", relay_process.__file__],
        input="\n".join([*lines, ""]), capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert door.position == "shut"


def test_half_a_report_is_passed_over(door: Door) -> None:
    relay = Relay(RelaySettings(command=door.command), ["front"])
    relay._read(io.BytesIO(b'{"posi\n{"position": "open", "failure": null}\n{"position": "sh'))
    assert relay.counts.delivered >= 1
    relay.close(5)


def test_a_process_that_can_give_no_more_orders_ends() -> None:
    code = (
        "import time\n"
        "from maskgate.door.delivery.relay_process import Actuator\n"
        "def order(position): raise SystemExit\n"
        "Actuator(order).move('open')\n"
        "time.sleep(30)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=20).returncode == 1


@pytest.mark.slow
def test_a_command_that_hangs_does_not_keep_the_door_open(tmp_path: Path) -> None:
    script = tmp_path / "slow"
    script.write_text(f"#!/bin/sh\necho $1 >> {tmp_path}/orders\ntest $1 = shut || exec sleep 60\n")
    script.chmod(0o700)
    relay = Relay(RelaySettings(command=str(script)), ["front"])
    relay.send(sample_events.door("go"))
    orders = tmp_path / "orders"
    keep_alive(relay, lambda: orders.exists() and "open" in orders.read_text())
    relay.send(sample_events.door("put_on"))
    keep_alive(relay, lambda: orders.read_text().endswith("shut\n"), 5)
    relay.close(5)
