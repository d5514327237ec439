"""What the model is, and what it is for."""

from collections.abc import Iterator
from datetime import datetime

from maskgate import labels
from maskgate.bundle.manifest import EnsembleModelSpec, Manifest, SingleModelSpec, leaves
from maskgate.export.card.markup import and_list, percent, table
from maskgate.export.card.words import ATTRIBUTES, VALUES


def section(manifest: Manifest) -> Iterator[str]:
    """What the model predicts, in a sentence and a table."""
    models = list(leaves(manifest.model))
    predicted = {name for model in models for name in model.attributes}
    names = [title for name, title in ATTRIBUTES.items() if name in predicted]
    yield f"Predicts {and_list(names)} of a person from a photo of the face."
    mask = None if manifest.scores is None else manifest.scores.attributes.get("mask")
    if mask is not None:
        recalls = {each.name: each.recall for each in mask.classes}
        yield ""
        yield (
            f"Of people without a mask it noticed {percent(recalls['not_wear'])}, of masks worn"
            f" incorrectly {percent(recalls['incorrect'])}; of masks worn it confirmed"
            f" {percent(recalls['wear'])}."
        )
    count = sum(len(model.networks) for model in models)
    created = datetime.fromisoformat(manifest.created).strftime("%Y-%m-%d %H:%M UTC")
    rows = [
        (title, ", ".join(VALUES.get(value, value) for value in labels.ATTRIBUTES[name]))
        for name, title in ATTRIBUTES.items()
        if name in predicted
    ]
    rows.append(("networks", f"{count}, {manifest.precision}"))
    if count > 1:
        rows.append(("combined by", _ensemble(manifest.model)))
    rows.append(("exported", f"{created}, maskgate {manifest.software.maskgate}"))
    yield ""
    yield from table(("this model", "predicts"), rows)


def _ensemble(model: SingleModelSpec | EnsembleModelSpec) -> str:
    if isinstance(model, SingleModelSpec):
        return "mean of the folds" if model.vote == "soft_vote" else "vote of the folds"
    members = ", ".join(f"{each.name} (weight {each.weight:g})" for each in model.members)
    steps = [model.combine.name, *(each.name for each in model.adjust)]
    return f"{', then '.join(steps)}, of {members}".replace("_", " ")


def intended_use() -> Iterator[str]:
    """What the model is for, and what not."""
    yield (
        "For a mask check at an entrance where somebody can correct a wrong answer. A photo of a"
        " face, printed or on a screen, counts as a face: it is no access control. Gender and age"
        " band are estimates from a face: do not base decisions about a person on them. Test the"
        " model with people and cameras of the place where it is used, above all for groups with"
        " few people in the tables below."
    )
