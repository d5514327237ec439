"""How reliable the probabilities are."""

from collections.abc import Iterator

from maskgate.bundle.manifest import EnsembleModelSpec, Manifest
from maskgate.core import reliability
from maskgate.ensemble.combining import CALIBRATIONS
from maskgate.evaluation.calibration import TARGET
from maskgate.export.card.markup import and_list, score_text, table
from maskgate.export.card.words import ATTRIBUTES


def section(manifest: Manifest) -> Iterator[str]:
    """The temperatures, and the calibration errors before and after."""
    fitted = manifest.calibration
    if fitted is None:
        yield _uncalibrated(manifest)
        return
    yield (
        "Probabilities are calibrated: of photos with a probability of 90%, about nine in ten are"
        " right. The logits of each attribute are divided by a temperature, which changes the"
        f" likeliest value of none. It was fitted to {fitted.photos:,} out-of-fold photos of"
        f" {fitted.people:,} people. The expected calibration error is the mean gap between"
        " confidence and the share that is right, in 15 bins of as many photos; each person is"
        " scored with temperatures that were fitted to others."
    )
    if len(list(manifest.networks())) > 1:
        yield ""
        yield (
            "Each photo was predicted by the network of its fold. The bundle takes the mean of"
            " several networks, which is less confident, so that its probabilities may be slightly"
            " too low."
        )
    yield ""
    yield from table(
        ("attribute", "temperature", "error before", "error, calibrated"),
        [
            (ATTRIBUTES[name], f"{fitted.temperatures[name]:.3f}",
             score_text(fitted.before[name].error), score_text(each.error))
            for name, each in fitted.after.items()
        ],
    )  # fmt: skip
    above = [ATTRIBUTES[n] for n, each in fitted.after.items() if each.error.value > TARGET]
    if above:
        yield ""
        yield f"The error of the {and_list(above)} is above the target of {TARGET:g}."


def _uncalibrated(manifest: Manifest) -> str:
    model = manifest.model
    if isinstance(model, EnsembleModelSpec) and any(
        each.name in CALIBRATIONS for each in model.adjust
    ):
        return "Probabilities are calibrated as in the run, which adjusts them so."
    if manifest.scores is None or not manifest.scores.validated:
        return "Probabilities are not calibrated: the run has no validation people to fit it to."
    return "Probabilities are not calibrated: a probability need not be the share that is right."


def diagrams(manifest: Manifest) -> str:
    """The reliability diagram of each attribute before and after calibration, in SVG."""
    if manifest.calibration is None:
        return ""
    before, after = manifest.calibration.before, manifest.calibration.after
    return "".join(
        reliability.draw({"before": before[name].points, "calibrated": each.points}, title)
        for name, title in ATTRIBUTES.items()
        for key, each in after.items()
        if key == name
    )
