"""Languages of pages: one JSON file each, packaged or of one's own, with every text."""

import json
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from maskgate.core import files
from maskgate.errors import MaskgateError

L = TypeVar("L", bound=BaseModel)


def packaged(folder: Path, prefix: str) -> tuple[str, ...]:
    """The codes of the files PREFIX-CODE.json in a folder."""
    return tuple(path.stem.removeprefix(prefix) for path in sorted(folder.glob(f"{prefix}*.json")))


def read(language: str, folder: Path, prefix: str, model: type[L]) -> L:
    """A language by the code of a packaged file, or by the path of a file. Raises MaskgateError."""
    codes = packaged(folder, prefix)
    if language in codes:
        path = folder / f"{prefix}{language}.json"
    elif language.endswith(".json"):
        path = Path(language)
    else:
        raise MaskgateError(
            f"--language {language}: no such language; give {', '.join(codes)}, or a JSON file"
        )
    try:
        return model.model_validate(json.loads(files.content(path, "a language")))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise MaskgateError(f"{path}: {place}: {first['msg']}") from error
    except ValueError as error:
        raise MaskgateError(f"{path}: not JSON in UTF-8; see docs/door.md") from error


def check_names(language: str, place: str, texts: dict[Any, Any], names: tuple[str, ...]) -> None:
    """Raise MaskgateError for the first of the names that has no text."""
    for each in names:
        if each not in texts:
            raise MaskgateError(f"{language}: {place}.{each} is missing; add its text")
