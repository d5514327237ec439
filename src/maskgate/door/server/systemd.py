"""Tells systemd how the service is, if systemd started it (`Type=notify`, `WatchdogSec=`)."""

import asyncio
import os
import socket
from collections.abc import Callable


def notify(state: str) -> None:
    """Send a state such as `READY=1`; see sd_notify(3). Nothing happens without systemd."""
    address = os.environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if address.startswith("@"):  # a socket without a file
        address = f"\0{address[1:]}"
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender:
            sender.setblocking(False)  # nothing waits for a reader that does not read
            sender.sendto(state.encode(), address)
    except OSError:
        pass  # the service works without it


def watchdog_period() -> float | None:
    """Seconds between reports to the watchdog; None without one. If the reports stop, systemd
    restarts the service."""
    period = os.environ.get("WATCHDOG_USEC", "")
    return int(period) / 1e6 / 3 if period.isdecimal() and int(period) else None


async def watch(is_healthy: Callable[[], bool]) -> None:
    """Report to the watchdog while the service is healthy; without one, return at once."""
    period = watchdog_period()
    if period is None:
        return
    while True:
        if is_healthy():
            notify("WATCHDOG=1")
        await asyncio.sleep(period)
