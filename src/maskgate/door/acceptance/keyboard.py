"""Lines that the operator types, read beside other work."""

import os
import select
import sys

from maskgate.errors import MaskgateError


class Keyboard:
    """Lines of a file descriptor, by default standard input; `line` never waits for long."""

    def __init__(self, descriptor: int | None = None) -> None:
        self._descriptor = sys.stdin.fileno() if descriptor is None else descriptor
        self._buffer = b""

    def line(self, seconds: float) -> str | None:
        """The next line without spaces around it; None if there is none within that time. Raises
        MaskgateError at the end of the input."""
        if b"\n" not in self._buffer:
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return None
            content = os.read(self._descriptor, 4096)
            if not content:
                raise MaskgateError(
                    "the input has ended before the check; repeat the command in a terminal to"
                    " resume"
                )
            self._buffer += content
            if b"\n" not in self._buffer:
                return None
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line.decode("utf-8", "replace").strip()
