"""The door: what runs at an entrance, on a small CPU, without torch."""

from maskgate.door.engine import Engine as Engine
from maskgate.door.verdict import Verdict as Verdict
from maskgate.imaging.pixels import PhotoError as PhotoError
