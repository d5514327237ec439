"""The kiosk with nothing but `pip install '.[door]'`: no torch, no pandas."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PAGE = Path(__file__).with_name("test_kiosk_page.py")


@pytest.mark.slow  # installs a fresh environment
def test_the_kiosk_is_right_without_torch(tmp_path: Path) -> None:
    folder = tmp_path / "environment"
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = str(folder / "bin" / "python")
    install = [python, "-m", "pip", "install", "-q", "-c", str(ROOT / "constraints.txt")]
    subprocess.run([*install, f"{ROOT}[door]"], check=True, cwd=tmp_path)
    check = "import importlib.util as u; assert not any(map(u.find_spec, ['torch', 'pandas']))"
    subprocess.run([python, "-c", check], check=True, cwd=tmp_path)
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-o", "addopts="]
    words += [f"{PAGE}::test_both_policies", "-m", "slow or not slow"]
    done = subprocess.run(
        words,
        cwd=ROOT,
        env=os.environ | {"MASKGATE_SERVE_PYTHON": python},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout + done.stderr
