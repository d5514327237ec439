"""The model card of a bundle, as Markdown and as a page (Mitchell et al., Model cards for model
reporting, FAT* 2019). It shows what the manifest holds, and nothing else."""

from maskgate.bundle.manifest import Manifest
from maskgate.export.card import (
    calibration,
    contents,
    held_out,
    origin,
    passing,
    scores,
    summary,
    thresholds,
)
from maskgate.export.card.markup import plain
from maskgate.export.card.page import page


def markdown(manifest: Manifest) -> str:
    """The card as Markdown (GitHub's tables)."""
    lines = [f"# Model card: {plain(manifest.name)}", "", *summary.section(manifest)]
    for title, section in (
        ("Intended use", summary.intended_use()),
        ("Scores", scores.section(manifest)),
        ("Calibration", calibration.section(manifest)),
        ("Thresholds", thresholds.section(manifest)),
        ("Letting in and stopping", passing.section(manifest.passing)),
        ("Accuracy by group", scores.by_group(manifest)),
        ("Tested on other people", held_out.section(manifest)),
        ("Precision", origin.precision(manifest)),
        ("Training", origin.training(manifest)),
        ("Input", contents.inputs(manifest)),
        ("Photos it was validated on", contents.reference(manifest)),
        ("Files", contents.files(manifest)),
    ):
        body = list(section)
        if body:
            lines += ["", f"## {title}", "", *body]
    return "\n".join(lines) + "\n"


def html(manifest: Manifest, text: str) -> str:
    """The card's Markdown `text` as a page that needs no other file."""
    diagrams = {
        "Calibration": calibration.diagrams(manifest),
        "Thresholds": thresholds.diagrams(manifest.thresholds),
        "Letting in and stopping": passing.diagrams(manifest.passing),
    }
    return page(f"Model card: {manifest.name}", text, diagrams)
