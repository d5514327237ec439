"""Every text of the check and its page in one language."""

import json
import os
import string
from pathlib import Path
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from maskgate.door import languages
from maskgate.door.acceptance import passages
from maskgate.errors import MaskgateError

_FOLDER: Final = Path(__file__).parent
_PREFIX: Final = "accept-"
_OPTIONAL: Final = ("covered",)  # states that a file of one's own may lack
_ENGLISH: Final = json.loads((_FOLDER / f"{_PREFIX}en.json").read_text("utf-8"))


class Task(BaseModel):
    """A passage: its title, and who does what."""

    title: str = Field(min_length=1, max_length=60)
    task: str = Field(min_length=1, max_length=200)
    model_config = ConfigDict(extra="forbid", strict=True)


class Texts(BaseModel):
    """A language. `code` is a BCP 47 tag. `states` are what the kiosk says."""

    code: str = Field(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    name: str = Field(min_length=1, max_length=40)
    passages: dict[str, Task]
    states: dict[str, str]
    labels: dict[str, str]
    model_config = ConfigDict(extra="forbid", strict=True)

    def label(self, name: str, **values: Any) -> str:
        """A label with its values."""
        return self.labels[name].format(**values)

    def state(self, screen: str) -> str:
        """What the kiosk says, in words; of a newer service perhaps only its name."""
        return self.states.get(screen, screen)


def default() -> str:
    """The language of the system, if it is a packaged one; else English."""
    names = (os.environ.get(name) for name in ("LC_ALL", "LC_MESSAGES", "LANG"))
    code = next(filter(None, names), "").split("_")[0]
    return code if code in languages.packaged(_FOLDER, _PREFIX) else "en"


def load(language: str) -> Texts:
    """A language by its code or file. Raises MaskgateError."""
    texts = languages.read(language, _FOLDER, _PREFIX, Texts)
    languages.check_names(language, "passages", texts.passages, passages.NAMES)
    states = tuple(each for each in _ENGLISH["states"] if each not in _OPTIONAL)
    languages.check_names(language, "states", texts.states, states)
    languages.check_names(language, "labels", texts.labels, tuple(_ENGLISH["labels"]))
    for name, text in _ENGLISH["labels"].items():
        if not _fields(texts.labels[name]) <= _fields(text):
            raise MaskgateError(
                f"{language}: labels.{name}: it has other values in {{}} than: {text}"
            )
    return texts


def _fields(text: str) -> set[tuple[str, str | None]]:
    """The values of a text with their formats."""
    try:
        parsed = list(string.Formatter().parse(text))
    except ValueError:
        return {("", None)}
    return {(name, form) for _, name, form, _ in parsed if name is not None}
