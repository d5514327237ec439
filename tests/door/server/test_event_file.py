"""`serve --events FILE`: what `/v1/events` gives, as lines that door-report reads."""

import json
from pathlib import Path

import pytest

from maskgate.door.delivery.file_sinks import FileSink
from maskgate.door.delivery.stream import EventFile
from maskgate.door.reporting import log
from maskgate.door.server import start
from maskgate.door.server.settings import Settings
from maskgate.door.server.start import Options
from maskgate.errors import MaskgateError
from tests.door.server.conftest import Serve, wait_until
from tests.door.server.test_kiosk import Reader


def test_the_file_has_what_readers_get(serve: Serve, tmp_path: Path) -> None:
    path = tmp_path / "events.jsonl"
    running = serve(event_file=FileSink(EventFile(path)))
    reader = Reader(running)
    with running.stream("?door=north") as stream:
        stream.send(json.dumps({"state": "go", "policy": "worn"}))
        running.request("POST", "/v1/events/override/operator?door=north")
        running.request("POST", "/v1/events/alert/help")
        wait_until(lambda: len(reader.events) == 3)
        running.server.should_exit = True
        reader.thread.join(20)
    wait_until(lambda: not path.read_text("utf-8").count("\n") < 4)
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    assert lines == reader.events
    assert [each["kind"] for each in lines] == ["state", "override", "alert", "state"]
    assert lines[-1]["reason"] == "stopping"
    read = log.read([path])
    assert len(read.states) == 2 and len(read.calls) == 2 and not read.notes


def test_wrong_files(tmp_path: Path) -> None:
    with pytest.raises(MaskgateError, match="is no file; give another"):
        start.check(Options(None, "127.0.0.1", 0, Settings(), events=tmp_path))
    file = EventFile(tmp_path / "events.jsonl")
    with pytest.raises(MaskgateError, match="another maskgate writes to this file"):
        EventFile(tmp_path / "events.jsonl")
    file.close()
