"""Events arrive at a real broker, in order, each at least once, whoever is killed."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from maskgate.core import files
from maskgate.door.delivery import home_assistant
from maskgate.door.delivery.broker import Broker
from maskgate.door.delivery.camera_states import CameraStates
from maskgate.door.delivery.outbox import Outbox
from maskgate.door.events import parse, to_json
from tests.door.delivery import outboxes, sample_events
from tests.door.delivery.mosquitto import Mosquitto, Subscriber, needs_broker
from tests.door.delivery.outboxes import Delivery
from tests.door.delivery.receiver import wait_for
from tests.door.delivery.unacknowledging_broker import UnacknowledgingBroker

# Sends people without end, and says each track when it is stored.
_SENDER = """
import sys, time
from pathlib import Path
from maskgate.door.delivery.broker import Broker
from tests.door.delivery import outboxes, sample_events
mqtt = outboxes.mqtt(Broker("127.0.0.1", int(sys.argv[1])), Path(sys.argv[2]), ["front"])
mqtt.send(sample_events.started("front"))
mqtt.send(sample_events.door("go"))
for event in sample_events.people(1_000_000):
    mqtt.send(event)
    while mqtt.unstored:
        time.sleep(0.0001)
    print(event.track, flush=True)
    time.sleep(0.002)
"""


@pytest.fixture
def broker(tmp_path: Path) -> Iterator[Mosquitto]:
    with Mosquitto(tmp_path) as running:
        yield running


def sink(broker: Mosquitto, folder: Path, *cameras: str, **options: Any) -> Delivery:
    where = Broker("127.0.0.1", broker.port, **options)
    return outboxes.mqtt(where, folder / "outbox.sqlite", cameras or ("front",))


def tracks(subscriber: Subscriber, camera: str = "front") -> list[int]:
    events = [parse(each) for each in subscriber.bodies(f"maskgate/{camera}/event")]
    return [each.track for each in events if each.event == "seen"]


def state(subscriber: Subscriber, camera: str = "front") -> dict[str, Any]:
    bodies = subscriber.bodies(f"maskgate/{camera}/state")
    return dict(json.loads(bodies[-1])) if bodies else {}


@needs_broker
def test_events_states_and_status_are_published(broker: Mosquitto, tmp_path: Path) -> None:
    events = [
        sample_events.person_seen(1), sample_events.door("go"), sample_events.person_seen(2),
        sample_events.left(1), sample_events.lost(),
    ]  # fmt: skip
    with Subscriber(broker.port) as subscriber:
        mqtt = sink(broker, tmp_path, "front", "back")
        mqtt.send(sample_events.started("front", "back"))
        for event in events:
            mqtt.send(event)
        wait_for(lambda: len(subscriber.bodies("maskgate/front/event")) == len(events))
        wait_for(lambda: state(subscriber).get("fault") == "frozen")
        assert state(subscriber) == {
            "door": "go", "since": "2026-11-27T08:30:00.250Z", "fault": "frozen",
            "people": 1, "visitors": 2, "unsure_share": 0.25,
        }  # fmt: skip
        assert state(subscriber, "back")["door"] == "none"
        assert subscriber.bodies("maskgate/status")[-1] == "online"
        mqtt.send(sample_events.stopped("front", "back"))
        mqtt.close(10)
        wait_for(lambda: subscriber.bodies("maskgate/status")[-1] == "offline")
        assert subscriber.bodies("maskgate/front/event") == [to_json(each) for each in events]
        assert [parse(each).event for each in subscriber.bodies("maskgate/event")] == [
            "started", "stopped",
        ]  # fmt: skip
    with Subscriber(broker.port, name="later") as later:
        wait_for(lambda: "maskgate/status" in {each.topic for each in later.messages})
        kept = {each.topic for each in later.messages if each.is_retained}
    assert {"maskgate/status", "maskgate/front/state", "maskgate/back/state"} <= kept
    assert not any(each.endswith("/event") for each in kept)
    assert state(later)["door"] == "none", "a door that is not watched says nothing"


@pytest.mark.slow
@needs_broker
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_a_broker_that_is_restarted_gets_everything_in_order(
    number: signal.Signals, broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Subscriber(broker.port) as subscriber:
        mqtt = sink(broker, tmp_path)
        events = list(sample_events.people(60))
        for event in events[:20]:
            mqtt.send(event)
        wait_for(lambda: len(set(tracks(subscriber))) == 20)
        time.sleep(1.2)  # the broker has saved its sessions
        for event in events[20:40]:
            mqtt.send(event)
            if event.track == 30:
                broker.stop(number)
        mqtt.send(sample_events.door("go"))
        mqtt.send(sample_events.door("put_on"))
        wait_for(lambda: mqtt.counts.failures)
        broker.start()
        for event in events[40:]:
            mqtt.send(event)
        wait_for(lambda: tracks(subscriber)[-1:] == [60], 20)
        wait_for(lambda: state(subscriber)["door"] == "put_on")
        mqtt.close(10)
    once = list(dict.fromkeys(tracks(subscriber)))
    assert once == list(range(1, 61)) and len(tracks(subscriber)) <= 62
    doors = [json.loads(each)["door"] for each in subscriber.bodies("maskgate/front/state")]
    assert "go" not in doors, "a state that is out of date is not published"
    message = capsys.readouterr().err
    assert "the connection to the broker is lost" in message and "connected again" in message


@needs_broker
def test_a_kill_of_the_sender_loses_nothing(broker: Mosquitto, tmp_path: Path) -> None:
    command = [sys.executable, "-c", _SENDER, str(broker.port), str(tmp_path / "outbox.sqlite")]
    with Subscriber(broker.port) as subscriber:
        sender = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert sender.stdout is not None
        lines = [sender.stdout.readline() for _ in range(60)]
        wait_for(lambda: tracks(subscriber))
        sender.send_signal(signal.SIGKILL)
        rest, _ = sender.communicate(timeout=30)
        wait_for(lambda: subscriber.bodies("maskgate/status")[-1] == "offline")
        printed_numbers = [int(each) for each in [*lines, *rest.split("\n")] if each.strip()]
        mqtt = sink(broker, tmp_path)
        wait_for(lambda: mqtt.counts.waiting() == 0, 20)
        wait_for(lambda: subscriber.bodies("maskgate/status")[-1] == "online")
        assert state(subscriber)["door"] == "none"
        mqtt.close(10)
    arrived = tracks(subscriber)
    once = list(dict.fromkeys(arrived))
    assert once == list(range(1, once[-1] + 1)) and once[-1] >= printed_numbers[-1]
    assert len(arrived) - len(once) <= 1


@needs_broker
def test_a_sender_that_hangs_is_reported_and_its_successor_is_online(
    broker: Mosquitto, tmp_path: Path
) -> None:
    command = [sys.executable, "-c", _SENDER, str(broker.port), str(tmp_path / "outbox.sqlite")]
    with Subscriber(broker.port, "maskgate/status") as subscriber:
        sender = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        wait_for(lambda: subscriber.bodies("maskgate/status") == ["online"], 20)
        os.kill(sender.pid, signal.SIGSTOP)
        copy = tmp_path / "copy"  # the other process holds the queue itself
        copy.mkdir()
        for each in tmp_path.glob("outbox.sqlite*"):
            (copy / each.name).write_bytes(each.read_bytes())
        mqtt = sink(broker, copy)
        wait_for(lambda: len(subscriber.messages) >= 3)
        sender.kill()
        sender.wait()
        time.sleep(0.3)
        assert subscriber.bodies("maskgate/status")[-1] == "online"
        mqtt.close(10)


@pytest.mark.slow
@needs_broker
def test_a_state_does_not_count_while_watching_hangs(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Subscriber(broker.port, "maskgate/status") as subscriber:

        def status(word: str) -> bool:
            return subscriber.bodies("maskgate/status")[-1:] == [word]

        where = Broker("127.0.0.1", broker.port)
        mqtt = outboxes.mqtt(where, tmp_path / "outbox.sqlite", ["front"], silence=0.5)
        mqtt.send(sample_events.door("go"))
        wait_for(lambda: status("online"))
        time.sleep(1)
        assert status("online"), "nothing is missed before the first sign of life"
        mqtt.receiver.tick(time.monotonic())
        wait_for(lambda: status("offline"))
        broker.stop()
        broker.start()
        wait_for(lambda: "connected again" in capsys.readouterr().err)
        with Subscriber(broker.port, "maskgate/status", name="later") as later:
            wait_for(lambda: later.messages)
            assert later.messages[-1].body == "offline", "a new connection changes nothing"
        mqtt.receiver.tick(time.monotonic() + 60)
        wait_for(lambda: status("online"))
        mqtt.close(5)
        wait_for(lambda: status("offline"))


@pytest.mark.slow
def test_a_status_is_never_repeated_after_a_newer_one(tmp_path: Path) -> None:
    """As a client does with what a broker has not acknowledged before the connection was lost."""
    with UnacknowledgingBroker() as broker:
        where = Broker("127.0.0.1", broker.port)
        mqtt = outboxes.mqtt(where, tmp_path / "outbox.sqlite", ["front"], silence=0.5)
        mqtt.receiver.tick(time.monotonic() + 60)
        wait_for(lambda: broker.statuses() == ["online"])
        broker.drop()
        mqtt.receiver.tick(time.monotonic() - 60)
        wait_for(lambda: broker.connections == 2 and len(broker.statuses()) >= 2)
        time.sleep(0.5)
        assert set(broker.statuses()[1:]) == {"offline"}
        broker.drop()
        mqtt.receiver.tick(time.monotonic() + 60)
        wait_for(lambda: broker.connections == 3 and broker.statuses()[-1] == "online")
        time.sleep(0.5)
        assert broker.statuses()[-1] == "online"
        mqtt.close(0.1)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # the old socket
def test_an_error_that_the_client_does_not_expect_is_not_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    look_up, errors = socket.getaddrinfo, [UnicodeError("label empty or too long")]

    def fail_once(*words: Any, **options: Any) -> Any:
        if errors:
            raise errors.pop()
        return look_up(*words, **options)

    monkeypatch.setattr(socket, "getaddrinfo", fail_once)
    with UnacknowledgingBroker() as broker:
        where = Broker("127.0.0.1", broker.port)
        mqtt = outboxes.mqtt(where, tmp_path / "outbox.sqlite", ["front"])

        def is_online() -> bool:
            mqtt.receiver.tick(time.monotonic())
            return broker.statuses() == ["online"]

        wait_for(is_online)
        mqtt.close(0.1)
    assert mqtt.counts.failures == 1
    assert "an unexpected error has ended the connection" in capsys.readouterr().err


@pytest.mark.slow
def test_its_end_does_not_wait_for_a_name_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = threading.Event()

    def wait(*_: Any, **__: Any) -> Any:
        free.wait(20)
        raise socket.gaierror(-3, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    mqtt = outboxes.mqtt(Broker("broker.lan", 1883), tmp_path / "outbox.sqlite", ["front"])
    start = time.monotonic()
    mqtt.close(0)
    assert time.monotonic() - start < 5
    free.set()


@needs_broker
def test_a_disk_that_hangs_holds_no_state_up(broker: Mosquitto, tmp_path: Path) -> None:
    free, replace_text = threading.Event(), files.replace_text

    def wait(path: Path, text: str) -> None:
        assert free.wait(30)
        replace_text(path, text)

    with Subscriber(broker.port) as subscriber, pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "replace_text", wait)
        mqtt = sink(broker, tmp_path)
        wait_for(lambda: state(subscriber))
        start = time.monotonic()
        mqtt.receiver.send(sample_events.started("front", "back"))
        mqtt.receiver.send(sample_events.door("go"))
        assert time.monotonic() - start < 1
        wait_for(lambda: state(subscriber)["door"] == "go")
        free.set()
        mqtt.close(5)
    kept = json.loads((tmp_path / "discovery.json").read_text())
    assert len(kept) == 10


@needs_broker
def test_topics_are_kept_though_a_write_fails(
    broker: Mosquitto, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "discovery.json").mkdir()
    mqtt = sink(broker, tmp_path)
    errors = ""
    while "Home Assistant keeps sensors" not in errors:
        errors += capsys.readouterr().err
        time.sleep(0.05)
    (tmp_path / "discovery.json").rmdir()
    wait_for((tmp_path / "discovery.json").exists)
    mqtt.close(5)
    assert len(json.loads((tmp_path / "discovery.json").read_text())) == 5
    assert "is written again" in capsys.readouterr().err


def test_two_doors_at_one_broker_have_nothing_in_common() -> None:
    one, other = (
        {**dict(home_assistant.messages(prefix, "front")), **dict([home_assistant.button(prefix)])}
        for prefix in ("maskgate", "site/back")
    )
    assert len(one) == len(other) == 6 and not one.keys() & other.keys()
    for key in ("unique_id", "availability_topic", "device"):
        values = [{str(json.loads(each)[key]) for each in door.values()} for door in (one, other)]
        assert not values[0] & values[1], key
    names = {json.loads(each)["device"]["name"] for each in [*one.values(), *other.values()]}
    assert names == {"maskgate front", "maskgate door", "site/back front", "site/back door"}


@needs_broker
def test_home_assistant_is_told_of_each_camera(broker: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(broker.port, "homeassistant/#") as subscriber:
        mqtt = sink(broker, tmp_path, "front", "뒷문", prefix="site/maskgate")
        wait_for(lambda: len(subscriber.messages) >= 10)
        mqtt.close(5)
    with Subscriber(broker.port, "homeassistant/#", name="later") as later:
        wait_for(lambda: len(later.messages) == 10)
        assert all(each.is_retained for each in later.messages)
    configs = {each.topic: json.loads(each.body) for each in later.messages}
    assert len({each["unique_id"] for each in configs.values()}) == 10
    for topic, config in configs.items():
        assert re.fullmatch(r"homeassistant/(binary_)?sensor/[\w-]+/\w+/config", topic, re.ASCII)
        camera = config["device"]["name"].removeprefix("site/maskgate ")
        assert config["state_topic"] == f"site/maskgate/{camera}/state"
        assert config["availability_topic"] == "site/maskgate/status"


@needs_broker
def test_discovery_can_be_left_out(broker: Mosquitto, tmp_path: Path) -> None:
    with Subscriber(broker.port) as subscriber:
        mqtt = sink(broker, tmp_path, has_discovery=False)
        mqtt.send(sample_events.started("front"))
        wait_for(lambda: subscriber.bodies("maskgate/event"))
        mqtt.close(5)
    assert not any(each.topic.startswith("homeassistant") for each in subscriber.messages)


@needs_broker
def test_a_user_has_a_password(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    passwords = tmp_path / "passwords"
    passwords.write_text("door:sesame\n")
    subprocess.run(["mosquitto_passwd", "-U", passwords], check=True)
    with Mosquitto(tmp_path, [f"password_file {passwords}"]) as broker:
        mqtt = sink(broker, tmp_path, user="door", password="wrong")
        mqtt.send(sample_events.person_seen(1))
        wait_for(lambda: mqtt.counts.failures)
        mqtt.close(0)
        message = capsys.readouterr().err
        assert "the broker refuses the connection" in message and "wrong" not in message
        mqtt = sink(broker, tmp_path, user="door", password="sesame")
        wait_for(lambda: mqtt.counts.delivered == 1)
        mqtt.close(5)


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of 127.0.0.1 that has signed itself, and its key."""
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.now(UTC)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "broker")])
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    signed = (
        builder.not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(address, critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    files = folder / "certificate.pem", folder / "key.pem"
    files[0].write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    files[1].write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return files


@needs_broker
@pytest.mark.filterwarnings("ignore:.*SSLSocket:pytest.PytestUnraisableExceptionWarning")  # paho's
def test_a_connection_is_encrypted_and_the_broker_known(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public, key = certificate(tmp_path)
    lines = ["allow_anonymous true", f"certfile {public}", f"keyfile {key}"]
    with Mosquitto(tmp_path, lines) as broker:
        mqtt = sink(broker, tmp_path, is_encrypted=True)
        mqtt.send(sample_events.person_seen(1))
        wait_for(lambda: mqtt.counts.failures)
        mqtt.close(0)
        assert "cannot be reached (certificate: self-signed cert" in capsys.readouterr().err
        mqtt = sink(broker, tmp_path, is_encrypted=True, authority=public)
        wait_for(lambda: mqtt.counts.delivered == 1)
        mqtt.close(5)


def test_without_a_broker_it_ends_in_time(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    mqtt = outboxes.mqtt(Broker("127.0.0.1", 1), tmp_path / "outbox.sqlite", ["front"])
    mqtt.send(sample_events.person_seen(1))
    wait_for(lambda: mqtt.counts.failures)
    start = time.monotonic()
    mqtt.receiver._fail("the test says so")
    mqtt.close(0.3)
    assert "the test says so; 1 event waits" in capsys.readouterr().err
    assert time.monotonic() - start < 3
    outbox = Outbox(tmp_path / "outbox.sqlite", ["mqtt"])
    assert outbox.count("mqtt") == 1
    outbox.close()


def test_a_state_follows_the_events() -> None:
    states = CameraStates(["front", "back"])
    assert states.of_camera["back"].answer()["door"] == "none"
    assert states.update(sample_events.started("front")) == ["front"]
    for track in (1, 2, 3):
        states.update(sample_events.person_seen(track))
    states.update(sample_events.left(2, unsure_share=0.5))
    states.update(sample_events.left(9, unsure_share=0.0))
    states.update(sample_events.lost())
    front = states.of_camera["front"].answer()
    assert (front["people"], front["visitors"], front["fault"]) == (2, 3, "frozen")
    assert front["unsure_share"] == 0.25
    assert states.update(sample_events.back()) == ["front"]
    assert states.of_camera["front"].fault is None
    states.update(sample_events.stopped("front"))
    assert states.of_camera["front"].answer()["people"] == 0


def test_sensors_know_every_state_of_a_door() -> None:
    assert set(home_assistant.DOOR_STATES) == {
        "none", "go", "put_on", "cover", "take_off", "moment", "closer", "empty",
    }  # fmt: skip
