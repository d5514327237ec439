"""A system's file whose members are runs is combined, and exported as its run would be."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import yaml

import maskgate

Call = Callable[..., tuple[int, str, str]]


@pytest.mark.slow
def test_a_system_file_is_exported_as_its_ensemble(
    call: Call, trained: Path, train: Callable[..., Path], people: Path, tmp_path: Path
) -> None:
    other = train(tmp_path / "other", "training.epochs=1", "seed=9")
    first = {"name": "one", "run": str(trained), "weight": 3}
    system = {"members": [first, {"name": "two", "run": str(other)}], "combine": "soft_vote"}
    (tmp_path / "pair.yaml").write_text(yaml.safe_dump(system))
    code, out, err = call("export", tmp_path / "pair.yaml", tmp_path / "bundle", "--no-calibrate")
    assert code == 0, err
    assert "bundle: 4 networks" in out
    photos = sorted(people.glob("eval/images/*"))[:5]
    together, one, two = (
        maskgate.load(model).predict(photos).probabilities
        for model in (tmp_path / "bundle", trained, other)
    )
    np.testing.assert_allclose(together, (3 * one + two) / 4, atol=1e-4)
    assert {path.name for path in tmp_path.iterdir()} >= {"bundle", "pair.yaml", "other"}
    assert not list(tmp_path.glob(".*"))
