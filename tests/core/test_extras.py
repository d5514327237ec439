import ast
import re
import sys
import tomllib
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path

import pytest

from maskgate.core import extras
from maskgate.errors import MaskgateError

Call = Callable[..., tuple[int, str, str]]

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]


def distributions(requirements: list[str]) -> set[str]:
    """The names of the distributions that requirements such as `ray[data]>=2.60` are of."""
    return {normal(re.split(r"[\[<>=!~;\s]", each)[0]) for each in requirements}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(path: Path) -> Iterator[str]:
    """Packages that a module imports anywhere."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
        names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        yield from (name.split(".")[0] for name in names)


@pytest.mark.slow
def test_every_package_that_is_imported_is_in_the_base_or_in_its_extra() -> None:
    base = distributions(PROJECT["dependencies"])
    of_extra = {
        extra: distributions(requirements)
        for extra, requirements in PROJECT["optional-dependencies"].items()
    }
    known = metadata.packages_distributions()
    used = {name for path in (ROOT / "src").rglob("*.py") for name in imported(path)}
    used |= {"facenet_pytorch"}  # its weights are read, and it is never imported
    used |= {
        package for package, extra in extras.EXTRA_OF.items() if extra == "imagenet"
    }  # as well
    used |= {"onnxscript"}  # torch imports it to export a network
    for package in used - set(sys.stdlib_module_names) - {"maskgate"}:
        # Of an extra that is not installed here, the distribution is called like the package.
        names = {normal(name) for name in known.get(package, [package])}
        extra = extras.EXTRA_OF.get(package)
        listed = base if extra is None else of_extra[extra]
        assert names & listed, f"{package} is not installed by {extra or 'the base'}"
    assert not extras.EXTRA_OF.keys() - used, "nothing imports these"


def test_a_missing_package_is_told_with_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with (
        pytest.raises(MaskgateError) as raised,
        extras.needed_by("maskgate.load"),
    ):
        import timm  # noqa: F401
    assert str(raised.value) == (
        "maskgate.load needs the package timm, which is not installed;"
        ' pip install "maskgate[train]" and repeat it'
    )


def test_a_command_names_the_extra_that_holds_all_it_needs(
    call: Call, tiny: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("torch", "pandas", "optuna", "ray"):
        monkeypatch.setitem(sys.modules, package, None)
    assert call("tune", tiny, tmp_path) == (
        2,
        "",
        "maskgate: maskgate tune needs the package optuna, which is not installed;"
        ' pip install "maskgate[search]" and repeat it\n',
    )
    code, _, error_output = call("train", tiny, tmp_path, "--on", "ray")
    assert code == 2 and 'pip install "maskgate[cluster]"' in error_output


@pytest.mark.parametrize("module", ["no_such_package", "maskgate.no_such_module", "yaml.no_such"])
def test_what_no_extra_installs_stays_a_traceback(module: str) -> None:
    with pytest.raises(ModuleNotFoundError, match="No module named"), extras.needed_by("it"):
        __import__(module)


def test_a_package_that_is_there_and_broken_stays_a_traceback() -> None:
    with pytest.raises(ImportError, match="cannot import name"), extras.needed_by("it"):
        raise ImportError("cannot import name 'a' from 'torch'", name="torch")


def test_the_command_line_tells_it(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    from maskgate import demo

    def run(out: Path, people: int) -> None:
        __import__(missing)

    monkeypatch.setattr(demo, "run", run)
    missing = "jinja2"
    monkeypatch.setitem(sys.modules, missing, None)
    assert call("demo") == (
        2,
        "",
        "maskgate: maskgate demo needs the package jinja2, which is not installed;"
        ' pip install "maskgate[train]" and repeat it\n',
    )
    missing = "no_such_package"
    with pytest.raises(ModuleNotFoundError, match="no_such_package"):
        call("demo")
