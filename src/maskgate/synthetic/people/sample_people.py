"""Writes generated people in the competition's layout, for tests and the demo.

::

    root/train/train.csv, root/train/images/<id>_<gender>_<race>_<age>/mask1.jpg …
    root/eval/info.csv, root/eval/images/<40 hex>.jpg
    root/truth/train.csv, eval.csv, planted.csv    the true labels, and the planted errors

A fifth of the people are 60 or older (60–80 years; in the competition 7%, all of them 60): their
classes are a third of the 18 in macro F1, which would be very noisy with fewer people.
"""

import csv
import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from maskgate import labels
from maskgate.data.seven_photos import STEMS
from maskgate.errors import MaskgateError
from maskgate.synthetic.people.brush import Rng, hsv, mix
from maskgate.synthetic.people.drawing import Person, photo

Cell = tuple[int, int]  # gender and age band

ERRORS: Final = ("wrong gender", "photos swapped", "wrong age")
AGES: Final = ((18, 29), (30, 59), (60, 80))  # first and last year of each band

# Of twenty people the first twelve fill every gender × band twice.
_FIRST: Final[list[Cell]] = [(gender, band) for gender in (0, 1) for band in (0, 1, 2)] * 2
_REST: Final[list[Cell]] = [(0, 0), (0, 1), *[(1, 0)] * 3, *[(1, 1)] * 3]
_TRAIN, _EVAL, _CAST, _FAULTS, _IDS, _ORDER = range(6)  # streams of random numbers


@dataclass(frozen=True)
class Planted:
    """One planted error: its kind (of ERRORS, or "twin"), the folder, and the detail."""

    kind: str
    person: str
    detail: str


@dataclass(frozen=True)
class SamplePeople:
    """The result of `make`. `folders` are the names in `train/images`, near-duplicates last."""

    root: Path
    folders: tuple[str, ...]
    eval_photos: int
    planted: tuple[Planted, ...]

    @property
    def train(self) -> Path:
        """The folder with `train.csv` and `images/`."""
        return self.root / "train"

    @property
    def eval(self) -> Path:
        """The folder with `info.csv` and `images/`."""
        return self.root / "eval"

    @property
    def truth(self) -> Path:
        """The folder with the true labels (`train.csv`, `eval.csv`) and `planted.csv`."""
        return self.root / "truth"


@dataclass(frozen=True)
class _Folder:
    """A person of the training set: the true labels, and those of the folder's name."""

    index: int
    gender: int
    age: int
    id: str
    folder_gender: int
    folder_age: int
    swapped: bool = False

    @property
    def name(self) -> str:
        return f"{self.id}_{labels.GENDERS[self.folder_gender]}_Asian_{self.folder_age}"

    @property
    def cell(self) -> Cell:
        return self.gender, int(labels.age_band(self.age))

    def label(self, stem: str) -> int:
        """The true class of the photo that is stored as `stem`."""
        swap = {"incorrect_mask": "normal", "normal": "incorrect_mask"} if self.swapped else {}
        return _label(STEMS[swap.get(stem, stem)], self.gender, self.age)


def make(
    root: Path,
    people: int = 120,
    eval_people: int = 40,
    size: tuple[int, int] = (96, 72),
    seed: int = 7,
    irregular_files: bool = True,
    label_errors: int = 3,
    twins: int = 1,
    on_person: Callable[[], None] | None = None,
) -> SamplePeople:
    """Draw `people` (and `twins` more folders) for training and `eval_people` test people.

    `size` is (height, width) in pixels. `irregular_files` adds what the original data has: mixed
    extensions, palette PNGs, AppleDouble files, ids that end in `-1` or occur twice.
    `label_errors` people have wrong labels; `twins` people occur again under another id, with
    slightly changed photos. `on_person` is called after each training folder and each test person.
    The same arguments give the same bytes, and a person does not depend on the number of people.
    With 12 or more people all 18 classes occur. Raises MaskgateError if `root` is in use.
    """
    folders_to_write = [root / part for part in ("train", "eval", "truth")]
    if any(part.exists() for part in folders_to_write):
        raise MaskgateError(f"{root} already has train, eval or truth: name another folder")
    for part in (root / "train" / "images", root / "eval" / "images", root / "truth"):
        part.mkdir(parents=True)
    report_progress = on_person or (lambda: None)
    folders, planted = _with_errors(_folders(people, seed, irregular_files), label_errors, seed)
    images = root / "train" / "images"
    for folder in folders:
        _write_person(
            images / folder.name, folder, size, seed=seed, irregular_files=irregular_files
        )
        report_progress()
    correctly_labelled = [
        folder for folder in folders if folder.name not in {p.person for p in planted}
    ]
    for number, source in enumerate(correctly_labelled[::-1][:twins]):
        twin = replace(source, index=people + number, id=_id(people + number, seed))
        _write_twin(images / source.name, images / twin.name, _rng(seed, _FAULTS, twin.index))
        folders.append(twin)
        planted.append(Planted("twin", twin.name, f"the same person as {source.name}"))
        report_progress()
    _write_train_tables(root, folders, planted)
    answers = _write_eval(
        root / "eval", eval_people, size, seed=seed, report_progress=report_progress
    )
    _write_csv(root / "truth" / "eval.csv", ("ImageID", "ans", "person"), answers)
    return SamplePeople(root, tuple(f.name for f in folders), len(answers), tuple(planted))


def _rng(seed: int, *stream: int) -> Rng:
    return np.random.default_rng([seed, *stream])


def _label(mask: str, gender: int, age: int) -> int:
    return int(labels.encode(labels.MASKS.index(mask), gender, labels.age_band(age)))


def _cast(count: int, seed: int, group: int) -> list[tuple[int, int]]:
    """Gender and age in years of the first `count` people."""
    cast: list[tuple[int, int]] = []
    while len(cast) < count:
        rng = _rng(seed, _CAST, group, len(cast))
        for cells in (_FIRST, _REST):
            for gender, band in rng.permutation(cells):
                youngest, oldest = AGES[band]
                years = (oldest + 1 - youngest) * rng.beta(1.5, 1.5)  # fewer near 30 and 60
                cast.append((int(gender), youngest + int(years)))
    return cast[:count]


def _id(index: int, seed: int) -> str:
    return f"{7 * index + int(_rng(seed, _IDS, index).integers(1, 8)):06d}"


def _folders(people: int, seed: int, irregular_files: bool) -> list[_Folder]:
    cast = _cast(people, seed, _TRAIN)
    folders = [
        _Folder(
            index=index,
            gender=gender,
            age=age,
            id=_id(index, seed),
            folder_gender=gender,
            folder_age=age,
        )
        for index, (gender, age) in enumerate(cast)
    ]
    if irregular_files:
        for index in range(4, people, 20):  # these two have the same six digits
            folders[index] = replace(folders[index], id=folders[index - 1].id + "-1")
        for index in range(1, people):
            if cast[index][0] == cast[0][0] and cast[index][1] != cast[0][1]:
                folders[index] = replace(folders[index], id=folders[0].id)
                break
    return folders


def _with_errors(
    folders: list[_Folder], count: int, seed: int
) -> tuple[list[_Folder], list[Planted]]:
    """The folders, `count` of them with wrong labels, and the list of these errors."""
    rng, seen_cells, spare_indices, last_indices = (
        _rng(seed, _FAULTS),
        set[Cell](),
        list[int](),
        list[int](),
    )
    ids = [folder.id for folder in folders]
    for folder in folders:  # the first of each gender × band is changed only if no other is left
        if ids.count(folder.id) == 1:  # otherwise a wrong age could give two folders the same name
            (spare_indices if folder.cell in seen_cells else last_indices).append(folder.index)
        seen_cells.add(folder.cell)
    mislabelled = [*rng.permutation(spare_indices), *rng.permutation(last_indices)][:count]
    folders, planted = folders.copy(), []
    for number, index in enumerate(mislabelled):
        folder, kind = folders[index], ERRORS[number % len(ERRORS)]
        true = f"{labels.GENDERS[folder.gender]}, {folder.age} years"
        if kind == "wrong gender":
            wrong = replace(folder, folder_gender=1 - folder.gender)
        elif kind == "wrong age":
            band = (folder.cell[1] + int(rng.integers(1, len(AGES)))) % len(AGES)
            wrong = replace(folder, folder_age=int(rng.integers(AGES[band][0], AGES[band][1] + 1)))
        else:
            wrong, true = replace(folder, swapped=True), "incorrect_mask and normal are swapped"
        folders[index] = wrong
        planted.append(Planted(kind, wrong.name, true))
    return folders, planted


def person(rng: Rng, gender: int, age: int) -> Person:
    """A random face. The traits of genders and ages overlap, so that none is certain."""
    woman, old = gender == 1, float(np.clip((age - 22) / 44, 0, 1.15))
    chance = rng.random

    def trait(man: float, woman_: float, spread: float, low: float = 0, high: float = 1) -> float:
        return float(np.clip(rng.normal(woman_ if woman else man, spread), low, high))

    def aged(spread: float) -> float:
        return float(np.clip(old + rng.normal(0, spread), 0, 1))

    grey = float(np.clip((age - 42) / 28 + rng.normal(0, 0.15), 0, 1))
    if chance() < (0.2 if age > 45 else 0.06):  # dyed, or bleached
        grey = 0.05 if age > 45 else float(rng.uniform(0.2, 0.9))
    hair = hsv(rng.uniform(0.02, 0.1), rng.uniform(0.3, 0.8), rng.uniform(0.3, 0.85))
    hair = mix((30, 22, 20), hair, float(rng.beta(1, 2.2)))
    tied = str(rng.choice(["loose", "pony", "bun"], p=[0.75, 0.15, 0.1] if woman else [1, 0, 0]))
    long = chance() < (0.85 if woman else 0.12) and tied == "loose"
    fringes = [0.35, 0.35, 0.3] if woman else [0.5, 0.3, 0.2]
    return Person(
        skin=mix((252, 226, 204), (158, 104, 74), float(rng.beta(1.2, 2.4))),
        hair=hsv(chance(), 0.5, 0.7) if chance() < 0.06 else hair,
        iris=mix((60, 36, 24), (120, 84, 50), chance()),
        jaw=trait(0.75, 0.2, 0.2),
        length=float(rng.normal(1 + 0.03 * old, 0.035)),
        eyes=trait(1.02, 1.14, 0.05, low=0.7, high=1.35) - 0.25 * old,
        brows=trait(0.16, 0.08, 0.025, low=0.05, high=0.22),
        lashes=trait(0.1, 0.8, 0.2),
        lips=trait(0.25, 0.75, 0.2),
        nose=trait(1.15, 0.95, 0.1, low=0.7, high=1.5),
        hair_length=float(rng.uniform(0.6, 2.3)) if long else -1.0,
        volume=float(rng.uniform(0.02, 0.2)),
        fringe=str(rng.choice(["up", "swept", "bangs"], p=fringes)),
        tied=tied,
        parting=float(rng.uniform(-1, 1)),
        grey=grey,
        recede=0.1 * chance() if woman else 0.9 * aged(0.25),
        wrinkles=aged(0.06),
        sag=aged(0.06),
        beard=float(rng.uniform(0.15, 0.7)) if not woman and chance() < 0.25 else 0.0,
        glasses=chance() < 0.08 + 0.4 * old,
        earrings=chance() < (0.4 if woman else 0.04),
        mole=float(rng.uniform(-1, 1)),
    )


def _write_person(
    folder_path: Path, folder: _Folder, size: tuple[int, int], seed: int, irregular_files: bool
) -> None:
    folder_path.mkdir()
    face = person(_rng(seed, _TRAIN, folder.index), folder.gender, folder.age)
    for number, stem in enumerate(STEMS):
        mask = labels.MASKS[folder.label(stem) // 6]
        image = photo(face, mask, size, _rng(seed, _TRAIN, folder.index, number + 1))
        suffix = ".jpg"
        if irregular_files:  # of twenty people one has .jpeg, one PNG, one several formats
            mixed = (".jpg", ".jpeg", ".png")[number % 3]
            suffix = {3: ".jpeg", 6: ".png", 9: mixed}.get(folder.index % 20, ".jpg")
        if suffix == ".png":
            image.quantize(256).save(folder_path / f"{stem}.png")
        else:
            image.save(folder_path / f"{stem}{suffix}", quality=92)
        if irregular_files and folder.index % 10 == 2:
            (folder_path / f"._{stem}{suffix}").write_bytes(_apple_double())
    if irregular_files and folder.index % 20 == 7:
        (folder_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1" + bytes(56))


def _apple_double() -> bytes:
    """The file that macOS writes next to another on foreign disks; it is not a picture."""
    head = struct.pack(">II16sH", 0x00051607, 0x00020000, b"Mac OS X".ljust(16), 2)
    entries = struct.pack(">IIIIII", 9, 50, 32, 2, 82, 0)  # Finder information, resource fork
    return head + entries + bytes(32)


def _write_twin(source: Path, place: Path, rng: Rng) -> None:
    """Write the photos of `source` again: slightly cropped, brighter or darker, coarser JPEG."""
    place.mkdir()
    for stem in STEMS:
        with Image.open(next(source.glob(f"{stem}.*"))) as opened:
            image = opened.convert("RGB")
        (left, top), keep = rng.uniform(0, 0.03, 2), rng.uniform(0.95, 0.97)
        box = (left, top, left + keep, top + keep)
        box = tuple(part * image.size[i % 2] for i, part in enumerate(box))
        image = image.resize(image.size, Image.Resampling.BICUBIC, box=box)
        gain = float(rng.uniform(0.92, 1.08))
        image = image.point([min(255, round(level * gain)) for level in range(256)] * 3)
        image.save(place / f"{stem}.jpg", quality=int(rng.integers(70, 86)))


def _write_train_tables(root: Path, folders: list[_Folder], planted: list[Planted]) -> None:
    genders = labels.GENDERS
    rows = [(f.id, genders[f.folder_gender], "Asian", f.folder_age, f.name) for f in folders]
    _write_csv(root / "train" / "train.csv", ("id", "gender", "race", "age", "path"), rows)
    truth = [
        (folder.name, f"{folder.name}/{path.name}", folder.label(path.stem))
        for folder in folders
        for path in sorted((root / "train" / "images" / folder.name).iterdir())
        if path.stem in STEMS
    ]
    _write_csv(root / "truth" / "train.csv", ("person", "photo", "label"), truth)
    rows_of_planted = [(fault.kind, fault.person, fault.detail) for fault in planted]
    _write_csv(root / "truth" / "planted.csv", ("kind", "person", "detail"), rows_of_planted)


def _write_eval(
    place: Path, people: int, size: tuple[int, int], seed: int, report_progress: Callable[[], None]
) -> list[tuple[str, int, int]]:
    """Write the test photos; their name, true class and person, in the order of `info.csv`."""
    answers = []
    for index, (gender, age) in enumerate(_cast(people, seed, _EVAL)):
        face = person(_rng(seed, _EVAL, index), gender, age)
        for number, mask in enumerate(STEMS.values()):
            name = hashlib.sha1(f"{seed} {index} {number}".encode()).hexdigest() + ".jpg"
            image = photo(face, mask, size, _rng(seed, _EVAL, index, number + 1))
            image.save(place / "images" / name, quality=92)
            answers.append((name, _label(mask, gender, age), index))
        report_progress()
    answers = [answers[i] for i in _rng(seed, _ORDER).permutation(len(answers))]
    _write_csv(place / "info.csv", ("ImageID", "ans"), [(name, 0) for name, *_ in answers])
    return answers


def _write_csv(path: Path, header: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)
