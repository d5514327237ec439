"""Names of functions, parameters and variables say what they hold."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

_ROOT = Path(__file__).parents[1]
_FOLDERS = [
    *sorted(path for path in (_ROOT / "src/maskgate").iterdir() if path.name != "__pycache__"),
    _ROOT / "benchmarks",
    _ROOT / "tests",
]
_SAY_NOTHING = {
    "told", "found", "wanted", "made", "said", "shown", "there", "here", "why", "own", "whole",
    "beside", "knows", "named", "given", "seen", "asked", "taken", "begun", "whom", "those",
    "theirs", "mine", "ours",
}  # fmt: skip
"""Participles and adverbs: they tell what was done to a thing, never what it is."""
_RECIPE_KEYS = {"src/maskgate/config/recipe.py": {"beside"}}
"""Keys that recipes of users hold, by the file that declares them."""


def _names(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        match node:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                yield node.lineno, name
            case ast.ClassDef(name=name):
                yield node.lineno, name
            case ast.arg(arg=name):
                yield node.lineno, name
            case ast.Name(id=name, ctx=ast.Store()) | ast.Attribute(attr=name, ctx=ast.Store()):
                yield node.lineno, name


def _unclear(source: str) -> list[tuple[int, str]]:
    return [
        (line, name)
        for line, name in _names(ast.parse(source))
        if name.strip("_").casefold() in _SAY_NOTHING
    ]


@pytest.mark.parametrize("folder", _FOLDERS, ids=lambda path: path.name)
def test_no_name_is_a_bare_participle(folder: Path) -> None:
    files = [folder] if folder.is_file() else folder.rglob("*.py")
    unclear = [
        f"{path.relative_to(_ROOT)}:{line}: {name}"
        for path in files
        if path.suffix == ".py"
        for line, name in _unclear(path.read_text("utf-8"))
        if name not in _RECIPE_KEYS.get(path.relative_to(_ROOT).as_posix(), ())
    ]
    assert not unclear, "\n".join(unclear)


@pytest.mark.parametrize(
    "source",
    [
        "told = 1",
        "def found(): ...",
        "def read(wanted): ...",
        "class Told: ...",
        "self.made = 1",
        "for _there in []: ...",
        "x = [shown for shown in []]",
        "with open('f') as whole: ...",
    ],
)
def test_every_kind_of_binding_is_looked_at(source: str) -> None:
    assert _unclear(source)


def test_a_coordinate_may_be_called_left() -> None:
    assert not _unclear("left, top = 0, 0")
