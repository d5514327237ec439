"""What the kiosk shows: its policy, and when it calls staff; and the languages of all pages."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from maskgate.door import languages
from maskgate.door.costs import Costs
from maskgate.door.readings import Policy
from maskgate.errors import MaskgateError

Message = Literal[
    "go", "let_in", "cover", "put_on", "take_off", "closer", "moment", "empty",
    "no_camera", "no_permission", "insecure", "frozen", "dark", "covered", "no_server",
]  # fmt: skip
Label = Literal[
    "title", "fine", "call", "called", "sound", "speech", "text_size", "mask_only", "purpose",
    "not_kept", "male", "female", "<30", "30-59", ">=60",
]  # fmt: skip
SignText = Literal[
    "title", "worn", "bare", "camera", "mask_only", "purpose", "identity", "not_kept", "staff",
    "contact", "print",
]  # fmt: skip
DOOR: Final = r"[a-z0-9-]{1,32}"
"""Names of doors."""
BROWSER: Final = "browser"
"""In `/kiosk?camera=…`: the browser's own camera."""
PhotosText = Literal[
    "title", "lead", "drop", "choose", "clear", "kept", "kiosk", "pairing", "sign", "programs",
    "metrics", "model", "limits", "purpose", "judging", "counts", "face", "no_face",
    "wear", "incorrect", "not_wear", "unsure", "mask", "gender", "age_band",
]  # fmt: skip
PairingText = Literal["title", "lead", "code", "pair", "wait", "another", "scan", "open", "valid"]
ErrorText = Literal[
    "lost", "unreadable", "not_a_photo", "too_large", "too_many_pixels", "too_slow", "stopping",
    "wrong_code", "too_many_failures",
]  # fmt: skip
_OPTIONAL: Final = ("covered",)  # messages that a file of one's own may lack: no_camera is shown
_FOLDER: Final = Path(__file__).parent / "pages"
_PREFIX: Final = "kiosk-"


class Text(BaseModel):
    """What the kiosk says in one state: a short message in large letters and a line below it."""

    message: str = Field(min_length=1, max_length=60)
    detail: str = Field(default="", max_length=160)
    model_config = ConfigDict(extra="forbid", strict=True)


class Language(BaseModel):
    """Every text of all pages in one language. `code` is a BCP 47 tag, such as `ko`; `name` is in
    the language itself. `messages` and `labels` are the kiosk's."""

    code: str = Field(pattern="^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    name: str = Field(min_length=1, max_length=40)
    messages: dict[Message, Text]
    labels: dict[Label, str]
    sign: dict[SignText, str]
    photos: dict[PhotosText, str]
    pairing: dict[PairingText, str]
    errors: dict[ErrorText, str]
    model_config = ConfigDict(extra="forbid", strict=True)


@dataclass(frozen=True)
class KioskSettings:
    """What `maskgate serve` can change of the kiosk.

    `languages` are codes of PACKAGED or paths of JSON files, the first is shown first; where none
    is given, all packaged ones are, and the browser's first. `costs` decide in place of thresholds,
    see `readings.reading`. `near` is the width of the narrowest face that is in front, as a share
    of the longer side of the frame. Staff are called after `alert_after` seconds in which somebody
    in front may not pass, or there is no verdict.
    """

    policy: Policy = "worn"
    languages: tuple[str, ...] = ()
    near: float = 0.1
    alert_after: float = 30.0
    override_key: str = "F8"
    sound: bool = False
    speech: bool = False
    costs: Costs | None = None

    def loaded(self) -> "list[Language]":
        """The languages. Raises MaskgateError for one that cannot be used."""
        return load(self.languages or PACKAGED)

    def answer(self) -> dict[str, Any]:
        """The JSON for the page. Raises MaskgateError for a language that cannot be used."""
        texts = {"code", "name", "messages", "labels"}
        return {
            "policy": self.policy,
            "languages": [each.model_dump(include=texts) for each in self.loaded()],
            "follow_browser": not self.languages,
            "near": self.near,
            "alert_after": self.alert_after,
            "override_key": self.override_key,
            "sound": self.sound,
            "speech": self.speech,
        }


PACKAGED: Final = languages.packaged(_FOLDER, _PREFIX)


def load(codes_or_files: tuple[str, ...]) -> list[Language]:
    """Languages by code or path. Raises MaskgateError."""
    loaded = [_load(each) for each in codes_or_files]
    codes = [each.code for each in loaded]
    for code in codes:
        if codes.count(code) > 1:
            raise MaskgateError(f"--language: {code} is given twice; give each language once")
    return loaded


def _load(language: str) -> Language:
    parsed = languages.read(language, _FOLDER, _PREFIX, Language)
    needed = tuple(each for each in get_args(Message) if each not in _OPTIONAL)
    languages.check_names(language, "messages", parsed.messages, needed)
    languages.check_names(language, "labels", parsed.labels, get_args(Label))
    languages.check_names(language, "sign", parsed.sign, get_args(SignText))
    languages.check_names(language, "photos", parsed.photos, get_args(PhotosText))
    languages.check_names(language, "pairing", parsed.pairing, get_args(PairingText))
    languages.check_names(language, "errors", parsed.errors, get_args(ErrorText))
    return parsed
