"""Discovery messages, by which Home Assistant sets up the sensors of each camera by itself.

See https://www.home-assistant.io/integrations/mqtt/#mqtt-discovery
"""

import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final, get_args

from maskgate import __version__
from maskgate.door.decision.deciding import Message

_ROOT: Final = "homeassistant"  # the prefix that Home Assistant reads unless told otherwise
DOOR_STATES: Final = ("none", *get_args(Message))
OVERRIDE: Final = "override"  # the end of the topic by which staff let somebody in
OPEN: Final = "open"  # the message
_DOOR: Final = "/door"  # in place of a camera, whose name has no /
_SENSORS: Final[dict[str, tuple[str, dict[str, Any]]]] = {
    "door": (
        "sensor",
        {
            "name": "Door",
            "device_class": "enum",
            "options": list(DOOR_STATES),
            "value_template": "{{ value_json.door }}",
            "icon": "mdi:door",
        },
    ),
    "occupancy": (
        "binary_sensor",
        {
            "name": "Somebody there",
            "device_class": "occupancy",
            "value_template": "{{ 'ON' if value_json.people else 'OFF' }}",
        },
    ),
    "problem": (
        "binary_sensor",
        {
            "name": "Camera",
            "device_class": "problem",
            "value_template": "{{ 'ON' if value_json.fault else 'OFF' }}",
        },
    ),
    "visitors": (
        "sensor",
        {
            "name": "Visitors",
            "state_class": "total_increasing",
            "value_template": "{{ value_json.visitors }}",
            "icon": "mdi:account-multiple",
        },
    ),
    "unsure": (
        "sensor",
        {
            "name": "Unsure",
            "state_class": "measurement",
            "unit_of_measurement": "%",
            "suggested_display_precision": 1,
            "value_template": "{{ None if value_json.unsure_share is none"
            " else value_json.unsure_share * 100 }}",
            "entity_category": "diagnostic",
        },
    ),
}
"""By the end of its identifier, the kind of each sensor of a camera, and what it has of its own."""


def messages(prefix: str, camera: str) -> Iterator[tuple[str, str]]:
    """Topic and JSON of the message on each sensor of a camera; they are to be retained."""
    for name, (component, sensor) in _SENSORS.items():
        state = {"state_topic": f"{prefix}/{camera}/state"}
        yield _message(prefix, camera, f"{component}/{name}", sensor | state)


def button(prefix: str) -> tuple[str, str]:
    """Topic and JSON of the message on the button that lets somebody in; to be retained."""
    press = {
        "name": "Let somebody in",
        "icon": "mdi:door-open",
        "command_topic": f"{prefix}/{OVERRIDE}",
        "payload_press": OPEN,
        "qos": 1,
    }
    return _message(prefix, _DOOR, f"button/{OVERRIDE}", press)


def _message(prefix: str, camera: str, kind: str, entity: dict[str, Any]) -> tuple[str, str]:
    """Topic and JSON of the message on an entity of a camera, or of the door; `kind` is its
    component and the end of its identifier."""
    node, (component, name) = _identifier(prefix, camera), kind.split("/")
    config = {
        **entity,
        "unique_id": f"{node}_{name}",
        "availability_topic": f"{prefix}/status",
        "origin": {"name": "maskgate", "sw_version": __version__},
        "device": {
            "identifiers": [node],
            "name": f"{prefix} {camera.removeprefix('/')}",
            "manufacturer": "maskgate",
            "model": "mask check at a door",
            "sw_version": __version__,
        },
    }
    return f"{_ROOT}/{component}/{node}/{name}/config", json.dumps(config, ensure_ascii=False)


def _identifier(prefix: str, camera: str) -> str:
    """A name of letters, digits, `_` and `-`, as topics of discovery need; no two are the same."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{prefix}_{camera}").strip("_")
    digest = hashlib.sha256(f"{prefix}/{camera}".encode()).hexdigest()[:8]
    return f"{plain}_{digest}" if plain else digest
