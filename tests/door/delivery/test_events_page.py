"""docs/events.md: every key, option and metric in it exists, and its receiver works."""

import importlib.util
import json
import re
import shlex
import sys
import threading
from pathlib import Path
from typing import Any, get_args

import pytest
import typer

from maskgate.cli import app
from maskgate.door import events
from maskgate.door.delivery.counts import Counts, Loss
from maskgate.door.delivery.outbox import LIMIT
from maskgate.door.delivery.prometheus import Metrics
from maskgate.door.delivery.webhook import SIGNATURE, signature
from tests.door.delivery import outboxes, sample_events
from tests.door.delivery.test_prometheus import read

PAGE_FILE = Path(__file__).parents[3] / "docs" / "events.md"
PAGE = PAGE_FILE.read_text("utf-8")


def block(language: str, containing: str) -> str:
    (code,) = (
        each for each in re.findall(rf"(?s)```{language}\n(.*?)```", PAGE) if containing in each
    )
    return str(code)


def schemas() -> dict[str, dict[str, Any]]:
    """The keys of each event, by the event."""
    parts: dict[str, Any] = json.loads(events.schema())["$defs"]
    return {
        part["properties"]["event"]["const"]: part["properties"]
        for part in parts.values()
        if "event" in part["properties"]
    }


def rows(title: str) -> list[list[str]]:
    """The names in the first column of a table, row by row."""
    table = PAGE.split(f"| {title} |")[1].split("\n\n")[0]
    return [re.findall(r"`(\w+)`", row.split("|")[1]) for row in table.splitlines()[2:]]


def test_the_tables_have_every_key_and_event() -> None:
    keys = {key for part in schemas().values() for key in part}
    assert {name for row in rows("key") for name in row} == keys
    assert {name for row in rows("event") for name in row} == set(schemas())
    for value in (*get_args(events.MaskState), *get_args(events.Reason)):
        assert f"`{value}`" in PAGE


def test_the_example_is_an_event() -> None:
    example = json.loads(block("json", '"verdict"'))
    example["id"] = example["process"] = str(sample_events.person_seen(1).id)
    assert isinstance(events.parse(json.dumps(example)), events.FirstVerdict)


def test_the_commands_parse() -> None:
    command = typer.main.get_command(app).commands["watch"]  # type: ignore[attr-defined]
    lines = re.findall(r"(?m)^    maskgate watch (.+)$", PAGE)
    assert len(lines) == 8
    for line in lines:
        command.make_context("watch", shlex.split(line))
    options = {name for each in command.params for name in each.opts}
    assert (
        set(re.findall(r"(--[a-z][\w-]+)", PAGE)) - {"--fail", "--silent", "--max-time"} < options
    )


def test_the_korean_page_has_the_same_commands_and_files() -> None:
    korean = (PAGE_FILE.parent / "events.ko.md").read_text("utf-8")
    code = re.findall(r"(?s)```\w+\n.*?```", korean) + re.findall(r"(?m)^    .+$", korean)
    assert len(code) > 10 and all(each in PAGE for each in code)
    topics = set(re.findall(r"`(maskgate/[\w/]+)`", PAGE))
    assert topics == set(re.findall(r"`(maskgate/[\w/]+)`", korean))


def test_the_metrics_are_those_that_are_served() -> None:
    counts = Counts("webhook")
    for reason in get_args(Loss):
        counts.add_lost(reason)
        assert f"`{reason}`" in PAGE
    metrics = Metrics(("127.0.0.1", 0), [counts], cameras=["front"], relay=lambda: False)
    for event in (sample_events.first_verdict(1), sample_events.left(1)):
        metrics.send(event)
    names = {
        re.sub(r"_(bucket|sum|count|created)$", "", name.partition("{")[0])
        for name in read(metrics)
        if "_created" not in name
    }
    metrics.close(1)
    of_cameras = {"frames_per_second", "behind_seconds", "judged_frames_total",
                  "dropped_frames_total"}  # fmt: skip
    names |= {f"maskgate_watch_{name}" for name in of_cameras}
    assert set(re.findall(r"`(maskgate_watch_\w+)`", PAGE)) == names


def test_the_numbers_are_those_of_the_program() -> None:
    assert f"at most {LIMIT:,}" in PAGE and f"`{SIGNATURE}`" in PAGE


def test_the_receiver_takes_what_is_genuine_and_new_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from http.server import HTTPServer

    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "webhook-secret").write_text("5e" * 32 + "\n")
    (tmp_path / "receiver_of_the_page.py").write_text(block("python", "class Receiver"))
    spec = importlib.util.spec_from_file_location(
        "receiver_of_the_page", tmp_path / "receiver_of_the_page.py"
    )
    assert spec is not None and spec.loader is not None
    receiver: Any = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "receiver_of_the_page", receiver)
    spec.loader.exec_module(receiver)
    monkeypatch.setattr(receiver.Receiver, "log_message", lambda *_: None)
    with HTTPServer(("127.0.0.1", 0), receiver.Receiver) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,))
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/"
        for name, secret in (("good", "5e" * 32), ("again", "5e" * 32), ("bad", "other" * 8)):
            sink = outboxes.webhook(url, tmp_path / f"{name}.sqlite", secret, first_pause=0.02)
            event = sample_events.first_verdict(1)
            for each in (event, event):
                sink.send(each)
            sink.close(1 if name == "bad" else 10)
            assert sink.counts.delivered == (0 if name == "bad" else 2) and not sink.counts.lost
        server.shutdown()
        thread.join()
    assert capsys.readouterr().out == "verdict front go\n" * 2
    is_genuine = receiver.is_genuine
    for text in ("", "t=", "t=1,v1=", "v1=0", "nonsense", "t=x,v1=y", signature("s", b"{}", 1000)):
        assert not is_genuine("s", text, b"{}"), text
