"""How the model was trained and reduced in precision."""

from collections.abc import Iterator, Sequence

from maskgate.bundle.manifest import Manifest, TrainingFacts
from maskgate.export.card.markup import plain, score_text, table


def precision(manifest: Manifest) -> Iterator[str]:
    """The precision of the networks, and what it costs."""
    loss = manifest.loss
    method = {
        "fp32": "Full: weights and computation in 32-bit floats, as trained.",
        "fp16": "Weights in 16-bit floats, computed in 32 bits.",
        "int8": "Weights and activations in 8-bit integers, calibrated on training photos.",
    }[manifest.precision]
    if loss is None:
        is_full = manifest.precision == "fp32"
        yield method if is_full else f"{method} What that costs was not measured."
        return
    yield (
        f"{method} The same {loss.photos:,} photos of {loss.people:,} people in both precisions:"
    )
    yield ""
    yield from table(
        (loss.score_of, "value"),
        [
            ("fp32", score_text(loss.before)),
            (manifest.precision, score_text(loss.after)),
            ("loss (paired)", score_text(loss.loss)),
            ("limit", f"{loss.limit:g}"),
        ],
    )


def training(manifest: Manifest) -> Iterator[str]:
    """The training data and recipe of each model, and those of its initial weights."""
    yield f"Terms of the training photos: {plain(manifest.terms or 'not stated')}."
    yield ""
    rows: list[Sequence[object]] = []
    for facts in manifest.training:
        rows += _training_rows(facts, "")
    head = ("model", "recipe", "data", "photos", "people", "extra photos", "backbone",
            "initial weights")  # fmt: skip
    yield from table(head, rows)
    warnings = dict.fromkeys(text for each in manifest.training for text in each.warnings)
    if warnings:
        yield ""
        yield from (f"- {plain(text)}" for text in warnings)


def _training_rows(facts: TrainingFacts, indent: str) -> Iterator[Sequence[object]]:
    """A row of a training, then those of the trainings that its initial weights come from."""
    yield (
        f"{indent}{facts.model}", facts.recipe, facts.data, facts.photos, facts.people,
        facts.extra_photos, facts.backbone, facts.weights,
    )  # fmt: skip
    for before in facts.before:
        yield from _training_rows(before, f"{indent}← ")
