"""Every command in README.md works: they are run on generated people, in README's order.

A command is a line of a code block that is indented, or fenced as `sh` or as nothing; a block
fenced as `python`; and a code span of several words that begins with one of RUNNERS. Blocks
fenced as anything else (`text`, `yaml`) only show something.
"""

import ast
import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
import tomllib
import urllib.request
import venv
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

import pytest
from markdown_it import MarkdownIt

from maskgate import cli
from maskgate.config import recipe
from maskgate.synthetic.people import sample_people

ROOT = Path(__file__).parents[1]
README = ROOT / "README.md"

# What README calls the reader's own, as globs within the generated people. They are laid into
# the working folder under README's names, so that its commands work as they stand.
PLACEHOLDERS = {
    "PEOPLE": "",
    "photo.jpg": "eval/images/*",
    "more-photos": "eval/images",
    "folder-of-photos": "eval/images",
}
# Where README abbreviates, what is meant; a run's three dots are those of the newest.
ABBREVIATED = {
    "-m maskgate train …": "-m maskgate train baseline PEOPLE",
    " RUN": " runs/baseline-…",
    "--trials 30": "--trials 2",
}

# No small backbone has pretrained weights; test_shipped.py trains the recipes that start from some.
QUICK = ["training.epochs=1", "schedule.warmup_epochs=0", "photo.height=32", "photo.width=24",
         "model.backbone=test_resnet", "model.arguments={}", "model.weights=null",
         "model.start_head=false"]  # fmt: skip


@dataclass(frozen=True, order=True)
class Command:
    """One command: which runner it needs, its text, and variables `NAME=value` set for it."""

    runner: str
    text: str
    variables: tuple[str, ...] = ()


def commands(text: str) -> list[Command]:
    """All commands of a page, in its order."""
    return list(_commands(text))


def _commands(text: str) -> Iterator[Command]:
    for token in MarkdownIt("commonmark").parse(text):
        if token.type == "fence" and token.info == "python":
            without_comments = ast.unparse(ast.parse(token.content))
            yield Command("python code", without_comments)
        elif token.type == "code_block" or (token.type == "fence" and token.info in ("", "sh")):
            lines = token.content.replace("\\\n", " ").splitlines()
            shell_lines = [line.removeprefix("$ ").partition("# ")[0].strip() for line in lines]
            yield from (_command(line) for line in shell_lines if line)
        spans = [span.content for span in token.children or [] if span.type == "code_inline"]
        yield from (command for command in map(_command, spans) if _is_run(command))


def _command(line: str) -> Command:
    variables = tuple(takewhile(re.compile("[A-Z_]+=").match, line.split()))
    (text,) = line.split(None, len(variables))[len(variables) :] or [""]
    return Command(text.partition(" ")[0], text, variables)


def _is_run(command: Command) -> bool:
    """Of code in a line of text: a command with what it works on, and not a mere word."""
    return command.runner in RUNNERS and command.runner != command.text


def _spelled_out(text: str) -> str:
    """`text` without what is abbreviated. Fails for dots that it does not know."""
    for short, long in ABBREVIATED.items():
        text = text.replace(short, long)
    for name in re.findall(r"runs/([\w-]+)-…", text):
        (*_, newest) = sorted(Path("runs").glob(f"{name}-" + "?" * 8), key=os.path.getmtime)
        text = text.replace(f"runs/{name}-…", str(newest))
    assert "…" not in text, f"tests/test_readme.py does not know what … is in `{text}`"
    return text


def _maskgate(text: str) -> None:
    if text.split()[1] == "serve":
        _serve(text)
        return
    if text.split()[1] == "accept":  # it asks questions; tests/door starts it
        text += " --help"
    smaller = ["--people", "24"] if text.split()[1] == "demo" else []
    sys.argv = [*shlex.split(text), *smaller]
    try:
        cli.main()
    except SystemExit as error:
        assert not error.code, f"`{text}` ends with exit code {error.code}"
    for option, value in zip(sys.argv, sys.argv[1:], strict=False):
        assert option not in ("-o", "--out") or Path(value).exists()


def _serve(text: str) -> None:
    """A service ends only by a signal, so it has a process of its own: it is started, asked for the
    verdict on a photo and for its pages, and stopped as by Ctrl-C."""
    port = _free_port()
    address, log = f"http://127.0.0.1:{port}", Path("serve.log")
    words = [sys.executable, "-m", *shlex.split(text), "--port", str(port)]
    with log.open("w") as errors:
        process = subprocess.Popen(words, stdin=subprocess.DEVNULL, stderr=errors)
    try:
        end = time.monotonic() + 120
        while f"{address}  (stop with Ctrl-C)" not in log.read_text("utf-8"):
            assert process.poll() is None and time.monotonic() < end, log.read_text("utf-8")
            time.sleep(0.1)
        for path in ("/readyz", "/", "/kiosk"):
            with urllib.request.urlopen(f"{address}{path}", timeout=20) as answer:
                assert answer.status == 200
        photo = Path("photo.jpg").read_bytes()
        request = urllib.request.Request(f"{address}/v1/verdict", photo)
        request.add_header("Content-Type", "image/jpeg")
        with urllib.request.urlopen(request, timeout=60) as answer:
            assert "faces" in json.load(answer)["photos"][0]
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, log.read_text("utf-8")
    finally:
        process.kill()
        process.wait()


def _free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def _torchrun(text: str) -> None:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    environment = os.environ | {"PATH": path, "PET_MASTER_PORT": str(_free_port())}
    words = [*shlex.split(text), *(QUICK if " train " in text else [])]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stderr


def _make(text: str) -> None:
    """The target is there; what it does is tested by itself."""
    words = [*shlex.split(text), "--dry-run", "--directory", str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _pip(text: str) -> None:
    """The extra is there; what it installs is tested by itself."""
    *options, what = shlex.split(text)
    assert options == ["pip", "install", "-c", "constraints.txt"]
    extra = re.fullmatch(r"\.(?:\[(\w+)\])?", what)
    assert extra is not None, text
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert extra[1] is None or extra[1] in project["optional-dependencies"]


def _source(text: str) -> None:
    """`. .venv/bin/activate` of an environment where the Makefile makes it."""
    folder = text.split()[1].split("/")[0]
    assert f"-m venv {folder}\n" in (ROOT / "Makefile").read_text(encoding="utf-8")
    venv.create(folder)
    shell = ["sh", "-euc", f'{text} && test "$VIRTUAL_ENV" = "$PWD/{folder}"']
    done = subprocess.run(shell, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def _python_code(text: str) -> None:
    exec(compile(text, "README.md", "exec"), {})


RUNNERS: dict[str, Callable[[str], None]] = {
    "maskgate": _maskgate,
    "torchrun": _torchrun,
    "make": _make,
    "pip": _pip,
    ".": _source,
    "python code": _python_code,
}
SLOW = {"torchrun"}


@pytest.fixture
def run(
    people: Path, cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Command], None]:
    """`run(command)` in a new working folder, where recipes train for seconds."""
    for name, pattern in PLACEHOLDERS.items():
        (tmp_path / name).symlink_to(min(people.parent.glob(f"{people.name}/{pattern}")))
    _write_table(people / "train" / "images", tmp_path)
    # Others than PEOPLE: a backbone that has seen those may not start a model validated on them.
    sample_people.make(tmp_path / "FACES", people=12, eval_people=0, size=(64, 48), seed=5, twins=0)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MASKGATE_CACHE", str(cache))
    monkeypatch.setattr("sys.argv", sys.argv)
    monkeypatch.setattr("maskgate.demo.EVAL_PEOPLE", 6)
    load = recipe.load
    monkeypatch.setattr(
        recipe,
        "load",
        lambda path, overrides=None, alone=False: (
            load(path, overrides, alone) if alone else load(path, [*(overrides or []), *QUICK])
        ),
    )

    def run(command: Command) -> None:
        assert command.runner in RUNNERS, f"tests/test_readme.py cannot run `{command.text}`"
        with monkeypatch.context() as only_here:
            for variable in command.variables:
                only_here.setenv(*_spelled_out(variable).split("=", 1))
            RUNNERS[command.runner](_spelled_out(command.text))

    return run


def _write_table(images: Path, folder: Path) -> None:
    """README's `photos.csv` in the folder, with columns and words of its own."""
    covering = {"m": "yes", "i": "wrong", "n": "no"}
    lines = ["filename,who,covering,gender,age"]
    for person in sorted(images.iterdir()):
        _, gender, _, age = person.name.split("_")
        for photo in sorted(person.glob("[min]*")):
            words = f"{covering[photo.name[0]]},{gender[0].upper()},{age}"
            lines.append(f"images/{person.name}/{photo.name},{person.name},{words}")
    (folder / "images").symlink_to(images)
    (folder / "photos.csv").write_text("\n".join(lines) + "\n", "utf-8")


@pytest.mark.slow
def test_every_command_works(run: Callable[[Command], None]) -> None:
    page_commands = commands(README.read_text("utf-8"))
    assert len(page_commands) > 5
    for command in page_commands:
        if command.runner not in SLOW:
            run(command)


@pytest.mark.slow
def test_a_service_is_started_and_stopped(run: Callable[[Command], None]) -> None:
    served = [each for each in commands(README.read_text("utf-8")) if " serve" in each.text]
    assert served
    for command in served:
        run(command)


@pytest.mark.slow
def test_every_command_of_several_processes_works(run: Callable[[Command], None]) -> None:
    for command in commands(README.read_text("utf-8")):
        if command.runner in SLOW:
            run(command)


def test_other_languages_have_the_same_commands() -> None:
    expected = sorted(commands(README.read_text("utf-8")))
    for path in ROOT.glob("README.*.md"):
        assert sorted(commands(path.read_text("utf-8"))) == expected, path.name


def test_an_unknown_command_is_no_silence(run: Callable[[Command], None]) -> None:
    with pytest.raises(AssertionError, match="cannot run `frobnicate now`"):
        run(Command("frobnicate", "frobnicate now"))
    with pytest.raises(AssertionError):
        run(Command("pip", 'pip install -c constraints.txt ".[trian]"'))
    with pytest.raises(AssertionError, match="what … is"):
        run(Command("maskgate", "maskgate train baseline …"))
    with pytest.raises(AssertionError, match="exit code 2"):
        run(Command("maskgate", "maskgate runs nowhere"))


PAGE = """
Text with `make it` and `maskgate` and `folds.file=…`, and [`maskgate
runs`](x.md).

    make demo       # draws people
    maskgate predict \\
        a.jpg

```sh
$ unknown thing
# a comment
A=1 B_C=x/y maskgate submit RUN
```
```text
maskgate is only shown here
```
- `torchrun x` in a list

```python
import maskgate  # 설명
```
"""


def test_commands_are_found_wherever_they_stand() -> None:
    page_commands = commands(PAGE)
    assert [(command.runner, " ".join(command.text.split())) for command in page_commands] == [
        ("make", "make it"),
        ("maskgate", "maskgate runs"),
        ("make", "make demo"),
        ("maskgate", "maskgate predict a.jpg"),
        ("unknown", "unknown thing"),
        ("maskgate", "maskgate submit RUN"),
        ("torchrun", "torchrun x"),
        ("python code", "import maskgate"),
    ]
    assert [command.variables for command in page_commands if command.variables] == [
        ("A=1", "B_C=x/y")
    ]


def test_links_lead_somewhere_and_every_page_is_linked() -> None:
    """README is the index of docs/, by itself or by a page it links."""
    waiting, visited = [README], set[Path]()
    while waiting:
        page = waiting.pop()
        visited.add(page)
        for target in re.findall(r"\]\((?!\w+:)([^)#]+)[^)]*\)", page.read_text("utf-8")):
            linked = (page.parent / target).resolve()
            assert linked.exists(), f"{page.name} links {target}, which is not there"
            if linked.suffix == ".md" and linked not in {*visited, *waiting}:
                waiting.append(linked)
    pages = {*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")}
    assert not pages - visited, "README does not lead to these pages"
