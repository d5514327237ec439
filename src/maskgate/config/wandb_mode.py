"""Whether Weights & Biases sends, writes files or is switched off, as the user has set it there.

Read as the package itself does, which is not imported: https://docs.wandb.ai/models/ref/python/init
"""

import configparser
import os
from pathlib import Path
from typing import Final, Literal

from maskgate.errors import MaskgateError

Mode = Literal["online", "offline", "disabled"]

# The modes of the package, of which `run` and `dryrun` are old names.
_MODES: Final[dict[str, Mode]] = {
    "online": "online",
    "run": "online",
    "offline": "offline",
    "dryrun": "offline",
    "disabled": "disabled",
}
_FALSE: Final = frozenset({"", "0", "f", "false", "n", "no", "off"})  # in a variable


def switched_off() -> str:
    """Why nothing may be sent or written, such as `WANDB_MODE is disabled`; else empty. Raises
    MaskgateError for an unknown mode."""
    disabled = os.environ.get("WANDB_DISABLED", "")
    if disabled.strip().casefold() not in _FALSE:
        return f"WANDB_DISABLED is {disabled}"
    place, mode = _of_user()
    return f"{place} is disabled" if mode == "disabled" else ""


def mode(chosen: Literal["online", "offline"] | None) -> Mode:
    """The mode of a recipe that has `chosen` one or none: if the user has not switched it off, that
    of the recipe, else that of the user. Raises MaskgateError for an unknown mode."""
    return "disabled" if switched_off() else chosen or _of_user()[1]


def _of_user() -> tuple[str, Mode]:
    """Where the user has set the mode, and the mode, by default `online`. Raises MaskgateError."""
    place, name = "WANDB_MODE", os.environ.get("WANDB_MODE", "")
    if not name:
        place, name = _of_files()
    known = _MODES.get(name.strip().casefold())
    if known is None:
        raise MaskgateError(
            f"tracking with wandb: {place} is {name!r}; set it to online, offline or disabled"
        )
    return place, known


def _of_files() -> tuple[str, str]:
    """The same from the files that `wandb offline` and `wandb disabled` write: the one of this
    folder, else the one of the user."""
    local = Path(".wandb" if Path(".wandb").exists() else "wandb") / "settings"
    user = Path(os.environ.get("WANDB_CONFIG_DIR") or "~/.config/wandb").expanduser() / "settings"
    for path in (local, user):
        parser = configparser.RawConfigParser()
        try:
            parser.read(path, "utf-8")
        except (configparser.Error, OSError, UnicodeDecodeError):
            continue  # the package ignores it, too
        if name := parser.get("default", "mode", fallback=""):
            return f"mode in {path}", name
    return "", "online"
