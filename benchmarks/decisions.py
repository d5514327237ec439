"""How often a door's decisions over time are wrong, and how soon they are right: a simulation.

    python benchmarks/decisions.py [--seconds 20000] [--seed 0] [--photos DATA [--model BUNDLE]]

People step up to a camera one after another, stay for ten seconds and leave. Each has one mask
state, a third of them each, and the policy is `worn`. Every frame gives one verdict on the person,
which `maskgate.door.decision` takes as the service does:

- 5% of the frames are wrong, each independently, with one of the other two states;
- 5% of the time is wrong, in bursts of one second with the same wrong state;
- with `--photos`, the verdicts are those of BUNDLE, by default the default model, on labelled
  photos with the person's mask state: another photo for each frame, or for each second. A photo in
  which no face is detected is a frame without the face.

At 4, 10 and 25 frames a second, prints:

- wrong verdicts per 1,000 seconds: how often a person gets one that is neither right nor `moment`,
  with the exact 95% interval of a Poisson count; and how many of them are `go`;
- the time from stepping up to the right verdict, median and 95% quantile, and the share of people
  who get none;
- the changes of a person's verdict per minute after the first one;
- the time from a change of the mask in front of the camera to the right verdict, and until `go`
  ends when the mask is taken off;
- of 300 pairs of people who cross, one of whom is not detected while they overlap: how many keep
  their verdicts, are looked at anew since one was hidden for too long, or exchange their verdicts.
"""

import argparse
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

import numpy as np
from scipy import stats

from maskgate import labels
from maskgate.core.progress import track
from maskgate.data import layouts
from maskgate.door.decision import Decision
from maskgate.door.decision.tracking import Box
from maskgate.door.engine import Engine
from maskgate.door.readings import reading
from maskgate.door.verdict import Verdict, verdicts

RATES: Final = (4, 10, 25)  # frames a second
ERROR: Final = 0.05  # share of frames, or of time
BURST: Final = 1.0  # seconds
STAY: Final = 10.0  # seconds of one person
CHANGE: Final = 5.0  # seconds after which the mask of a person changes, if it does
PAIRS: Final = 300
JITTER: Final = 0.02  # of a face's box, in widths
MOST_PHOTOS: Final = 1500  # of each mask state
SIZE: Final = (640, 480)
BOX: Final = (260.0, 160.0, 380.0, 310.0)
MESSAGES: Final = {"wear": "go", "incorrect": "cover", "not_wear": "put_on"}  # of policy worn
Stream = Sequence[Verdict | None]
"""The verdict on a person in each frame; None where the face is not detected."""


class Source(Protocol):
    """Draws what the frames at some times say of a person, in seconds from 0."""

    def __call__(self, state: str, times: Sequence[float], rng: np.random.Generator) -> Stream: ...


@dataclass
class Measures:
    """What happened to all people."""

    seconds: float = 0.0
    wrong: int = 0  # verdicts
    wrong_go: int = 0
    changes: int = 0
    people: int = 0
    times: list[float] = field(default_factory=list)  # to the right verdict, of those who got it


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20_000, help="of people, in each row")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--photos", type=Path, nargs="*", default=[], help="labelled photos")
    parser.add_argument("--model", type=Path, help="a bundle, by default the default model")
    options = parser.parse_args()
    sources: dict[str, Source] = {
        f"{ERROR:.0%}, independent": independent,
        f"{ERROR:.0%}, bursts of {BURST:g} s": bursts,
    }
    for data in options.photos:
        pool = judged_photos(data, Engine(options.model))
        sources[f"{data.name}, a photo a frame"] = partial(photos, pool=pool, length=0.0)
        sources[f"{data.name}, a photo a second"] = partial(photos, pool=pool, length=BURST)
    print(
        "| errors | frames a second | wrong verdicts per 1,000 s | of these go | right verdict, s:"
        " median | 95% | never | changes a minute | after a change, s: median | 95% | go ends, s:"
        " median | 95% |"
    )
    print("|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
    for name, source in sources.items():
        for rate in RATES:
            print(row(name, source, rate=rate, seconds=options.seconds, seed=options.seed))
    print(f"\n| frames a second | of {PAIRS} pairs who cross, kept | looked at anew | exchanged |")
    print("|---:|---:|---:|---:|")
    for rate in RATES:
        ends = [cross(rate, np.random.default_rng([options.seed, n])) for n in range(PAIRS)]
        cells = [str(ends.count(end)) for end in ("kept", "anew", "exchanged")]
        print(f"| {rate} | {' | '.join(cells)} |")


def row(name: str, source: Source, *, rate: float, seconds: float, seed: int) -> str:
    """A row of the table."""
    steady = simulate(source, rate, round(seconds / STAY), seed)
    right, ends = changed(source, rate, round(seconds / STAY / 10), seed)
    thousands = steady.seconds / 1000
    low, high = poisson_interval(steady.wrong)
    never = 1 - len(steady.times) / steady.people
    cells = [
        name,
        f"{rate:g}",
        f"{steady.wrong / thousands:.2f} [{low / thousands:.2f}, {high / thousands:.2f}]",
        f"{steady.wrong_go / thousands:.2f}",
        *quantiles(steady.times),
        f"{never:.1%}",
        f"{steady.changes / steady.seconds * 60:.2f}",
        *quantiles(right),
        *quantiles(ends),
    ]
    return f"| {' | '.join(cells)} |"


def quantiles(times: Sequence[float]) -> list[str]:
    """Median and 95% quantile."""
    return [f"{value:.2f}" for value in np.quantile(times, [0.5, 0.95])] if times else ["–", "–"]


def poisson_interval(count: int) -> tuple[float, float]:
    """The exact 95% interval (Garwood, 1936) of the mean of a Poisson count."""
    low = stats.chi2.ppf(0.025, 2 * count) / 2 if count else 0.0
    return float(low), float(stats.chi2.ppf(0.975, 2 * count + 2) / 2)


# ------------------------------------------------------------------------ what frames say


def independent(state: str, times: Sequence[float], rng: np.random.Generator) -> Stream:
    """Each frame is wrong with the probability ERROR."""
    is_wrong = rng.random(len(times)) < ERROR
    return [_POOL[other(state, rng) if wrong else state] for wrong in is_wrong]


def bursts(state: str, times: Sequence[float], rng: np.random.Generator) -> Stream:
    """Errors last for BURST seconds: they begin at random, so that ERROR of the time is wrong."""
    pause = BURST * (1 - ERROR) / ERROR  # seconds between two, on average
    begin = rng.exponential(pause)
    if rng.random() < ERROR:  # one is under way
        begin = -rng.random() * BURST
    wrong, stream = other(state, rng), []
    for time in times:
        while time >= begin + BURST:
            begin += BURST + rng.exponential(pause)
            wrong = other(state, rng)
        stream.append(_POOL[wrong if time >= begin else state])
    return stream


def photos(
    state: str,
    times: Sequence[float],
    rng: np.random.Generator,
    *,
    pool: dict[str, list[Verdict | None]],
    length: float,
) -> Stream:
    """The verdicts on photos of a mask state: one photo for `length` seconds, or for one frame."""
    of_state, phase = pool[state], rng.random()
    blocks = [math.floor(time / length + phase) if length else n for n, time in enumerate(times)]
    chosen = rng.integers(len(of_state), size=max(blocks) + 1)
    return [of_state[chosen[block]] for block in blocks]


def judged_photos(data: Path, engine: Engine) -> dict[str, list[Verdict | None]]:
    """The verdicts on the largest faces of photos by their mask state. Raises MaskgateError."""
    photos_of = layouts.read(data)
    table = photos_of.table.sample(frac=1, random_state=0).groupby("mask").head(MOST_PHOTOS)
    table = table[table["mask"] != labels.UNKNOWN]
    pool: dict[str, list[Verdict | None]] = {state: [] for state in labels.MASKS}
    rows = zip(table["photo"], table["mask"].astype(int), strict=True)
    for photo, mask in track(rows, "judging photos", len(table)):
        faces = engine((photos_of.root / photo).read_bytes())
        largest = max(faces, key=lambda each: each.box[2] - each.box[0], default=None)
        pool[labels.MASKS[mask]].append(None if largest is None else placed(largest))
    return pool


def other(state: str, rng: np.random.Generator) -> str:
    """One of the other mask states."""
    return [each for each in labels.MASKS if each != state][int(rng.integers(2))]


def certain(state: str, box: Box = BOX) -> Verdict:
    """A verdict on a face that is sure of its mask state."""
    classes = np.zeros((1, labels.COUNT), np.float32)
    classes[0, 6 * labels.MASKS.index(state)] = 1
    return verdicts(np.array([[*box, 0.9]], np.float32), classes, ("mask",))[0]


def placed(verdict: Verdict, box: Box = BOX) -> Verdict:
    """The verdict as if its face were here."""
    return Verdict(box, verdict.score, verdict.probabilities, verdict.mask)


_POOL: Final = {state: certain(state) for state in labels.MASKS}


# ------------------------------------------------------------------------------ one person


def decision() -> Decision:
    """That of a kiosk."""
    return Decision(partial(reading, policy="worn"), near=0.1)


def messages(times: Sequence[float], stream: Stream) -> list[str]:
    """The verdict on the person after each frame."""
    door, values, latest = decision(), [], "moment"
    for time, verdict in zip(times, stream, strict=True):
        situation = door.update([] if verdict is None else [verdict], SIZE, time)
        if situation.people:
            latest = situation.people[-1].verdict
        values.append(latest)
    return values


def frame_times(rate: float, rng: np.random.Generator) -> list[float]:
    """Of the frames during a stay that begins at 0; the first is as late as it happens to be."""
    return ((np.arange(int(STAY * rate)) + rng.random()) / rate).tolist()


def simulate(source: Source, rate: float, people: int, seed: int) -> Measures:
    """People who step up one after another, none of whom changes the mask."""
    measures = Measures()
    for number in range(people):
        rng = np.random.default_rng([seed, number])
        state, times = labels.MASKS[number % 3], frame_times(rate, rng)
        values = messages(times, source(state, times, rng))
        count(measures, times, values, MESSAGES[state])
    return measures


def count(measures: Measures, times: Sequence[float], values: Sequence[str], right: str) -> None:
    """Add what one person was told, and when."""
    measures.people += 1
    measures.seconds += STAY
    onsets = [after for before, after in pairwise(["moment", *values]) if after != before]
    wrong = [each for each in onsets if each not in (right, "moment")]
    measures.wrong += len(wrong)
    measures.wrong_go += wrong.count("go")
    measures.changes += max(0, len(onsets) - 1)
    measures.times += first_time(times, values, right)


def first_time(times: Sequence[float], values: Sequence[str], message: str) -> list[float]:
    """When a message comes for the first time, if it does."""
    return [times[values.index(message)]] if message in values else []


def changed(source: Source, rate: float, people: int, seed: int) -> tuple[list[float], list[float]]:
    """Seconds after a change of the mask: until the right verdict, and until `go` ends."""
    right: list[float] = []
    ends: list[float] = []
    for number, (before, after) in enumerate(changes(people)):
        rng = np.random.default_rng([seed, 1, number])
        times = frame_times(rate, rng)
        split = sum(time < CHANGE for time in times)
        stream = [*source(before, times, rng)[:split], *source(after, times, rng)[split:]]
        values, later = messages(times, stream)[split:], [time - CHANGE for time in times[split:]]
        right += first_time(later, values, MESSAGES[after])
        if before == "wear" and values[0] == "go":
            ends += [next((t for t, each in zip(later, values, strict=True) if each != "go"), STAY)]
    return right, ends


def changes(people: int) -> Iterator[tuple[str, str]]:
    """The mask states before and after a change."""
    pairs = [(one, two) for one in labels.MASKS for two in labels.MASKS if one != two]
    for number in range(people):
        yield pairs[number % len(pairs)]


# ------------------------------------------------------------------------------ two people


def cross(rate: float, rng: np.random.Generator) -> str:
    """What becomes of the verdicts on two people who cross, one with a mask and one without:
    `exchanged` if a frame afterwards gives one of them the other's, `anew` if it gives none, else
    `kept`. One walks at 0.5 to 1.7 face widths a second, the other
    stands or walks towards them."""
    door, meeting, right = decision(), 2.5, ("go", "put_on")
    speeds = rng.uniform(60, 200) * np.array([1, -rng.uniform(0, 1)])  # pixels a second
    widths = 120 * rng.uniform(0.8, 1.2, 2)
    heights = 240 + rng.uniform(-15, 15, 2)
    front = int(rng.integers(2))  # hides the other one
    afterwards: set[str] = set()
    for time in ((np.arange(int(5 * rate)) + rng.random()) / rate).tolist():
        centres = 320 + speeds * (time - meeting)
        is_hidden = abs(centres[0] - centres[1]) < 0.5 * widths.mean()
        visible = [front] if is_hidden else [0, 1]
        faces = []
        for each in visible:
            x, y = rng.normal([centres[each], heights[each]], JITTER * widths[each])
            half = widths[each] / 2
            box = x - half, y - half, x + half, y + half
            faces.append(placed(_POOL["wear" if each == 0 else "not_wear"], box))
        situation = door.update(faces, SIZE, time)
        if time > meeting and not is_hidden:
            verdict = {each.face: each.verdict for each in situation.people}
            afterwards |= {
                "kept" if verdict[each] == right[each] else verdict[each] for each in visible
            }
    if afterwards == {"kept"}:
        return "kept"
    return "anew" if afterwards <= {"kept", "moment"} else "exchanged"


if __name__ == "__main__":
    main()
