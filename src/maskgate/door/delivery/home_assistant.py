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
    node = _identifier(prefix, camera)
    for name, (component, sensor) in _SENSORS.items():
        config = {
            **sensor,
            "unique_id": f"{node}_{name}",
            "state_topic": f"{prefix}/{camera}/state",
            "availability_topic": f"{prefix}/status",
            "origin": {"name": "maskgate", "sw_version": __version__},
            "device": {
                "identifiers": [node],
                "name": f"maskgate {camera}",
                "manufacturer": "maskgate",
                "model": "mask check at a door",
                "sw_version": __version__,
            },
        }
        yield f"{_ROOT}/{component}/{node}/{name}/config", json.dumps(config, ensure_ascii=False)


def button(prefix: str) -> tuple[str, str]:
    """Topic and JSON of the message on the button that lets somebody in; to be retained."""
    node = _identifier(prefix, "/door")  # no camera's name has a /
    config = {
        "name": "Let somebody in",
        "icon": "mdi:door-open",
        "unique_id": f"{node}_override",
        "command_topic": f"{prefix}/{OVERRIDE}",
        "payload_press": OPEN,
        "qos": 1,
        "availability_topic": f"{prefix}/status",
        "origin": {"name": "maskgate", "sw_version": __version__},
        "device": {
            "identifiers": [node],
            "name": "maskgate door",
            "manufacturer": "maskgate",
            "model": "mask check at a door",
            "sw_version": __version__,
        },
    }
    return f"{_ROOT}/button/{node}/override/config", json.dumps(config, ensure_ascii=False)


def _identifier(prefix: str, camera: str) -> str:
    """A name of letters, digits, `_` and `-`, as topics of discovery need; no two are the same."""
    plain = re.sub(r"[^A-Za-z0-9_-]+", "_", f"{prefix}_{camera}").strip("_")
    digest = hashlib.sha256(f"{prefix}/{camera}".encode()).hexdigest()[:8]
    return f"{plain}_{digest}" if plain else digest
