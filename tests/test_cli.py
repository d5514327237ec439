import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate import cli

Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], cache: Path) -> Call:
    """`call("train", …)` runs the command line; exit code, stdout, stderr."""
    monkeypatch.setenv("MASKGATE_CACHE", str(cache))

    def run(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["maskgate", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as error:
            code = int(error.code or 0)
        told = capsys.readouterr()
        return code, told.out, told.err

    return run


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom maskgate import cli\nsys.argv = ['maskgate', '--help']\n"
        "try: cli.main()\nexcept SystemExit: pass\n"
        "heavy = {'torch', 'pandas', 'accelerate', 'timm', 'numpy', 'PIL'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "train" in done.stdout


def test_from_people_to_submission(
    call: Call, tiny: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, out, _ = call("train", tiny, people, "training.epochs=1", "folds.kind=holdout")
    assert code == 0
    assert "out-of-fold macro F1" in out
    (run,) = Path("runs").iterdir()
    assert run.name.startswith("tiny-")
    again = call("train", tiny, people, "training.epochs=1", "folds.kind=holdout")
    assert again[0] == 0
    assert "finished" in again[2]
    other = call("train", tiny, people, "training.epochs=1", "folds.kind=holdout", "seed=8")
    assert other[0] == 0
    code, out, _ = call("runs")
    assert "seed=8" in out
    assert out.count("tiny-") == 2
    code, out, _ = call("submit", run, people, "-o", "answers.csv")
    assert code == 0
    assert len(Path("answers.csv").read_text().splitlines()) == 43
    code, out, _ = call("predict", run, people / "eval" / "images")
    assert code == 0
    assert out.splitlines()[0].startswith("photo,mask,mask_probability,gender,")
    assert len(out.splitlines()) == 43
    code, out, _ = call("predict", run, people / "eval" / "images", "-o", "photos.csv")
    assert out == ""
    (run / "report.html").unlink()
    code, out, _ = call("report", run)
    assert (run / "report.html").stat().st_size > 10_000
    assert "<img" in (run / "report.html").read_text()
    assert call("report", run, "--no-photos")[0] == 0
    assert "<img" not in (run / "report.html").read_text()


def refused(call: Call, *arguments: object) -> str:
    code, out, err = call(*arguments)
    assert code == 2
    assert out == ""
    lines = err.strip().splitlines()
    assert len(lines) == 1, err
    assert lines[0].startswith("maskgate: ")
    return lines[0]


def test_faults_are_one_line_and_exit_code_2(
    call: Call, tiny: Path, people: Path, trained: Path, tmp_path: Path
) -> None:
    out = ("--out", tmp_path / "run")
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no such file or folder" in refused(call, "train", tiny, tmp_path / "none", *out)
    assert "holds neither" in refused(call, "train", tiny, empty, *out)
    assert "did you mean epochs" in refused(call, "train", tiny, people, "training.epoch=2", *out)
    assert "did you mean baseline" in refused(call, "train", "basline", people, *out)
    assert "did you mean" in refused(call, "train", tiny, people, "model.backbone=resnt18", *out)
    assert "lack" in refused(call, "train", tiny, _csv(tmp_path, "name\na.jpg\n"), *out)
    wrong = _csv(tmp_path, "photo,mask\na.jpg,perhaps\nb.jpg,maybe\n")
    told = refused(call, "train", tiny, wrong, *out)
    assert "a.jpg" in told
    assert "b.jpg" in told
    assert "holds no runs" in refused(call, "runs", empty)
    assert "no run" in refused(call, "submit", empty, people)
    assert "info.csv" in refused(call, "submit", trained, empty)
    nowhere = tmp_path / "nodir" / "answers.csv"
    for target, fault in ((nowhere, "does not exist"), (empty, "is a folder")):
        assert fault in refused(call, "submit", trained, people, "-o", target)
        assert fault in refused(call, "predict", trained, people / "eval", "-o", target)
    assert "is a file" in refused(call, "train", tiny, people, "--out", wrong)
    assert "plateau" in refused(call, "train", tiny, people, "schedule.name=plateau", *out)
    assert not (tmp_path / "run").exists()


def _csv(folder: Path, text: str) -> Path:
    path = folder / "photos.csv"
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", ["Ctrl-C", "disk"])
def test_interrupts_and_full_disks_are_told(
    call: Call, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    def fail(*_: object) -> None:
        if name == "disk":
            raise OSError(28, os.strerror(28), "report.html")
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr("maskgate.reports.run.write", fail)
    told = refused(call, "report", trained)
    assert ("free some space" if name == "disk" else "interrupted") in told


def test_version(call: Call) -> None:
    assert call("--version")[1].startswith("maskgate ")
