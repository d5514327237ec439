"""The JSON files of a run: the one place that reads and writes them.

What they hold is checked by a pydantic model when it is read, so that whoever uses a value may rely
on its type. Keys that a model does not know are kept: another version may have written them.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maskgate import files
from maskgate.records.faults import REMEDY, damaged

SEAL: Final = "sha256"

Count = Annotated[int, Field(ge=0, lt=2**53)]
Positive = Annotated[float, Field(ge=0, lt=2**53)]


class Record(BaseModel):
    """What a JSON file, or a part of one, holds."""

    model_config = ConfigDict(
        extra="allow", strict=True, frozen=True, allow_inf_nan=False, protected_namespaces=()
    )
    nullable: ClassVar[frozenset[str]] = frozenset()  # all other keys are left out or hold a value

    @model_validator(mode="before")
    @classmethod
    def _no_nulls(cls, values: Any) -> Any:
        if isinstance(values, dict):
            for key in cls.model_fields.keys() - cls.nullable:
                if key in values and values[key] is None:
                    raise ValueError(f"{key} is null")
        return values


def parse(content: bytes, model: type[Record], path: Path, remedy: str = REMEDY) -> dict[str, Any]:
    """What the bytes of a JSON file hold, in the order of their keys.

    Raises MaskgateError, which names `path`, where they do not fit the model.
    """
    try:
        values = json.loads(content.decode("utf-8"))
        model.model_validate(values)
        json.dumps(values, ensure_ascii=False).encode("utf-8")  # half a character cannot be written
    except ValidationError as error:
        raise damaged(path, _first(error), remedy) from error
    except (ValueError, RecursionError) as error:
        why = "nested too deep" if isinstance(error, RecursionError) else f"not JSON: {error}"
        raise damaged(path, why, remedy) from error
    assert isinstance(values, dict)  # no model is of anything else
    return values


def write(path: Path, content: Mapping[str, Any], indent: int | None = 2) -> None:
    """Replace the JSON file. Raises MaskgateError where the disk does not take it."""
    files.replace_text(path, _text(content, indent))


def write_sealed(path: Path, content: Mapping[str, Any]) -> None:
    """As `write`, with a digest of all the rest as the last key."""
    rest = {key: value for key, value in content.items() if key != SEAL}
    write(path, rest | {SEAL: _digest(rest)})


def check_seal(content: bytes, values: Mapping[str, Any], path: Path) -> None:
    """Raise MaskgateError where a sealed file is not, to the byte, as it was written."""
    rest = {key: value for key, value in values.items() if key != SEAL}
    if values[SEAL] != _digest(rest) or content != _text(values, 2).encode("utf-8"):
        raise damaged(path, "it has changed since it was written")


def _digest(content: Mapping[str, Any]) -> str:
    return hashlib.sha256(_text(content, 2).encode("utf-8")).hexdigest()


def _text(content: Mapping[str, Any], indent: int | None) -> str:
    return json.dumps(content, indent=indent) + "\n"


def _first(error: ValidationError) -> str:
    """The first fault of several, and where it is."""
    fault = error.errors(include_url=False)[0]
    where = ".".join(str(part) for part in fault["loc"])
    why = fault["msg"].removeprefix("Value error, ")
    if fault["type"] in ("model_type", "dict_type"):
        why = "not an object with keys and values"
    return f"{where}: {why}" if where else why
