"""What a check says of a service that it cannot use."""

import http.server
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from maskgate.door.acceptance.service import LostError, Service
from maskgate.door.server import access
from maskgate.door.server.certificate import certificate
from maskgate.errors import MaskgateError
from tests.door.server.conftest import Serve


def message(service: Service, path: str = "/v1/settings") -> str:
    with pytest.raises(MaskgateError) as raised:
        service.get(path)
    return str(raised.value)


def test_a_service_with_token_and_certificate(serve: Serve, tmp_path: Path) -> None:
    tokens, token = access.open_access(tmp_path)
    assert token is not None
    pair = certificate(tmp_path, ["127.0.0.1"])
    url = f"https://127.0.0.1:{serve(access=tokens, certificate=pair).port}"
    service = Service(f"{url}/", token, pair[0])
    assert service.get("/v1/settings")["digest"] == "d1" * 32
    assert next(service.events()) is None
    for other in (None, "wrong"):
        assert message(Service(url, other, pair[0])).startswith(
            f"{url}: the service needs its token; give --token-file"
        )
    assert message(Service(url, token)).startswith(f"{url}: its certificate is not trusted (self")


@pytest.mark.parametrize(
    "url",
    ["door", "ftp://door", "http://", "http://door/kiosk", "http://a@door", "http://door?x=1"],
)
def test_another_url(url: str) -> None:
    with pytest.raises(MaskgateError) as raised:
        Service(url)
    assert str(raised.value).startswith(f"{url}: not the URL of a service, such as https://")


def test_what_cannot_be_used_of_the_options(tmp_path: Path) -> None:
    file = tmp_path / "certificate.pem"
    file.write_text("none")
    for words, sentence in (
        (("http://door:99999",), "http://door:99999: not a URL (Port out of range"),
        (("http://door", "two\nlines"), "the token contains other characters than a token has"),
        (("http://door", "token", file), "http://door: has no certificate; leave out --cert"),
        (("https://door", "token", file), f"{file}: no certificate can be read from it"),
        (("https://door", "token", tmp_path / "gone"), f"{tmp_path}/gone: no certificate can be"),
    ):
        with pytest.raises(MaskgateError) as raised:
            Service(*words)
        assert str(raised.value).startswith(sentence)


def test_nobody_answers() -> None:
    assert message(Service("http://127.0.0.1:9")) == (
        "http://127.0.0.1:9: no service answers (Connection refused); start it with maskgate serve"
    )
    assert "no service answers (no such host)" in message(Service("http://door.invalid"))


@contextmanager
def other_server(status: int, body: bytes) -> Iterator[str]:
    """A server that is not ours."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("Location", "http://elsewhere.invalid")
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            pass

    with http.server.HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("status", "body"), [(200, b"<html>"), (200, b"[1]"), (404, b"{}"), (302, b""), (500, b"{}")]
)
def test_another_service(status: int, body: bytes) -> None:
    with other_server(status, body) as url:
        sentence = message(Service(url, "token"))
    assert sentence.startswith(f"{url}: answers, but not as maskgate serve of this version does")
    assert ("(status" in sentence) == (status != 200)


@pytest.mark.parametrize("body", [b"", b"data: {\n", b": open\n"])
def test_events_that_end_are_lost(body: bytes) -> None:
    with other_server(200, body) as url, pytest.raises(LostError):
        list(Service(url).events())
