"""What the service tells systemd."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from maskgate.door.server import systemd


@pytest.fixture
def messages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """The socket that systemd reads."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind(str(tmp_path / "notify"))
        reader.settimeout(20)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield reader


def test_a_state_is_one_message(messages: socket.socket) -> None:
    systemd.notify("READY=1")
    assert messages.recv(100) == b"READY=1"


def test_a_socket_without_a_file(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as reader:
        reader.bind("\0maskgate-test-notify")
        monkeypatch.setenv("NOTIFY_SOCKET", "@maskgate-test-notify")
        systemd.notify("STOPPING=1")
        assert reader.recv(100) == b"STOPPING=1"


def test_without_systemd_nothing_happens(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("NOTIFY_SOCKET", "WATCHDOG_USEC"):
        monkeypatch.delenv(name, raising=False)
    systemd.notify("READY=1")
    asyncio.run(systemd.watch(lambda: True))
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    systemd.notify("READY=1")


def test_the_watchdog_hears_of_a_healthy_service_alone(
    messages: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WATCHDOG_USEC", "30000")

    async def run(is_healthy: bool) -> None:
        task = asyncio.create_task(systemd.watch(lambda: is_healthy))
        await asyncio.sleep(0.2)
        task.cancel()

    asyncio.run(run(False))
    messages.setblocking(False)
    with pytest.raises(BlockingIOError):
        messages.recv(100)
    asyncio.run(run(True))
    assert [messages.recv(100) for _ in range(2)] == [b"WATCHDOG=1"] * 2
