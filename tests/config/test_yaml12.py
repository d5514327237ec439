"""YAML 1.2: which values text has, what is refused with its line, and that what is written is read
back, by either version of YAML."""

import math
import random
import re
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from maskgate.config import recipe, yaml12
from maskgate.core import files

# What each plain scalar is by https://yaml.org/spec/1.2.2/#103-core-schema.
CORE: dict[str, Any] = {
    "no": "no", "yes": "yes", "on": "on", "off": "off", "No": "No", "y": "y",
    "true": True, "True": True, "TRUE": True, "false": False, "tRue": "tRue",
    "~": None, "null": None, "Null": None, "NULL": None, "": None, "nUll": "nUll",
    "0": 0, "10": 10, "010": 10, "-7": -7, "+7": 7, "0o10": 8, "0x1F": 31,
    "0b11": "0b11", "1_000": "1_000", "0o8": "0o8", "-0x1": "-0x1",
    str(2**63 - 1): 2**63 - 1, str(-(2**63)): -(2**63),
    "1e-3": 0.001, "5e-4": 0.0005, "1E3": 1000.0, "1.": 1.0, ".5": 0.5, "-.5e1": -5.0,
    "1.5e+2": 150.0, "010.5": 10.5, "1:30": "1:30", "190:20:30.15": "190:20:30.15",
    "2020-01-01": "2020-01-01", "2020-01-01T00:00:00Z": "2020-01-01T00:00:00Z", "=": "=",
    ".inf": math.inf, "-.inf": -math.inf, "+.INF": math.inf, ".Inf": math.inf, "inf": "inf",
    "!!str 010": "010", "!!int '3'": 3, "!!float 3": 3.0, "'no'": "no", '"1e5"': "1e5",
}  # fmt: skip


def same(value: Any, other: Any) -> bool:
    """Equal, and of one type all through: `1`, `1.0` and `true` are equal in Python."""
    return repr(value) == repr(other)


@pytest.mark.parametrize("text", CORE)
def test_a_scalar_is_what_yaml_1_2_says(text: str) -> None:
    for written in (f"key: {text}\n", f"{{key: {text}}}", f"- {text}", text):
        value = yaml12.parse(written)
        value = value["key"] if isinstance(value, dict) else value
        value = value[0] if isinstance(value, list) else value
        assert same(value, CORE[text])


def test_not_a_number_is_one() -> None:
    for text in (".nan", ".NaN", ".NAN"):
        assert math.isnan(yaml12.parse(text))
    assert yaml12.parse("nan") == "nan"


FAULTS = {
    "a: 1\nb: 2\na: 3": "line 3: the key 'a' is in line 1 already",
    "a:\n  b: 1\n  c: 2\n  b: 1": "line 4: the key 'b' is in line 2 already",
    "\n{a: 1, b: {c: 2, c: 3}}": "line 2: the key 'c' is in line 2 already",
    "- x\n- {a: 1,\n   'a': 2}": "line 3: the key 'a' is in line 2 already",
    "x: &x {a: 1, a: 2}\ny:\n  <<: *x": "line 1: the key 'a' is in line 1 already",
    "x: &x {a: 1}\ny:\n  <<: *x\n  <<: *x": "line 4: the key '<<' is in line 3 already",
    "y:\n  <<: {a: 1}\n  b: 1\n  b: 2": "line 4: the key 'b' is in line 3 already",
    "<<: 3": "line 1: the merge key << takes a mapping",
    "a: &a [1, *a]": "line 1: an alias refers to what it is a part of",
    "a: &a\n  b: {c: *a}": "line 1: an alias refers to what it is a part of",
    "a: *nothing": "line 1: found undefined alias 'nothing'",
    "[" * 5000: "line 1: lists and mappings are nested more than 50 deep",
    "{a: " * 5000: "line 1: lists and mappings are nested more than 50 deep",
    "".join(
        "  " * n + "a:\n" for n in range(300)
    ): "line 50: lists and mappings are nested more than",
    "a: 1\nb: !!int x": "line 2: 'x' is not a whole number",
    "a: !!float x": "line 1: 'x' is not a number",
    "a: !!bool no": "line 1: 'no' is not true or false",
    "a: !!null 3": "line 1: '3' is not null",
    "a: !!python/object/apply:os.system [x]": "line 1: the tag !!python/object/apply:os.system is",
    "a: !!binary aGk=": "line 1: the tag !!binary is unknown",
    "a: !!set {x, y}": "line 1: the tag !!set is unknown",
    "a: !!omap [x: 1]": "line 1: the tag !!omap is unknown",
    "a: !!timestamp 2020-01-01": "line 1: the tag !!timestamp is unknown",
    "a: !mine {x: 1}": "line 1: the tag !mine is unknown",
    "\n? [a, b]\n: 1": "line 2: a key is text",
    "a: 1\nb: \x00": "line 2: contains the character U+0000",
    "a: 1\nb: \x1b[31m": "line 2: contains the character U+001B",
    'a: 1\nb: "\\0"': "line 2: contains the character U+0000",
    "a: 1\n\tb: 2": "line 2: found character",
    "a: [1": "line 1: expected ',' or ']'",
    "a: 1\n---\nb: 2": "line 2: expected a single document",
    "%YAML 2.0\n---\na: 1": "line 1: found incompatible YAML document",
    "a: " + "9" * 5000: "line 1: a whole number of more than 64 bits",
    f"a: {2**63}": "line 1: a whole number of more than 64 bits",
    f"a: -{2**63 + 1}": "line 1: a whole number of more than 64 bits",
    "a: 0x" + "f" * 17: "line 1: a whole number of more than 64 bits",
    "a: 1\n" * 100_000: "more than 256 KiB long",
}


@pytest.mark.parametrize("text", FAULTS, ids=lambda text: text[:30])
def test_a_fault_is_one_phrase_with_its_line(text: str) -> None:
    with pytest.raises(yaml12.InvalidYamlError, match=re.escape(FAULTS[text])) as caught:
        yaml12.parse(text)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 300


def test_a_key_beside_a_merge_replaces_what_is_merged() -> None:
    text = "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz: {<<: [*x, *y], a: 5}"
    assert yaml12.parse(text)["z"] == {"a": 5, "b": 2, "c": 4}


def test_an_alias_is_a_copy() -> None:
    document = yaml12.parse("a: &a {b: [1]}\nc: *a")
    document["a"]["b"].append(2)
    assert document["c"] == {"b": [1]}


def test_aliases_that_multiply_end_at_once() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 10)]
    before = time.process_time()
    with pytest.raises(yaml12.InvalidYamlError, match="has more than 100,000 values"):
        yaml12.parse("\n".join(lines))
    assert time.process_time() - before < 2
    chain = ["- &a0 [x]", *(f"- &a{n} [*a{n - 1}]" for n in range(1, 3000))]
    with pytest.raises(yaml12.InvalidYamlError, match="more than 50 deep"):
        yaml12.parse("\n".join(chain))


def test_a_file_is_read_to_its_limit_and_in_utf_8(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_bytes("\ufeffname: 홍길동\n".encode())
    assert yaml12.read(path) == {"name": "홍길동"}
    path.write_bytes(b"a: 1\nb: \xb0\xa1\n")
    with pytest.raises(yaml12.InvalidYamlError, match=r"'utf-8' codec .*, in line 2\Z"):
        yaml12.read(path)
    with path.open("wb") as file:
        file.truncate(50 * 2**30)  # without a byte on the disk
    with pytest.raises(yaml12.InvalidYamlError, match="more than 256 KiB"):
        yaml12.read(path)


TEXTS = [
    "no", "yes", "on", "off", "y", "~", "null", "", "true", "010", "0o10", "0x1F", "0b11", "1_000",
    "1e5", "1e-3", ".5e3", "1.", "1:30", "190:20:30", "2020-01-01", ".inf", ".nan", "=", "<<",
    "9" * 100, "a: b", "a #b", " a ", "- a", "{a}", "[a", "!a", "&a", "*a", "'a'", '"a"', "a\nb",
    "\x1b[31m", "\x7f", "\x85", "홍길동", "%a", "@a", "`a", "?", "-", "|", ">", "a\\b", "😀",
]  # fmt: skip
VALUES: list[Any] = [
    *TEXTS,
    0,
    -3,
    2**63 - 1,
    1e-5,
    1e16,
    0.1,
    -0.0,
    1e300,
    math.inf,
    True,
    False,
    None,
    [],
    {},
]


@pytest.mark.parametrize("value", VALUES, ids=repr)
def test_what_is_written_is_read_back(value: Any) -> None:
    nested: dict[str, Any] = {"key": [value, {"inner": value}], "text": str(value)}
    if isinstance(value, str):
        nested[value] = 1
    for document in (value, nested):
        line = yaml12.line(document)
        assert "\n" not in line
        assert same(yaml12.parse(line), document)
        assert same(yaml12.parse(f"{{a: {line}}}")["a"], document)
        assert same(yaml12.parse(yaml12.write(document)), document)
        # The version before read YAML 1.1, and so may other programs.
        assert same(yaml.safe_load(yaml12.write(document)), document)


def test_one_list_in_two_places_is_written_twice() -> None:
    one = [1]
    assert "&" not in yaml12.write({"a": one, "b": one})


class _Before(yaml.SafeLoader):
    """How YAML was read before: YAML 1.1, and `5e-4` as a number."""


_Before.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)
SHIPPED = [
    path
    for kind in ("recipes", "systems", "searches")
    for path in sorted(files.shipped(kind).glob("*.yaml"))
]


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_shipped_files_hold_what_they_held(path: Path) -> None:
    before = yaml.load(path.read_text("utf-8"), Loader=_Before)
    assert same(yaml12.read(path), before)


def test_what_earlier_versions_wrote_is_read_the_same() -> None:
    """Runs hold recipes as PyYAML's `safe_dump` writes them."""
    # Text that PyYAML takes for text, and leaves without quotes, but YAML 1.2 reads as numbers.
    other = (".5e3", "0o10")
    for value in (each for each in VALUES if each not in other):
        written = yaml.safe_dump({"key": value}, sort_keys=False, allow_unicode=True)
        assert same(yaml12.parse(written), yaml.load(written, Loader=_Before)), written


RECIPES = sorted((Path(__file__).parents[2] / "recipes").rglob("*.yaml"))


def _outcome(text: str) -> Any:
    try:
        return repr(yaml12.parse(text))
    except yaml12.InvalidYamlError as error:
        return f"error: {error}"


@pytest.mark.skipif(not yaml.__with_libyaml__, reason="PyYAML is built without its loader in C")
def test_the_loader_in_c_gives_what_the_other_gives(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of resolved recipes with random changes, in values, errors and their lines."""
    settings = recipe.load(RECIPES[0], []).model_dump(mode="json")
    lines = yaml12.write(settings).splitlines(keepends=True)
    parts = [
        ":", ": ", "- ", "  ", " ", "'", "\n", "~", "null", "010", "1e3", ".inf", "no", "...",
        "---", "{}", "[]", "a", "a:", ": b", "+1", "-", "0x1f", "9" * 30, "seed", "a:\n- b\n", "_",
    ]  # fmt: skip
    drawn, texts = random.Random(0), ["".join(lines)]
    for _ in range(1000):
        start = drawn.randrange(len(lines) - 6)
        some = "".join(lines[start : start + 6])
        for _ in range(drawn.randint(1, 3)):
            at = drawn.randrange(len(some) + 1)
            some = some[:at] + drawn.choice(parts) + some[at + drawn.randint(0, 2) :]
        texts.append(some)
    texts += [
        "".join(f"{' ' * depth}a:\n" for depth in range(700)),
        "a:\n- a:\n  - b\n",
        "- a: 1\n",
    ]
    fast = sum(yaml12._PLAIN.fullmatch(text) is not None for text in texts)
    outcomes = [_outcome(text) for text in texts]
    monkeypatch.setattr(yaml12, "_FastLoader", None)
    assert [_outcome(text) for text in texts] == outcomes
    errors = sum(outcome.startswith("error") for outcome in outcomes)
    assert fast > 100 and errors > 100
