"""A broker that takes connections and messages, and acknowledges no message."""

import contextlib
import socket
import threading
from typing import BinaryIO, Final, Self

from tests.door.delivery.mosquitto import Message

_CONNECT, _PUBLISH, _PING = 1, 3, 12
_ANSWERS: Final = {_CONNECT: b"\x20\x02\x00\x00", _PING: b"\xd0\x00"}


class UnacknowledgingBroker:
    """Records the `messages` of MQTT 3.1.1 in the order in which they come. Used as a context."""

    def __init__(self) -> None:
        self.messages: list[Message] = []
        self.connections = 0
        self._server = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._server.getsockname()[1]
        self._client: socket.socket | None = None

    def __enter__(self) -> Self:
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.close()
        self.drop()

    def drop(self) -> None:
        """End the connection."""
        if self._client is not None:
            with contextlib.suppress(OSError):  # the other side has ended it
                self._client.shutdown(socket.SHUT_RDWR)

    def statuses(self) -> list[str]:
        return [each.body for each in self.messages if each.topic.endswith("/status")]

    def _serve(self) -> None:
        while True:
            try:
                self._client, _ = self._server.accept()
            except OSError:  # it is closed
                return
            with self._client, self._client.makefile("rb") as stream:
                while head := stream.read(1):
                    self._take(head[0], stream.read(_length(stream)))

    def _take(self, head: int, rest: bytes) -> None:
        kind = head >> 4
        self.connections += kind == _CONNECT
        if kind == _PUBLISH:
            end = 2 + int.from_bytes(rest[:2])
            body = rest[end + 2 :] if head & 0b110 else rest[end:]
            self.messages.append(Message(rest[2:end].decode(), body.decode(), bool(head & 1)))
        if kind in _ANSWERS and self._client is not None:
            self._client.sendall(_ANSWERS[kind])


def _length(stream: BinaryIO) -> int:
    length = shift = 0
    while True:
        byte = stream.read(1)[0]
        length |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return length
