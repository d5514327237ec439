"""Gets the photos ready to train on: read, checked, decoded and split."""

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import runs
from maskgate.config import recipe_files
from maskgate.config.recipe import DataSet, Recipe
from maskgate.data import checks, corrections, folds, layouts, people, training_table
from maskgate.data.column_values import AGE, EXTRA, NEVER, PRIMARY, UNLABELLED
from maskgate.data.table import COLUMNS, Photos
from maskgate.data.training_table import TrainingLabels
from maskgate.errors import MaskgateError
from maskgate.faces import boxes, view
from maskgate.faces.view import View
from maskgate.pipeline import cache
from maskgate.pipeline.twins import near_duplicates_of, with_extra_photos
from maskgate.runs.comparability import ValidationSet
from maskgate.training import fold_data
from maskgate.training import unlabelled as unlabelled_photos
from maskgate.training.fold_data import FoldData
from maskgate.training.options import TrainOptions

SMOKE_PHOTOS = 64
_SMOKE_PHOTOS_A_PERSON = 7


@dataclass(frozen=True)
class TrainingData:
    """The photos ready to train on.

    `photos` are those of the command line, the only ones validated on. Their table (P rows) has the
    true labels that scores are taken against, and `cluster`, `fold` and `digest`; where faces are
    cropped, also what was found of them (`Boxes.table`).

    `table` is the training table (N rows) as `training_table.build` makes it, with `digest`,
    `cluster` and `fold` as well: the primary photos come first, in the order of `photos`; the fold
    of others is NEVER. A cluster here may be larger than in `photos`, as extra photos may join two.
    `store` goes by its rows.
    """

    photos: Photos
    table: pd.DataFrame
    store: cache.PhotoStore
    twins: folds.NearDuplicates  # of `table`
    labels: TrainingLabels
    warnings: list[str]
    unlabelled_root: Path  # the folder that the unlabelled photos are in
    folder: Path  # the cache's

    @property
    def digest(self) -> str:
        """Of truth and training table, the photos' contents, the folds and the corrections."""
        tables = (self.photos.table, self.table)
        texts = [table[_described(table)].to_csv(index=False) for table in tables]
        described = [*texts, self.store.digests, self.labels.truth, self.labels.sha256]
        is_left_out = (self.table["left_out"] != "").to_numpy(dtype=np.bool_)
        arrays = self.photos.table["fold"].to_numpy(dtype=np.int64).tobytes()
        arrays += is_left_out.tobytes()
        return hashlib.sha256(json.dumps(described).encode() + arrays).hexdigest()

    @property
    def folds(self) -> list[int]:
        """The folds to train: those validated on, or a single one without validation."""
        return sorted({*self.photos.table["fold"].tolist()} - {NEVER}) or [0]

    @property
    def validates(self) -> bool:
        """Whether anybody is validated on."""
        return bool((self.photos.table["fold"] != NEVER).any())

    @property
    def unlabelled(self) -> int:
        """How many photos have no labels of their own."""
        return int((self.table["source"] == UNLABELLED).sum())

    @property
    def left_out_for_age(self) -> int:
        """How many photos no fold trains on, for their age."""
        return int((self.table["left_out"] == AGE).sum())

    def validated(self, name: str) -> ValidationSet:
        """What the scores of a run by that name would be taken on."""
        return ValidationSet(name, self.photos.table, self.labels.truth)

    def fold_data(self, fold: int) -> FoldData:
        """What a fold is trained on and validated on, before any pseudo labels."""
        return fold_data.of_fold(fold, self.table, self.photos.table)

    def extra(self) -> pd.DataFrame:
        """The rows of extra data sets, with `digest`, `cluster`, and `not_in`: the folds whose
        training they are kept out of."""
        extra = self.table[self.table["source"] == EXTRA]
        trained = {fold: set(self.fold_data(fold).train.tolist()) for fold in self.folds}
        not_in = [[f for f in self.folds if row not in trained[f]] for row in extra.index]
        columns = [*_described(extra), "digest", "cluster"]
        return extra[columns].assign(not_in=pd.Series(not_in, index=extra.index, dtype=object))


def _described(table: pd.DataFrame) -> list[str]:
    """The columns that tell of photos what was read, and how often they are drawn."""
    return [name for name in table if name in (*COLUMNS, "drawn_from", "data", "weight")]


def prepare(recipe: Recipe, options: TrainOptions) -> TrainingData:
    """Read, check, decode and split the data. Raises MaskgateError that tells all faults."""
    wanted = recipe.labels
    fixes = None
    if wanted.corrections is not None:
        fixes = corrections.read(recipe_files.corrections(wanted.corrections))
    # All tables are read before any photo is: what is missing is told at once.
    read = _read(options.data, options)
    extra = [(data, _read(path, options)) for data, path in _paths(recipe.data, options)]
    unlabelled = _unlabelled(recipe, options)
    seen = view.create(recipe.photo, options.folder)
    photos, store, faces = _decoded(read, options.data, seen, options)
    told = training_table.training_labels(read, photos, fixes, wanted)
    others = [
        (data, *_decoded(photos, Path(data.path), seen, options))
        for data, photos in (*extra, *unlabelled)
    ]

    own = near_duplicates_of(photos, store, options.folder)
    # By the labels as read: neither corrections nor extra photos change who is validated when.
    fold = _folds(recipe, options, photos, own)
    tables = [(data, each.table) for data, each, _, _ in others]
    table = training_table.build(
        told.training, extra=tables[: len(extra)], unlabelled=tables[len(extra) :], settings=wanted
    )
    whole = cache.joined([store, *(each for _, _, each, _ in others)])
    twins = with_extra_photos(own, Photos(photos.root, table), whole, options.folder)
    doubts = [*people.people_unknown(photos), *photos.problems, *people.doubtful_people(photos)]
    warnings = checks.summary([*doubts, *told.problems])
    for data, each, _, _ in others:
        doubts = [*each.problems, *people.doubtful_people(each)]
        warnings += [f"{line} in {data.path}" for line in checks.summary(doubts)]
    warnings += _namesakes(table)
    truth = told.true.assign(cluster=own.cluster, fold=fold, digest=store.digests)
    fold_of_all = np.full(len(table), NEVER, dtype=np.int64)
    fold_of_all[table["source"] == PRIMARY] = fold
    return TrainingData(
        photos=replace(photos, table=truth if faces is None else truth.join(faces)),
        table=table.assign(digest=whole.digests, cluster=twins.cluster, fold=fold_of_all),
        store=whole,
        twins=twins,
        labels=told,
        warnings=warnings,
        unlabelled_root=others[-1][1].root if unlabelled else Path(),
        folder=options.folder,
    )


def _namesakes(table: pd.DataFrame) -> list[str]:
    """A sentence for each extra data set with people of the same names."""
    namesakes = table.iloc[training_table.namesakes(table)[:, 1]]
    return [
        f"{len(people)} people of {data} have names of people here (first: {people.iloc[0]}): each"
        " is taken for the same person, and not trained on where that one is validated"
        for data, people in namesakes.groupby("data", sort=False)["person"]
    ]


def _paths(sets: tuple[DataSet, ...], options: TrainOptions) -> list[tuple[DataSet, Path]]:
    """The recipe's further data sets and where they lie, each once and all there."""
    known = {options.data.resolve()}
    for data in sets:
        path = Path(data.path)
        recipe_files.check_extra(path)
        if path.resolve() in known:
            raise MaskgateError(
                f"{path}: the recipe's data names it, and it is trained on already; remove one of"
                " the two, or raise its weight"
            )
        known.add(path.resolve())
    return [(data, Path(data.path)) for data in sets]


def _unlabelled(recipe: Recipe, options: TrainOptions) -> list[tuple[DataSet, Photos]]:
    """The photos without labels as a further data set, if the recipe asks for some."""
    if recipe.pseudo is None:
        return []
    photos = unlabelled_photos.read(Path(recipe.pseudo.photos))
    known = [options.data, *(Path(data.path) for data in recipe.data)]
    same = [path for path in known if path.resolve() == photos.root.resolve()]
    if same:
        raise MaskgateError(
            f"{same[0]}: pseudo.photos names it, and it is trained on already with its own labels;"
            " give photos without labels"
        )
    return [(DataSet(path=recipe.pseudo.photos, weight=recipe.pseudo.weight), photos)]


def _read(data: Path, options: TrainOptions) -> Photos:
    photos = layouts.read(data)
    checks.refuse(photos.problems, data, options.skip_faulty)
    return photos


def _decoded(
    photos: Photos, data: Path, seen: View, options: TrainOptions
) -> tuple[Photos, cache.PhotoStore, pd.DataFrame | None]:
    """The photos that can be used, a few of them for a smoke test, their store and faces."""
    if options.smoke:
        photos = photos.take(_few(photos.table))
    found = None
    if seen.detector is not None:
        found, _, _ = boxes.find(photos, seen.detector, options.folder)
    store, broken = cache.build(photos, seen, options.folder, found)
    checks.refuse(broken, data, options.skip_faulty)
    photos = photos.without(broken)
    if not len(photos.table):
        raise MaskgateError(f"{data}: no photo that can be used; add some, or give other data")
    faces = None if found is None else found.table([bytes.fromhex(d) for d in store.digests])
    return photos, store, faces


def _folds(
    recipe: Recipe, options: TrainOptions, photos: Photos, twins: folds.NearDuplicates
) -> npt.NDArray[np.int64]:
    wanted = recipe.folds
    if wanted.file is None:
        return folds.split(
            photos,
            twins.cluster,
            wanted.kind,
            count=wanted.count,
            fraction=wanted.fraction,
            seed=wanted.seed,
        )
    runs.verify(Path(wanted.file))
    fold = folds.read(Path(wanted.file), photos, twins.cluster)
    validates = bool((fold != NEVER).any())
    if validates != (wanted.kind != "all") and not options.smoke:
        does = "validates people" if validates else "validates nobody"
        raise MaskgateError(
            f"{wanted.file}: {does}, which contradicts folds.kind={wanted.kind}; change one"
        )
    return fold


def _few(table: pd.DataFrame) -> npt.NDArray[np.int64]:
    """Rows of at most SMOKE_PHOTOS photos, of people from every gender × age band in turn."""
    people = table.drop_duplicates("person")
    turn = people.groupby(["gender", "age_band"]).cumcount()
    chosen: list[int] = []
    by_person = table.groupby("person").indices
    for person in people.assign(turn=turn).sort_values("turn", kind="stable")["person"]:
        chosen += list(by_person[person])[:_SMOKE_PHOTOS_A_PERSON]
    return np.sort(np.array(chosen[:SMOKE_PHOTOS], dtype=np.int64))
