"""The recipe: one YAML file that fully determines one model.

The names of techniques are looked up in dicts next to their implementations when the run starts.
"""

import hashlib
import json
import re
from functools import reduce
from itertools import product
from operator import getitem
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from maskgate.config import settings, trackers, yaml12
from maskgate.config.settings import LOSSLESS, Component, ListOf, Section
from maskgate.config.trackers import TrackerSettings
from maskgate.core import files
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError

Share = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, le=1)]
Tier = Literal["sure", "likely", "doubtful"]
PhotoWeight = Annotated[float, Field(gt=0, le=1000)]  # how often each photo is drawn
Epochs = Annotated[int, Field(ge=0, le=100_000), LOSSLESS]
PositiveEpochs = Annotated[int, Field(ge=1, le=100_000), LOSSLESS]
Count = Annotated[int, Field(ge=1, le=1_000_000), LOSSLESS]


def expand_bare_name(value: Any) -> Any:
    """Allow a name without arguments to be written as plain text."""
    return {"name": value} if isinstance(value, str) else value


class Face(Section):
    """The face is cropped from the photo in the input's aspect ratio, in training, validation,
    test and prediction alike. A photo without a face is cropped to its centre, by `crop`."""

    detector: Annotated[Component, BeforeValidator(expand_bare_name)] = Field(
        Component(name="auto"),
        description="face detector; `auto` is `yunet` if its model is available, else `mtcnn`",
    )
    sha256: str | None = Field(
        None,
        description="SHA-256 of the detector's model; training sets it, so that the run always uses"
        " the same model",
    )
    margin: Annotated[float, Field(ge=0, le=2)] = Field(
        0.2, description="margin on each side, as a share of the face box"
    )
    align: bool = Field(False, description="rotate the photo so that the eyes are level")
    background: Literal["keep", "remove"] = Field(
        "keep",
        description="`remove` paints the background grey, as segmented by GrabCut; a photo without"
        " a face keeps its background",
    )


class Photo(Section):
    """What the model sees of a photo."""

    height: Annotated[int, Field(ge=8, le=2048), LOSSLESS] = Field(
        128, description="input height, pixels"
    )
    width: Annotated[int, Field(ge=8, le=2048), LOSSLESS] = Field(
        96, description="input width, pixels"
    )
    margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.125,
        description="share by which the stored photo is larger than the input, as room for"
        " `random_crop`; validation and test take the centre",
    )
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of a photo's height and width that is kept around its centre, in"
        " training, validation, test and prediction alike",
    )
    face: Face | None = Field(None, description="crop the face instead; `{}` takes the defaults")

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.height, self.width, self.margin, self.crop)


def as_text(value: Any) -> Any:
    """Allow the words of a mapping to be whole numbers, and an empty one to be null."""
    if isinstance(value, dict):
        return {as_text(key): as_text(inner) for key, inner in value.items()}
    if value is None:
        return ""
    return str(value) if type(value) is int else value


Columns = dict[Literal["photo", "person", "mask", "gender", "age", "age_group", "class"], str]
Words = Annotated[
    dict[Literal["mask", "gender", "age", "age_group", "class"], dict[str, str]],
    BeforeValidator(lambda value: {} if value is None else as_text(value)),
]


class DataSet(Section):
    """Extra photos to train on. They are never used for validation."""

    path: str = Field(
        description="a folder of people, a CSV or any other layout, as for `maskgate train`"
    )
    weight: PhotoWeight = Field(
        1.0, description="how often a photo is drawn, relative to one of the command line's data"
    )
    columns: Columns = Field({}, description="its columns, as `labels.columns`")
    map: Words = Field({}, description="its words, as `labels.map`")


class Thresholds(Section):
    """How probable an attribute must be to become a label; below, it stays unknown."""

    mask: Threshold = Field(0.95, description="of the mask")
    gender: Threshold = Field(0.95, description="of the gender")
    age_band: Threshold = Field(0.9, description="of the age band")


class Pseudo(Section):
    """Photos without labels to train on, with labels predicted by a run. A fold's pseudo labels
    never come from a model trained on its validation people. They are never used for validation."""

    photos: str = Field(description="a folder of photos, or one with the test photos' `info.csv`")
    run: str = Field(
        description="the finished run that predicts their labels; refused if it was trained"
        " on validation people"
    )
    thresholds: Thresholds = Thresholds()
    cap: Count | None = Field(
        None,
        description="maximum number of photos per class, the most probable ones; photos that lack"
        " the same attributes and agree in the others count as one class",
    )
    weight: PhotoWeight = Field(
        1.0, description="how often a photo is drawn, relative to one of the command line's data"
    )


class Labels(Section):
    """Training labels. Scores are always computed against the labels as read, or corrected up to
    the tier `truth`, with age bands that start at 30 and 60."""

    corrections: str | None = Field(
        None, description="a CSV `person,field,value,tier,reason`, or the name of a shipped one"
    )
    tier: Tier | None = Field(
        "likely",
        description="the least certain tier of corrections to apply in training; null: none, for a"
        " run that is scored against the same `truth`",
    )
    truth: Tier | None = Field(
        None,
        description="the least certain tier of corrections to score against; null: labels as read",
    )
    old_from: Annotated[int, Field(ge=31, le=100), LOSSLESS] = Field(
        60, description="age from which people count as ≥60 in training"
    )
    leave_out_ages: ListOf[Annotated[int, Field(ge=0, le=120), LOSSLESS]] = Field(
        (), description="ages in years to leave out of training"
    )
    columns: Columns = Field(
        {},
        description="names of columns in the command line's data, such as `{photo: filename}`; the"
        " option `--photo-column filename` sets it",
    )
    map: Words = Field(
        {},
        description="words in the command line's data, such as `{gender: {M: male, F: female}}`;"
        " the option `--map gender:M=male,F=female` sets it",
    )

    @model_validator(mode="after")
    def _corrected_by_a_file(self) -> "Labels":
        if self.truth is not None and self.corrections is None:
            raise ValueError("truth names a tier of corrections, but there are none; name the file")
        return self


class Folds(Section):
    """How people are split into folds."""

    kind: Literal["holdout", "kfold", "all"] = Field(
        "kfold",
        description="`holdout` validates on one group of people, `kfold` on everybody in turn,"
        " `all` on nobody: it trains on all photos",
    )
    count: Annotated[int, Field(ge=2, le=100_000), LOSSLESS] = Field(
        5, description="number of folds of `kfold`"
    )
    fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="share of the people held out by `holdout`"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32), LOSSLESS] = Field(
        7, description="seed of the split alone, so that recipes of other seeds keep the folds"
    )
    file: str | None = Field(None, description="the `folds.csv` of a run, to reuse its split")
    vote: Literal["soft_vote", "hard_vote"] = Field(
        "soft_vote",
        description="how the fold models' probabilities are combined on new photos",
    )


class Sampling(Component):
    """Which photos an epoch draws."""

    name: str = "shuffle"
    worn_per_person: Count | None = Field(
        None,
        description="maximum number of photos with the mask worn per person and epoch, at random",
    )
    incorrect_per_person: Count | None = Field(
        None, description="the same for photos with the mask worn incorrectly"
    )


class Mix(Component):
    """A way to mix the photos of a batch."""

    probability: Share = Field(1.0, description="share of batches that are mixed this way")


# Keys that were added later. Without a value they are not part of a recipe's digest, so that runs
# of earlier versions can be resumed.
_LATER_KEYS: Final = (
    ("sampling", "incorrect_per_person"),
    ("model", "start_head"),
    ("teacher",),
    ("soft_labels",),
    ("labels", "columns"),
    ("labels", "map"),
)
_LATER_KEYS_OF_DATA: Final = ("columns", "map")
# The default of earlier versions, which is part of the digest of their runs.
_FIRST_VALIDATION_BATCH_SIZE: Final = 256
# Keys that change no result; never part of the digest.
WITHOUT_EFFECT: Final = frozenset({"tracking"})
_FACTORY: Final = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*")


def is_factory(backbone: str) -> bool:
    """Whether the name of a backbone is that of a function to import, `package.module:factory`."""
    return _FACTORY.fullmatch(backbone) is not None


class Model(Section):
    """The network.

    A backbone `package.module:factory` is code, which a training imports and runs: read a recipe
    from somebody else before you train it. The code that a finished run names runs with `--trust`
    only; see [trust.md](trust.md).
    """

    backbone: str = Field(
        "resnet18",
        description="a timm name, or `package.module:factory`, which is imported and run",
    )
    arguments: dict[str, Any] = Field(
        {}, description="passed to the backbone, e.g. `drop_path_rate`"
    )
    beside: str | None = Field(
        None, description="a second backbone, whose features are concatenated with the first one's"
    )
    beside_arguments: dict[str, Any] = Field({}, description="passed to the second backbone")
    pretrained: bool = Field(
        False, description="download timm's pretrained weights for the backbone"
    )
    weights: str | None = Field(
        None,
        description="a local file (.safetensors, .pth) with the backbone's weights, saved under any"
        " prefix and key; or the name of weights in an installed package, see the table at the end",
    )
    init: str | None = Field(
        None,
        description="a run folder whose backbone weights to start from; refused if it was trained"
        " on validation people",
    )
    start_head: bool = Field(
        False,
        description="start the head, too, from the run in `init` or the weights `faces`, whose head"
        " must be the same",
    )
    hidden: Annotated[int, Field(ge=1, le=16_384), LOSSLESS] | None = Field(
        None, description="width of an extra fully connected layer before the head"
    )
    dropout: Share = Field(0.0, description="dropout rate before the head")
    head: Annotated[Component, BeforeValidator(expand_bare_name)] = Field(
        Component(name="factored"),
        description="from features to the 18 classes; `factored`: a softmax each for mask, gender"
        " and age band, multiplied",
    )
    normalise: Literal["backbone", "data"] = Field(
        "backbone",
        description="mean and standard deviation to normalise with: of the backbone's pretraining,"
        " or of the training photos",
    )

    @property
    def factories(self) -> list[tuple[str, dict[str, Any]]]:
        """What is imported and called to build the network: each `package.module:factory` with its
        arguments; empty if the backbones are timm's."""
        backbones = ((self.backbone, self.arguments), (self.beside or "", self.beside_arguments))
        return [(name, arguments) for name, arguments in backbones if is_factory(name)]

    @model_validator(mode="after")
    def _one_start(self) -> "Model":
        if sum([self.pretrained, self.weights is not None, self.init is not None]) > 1:
            raise ValueError("pretrained, weights and init exclude each other; keep one")
        if self.start_head and self.init is None and self.weights is None:
            raise ValueError("start_head needs init, or weights: faces")
        if self.weights is not None and self.beside is not None:
            raise ValueError("weights are for one backbone, but beside names a second one")
        return self


class Optimizer(Section):
    """The optimiser, created by timm's `create_optimizer_v2`."""

    name: str = Field("adamw", description="a timm optimiser, e.g. `sgd`, `adamax`, `lamb`")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="peak learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.05, description="weight decay; not applied to biases and norms"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="layer-wise learning rate decay: factor from each layer of the backbone to the"
        " one before it",
    )
    arguments: dict[str, Any] = Field({}, description="passed to the optimiser, e.g. `betas`")


class Schedule(Section):
    """The learning rate schedule, stepped at every update."""

    name: str = Field("cosine", description="name of the schedule, see the table at the end")
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0.0, description="epochs of linear warmup from zero"
    )
    min_lr: Annotated[float, Field(ge=0)] = Field(0.0, description="learning rate at the end")
    arguments: dict[str, Any] = Field({}, description="passed to the schedule, e.g. `decay_epochs`")


class Training(Section):
    """The training loop."""

    epochs: PositiveEpochs = Field(10, description="passes over the training photos")
    epochs_from: str | None = Field(
        None,
        description="a run to take the number of epochs from: the mean of its folds' best epochs;"
        " for `folds.kind: all`",
    )
    batch_size: Annotated[int, Field(ge=2, le=16_384), LOSSLESS] = Field(
        64, description="photos per update, over all processes and accumulation steps"
    )
    accumulate: Annotated[int, Field(ge=1, le=16_384), LOSSLESS] = Field(
        1, description="gradient accumulation: parts to split a batch into, to save memory"
    )
    validation_batch_size: Annotated[int, Field(ge=1, le=16_384), LOSSLESS] | None = Field(
        None,
        description="photos per validation batch, over all processes; `null`: as `batch_size`",
    )
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="maximum gradient norm; larger gradients are scaled down to it"
    )
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        "fp32", description="`fp16` and `bf16` are mixed precision"
    )
    freeze_epochs: Epochs = Field(0, description="first epochs, with the backbone frozen")
    average: Annotated[Component, BeforeValidator(expand_bare_name)] | None = Field(
        None,
        description="average of the weights, which is validated and kept: `ema`, `swa`, `wise_ft`",
    )
    select: Literal["last", "best"] = Field(
        "last", description="which epoch's weights to keep; `best` by validation macro F1"
    )
    patience: PositiveEpochs | None = Field(
        None, description="early stopping: epochs without a better validation macro F1"
    )
    validation_epochs: Epochs = Field(
        0,
        description="final epochs on the validation photos; their effect is not validated: scores"
        " are of the weights before them",
    )

    @property
    def photos_per_validation_batch(self) -> int:
        """`validation_batch_size`, or its default."""
        return self.validation_batch_size or self.batch_size


class Recipe(Section):
    """One model, fully determined."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), LOSSLESS] = Field(
        7, description="random seed of weights, order and augmentation"
    )
    data: ListOf[DataSet] = Field((), description="extra photos to train on")
    pseudo: Pseudo | None = Field(
        None, description="photos without labels to train on, labelled by another run"
    )
    teacher: str | None = Field(
        None,
        description="a run (of a recipe or a system) or a bundle, whose probabilities the loss"
        " `distillation` uses as soft labels in addition to the labels. Models of a run that were"
        " trained on a fold's validation people do not teach that fold; photos get soft labels from"
        " models not trained on their person, where there are any. A bundle does not list its"
        " training people, and the report warns of it",
    )
    soft_labels: Literal["out_of_fold"] | None = Field(
        None,
        description="which probabilities of `teacher` are the soft labels. `null`: predicted by its"
        " models for the training photos. `out_of_fold`: the run's stored out-of-fold"
        " probabilities, for `folds.kind: all`; with validation people the score is too high, and"
        " the report warns of it. Photos without stored probabilities are trained on with their"
        " labels only",
    )
    labels: Labels = Labels()
    photo: Photo = Photo()
    folds: Folds = Folds()
    sampling: Annotated[Sampling, BeforeValidator(expand_bare_name)] = Field(
        Sampling(), description="which photos an epoch draws"
    )
    augment: ListOf[Component] = Field((), description="transforms of training photos, in order")
    mixing: ListOf[Mix] = Field(
        (), description="ways to mix a batch; the remaining batches are not mixed"
    )
    model: Model = Model()
    loss: Annotated[Component, BeforeValidator(expand_bare_name)] = Field(
        Component(name="cross_entropy"), description="loss function"
    )
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    training: Training = Training()
    tta: ListOf[Annotated[Component, BeforeValidator(expand_bare_name)]] = Field(
        (),
        description="test-time augmentation: views of a photo whose probabilities are averaged"
        " with the original's; each entry multiplies their number; epochs are validated without",
    )
    tracking: Annotated[ListOf[TrackerSettings], BeforeValidator(trackers.as_list)] = Field(
        (),
        description="experiment trackers, such as `tensorboard` or `[tensorboard, {name: wandb,"
        " mode: offline}]`",
    )

    @model_validator(mode="after")
    def _validation_exists(self) -> "Recipe":
        training = self.training
        if self.folds.kind != "all":
            if training.epochs_from is not None:
                raise ValueError("training.epochs_from is for folds.kind 'all'; remove one of them")
            return self
        if training.select == "best" or training.patience or self.schedule.name == "plateau":
            raise ValueError(
                "folds.kind 'all' has no validation to select or stop by; set training.select:"
                " last, no patience and no plateau"
            )
        if training.validation_epochs:
            raise ValueError("folds.kind 'all' trains on all photos; leave out validation_epochs")
        return self

    @model_validator(mode="after")
    def _has_teacher(self) -> "Recipe":
        if self.soft_labels is not None and self.teacher is None:
            raise ValueError("soft_labels are a teacher's; set teacher to a run, or remove them")
        return self

    @model_validator(mode="after")
    def _shares_fit(self) -> "Recipe":
        if self.schedule.warmup_epochs >= self.training.epochs:
            raise ValueError(
                f"schedule.warmup_epochs is {self.schedule.warmup_epochs:g}, but training.epochs"
                f" only {self.training.epochs}, so that the warm-up would not end before the"
                " training; also set schedule.warmup_epochs=0, or train more epochs"
            )
        if sum(mix.probability for mix in self.mixing) > 1 + 1e-9:
            raise ValueError("the probabilities in mixing add up to more than 1; lower them")
        return self

    def digest(self, *contents: str) -> str:
        """Eight hex digits of the recipe and of `contents`."""
        dumped = self.model_dump(mode="json", exclude=set(WITHOUT_EFFECT))
        for *sections, key in _LATER_KEYS:
            section = reduce(getitem, sections, dumped)
            if not section[key]:
                del section[key]
        for data, key in product(dumped["data"], _LATER_KEYS_OF_DATA):
            if not data[key]:
                del data[key]
        training = dumped["training"]
        if training["validation_batch_size"] is None:
            training["validation_batch_size"] = _FIRST_VALIDATION_BATCH_SIZE
        text = json.dumps([dumped, *contents], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, path: Path) -> None:
        """Write the resolved recipe, with every default."""
        dumped = self.model_dump(mode="json")
        files.replace_text(path, yaml12.write(dumped))


def shipped() -> Path:
    """The folder of the recipes that come with maskgate."""
    return files.shipped("recipes")


def find(name: str) -> Path:
    """The file of a recipe, by its path or as a shipped one by name. Raises MaskgateError."""
    system = files.shipped("systems") / f"{Path(name).stem}.yaml"
    known = Path(name).is_file() or (shipped() / f"{name}.yaml").exists()
    if system.exists() and not known:
        raise MaskgateError(
            f"{name}: is a system of several models; give a recipe, such as that of a member"
        )
    return settings.find(name, "recipe", shipped())


def load(path: Path, overrides: list[str] | None = None, alone: bool = False) -> Recipe:
    """The recipe in `path` with `key.sub=value` overrides. If `alone`, it may have no base. Raises
    MaskgateError."""
    return settings.load(Recipe, path, "recipe", overrides=overrides or [], alone=alone)
