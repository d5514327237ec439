"""`maskgate serve` as a process: what it prints, how it ends, what it refuses to start with."""

import json
import os
import re
import resource
import signal
import socket
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO

import pytest

from maskgate.door.server import hardening

Start = Callable[..., tuple["subprocess.Popen[str]", list[str]]]
Call = Callable[..., tuple[int, str, str]]


@pytest.fixture
def start(bundle: Path) -> Iterator[Start]:
    """`start("--port", 0)` runs the command until its door is open; the process, and the lines that
    it has printed until the one that matches `until`."""
    processes: list[subprocess.Popen[str]] = []

    def run(
        *words: object, until: str = "stop with Ctrl-C", model: Path = bundle
    ) -> tuple["subprocess.Popen[str]", list[str]]:
        command = [sys.executable, "-m", "maskgate", "serve", model, "--port", 0, *words]
        process = subprocess.Popen(list(map(str, command)), stderr=subprocess.PIPE, text=True)
        processes.append(process)
        assert process.stderr is not None
        return process, list(_lines(process.stderr, until))

    yield run
    for process in processes:
        process.kill()
        process.communicate()


def _lines(stream: IO[str], until: str) -> Iterator[str]:
    for line in stream:
        yield line
        if until in line:
            return
    raise AssertionError("it ended before its door was open")


def address(lines: list[str]) -> str:
    return next(filter(None, (re.match(r"https?://\S+", line) for line in lines)))[0]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_with_exit_code_0(start: Start, number: signal.Signals) -> None:
    process, lines = start()
    with urllib.request.urlopen(f"{address(lines)}/readyz", timeout=20) as answer:
        assert answer.status == 200
    process.send_signal(number)
    _, rest = process.communicate(timeout=60)
    assert (process.returncode, rest) == (0, "stopped\n")


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_leaves_no_core_dump(start: Start) -> None:
    process, _ = start()
    limits = Path(f"/proc/{process.pid}/limits").read_text()
    assert re.search(r"Max core file size +0 +0 ", limits)
    process.send_signal(signal.SIGABRT)
    process.communicate(timeout=60)
    assert process.returncode == -signal.SIGABRT
    assert not os.WCOREDUMP(0)


def test_core_dumps_are_off_for_the_process() -> None:
    before = resource.getrlimit(resource.RLIMIT_CORE)
    code = (
        "import ctypes, resource; from maskgate.door.server import hardening;"
        " hardening.forbid_core_dumps();"
        " print(resource.getrlimit(resource.RLIMIT_CORE), ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    dumpable = "0" if sys.platform == "linux" else "-1"
    assert done.stdout.split(") ") == ["(0, 0", f"{dumpable}\n"], done.stderr
    assert resource.getrlimit(resource.RLIMIT_CORE) == before
    hardening.limit_logs()


@pytest.mark.slow
def test_beyond_this_machine(start: Start, tmp_path: Path) -> None:
    state = tmp_path / "state"
    words = ("--host", "0.0.0.0", "--make-certificate", "--state", state)
    process, lines = start(*words, until="pair a browser")
    text = "".join(lines)
    token = re.search(r"token for programs, shown only now: (\S+)\n", text)
    fingerprint = re.search(r"certificate: SHA-256 ([0-9A-F:]{95})\n", text)
    code = re.search(r"https://\S+/pair#([A-Z2-9]{8})\n", text)
    assert token and fingerprint and code
    port = address(lines).rpartition(":")[2]
    context = ssl.create_default_context(cafile=state / "certificate.pem")
    request = urllib.request.Request(f"https://127.0.0.1:{port}/readyz")
    request.add_header("Authorization", f"Bearer {token[1]}")
    with urllib.request.urlopen(request, timeout=20, context=context) as answer:
        assert answer.status == 200
    assert sorted(path.name for path in state.iterdir()) == [
        "certificate.pem", "key.pem", "tokens.json",
    ]  # fmt: skip
    process.terminate()
    process.communicate(timeout=60)
    _, lines = start(*words, until="pair a browser")
    assert "token for programs" not in "".join(lines)
    assert fingerprint[0] in "".join(lines)


@pytest.mark.slow
def test_a_run_is_exported_and_served(start: Start, bundle: Path) -> None:
    process, lines = start(model=bundle.parent / "run")
    assert "is exported first" in lines[0]
    with urllib.request.urlopen(f"{address(lines)}/v1/settings", timeout=20) as answer:
        assert json.load(answer)["model"] == "run"
    process.terminate()
    process.communicate(timeout=60)
    assert process.returncode == 0


def test_what_cannot_be_served_is_one_sentence(bundle: Path, call: Call, tmp_path: Path) -> None:
    costs = ("--cost", "let_in=20", "--cost", "stopped=1", "--cost", "look=.2")
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        for words, sentence in (
            ((bundle, "--port", port), f"127.0.0.1:{port}: cannot listen there"),
            ((bundle, "--certificate", "/gone", "--key", "/gone"), "/gone: cannot be read"),
            ((bundle, "--make-certificate", "--certificate", "/gone", "--key", "/gone"),
             "--make-certificate is for a door without --certificate"),
            ((tmp_path,), f"{tmp_path}: no run"),
            ((bundle, "--detector-file", "/gone"), "/gone: no such file, named by --detector-file"),
            ((tmp_path / "gone",), f"{tmp_path}/gone: no run"),
            ((bundle, "--unsure-below", "nan"), "invalid value for '--unsure-below'"),
            ((bundle, "--unsure-below", ".9", *costs), "--cost and --unsure-below are two rules"),
        ):  # fmt: skip
            code, output, error_output = call("serve", *words)
            assert (code, output) == (2, ""), words
            assert error_output.startswith(f"maskgate: {sentence}"), error_output
            assert error_output.count("\n") == 1
    assert not list(tmp_path.iterdir())
