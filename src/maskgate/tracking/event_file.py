"""An event file of TensorBoard, written within the call.

The writer of TensorBoard writes in a thread: an error appears at a later call, or at none, and is
printed as a traceback; and after it the file cannot be closed.
"""

import os
import socket
import time
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any, Final

_PATTERN: Final = "events.out.tfevents.*"
_NUMBERS: Final = count()  # of this process's files


class EventFile:
    """A new file in `folder`, which is created if it is new, after those of a training that was
    killed: readers take files in the order of their names. Raises OSError, such as for a full disk.
    """

    def __init__(self, folder: Path) -> None:
        from tensorboard.summary.writer.record_writer import RecordWriter

        folder.mkdir(parents=True, exist_ok=True)
        now = max(int(time.time()), _latest(folder) + 1)
        writer = f"{socket.gethostname()}.{os.getpid()}.{next(_NUMBERS)}"
        path = folder / f"events.out.tfevents.{now:010d}.{writer}"
        self._file = path.open("xb")
        self._records: Any = RecordWriter(self._file)
        try:
            self._write(file_version="brain.Event:2")
        except OSError:
            self.close()
            path.unlink(missing_ok=True)  # each try would leave one
            raise

    def add(self, summary: Any, step: int) -> None:
        """Write a summary, made by a function of `summaries`. Raises OSError."""
        self._write(summary=summary, step=step)

    def close(self) -> None:
        """Close the file. The rest of what could not be written is lost; raises no error."""
        with suppress(OSError):  # the file itself is closed even so
            self._file.close()

    def _write(self, **content: Any) -> None:
        from tensorboard.compat.proto import event_pb2

        event: Any = vars(event_pb2)["Event"](wall_time=time.time(), **content)
        self._records.write(event.SerializeToString())
        self._file.flush()


def summaries() -> Any:
    """The module, without types, that makes summaries: `scalar(name, value)`, `text(name, text)`,
    `image(name, pixels, dataformats=…)`. Imports torch."""
    from torch.utils.tensorboard import summary

    return summary


def _latest(folder: Path) -> int:
    """The latest time in the names of the event files of a folder, in seconds."""
    times = [path.name.split(".")[3] for path in folder.glob(_PATTERN)]
    return max((int(each) for each in times if each.isdecimal()), default=0)
