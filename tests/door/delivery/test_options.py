"""Options of delivery: every mistake is one sentence before anything is opened."""

import json
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.cameras import specs
from maskgate.door.delivery import options
from maskgate.door.delivery.broker import Broker, broker
from maskgate.door.delivery.opening import sinks
from maskgate.door.delivery.options import Options, check, metrics_address
from maskgate.door.delivery.outbox_sink import OutboxSink
from maskgate.door.delivery.relay import Relay
from maskgate.errors import MaskgateError
from tests.door.delivery import sample_events
from tests.door.delivery.receiver import Receiver, wait_for


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "secret"
    file.write_text("5e" * 16 + "\n")
    file.chmod(0o600)
    return file


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ({"events": "/gone/events"}, "the folder /gone does not exist"),
        ({"webhook": "hooks.example"}, "--webhook: no such address; write one as http://host"),
        ({"webhook": "ftp://hooks.example/"}, "--webhook: no such address"),
        ({"webhook": "http://hooks.example:99999/"}, "--webhook: no such address"),
        ({"webhook": "https://me:word@hooks.example"}, "--webhook: everybody on this machine"),
        ({"webhook": "https://me@hooks.example"}, "--webhook: the address names a user"),
        ({"webhook_secret_file": Path("/gone")}, "--webhook-secret-file is for --webhook"),
        ({"webhook": "http://h/", "webhook_secret_file": Path("/gone")}, "/gone: cannot be read"),
        ({"mqtt": "host"}, "--mqtt: no such address; write one as mqtt://host:1883/prefix"),
        ({"mqtt": "mqtt://broker..lan"}, "--mqtt: no such address; write one as mqtt://host:1883"),
        ({"mqtt": f"mqtt://{'a' * 64}.lan"}, "--mqtt: no such address"),
        ({"relay_url": "http://relay..lan/"}, "--relay-url: no such address"),
        ({"mqtt": "mqtt://u:word@host"}, "give --mqtt-password-file"),
        ({"mqtt": "mqtt://host/a+b"}, "--mqtt: a+b: not a prefix of topics"),
        ({"mqtt": "mqtt://host/%23"}, "--mqtt: #: not a prefix of topics"),
        ({"mqtt": "mqtt://host", "mqtt_password_file": Path("/gone")}, "the address names no user"),
        ({"mqtt": "mqtt://u@host", "mqtt_password_file": Path("/gone")}, "/gone: cannot be read"),
        ({"mqtt": "mqtt://host", "mqtt_ca": Path("/gone")}, "write --mqtt mqtts://"),
        ({"mqtt": "mqtts://host", "mqtt_ca": Path("/gone")}, "/gone: cannot be used as --mqtt-ca"),
        ({"mqtt_ca": Path("/gone")}, "--mqtt-ca is for --mqtt"),
        ({"no_discovery": True}, "--no-discovery is for --mqtt"),
        ({"mqtt_override": True}, "--mqtt-override is for --mqtt"),
        ({"relay_command": "gone-program"}, "--relay-command: gone-program: no such program"),
        ({"relay_command": "'sh"}, "--relay-command: No closing quotation"),
        ({"relay_command": ""}, "--relay-command: nothing: no such program"),
        ({"relay_command": "sh", "relay_url": "http://h"}, "give one of them"),
        ({"relay_url": "h"}, "--relay-url: no such address"),
        ({"relay_url": "http://host/a b"}, "--relay-url: spaces and control characters"),
        ({"webhook": "http://host/a\tb"}, "--webhook: spaces and control characters"),
        ({"webhook": " http://host/"}, "--webhook: spaces and control characters"),
        ({"webhook": "http://host/\x7f"}, "--webhook: spaces and control characters"),
        ({"webhook": "http://host/\n"}, "--webhook: spaces and control characters"),
        ({"webhook": "http://host/\u00ad"}, "--webhook: spaces and control characters"),
        ({"webhook": "http://xn--\uac00/"}, "--webhook: no such address"),
        ({"webhook": f"http://host/{'a' * 70_000}"}, "--webhook: no such address"),
        ({"relay_url": "http://host/\uac00"}, "--relay-url: letters other than"),
        ({"relay_command": "sh", "relay_pulse": 1.0, "mqtt_ca": Path("/gone")}, "is for --mqtt"),
        ({"relay_pulse": 1.0}, "--relay-pulse is for --relay-command and --relay-url"),
        ({"relay_fail": "open"}, "--relay-fail is for --relay-command and --relay-url"),
        ({"rotate_keep": 1}, "--rotate-keep is for --events FILE"),
        ({"events": "-", "rotate_megabytes": 1.0}, "--rotate-megabytes is for --events FILE"),
        ({"metrics": "127.0.0.1"}, "--metrics 127.0.0.1: write HOST:PORT"),
        ({"metrics": ":70000"}, "--metrics :70000: write HOST:PORT"),
        ({"webhook": "http://h", "queue": Path("/dev/null")}, "/dev/null: is a file"),
        ({"queue": Path("/tmp")}, "--queue is for --webhook and --mqtt"),
    ],
)
def test_a_mistake_is_one_sentence(words: dict[str, Any], message: str) -> None:
    with pytest.raises(MaskgateError) as caught:
        check(Options(**words), ["front"])
    assert message in str(caught.value) and "word" not in str(caught.value).split("password")[0]


@pytest.mark.parametrize("name", ["a/b", "a+b", "#", "$SYS", "a\tb"])
def test_a_camera_whose_name_is_no_topic_is_refused(name: str) -> None:
    check(Options(webhook="http://host"), [name])
    with pytest.raises(MaskgateError, match="another name"):
        check(Options(mqtt="mqtt://host"), ["front", name])


def test_a_secret_that_everybody_reads_is_refused(secret: Path) -> None:
    words = Options(webhook="http://host", webhook_secret_file=secret)
    check(words, [])
    secret.chmod(0o640)  # so systemd's credentials look to the user whose they are
    check(words, [])
    secret.chmod(0o644)
    with pytest.raises(MaskgateError, match="run chmod 600"):
        check(words, [])
    secret.chmod(0o600)
    secret.write_text("short")
    with pytest.raises(MaskgateError, match=r"not a secret of 16.*; make one with openssl"):
        check(words, [])


def test_only_a_secret_of_your_own_choice_is_to_be_made_anew(secret: Path) -> None:
    secret.write_text("two\nlines")
    with pytest.raises(MaskgateError) as caught:
        check(Options(mqtt="mqtts://door@host", mqtt_password_file=secret), [])
    assert str(caught.value) == (
        f"{secret}: for --mqtt-password-file it needs one line of 1 to 1000 characters; correct it"
    )
    with pytest.raises(MaskgateError, match="for --camera it needs one line"):
        specs.parse([f"front=@{secret}"])


def test_an_address_of_a_broker_is_read(secret: Path) -> None:
    assert broker("mqtt://host", None, None, True) == Broker("host", 1883)
    assert broker("mqtts://me@[::1]/site/door/", secret, None, False) == Broker(
        "::1", 8883, "site/door",
        user="me", password="5e" * 16, is_encrypted=True, has_discovery=False,
    )  # fmt: skip
    assert broker("mqtt://host:99/%EB%AC%B8", None, None, True) == Broker("host", 99, "문")


def test_metrics_are_for_this_machine_unless_a_host_is_given() -> None:
    assert metrics_address("9100") == metrics_address(":9100") == ("127.0.0.1", 9100)
    assert metrics_address("0.0.0.0:9100") == ("0.0.0.0", 9100)
    assert metrics_address("[::1]:9100") == ("::1", 9100)


@pytest.mark.parametrize(
    ("words", "is_printed"),
    [
        ({}, True),
        ({"events": "-"}, True),
        ({"events": "-", "metrics": "9100"}, True),
        ({"events": "file"}, False),
        ({"metrics": "9100"}, False),
        ({"relay_command": "sh"}, False),
        ({"webhook": "http://host"}, False),
    ],
)
def test_events_are_printed_if_they_go_nowhere_else(
    words: dict[str, Any], is_printed: bool
) -> None:
    assert Options(**words).is_printed == is_printed


def test_the_queue_is_where_state_belongs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    words = Options(webhook="http://127.0.0.1:1/")
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    for each in sinks(words, ["front"]):
        each.close(0)
    assert (tmp_path / "state/maskgate/watch/outbox.sqlite").exists()
    monkeypatch.delenv("XDG_STATE_HOME")
    monkeypatch.setenv("HOME", "")
    with pytest.raises(MaskgateError, match="name a folder with --queue"):
        check(words, [])


def test_everything_is_opened_and_counted(
    tmp_path: Path, secret: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Receiver() as receiver:
        words = Options(
            events=str(tmp_path / "events.jsonl"),
            webhook=receiver.url,
            webhook_secret_file=secret,
            mqtt="mqtt://127.0.0.1:1",
            relay_command="true",
            metrics="127.0.0.1:0",
            queue=tmp_path / "queue",
        )
        check(words, ["front"])
        opened = sinks(words, ["front"])
        assert [type(each).__name__ for each in opened] == [
            "Relay", "Mqtt", "OutboxSink", "Metrics",
        ]  # fmt: skip
        for each in opened:
            each.send(sample_events.person_seen(1))
        wait_for(lambda: receiver.requests)
        url = f"http://127.0.0.1:{opened[-1].port}/metrics"  # type: ignore[attr-defined]
        with urllib.request.urlopen(url, timeout=10) as answer:
            text = answer.read().decode()
        assert 'queue_length{sink="mqtt"} 1.0' in text and "maskgate_watch_relay_open" in text
        for each in opened:
            each.close(0.2)
    assert json.loads((tmp_path / "events.jsonl").read_text())["event"] == "seen"


@pytest.mark.slow
def test_the_relay_waits_for_no_disk(tmp_path: Path) -> None:
    words = Options(
        relay_command="true",
        events=str(tmp_path / "events.jsonl"),
        webhook="http://127.0.0.1:1/",
        queue=tmp_path / "queue",
    )
    relay, outbox = sinks(words, ["front"])
    assert isinstance(relay, Relay) and isinstance(outbox, OutboxSink)
    with outbox._outbox._lock:  # as it is while the disk hangs
        for sink in (relay, outbox):
            sink.send(sample_events.door("go"))

        def is_open() -> bool:
            relay.tick(time.monotonic())  # as watching does; its process may start slowly
            return relay.position == "open"

        wait_for(is_open)
        assert not (tmp_path / "events.jsonl").read_text()
    for sink in (relay, outbox):
        sink.close(5)
    assert json.loads((tmp_path / "events.jsonl").read_text())["door"] == "go"


def test_if_one_cannot_be_opened_the_others_are_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = Options(events=str(tmp_path / "events.jsonl"), metrics="127.0.0.1:1")
    monkeypatch.setattr(options, "metrics_address", lambda text: ("203.0.113.1", 1))
    for _ in range(2):  # the file is free again
        with pytest.raises(MaskgateError, match="cannot listen there"):
            sinks(words, [])
