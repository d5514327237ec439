"""What is printed: in every encoding, names as they are, and nothing where nobody reads."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from rich.table import Table

from maskgate.core import terminal

Call = Callable[..., tuple[int, str, str]]
C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
ENCODINGS: dict[str, dict[str, Any]] = {
    name: {"PYTHONIOENCODING": name} for name in ("cp949", "euc-kr", "ascii", "latin-1")
} | {"C": C_LOCALE}
NAME = "[red]–×≥·[bold] 홍é→"


def run(
    *words: object, cwd: Path | None = None, stdout: int | None = subprocess.PIPE, **variables: str
) -> subprocess.CompletedProcess[bytes]:
    """`maskgate` in a process of its own, with these variables of the environment."""
    environment = {k: v for k, v in os.environ.items() if k != "PYTHONUNBUFFERED"} | variables
    return subprocess.run(
        [sys.executable, "-m", "maskgate", *map(str, words)],
        stdout=stdout,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=cwd,
        timeout=120,
    )


def printed(text: str, encoding: str, error: str = "maskgate") -> str:
    """What a terminal of that encoding shows of a text."""
    terminal.prepare()
    return text.encode(encoding, error).decode(encoding)


@pytest.fixture(scope="module")
def runs(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of runs whose names hold brackets, and letters that encodings lack."""
    folder = tmp_path_factory.mktemp("printed") / "runs"
    folder.mkdir()
    for name in ("a", NAME):
        (folder / name).symlink_to(trained)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ENCODINGS)
@pytest.mark.parametrize("command", ["runs", "demo --help"])
def test_commands_print_in_every_encoding(encoding: str, command: str, runs: Path) -> None:
    done = run(*command.split(), cwd=runs.parent, **ENCODINGS[encoding])
    assert done.returncode == 0, done.stderr
    assert done.stderr == b""
    output = done.stdout.decode("ascii" if encoding == "C" else encoding)
    if command == "runs":
        assert "[red]" in output
        assert "[bold]" in output


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_errors_and_progress_print_in_every_encoding(encoding: str, tmp_path: Path) -> None:
    done = run("runs", f"{NAME}\x1b[31m", cwd=tmp_path, **ENCODINGS[encoding])
    assert done.returncode == 2
    assert done.stderr.startswith(b"maskgate: [red]")
    assert b"\x1b" not in done.stderr
    code = (
        "from maskgate.core import terminal, progress; terminal.prepare();"
        f"progress.say({NAME!a}); list(progress.track([1], {NAME!a}, 1))"
    )
    environment = os.environ | ENCODINGS[encoding]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, env=environment)
    assert (done.returncode, done.stdout) == (0, b""), done.stderr


def test_what_an_encoding_lacks_is_replaced() -> None:
    assert printed("a–b × c ≥ d → e…", "ascii") == "a-b x c >= d -> e..."
    assert printed("– × ≥ 홍", "latin-1") == "- × >= \\ud64d"
    assert printed("– × ≥ 홍 é", "cp949") == "- × ≥ 홍 \\xe9"
    assert printed("a\udcb0\udca1", "utf-8") == "a\\xb0\\xa1"  # a name in CP949 bytes
    assert printed("😀", "cp949") == "\\U0001f600"


def test_progress_names_what_it_is_of(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a terminal, of which this is one."""
    code = (
        "import sys; from maskgate.core import terminal, progress; terminal.prepare();"
        "list(progress.track([1, 2], '[red]photos of [/x]', 2))"
    )
    import pty

    end, other = pty.openpty()
    environment = os.environ | {"PYTHONIOENCODING": "cp949", "TERM": "xterm", "COLUMNS": "100"}
    subprocess.run([sys.executable, "-c", code], stderr=other, env=environment, check=True)
    os.close(other)
    assert b"[red]photos of [/x]" in os.read(end, 10_000)


def test_names_are_printed_as_they_are(call: Call, runs: Path) -> None:
    code, out, _ = call("runs", runs)
    assert code == 0
    assert NAME in out


def test_a_console_takes_nothing_for_markup(capsys: pytest.CaptureFixture[str]) -> None:
    table = Table("[b]head", box=None)
    table.add_row("[red]cell[/] :smile: \x1b[2J")
    console = terminal.console()
    console.print(table)
    console.print("[bold]text[/bold]")
    output = capsys.readouterr().out
    for part in ("[b]head", "[red]cell[/] :smile: \\x1b[2J", "[bold]text[/bold]"):
        assert part in output
    assert "\x1b" not in output


@pytest.mark.slow
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["runs", "--help", "--version"])
def test_a_full_device_and_a_closed_pipe_are_no_traceback(
    command: str, unbuffered: str, runs: Path
) -> None:
    words, folder = command.split(), runs.parent
    with open("/dev/full", "wb") as full:
        done = run(*words, cwd=folder, stdout=full.fileno(), PYTHONUNBUFFERED=unbuffered)
    assert done.returncode == 2
    (line,) = done.stderr.decode().splitlines()
    assert line.startswith("maskgate: ")
    assert "No space left on device; free some space" in line
    if command in ("runs", "--version"):
        assert "maskgate: standard output: " in line
    reading, writing = os.pipe()
    os.close(reading)
    done = run(*words, cwd=folder, stdout=writing, PYTHONUNBUFFERED=unbuffered)
    os.close(writing)
    assert (done.returncode, done.stderr) == (128 + 13, b"")


def test_closed_streams_are_no_traceback(runs: Path, tmp_path: Path) -> None:
    """Neither does a file that is written take the place of one of them."""
    for closed in (">&-", "2>&-", "<&- >&- 2>&-"):
        table = tmp_path / "answers.csv"
        command = f"{sys.executable} -m maskgate --version {closed} && echo done > {table}"
        done = subprocess.run(["sh", "-c", command], cwd=runs.parent, capture_output=True)
        assert (done.returncode, done.stderr) == (0, b"")
        assert table.read_text() == "done\n"
        table.unlink()


def test_a_pipe_of_a_process_beside_this_one_is_a_fault(
    call: Call, runs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    monkeypatch.setattr("maskgate.reports.listing.print_table", broken)
    monkeypatch.setattr("maskgate.core.terminal.is_read", lambda: True)
    code, _, err = call("runs", runs)
    assert code == 2
    assert "maskgate: another process has ended" in err
