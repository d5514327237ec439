"""What a student keeps of a gain, derived a second time."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from maskgate import labels
from maskgate.core import confusions
from maskgate.errors import MaskgateError
from maskgate.evaluation import distillation, metrics
from maskgate.evaluation.bootstrap import Resamples
from maskgate.runs import RunFolder, tables


def answering(trained: Path, to: Path, share_right: float) -> RunFolder:
    """A copy of a run whose probabilities are right for this share of the photos, in the reverse
    order of its own."""
    run = RunFolder(Path(shutil.copytree(trained, to)))
    rows, _ = tables.read_probabilities(run.oof_file)
    random = np.random.default_rng(0)  # who is right with a small share is so with a larger one
    is_right, guess = random.random(len(rows)) < share_right, random.integers(0, 18, len(rows))
    answers = np.where(is_right, rows["label"], guess)
    rows, answers = rows.iloc[::-1], answers[::-1]
    tables.write_probabilities(run.oof_file, rows, np.eye(labels.COUNT)[answers])
    run.files.add(run.oof_file)
    return run


def test_the_share_that_is_kept_is_the_ratio_of_paired_gains(trained: Path, tmp_path: Path) -> None:
    shares = {"single": 0.3, "student": 0.6, "ensemble": 0.8}
    runs = {name: answering(trained, tmp_path / name, share) for name, share in shares.items()}
    kept = distillation.measure(runs["student"], runs["ensemble"], runs["single"])
    table, _ = tables.oof(runs["student"])
    weights, value, drawn = Resamples(table, metrics.RESAMPLES, 0), {}, {}
    for name, run in runs.items():
        again, probabilities = tables.oof(run)
        assert again["photo"].tolist() == table["photo"].tolist()
        pair = table["label"].to_numpy(), probabilities.argmax(1)
        value[name] = float(confusions.macro_f1(confusions.confusion(*pair, labels.COUNT)))
        drawn[name] = confusions.macro_f1(weights.confusions("label", *pair))
        assert getattr(kept, name).value == pytest.approx(value[name])
    gain = value["ensemble"] - value["single"]
    assert kept.gain.value == pytest.approx(gain)
    assert kept.student_gain.value == pytest.approx(value["student"] - value["single"])
    assert kept.lost.value == pytest.approx(value["ensemble"] - value["student"])
    assert kept.kept is not None
    assert kept.kept.value == pytest.approx((value["student"] - value["single"]) / gain)
    ratio = (drawn["student"] - drawn["single"]) / (drawn["ensemble"] - drawn["single"])
    low, high = np.quantile(ratio, [0.025, 0.975])
    assert [kept.kept.low, kept.kept.high] == pytest.approx([low, high])
    assert kept.people == 32 and kept.score_of == "macro F1"


@pytest.mark.parametrize("ensemble", [0.3, 0.1])
def test_without_a_gain_the_share_is_undecided(
    ensemble: float, trained: Path, tmp_path: Path
) -> None:
    single, student, teacher = (
        answering(trained, tmp_path / name, share)
        for name, share in (("single", 0.3), ("student", 0.5), ("teacher", ensemble))
    )
    assert distillation.measure(student, teacher, single).kept is None


def test_runs_on_other_labels_are_not_compared(trained: Path, tmp_path: Path) -> None:
    other = RunFolder(Path(shutil.copytree(trained, tmp_path / "other")))
    other.update_status(truth="corrected")
    with pytest.raises(MaskgateError, match="another truth"):
        distillation.measure(RunFolder(trained), other, RunFolder(trained))
