"""Reads the files that Weights & Biases writes offline, to see what a killed training has logged.

They are logs in LevelDB's format, https://github.com/google/leveldb/blob/main/doc/log_format.md,
after a header of 7 bytes; each entry is a `Record` of `wandb_internal.proto`.
"""

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

_HEADER: Final = 7  # bytes of the file
_BLOCK: Final = 32_768  # bytes
_CHUNK: Final = struct.Struct("<IHB")  # checksum, length and kind of a chunk
_COMPLETE, _FIRST, _LAST = 1, 2, 4  # kinds of chunks; the others are in the middle of an entry


def steps(folder: Path, run_id: str) -> set[int]:
    """The steps in the history of a run, over all its files below `folder`; empty for files of an
    unknown format."""
    return {record.step.num for record in _of_kind(folder, run_id, "history")}


def artifacts(folder: Path, run_id: str) -> set[str]:
    """The digests of the artefacts of a run, likewise."""
    return {record.digest for record in _of_kind(folder, run_id, "artifact")}


def records(path: Path) -> Iterator[Any]:
    """The entries of a file up to its end, or to the first that is not whole."""
    from wandb.proto import wandb_internal_pb2

    make_record: Any = vars(wandb_internal_pb2)["Record"]  # made as it is imported

    for entry in _entries(path.read_bytes()):
        record = make_record()
        try:
            record.ParseFromString(entry)
        except Exception:  # of protobuf, which wandb brings along
            return
        yield record


def _of_kind(folder: Path, run_id: str, kind: str) -> Iterator[Any]:
    for path in folder.glob(f"wandb/offline-run-*-{run_id}/run-{run_id}.wandb"):
        for record in records(path):
            if record.WhichOneof("record_type") == kind:
                yield getattr(record, kind)


def _entries(content: bytes) -> Iterator[bytes]:
    place, entry = _HEADER, b""
    while place + _CHUNK.size <= len(content):
        if (left := _BLOCK - place % _BLOCK) < _CHUNK.size:
            place += left  # the end of a block is filled up
            continue
        _, length, kind = _CHUNK.unpack_from(content, place)
        place += _CHUNK.size
        if place + length > len(content) or not kind:
            return
        part = content[place : place + length]
        place += length
        entry = part if kind in (_COMPLETE, _FIRST) else entry + part
        if kind in (_COMPLETE, _LAST):
            yield entry
