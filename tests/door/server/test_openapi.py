"""The service keeps to its OpenAPI, which schemathesis reads, whatever it is sent."""

import subprocess
import sys
from pathlib import Path

import pytest

from maskgate.door.server.events import KINDS
from tests.door.server.conftest import Serve


def test_every_route_for_programs_is_described(serve: Serve) -> None:
    schema = serve().get("/openapi.json").json
    paths = {"/v1/verdict", "/v1/settings", "/healthz", "/readyz", "/metrics"}
    events = {
        f"/v1/events/{kind}/{reason}" for kind, reasons in KINDS.items() for reason in reasons
    }
    assert set(schema["paths"]) == paths | events
    assert all(path in schema["info"]["description"] for path in ("/v1/stream", "/v1/events"))
    assert "1013" not in schema["info"]["description"]  # a refusal comes before a stream opens
    assert schema["components"]["schemas"]["Answer"]["example"]["photos"]
    content = schema["paths"]["/v1/verdict"]["post"]["requestBody"]["content"]
    assert {"multipart/form-data", "image/jpeg"} <= set(content)


@pytest.mark.slow
def test_schemathesis_finds_no_fault(serve: Serve, tmp_path: Path) -> None:
    running = serve()
    command = [
        Path(sys.executable).parent / "schemathesis", "run",
        "--phases", "examples,coverage,fuzzing", "--max-examples", "100", "--seed", "1",
        "--exclude-checks", "positive_data_acceptance",  # any bytes are valid, and most no photo
        f"http://127.0.0.1:{running.port}/openapi.json",
    ]  # fmt: skip
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, cwd=tmp_path)
    assert done.returncode == 0, done.stdout[-6000:]
    assert running.metric('maskgate_rejections_total{reason="internal"}') == 0
