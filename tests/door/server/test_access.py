"""Tokens, pairing, failed attempts, hosts and origins; headers of every answer."""

import http.client
import stat
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from maskgate.core import files
from maskgate.door.server import access, gate, pairing
from maskgate.door.server.access import Access, Failures
from maskgate.door.server.request_errors import RequestError
from maskgate.errors import MaskgateError
from tests.door.server.conftest import Running, Serve


@pytest.fixture
def tokens(tmp_path: Path) -> tuple[Access, str]:
    opened, token = access.open_access(tmp_path / "state")
    assert token is not None
    return opened, token


@pytest.fixture
def running(serve: Serve, tokens: tuple[Access, str]) -> Running:
    return serve(access=tokens[0])


def bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}


def test_the_token_is_new_once_and_stored_as_a_hash(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    first, token = access.open_access(folder)
    assert token is not None and len(token) > 40
    (file,) = folder.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert token not in file.read_text()
    again, none = access.open_access(folder)
    assert none is None
    assert first.is_valid(token) and again.is_valid(token)
    assert not any(map(again.is_valid, ("", token[:-1], token.lower(), "é", "\udc80")))
    _, renewed = access.open_access(folder, renew=True)
    assert renewed is not None and renewed != token
    assert not access.open_access(folder)[0].is_valid(token)


def test_a_token_of_ones_own_replaces_the_one_for_programs(tmp_path: Path) -> None:
    folder, file = tmp_path / "state", tmp_path / "token"
    opened, first = access.open_access(folder)
    browser = opened.pair(opened.new_code())
    opened.store()
    assert first is not None and browser is not None
    file.write_text(f"{'a1' * 16}\n")
    token = access.read_token(file)
    for _ in range(2):
        again, printed = access.open_access(folder, token=token)
        assert printed is None
        assert again.is_valid(token) and again.is_valid(browser) and not again.is_valid(first)
    renewed, printed = access.open_access(folder, renew=True, token=token)
    assert printed is None
    assert renewed.is_valid(token) and not renewed.is_valid(browser)
    assert token not in (folder / "tokens.json").read_text()
    assert access.open_access(tmp_path / "new", token=token)[1] is None


@pytest.mark.parametrize("text", ["", "a" * 31, "a" * 201, f"{'a' * 20} {'b' * 20}", "é" * 40])
def test_a_file_without_a_token_is_an_error(text: str, tmp_path: Path) -> None:
    (tmp_path / "token").write_text(text, "utf-8")
    with pytest.raises(MaskgateError, match="not a token of 32 to 200 letters and digits; make"):
        access.read_token(tmp_path / "token")


def test_a_damaged_file_of_tokens_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "tokens.json").write_text("{}")
    with pytest.raises(MaskgateError, match="start once with --new-token"):
        access.open_access(tmp_path)
    assert access.open_access(tmp_path, renew=True)[1]


def test_a_code_pairs_one_browser_for_ten_minutes(
    tokens: tuple[Access, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, token = tokens
    code = opened.new_code()
    browser = opened.pair(f" {code[:4].lower()}-{code[4:]} ")
    assert browser is not None and opened.is_valid(browser)
    opened.store()
    assert access.open_access(tmp_path / "state")[0].is_valid(browser)  # after a restart too
    assert opened.pair(code) is None
    assert opened.pair("") is None
    assert opened.pair(token) not in (None, token)
    late = opened.new_code()
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 601)
    assert opened.pair(late) is None


def test_every_path_needs_the_token(running: Running, tokens: tuple[Access, str]) -> None:
    _, token = tokens
    paths = ["/v1/settings", "/healthz", "/readyz", "/metrics", "/openapi.json", "/", "/nothing"]
    for path in paths:
        answer = running.get(path)
        assert (answer.status, answer.reason) == (401, "unauthorized"), path
        assert answer.headers["www-authenticate"] == "Bearer"
        expected = 404 if path == "/nothing" else 200
        assert running.request("GET", path, headers=bearer(token)).status == expected, path
    assert running.request("POST", "/v1/verdict", b"x").status == 401
    with pytest.raises(InvalidStatus) as refused:
        running.stream()
    assert refused.value.response.status_code == 403
    with running.stream(additional_headers=bearer(token)) as stream:
        stream.send(b"x")
        assert '"not_a_photo"' in str(stream.recv(timeout=20))


def test_a_browser_is_led_to_the_pairing_page(running: Running, tokens: tuple[Access, str]) -> None:
    opened, token = tokens
    answer = running.get("/", Accept="text/html,*/*")
    assert (answer.status, answer.headers["location"]) == (303, "/pair")
    assert running.get("/pair").status == 200
    page = running.request("GET", "/pairing", headers=bearer(token)).body.decode()
    assert "<svg" in page and "/pair</" in page
    answer = running.request("POST", "/pair", opened.new_code().encode())
    assert answer.json == {"paired": True}
    cookie = answer.headers["set-cookie"]
    assert "HttpOnly" in cookie and "SameSite=strict" in cookie and "Secure" not in cookie
    cookie = cookie.partition(";")[0]
    assert cookie.startswith(f"{gate.COOKIE}=")
    assert running.get("/", Accept="text/html", Cookie=cookie).status == 200
    with running.stream(additional_headers={"Cookie": cookie}) as stream:
        stream.send(b"x")
        assert '"not_a_photo"' in str(stream.recv(timeout=20))
    assert running.get("/", Cookie=f"{gate.COOKIE}=other").status == 401
    assert running.get("/", Cookie='"; =;;').status == 401
    assert running.request("POST", "/pair", b"x" * 500).reason == "too_large"


def test_a_slow_disk_holds_up_the_one_who_is_paired_alone(
    running: Running, tokens: tuple[Access, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, token = tokens
    begins, free, replace = threading.Event(), threading.Event(), files.replace_private

    def wait(path: Path, content: bytes) -> None:
        begins.set()
        assert free.wait(30)
        replace(path, content)

    monkeypatch.setattr(files, "replace_private", wait)
    with ThreadPoolExecutor(2) as pool:
        answers = [
            pool.submit(running.request, "POST", "/pair", opened.new_code().encode())
            for _ in range(2)
        ]
        assert begins.wait(10)
        try:
            assert running.request("GET", "/healthz", headers=bearer(token)).status == 200
            assert running.request("GET", "/pairing", headers=bearer(token)).status == 200
            assert not any(each.done() for each in answers)
        finally:
            free.set()
        cookies = [each.result().headers["set-cookie"].partition(";")[0] for each in answers]
    stored, _ = access.open_access(opened._file.parent)
    assert all(stored.is_valid(each.partition("=")[2]) for each in cookies)


def test_failed_attempts_are_limited(running: Running, tokens: tuple[Access, str]) -> None:
    opened, token = tokens
    for _ in range(5):
        assert running.request("POST", "/pair", b"WRONGONE").reason == "wrong_code"
        assert running.request("GET", "/healthz", headers=bearer("wrong")).status == 401
    for answer in (
        running.request("POST", "/pair", opened.new_code().encode()),
        running.request("GET", "/healthz", headers=bearer("wrong")),
    ):
        assert (answer.status, answer.reason) == (429, "too_many_failures")
        assert 1 <= int(answer.headers["retry-after"]) <= 60
    assert running.request("GET", "/healthz", headers=bearer(token)).status == 200


def test_failed_attempts_at_once_are_limited_too(running: Running) -> None:
    connections = []
    for _ in range(20):
        connection = http.client.HTTPConnection("127.0.0.1", running.port, timeout=20)
        connection.putrequest("POST", "/pair")
        connection.putheader("Content-Length", "8")
        connection.endheaders()
        connection.send(b"WRONG")
        connections.append(connection)
    time.sleep(0.3)  # all heads have passed before the first code is complete
    for connection in connections:
        connection.send(b"ONE")
    statuses = [connection.getresponse().status for connection in connections]
    for connection in connections:
        connection.close()
    assert (statuses.count(401), statuses.count(429)) == (10, 10)


def test_failures_of_many_addresses_are_limited_too(monkeypatch: pytest.MonkeyPatch) -> None:
    failures = Failures()
    for number in range(100):
        failures.check(f"10.0.0.{number}")
        failures.add(f"10.0.0.{number}")
    with pytest.raises(RequestError):
        failures.check("10.0.1.1")
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now + 61)
    failures.check("10.0.1.1")


def test_an_ipv6_client_is_its_network() -> None:
    first, second = (
        gate.client_address({"client": (address, 1)})
        for address in ("2001:db8:1:2::5", "2001:db8:1:2:3:4:5:6")
    )
    assert second == "2001:db8:1:2"
    assert first.startswith("2001:db8:1:2")
    assert gate.client_address({"client": ("10.0.0.1", 1)}) == "10.0.0.1"
    assert gate.client_address({}) == ""


@pytest.mark.parametrize(
    ("host", "status"),
    [("localhost", 200), ("127.0.0.1:1", 200), ("[::1]:80", 200), ("LOCALHOST:8", 200),
     ("evil.example", 403), ("localhost.evil.example", 403), ("", 403), ("[", 403),
     ("evil.example@localhost:x", 200)],
)  # fmt: skip
def test_on_loopback_only_its_names_are_served(serve: Serve, host: str, status: int) -> None:
    answer = serve().get("/healthz", Host=host)
    assert answer.status == status
    assert status == 200 or answer.reason == "wrong_host"


@pytest.mark.parametrize("name", ["Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP"])
def test_behind_a_proxy_a_token_is_needed(
    serve: Serve, tokens: tuple[Access, str], name: str
) -> None:
    proxied = {name: "for=10.0.0.9"}
    running = serve()
    answer = running.request("GET", "/healthz", headers=proxied)
    assert (answer.status, answer.reason) == (403, "behind_proxy")
    assert "a token is needed" in answer.json["error"]["message"]
    with pytest.raises(InvalidStatus):
        running.stream(additional_headers=proxied)
    opened, token = tokens
    answer = serve(access=opened).request("GET", "/healthz", headers=proxied | bearer(token))
    assert answer.status == 200


def test_pages_of_other_sites_are_refused(serve: Serve) -> None:
    running = serve()
    host = f"localhost:{running.port}"
    for origin in (
        "http://evil.example",
        "null",
        "http://localhost:1",
        f"http://{host}.evil.example",
    ):
        answer = running.get("/healthz", Host=host, Origin=origin)
        assert (answer.status, answer.reason) == (403, "wrong_origin"), origin
        assert "access-control-allow-origin" not in answer.headers
        with pytest.raises(InvalidStatus):
            running.stream(origin=origin)
    assert running.get("/healthz", Host=host, Origin=f"http://{host}").status == 200


def test_every_answer_has_the_headers(serve: Serve) -> None:
    running = serve()
    for answer in (
        running.get("/"),
        running.get("/nothing"),
        running.get("/healthz", Host="evil.example"),
        running.post(b"x"),
        running.get("/assets/door.css"),
    ):
        for name, value in gate.HEADERS.items():
            assert answer.headers[name.lower()] == value
        assert "server" not in answer.headers
    assert "unsafe" not in gate.HEADERS["Content-Security-Policy"]


def test_no_path_leads_out_of_the_pages(serve: Serve) -> None:
    running = serve()
    for name in ("../app.py", "..%2fapp.py", "%2e%2e/app.py", "/etc/passwd", "photos.py", "%00"):
        assert running.get(f"/assets/{name}").status == 404, name


def test_the_code_is_in_a_qr_code_for_the_terminal() -> None:
    text = pairing.qr_text(pairing.link("https://10.0.0.1:8000", "ABCDEFGH"))
    assert text.count("\n") > 10
