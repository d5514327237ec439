"""The experiment trackers that a recipe names; they change no result."""

import os
from collections.abc import Sequence
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from pydantic import Field, model_validator

from maskgate.config import wandb_mode
from maskgate.config.settings import Section
from maskgate.core import extras
from maskgate.errors import MaskgateError

TrackerName = Literal["tensorboard", "mlflow", "wandb"]

# The keys of each tracker beside `name` and `photos`.
_KEYS_OF: Final = {
    "tensorboard": {"folder"},
    "mlflow": {"uri", "experiment"},
    "wandb": {"project", "mode"},
}
_URI_VARIABLE: Final = "MLFLOW_TRACKING_URI"


class TrackerSettings(Section):
    """An experiment tracker that a training sends its settings, curves and scores to; see
    [tracking.md](tracking.md). It changes no result, and a run may be resumed with another one."""

    name: TrackerName = Field(description="which tracker")
    folder: str | None = Field(
        None,
        description="of `tensorboard`: the folder for a folder of each run; null: `tensorboard` in"
        " the run's folder",
    )
    uri: str | None = Field(
        None,
        description="of `mlflow`: address of the server, without a password; null: the environment"
        f" variable `{_URI_VARIABLE}`",
    )
    experiment: str = Field("maskgate", description="of `mlflow`: name of the experiment")
    project: str = Field("maskgate", description="of `wandb`: name of the project")
    mode: Literal["online", "offline"] | None = Field(
        None,
        description="of `wandb`: `offline` writes into the run's folder, for `wandb sync`; null:"
        " as the environment variable `WANDB_MODE` or `wandb offline` says, or else `online`",
    )
    photos: bool = Field(
        False,
        description="send the report with its photos of people, not only with their names; the"
        " photos leave this machine",
    )

    @model_validator(mode="after")
    def _has_its_own_keys(self) -> "TrackerSettings":
        others = self.model_fields_set - {"name", "photos"} - _KEYS_OF[self.name]
        changed = [
            key
            for key in sorted(others)
            if getattr(self, key) != type(self).model_fields[key].default
        ]
        if changed:
            known = ", ".join(sorted(_KEYS_OF[self.name]))
            raise ValueError(f"{changed[0]} is not for {self.name}, which takes {known}")
        if self.uri is not None and "@" in (urlsplit(self.uri).netloc):
            raise ValueError(
                "uri contains a user or password, which the run's recipe.yaml would keep; set"
                " MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD instead"
            )
        return self

    @property
    def server(self) -> str:
        """The address of MLflow's server; empty where none is given."""
        return self.uri or os.environ.get(_URI_VARIABLE, "")

    @property
    def switched_off(self) -> str:
        """Why it gets nothing though the recipe names it; empty if it is on. Raises
        MaskgateError."""
        return wandb_mode.switched_off() if self.name == "wandb" else ""

    @property
    def place(self) -> str:
        """The tracker and where it is, for messages; without a password."""
        if self.name == "wandb":
            server = urlsplit(os.environ.get("WANDB_BASE_URL", "")).hostname
            return f"wandb{f' at {server}' if server else ''}, project {self.project}"
        if self.name != "mlflow":
            return self.name
        parts = urlsplit(self.server)
        return f"mlflow at {parts._replace(netloc=parts.netloc.rpartition('@')[2]).geturl()}"


def as_list(value: Any) -> Any:
    """Allow one tracker to be written without a list, and a name without its mapping."""
    values = [value] if isinstance(value, str | dict) else value
    if isinstance(values, list | tuple):
        return [{"name": each} if isinstance(each, str) else each for each in values]
    return () if value is None else value


def check(trackers: Sequence[TrackerSettings]) -> None:
    """Raise MaskgateError where a tracker's package is not installed, its server has no address, or
    its mode is unknown. Imports nothing; whether the server answers is not asked."""
    for tracker in trackers:
        if tracker.switched_off:
            continue
        extras.check_package(tracker.name, f"tracking with {tracker.name}")
        if tracker.name == "mlflow" and not tracker.server:
            raise MaskgateError(
                "tracking with mlflow: the address of its server is missing; give its uri, such as"
                f" http://localhost:5000, or set {_URI_VARIABLE}"
            )
