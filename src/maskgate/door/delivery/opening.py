"""From the options of `maskgate watch` to the open sinks that events go to."""

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from maskgate.door.delivery import options as given
from maskgate.door.delivery import stream
from maskgate.door.delivery.counts import Counts
from maskgate.door.delivery.options import Options
from maskgate.door.delivery.protocol import Sink

if TYPE_CHECKING:
    from maskgate.door.delivery.courier import Receiver
    from maskgate.door.delivery.relay import Relay


def sinks(options: Options, cameras: Sequence[str]) -> list[Sink]:
    """Open everything that events go to, after `options.check`. What waits from before is delivered
    from now on. Raises MaskgateError, and then nothing stays open."""
    opened: list[Sink] = []
    try:
        for each in _open(options, cameras):
            opened.append(each)
    except BaseException:
        for each in opened:
            each.close(0)
        raise
    return opened


def _open(options: Options, cameras: Sequence[str]) -> Iterator[Sink]:
    """The sinks, each when it is open. The relay is the first: until something is known it is to be
    where it fails. It waits for no disk, and neither does what is printed."""
    counts: list[Counts] = []
    is_relay_open: Callable[[], bool] | None = None
    if options.relay_command is not None or options.relay_url is not None:
        from maskgate.door.delivery.relay import Relay

        relay = Relay(given.relay_settings(options), cameras)
        counts.append(relay.counts)
        is_relay_open = functools.partial(_is_open, relay)
        yield relay
    if options.is_printed:
        yield stream.StandardOutput()
    if options.has_outbox:
        opened, their_counts = _open_outbox(options, cameras)
        counts += their_counts
        yield from opened
    elif (file := _file(options)) is not None:
        from maskgate.door.delivery.file_sinks import FileSink

        file_sink = FileSink(file)
        counts.append(file_sink.counts)
        yield file_sink
    if options.metrics is not None:
        from maskgate.door.delivery.prometheus import Metrics

        where = given.metrics_address(options.metrics)
        yield Metrics(where, counts, cameras=cameras, relay=is_relay_open)


def _open_outbox(options: Options, cameras: Sequence[str]) -> tuple[list[Sink], list[Counts]]:
    """The outbox with all its receivers, and their counts. The broker is a sink as well, before the
    outbox: it is told at once what each camera shows."""
    from maskgate.door.delivery import earlier_queues, outbox
    from maskgate.door.delivery.outbox_sink import OutboxSink

    names = {
        "file": options.events is not None and not options.is_printed,
        "webhook": options.webhook is not None,
        "mqtt": options.mqtt is not None,
    }
    sinks = [name for name, is_given in names.items() if is_given]
    with ExitStack() as stack:
        box = outbox.Outbox(given.queue_folder(options) / outbox.NAME, sinks)
        stack.callback(box.close)
        for sink in sinks:
            earlier_queues.move(box, sink)
        receivers: list[Receiver] = []
        opened: list[Sink] = []
        if (file := _file(options)) is not None:
            from maskgate.door.delivery.file_sinks import FileReceiver

            receivers.append(FileReceiver(file))
            stack.callback(file.close)
        if options.webhook is not None:
            from maskgate.door.delivery.webhook import Webhook

            receivers.append(Webhook(options.webhook, given.webhook_secret(options)))
        if options.mqtt is not None:
            from maskgate.door.delivery.mqtt import Mqtt

            broker, folder = given.mqtt_broker(options, options.mqtt), given.queue_folder(options)
            mqtt = Mqtt(broker, box.sender, cameras, folder=folder)
            receivers.append(mqtt)
            opened.append(mqtt)
        opened.append(OutboxSink(box, receivers))
        stack.pop_all()
    return opened, [each.counts for each in receivers]


def _file(options: Options) -> stream.EventFile | None:
    if options.events is None or options.is_printed:
        return None
    return stream.EventFile(Path(options.events), options.rotate_megabytes, options.rotate_keep)


def _is_open(relay: "Relay") -> bool:
    return relay.position == "open"
