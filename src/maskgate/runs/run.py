"""The folder of a run: its files by what they hold, and whether it is whole."""

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
from maskgate.runs.records import contents, fold, folds, stored
from maskgate.runs.records.faults import damaged
from maskgate.runs.records.fold import FoldResult
from maskgate.runs.records.learned import Learned
from maskgate.runs.records.results import Results
from maskgate.runs.records.run_files import RunFiles
from maskgate.runs.records.status import Status

# Kept predictions, which are made again where they are missing.
_KEPT: Final = re.compile(r"oof-[^/]*\.parquet")
_WEIGHTS: Final = re.compile(r"fold-(\d{1,9})/model\.safetensors")
# What every recipe says that a training has written.
_WRITTEN: Final = frozenset({"seed", "photo", "folds", "model", "optimizer", "training"})


@dataclass(frozen=True)
class Run:
    """The files of a run folder by what they hold; reading one that is missing says so.

    `trusted` where the user vouches for whoever made it, and for its members; see `trust`.
    """

    path: Path
    trusted: bool = False

    @property
    def files(self) -> RunFiles:
        """The same as bytes, each as it was when the run ended."""
        return RunFiles(self.path)

    @property
    def recipe_file(self) -> Path:
        return self.path / "recipe.yaml"

    @property
    def system_file(self) -> Path:
        return self.path / "system.yaml"

    @property
    def is_system(self) -> bool:
        """Whether it is the run of a system, whose members are runs in it."""
        return self.system_file.exists()

    @property
    def settings_file(self) -> Path:
        """The recipe, or the system, as resolved."""
        return self.system_file if self.is_system else self.recipe_file

    @property
    def folds_file(self) -> Path:
        return self.path / "folds.csv"

    @property
    def photos_file(self) -> Path:
        return self.path / "photos.parquet"

    @property
    def more_file(self) -> Path:
        """There where the recipe's `data` names further data sets."""
        return self.path / "more.parquet"

    @property
    def thumbnails_file(self) -> Path:
        """Thumbnails of all photos that its folds, or the runs it was started from or labelled by,
        may have been trained on: see `images.thumbnails`."""
        return self.path / "thumbnails.parquet"

    @property
    def detector_folder(self) -> Path:
        """The model of its face detector, there where the recipe has one: see `kept_detector`."""
        return self.path / "detector"

    @property
    def history_file(self) -> Path:
        return self.path / "history.csv"

    @property
    def oof_file(self) -> Path:
        return self.path / "oof.parquet"

    def oof_file_of(self, tta_digest: str) -> Path:
        """The same with another test-time augmentation than the recipe's, given by its digest.
        Training also writes the one without, if the recipe has `tta`."""
        return self.path / f"oof-{tta_digest}.parquet"

    @property
    def combination_file(self) -> Path:
        """What a system's combination has learned of the out-of-fold probabilities."""
        return self.path / "combination.json"

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
    def status_file(self) -> Path:
        return self.files.status_file

    def fold(self, fold: int) -> Path:
        """The folder of one fold's checkpoint and results."""
        return self.path / f"fold-{fold}"

    def weights_file(self, fold: int) -> Path:
        return self.fold(fold) / "model.safetensors"

    def inherited_file(self, fold: int) -> Path:
        """Contents of the photos seen by the runs it was started from or labelled by, a line
        each."""
        return self.fold(fold) / "inherited.txt"

    def pseudo_file(self, fold: int) -> Path:
        """There where the fold was trained on pseudo labels."""
        return self.fold(fold) / "pseudo.parquet"

    def fold_file(self, fold: int) -> Path:
        """What the training of a fold took and drew: there once the fold is trained."""
        return self.fold(fold) / "fold.json"

    def fold_result(self, number: int) -> FoldResult:
        """What the training of a fold took and drew. Raises MaskgateError."""
        path = self.fold_file(number)
        return fold.parse(self.files.read(path), path, self.files.remedy(path))

    def seconds(self) -> list[float]:
        """How long the fit of each finished fold took, in the order of folds."""
        if not self.folds_file.exists():
            return []
        trained = [number for number in self.folds if self.fold_file(number).exists()]
        return [self.fold_result(number).seconds for number in trained]

    @property
    def folds(self) -> list[int]:
        """The folds that it consists of; whether the weights of each are there, `check` tells."""
        listed = self.files.listed()
        if listed is not None:
            found = [_WEIGHTS.fullmatch(name) for name in listed]
            return sorted(int(match[1]) for match in found if match)
        if self.folds_file.exists():
            return folds.validated(self.files.read(self.folds_file), self.folds_file)
        own = self.recipe().folds
        return list(range(own.count)) if own.kind == "kfold" else [0]

    def recipe(self) -> Recipe:
        self.files.digest(self.recipe_file)
        found = recipe.load(self.recipe_file, alone=True)
        if missing := sorted(_WRITTEN - found.model_fields_set):
            raise damaged(self.recipe_file, f"it says nothing of {missing[0]}")
        return found

    def system(self) -> System:
        self.files.digest(self.system_file)
        for name in self.files.listed() or {}:
            if name.startswith("recipes/"):
                self.files.digest(self.path / name)
        return system.load(self.system_file, [], alone=True)

    def members(self) -> "list[Run]":
        """The runs of a system's members, in its order. Raises MaskgateError where one that was
        there before it is gone, or another by now."""
        found = []
        digests = self.status().members
        for member in self.system().members:
            if member.run is None:
                run = Run(self.path / "members" / member.name, self.trusted)
                if member.name in digests and run.status().digest != digests[member.name]:
                    raise MaskgateError(
                        f"{run.path}: is another run than the one that {self.path} was trained"
                        f" with; put that back, or remove {self.path} and train it again"
                    )
                found.append(run)
                continue
            run = Run(Path(member.run), self.trusted)
            if not run.status_file.is_file():
                raise MaskgateError(
                    f"{self.path}: its member {member.name} was the run {run.path}, which is gone;"
                    " put it back, or combine anew"
                )
            if member.name not in digests:  # who does not know it has no say in which runs are read
                raise MaskgateError(
                    f"{self.status_file}: does not tell the digest of its member {member.name};"
                    " get the run again from where it comes, or combine anew"
                )
            if digests[member.name] != run.status().digest:
                raise MaskgateError(
                    f"{self.path}: its member {run.path} was trained anew with another recipe or"
                    " other data; remove the folder and combine anew"
                )
            found.append(run)
        return found

    def kept_detector(self) -> Path | None:
        """The `detector_folder`, its files checked; None where the run keeps no detector: one that
        is unfinished, or that an older version has made. Raises MaskgateError."""
        names = [name for name in self.files.listed() or {} if name.startswith("detector/")]
        for name in names:
            self.files.digest(self.path / name)
        return self.detector_folder if names else None

    def learned(self) -> Learned:
        """What a system's combination has learned; nothing where there is nothing to. Raises
        MaskgateError."""
        path = self.combination_file
        if not (EnsembleSpec.from_system(self.system()).learns or self.files.holds(path)):
            return Learned()
        return stored.parse(self.files.read(path), Learned, path)

    def settings(self) -> dict[str, Any]:
        """All keys of the recipe, or of the system and its members, with their values."""
        if not self.is_system:
            return self.recipe().model_dump(mode="json")
        told = self.system().settings()
        for run, (name, keys) in zip(self.members(), list(told["members"].items()), strict=True):
            if keys.pop("run", None) is not None:  # told by what it was trained with
                own = run.settings()
                told["folds"] = own.pop("folds")
                given = {key: value for key, value in keys.items() if value is not None}
                told["members"][name] = own | given
        return told

    def status(self) -> Status:
        """What run.json holds: recipe, digest, data, root, command, warnings, seconds, finished.
        Raises MaskgateError."""
        return self.files.status()

    def metrics(self) -> Results:
        """What metrics.json holds. Raises MaskgateError."""
        return stored.parse(self.files.read(self.metrics_file), Results, self.metrics_file)

    def weights(self, fold: int) -> dict[str, Any]:
        """The tensors of a fold's model by name; needs torch. Raises MaskgateError."""
        from safetensors.torch import load_file

        path = self.weights_file(fold)
        self.files.digest(path)
        try:
            return load_file(path)
        except Exception as error:  # of damaged content it raises what it likes
            raise damaged(path, f"not weights: {error}") from error

    # ------------------------------------------------------------------- whole or refused

    def tell(self, **news: Any) -> None:
        """Add to run.json, which is checked before it is written. Raises MaskgateError."""
        self.files.tell(**news)

    def end(self) -> None:
        """Write that the run is finished, and what files it consists of. Raises MaskgateError."""
        self.files.end(self._consists_of())

    def check(self) -> None:
        """Raise MaskgateError where the run, or one that is a member of it, is finished and a file
        of it is missing, may not be read, or has another size. Contents are checked when read."""
        self._check(())

    def _check(self, above: tuple[str, ...]) -> None:
        place = os.path.realpath(self.path)  # which takes links that lead round in a circle
        if place in above:
            raise MaskgateError(f"{self.path}: is a member of itself; remove it, and combine anew")
        if not self.files.is_finished:
            if above:
                raise unfinished(self)
            return
        listed = self.files.listed()
        if listed is None:
            self._check_unlisted()
        for name, entry in (listed or {}).items():
            if not _KEPT.fullmatch(name):
                contents.check_there(self.path / name, entry)
        for member in self.members() if self.is_system else []:
            member._check((*above, place))

    def _check_unlisted(self) -> None:
        """What can be checked of a run that an older version has made."""
        contents.check_there(self.settings_file, None)
        contents.check_there(self.metrics_file, None)
        if self.is_system:
            return
        numbers, own = self.folds, self.recipe().folds
        for number in numbers:
            contents.check_there(self.weights_file(number), None)
        if any(number not in numbers for number in self._with_weights()):
            raise damaged(self.folds_file, "it has other folds than the run")
        if own.kind == "kfold" and own.file is None and len(numbers) != own.count:
            why = f"it has {len(numbers)} folds, and the recipe {own.count}"
            raise damaged(self.folds_file, why)

    def _with_weights(self) -> list[int]:
        """The folds whose weights lie in the folder."""
        names = (f"{path.parent.name}/{path.name}" for path in self.path.glob("fold-*/*"))
        matches = [_WEIGHTS.fullmatch(name) for name in names]
        return sorted(int(match[1]) for match in matches if match)

    def _consists_of(self) -> Iterator[Path]:
        """The files of a run that is about to end. The report and the list of mistakes can be
        written anew, and what the folds were put together of is not read again."""
        yield from (self.settings_file, self.folds_file, self.photos_file, self.metrics_file)
        rest = [self.more_file, self.thumbnails_file, self.history_file, self.oof_file]
        yield from (path for path in (*rest, self.combination_file) if path.exists())
        yield from sorted(path for path in self.path.iterdir() if _KEPT.fullmatch(path.name))
        if self.is_system:
            yield from sorted(self.path.glob("recipes/*.yaml"))
            return
        yield from sorted(self.detector_folder.glob("*.onnx"))
        for number in self.folds:
            yield from (self.weights_file(number), self.fold_file(number))
            some = (self.inherited_file(number), self.pseudo_file(number))
            yield from (path for path in some if path.exists())


def unfinished(run: Run) -> MaskgateError:
    """The fault of a run that has not been trained to its end."""
    return MaskgateError(f"{run.path}: the run is unfinished; repeat the command that began it")
