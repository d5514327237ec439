"""Probabilities and attributes of photos, from a trained run."""

from collections.abc import Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd
import torch

from maskgate import ensemble, labels, pixels, runs
from maskgate.config import Named
from maskgate.ensemble import Voice
from maskgate.errors import MaskgateError, listed
from maskgate.model import network
from maskgate.model.network import Network
from maskgate.pixels import Geometry, Pixels
from maskgate.progress import track

_BATCH = 64


class Predictor:
    """One or more networks of one recipe, whose probabilities are averaged."""

    def __init__(self, networks: Sequence[Network], geometry: Geometry) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        self.networks = [model.to(self.device).eval() for model in networks]
        self.geometry = geometry

    @property
    def knows(self) -> tuple[str, ...]:
        """The attributes that the model tells; the others are all as likely."""
        return self.networks[0].head.knows

    def predict(self, paths: Iterable[str | Path], skip_faulty: bool = False) -> pd.DataFrame:
        """One row a photo: `photo`, its `mask`, `gender`, `age_band` in words, each with its
        probability, `label` 0–17 and the probabilities p00…p17.

        What the model does not know is left empty. Raises MaskgateError that names all unreadable
        photos, unless they are to be skipped.
        """
        photos = [Path(path) for path in paths]
        probabilities, faults = self.probabilities(photos)
        if faults and not skip_faulty:
            told = listed([f"{photos[row]} ({why})" for row, why in faults.items()])
            raise MaskgateError(
                f"{len(faults)} of {len(photos)} photos cannot be read: {told}; mend them, or"
                " leave them out with --skip-faulty"
            )
        kept = [row for row in range(len(photos)) if row not in faults]
        return described([str(photos[row]) for row in kept], probabilities[kept], self.knows)

    def probabilities(
        self, photos: Sequence[Path | bytes]
    ) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
        """(N, 18) probabilities, and per unreadable photo (whose row is NaN) the reason."""
        found = np.full((len(photos), labels.COUNT), np.nan, dtype=np.float32)
        faults: dict[int, str] = {}
        with ThreadPoolExecutor() as pool:
            reading = self._read(photos, pool)
            for start, batch in track(reading, "predicting (× 64)", -(-len(photos) // _BATCH)):
                good = []
                for row, pixels_or_reason in enumerate(batch, start):
                    if isinstance(pixels_or_reason, str):
                        faults[row] = pixels_or_reason
                    else:
                        good.append((row, pixels_or_reason))
                if good:
                    rows, pictures = zip(*good, strict=True)
                    found[list(rows)] = self._forward(np.stack(pictures))
        return found, faults

    def _read(
        self, photos: Sequence[Path | bytes], pool: ThreadPoolExecutor
    ) -> Iterator[tuple[int, list[Pixels | str]]]:
        """Batches of pixels or reasons; the next one is decoded while this one is predicted."""

        def read(photo: Path | bytes) -> Pixels | str:
            try:
                return pixels.read(photo, self.geometry)
            except pixels.PhotoError as error:
                return str(error)

        starts = range(0, len(photos), _BATCH)
        waiting = [pool.submit(read, photo) for photo in photos[:_BATCH]]
        for start in starts:
            following = photos[start + _BATCH : start + 2 * _BATCH]
            ahead = [pool.submit(read, photo) for photo in following]
            yield start, [future.result() for future in waiting]
            waiting = ahead

    @torch.inference_mode()
    def _forward(self, pictures: Pixels) -> npt.NDArray[np.float32]:
        batch = torch.from_numpy(pictures).to(self.device)
        mean = torch.stack([model(batch).log_probabilities.exp() for model in self.networks]).mean(
            0
        )
        return mean.float().cpu().numpy()


def described(
    photos: Sequence[str],
    probabilities: npt.NDArray[np.float32],
    knows: Collection[str] = tuple(labels.ATTRIBUTES),
) -> pd.DataFrame:
    """The rows of `Predictor.predict` from probabilities (N, 18) of a model that knows these."""
    columns: dict[str, object] = {"photo": list(photos)}
    for name, part in labels.marginals(probabilities).items():
        told = np.array(labels.ATTRIBUTES[name])[part.argmax(1)]
        columns[name] = told if name in knows else ""
        columns[f"{name}_probability"] = part.max(1).clip(max=1) if name in knows else np.nan
    columns["label"] = probabilities.argmax(1) if set(labels.ATTRIBUTES) <= set(knows) else pd.NA
    whole = pd.DataFrame(probabilities, columns=runs.PROBABILITIES)
    return pd.concat([pd.DataFrame(columns), whole], axis=1)


class Ensemble(Predictor):
    """The members of a system, whose answers to each photo are combined."""

    def __init__(self, members: Sequence[tuple[Predictor, float]], combination: Named) -> None:
        self.members, self.combination = members, combination

    @property
    def knows(self) -> tuple[str, ...]:
        return tuple(n for n in labels.ATTRIBUTES if any(n in m.knows for m, _ in self.members))

    def probabilities(
        self, photos: Sequence[Path | bytes]
    ) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
        """As a Predictor's; the row of a photo that one member cannot read is NaN."""
        voices: list[Voice] = []
        faults: dict[int, str] = {}
        for member, weight in self.members:
            probabilities, unread = member.probabilities(photos)
            voices.append(Voice(probabilities, member.knows, weight))
            faults |= unread
        combined = ensemble.combine(self.combination, voices).astype(np.float32)
        combined[list(faults)] = np.nan
        return combined, faults


def load(model: str | Path) -> Predictor:
    """The predictor of a run folder: the average of its folds, or a system's members combined.

    Raises MaskgateError.
    """
    run = runs.open_run(model)
    if run.is_system:
        weights = [member.weight for member in run.system().members]
        members = [load(member.path) for member in run.members()]
        return Ensemble(list(zip(members, weights, strict=True)), run.system().combine)
    recipe = run.recipe()
    return Predictor([restore(run, fold) for fold in run.folds], recipe.photo.geometry)


def restore(run: runs.Run, fold: int) -> Network:
    """The network of one fold with the weights it ended with."""
    model = network.create(run.recipe(), start=False)
    try:
        model.load_state_dict(run.weights(fold))
    except (RuntimeError, OSError) as error:
        raise MaskgateError(
            f"{run.weights_file(fold)}: does not hold the weights of {run.recipe_file};"
            " remove the run and train it again"
        ) from error
    return model


def photos_in(paths: Iterable[Path]) -> list[Path]:
    """The photos named, and those in the folders named. Raises MaskgateError for a missing one."""
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            found += sorted(
                file
                for file in path.rglob("*")
                if file.suffix.lower() in pixels.SUFFIXES and not file.name.startswith(".")
            )
        elif path.is_file():
            found.append(path)
        else:
            raise MaskgateError(f"{path}: no such photo or folder; mend the path")
    if not found:
        known = ", ".join(sorted(pixels.SUFFIXES))
        raise MaskgateError(
            f"{listed([str(path) for path in paths])}: holds no photo; photos end in {known}"
        )
    return found
