"""From the verdicts on the faces of each frame to one message per person, and one for the door.

Time is an argument everywhere, in seconds of a clock that never jumps, such as `time.monotonic`.
"""

from maskgate.door.decision.deciding import Decision, Person, Situation

__all__ = ["Decision", "Person", "Situation"]
