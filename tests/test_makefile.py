"""`make help` explains every target."""

import re
import subprocess
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_help_explains_every_target() -> None:
    text = (ROOT / "Makefile").read_text("utf-8")
    (targets,) = re.findall(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    listed = subprocess.run(["make", "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    default = subprocess.run(["make"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.findall(r"^make (\S+) +\S", listed.stdout, re.MULTILINE) == targets.split()
    assert default.stdout == listed.stdout
