"""The recipe: one YAML file that fully determines one model.

Unknown keys are refused with the nearest known one. Techniques that are named in a recipe
are looked up in a dict beside their implementations when the run starts.
"""

import difflib
import hashlib
import json
import re
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from maskgate import files
from maskgate.errors import MaskgateError, listed
from maskgate.pixels import Geometry

Share = Annotated[float, Field(ge=0, le=1)]


class _Loader(yaml.SafeLoader):
    """YAML 1.1 reads `5e-4` as text; here it is a number, as everybody means it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"), list("-+0123456789")
)


def _parse(text: str) -> Any:
    return yaml.load(text, Loader=_Loader)


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())


class Photo(_Section):
    """What the model sees of a photo."""

    height: Annotated[int, Field(ge=8, le=2048)] = Field(128, description="input height, pixels")
    width: Annotated[int, Field(ge=8, le=2048)] = Field(96, description="input width, pixels")
    margin: Annotated[float, Field(ge=0, le=1)] = Field(
        0.125,
        description="share by which the stored photo is larger than the input: room for"
        " `random_crop`; validation and test take the centre",
    )

    @property
    def geometry(self) -> Geometry:
        return Geometry(self.height, self.width, self.margin)


class Folds(_Section):
    """How people are split."""

    kind: Literal["holdout", "kfold", "all"] = Field(
        "kfold",
        description="`holdout` validates some people once, `kfold` everybody in turn, `all` nobody:"
        " it trains on all photos",
    )
    count: Annotated[int, Field(ge=2)] = Field(5, description="number of folds of `kfold`")
    fraction: Annotated[float, Field(gt=0, lt=1)] = Field(
        0.2, description="share of the people held out by `holdout`"
    )
    seed: int = Field(7, description="seed of the split alone, so that seeds can be compared")
    file: str | None = Field(None, description="the `folds.csv` of a run, to split as it did")


class Model(_Section):
    """The network."""

    backbone: str = Field("resnet18", description="a timm name, or `package.module:factory`")
    pretrained: bool = Field(False, description="download timm's weights for the backbone")
    weights: str | None = Field(
        None, description="a local file (.safetensors, .pth) with the backbone's weights"
    )
    init: str | None = Field(
        None,
        description="a run folder whose backbone to start from; refused where it was trained on"
        " people to be validated",
    )
    arguments: dict[str, Any] = Field(
        {}, description="passed on to the backbone, e.g. `drop_path_rate`"
    )
    dropout: Share = Field(0.0, description="share of the features dropped before the head")
    head: str = Field("factored", description="`factored` (three attributes added up) or `joint`")
    normalise: Literal["backbone", "data"] = Field(
        "backbone",
        description="whose mean and standard deviation: of the backbone's pretraining, or of the"
        " training photos",
    )

    @model_validator(mode="after")
    def _one_start(self) -> "Model":
        if sum([self.pretrained, self.weights is not None, self.init is not None]) > 1:
            raise ValueError("pretrained, weights and init exclude each other; keep one")
        return self


class Named(_Section):
    """Something looked up by name, with its arguments beside the name."""

    model_config = ConfigDict(extra="allow", frozen=True)
    name: str

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.model_extra or {})


class Optimizer(_Section):
    """The optimiser, made by timm's `create_optimizer_v2`."""

    name: str = Field("adamw", description="a timm optimiser, e.g. `sgd`, `lamb`")
    lr: Annotated[float, Field(gt=0)] = Field(1e-3, description="peak learning rate")
    weight_decay: Annotated[float, Field(ge=0)] = Field(
        0.05, description="weight decay; biases and norms are left out"
    )
    arguments: dict[str, Any] = Field({}, description="passed on to the optimiser, e.g. `betas`")


class Schedule(_Section):
    """The learning rate over time, made by timm's `create_scheduler_v2`, stepped every update."""

    name: str = Field("cosine", description="a timm schedule, e.g. `poly`, or `none`")
    warmup_epochs: Annotated[float, Field(ge=0)] = Field(
        0.0, description="epochs in which the learning rate rises from zero in a line"
    )
    min_lr: Annotated[float, Field(ge=0)] = Field(0.0, description="learning rate at the end")


class Training(_Section):
    """The loop."""

    epochs: Annotated[int, Field(ge=1)] = Field(10, description="passes over the training photos")
    batch_size: Annotated[int, Field(ge=2)] = Field(
        64, description="photos an update, over all processes and accumulation steps"
    )
    accumulate: Annotated[int, Field(ge=1)] = Field(
        1, description="parts a batch is run in, where memory is short"
    )
    validation_batch_size: Annotated[int, Field(ge=1)] = Field(
        256, description="photos validated at once, over all processes"
    )
    clip_norm: Annotated[float, Field(gt=0)] | None = Field(
        None, description="norm that the gradients are scaled down to where it is larger"
    )
    precision: Literal["fp32", "fp16", "bf16"] = Field(
        "fp32", description="of the model's step; the last two are mixed precision"
    )
    select: Literal["last", "best"] = Field(
        "last", description="which epoch's weights are kept; `best` by validation macro F1"
    )
    patience: Annotated[int, Field(ge=1)] | None = Field(
        None, description="stop after so many epochs without a better validation macro F1"
    )


class Recipe(_Section):
    """One model, fully determined."""

    seed: int = Field(7, description="seed of weights, order and augmentation")
    photo: Photo = Photo()
    folds: Folds = Folds()
    augment: tuple[Named, ...] = Field((), description="transforms of training photos, in order")
    sampling: Named = Field(Named(name="shuffle"), description="which photos an epoch draws")
    model: Model = Model()
    loss: Named = Field(Named(name="cross_entropy"), description="what is minimised")
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    training: Training = Training()

    @model_validator(mode="after")
    def _validation_exists(self) -> "Recipe":
        if self.folds.kind == "all" and (self.training.select == "best" or self.training.patience):
            raise ValueError(
                "folds.kind 'all' has no validation to select or stop by; set training.select:"
                " last and no patience"
            )
        return self

    @model_validator(mode="after")
    def _warmup_ends(self) -> "Recipe":
        if self.schedule.warmup_epochs >= self.training.epochs:
            raise ValueError("schedule.warmup_epochs must be fewer than training.epochs")
        return self

    def digest(self, *more: str) -> str:
        """Eight hex digits of the recipe and of `more`."""
        told = json.dumps([self.model_dump(mode="json"), *more], sort_keys=True)
        return hashlib.sha256(told.encode()).hexdigest()[:8]

    def write(self, path: Path) -> None:
        """The recipe as resolved, every default spelled out."""
        dumped = self.model_dump(mode="json")
        files.replace_text(path, yaml.safe_dump(dumped, sort_keys=False, allow_unicode=True))


def shipped() -> Path:
    """The folder of the recipes that come with maskgate."""
    package = Path(__file__).parent
    installed, checkout = package / "recipes", package.parents[1] / "recipes"
    return installed if installed.is_dir() else checkout


def find(name: str) -> Path:
    """The file of a recipe given as a path or as the name of a shipped one."""
    path = Path(name)
    known = sorted(file.stem for file in shipped().glob("*.yaml"))
    if path.is_file():
        return path
    if name in known:
        return shipped() / f"{name}.yaml"
    beside = [str(file) for file in sorted(path.parent.glob("*.y*ml"))]
    near = difflib.get_close_matches(path.stem, known, 1)
    near += difflib.get_close_matches(name, beside, 1)
    hint = f"did you mean {near[0]}?" if near else f"shipped are {listed(known, 20)}"
    raise MaskgateError(f"{name}: no such recipe; {hint}")


def load(path: Path, overrides: list[str] | None = None) -> Recipe:
    """The recipe in `path` with `key.sub=value` overrides. Raises MaskgateError."""
    try:
        content = _parse(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise MaskgateError(
            f"{path}: not a recipe in YAML ({_cause(error)}); mend it, or copy a shipped one"
        ) from error
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise MaskgateError(f"{path}: a recipe is a mapping of keys such as 'model:'")
    for override in overrides or []:
        _override(content, override)
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        raise MaskgateError(f"{path}: {_told(error)}") from error


def _cause(error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return f"line {mark.line + 1}: {getattr(error, 'problem', '')}" if mark else str(error)


def _override(content: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    if not equals or not key:
        raise MaskgateError(f"{override}: an override is written key.sub=value")
    try:
        value = _parse(text) if text else None
    except yaml.YAMLError as error:
        raise MaskgateError(
            f"{override}: the value is not YAML ({_cause(error)}); mend it"
        ) from error
    *parents, last = key.split(".")
    place: Any = content
    try:
        for parent in parents:
            in_list = isinstance(place, list)
            place = place[int(parent)] if in_list else place.setdefault(parent, {})
        if isinstance(place, list):
            place[int(last)] = value
        else:
            place[last] = value
    except (IndexError, ValueError, TypeError, AttributeError) as error:
        raise MaskgateError(
            f"{override}: the recipe has no place {key}; see docs/recipe.md"
        ) from error


def _told(error: ValidationError) -> str:
    """All faults of a recipe in one sentence, with the nearest known key for unknown ones."""
    faults = []
    for fault in error.errors():
        key = ".".join(str(part) for part in fault["loc"]) or "recipe"
        if fault["type"] == "extra_forbidden":
            known = _keys_beside(fault["loc"])
            near = difflib.get_close_matches(str(fault["loc"][-1]), known, 1)
            hint = f"did you mean {near[0]}?" if near else f"known are {listed(known, 20)}"
            faults.append(f"unknown key {key}, {hint}")
        else:
            faults.append(f"{key}: {fault['msg'].removeprefix('Value error, ')}")
    return "; ".join(faults)


def _keys_beside(location: tuple[int | str, ...]) -> list[str]:
    section: type[BaseModel] = Recipe
    for part in location[:-1]:
        field = section.model_fields.get(str(part))
        if field is None or not isinstance(field.annotation, type):
            break
        if issubclass(field.annotation, BaseModel):
            section = field.annotation
    return list(section.model_fields)


def lookup(kind: str, name: str, known: "dict[str, Any]") -> Any:
    """`known[name]`, or a MaskgateError that names the nearest."""
    if name in known:
        return known[name]
    near = difflib.get_close_matches(name, list(known), 1)
    hint = f"did you mean {near[0]}?" if near else f"known are {listed(sorted(known), 20)}"
    raise MaskgateError(f"unknown {kind} {name}; {hint}")
