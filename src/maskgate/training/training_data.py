"""Prepares the training data: reads, checks, decodes and splits the photos."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import runs
from maskgate.bundle import drift_measures
from maskgate.config import recipe_files
from maskgate.config.recipe import DataSet, Folds, Labels, Recipe
from maskgate.core.geometry import Geometry
from maskgate.core.progress import track
from maskgate.data import checks, corrections, folds, label_map, layouts, people, training_table
from maskgate.data.column_values import AGE, EXTRA, NEVER, PRIMARY, UNLABELLED
from maskgate.data.table import AGE_GROUP, COLUMNS, Photos
from maskgate.data.training_table import TrainingLabels
from maskgate.errors import MaskgateError
from maskgate.faces import boxes, view
from maskgate.faces.view import View
from maskgate.imaging import pixels
from maskgate.pipeline import cache
from maskgate.pipeline.near_duplicates import near_duplicates_of, with_extra_photos
from maskgate.runs.comparability import ValidationSet
from maskgate.training import fold_data
from maskgate.training import unlabelled as unlabelled_photos
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions

SMOKE_PHOTOS = 64
_SMOKE_PHOTOS_A_PERSON = 7
_CHUNK = 256  # photos measured at a time


@dataclass(frozen=True)
class TrainingData:
    """The photos to train and validate on.

    `photos` are those of the command line; only these are validated on. Their table (P rows) has
    the labels for scoring, and `cluster`, `fold` and `digest`; if faces are cropped, also the face
    boxes (`Boxes.table`).

    `table` is the training table (N rows) of `training_table.build`, with `digest`, `cluster` and
    `fold`. The primary photos come first, in the order of `photos`; the fold of the others is
    NEVER. A cluster may be larger than in `photos`, as extra photos may join two. `store` has the
    pictures of its rows.
    """

    photos: Photos
    table: pd.DataFrame
    store: cache.PhotoStore
    near_duplicates: folds.NearDuplicates  # of `table`
    labels: TrainingLabels
    warnings: list[str]
    unlabelled_root: Path  # the folder of the unlabelled photos
    roots: dict[str, Path]  # the folder of each data set's photos, by its name in `data`
    folder: Path  # the cache

    @property
    def digest(self) -> str:
        """Hash of both tables, the photos' contents, the folds and the corrections."""
        tables = (self.photos.table, self.table)
        texts = [table[_description_columns(table)].to_csv(index=False) for table in tables]
        described = [*texts, self.store.digests, self.labels.truth, self.labels.sha256]
        is_left_out = (self.table["left_out"] != "").to_numpy(dtype=np.bool_)
        arrays = self.photos.table["fold"].to_numpy(dtype=np.int64).tobytes()
        arrays += is_left_out.tobytes()
        return hashlib.sha256(json.dumps(described).encode() + arrays).hexdigest()

    @property
    def folds(self) -> list[int]:
        """The folds to train: one per validation part, or a single one without validation."""
        return sorted({*self.photos.table["fold"].tolist()} - {NEVER}) or [0]

    @property
    def validates(self) -> bool:
        """Whether there are validation people."""
        return bool((self.photos.table["fold"] != NEVER).any())

    def paths(self, rows: Sequence[int]) -> list[Path]:
        """The files of rows of the training table."""
        pairs = self.table.iloc[list(rows)][["photo", "data"]].itertuples(index=False)
        return [self.roots[d] / (p.removeprefix(f"{d}:") if d else p) for p, d in pairs]

    @property
    def unlabelled(self) -> int:
        """How many photos have no labels of their own."""
        return int((self.table["source"] == UNLABELLED).sum())

    @property
    def left_out_for_age(self) -> int:
        """How many photos no fold trains on because of their age."""
        return int((self.table["left_out"] == AGE).sum())

    def measured(self, geometry: Geometry) -> pd.DataFrame:
        """The table of `photos`, where people are validated with the measures of
        `drift_measures.of_picture` of the model's input, which is of this geometry."""
        table = self.photos.table
        if not self.validates:
            return table
        rows = []
        chunks = range(0, len(table), _CHUNK)  # each is read from the disk at once
        for start in track(chunks, "measuring photos", len(table), size=_CHUNK):
            pictures = self.store.rows(np.arange(start, min(start + _CHUNK, len(table))))
            rows += [drift_measures.of_picture(one) for one in pixels.centre(pictures, geometry)]
        return table.join(pd.DataFrame(rows, dtype=np.float32))

    def validated(self, name: str) -> ValidationSet:
        """The validation data of a run with that name, to check whether runs are comparable."""
        return ValidationSet(name, self.photos.table, self.labels.truth)

    def fold_data(self, fold: int) -> FoldData:
        """A fold's training and validation data, before any pseudo labels."""
        return fold_data.of_fold(fold, self.table, self.photos.table)

    def extra(self) -> pd.DataFrame:
        """The rows of extra data, with `digest`, `cluster`, and `not_in`: the folds that do not
        train on them."""
        extra = self.table[self.table["source"] == EXTRA]
        trained = {fold: set(self.fold_data(fold).train.tolist()) for fold in self.folds}
        not_in = [[f for f in self.folds if row not in trained[f]] for row in extra.index]
        columns = [*_description_columns(extra), "digest", "cluster"]
        return extra[columns].assign(not_in=pd.Series(not_in, index=extra.index, dtype=object))


def _description_columns(table: pd.DataFrame) -> list[str]:
    """The columns with what was read of the photos, and how often they are drawn."""
    return [
        name for name in table if name in (*COLUMNS, *AGE_GROUP, "drawn_from", "data", "weight")
    ]


@dataclass(frozen=True)
class _DecodedSet:
    """The usable photos of a data set, with their pictures and, if the view crops them, faces."""

    photos: Photos
    store: cache.PhotoStore
    faces: pd.DataFrame | None  # `Boxes.table`


def prepare(recipe: Recipe, options: TrainOptions) -> TrainingData:
    """Read, check, decode and split the data. Raises MaskgateError that lists all problems."""
    label_corrections = None
    if recipe.labels.corrections is not None:
        label_corrections = corrections.read(recipe_files.corrections(recipe.labels.corrections))
    # All tables are read before any photo, so that missing data is reported at once.
    all_photos = _read(options.data, recipe.labels, options)
    extra_sets = [(data, _read(path, data, options)) for data, path in _paths(recipe.data, options)]
    unlabelled_sets = _unlabelled(recipe, options)

    photo_view = view.create(recipe.photo, options.folder)
    primary = _decoded(all_photos, options.data, photo_view, options)
    training_labels = training_table.training_labels(
        all_photos, primary.photos, label_corrections, recipe.labels
    )
    extra = _decoded_sets(extra_sets, photo_view, options)
    unlabelled = _decoded_sets(unlabelled_sets, photo_view, options)
    others = [*extra, *unlabelled]

    primary_duplicates = near_duplicates_of(primary.photos, primary.store, options.folder)
    # By the labels as read: neither corrections nor extra photos change the folds.
    fold_of_photo = _folds(recipe, options, primary.photos, primary_duplicates)
    table = training_table.build(
        training_labels.training,
        extra=[(data, decoded.photos.table) for data, decoded in extra],
        unlabelled=[(data, decoded.photos.table) for data, decoded in unlabelled],
        settings=recipe.labels,
        dropped=training_labels.dropped,
    )
    store = cache.joined([primary.store, *(decoded.store for _, decoded in others)])
    near_duplicates = with_extra_photos(
        primary_duplicates, Photos(primary.photos.root, table), store, options.folder
    )
    truth = training_labels.true.assign(
        cluster=primary_duplicates.cluster, fold=fold_of_photo, digest=primary.store.digests
    )
    if primary.faces is not None:
        truth = truth.join(primary.faces)
    fold_of_all = np.full(len(table), NEVER, dtype=np.int64)
    fold_of_all[table["source"] == PRIMARY] = fold_of_photo
    return TrainingData(
        photos=replace(primary.photos, table=truth),
        table=table.assign(digest=store.digests, cluster=near_duplicates.cluster, fold=fold_of_all),
        store=store,
        near_duplicates=near_duplicates,
        labels=training_labels,
        warnings=[*_warnings(primary.photos, training_labels, others), *_namesakes(table)],
        unlabelled_root=unlabelled[-1][1].photos.root if unlabelled else Path(),
        roots={"": primary.photos.root}
        | {data.path: decoded.photos.root for data, decoded in others},
        folder=options.folder,
    )


def _warnings(
    photos: Photos, training_labels: TrainingLabels, others: list[tuple[DataSet, _DecodedSet]]
) -> list[str]:
    """A line for each kind of problem of the primary `photos` and their labels, and then of each
    other data set."""
    # A usual name of a column is no warning, but people decide what the scores mean.
    own_problems = [
        each
        for each in photos.problems
        if each.kind not in (checks.OTHER_NAME, checks.SUBFOLDER) or each.detail == "read as person"
    ]
    primary_problems = [
        *people.people_unknown(photos),
        *own_problems,
        *people.doubtful_people(photos),
        *training_labels.problems,
    ]
    warnings = checks.summary(primary_problems)
    for data, decoded in others:
        problems = [*decoded.photos.problems, *people.doubtful_people(decoded.photos)]
        warnings += [f"{line} in {data.path}" for line in checks.summary(problems)]
    return warnings


def _namesakes(table: pd.DataFrame) -> list[str]:
    """A sentence for each extra data set that shares names of people."""
    repeated = table.iloc[training_table.namesakes(table)[:, 1]]
    return [
        f"{len(people)} people of {data} have names of people here (first: {people.iloc[0]}): each"
        " counts as the same person, and is not trained on in the fold that validates that person"
        for data, people in repeated.groupby("data", sort=False)["person"]
    ]


def _paths(sets: tuple[DataSet, ...], options: TrainOptions) -> list[tuple[DataSet, Path]]:
    """The recipe's extra data sets and their paths, which must exist and differ."""
    known = {options.data.resolve()}
    for data in sets:
        path = Path(data.path)
        recipe_files.check_extra(path)
        if path.resolve() in known:
            raise MaskgateError(
                f"{path}: the recipe's data names it, but it is trained on already; remove one of"
                " the two, or raise its weight"
            )
        known.add(path.resolve())
    return [(data, Path(data.path)) for data in sets]


def _unlabelled(recipe: Recipe, options: TrainOptions) -> list[tuple[DataSet, Photos]]:
    """The unlabelled photos as an extra data set, if the recipe names some."""
    if recipe.pseudo is None:
        return []
    photos = unlabelled_photos.read(Path(recipe.pseudo.photos))
    known = [options.data, *(Path(data.path) for data in recipe.data)]
    same = [path for path in known if path.resolve() == photos.root.resolve()]
    if same:
        raise MaskgateError(
            f"{same[0]}: pseudo.photos names it, but it is trained on already with its own labels;"
            " give photos without labels"
        )
    return [(DataSet(path=recipe.pseudo.photos, weight=recipe.pseudo.weight), photos)]


def _read(data: Path, settings: Labels | DataSet, options: TrainOptions) -> Photos:
    photos = layouts.read(data, label_map.of_settings(settings), options.folder)
    checks.refuse(photos.problems, data, options.skip_faulty)
    return photos


def _decoded(photos: Photos, data: Path, photo_view: View, options: TrainOptions) -> _DecodedSet:
    """The data set, of which a smoke test uses only a few photos."""
    if options.smoke:
        photos = photos.take(_smoke_rows(photos.table))
    face_boxes = None
    if photo_view.detector is not None:
        face_boxes, _, _ = boxes.find(photos, photo_view.detector, options.folder)
    store, broken = cache.build(photos, photo_view, options.folder, face_boxes)
    checks.refuse(broken, data, options.skip_faulty)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(f"{data}: no photo that can be used; add some, or give other data")
    faces = (
        None if face_boxes is None else face_boxes.table([bytes.fromhex(d) for d in store.digests])
    )
    return _DecodedSet(photos, store, faces)


def _decoded_sets(
    data_sets: list[tuple[DataSet, Photos]], photo_view: View, options: TrainOptions
) -> list[tuple[DataSet, _DecodedSet]]:
    return [
        (data, _decoded(photos, Path(data.path), photo_view, options)) for data, photos in data_sets
    ]


def _folds(
    recipe: Recipe, options: TrainOptions, photos: Photos, near_duplicates: folds.NearDuplicates
) -> npt.NDArray[np.int64]:
    settings = recipe.folds
    if settings.file is None:
        return folds.split(
            photos,
            near_duplicates.cluster,
            settings.kind,
            count=settings.count,
            fraction=settings.fraction,
            seed=settings.seed,
        )
    runs.verify(Path(settings.file))
    fold_of_photo = folds.read(Path(settings.file), photos, near_duplicates.cluster)
    if not options.smoke:  # a few photos may be of people whom nothing validates
        check_kind(settings, fold_of_photo)
    return fold_of_photo


def check_kind(settings: Folds, fold_of_photo: npt.NDArray[np.int64]) -> None:
    """Raise MaskgateError if the file's folds (N,) contradict `folds.kind`."""
    validates = bool((fold_of_photo != NEVER).any())
    if validates != (settings.kind != "all"):
        fact = "validates people" if validates else "validates nobody"
        raise MaskgateError(
            f"{settings.file}: {fact}, which contradicts folds.kind={settings.kind}; change one"
        )


def _smoke_rows(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Rows of at most SMOKE_PHOTOS photos, of people from each gender × age band in turn."""
    people = table.drop_duplicates("person")
    round_number = people.groupby(["gender", "age_band"]).cumcount()
    chosen: list[int] = []
    by_person = table.groupby("person").indices
    for person in people.assign(turn=round_number).sort_values("turn", kind="stable")["person"]:
        chosen += list(by_person[person])[:_SMOKE_PHOTOS_A_PERSON]
    return np.sort(np.array(chosen[:SMOKE_PHOTOS], dtype=np.int64))
