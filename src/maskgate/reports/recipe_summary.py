"""Summary of a training: the recipe's settings and what they did, in words and counts."""

from typing import Any

from maskgate import labels
from maskgate.config.recipe import Recipe
from maskgate.config.settings import Component
from maskgate.data.column_values import TRAINED, USES
from maskgate.imaging.tta import tta_views
from maskgate.runs.records.status import Status, TrainingCounts


def summarise(recipe: Recipe, status: Status) -> dict[str, Any] | None:
    """`lines`: pairs of a part of the recipe and its summary. `classes`: rows of a class, its
    training photos and those drawn in an epoch (means of the folds).

    None for a run of an older version, which has no counts.
    """
    counts = status.did
    if counts is None:
        return None
    lines = [
        ("Labels", _labels(recipe, status)),
        ("Data", _data(recipe, status)),
        ("Pseudo labels", _pseudo(recipe, counts)),
        ("Teacher", _teacher(recipe)),
        ("Photo", _photo(recipe)),
        ("Sampling", _sampling(recipe)),
        ("Augmentation", ", then ".join(map(_with_arguments, recipe.augment)) or "none"),
        ("Mixing", _mixing(counts.mixed)),
        ("Network", _network(recipe, counts.parameters)),
        ("Loss", _with_arguments(recipe.loss)),
        ("Optimiser", _optimizer(recipe)),
        ("Weights", _weights(recipe)),
        ("Test-time augmentation", _tta(recipe)),
    ]
    rows = list(zip(labels.CLASSES, counts.available, counts.drawn, strict=True))
    even = all(abs(available - drawn) <= 0.1 * available + 1 for _, available, drawn in rows)
    return {
        "lines": [(part, text) for part, text in lines if text],
        "classes": [] if even else [(name, round(t), round(d)) for name, t, d in rows],
    }


def _with_arguments(component: Component) -> str:
    """`focal (gamma: 2)`."""
    arguments = ", ".join(
        f"{key}: {_value_text(value)}" for key, value in component.arguments.items()
    )
    return f"{component.name} ({arguments})" if arguments else component.name


def _value_text(value: Any) -> str:
    """A value of a recipe, in short."""
    if isinstance(value, dict) and "name" in value:
        return _with_arguments(Component.model_validate(value))
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_value_text, value))}]"
    return str(value)


def _labels(recipe: Recipe, status: Status) -> str:
    settings, parts = recipe.labels, []
    if settings.corrections is not None and settings.tier is not None:
        parts.append(
            f"{status.corrected} photos corrected by {settings.corrections}, up to {settings.tier}"
        )
    if settings.old_from != labels.AGE_BOUNDARIES[1]:
        parts.append(f"people count as ≥60 from age {settings.old_from} in training")
    if settings.leave_out_ages:
        ages = ", ".join(map(str, settings.leave_out_ages))
        parts.append(f"{status.left_out} photos of people aged {ages} left out of training")
    return "; ".join(parts)


def _data(recipe: Recipe, status: Status) -> str:
    sets = ", ".join(f"{each.path} (weight {each.weight:g})" for each in recipe.data)
    return f"{status.more} photos of {sets}; not used for validation" if sets else ""


def _pseudo(recipe: Recipe, counts: TrainingCounts) -> str:
    pseudo = recipe.pseudo
    count = counts.pseudo
    if pseudo is None or count is None:
        return ""
    thresholds = pseudo.thresholds
    known = [
        f"{name.replace('_', ' ')} of {count[name]:.0f} (from {getattr(thresholds, name):g} on)"
        for name in labels.ATTRIBUTES
    ]
    others = [f"{count[use]:.0f} {use}" for use in USES[1:] if count[use]]
    limit = f", at most {pseudo.cap} of a class" if pseudo.cap is not None else ""
    return (
        f"{count[TRAINED]:.0f} photos of {pseudo.photos} (weight {pseudo.weight:g}{limit}), as"
        f" {pseudo.run} labels them; not used for validation: {', '.join(known)}; left out:"
        f" {', '.join(others) or 'none'} (means of the folds)"
    )


def _photo(recipe: Recipe) -> str:
    photo = recipe.photo
    part = "the whole photo" if photo.crop == 1 else f"the middle {photo.crop:.0%} of each side"
    if photo.face is not None:
        face = photo.face
        rotation = ", rotated until the eyes are level" if face.align else ""
        background = ", background removed" if face.background == "remove" else ""
        part = (
            f"the face with a margin of {face.margin:.0%}{rotation}{background}, detected by"
            f" {_with_arguments(face.detector)}; {part} if none was found"
        )
    return f"{photo.height}×{photo.width} pixels of {part}"


def _sampling(recipe: Recipe) -> str:
    limits = {
        "worn": recipe.sampling.worn_per_person,
        "worn incorrectly": recipe.sampling.incorrect_per_person,
    }
    parts = [f"at most {limit} with the mask {worn}" for worn, limit in limits.items() if limit]
    limited = f"; {' and '.join(parts)} per person and epoch" if parts else ""
    return _with_arguments(recipe.sampling) + limited


def _mixing(mixed: dict[str, int]) -> str:
    total = sum(mixed.values())
    if set(mixed) <= {"plain"}:
        return ""
    parts = sorted(mixed.items(), key=lambda part: -part[1])
    return ", ".join(f"{count} of {total} batches {name}" for name, count in parts)


def _teacher(recipe: Recipe) -> str:
    how = ", by its out-of-fold probabilities" if recipe.soft_labels is not None else ""
    return f"{recipe.teacher}{how}" if recipe.teacher is not None else ""


def _network(recipe: Recipe, parameters: int) -> str:
    model, parts = recipe.model, []
    parts.append(model.backbone + (f" with {model.beside}" if model.beside else ""))
    if model.hidden is not None:
        parts.append(f"an extra layer of {model.hidden}")
    if model.dropout:
        parts.append(f"dropout {model.dropout:g}")
    parts.append(f"head {_with_arguments(model.head)}")
    start = "from scratch"
    if model.pretrained:
        start = "from timm's pretrained weights"
    elif model.weights or model.init:
        start = f"from {model.weights or model.init}"
    if model.start_head:
        start += ", with its head"
    return f"{', '.join(parts)}: {parameters:,} parameters, {start}"


def _optimizer(recipe: Recipe) -> str:
    optimizer, schedule = recipe.optimizer, recipe.schedule
    text = f"{optimizer.name}, learning rate {optimizer.lr:g}"
    if optimizer.layer_decay is not None:
        text += f", × {optimizer.layer_decay:g} per layer downwards"
    arguments = ", ".join(f"{key}: {value}" for key, value in schedule.arguments.items())
    return f"{text}; schedule {schedule.name}" + (f" ({arguments})" if arguments else "")


def _weights(recipe: Recipe) -> str:
    training, parts = recipe.training, []
    if training.freeze_epochs:
        parts.append(f"backbone frozen for {_epochs(training.freeze_epochs)}")
    if training.average is not None:
        parts.append(f"averaged: {_with_arguments(training.average)}")
    if training.epochs_from is not None:
        parts.append(f"{_epochs(training.epochs)}, as found by {training.epochs_from}")
    if training.validation_epochs:
        parts.append(f"then {_epochs(training.validation_epochs)} on the validation photos")
    return "; ".join(parts)


def _tta(recipe: Recipe) -> str:
    if not recipe.tta:
        return ""
    count = len(tta_views(recipe.tta, recipe.photo.geometry))
    return f"{', then '.join(map(_with_arguments, recipe.tta))}: {count} views of a photo, averaged"


def _epochs(count: int) -> str:
    return f"{count} epoch{'' if count == 1 else 's'}"
