"""A room imports only from rooms before it, in the order that CONTRIBUTING.md lists them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import maskgate

PACKAGE = Path(maskgate.__file__).parent
CONTRIBUTING = Path(__file__).parents[1] / "CONTRIBUTING.md"
LISTED = re.search(r"```text\n(labels\.py.*?)```", CONTRIBUTING.read_text("utf-8"), re.DOTALL)
ORDER = [line.split()[0] for line in LISTED[1].splitlines()] if LISTED else []
MODULES = sorted(PACKAGE.rglob("*.py"))


def room(path: Path) -> str:
    """The room of a module, as it is listed: `labels.py`, `data/`."""
    first, *rest = path.relative_to(PACKAGE).parts
    return f"{first}/" if rest else first


def imported(source: str) -> Iterator[str]:
    """Dotted names of what `source` imports anywhere, functions and type checking included."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports are absolute here"
            yield from (f"{node.module}.{each.name}" for each in node.names)


def rooms(source: str) -> set[str]:
    """The rooms of the package that `source` imports from."""
    names = [name.split(".")[1] for name in imported(source) if name.startswith("maskgate.")]
    return {f"{name}/" if (PACKAGE / name).is_dir() else f"{name}.py" for name in names} - {
        "__version__.py"  # the package's own, there before any room is
    }


def test_the_list_is_complete() -> None:
    assert len(ORDER) == len(set(ORDER))
    assert set(ORDER) == {room(path) for path in MODULES}, "CONTRIBUTING.md lists other rooms"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_room_imports_only_from_rooms_before_it(path: Path) -> None:
    position = ORDER.index(room(path))
    known = {*ORDER[:position], *([ORDER[position]] if ORDER[position].endswith("/") else [])}
    late = rooms(path.read_text(encoding="utf-8")) - known
    assert not late, f"{room(path)} comes before {', '.join(sorted(late))} in CONTRIBUTING.md"


def test_imports_are_found_wherever_they_stand() -> None:
    source = """
import maskgate
import maskgate.labels as names
from maskgate import __version__; from maskgate.core import files
from maskgate.data.table import Photos
if True:
    from maskgate.inference import loading
def later():
    from maskgate import cli
    import torch
"""
    assert rooms(source) == {"labels.py", "core/", "data/", "inference/", "cli/"}
