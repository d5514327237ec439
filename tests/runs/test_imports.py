"""What reading a run's settings needs: nothing that only a training has."""

import subprocess
import sys
from pathlib import Path

GOLDEN = Path(__file__).parents[1] / "golden"
READ = """
import sys

heavy = ("accelerate", "cv2", "filelock", "pandas", "pyarrow", "safetensors", "scipy", "torch")
sys.modules.update(dict.fromkeys(heavy))  # no import of them works
from maskgate import runs; from maskgate.runs import trust

for name in ("plain", "faces", "together"):
    run = runs.open_run(name)
    run.settings(), run.status(), run.metrics(), run.folds, run.fold_seconds()
    for member in run.members() if run.is_system else [run]:
        trust.check_trusted(member, member.recipe())
print(len(runs.scan(run.path.parent)), run.learned().offsets is not None)
"""


def test_runs_are_read_without_pandas_and_torch() -> None:
    command = [sys.executable, "-c", READ]
    done = subprocess.run(command, cwd=GOLDEN, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, "3 True\n"), done.stderr
