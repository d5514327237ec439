"""What ships: each recipe and system with its purpose, its score, its time and its needs.

Purpose, command and score are comments at the top of its file:

    # Baseline: a small residual network trained from scratch, in minutes on two cores.
    # maskgate train baseline PEOPLE
    # score: .448 [.420, .476] on 1,356 people; 48 minutes on two shared cores

The score is macro F1 over the 18 classes with its 95% interval, as in docs/results.md. Needs are
read from the settings.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from maskgate.config import recipe, system
from maskgate.config.recipe import Recipe
from maskgate.core.score import Score

RECOMMENDED: Final = "default"
_SCORE: Final = re.compile(
    r"# score: (\.\d+) \[(\.\d+), (\.\d+)\] on ([\d,]+) people; (\d+) minutes on (.+)"
)
_GPU_HEIGHT: Final = 200  # pixels; fits of larger photos take days on a CPU


@dataclass(frozen=True)
class Measured:
    """A published score: macro F1 over so many people, and what the training took."""

    score: Score
    people: int
    minutes: int
    machine: str


@dataclass(frozen=True)
class Shipped:
    """A recipe or system that ships, by the name that `maskgate train` takes: of a system with a
    recipe's name, `systems/NAME`. `needs` lists what else it needs than the extra `train`."""

    name: str
    is_system: bool
    purpose: str
    command: str
    measured: Measured | None
    needs: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """The same as plain values; `score`, `people`, `minutes` and `machine` may be null."""
        measured = self.measured
        return {
            "name": self.name,
            "kind": "system" if self.is_system else "recipe",
            "purpose": self.purpose,
            "command": self.command,
            "score": None if measured is None else vars(measured.score),
            "people": None if measured is None else measured.people,
            "minutes": None if measured is None else measured.minutes,
            "machine": None if measured is None else measured.machine,
            "needs": list(self.needs),
        }


def all_shipped() -> list[Shipped]:
    """The recipes, the recommended one first, and then the systems. Raises MaskgateError."""
    recipes = sorted(recipe.shipped().glob("*.yaml"), key=lambda f: (f.stem != RECOMMENDED, f.stem))
    systems = sorted(system.shipped().glob("*.yaml"))
    return [*map(_recipe, recipes), *map(_system, systems)]


def _recipe(file: Path) -> Shipped:
    return _shipped(file, file.stem, [recipe.load(file)], is_system=False)


def _system(file: Path) -> Shipped:
    has_namesake = (recipe.shipped() / file.name).exists()
    members = system.load(file, []).recipes().values()
    name = f"systems/{file.stem}" if has_namesake else file.stem
    return _shipped(file, name, list(members), is_system=True)


def _shipped(file: Path, name: str, recipes: list[Recipe], is_system: bool) -> Shipped:
    first, *others = file.read_text("utf-8").splitlines()
    commands = [line.removeprefix("# ") for line in others if line.startswith("# maskgate ")]
    own_command = next(line for line in commands if name in line)
    return Shipped(
        name=name,
        is_system=is_system,
        purpose=first.removeprefix("# "),
        command=own_command,
        measured=next(filter(None, map(_measured, others)), None),
        needs=tuple(dict.fromkeys(need for each in recipes for need in _needs(each))),
    )


def _measured(line: str) -> Measured | None:
    match = _SCORE.fullmatch(line)
    if match is None:
        return None
    value, low, high = map(float, match.group(1, 2, 3))
    return Measured(
        Score(value, low, high), int(match[4].replace(",", "")), int(match[5]), match[6]
    )


def _needs(loaded: Recipe) -> Iterator[str]:
    """What a training of the recipe needs besides the extra `train` and labelled photos."""
    model, face = loaded.model, loaded.photo.face
    if loaded.photo.height >= _GPU_HEIGHT:
        yield "a GPU"
    if model.pretrained:
        yield "a download of ImageNet weights"
    if model.weights == "imagenet":
        yield "the extra imagenet"
    if face is not None:
        name = face.detector.name
        yield {
            "auto": "a face detector (YuNet, else MTCNN)",
            "mtcnn": "a face detector (MTCNN)",
            "retinaface": "the extra retinaface",
        }.get(name, f"a face detector ({name})")
    if loaded.data:
        yield "further labelled photos"
    if loaded.pseudo is not None:
        yield "photos without labels and a run that labels them"
