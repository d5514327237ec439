"""deploy/ and the operator's guide: every command, option, path and text in them exists."""

import json
import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskgate import __version__
from maskgate.core import default_model
from maskgate.door.delivery import opening, secret_files, stream
from maskgate.door.delivery import options as delivery
from maskgate.door.server import access, certificate, kiosk_settings, start
from maskgate.door.server.metrics import Metrics
from maskgate.door.server.start import Options
from maskgate.door.watching import start as watching
from maskgate.faces import model_files

ROOT = Path(__file__).parents[1]
DEPLOY, DOCS = ROOT / "deploy", ROOT / "docs"
GUIDES = {"en": DOCS / "operator.md", "ko": DOCS / "operator.ko.md"}
EVENTS = DOCS / "events.md"  # whose metrics tests/door/delivery/test_events_page.py checks
PROGRAM = "/opt/maskgate/current/bin/maskgate"
TOKEN = "a1" * 32

Call = Callable[..., tuple[int, str, str]]


def read(name: str) -> str:
    return (DEPLOY / name).read_text("utf-8")


def starts(name: str) -> list[list[str]]:
    """The commands that a unit starts, those in comments too."""
    return [shlex.split(each) for each in re.findall(r"(?m)^#?ExecStart=(.+)$", read(name))]


def service() -> dict[str, Any]:
    """The service in compose.yaml."""
    door: dict[str, Any] = yaml.safe_load(read("compose.yaml"))["services"]["door"]
    return door


def blocks(page: str) -> list[str]:
    """The lines of a page's code blocks."""
    fenced = "\n".join(re.findall(r"(?s)```sh\n(.*?)```", page))
    return [*re.findall(r"(?m)^    (\S.*)$", page), *fenced.splitlines()]


@pytest.fixture
def parse(call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Callable[..., Options]:
    """`parse(words)` are the options of `maskgate serve` by the command line, which starts
    nothing. Files that the operator has are the default model and a token."""
    parsed: list[Options] = []
    monkeypatch.setattr(start, "serve", parsed.append)
    monkeypatch.setattr(access, "read_token", lambda file: TOKEN)
    monkeypatch.setattr(certificate, "check", lambda certificate, key: None)
    (tmp_path / "token").write_text(TOKEN)

    def run(words: list[str]) -> Options:
        bundle = str(default_model.FOLDER)
        code, _, error_output = call(*(bundle if each.endswith(".zip") else each for each in words))
        assert not code, f"{shlex.join(words)}: {error_output}"
        return parsed.pop()

    return run


@pytest.fixture
def parse_watch(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Callable[..., delivery.Options]:
    """`parse_watch(words)` is where the events of `maskgate watch` go by the command line, which
    starts nothing."""
    parsed: list[delivery.Options] = []

    def open_nothing(options: delivery.Options, cameras: list[str]) -> list[Any]:
        parsed.append(options)
        return []

    monkeypatch.setattr(watching, "watch", lambda options, sinks: None)
    monkeypatch.setattr(opening, "sinks", open_nothing)
    monkeypatch.setattr(shutil, "which", lambda name: name)  # a relay's program of the operator's
    monkeypatch.setattr(stream, "check", lambda file: None)
    monkeypatch.setattr(secret_files, "read", lambda *_: "rtsp://192.0.2.30/stream")

    def run(words: list[str]) -> delivery.Options:
        code, _, error_output = call("watch", *words)
        assert not code, f"{shlex.join(words)}: {error_output}"
        return parsed.pop()

    return run


@pytest.mark.parametrize("name", ["maskgate.service", "maskgate-network.conf"])
def test_the_units_start_commands_that_exist(name: str, parse: Callable[..., Options]) -> None:
    commands = [words for words in starts(name) if words]
    assert commands
    for program, *words in commands:
        assert program == PROGRAM and words[-1] == "$MASKGATE_OPTIONS"
        options = parse(words[:-1])
        assert options.state == Path("/var/lib/maskgate")
        if options.host == "0.0.0.0":
            assert options.token_file == Path("%d/token")
            assert options.make_certificate == (options.certificate is None)
        else:
            assert options.host == "127.0.0.1"


def test_the_unit_of_cameras_starts_a_command_that_exists(
    parse_watch: Callable[..., delivery.Options],
) -> None:
    ((program, command, *words),) = starts("maskgate-watch.service")
    assert (program, command, words[-1]) == (PROGRAM, "watch", "$MASKGATE_WATCH")
    options = parse_watch([*words[:-1], "--camera", "0"])
    unit = read("maskgate-watch.service").splitlines()
    assert options.events is not None
    folder = Path(options.events).parent
    assert f"StateDirectory={folder.name}" in unit and folder.parent == Path("/var/lib")
    assert f"Environment=XDG_STATE_HOME={folder}" in unit
    for line in ("LimitCORE=0", "MemorySwapMax=0", "DynamicUser=yes", "ProtectSystem=strict",
                 "Restart=always", "IPAddressDeny=any", "Type=notify"):  # fmt: skip
        assert line in unit
    for guide in GUIDES.values():
        assert f"`{options.events}`" in guide.read_text("utf-8")


def test_the_container_starts_a_command_that_exists(parse: Callable[..., Options]) -> None:
    door = service()
    options = parse(door["command"])
    assert options.token_file == Path("/run/secrets/token") and options.make_certificate
    assert door["volumes"] == [f"state:{options.state}"]
    program, script, url, token = door["healthcheck"]["test"][1:]
    assert (program, token) == ("python", str(options.token_file))
    assert url == f"https://127.0.0.1:{options.port}/healthz"
    dockerfile = read("Dockerfile")
    assert f"COPY deploy/health.py {script}\n" in dockerfile
    assert f"USER {door['user']}\n" in dockerfile
    assert door["image"] == f"maskgate:{__version__}"
    assert (DEPLOY / door["build"]["context"] / door["build"]["dockerfile"]).exists()


def test_the_image_is_built_from_files_that_are_there() -> None:
    lines = re.findall(r"(?m)^COPY (?!--from)(.+) \S+$", read("Dockerfile"))
    names = [name for line in lines for name in line.split()]
    allowed = re.findall(r"(?m)^!(.+)$", read("Dockerfile.dockerignore"))
    assert sorted(names) == sorted(allowed)
    assert all((ROOT / name).exists() for name in names)


def test_faces_in_memory_reach_neither_swap_nor_core_dumps() -> None:
    unit = read("maskgate.service").splitlines()
    for line in ("LimitCORE=0", "MemorySwapMax=0", "DynamicUser=yes", "ProtectSystem=strict",
                 "Restart=always", "IPAddressDeny=any", "Type=notify"):  # fmt: skip
        assert line in unit
    door = service()
    assert door["ulimits"]["core"] == 0 and door["mem_limit"] == door["memswap_limit"]
    assert door["read_only"] and door["cap_drop"] == ["ALL"] and door["user"] != "0:0"


@pytest.mark.skipif(not shutil.which("systemd-analyze"), reason="systemd is not installed")
def test_systemd_reads_the_units(tmp_path: Path) -> None:
    folder = tmp_path / "maskgate.service.d"
    folder.mkdir()
    places = {
        "maskgate.service": tmp_path,
        "maskgate-network.conf": folder,
        "maskgate-camera.conf": folder,
        "maskgate-watch.service": tmp_path,
    }
    for name, copy in places.items():
        (copy / name).write_text(read(name).replace(PROGRAM, sys.executable))
    path = {"SYSTEMD_UNIT_PATH": f"{tmp_path}:"}
    done = subprocess.run(
        ["systemd-analyze", "verify", *tmp_path.glob("*.service")],
        env=os.environ | path, capture_output=True, text=True,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_the_browser_opens_the_kiosk_and_nothing_else() -> None:
    policy = json.loads(read("chromium-policy.json"))
    ((program, *_, url),) = starts("maskgate-kiosk.service")
    assert program == "/usr/bin/chromium" and url.endswith("/kiosk")
    origin = [url.removesuffix("/kiosk")]
    assert policy["URLAllowlist"] == policy["VideoCaptureAllowedUrls"] == origin
    assert policy["AutoplayAllowlist"] == origin and policy["URLBlocklist"] == ["*"]


class Served:
    """A command of maskgate that runs, from the moment that it tells systemd that it is ready."""

    def __init__(self, words: list[str], folder: Path) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port: int = free.getsockname()[1]
        self.reader = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.reader.bind(str(folder / "notify"))
        self.reader.settimeout(120)
        variables = {
            "NOTIFY_SOCKET": str(folder / "notify"),
            "WATCHDOG_USEC": "60000000",
            "MASKGATE_CACHE": str(folder / "cache"),
        }
        command = [sys.executable, "-m", "maskgate", *words, "--port", str(self.port)]
        self.process = subprocess.Popen(
            command, env=os.environ | variables, stderr=subprocess.PIPE, text=True
        )
        assert self.reader.recv(100) == b"READY=1"
        assert self.reader.recv(100) == b"WATCHDOG=1"

    def stop(self) -> None:
        self.process.terminate()
        _, output = self.process.communicate(timeout=60)
        assert self.reader.recv(100) == b"STOPPING=1"
        self.reader.close()
        assert self.process.returncode == 0 and output.endswith("stopped\n")


@pytest.mark.slow
def test_the_unit_s_command_serves_every_address_of_the_guide(tmp_path: Path) -> None:
    ((_, *words),) = starts("maskgate.service")
    served = Served(
        [each.replace("/var/lib/maskgate", str(tmp_path / "state")) for each in words[:-1]],
        tmp_path,
    )
    try:
        for guide in GUIDES.values():
            page = guide.read_text("utf-8")
            paths = set(re.findall(r"`(/[a-z0-9/?=]+)`", page))
            assert {"/kiosk", "/sign?lang=ko", "/healthz", "/readyz", "/v1/events"} <= paths
            # Reading events never ends, and pairing is for other machines.
            paths = {each for each in paths if not re.match("/(etc|v1/events|pairing)", each)}
            for path in sorted(paths):
                url = f"http://127.0.0.1:{served.port}{path}"
                try:
                    with urllib.request.urlopen(url, timeout=30) as answer:
                        assert answer.status == 200
                except urllib.error.HTTPError as error:
                    pytest.fail(f"{guide.name}: {path}: {error}")
    finally:
        served.stop()


@pytest.mark.slow
def test_the_container_s_command_is_healthy_for_its_check(tmp_path: Path) -> None:
    (tmp_path / "token").write_text(f"{TOKEN}\n")
    words = [
        each.replace("/run/secrets", str(tmp_path)).replace("=/state", f"={tmp_path}/state")
        for each in service()["command"]
    ]
    served = Served(words, tmp_path)
    check: list[str | Path] = [sys.executable, DEPLOY / "health.py"]
    url = f"https://127.0.0.1:{served.port}/healthz"
    try:
        (tmp_path / "other").write_text("b2" * 32)
        for host, token, code in ((url, "token", 0), (url, "other", 1), ("http://a", "token", 1)):
            done = subprocess.run([*check, host, tmp_path / token], stderr=subprocess.DEVNULL)
            assert done.returncode == code, (host, token)
    finally:
        served.stop()
    assert (
        subprocess.run([*check, url, tmp_path / "token"], stderr=subprocess.DEVNULL).returncode == 1
    )


@pytest.mark.slow
@pytest.mark.parametrize("code", GUIDES)
def test_the_guide_names_what_is_there(
    code: str, parse: Callable[..., Options], parse_watch: Callable[..., delivery.Options]
) -> None:
    page = GUIDES[code].read_text("utf-8")
    for value in re.findall(r'MASKGATE_WATCH="(.+)"', page):
        parse_watch(shlex.split(value))
    for value in re.findall(r'MASKGATE_OPTIONS="(.+)"', page):
        parse(["serve", *shlex.split(value)])
    spans = re.findall(r"`(--[a-z][^`]*)`", page)
    assert len(spans) > 8
    for span in spans:
        if span.startswith(("--relay", "--mqtt")):
            relay = ["--relay-command", "door"] if span.startswith("--relay-fail") else []
            broker = ["--mqtt", "mqtt://host"] if span.startswith("--mqtt-") else []
            parse_watch(["--camera", "0", *relay, *broker, *shlex.split(span)])
        elif span != "--contact":
            parse(["serve", *shlex.split(span)])
    for name in re.findall(r"deploy/([\w.-]+)", page):
        assert (DEPLOY / name).exists() or name == "token", name
    metrics = Metrics().text().decode() + EVENTS.read_text("utf-8")
    for name in re.findall(r"`(maskgate_\w+)", page):
        assert name.removesuffix("_total") in metrics, name
    assert model_files.YUNET.url in page and model_files.YUNET.sha256 in page


@pytest.mark.parametrize("code", GUIDES)
def test_the_guide_explains_every_screen(code: str) -> None:
    page = " ".join(GUIDES[code].read_text("utf-8").split())
    folder = Path(kiosk_settings.__file__).parent / "pages"
    texts = json.loads((folder / f"kiosk-{code}.json").read_text("utf-8"))
    for name, text in texts["messages"].items():
        assert text["message"] in page, name
        if text["message"] == texts["messages"]["no_server"]["message"]:
            assert text["detail"].split(". ")[0] in page, name
    assert texts["labels"]["call"] in page and texts["labels"]["called"] in page


def test_both_guides_have_the_same_commands() -> None:
    english, korean = (blocks(GUIDES[code].read_text("utf-8")) for code in ("en", "ko"))
    assert english == korean and len(english) > 25
