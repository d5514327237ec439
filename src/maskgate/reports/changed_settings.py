"""The settings in which two recipes or systems differ, as they are typed: `key.sub=value`."""

from collections.abc import Iterator
from typing import Any

from maskgate.config import yaml12
from maskgate.config.recipe import WITHOUT_EFFECT


def differences(base: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """The settings of `other` that differ from `base`, as `key.sub=value`; nothing follows the `=`
    where `other` has no value."""
    return [f"{key}={as_text(after)}" for key, _, after in changed_settings(base, other)]


def changed_settings(base: dict[str, Any], other: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """The keys with other values in `other`, as `key.sub`, with both values; None where one lacks
    the key. A face detector is one value, as YAML, and the checksum of its file does not count:
    training fills in both. Keys that change no result do not count either."""
    return _changed(_as_written(base), _as_written(other), "")


def flattened(settings: dict[str, Any]) -> dict[str, Any]:
    """The settings by `key.sub`; see `changed_settings` for a face detector."""
    return dict(_flattened(_as_written(settings), ""))


def as_text(value: Any) -> str:
    """A value as after the `=` of an override."""
    if value is None:
        return ""
    return value if isinstance(value, str) else yaml12.line(value)


def _changed(
    base: dict[str, Any], other: dict[str, Any], prefix: str
) -> list[tuple[str, Any, Any]]:
    changes: list[tuple[str, Any, Any]] = []
    for key in sorted(base.keys() | other.keys()):
        before, after = base.get(key), other.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            changes += _changed(before, after, f"{prefix}{key}.")
        elif before != after:
            changes.append((f"{prefix}{key}", before, after))
    return changes


def _flattened(settings: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for key, value in settings.items():
        if isinstance(value, dict) and value:
            yield from _flattened(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _as_written(settings: dict[str, Any]) -> dict[str, Any]:
    if "members" in settings:
        members = {name: _as_written(member) for name, member in settings["members"].items()}
        return settings | {"members": members}
    settings = {key: value for key, value in settings.items() if key not in WITHOUT_EFFECT}
    photo = settings.get("photo") or {}
    if not photo.get("face"):
        return settings
    face = {key: value for key, value in photo["face"].items() if key != "sha256"}
    detector = {"detector": yaml12.line(face["detector"])}
    return settings | {"photo": photo | {"face": face | detector}}
