"""The folder of a run: its files by what they hold, and whether they are complete."""

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from maskgate.config import recipe, system
from maskgate.config.recipe import Recipe
from maskgate.config.system import System
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.runs.records import contents, fold, folds, notes, stored
from maskgate.runs.records.distillation import Distillation
from maskgate.runs.records.faults import damaged
from maskgate.runs.records.fold import FoldResult
from maskgate.runs.records.learned import Learned
from maskgate.runs.records.notes import Note
from maskgate.runs.records.results import Results
from maskgate.runs.records.run_files import RunFiles
from maskgate.runs.records.status import Status

# Kept predictions; if they are missing they are computed again.
_KEPT: Final = re.compile(r"oof-[^/]*\.parquet")
_WEIGHTS: Final = re.compile(r"fold-(\d{1,9})/model\.safetensors")
# Keys of every recipe that a training has written.
_WRITTEN: Final = frozenset({"seed", "photo", "folds", "model", "optimizer", "training"})


@dataclass(frozen=True)
class RunFolder:
    """The files of a run folder by what they hold; reading a missing one raises MaskgateError.

    `trusted` means that the user trusts whoever made it, and its members; see `trust`.
    """

    path: Path
    trusted: bool = False

    @property
    def files(self) -> RunFiles:
        """Its files as bytes, each checked against the list in run.json."""
        return RunFiles(self.path)

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def system_file(self) -> Path:
        return self.path / "system.yaml"

    @property
    def is_system(self) -> bool:
        """Whether it is the run of a system, which has members."""
        return self.system_file.exists()

    @property
    def settings_file(self) -> Path:
        """The recipe or the system, with all defaults filled in."""
        return self.system_file if self.is_system else self.recipe_file

    @property
    def folds_file(self) -> Path:
        return self.path / "folds.csv"

    @property
    def photos_file(self) -> Path:
        return self.path / "photos.parquet"

    @property
    def extra_file(self) -> Path:
        """Photos of extra data sets; exists if the recipe's `data` names some."""
        return self.path / "more.parquet"

    @property
    def thumbnails_file(self) -> Path:
        """Thumbnails of all photos that its folds, or the runs it was started from or labelled by,
        may have been trained on."""
        return self.path / "thumbnails.parquet"

    @property
    def detector_folder(self) -> Path:
        """The model of its face detector, if the recipe has one; see `kept_detector`."""
        return self.path / "detector"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def oof_file(self) -> Path:
        return self.path / "oof.parquet"

    def oof_file_with(self, tta_digest: str) -> Path:
        """The same with another test-time augmentation than the recipe's, given by its digest.
        Training also writes the one without, if the recipe has `tta`."""
        return self.path / f"oof-{tta_digest}.parquet"

    @property
    def combination_file(self) -> Path:
        """What a system's combination has learned from the out-of-fold probabilities."""
        return self.path / "combination.json"

    @property
    def distillation_file(self) -> Path:
        """What it keeps of its teacher's gain; exists if `maskgate distill` trained it."""
        return self.path / "distillation.json"

    @property
    def metrics_file(self) -> Path:
        return self.path / "metrics.json"

    @property
    def mistakes_file(self) -> Path:
        return self.path / "mistakes.csv"

    @property
    def report_file(self) -> Path:
        return self.path / "report.html"

    @property
    def notes_file(self) -> Path:
        """What a team wrote down about it; exists after `maskgate note`."""
        return self.path / "notes.json"

    @property
    def status_file(self) -> Path:
        return self.files.status_file

    def fold_folder(self, fold: int) -> Path:
        """The folder of one fold's checkpoint and results."""
        return self.path / f"fold-{fold}"

    def weights_file(self, fold: int) -> Path:
        return self.fold_folder(fold) / "model.safetensors"

    def inherited_file(self, fold: int) -> Path:
        """Digests of the photos that the runs it was started from or labelled by were trained on,
        one a line."""
        return self.fold_folder(fold) / "inherited.txt"

    def pseudo_file(self, fold: int) -> Path:
        """Exists if the fold was trained on pseudo labels."""
        return self.fold_folder(fold) / "pseudo.parquet"

    def fold_file(self, fold: int) -> Path:
        """Time and sampling of the fold's training; exists once the fold is trained."""
        return self.fold_folder(fold) / "fold.json"

    def fold_result(self, number: int) -> FoldResult:
        """Time and sampling of a fold's training. Raises MaskgateError."""
        path = self.fold_file(number)
        return fold.parse(self.files.read(path), path, self.files.remedy(path))

    def fold_seconds(self) -> list[float]:
        """Training seconds of each finished fold, in the order of folds."""
        if not self.folds_file.exists():
            return []
        trained = [number for number in self.folds if self.fold_file(number).exists()]
        return [self.fold_result(number).seconds for number in trained]

    @property
    def folds(self) -> list[int]:
        """The folds of the run; `check` checks that the weights of each exist."""
        listed = self.files.listed()
        if listed is not None:
            matches = [_WEIGHTS.fullmatch(name) for name in listed]
            return sorted(int(match[1]) for match in matches if match)
        if self.folds_file.exists():
            return folds.validated(self.files.read(self.folds_file), self.folds_file)
        recipe_folds = self.recipe().folds
        return list(range(recipe_folds.count)) if recipe_folds.kind == "kfold" else [0]

    def recipe(self) -> Recipe:
        self.files.digest(self.recipe_file)
        loaded = recipe.load(self.recipe_file, alone=True)
        if missing := sorted(_WRITTEN - loaded.model_fields_set):
            raise damaged(self.recipe_file, f"key {missing[0]} is missing")
        return loaded

    def system(self) -> System:
        self.files.digest(self.system_file)
        for name in self.files.listed() or {}:
            if name.startswith("recipes/"):
                self.files.digest(self.path / name)
        return system.load(self.system_file, [], alone=True)

    def members(self) -> "list[RunFolder]":
        """The runs of a system's members, in its order. Raises MaskgateError where one is missing
        or is not the run that the system was made from."""
        runs = []
        digests = self.status().members
        for member in self.system().members:
            if member.run is None:
                run = RunFolder(self.path / "members" / member.name, self.trusted)
                if member.name in digests and run.status().digest != digests[member.name]:
                    raise MaskgateError(
                        f"{run.path}: is another run than the one that {self.path} was trained"
                        f" with; put that back, or remove {self.path} and train it again"
                    )
                runs.append(run)
                continue
            run = RunFolder(Path(member.run), self.trusted)
            if not run.status_file.is_file():
                raise MaskgateError(
                    f"{self.path}: its member {member.name} was the run {run.path}, which is gone;"
                    " put it back, or combine again"
                )
            if member.name not in digests:  # a run may only name runs whose digest it has
                raise MaskgateError(
                    f"{self.status_file}: the digest of its member {member.name} is missing; get"
                    " the run again from its source, or combine again"
                )
            if digests[member.name] != run.status().digest:
                raise MaskgateError(
                    f"{self.path}: its member {run.path} was trained again with another recipe or"
                    " other data; remove the folder and combine again"
                )
            runs.append(run)
        return runs

    def single_models(self) -> "list[RunFolder]":
        """The run itself, or of a system the single models among its members and theirs."""
        if not self.is_system:
            return [self]
        return [model for member in self.members() for model in member.single_models()]

    def kept_detector(self) -> Path | None:
        """The `detector_folder`, its files checked; None where the run has no detector, as it is
        unfinished or of an older version. Raises MaskgateError."""
        names = [name for name in self.files.listed() or {} if name.startswith("detector/")]
        for name in names:
            self.files.digest(self.path / name)
        return self.detector_folder if names else None

    def learned(self) -> Learned:
        """What a system's combination has learned; empty where it does not learn. Raises
        MaskgateError."""
        path = self.combination_file
        if not (EnsembleSpec.from_system(self.system()).learns or self.files.holds(path)):
            return Learned()
        return stored.parse(self.files.read(path), Learned, path)

    def settings(self) -> dict[str, Any]:
        """All keys of the recipe, or of the system and its members, with their values."""
        if not self.is_system:
            return self.recipe().model_dump(mode="json")
        settings = self.system().settings()
        members = settings["members"]
        for run, (name, keys) in zip(self.members(), list(members.items()), strict=True):
            if keys.pop("run", None) is not None:  # replaced by the settings of that run
                run_settings = run.settings()
                settings["folds"] = run_settings.pop("folds")
                overrides = {key: value for key, value in keys.items() if value is not None}
                members[name] = run_settings | overrides
        return settings

    def status(self) -> Status:
        """What run.json holds: recipe, digest, data, root, command, warnings, seconds, finished.
        Raises MaskgateError."""
        return self.files.status()

    def metrics(self) -> Results:
        """What metrics.json holds. Raises MaskgateError."""
        return stored.parse(self.files.read(self.metrics_file), Results, self.metrics_file)

    def distillation(self) -> Distillation | None:
        """What it keeps of its teacher's gain; None unless `maskgate distill` trained it. Raises
        MaskgateError."""
        path = self.distillation_file
        if not self.files.holds(path):
            return None
        return stored.parse(self.files.read(path), Distillation, path)

    def notes(self) -> tuple[Note, ...]:
        """What a team wrote down about it, oldest first. Raises MaskgateError."""
        return notes.read(self.notes_file)

    def add_note(self, text: str, author: str | None = None) -> Note:
        """Write down a note, by default in the user's name. Raises MaskgateError."""
        return notes.add(self.notes_file, text, author)

    def weights(self, fold: int) -> dict[str, Any]:
        """The tensors of a fold's model by name; needs torch. Raises MaskgateError."""
        from safetensors.torch import load_file

        path = self.weights_file(fold)
        self.files.digest(path)
        try:
            return load_file(path)
        except Exception as error:  # damaged content raises errors of any class
            raise damaged(path, f"not weights: {error}") from error

    # ---------------------------------------------------------------- complete or refused

    def update_status(self, **changes: Any) -> None:
        """Set keys of run.json, which is checked before it is written. Raises MaskgateError."""
        self.files.update_status(**changes)

    def finish(self) -> None:
        """Mark the run as finished, and list its files. Raises MaskgateError."""
        self.files.finish(self._files_to_list())

    def check(self) -> None:
        """Raise MaskgateError where the run, or a member of it, is finished and one of its files is
        missing, may not be read, or has another size. Contents are checked when read."""
        self._check(())

    def _check(self, parents: tuple[str, ...]) -> None:
        place = os.path.realpath(self.path)  # circular links raise no error there
        if place in parents:
            raise MaskgateError(f"{self.path}: is a member of itself; remove it and combine again")
        if not self.files.is_finished:
            if parents:
                raise unfinished(self)
            return
        listed = self.files.listed()
        if listed is None:
            self._check_unlisted()
        for name, entry in (listed or {}).items():
            if not _KEPT.fullmatch(name):
                contents.check_exists(self.path / name, entry)
        for member in self.members() if self.is_system else []:
            member._check((*parents, place))

    def _check_unlisted(self) -> None:
        """Check what can be checked in a run of an older version, which has no list of files."""
        contents.check_exists(self.settings_file, None)
        contents.check_exists(self.metrics_file, None)
        if self.is_system:
            return
        numbers, recipe_folds = self.folds, self.recipe().folds
        for number in numbers:
            contents.check_exists(self.weights_file(number), None)
        if any(number not in numbers for number in self._with_weights()):
            raise damaged(self.folds_file, "it has other folds than the run")
        has_count = recipe_folds.kind == "kfold" and recipe_folds.file is None
        if has_count and len(numbers) != recipe_folds.count:
            reason = f"it has {len(numbers)} folds, and the recipe {recipe_folds.count}"
            raise damaged(self.folds_file, reason)

    def _with_weights(self) -> list[int]:
        """The folds whose weights exist."""
        names = (f"{path.parent.name}/{path.name}" for path in self.path.glob("fold-*/*"))
        matches = [_WEIGHTS.fullmatch(name) for name in names]
        return sorted(int(match[1]) for match in matches if match)

    def _files_to_list(self) -> Iterator[Path]:
        """The files of a run that is about to finish. Reports can be written again, and the folds'
        own tables are not read again, so they are not listed."""
        yield from (self.settings_file, self.folds_file, self.photos_file, self.metrics_file)
        optional = [self.extra_file, self.thumbnails_file, self.history_file, self.oof_file]
        yield from (path for path in (*optional, self.combination_file) if path.exists())
        yield from sorted(path for path in self.path.iterdir() if _KEPT.fullmatch(path.name))
        if self.is_system:
            yield from sorted(self.path.glob("recipes/*.yaml"))
            return
        yield from sorted(self.detector_folder.glob("*.onnx"))
        for number in self.folds:
            yield from (self.weights_file(number), self.fold_file(number))
            optional = [self.inherited_file(number), self.pseudo_file(number)]
            yield from (path for path in optional if path.exists())


def unfinished(run: RunFolder) -> MaskgateError:
    """The error for a run that has not been trained to its end."""
    return MaskgateError(f"{run.path}: the run is unfinished; repeat the command that began it")
