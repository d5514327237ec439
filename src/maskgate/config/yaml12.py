"""Reads and writes YAML 1.2 with its core types.

PyYAML parses. It follows YAML 1.1, in which `no` is false, `010` is 8 and `1:30` is 90, so values
are constructed here: text, whole numbers of 64 bits, floats, booleans, null, lists and mappings, as
in https://yaml.org/spec/1.2.2/#103-core-schema.
"""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, Final

import yaml

BYTES: Final = 256 * 1024  # maximum size of a file: about 8,000 lines, two seconds
_DEPTH: Final = 50  # maximum nesting of lists and mappings
_VALUES: Final = 100_000  # with every alias expanded
_BITS: Final = 63  # of a whole number, without its sign

_TAG: Final = "tag:yaml.org,2002:"
_MERGE: Final = f"{_TAG}merge"


class InvalidYamlError(Exception):
    """Text that is not YAML, or has a type that settings do not: one phrase, with the line."""


def parse(text: str) -> Any:
    """The value of YAML text; None if it is empty. Raises InvalidYamlError."""
    if len(text) > BYTES:
        raise InvalidYamlError(f"more than {BYTES // 1024} KiB long")
    if _FastLoader is not None and _PLAIN.fullmatch(text):
        try:
            return _Values().build(_FastLoader(text).get_single_node())
        except (yaml.YAMLError, InvalidYamlError):
            pass  # the messages are those of the loader below
    try:
        loader = _Loader(text)
        node = loader.get_single_node()
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        code = ord(text[error.position])
        raise InvalidYamlError(f"line {line}: contains the character U+{code:04X}") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = error.problem or str(error)
        if problem.startswith("but ") and error.context:
            problem = f"{error.context}, {problem}"
        raise InvalidYamlError(_with_line(mark, problem)) from error
    return None if node is None else _Values().build(node)


def read(path: Path) -> Any:
    """The value of the YAML file at `path`, in UTF-8. Raises InvalidYamlError and OSError."""
    return parse(_decoded(head(path, BYTES + 1)))


def head(path: Path, size: int = BYTES) -> bytes:
    """The first bytes of a file, however large it is. Raises OSError."""
    with path.open("rb") as file:
        return file.read(size)


def write(value: Any) -> str:
    """`value` as a YAML document, keys in their order, one per line."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True)


def line(value: Any) -> str:
    """`value` as one line of YAML, as after the `=` of an override."""
    text = yaml.dump(
        value,
        Dumper=_Dumper,
        default_flow_style=True,
        sort_keys=False,
        allow_unicode=True,
        width=float("inf"),
    )
    return text.strip().removesuffix("\n...")


def _decoded(content: bytes) -> str:
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        if len(content) > BYTES:  # it may be cut within a character
            raise InvalidYamlError(f"more than {BYTES // 1024} KiB long") from error
        at = content.count(b"\n", 0, error.start) + 1
        raise InvalidYamlError(f"{error}, in line {at}") from error


def _with_line(mark: yaml.Mark | None, problem: str) -> str:
    return problem if mark is None else f"line {mark.line + 1}: {problem}"


def _fault(node: yaml.Node, problem: str) -> InvalidYamlError:
    return InvalidYamlError(_with_line(node.start_mark, problem))


# ---------------------------------------------------------------------------- core types


def _integer(text: str) -> int:
    base = {"0o": 8, "0x": 16}.get(text[:2], 10)
    # Python refuses to convert more than a few thousand digits.
    number = int(text[2:] if base != 10 else text, base) if len(text) <= 64 else None
    if number is None or not -(2**_BITS) <= number < 2**_BITS:
        raise ValueError("a whole number of more than 64 bits")
    return number


def _float(text: str) -> float:
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))


_BREAK: Final = re.compile("[\n\r\x85\u2028\u2029]")
_Make = Callable[[str], Any]
# By tag, in the order of matching: name, pattern, possible first letters, constructor.
_CORE: Final[dict[str, tuple[str, re.Pattern[str], str, _Make]]] = {
    f"{_TAG}null": ("null", re.compile(r"(~|null|Null|NULL|)\Z"), "~nN\0", lambda _: None),
    f"{_TAG}bool": (
        "true or false",
        re.compile(r"(true|True|TRUE|false|False|FALSE)\Z"),
        "tTfF",
        lambda text: text.lower() == "true",
    ),
    f"{_TAG}int": (
        "a whole number",
        re.compile(r"([-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
        "-+0123456789",
        _integer,
    ),
    f"{_TAG}float": (
        "a number",
        re.compile(
            r"([-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"
            r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN))\Z"
        ),
        "-+.0123456789",
        _float,
    ),
}


class _Loader(yaml.SafeLoader):
    """PyYAML's loader with the tags of YAML 1.2 and a limit on nesting."""

    yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = {}  # type: ignore[misc]
    depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        self.depth += 1
        if self.depth > _DEPTH:
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(problem=_TOO_DEEP, problem_mark=mark)
        try:
            return super().compose_node(parent, index)
        finally:
            self.depth -= 1


# What `write` mostly writes: keys in lines, plain values without spaces, texts in single quotes. Of
# it the loader in C, which is several times faster, has the same nodes, and it nests no deeper than
# lines are long; of other YAML it accepts more than PyYAML's own, and has other messages.
_VALUE: Final = r"(?:[+-]?[\w.][\w./+-]*|\[\]|\{\}|'[^'\n]*')"
_PLAIN: Final = re.compile(
    rf"(?: *(?:- )?(?:\w[\w.]*:(?: {_VALUE})?)\n| *- {_VALUE}\n)++", re.ASCII
)


def _fast_loader() -> type[Any] | None:
    """The loader in C with the tags of YAML 1.2; None where PyYAML was built without it."""
    if not yaml.__with_libyaml__:
        return None

    class FastLoader(yaml.CSafeLoader):
        yaml_implicit_resolvers: ClassVar[dict[Any, Any]] = _Loader.yaml_implicit_resolvers  # type: ignore[misc]

    return FastLoader


class _Dumper(yaml.SafeDumper):
    """Quotes text that either version of YAML would read as another type; writes no alias."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002
        return True

    def represent_text(self, text: str) -> yaml.Node:
        """Text of several lines is written on one, with `\\n` in it."""
        style = '"' if _BREAK.search(text) else None
        return self.represent_scalar(f"{_TAG}str", text, style=style)


_Dumper.add_representer(str, _Dumper.represent_text)

_TOO_DEEP: Final = f"lists and mappings are nested more than {_DEPTH} deep"

for _tag, (_name, _pattern, _first, _make) in _CORE.items():  # an empty scalar has no first letter
    _letters = ["" if letter == "\0" else letter for letter in _first]
    _Loader.add_implicit_resolver(_tag, _pattern, _letters)
    _Dumper.add_implicit_resolver(_tag, _pattern, _letters)
_Loader.add_implicit_resolver(_MERGE, re.compile(r"<<\Z"), ["<"])
_FastLoader: Final = _fast_loader()


class _Values:
    """Constructs the values of a document's nodes; an alias becomes a copy of its anchor."""

    def __init__(self) -> None:
        self.count = 0
        self.above: list[yaml.Node] = []

    def build(self, node: yaml.Node) -> Any:
        self.count += 1
        if self.count > _VALUES:
            raise _fault(node, f"has more than {_VALUES:,} values")
        if isinstance(node, yaml.ScalarNode):
            return self._scalar(node)
        if any(node is each for each in self.above):
            raise _fault(node, "an alias refers to what it is a part of")
        if len(self.above) >= _DEPTH:
            raise _fault(node, _TOO_DEEP)
        self.above.append(node)
        is_list = isinstance(node, yaml.SequenceNode)
        content = self._sequence(node) if is_list else self._mapping(node)
        self.above.pop()
        return content

    def _scalar(self, node: yaml.ScalarNode) -> Any:
        if node.tag in (f"{_TAG}str", _MERGE):
            if "\0" in node.value:
                raise _fault(node, "contains the character U+0000")
            return node.value
        if node.tag not in _CORE:
            raise _unknown(node)
        name, pattern, _, make = _CORE[node.tag]
        if not pattern.match(node.value):
            raise _fault(node, f"'{node.value}' is not {name}")
        try:
            return make(node.value)
        except ValueError as error:
            raise _fault(node, str(error)) from error

    def _sequence(self, node: yaml.Node) -> list[Any]:
        if node.tag != f"{_TAG}seq":
            raise _unknown(node)
        return [self.build(each) for each in node.value]

    def _mapping(self, node: yaml.Node) -> dict[Any, Any]:
        if node.tag != f"{_TAG}map":
            raise _unknown(node)
        values: dict[Any, Any] = {}
        merged: dict[Any, Any] = {}
        lines: dict[Any, int] = {}
        for name, content in node.value:
            if not isinstance(name, yaml.ScalarNode):
                raise _fault(name, "a key is text, not a list or mapping")
            key = self.build(name)
            if key in lines:
                raise _fault(name, f"the key '{name.value}' is in line {lines[key]} already")
            lines[key] = name.start_mark.line + 1
            value = self.build(content)
            if name.tag == _MERGE:
                merged = _merged(content, value)
            else:
                values[key] = value
        return merged | values


def _merged(node: yaml.Node, value: Any) -> dict[Any, Any]:
    """The value of a merge key (https://yaml.org/type/merge.html): of several, the first wins."""
    parts = value if isinstance(value, list) else [value]
    merged: dict[Any, Any] = {}
    for part in parts:
        if not isinstance(part, dict):
            raise _fault(node, "the merge key << takes a mapping, or a list of them")
        merged = part | merged
    return merged


def _unknown(node: yaml.Node) -> InvalidYamlError:
    tag = node.tag.replace(_TAG, "!!")
    return _fault(node, f"the tag {tag} is unknown; settings are text, numbers, lists and mappings")
