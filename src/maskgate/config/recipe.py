"""The recipe: one YAML file that fully determines one model.

Techniques that are named in a recipe are looked up in a dict beside their implementations when
the run starts.
"""

import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import BeforeValidator, Field, model_validator

from maskgate.config import settings, yaml12
from maskgate.config.settings import LOSSLESS, Component, ListOf, Section
from maskgate.core import files
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError

Share = Annotated[float, Field(ge=0, le=1)]
Threshold = Annotated[float, Field(gt=0, le=1)]
Tier = Literal["sure", "likely", "doubtful"]
PhotoWeight = Annotated[float, Field(gt=0, le=1000)]  # each photo is drawn so often
Epochs = Annotated[int, Field(ge=0, le=100_000), LOSSLESS]
PositiveEpochs = Annotated[int, Field(ge=1, le=100_000), LOSSLESS]
Count = Annotated[int, Field(ge=1, le=1_000_000), LOSSLESS]


def name_alone(value: Any) -> Any:
    """A name without arguments may be written as plain text."""
    return {"name": value} if isinstance(value, str) else value


class Face(Section):
    """The face that is cut out of a photo, in the aspect of the input; all see the same part,
    in training, validation, test and prediction. A photo without a face shows its centre, `crop`
    of it."""

    detector: Annotated[Component, BeforeValidator(name_alone)] = Field(
        Component(name="auto"),
        description="what finds it; `auto` is `yunet` where its model is at hand, else `mtcnn`",
    )
    sha256: str | None = Field(
        None,
        description="of the detector's model; filled in by a training, so that no other is"
        " used with its run",
    )
    margin: Annotated[float, Field(ge=0, le=2)] = Field(
        0.2, description="share of the face's box that is added on each side"
    )
    align: bool = Field(False, description="turn the photo so that the eyes lie level")
    background: Literal["keep", "remove"] = Field(
        "keep",
        description="`remove` paints grey what GrabCut takes for the scene behind; a photo without"
        " a face keeps it",
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
        description="share by which the stored photo is larger than the input: room for"
        " `random_crop`; validation and test take the centre",
    )
    crop: Annotated[float, Field(gt=0, le=1)] = Field(
        1.0,
        description="share of a photo's height and width that is kept around its centre: alike in"
        " training, validation, test and prediction",
    )
    face: Face | None = Field(
        None, description="the face is shown instead; `{}` takes the defaults"
    )

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.height, self.width, self.margin, self.crop)


class DataSet(Section):
    """Photos to train on beside those of the command line; nobody is validated on them."""

    path: str = Field(description="a folder of people or a CSV, as for `maskgate train`")
    weight: PhotoWeight = Field(
        1.0, description="how often a photo is drawn, compared with one of the command line's"
    )


class Thresholds(Section):
    """How probable an attribute must be to be taken for a label; one below stays unknown."""

    mask: Threshold = Field(0.95, description="of the mask")
    gender: Threshold = Field(0.95, description="of the gender")
    age_band: Threshold = Field(0.9, description="of the age band")


class Pseudo(Section):
    """Photos without labels to train on beside the others, as labelled by a run: each fold's by a
    model that has never seen the people whom that fold validates. Nobody is validated on them."""

    photos: str = Field(description="a folder of photos, or one with the test photos' `info.csv`")
    run: str = Field(
        description="the finished run that labels them; refused where it was trained on people to"
        " be validated"
    )
    thresholds: Thresholds = Thresholds()
    cap: Count | None = Field(
        None,
        description="most photos of a class, the surest ones; those that lack the same attributes"
        " and agree in the others are a class of their own",
    )
    weight: PhotoWeight = Field(
        1.0, description="how often a photo is drawn, compared with one of the command line's"
    )


class Labels(Section):
    """What training is told of its photos. Scores are taken against the labels as read, or
    corrected up to the tier `truth`, with bands that begin at 30 and 60, whatever stands here."""

    corrections: str | None = Field(
        None, description="a CSV `person,field,value,tier,reason`, or the name of a shipped one"
    )
    tier: Tier = Field("likely", description="the least sure corrections that training folds get")
    truth: Tier | None = Field(
        None, description="the least sure corrections that scores are taken against; none: as read"
    )
    old_from: Annotated[int, Field(ge=31, le=100), LOSSLESS] = Field(
        60, description="age from which training calls people ≥60"
    )
    leave_out_ages: ListOf[Annotated[int, Field(ge=0, le=120), LOSSLESS]] = Field(
        (), description="ages in years that training folds leave out"
    )

    @model_validator(mode="after")
    def _corrected_by_a_file(self) -> "Labels":
        if self.truth is not None and self.corrections is None:
            raise ValueError("truth names a tier of corrections, but there are none; name the file")
        return self


class Folds(Section):
    """How people are split."""

    kind: Literal["holdout", "kfold", "all"] = Field(
        "kfold",
        description="`holdout` validates some people once, `kfold` everybody in turn, `all` nobody:"
        " it trains on all photos",
    )
    count: Annotated[int, Field(ge=2, le=100_000), LOSSLESS] = Field(
        5, description="number of folds of `kfold`"
    )
    fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="share of the people held out by `holdout`"
    )
    seed: Annotated[int, Field(ge=0, lt=2**32), LOSSLESS] = Field(
        7, description="seed of the split alone, so that seeds can be compared"
    )
    file: str | None = Field(None, description="the `folds.csv` of a run, to split as it did")
    vote: Literal["soft_vote", "hard_vote"] = Field(
        "soft_vote",
        description="how the folds' models answer new photos together; a validated photo has one",
    )


class Sampling(Component):
    """Which photos an epoch draws."""

    name: str = "shuffle"
    worn_per_person: Count | None = Field(
        None, description="photos with the mask worn that an epoch takes of a person, at random"
    )


class Mix(Component):
    """A way to mix the photos of a batch."""

    probability: Share = Field(1.0, description="share of the batches that are mixed this way")


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
        {}, description="passed on to the backbone, e.g. `drop_path_rate`"
    )
    beside: str | None = Field(
        None, description="a second backbone, whose features are put beside the first one's"
    )
    beside_arguments: dict[str, Any] = Field({}, description="passed on to the second backbone")
    pretrained: bool = Field(False, description="download timm's weights for the backbone")
    weights: str | None = Field(
        None,
        description="a local file (.safetensors, .pth) with the backbone's weights, under whatever"
        " prefix and key they were saved",
    )
    init: str | None = Field(
        None,
        description="a run folder whose backbone to start from; refused where it was trained on"
        " people to be validated",
    )
    hidden: Annotated[int, Field(ge=1, le=16_384), LOSSLESS] | None = Field(
        None, description="width of an extra fully connected layer before the head"
    )
    dropout: Share = Field(0.0, description="share of the features dropped before the head")
    head: Annotated[Component, BeforeValidator(name_alone)] = Field(
        Component(name="factored"), description="from features to the 18 classes"
    )
    normalise: Literal["backbone", "data"] = Field(
        "backbone",
        description="whose mean and standard deviation: of the backbone's pretraining, or of the"
        " training photos",
    )

    @property
    def factories(self) -> list[tuple[str, dict[str, Any]]]:
        """What is imported and called to make the network: each `package.module:factory` with its
        arguments; none where the backbones are timm's."""
        backbones = ((self.backbone, self.arguments), (self.beside or "", self.beside_arguments))
        return [(name, arguments) for name, arguments in backbones if is_factory(name)]

    @model_validator(mode="after")
    def _one_start(self) -> "Model":
        if sum([self.pretrained, self.weights is not None, self.init is not None]) > 1:
            raise ValueError("pretrained, weights and init exclude each other; keep one")
        if self.weights is not None and self.beside is not None:
            raise ValueError("weights hold one backbone, and there is a second one beside it")
        return self


class Optimizer(Section):
    """The optimiser, made by timm's `create_optimizer_v2`."""

    name: str = Field("adamw", description="a timm optimiser, e.g. `sgd`, `adamax`, `lamb`")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="peak learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.05, description="weight decay; biases and norms are left out"
    )
    layer_decay: Annotated[float, Field(gt=0, le=1)] | None = Field(
        None,
        description="factor by which the learning rate falls from each layer of the backbone to"
        " the one before it",
    )
    arguments: dict[str, Any] = Field({}, description="passed on to the optimiser, e.g. `betas`")


class Schedule(Section):
    """The learning rate over time, by the update."""

    name: str = Field("cosine", description="by name, see the table at the end")
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0.0, description="epochs in which the learning rate rises from zero in a line"
    )
    min_lr: Annotated[float, Field(ge=0)] = Field(0.0, description="learning rate at the end")
    arguments: dict[str, Any] = Field(
        {}, description="passed on to the schedule, e.g. `decay_epochs`"
    )


class Training(Section):
    """The loop."""

    epochs: PositiveEpochs = Field(10, description="passes over the training photos")
    epochs_from: str | None = Field(
        None,
        description="a run whose folds tell the epochs: the mean of their best ones; for"
        " `folds.kind: all`",
    )
    batch_size: Annotated[int, Field(ge=2, le=16_384), LOSSLESS] = Field(
        64, description="photos an update, over all processes and accumulation steps"
    )
    accumulate: Annotated[int, Field(ge=1, le=16_384), LOSSLESS] = Field(
        1, description="parts a batch is run in, where memory is short"
    )
    validation_batch_size: Annotated[int, Field(ge=1, le=16_384), LOSSLESS] = Field(
        256, description="photos validated at once, over all processes"
    )
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="norm that the gradients are scaled down to where it is larger"
    )
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        "fp32", description="of the model's step; the last two are mixed precision"
    )
    freeze_epochs: Epochs = Field(
        0, description="first epochs, in which the backbone stays as it is"
    )
    average: Annotated[Component, BeforeValidator(name_alone)] | None = Field(
        None, description="averages of the weights that are validated and kept: `ema` or `swa`"
    )
    select: Literal["last", "best"] = Field(
        "last", description="which epoch's weights are kept; `best` by validation macro F1"
    )
    patience: PositiveEpochs | None = Field(
        None, description="stop after so many epochs without a better validation macro F1"
    )
    validation_epochs: Epochs = Field(
        0,
        description="epochs on the validation photos after all others; what they change is"
        " unvalidated: scores are of the weights before",
    )


class Recipe(Section):
    """One model, fully determined."""

    seed: Annotated[int, Field(ge=-(2**63), lt=2**63), LOSSLESS] = Field(
        7, description="seed of weights, order and augmentation"
    )
    data: ListOf[DataSet] = Field((), description="further photos to train on")
    pseudo: Pseudo | None = Field(
        None, description="photos without labels to train on, as another run labels them"
    )
    labels: Labels = Labels()
    photo: Photo = Photo()
    folds: Folds = Folds()
    sampling: Annotated[Sampling, BeforeValidator(name_alone)] = Field(
        Sampling(), description="which photos an epoch draws"
    )
    augment: ListOf[Component] = Field((), description="transforms of training photos, in order")
    mixing: ListOf[Mix] = Field(
        (), description="ways to mix a batch; what their probabilities leave over stays plain"
    )
    model: Model = Model()
    loss: Annotated[Component, BeforeValidator(name_alone)] = Field(
        Component(name="cross_entropy"), description="what is minimised"
    )
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    training: Training = Training()
    tta: ListOf[Annotated[Component, BeforeValidator(name_alone)]] = Field(
        (),
        description="test-time augmentation: views of a photo whose probabilities are averaged"
        " with the plain one's, each entry times those before; epochs are validated without",
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
    def _shares_fit(self) -> "Recipe":
        if self.schedule.warmup_epochs >= self.training.epochs:
            raise ValueError("schedule.warmup_epochs must be fewer than training.epochs")
        if sum(mix.probability for mix in self.mixing) > 1 + 1e-9:
            raise ValueError("the probabilities in mixing add up to more than 1; lower them")
        return self

    def digest(self, *contents: str) -> str:
        """Eight hex digits of the recipe and of `contents`."""
        text = json.dumps([self.model_dump(mode="json"), *contents], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]

    def write(self, path: Path) -> None:
        """The recipe as resolved, every default spelled out."""
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
            f"{name}: is a system of several models; give the recipe of one of them"
        )
    return settings.find(name, "recipe", shipped())


def load(path: Path, overrides: list[str] | None = None, alone: bool = False) -> Recipe:
    """The recipe in `path` with `key.sub=value` overrides; `alone`, it may have no base. Raises
    MaskgateError."""
    return settings.load(Recipe, path, "recipe", overrides=overrides or [], alone=alone)
