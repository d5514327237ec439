"""Probabilities and attributes of photos, from a trained run."""

import hashlib
import json
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch
from torch import nn

from maskgate import finite, labels, photo_files, photo_inputs, runs, variants
from maskgate.answers import Answer, Kept
from maskgate.config import Named
from maskgate.ensemble import combining, votes
from maskgate.ensemble.combining import Combination, Wanted
from maskgate.ensemble.votes import Voice
from maskgate.errors import MaskgateError, listed
from maskgate.faces import showing, view
from maskgate.faces.showing import BATCH, FACE, Photo
from maskgate.faces.view import View
from maskgate.model import network
from maskgate.model.network import Network
from maskgate.pixels import Pixels
from maskgate.progress import say, track
from maskgate.records.faults import damaged
from maskgate.trust import check_trusted


class Predictor:
    """One or more networks of one recipe that answer together by a `vote`, soft or hard; what each
    says is averaged over the variants of a photo that `tta` names. Raises MaskgateError where it
    cannot."""

    def __init__(
        self,
        networks: Sequence[Network],
        view: View,
        tta: Sequence[Named] = (),
        vote: str = "soft_vote",
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.networks = [model.to(self.device).eval() for model in networks]
        self.views, self.vote = [view], vote
        self.variants = variants.create(tta, view.geometry)

    @property
    def knows(self) -> tuple[str, ...]:
        """The attributes that the model tells; the others are all as likely."""
        return self.networks[0].head.knows

    @property
    def count(self) -> int:
        """How many networks answer."""
        return len(self.networks)

    @property
    def digest(self) -> str:
        """Of all that its answers depend on but the photos."""
        told = hashlib.blake2b(digest_size=16)
        for model in self.networks:
            told.update(repr(model).encode())
            for tensor in model.state_dict().values():
                told.update(tensor.cpu().numpy().tobytes())
        views = [(view.name, view.geometry) for view in self.views]
        told.update(repr((views, self.vote, variants.digest(self.variants))).encode())
        return told.hexdigest()

    def predict(
        self,
        photos: photo_inputs.Given,
        skip_faulty: bool = False,
        all_faces: bool = False,
        kept: Kept | None = None,
    ) -> pd.DataFrame:
        """One row a photo: `photo`, its `mask`, `gender`, `age_band` in words, each with its
        probability, `label` 0–17 and the probabilities p00…p17.

        `photos` is a path, the bytes of a file, a PIL image or an array (H, W, 3) of uint8, or
        an iterable of these; the column `photo` holds the path, or `photo 0` and so on.
        What the model does not know is left empty. A model of faces tells the box of the one it
        was shown as well (BOX and `face_score`, empty where none was found and it saw the photo's
        centre); with `all_faces` there is a row for each. What is `kept` is not answered again.
        Raises MaskgateError that names all unreadable photos, unless they are to be skipped, and
        where `all_faces` cannot be.
        """
        if all_faces:
            self.check_all_faces()
        names, given = photo_inputs.named(photos)
        told = self._answers(given, all_faces, kept)
        _, found, faults = self._table(names, told)
        if faults and not skip_faulty:
            told_why = listed([f"{names[row]} ({why})" for row, why in faults.items()])
            raise MaskgateError(
                f"{len(faults)} of {len(names)} photos cannot be read: {told_why}; mend them, or"
                " leave them out with --skip-faulty"
            )
        return found

    def rows(
        self, photos: Sequence[Photo], names: Sequence[str], all_faces: bool = False
    ) -> tuple[list[int], pd.DataFrame, dict[int, str]]:
        """As `predict`, without a word: the place of each row's photo, the rows, and per
        unreadable photo, which has none, the reason. `names` stand in the column `photo`."""
        batches = self._batches(photos, all_faces)
        return self._table(names, (answer for batch in batches for answer in batch))

    @property
    def finds_faces(self) -> bool:
        """Whether rows tell the box of a face."""
        return any(view.detector is not None for view in self.views)

    def _table(
        self, names: Sequence[str], answers: "Iterable[Answer | str]"
    ) -> tuple[list[int], pd.DataFrame, dict[int, str]]:
        rows: list[int] = []
        boxes, probabilities = [], []
        faults: dict[int, str] = {}
        for row, told in enumerate(answers):
            if isinstance(told, str):
                faults[row] = told
                continue
            rows += [row] * len(told.probabilities)
            boxes.append(told.boxes)
            probabilities.append(told.probabilities)
        whole = np.concatenate([np.empty((0, labels.COUNT), np.float32), *probabilities])
        found = described([names[row] for row in rows], whole, self.knows)
        if self.finds_faces:
            faces = np.concatenate([np.empty((0, len(FACE)), np.float32), *boxes])
            for place, (name, values) in enumerate(zip(FACE, faces.T, strict=True), 1):
                found.insert(place, name, values)
        return rows, found, faults

    def probabilities(
        self, photos: Sequence[Path | bytes], kept: Kept | None = None
    ) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
        """(N, 18) probabilities, and per unreadable photo (whose row is NaN) the reason; what is
        `kept` is not answered again."""
        found = np.full((len(photos), labels.COUNT), np.nan, dtype=np.float32)
        faults: dict[int, str] = {}
        for row, told in enumerate(self._answers(photos, False, kept)):
            if isinstance(told, str):
                faults[row] = told
            else:
                found[row] = told.probabilities[0]
        return found, faults

    def _answers(
        self, photos: Sequence[Photo], all_faces: bool, kept: Kept | None
    ) -> "Iterator[Answer | str]":
        """What is said of each photo, or why it cannot be read; tells how many had no face."""
        batches = [photos[start : start + BATCH] for start in range(0, len(photos), BATCH)]
        there = [None if kept is None else kept.get(batch) for batch in batches]
        left = [
            photo
            for batch, told in zip(batches, there, strict=True)
            for photo in batch
            if told is None
        ]
        found = sum(told is not None for told in there)
        shown = self._batches(left, all_faces)
        made = track(shown, f"predicting (× {BATCH})", len(batches), found)
        missed = 0
        with closing(made):
            for batch, told in zip(batches, there, strict=True):
                said: Sequence[Answer | str] = next(made) if told is None else told
                if kept is not None and told is None:
                    kept.add(batch, said)
                yield from said
                readable = [each for each in said if not isinstance(each, str)]
                missed += sum(bool(np.isnan(each.boxes[0, 0])) for each in readable)
        if missed and self.finds_faces:
            say(f"no face was found in {missed} of {len(photos)} photos: their centre was shown")

    def _batches(self, photos: Sequence[Photo], all_faces: bool) -> "Iterator[list[Answer | str]]":
        for batch in showing.in_batches(photos, self.views, all_faces):
            readable = [each for each in batch if not isinstance(each, str)]
            answers: Iterator[npt.NDArray[np.float32]] = iter(())
            if readable:
                per_view = zip(*(shown.pictures for shown in readable), strict=True)
                said = self._said([np.concatenate(pictures) for pictures in per_view])
                ends = np.cumsum([len(shown.boxes) for shown in readable])[:-1]
                answers = iter(np.split(said, ends))
            yield [
                each if isinstance(each, str) else Answer(each.boxes, next(answers))
                for each in batch
            ]

    @torch.inference_mode()
    def _said(self, pictures: list[Pixels]) -> npt.NDArray[np.float32]:
        """Probabilities (P, 18) of P pictures (P, H, W, 3), as each view stores them. Raises
        MaskgateError where one is not finite."""
        whole, geometry = [], self.views[0].geometry
        for start in range(0, len(pictures[0]), BATCH):
            stored = pictures[0][start : start + BATCH]
            of_variants = []
            for variant in self.variants:
                batch = torch.from_numpy(variant.show(stored, geometry)).to(self.device)
                said = [model(batch).log_probabilities.exp() for model in self.networks]
                of_variants.append(torch.stack(said))
            of_networks = torch.stack(of_variants).mean(0)
            if self.vote == "hard_vote":
                voices = [Voice(each.double().cpu().numpy(), self.knows) for each in of_networks]
                whole.append(votes.hard_vote(voices).astype(np.float32))
            else:
                whole.append(of_networks.mean(0).float().cpu().numpy())
        found = np.concatenate(whole)
        finite.check(found, "the model")
        return found

    def check_all_faces(self) -> None:
        """Raise MaskgateError where there is not one detector to tell the faces of a photo."""
        keys = {view.finds for view in self.views}
        if keys == {""}:
            raise MaskgateError(
                "all faces are asked for, but the model looks at whole photos; train it with"
                " photo.face"
            )
        if len(keys) > 1:
            raise MaskgateError(
                "all faces are asked for, but the members find faces differently; give one of them"
            )


def described(
    photos: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    knows: Collection[str] = tuple(labels.ATTRIBUTES),
) -> pd.DataFrame:
    """The rows of `Predictor.predict` from probabilities (N, 18) of a model that knows these.

    Raises MaskgateError where one is not finite.
    """
    finite.check(probabilities, "the model")
    columns: dict[str, object] = {"photo": list(photos)}
    for name, part in labels.marginals(probabilities).items():
        told = np.array(labels.ATTRIBUTES[name])[part.argmax(1)]
        columns[name] = told if name in knows else ""
        columns[f"{name}_probability"] = part.max(1).clip(max=1) if name in knows else np.nan
    columns["label"] = probabilities.argmax(1) if set(labels.ATTRIBUTES) <= set(knows) else pd.NA
    whole = pd.DataFrame(probabilities, columns=list(labels.PROBABILITY_COLUMNS))
    return pd.concat([pd.DataFrame(columns), whole], axis=1)


class Ensemble(Predictor):
    """The members of a system, whose answers to each photo are combined."""

    def __init__(
        self, members: Sequence[tuple[Predictor, float]], combination: Combination
    ) -> None:
        self.members, self.combination = members, combination
        self.views = [view for member, _ in members for view in member.views]

    @property
    def knows(self) -> tuple[str, ...]:
        return tuple(n for n in labels.ATTRIBUTES if any(n in m.knows for m, _ in self.members))

    @property
    def count(self) -> int:
        return sum(member.count for member, _ in self.members)

    @property
    def digest(self) -> str:
        members = [(member.digest, weight) for member, weight in self.members]
        how = self.combination.wanted, json.dumps(self.combination.learned, sort_keys=True)
        return hashlib.blake2b(repr((members, how)).encode(), digest_size=16).hexdigest()

    def _said(self, pictures: list[Pixels]) -> npt.NDArray[np.float32]:
        voices: list[Voice] = []
        rest = iter(pictures)
        for member, weight in self.members:
            own = list(islice(rest, len(member.views)))
            voices.append(Voice(member._said(own), member.knows, weight))
        return self.combination(voices).astype(np.float32)


def load(
    model: str | Path,
    cache: Path | None = None,
    tta: Sequence[Named] | None = None,
    trust: bool = False,
) -> Predictor:
    """The predictor of a run folder: the average of its folds, or a system's members combined.

    A face detector's model is looked for in the folder `cache`, the user's unless given. The
    test-time augmentation is that of the recipe, of each member its own, unless `tta` is given.
    Raises MaskgateError; so too, before anything is imported, where the run brings code (a backbone
    `package.module:factory`) and is not to be trusted.
    """
    run = runs.open_run(model, trust=trust)
    if run.is_system:
        system = run.system()
        members = []
        for member, inner in zip(system.members, run.members(), strict=True):
            own = member.tta if tta is None else tta
            members.append((load(inner.path, cache, own, trust), member.weight))
        wanted, learned = Wanted.of(system), run.learned().by_name()
        if why := combining.unlike(wanted, learned, [each.knows for each, _ in members]):
            raise damaged(run.combination_file, why)
        return Ensemble(members, Combination(wanted, learned))
    return of_folds(run, run.folds, cache, tta)


def of_folds(
    run: runs.Run,
    folds: Sequence[int],
    cache: Path | None = None,
    tta: Sequence[Named] | None = None,
) -> Predictor:
    """The average of these folds of a single model's run; see `load`. Raises MaskgateError."""
    recipe = run.recipe()
    check_trusted(run, recipe)
    wanted = recipe.tta if tta is None else tta
    try:
        seen = view.create(recipe.photo, cache)
        variants.create(wanted, seen.geometry)
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    networks = [restore(run, fold) for fold in folds]
    return Predictor(networks, seen, wanted, recipe.folds.vote)


def restore(run: runs.Run, fold: int) -> Network:
    """The network of one fold with the weights it ended with."""
    recipe = run.recipe()
    check_trusted(run, recipe)
    try:
        model = network.create(recipe, start=False)
    except MaskgateError as error:
        raise MaskgateError(f"{run.path}: {error}") from error
    never_finite = finite.broken(model.state_dict())
    try:
        model.load_state_dict(run.weights(fold))
    except (RuntimeError, OSError) as error:
        raise MaskgateError(
            f"{run.weights_file(fold)}: does not hold the weights of {run.recipe_file};"
            " remove the run and train it again"
        ) from error
    finite.check_weights(model.state_dict(), never_finite, str(run.weights_file(fold)))
    return model


@torch.inference_mode()
def of_loader(network: nn.Module, loader: Any, device: torch.device) -> npt.NDArray[np.float32]:
    """A network's probabilities (N, 18) of the photos a loader gives, in its order."""
    network.eval()
    parts = [
        network(photos.to(device)).log_probabilities.exp().float().cpu().numpy()
        for photos, _ in loader
    ]
    return np.concatenate(parts) if parts else np.empty((0, labels.COUNT), dtype=np.float32)


def photos_in(paths: Iterable[Path]) -> list[Path]:
    """The photos named, and those in the folders named; says what else these hold.

    Raises MaskgateError for a missing one.
    """
    paths = list(paths)
    found: list[Path] = []
    passed_over = Counter[str]()
    for path in paths:
        if path.is_dir():
            below = photo_files.below(path)
            found += below.photos
            passed_over += below.passed_over
        elif path.is_file():
            found.append(path)
        elif path.exists():
            raise MaskgateError(
                f"{path}: a pipe, socket or device, and no file; copy the photo into a file"
            )
        else:
            raise MaskgateError(f"{path}: no such photo or folder; mend the path")
    if not found:
        raise no_photo([str(path) for path in paths], passed_over)
    if passed_over:
        say(photo_files.sentence(passed_over))
    return found


def no_photo(places: list[str], passed_over: Mapping[str, int]) -> MaskgateError:
    """The fault of places that hold no photo, but other files perhaps."""
    known = ", ".join(sorted(photo_files.SUFFIXES))
    others = f"; {photo_files.sentence(passed_over)}" if passed_over else ""
    return MaskgateError(f"{listed(places)}: holds no photo; photos end in {known}{others}")
