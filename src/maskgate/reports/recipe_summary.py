"""What a training did of all that its recipe asked for, in words and counts."""

from typing import Any

from maskgate import labels
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component
from maskgate.data.column_values import TRAINED, USES
from maskgate.imaging.tta import tta_views
from maskgate.runs.records.status import Did, Status


def told(recipe: Recipe, status: Status) -> dict[str, Any] | None:
    """`lines`, pairs of a part of the recipe and what became of it, and `classes`, rows of a class,
    its photos to train on and those drawn in an epoch (means of the folds).

    None for a run of an older version, which counted nothing.
    """
    counted = status.did
    if counted is None:
        return None
    lines = [
        ("Labels", _labels(recipe, status)),
        ("Data", _data(recipe, status)),
        ("Pseudo labels", _pseudo(recipe, counted)),
        ("Photo", _photo(recipe)),
        ("Sampling", _sampling(recipe)),
        ("Augmentation", ", then ".join(map(_named, recipe.augment)) or "none"),
        ("Mixing", _mixing(counted.mixed)),
        ("Network", _network(recipe, counted.parameters)),
        ("Loss", _named(recipe.loss)),
        ("Optimiser", _optimizer(recipe)),
        ("Weights", _weights(recipe)),
        ("Test-time augmentation", _tta(recipe)),
    ]
    rows = list(zip(labels.CLASSES, counted.there, counted.drawn, strict=True))
    even = all(abs(there - drawn) <= 0.1 * there + 1 for _, there, drawn in rows)
    return {
        "lines": [(part, text) for part, text in lines if text],
        "classes": [] if even else [(name, round(t), round(d)) for name, t, d in rows],
    }


def _named(named: Component) -> str:
    """`focal (gamma: 2)`."""
    given = ", ".join(f"{key}: {_plain(value)}" for key, value in named.arguments.items())
    return f"{named.name} ({given})" if given else named.name


def _plain(value: Any) -> str:
    """A value of a recipe in few words."""
    if isinstance(value, dict) and "name" in value:
        return _named(Component.model_validate(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_plain, value))}]"
    return str(value)


def _labels(recipe: Recipe, status: Status) -> str:
    wanted, parts = recipe.labels, []
    if wanted.corrections is not None:
        parts.append(
            f"{status.corrected} photos corrected by {wanted.corrections}, up to {wanted.tier}"
        )
    if wanted.old_from != labels.AGE_BOUNDARIES[1]:
        parts.append(f"training calls people old from {wanted.old_from}")
    if wanted.leave_out_ages:
        ages = ", ".join(map(str, wanted.leave_out_ages))
        parts.append(f"{status.left_out} photos of people aged {ages} left out of training")
    return "; ".join(parts)


def _data(recipe: Recipe, status: Status) -> str:
    sets = ", ".join(f"{each.path} (weight {each.weight:g})" for each in recipe.data)
    return f"{status.more} photos of {sets}, never validated on" if sets else ""


def _pseudo(recipe: Recipe, counted: Did) -> str:
    wanted = recipe.pseudo
    count = counted.pseudo
    if wanted is None or count is None:
        return ""
    least = wanted.thresholds
    told = [
        f"{name.replace('_', ' ')} of {count[name]:.0f} (from {getattr(least, name):g} on)"
        for name in labels.ATTRIBUTES
    ]
    others = [f"{count[use]:.0f} {use}" for use in USES[1:] if count[use]]
    limit = f", at most {wanted.cap} of a class" if wanted.cap is not None else ""
    return (
        f"{count[TRAINED]:.0f} photos of {wanted.photos} (weight {wanted.weight:g}{limit}), as"
        f" {wanted.run} labels them, never validated on: {', '.join(told)}; left out:"
        f" {', '.join(others) or 'none'} (means of the folds)"
    )


def _photo(recipe: Recipe) -> str:
    photo = recipe.photo
    part = "the whole photo" if photo.crop == 1 else f"the middle {photo.crop:.0%} of each side"
    if photo.face is not None:
        face = photo.face
        turned = ", turned until the eyes are level" if face.align else ""
        cleared = ", the scene behind it removed" if face.background == "remove" else ""
        part = (
            f"the face and {face.margin:.0%} of it around{turned}{cleared}, found by"
            f" {_named(face.detector)}; {part} where none was found"
        )
    return f"{photo.height}×{photo.width} pixels of {part}"


def _sampling(recipe: Recipe) -> str:
    limit = recipe.sampling.worn_per_person
    worn = f"; at most {limit} photos with the mask worn of a person and epoch" if limit else ""
    return _named(recipe.sampling) + worn


def _mixing(mixed: dict[str, int]) -> str:
    total = sum(mixed.values())
    if set(mixed) <= {"plain"}:
        return ""
    parts = sorted(mixed.items(), key=lambda part: -part[1])
    return ", ".join(f"{count} of {total} batches {name}" for name, count in parts)


def _network(recipe: Recipe, parameters: int) -> str:
    model, parts = recipe.model, []
    parts.append(model.backbone + (f" beside {model.beside}" if model.beside else ""))
    if model.hidden is not None:
        parts.append(f"an extra layer of {model.hidden}")
    if model.dropout:
        parts.append(f"dropout {model.dropout:g}")
    parts.append(f"head {_named(model.head)}")
    begun = "from scratch"
    if model.pretrained:
        begun = "from timm's pretrained weights"
    elif model.weights or model.init:
        begun = f"from {model.weights or model.init}"
    return f"{', '.join(parts)}: {parameters:,} parameters, {begun}"


def _optimizer(recipe: Recipe) -> str:
    optimizer, schedule = recipe.optimizer, recipe.schedule
    text = f"{optimizer.name}, learning rate {optimizer.lr:g}"
    if optimizer.layer_decay is not None:
        text += f", × {optimizer.layer_decay:g} a layer down"
    given = ", ".join(f"{key}: {value}" for key, value in schedule.arguments.items())
    return f"{text}; schedule {schedule.name}" + (f" ({given})" if given else "")


def _weights(recipe: Recipe) -> str:
    training, parts = recipe.training, []
    if training.freeze_epochs:
        parts.append(f"backbone frozen for {_epochs(training.freeze_epochs)}")
    if training.average is not None:
        parts.append(f"averaged: {_named(training.average)}")
    if training.epochs_from is not None:
        parts.append(f"{_epochs(training.epochs)}, as {training.epochs_from} found")
    if training.validation_epochs:
        parts.append(f"then {_epochs(training.validation_epochs)} on the validation photos")
    return "; ".join(parts)


def _tta(recipe: Recipe) -> str:
    if not recipe.tta:
        return ""
    count = len(tta_views(recipe.tta, recipe.photo.geometry))
    return f"{', then '.join(map(_named, recipe.tta))}: {count} pictures of a photo, averaged"


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
