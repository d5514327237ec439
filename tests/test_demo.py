"""The demo's network learns what a colour histogram cannot, and is no trivial matter."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from maskgate import demo, labels
from maskgate.core import confusions
from maskgate.data import layouts


def histogram(path: Path) -> np.ndarray:
    levels = np.asarray(Image.open(path).convert("RGB")) // 32
    return np.concatenate([np.bincount(levels[..., c].ravel(), minlength=8) for c in range(3)])


def macro_f1(answers: np.ndarray, truth: np.ndarray) -> float:
    return float(confusions.macro_f1(confusions.confusion(truth, answers, labels.COUNT)))


@pytest.mark.slow
def test_the_demo_beats_a_colour_histogram(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    demo.run(tmp_path, 160)
    assert "test macro F1" in capsys.readouterr().out
    for name in ("verdicts.png", "run/report.html"):  # which README asks to open
        assert (tmp_path / name).is_file()
    people = tmp_path / "people"
    truth = pd.read_csv(people / "truth" / "eval.csv").set_index("ImageID")["ans"]
    submission = pd.read_csv(tmp_path / "submission.csv").set_index("ImageID")["ans"]
    network = macro_f1(submission.loc[truth.index].to_numpy(), truth.to_numpy())

    photos = layouts.read(people)
    features = np.stack([histogram(photos.root / name) for name in photos.table["photo"]])
    model = make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000))
    model.fit(features, photos.table["label"])
    tested = np.stack([histogram(people / "eval" / "images" / name) for name in truth.index])
    colours = macro_f1(model.predict(tested), truth.to_numpy())
    assert colours < 0.2
    assert colours + 0.2 < network < 0.98

    demo.run(tmp_path, 160)  # again in the same folder: nothing is drawn or trained anew
    assert "finished" in capsys.readouterr().err
