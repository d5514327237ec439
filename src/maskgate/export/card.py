"""The model card of a bundle, as Markdown and as a page (Mitchell et al., Model cards for model
reporting, FAT* 2019). It shows what the manifest holds, and nothing else."""

from collections.abc import Iterator, Sequence
from html import escape
from importlib import resources

from markdown_it import MarkdownIt

from maskgate.bundle.manifest import (
    EnsembleModelSpec,
    Manifest,
    SingleModelSpec,
    TrainingFacts,
    leaves,
)
from maskgate.runs.records.results import Figure, SubsetScores

_TITLES = {
    "brightness": "brightness, 0–255",
    "sharpness": "sharpness, variance of the Laplacian",
    "face_width": "face width, pixels of the photo",
    "face_score": "score of the face detector",
    "confidence_mask": "confidence in the mask",
    "confidence_gender": "confidence in the gender",
    "confidence_age_band": "confidence in the age band",
}


def markdown(manifest: Manifest) -> str:
    """The card as Markdown (GitHub's tables)."""
    lines = [f"# Model card: {manifest.name}", "", *_summary(manifest)]
    for title, section in (
        ("Intended use", _use()),
        ("Scores", _scores(manifest)),
        ("Scores by group", _groups(manifest)),
        ("Precision", _precision(manifest)),
        ("Training", _training(manifest)),
        ("How it sees a photo", _view(manifest)),
        ("What the validation photos are like", _reference(manifest)),
        ("Files", _files(manifest)),
    ):
        body = list(section)
        if body:
            lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def html(manifest: Manifest, text: str) -> str:
    """The card's Markdown `text` as a page that needs no other file."""
    style = (resources.files("maskgate.export") / "card.css").read_text("utf-8")
    body = MarkdownIt("commonmark", {"html": False}).enable("table").render(text)
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>Model card: {escape(manifest.name)}</title>\n<style>\n{style}</style>\n</head>\n"
        f"<body>\n<main>\n{body}</main>\n</body>\n</html>\n"
    )


def _summary(manifest: Manifest) -> Iterator[str]:
    attributes = {name for model in leaves(manifest.model) for name in model.attributes}
    words = [name.replace("_", " ") for name in manifest.labels if name in attributes]
    count = sum(len(model.networks) for model in leaves(manifest.model))
    yield f"Predicts {', '.join(words)} of one person from a photo of the face."
    yield ""
    yield from _table(
        ("", ""),
        [
            ("classes", "; ".join(f"{n}: {', '.join(v)}" for n, v in manifest.labels.items())),
            ("networks", f"{count}, {manifest.precision}, ONNX opset {manifest.software.opset}"),
            ("ensemble", _ensemble(manifest.model)),
            ("made", f"{manifest.created} by maskgate {manifest.software.maskgate}"),
        ],
    )


def _ensemble(model: SingleModelSpec | EnsembleModelSpec) -> str:
    if isinstance(model, SingleModelSpec):
        return "mean of the folds" if model.vote == "soft_vote" else "vote of the folds"
    members = ", ".join(f"{each.name} (weight {each.weight:g})" for each in model.members)
    steps = [model.combine.name, *(each.name for each in model.adjust)]
    return f"{' → '.join(steps)} of {members}"


def _use() -> Iterator[str]:
    yield (
        "For a mask check at an entrance, where a person can act on a wrong answer. Gender and age"
        " band are guesses from a face: do not decide about a person by them. Test it on people"
        " and cameras of the place where it is used, above all on groups that the table below"
        " shows to be few."
    )


def _scores(manifest: Manifest) -> Iterator[str]:
    scores = manifest.scores
    if scores is None or not scores.validated or scores.score is None:
        yield "The model was validated on nobody: its scores are unknown."
        return
    yield (
        f"Out of fold, {scores.photos:,} photos of {scores.people:,} people whom the networks that"
        f" are scored never saw. Interval: {scores.interval}."
    )
    if manifest.precision != "fp32":
        yield ""
        yield "These are the scores in full precision (fp32); see Precision for what is lost."
    yield ""
    rows = [(scores.score_of, _figure(scores.score))]
    for name, each in scores.attributes.items():
        title = name.replace("_", " ")
        rows.append((f"{title}, macro F1", _figure(each.macro_f1)))
        rows.append((f"{title}, accuracy", _figure(each.accuracy)))
    yield from _table(("score", "value [95% interval]"), rows)
    classes = [
        (each.name, each.photos, each.people, _figure(each.f1), _figure(each.recall))
        for attribute in scores.attributes.values()
        for each in attribute.classes
    ]
    yield ""
    yield from _table(("value", "photos", "people", "F1", "recall"), classes)


def _groups(manifest: Manifest) -> Iterator[str]:
    if not manifest.groups:
        return
    names = list(manifest.scores.attributes) if manifest.scores is not None else []
    yield "Accuracy of each attribute among the people of a group; – where there are too few."
    yield ""
    yield from _table(
        ("group", "photos", "people", *(name.replace("_", " ") for name in names)),
        [
            (title.replace("_", " "), part.photos, part.people, *_accuracies(part, names))
            for title, part in manifest.groups.items()
        ],
    )


def _accuracies(part: SubsetScores, names: Sequence[str]) -> list[str]:
    by_name = {str(name): figure for name, figure in part.accuracy.items()}
    return [_figure(by_name[name]) if name in by_name else "–" for name in names]


def _precision(manifest: Manifest) -> Iterator[str]:
    loss = manifest.loss
    if loss is None:
        yield "Full: weights and computation in 32-bit floats, as trained."
        return
    how = {
        "fp16": "Weights in 16-bit floats, computed with in 32 bits.",
        "int8": "Weights and activations in 8-bit integers, calibrated on training photos.",
    }
    yield (
        f"{how.get(manifest.precision, '')} On the same {loss.photos:,} out-of-fold photos of"
        f" {loss.people:,} people:"
    )
    yield ""
    yield from _table(
        (loss.score_of, "value [95% interval]"),
        [
            ("fp32", _figure(loss.before)),
            (manifest.precision, _figure(loss.after)),
            ("lost, paired", _figure(loss.loss)),
            ("most that was allowed", f"{loss.limit:g}"),
        ],
    )


def _training(manifest: Manifest) -> Iterator[str]:
    yield f"Terms of the training photos: {manifest.terms or 'not stated'}."
    yield ""
    yield from _table(
        ("model", "recipe", "data", "photos", "people", "extra photos", "backbone", "weights from"),
        [
            (each.model, each.recipe, each.data, each.photos, each.people, each.extra_photos,
             each.backbone, each.weights)
            for each in manifest.training
        ],
    )  # fmt: skip
    warnings = list(_warnings(manifest.training))
    if warnings:
        yield ""
        yield from warnings


def _warnings(facts: Sequence[TrainingFacts]) -> Iterator[str]:
    for text in dict.fromkeys(text for each in facts for text in each.warnings):
        yield f"- {_plain(text)}"


def _view(manifest: Manifest) -> Iterator[str]:
    rows = []
    for model, facts in zip(leaves(manifest.model), manifest.training, strict=True):
        face = model.photo.face
        crop = f"the photo's centre, {model.photo.crop:g} of it"
        if face is not None:
            crop = f"the face ({face.detector.name}) with {face.margin:g} of its sides around it"
            crop += ", turned so that the eyes lie level" if face.align else ""
        tta = ", ".join(each.name for each in model.tta) or "none"
        rows.append((facts.model, f"{model.photo.width}×{model.photo.height}", crop, tta))
    yield from _table(("model", "input, pixels", "of a photo", "test-time augmentation"), rows)


def _reference(manifest: Manifest) -> Iterator[str]:
    if not manifest.reference:
        return
    yield "A door whose photos are unlike these is outside what was validated."
    yield ""
    yield from _table(
        ("measure", "photos", "5%", "25%", "median", "75%", "95%"),
        [
            (_TITLES.get(name, name), each.photos, *(f"{value:.3g}" for value in each.quantiles))
            for name, each in manifest.reference.items()
        ],
    )


def _files(manifest: Manifest) -> Iterator[str]:
    yield from _table(
        ("file", "bytes", "SHA-256"),
        [(name, each.bytes, f"`{each.sha256}`") for name, each in sorted(manifest.files.items())],
    )


def _figure(figure: Figure) -> str:
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> Iterator[str]:
    yield _row(head)
    yield _row(["---:" if _is_count(rows, at) else "---" for at in range(len(head))])
    for row in rows:
        yield _row([_plain(f"{each:,}" if isinstance(each, int) else str(each)) for each in row])


def _is_count(rows: Sequence[Sequence[object]], column: int) -> bool:
    return bool(rows) and all(isinstance(row[column], int) for row in rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _plain(text: str) -> str:
    """Text of others that means nothing in Markdown."""
    marked = (
        text
        if text.startswith("`")
        else "".join(f"\\{c}" if c in "\\`*_<>[]#" else c for c in text)
    )
    return " ".join(marked.replace("|", "\\|").split())
