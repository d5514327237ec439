"""The map of photos, and the people on whom all models fail."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from maskgate import labels
from maskgate.errors import MaskgateError
from maskgate.explain import embedding_map
from maskgate.runs import comparability, open_run, tables


def test_groups_stay_together() -> None:
    random = np.random.default_rng(0)
    centres = random.normal(0, 10, (3, 20))
    group = np.repeat(np.arange(3), 15)
    features = (centres[group] + random.normal(0, 1, (45, 20))).astype(np.float32)
    features[:, 3] = 5  # a feature that never changes
    points = embedding_map.project(features, 7)
    assert points.shape == (45, 2) and np.isfinite(points).all()
    distance = np.linalg.norm(points[:, None] - points[None], axis=2)
    np.fill_diagonal(distance, np.inf)
    assert (group[distance.argmin(1)] == group).all()
    assert (points == embedding_map.project(features, 7)).all()
    assert embedding_map.project(features[:5], 7).shape == (5, 2)
    assert embedding_map.is_enough(5) and not embedding_map.is_enough(4)


def test_failures_equal_a_loop(trained: Path, tmp_path: Path) -> None:
    run = open_run(trained)
    table, probabilities = tables.oof(run)
    failed = embedding_map.failures([run, run])
    assert failed["photo"].tolist() == table["photo"].tolist()
    for name, members in labels.MEMBERS.items():
        for row in range(len(table)):
            parts = [float(probabilities[row] @ member) for member in members]
            truth = table[name].iloc[row]
            assert failed[f"all_wrong_{name}"].iloc[row] == (int(np.argmax(parts)) != truth)
            assert failed[f"probability_{name}"].iloc[row] == pytest.approx(parts[truth])


def test_all_models_must_fail(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(trained)
    table, probabilities = tables.oof(run)
    perfect = np.eye(18, dtype=np.float32)[table["label"]]
    order = np.arange(len(table))[::-1]
    answers = [(table, probabilities), (table.iloc[order], perfect[order])]
    monkeypatch.setattr(tables, "oof", lambda _: answers.pop(0))
    failed = embedding_map.failures([run, run])
    assert not failed[[f"all_wrong_{name}" for name in labels.ATTRIBUTES]].any(axis=None)


def test_hard_people_are_wrong_in_half_of_their_photos() -> None:
    failed = pd.DataFrame(
        {
            "person": ["a", "a", "b", "b", "b", "c"],
            "all_wrong_gender": [True, False, True, False, False, True],
            "probability_gender": [0.2, 0.6, 0.1, 0.9, 0.8, np.nan],
            "all_wrong_mask": [False, False, True, True, True, False],
            "probability_mask": [0.9, 0.9, 0.1, 0.2, 0.3, 0.9],
        }
    )
    hard = embedding_map.hard_people(failed, ["gender", "mask"])
    rows = [tuple(row) for row in hard.itertuples(index=False)]
    assert rows == [
        ("b", "mask", 3, 3, pytest.approx(0.2)),
        ("a", "gender", 2, 1, pytest.approx(0.4)),
    ]


def test_runs_on_other_photos_are_not_compared(
    trained: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(comparability, "mismatch", lambda first, other: f"{other.name}: differs")
    with pytest.raises(MaskgateError, match="differs"):
        embedding_map.failures([open_run(trained), open_run(trained)])
