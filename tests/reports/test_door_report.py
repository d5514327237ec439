import re
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from maskgate.bundle import open_bundle
from maskgate.bundle.manifest import Manifest
from maskgate.core import default_model
from maskgate.door.decision.voting import Value
from maskgate.door.events import CameraBack, CameraLost, Event
from maskgate.door.reporting import findings
from maskgate.door.reporting.findings import Findings
from maskgate.door.reporting.log import Call, Log
from maskgate.reports import door_report
from tests.door.reporting.sample_events import START, Door


def sample() -> tuple[Findings, Manifest]:
    """Two days at two cameras, of which one is dark for an hour and has drifted."""
    manifest = open_bundle(Path(default_model.folder())).manifest
    both = ("front", "<b>back")
    events: list[Event] = []
    for camera, shift in zip(both, (0.0, -3.0), strict=True):
        door = Door(manifest.reference, np.random.default_rng(1), camera, manifest.sha256)
        for number in range(2):
            begin = START + timedelta(days=number)
            if camera == "front":
                door.start(begin, both)
            for minute in range(60):
                verdict: Value = "moment" if minute % 7 == 0 else "go"
                door.person(
                    begin + timedelta(minutes=5 * minute), verdict, 1.0 + minute / 30,
                    float(minute % 5 == 0), {"brightness": shift},
                )  # fmt: skip
            if camera == "front":
                door.stop(begin + timedelta(hours=9), both)
            dark = {"camera": camera, "policy": "worn", "reason": "dark"}
            door.events += [
                CameraLost.model_validate({"time": begin + timedelta(hours=6), **dark}),
                CameraBack.model_validate(
                    {"time": begin + timedelta(hours=7), "gap": 3600, **dark}
                ),
            ]
        events += door.events
    calls = [Call(kind="alert", reason="help", door="main", time=START + timedelta(hours=1))]
    log = Log(sorted(events, key=lambda event: event.time), [], calls)
    return findings.find(log, manifest, ZoneInfo("Asia/Seoul")), manifest


@pytest.fixture(scope="module")
def page() -> str:
    summary, manifest = sample()
    return door_report.html(summary, manifest.reference)


def test_the_page_tells_what_happened(page: str) -> None:
    text = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", page))
    assert "People 240 at 2 cameras" in text
    assert "Pictures of camera &lt;b&gt;back are darker" in text
    assert "camera front are darker" not in text
    assert "2026-11-27 14:30 front the picture was dark 1 h 0 min" in text
    assert "2026-11-27 17:30 front maskgate was stopped 15 h 0 min" in text
    assert "somebody asked for help main 1 2026-11-27 09:30" in text
    assert 'class="empty"' in page


def test_the_page_is_whole_in_itself_and_names_are_text(page: str) -> None:
    assert "<b>back" not in page
    assert not re.search(r'(src|href)="(?!data:)', page)


def test_the_terminal_gets_the_most_important() -> None:
    lines = door_report.sentences(sample()[0])
    assert lines[0] == "2026-11-27 08:30 to 2026-11-28 17:30: 240 people"
    assert any(line.startswith("without a verdict: ") for line in lines)
    assert any(line.startswith("front: faults in 11.1% of the time") for line in lines)
    assert sum("darker" in line for line in lines) == 1
