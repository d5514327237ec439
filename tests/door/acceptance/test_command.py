"""`maskgate accept`: its exit codes, what it prints, what it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.door.acceptance import record as records
from maskgate.door.acceptance.measuring import Outcome
from maskgate.door.acceptance.record import Attempt, Record
from maskgate.door.acceptance.service import Service
from maskgate.door.server import access
from tests.door.server.conftest import Running, Serve

Call = Callable[..., tuple[int, str, str]]


def store(running: Running, page: Path, let_in: int | None = None, token: str | None = None) -> str:
    """Store a record of twenty right passages, in one of which somebody may be let in; the
    service's URL."""
    service = Service(f"http://127.0.0.1:{running.port}", token)
    checked = records.checked(service.get("/v1/kiosk"), service.get("/v1/settings"), "main")
    assert checked is not None
    attempts = [
        Attempt(
            passage=number,
            outcome=Outcome(is_right=True, seconds=1.5, is_held=True, is_let_in=number == let_in),
        )
        for number in range(20)
    ]
    records.save(page, Record(checked=checked, attempts=attempts))
    return service.url


@pytest.mark.parametrize(
    ("language", "let_in", "code", "conclusion"),
    [
        ("en", None, 0, "This door may open."),
        ("en", 1, 1, "This door may not open yet."),
        ("ko", None, 0, "이 출입구는 열어도 됩니다."),
        ("ko", 1, 1, "이 출입구는 아직 열면 안 됩니다."),
    ],
)
def test_exit_codes(
    language: str,
    let_in: int | None,
    code: int,
    conclusion: str,
    *,
    serve: Serve,
    call: Call,
    tmp_path: Path,
) -> None:
    out, page = tmp_path / "page.html", tmp_path / "page-partial.html"
    url = store(serve(), out, let_in)
    words = (url, "--out", out, "--partial", "--language", language, "--date", "2026-11-27")
    result, output, error = call("accept", *words)
    assert (result, error) == (code, "")
    first, _, last = output.splitlines()
    assert (first, last) == (conclusion, str(page))
    assert conclusion in page.read_text("utf-8")
    assert call("accept", *words)[0] == 2, "the page is not replaced"


def test_a_token_in_a_file_or_a_variable(
    serve: Serve, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens, token = access.open_access(tmp_path / "state")
    assert token is not None
    file = tmp_path / "token.txt"
    file.write_text(f"{token}\n")
    out = tmp_path / "page.html"
    words = ("accept", store(serve(access=tokens), out, token=token), "--out", out, "--partial")
    code, _, error = call(*words)
    assert code == 2 and "the service needs its token" in error
    assert call(*words, "--token-file", file)[0] == 0
    (tmp_path / "page-partial.html").unlink()
    monkeypatch.setenv("MASKGATE_TOKEN", token)
    code, _, error = call(*words, "--token-file", file)
    assert code == 2 and "both --token and --token-file are given" in error
    assert call(*words)[0] == 0


@pytest.mark.parametrize(
    ("content", "message"),
    [("{", "not the record of a check, or damaged"), ('{"version": 2}', "not the record of a")],
)
def test_a_damaged_record(
    content: str, message: str, serve: Serve, call: Call, tmp_path: Path
) -> None:
    out = tmp_path / "page.html"
    records.record_file(out).write_text(content)
    url = f"http://127.0.0.1:{serve().port}"
    code, _, error = call("accept", url, "--out", out, "--partial")
    assert code == 2
    assert error.startswith(f"maskgate: {tmp_path}/page.progress.json: {message}")
