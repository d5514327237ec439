"""The sink that stores each event and then has it delivered to every receiver."""

import functools
import time
from collections.abc import Sequence

from maskgate.door.delivery.courier import Courier, Receiver
from maskgate.door.delivery.outbox import Outbox
from maskgate.door.delivery.writer import Writer
from maskgate.door.events import Event, to_json


class OutboxSink:
    """Delivers events to `receivers`, beginning with what waits in the outbox from before.

    An event is *stored* when its transaction is on the disk, and no receiver gets it before. `send`
    does not wait for that: a thread stores what has come, together, within milliseconds on a disk
    that works. What was sent but not stored when the process is killed, no receiver gets; what was
    stored, each gets at least once. A receiver is named by its counts; the outbox and the receivers
    are closed with the sink.
    """

    name = "outbox"

    def __init__(self, outbox: Outbox, receivers: Sequence[Receiver]) -> None:
        self._outbox, self._receivers = outbox, receivers
        outbox.on_loss = self._lose
        self._couriers = {each.counts.sink: Courier(outbox, each) for each in receivers}
        self._writer = Writer(self.name, self._store, [each.counts for each in receivers])
        for each in receivers:
            each.counts.waiting = functools.partial(self._waiting, each.counts.sink)

    def _waiting(self, sink: str) -> int:
        return self._outbox.count(sink) + len(self._writer)

    def send(self, event: Event) -> None:
        """Have the event stored and delivered; it returns at once."""
        self._writer.add((str(event.id), to_json(event)))

    def close(self, seconds: float) -> None:
        """Store what was sent, then deliver what waits, for at most so many seconds altogether;
        the rest is for the next start."""
        end = time.monotonic() + seconds
        self._writer.close(seconds)
        for courier in self._couriers.values():
            courier.close(max(0.0, end - time.monotonic()))
        for receiver in self._receivers:
            receiver.end()
        self._outbox.close()

    def _lose(self, sink: str, count: int) -> None:
        for receiver in self._receivers:
            if receiver.counts.sink == sink:
                receiver.counts.add_lost("disk", count)

    def _store(self, events: Sequence[tuple[str, str]]) -> int:
        for sink, lost in self._outbox.store(events).items():
            self._couriers[sink].notify(lost)
        return len(events)
