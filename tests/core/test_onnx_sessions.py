"""ONNX Runtime as maskgate uses it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.parametrize("first", ["maskgate", "maskgate.core.onnx_sessions"])
def test_onnx_runtime_reports_nothing_to_its_maker(first: str, tmp_path: Path) -> None:
    """Its reports start with a file in the folder for temporary files, and one in the cache."""
    environment = {**os.environ, "TMPDIR": str(tmp_path), "HOME": str(tmp_path)}
    for name in ("ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"):
        environment.pop(name, None)
    code = f"import {first}, onnxruntime"
    subprocess.run([sys.executable, "-c", code], env=environment, check=True)
    assert not list(tmp_path.rglob("*"))
