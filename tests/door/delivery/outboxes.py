"""One receiver behind an outbox, as `maskgate watch` opens them."""

from pathlib import Path
from typing import Any

from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.mqtt import Mqtt
from maskgate.door.delivery.outbox import LIMIT, Outbox
from maskgate.door.delivery.outbox_sink import OutboxSink
from maskgate.door.delivery.webhook import Webhook
from maskgate.door.events import Event


class Delivery:
    """Sends events to one receiver by way of the outbox in a file."""

    def __init__(self, outbox: Outbox, receiver: Webhook | Mqtt) -> None:
        self.receiver = receiver
        self._outbox = OutboxSink(outbox, [receiver])

    @property
    def counts(self) -> Counts:
        return self.receiver.counts

    @property
    def unstored(self) -> int:
        """How many events are in memory alone."""
        return len(self._outbox._writer)

    def send(self, event: Event) -> None:
        if isinstance(self.receiver, Mqtt):
            self.receiver.send(event)
        self._outbox.send(event)

    def close(self, seconds: float) -> None:
        if isinstance(self.receiver, Mqtt):
            self.receiver.close(seconds)
        self._outbox.close(seconds)


def webhook(url: str, file: Path, *words: Any, limit: int = LIMIT, **options: Any) -> Delivery:
    return Delivery(Outbox(file, ["webhook"], limit), Webhook(url, *words, **options))


def mqtt(broker: Any, file: Path, *words: Any, **options: Any) -> Delivery:
    outbox = Outbox(file, ["mqtt"])
    return Delivery(outbox, Mqtt(broker, outbox.sender, *words, folder=file.parent, **options))
