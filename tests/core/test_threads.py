import os
import subprocess
import sys

import pytest

from maskgate.core import threads


def test_torch_is_told_before_it_is_loaded() -> None:
    script = (
        "import os, sys\nfrom maskgate import cli\nsys.argv = ['maskgate', '--version']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "print(os.environ['GOMP_SPINCOUNT'], 'torch' in sys.modules)\n"
    )
    environment = {name: value for name, value in os.environ.items() if name != "GOMP_SPINCOUNT"}
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.stdout.splitlines()[-1] == "10000 False", done.stderr


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOMP_SPINCOUNT", "7")
    threads.limit_spinning()
    assert os.environ["GOMP_SPINCOUNT"] == "7"
