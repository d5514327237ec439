"""Reads and writes the JSON files of a run.

A pydantic model checks their contents when they are read and before they are written, so that code
may rely on the types. Keys that a model does not know are kept: another version may have written
them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maskgate.core import files
from maskgate.errors import MaskgateError
from maskgate.runs.records.faults import REMEDY, damaged

SEAL: Final = "sha256"
VERSION: Final = "version"

Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[float, Field(ge=0, lt=2**53)]


class Record(BaseModel):
    """The contents of a JSON file, or of a part of one. A field whose key in the file differs from
    its name has that key as its alias."""

    model_config = ConfigDict(
        extra="allow",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        protected_namespaces=(),
        serialize_by_alias=True,
    )
    nullable: ClassVar[frozenset[str]] = frozenset()  # fields that may be null

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for name, field in cls.model_fields.items():
                key = field.alias or name
                if name not in cls.nullable and key in values and values[key] is None:
                    raise ValueError(f"{key} is null")
        return values


class File(Record):
    """The contents of a whole file. Its first key is its version, which is raised where an older
    maskgate would misread it; a file without a version has version 0."""

    version: ClassVar[int] = 1
    sealed: ClassVar[bool] = False  # whether its last key is a digest of all the rest
    indent: ClassVar[int | None] = 2


AnyFile = TypeVar("AnyFile", bound=File)


def parse(content: bytes, model: type[AnyFile], path: Path, remedy: str = REMEDY) -> AnyFile:
    """The record in the bytes of a JSON file.

    Raises MaskgateError, which names `path`, where the bytes do not fit the model, a sealed file
    has changed since it was written, or a newer maskgate has written it.
    """
    try:
        values = json.loads(content.decode("utf-8"))
        if isinstance(values, dict):
            if model.sealed and values.get(SEAL) is not None:
                _check_seal(content, values, model, path=path, remedy=remedy)
            _check_version(values, model, path, remedy)
        return _validated(values, model)
    except (ValueError, RecursionError) as error:
        raise damaged(path, _reason(error), remedy) from error


def write(path: Path, model: type[File], values: Mapping[str, Any]) -> None:
    """Replace the JSON file; its keys have the order of `values`, which may contain records.

    Raises MaskgateError where they do not fit the model, or the file cannot be written.
    """
    rest = {key: value for key, value in values.items() if key not in (VERSION, SEAL)}
    content = {VERSION: model.version, **rest}
    if model.sealed:
        content[SEAL] = _digest(content, model.indent)
    text = _text(content, model.indent)
    try:
        _validated(json.loads(text), model)
    except (ValueError, RecursionError) as error:
        reason = _reason(error)
        raise MaskgateError(f"{path}: not written: it would be unreadable ({reason})") from error
    files.replace_text(path, text)


def _validated(values: Any, model: type[AnyFile]) -> AnyFile:
    """Raises ValueError."""
    if isinstance(values, dict):
        values = {key: value for key, value in values.items() if key != VERSION}
    record = model.model_validate(values)
    json.dumps(values, ensure_ascii=False).encode("utf-8")  # half a character cannot be written
    return record


def _check_seal(
    content: bytes, values: Mapping[str, Any], model: type[File], path: Path, remedy: str
) -> None:
    """Raise MaskgateError where a sealed file has changed by even a byte since it was written."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    text = _text(values, model.indent)
    if values[SEAL] != _digest(rest, model.indent) or content != text.encode("utf-8"):
        raise damaged(path, "it has changed since it was written", remedy)


def _check_version(values: Mapping[str, Any], model: type[File], path: Path, remedy: str) -> None:
    version = values.get(VERSION, 0)
    if not isinstance(version, int) or isinstance(version, bool) or version < 0:
        raise damaged(path, f"its {VERSION} is no whole number", remedy)
    if version > model.version:
        raise MaskgateError(
            f"{path}: made by a newer maskgate (version {version} of the file; this one reads up to"
            f" {model.version}); update maskgate"
        )


def _digest(content: Mapping[str, Any], indent: int | None) -> str:
    return hashlib.sha256(_text(content, indent).encode("utf-8")).hexdigest()


def _text(content: Mapping[str, Any], indent: int | None) -> str:
    return json.dumps(content, indent=indent, default=_of_record) + "\n"


def _of_record(value: Any) -> dict[str, Any]:
    if not isinstance(value, BaseModel):
        raise TypeError(f"{type(value).__name__} is nothing that JSON holds")
    return value.model_dump(exclude_unset=True)


def _reason(error: Exception) -> str:
    """What is wrong with a file's content: the first error, and the key that it is in."""
    if isinstance(error, RecursionError):
        return "nested too deep"
    if not isinstance(error, ValidationError):
        return f"not JSON: {error}"
    first = error.errors(include_url=False)[0]
    key = ".".join(str(part) for part in first["loc"])
    reason = first["msg"].removeprefix("Value error, ")
    if first["type"] in ("model_type", "dict_type"):
        reason = "not an object with keys and values"
    return f"{key}: {reason}" if key else reason
