"""Losses that are arguments of another loss."""

from typing import Any

from pydantic import ValidationError

from maskgate.config.settings import Component
from maskgate.errors import MaskgateError


def nested_loss(value: Any, key: str) -> Component:
    """The loss in a recipe at `key`: its name, or a mapping of its name and arguments.

    Raises MaskgateError if it is neither.
    """
    try:
        return Component.model_validate({"name": value} if isinstance(value, str) else value)
    except ValidationError as error:
        raise MaskgateError(f"{key}: a loss is a name, or a mapping with its name") from error
