"""No call passes more than four arguments by position to a class or function of this package."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import maskgate

PACKAGE = Path(maskgate.__file__).parent
MODULES = sorted(PACKAGE.rglob("*.py"))
MOST = 4


def defined(source: str) -> Iterator[str]:
    """Names of the classes, functions and methods that `source` defines."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name


def of_others(tree: ast.AST) -> set[str]:
    """Names that a module imports from other packages."""
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {(each.asname or each.name).split(".")[0] for each in node.names}
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] != "maskgate":
            names |= {each.asname or each.name for each in node.names}
    return names - {"maskgate"}


def long_calls(source: str, names: set[str]) -> list[str]:
    """The calls of `names` with more than MOST arguments by position; `*args` is none of them."""
    tree = ast.parse(source)
    others = of_others(tree)
    calls = []
    for node in ast.walk(tree):
        if not isinstance(node, ast.Call):
            continue
        *first, name = ast.unparse(node.func).split(".")
        is_ours = name in names | {"cls"} and [*first, name][0] not in others
        if is_ours and sum(not isinstance(each, ast.Starred) for each in node.args) > MOST:
            calls.append(f"line {node.lineno}: {ast.unparse(node)[:80]}")
    return calls


NAMES = {name for path in MODULES for name in defined(path.read_text("utf-8"))}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_call_passes_at_most_four_things_by_position(path: Path) -> None:
    calls = long_calls(path.read_text("utf-8"), NAMES)
    assert not calls, f"give these by name: {calls}"


def test_long_calls_are_found_wherever_they_stand() -> None:
    source = """
import cv2
import numpy as np
from rich.table import Table
from maskgate.imaging.pixels import Window
from maskgate.synthetic.masks import light

class Light:
    @classmethod
    def of(cls, values):
        return cls(1, 2, 3, 4, 5)

def draw(self, picture):
    cv2.draw(1, 2, 3, 4, 5)
    Table(1, 2, 3, 4, 5)
    Window(1, 2, 3, 4, turn=5)
    light.Light(1, 2, 3, 4, *picture)
    unknown(1, 2, 3, 4, 5)
    light.Light(1, 2, 3, 4, Window(1, 2, 3, 4, 5))
    self.draw(1, 2, 3, 4, *picture, 5)
"""
    names = {*defined(source), "Window", "Table"}
    assert sorted(each.split(":")[0] for each in long_calls(source, names)) == [
        "line 11", "line 19", "line 19", "line 20",
    ]  # fmt: skip
