"""The base install is enough for what prediction needs: it imports no package of an extra."""

import ast
import json
import os
import subprocess
import sys
import venv
import zipfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

import maskgate
from maskgate.core.extras import EXTRA_OF

ROOT = Path(__file__).parents[1]
PACKAGE = Path(maskgate.__file__).parent
LARGEST = 225  # MB, of all that the base install brings

# Rooms, or modules, that the base install is enough for.
BASE = (
    "labels", "errors", "core", "config", "imaging", "faces", "ensemble", "runs", "bundle",
    "inference", "door", "cli", "data.column_names", "data.csv_files", "data.eval_table",
    "data.names", "evaluation.ensemble_options", "evaluation.submission",
    "reports.door_charts", "reports.door_drift", "reports.door_report", "reports.door_table",
)  # fmt: skip
# Modules and folders in these rooms that need the extra train, and are imported in functions alone.
TRAIN = (
    "faces.boxes", "faces.survey", "ensemble.learning", "runs.records.tables", "runs.tables",
    "runs.comparability", "inference.backends.torch",
    "door.server",  # the extra door
    "door.cameras.video", "door.cameras.live", "door.cameras.stored",
    "door.cameras.replayed",  # the extra watch
    "door.watching.start", "door.delivery.webhook", "door.delivery.mqtt",
    "door.delivery.prometheus",  # the extra door
)  # fmt: skip


def module_file(name: str) -> Path | None:
    """The file of a module, by its dotted name without `maskgate.`; of the package, of ``."""
    path = PACKAGE.joinpath(*filter(None, name.split(".")))
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


def statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Those that run as a module is imported: none of functions, none for type checkers alone."""
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            yield from statements(node.orelse)
            continue
        yield node
        for name in ("body", "orelse", "handlers", "finalbody"):
            yield from statements(getattr(node, name, []))


def imported(source: str) -> Iterator[str]:
    """Dotted names that are imported with a module of this source, and may be names in modules."""
    for node in statements(ast.parse(source).body):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{each.name}" for each in node.names)


def of_package(name: str) -> Iterator[str]:
    """The modules that an import of `maskgate.…` loads: each package on the way, and itself."""
    parts = name.split(".")[1:]
    for count in range(len(parts) + 1):
        module = ".".join(parts[:count])
        if module_file(module) is not None:
            yield module


def chain(name: str) -> list[str]:
    """The modules from one to the first package of an extra that is imported with it, if any."""
    waiting = [[module] for module in of_package(f"maskgate.{name}")]
    visited = {name}
    while waiting:
        way = waiting.pop(0)
        file = module_file(way[-1])
        assert file is not None, way[-1]
        for each in imported(file.read_text("utf-8")):
            package = each.split(".")[0]
            if package in EXTRA_OF:
                return [*way, package]
            for module in of_package(each) if package == "maskgate" else ():
                if module not in visited:
                    visited.add(module)
                    waiting.append([*way, module])
    return []


def modules(room: str) -> Iterator[str]:
    """All modules of a room, or the module itself."""
    path = PACKAGE / room
    for file in sorted(path.rglob("*.py")) if path.is_dir() else [path.with_suffix(".py")]:
        yield ".".join(file.relative_to(PACKAGE).with_suffix("").parts).removesuffix(".__init__")


def is_base(name: str) -> bool:
    return not any(f"{name}.".startswith(f"{each}.") for each in TRAIN)


MODULES = [name for room in BASE for name in filter(is_base, modules(room.replace(".", "/")))]


@pytest.mark.parametrize("name", MODULES)
def test_no_package_of_an_extra_is_imported(name: str) -> None:
    way = chain(name)
    assert not way, " imports ".join(way)


@pytest.mark.parametrize("name", TRAIN)
def test_what_needs_the_extra_train_imports_of_it(name: str) -> None:
    assert any(map(chain, modules(name.replace(".", "/")))), f"{name} is as the others are"


def test_imports_are_those_that_run_with_the_module() -> None:
    source = """
from typing import TYPE_CHECKING
import maskgate.config.recipe as recipes
if TYPE_CHECKING:
    import torch
else:
    from maskgate.core import files
try:
    import pandas.api as api
except ImportError:
    import yaml
class Section:
    from maskgate.data import table
    def later(self):
        import scipy
"""
    assert list(imported(source)) == [
        "typing.TYPE_CHECKING", "maskgate.config.recipe", "maskgate.core.files", "pandas.api",
        "yaml", "maskgate.data.table",
    ]  # fmt: skip
    assert list(of_package("maskgate.data.table.Photos")) == ["", "data", "data.table"]
    assert chain("training.crossval")[-1] in EXTRA_OF
    assert chain("training.order") == []


# ------------------------------------------------------------------- a fresh environment

IMPORT_ALL = """
import importlib, importlib.util, json, sys
modules, packages = json.loads(sys.argv[1])
for name in modules:
    importlib.import_module(f"maskgate.{name}")
print(json.dumps([
    sorted(set(packages) & set(sys.modules)),
    [name for name in packages if importlib.util.find_spec(name)],
]))
"""


def run(*words: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command without the paths and settings of this process."""
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    return subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True
    )


def install(environment: Path, *words: object) -> None:
    """Install into an environment, which has no pip of its own."""
    pip = [sys.executable, "-m", "pip", "--python", environment / "bin" / "python", "install"]
    done = run(*pip, "--quiet", *words)
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist, and the wheel of the same."""
    folder = tmp_path_factory.mktemp("built")
    venv.create(folder / "builder")
    try:
        install(folder / "builder", "hatchling>=1.27")
    except AssertionError as error:
        pytest.skip(f"no package index can be reached: {error}")
    done = run(folder / "builder/bin/python", "-m", "hatchling", "build", "-d", folder, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def base(built: Path) -> Path:
    """An environment with the base install, from the sdist."""
    environment = built / "base"
    venv.create(environment)
    (sdist,) = built.glob("*.tar.gz")
    install(environment, "--constraint", ROOT / "constraints.txt", sdist)
    return environment


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_what_ships_with_it(built: Path) -> None:
    (wheel,) = built.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    files = [path for path in PACKAGE.rglob("*") if path.is_file() and path.suffix != ".pyc"]
    assert {f"maskgate/{path.relative_to(PACKAGE).as_posix()}" for path in files} <= names
    for folder in ("recipes", "systems", "searches", "corrections"):
        shipped = [path for path in (ROOT / folder).rglob("*") if path.is_file()]
        assert {f"maskgate/{path.relative_to(ROOT).as_posix()}" for path in shipped} <= names


@pytest.mark.slow
def test_the_base_install_is_small(base: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (packages,) = base.glob("lib/python*/site-packages")
    sizes = {
        each.name: sum(file.lstat().st_blocks * 512 for file in (each, *each.rglob("*")))
        for each in packages.iterdir()
    }
    total = sum(sizes.values()) / 1e6
    largest = sorted(sizes, key=lambda name: -sizes[name])[:6]
    with capsys.disabled():
        summary = ", ".join(f"{name} {sizes[name] / 1e6:.0f}" for name in largest)
        sys.stdout.write(f"\nthe base install takes {total:.0f} MB: {summary}\n")
    assert total <= LARGEST


@pytest.mark.slow
def test_it_imports_all_that_prediction_needs(base: Path) -> None:
    arguments = json.dumps([MODULES, sorted(EXTRA_OF)])
    done = run(base / "bin/python", "-c", IMPORT_ALL, arguments, cwd=base)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], []], "imported, and installed"


@pytest.mark.slow
def test_its_command_line_says_what_to_install(base: Path) -> None:
    maskgate = base / "bin" / "maskgate"
    plain = ROOT / "tests" / "golden" / "plain"
    words: Sequence[object]
    for words in (["--version"], ["--help"], ["predict", "--help"], ["train", "--help"]):
        done = run(maskgate, *words, cwd=base)
        assert (done.returncode, done.stderr) == (0, "")
    for extra, words in (
        ("train", ["predict", plain, ROOT / "docs" / "verdicts.png"]),
        ("train", ["train", "baseline", plain]),
        ("train", ["train", "systems/s1-small", plain]),
        ("train", ["inspect", plain]),
        ("train", ["faces", plain]),
        ("train", ["report", plain]),
        ("train", ["compare", plain, plain]),
        ("labels", ["suspects", plain]),
        ("search", ["tune", "baseline", plain]),
        ("cluster", ["train", "baseline", plain, "--on", "ray"]),
        ("train", ["demo"]),
        ("door", ["serve"]),
        ("watch", ["watch", "--camera", "0"]),
    ):
        done = run(maskgate, *words, cwd=base)
        assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), done.stderr
        assert f'pip install "maskgate[{extra}]"' in done.stderr
    for code in (f"load({str(plain)!r})", f"Run({str(plain)!r})", "compare()"):
        done = run(base / "bin/python", "-c", f"import maskgate; maskgate.{code}", cwd=base)
        assert done.stderr.splitlines()[-1].startswith("maskgate.errors.MaskgateError: ")
        assert 'pip install "maskgate[train]"' in done.stderr
