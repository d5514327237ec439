"""The verdict on one person: the readings of the latest frames vote.

The constants are chosen by the simulation of `benchmarks/decisions.py`; docs/results.md has its
numbers. Errors of one frame would need far less. Errors that last are what decides: the window is
twice as long as one of a second, so that it cannot change a verdict, and no longer, as people who
put on a mask wait for most of it. Half a second for the first verdict is three frames of a slow
camera, and more would not help: whoever is judged wrongly at first mostly is for longer than anyone
waits. `go` ends before a verdict would, within a second of the mask's being taken off.
"""

from collections import Counter, deque
from typing import Final, Literal

from maskgate.door.readings import Reading

Value = Literal[Reading, "closer"]
UNDECIDED: Final[frozenset[Value]] = frozenset({"moment", "closer"})
"""Values that are no verdict on a person yet, or no more."""
"""What one frame says of a person, and what the vote says: `closer` if the face is too far away."""

WINDOW: Final = 2.0  # seconds of readings that vote
FEWEST: Final = 3  # readings
LEAD: Final = 2  # readings more than any other value has
SHARE: Final = 0.6  # of the readings, for a verdict
GO_SHARE: Final = 0.75  # of the readings, to go
SPAN: Final = 0.5  # seconds from the first of the readings to the newest, at least
GO_ENDS: Final = 0.6  # share of the readings below which go ends


class Vote:
    """The verdict on a person who has just come: `verdict`, which has held since the time `since`.

    A value becomes the verdict if SHARE of the readings agree, GO_SHARE of them to go, and LEAD
    more than for any other value. Until another does, the verdict stays, except that `go` turns
    into `moment` when fewer than GO_ENDS of the readings agree.
    """

    def __init__(self, time: float, verdict: Value = "moment") -> None:
        self.verdict: Value = verdict
        self.since = time
        self._readings: deque[tuple[float, Value]] = deque()

    def add(self, value: Value, time: float) -> None:
        """What the newest frame says."""
        while self._readings and time - self._readings[0][0] > WINDOW:
            self._readings.popleft()
        self._readings.append((time, value))
        verdict = self._settled(time)
        if verdict != self.verdict:
            self.verdict, self.since = verdict, time

    def _settled(self, time: float) -> Value:
        counts = Counter(value for _, value in self._readings)
        total, span = len(self._readings), time - self._readings[0][0]
        (best, most), *others = counts.most_common(2)
        lead = most - (others[0][1] if others else 0)
        least = total * (GO_SHARE if best == "go" else SHARE)
        if total >= FEWEST and span >= SPAN and lead >= LEAD and most >= least:
            return best
        has_ended = self.verdict == "go" and counts["go"] < GO_ENDS * total
        return "moment" if has_ended else self.verdict
