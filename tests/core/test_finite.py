"""NaN and infinity are a fault wherever they arise, and never become a prediction."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from maskgate import labels
from maskgate.config.recipe import Pseudo
from maskgate.config.settings import Component
from maskgate.core import finite
from maskgate.data import pseudo_labels
from maskgate.data import table as photo_table
from maskgate.ensemble import combining
from maskgate.ensemble.combining import Combination, EnsembleSpec
from maskgate.ensemble.votes import MemberProbabilities
from maskgate.errors import MaskgateError
from maskgate.evaluation import metrics
from maskgate.inference.predictions import Predictions
from maskgate.model import network
from maskgate.model.averages import EMA
from maskgate.runs import RunFolder, tables
from maskgate.training.step import TrainingStep

Call = Callable[..., tuple[int, str, str]]
Train = Callable[..., Path]
Floats = npt.NDArray[np.float32]


def copied(run: Path, folder: Path) -> RunFolder:
    """A copy as older versions left runs, without a list of its files."""
    copied_run = RunFolder(Path(shutil.copytree(run, folder / "run")))
    copied_run.update_status(files=None)
    return copied_run


def sure(count: int, value: float | None = None) -> Floats:
    """Probabilities (count, 18), the last photo's first one of them `value`."""
    probabilities = np.full((count, labels.COUNT), 1 / labels.COUNT, dtype=np.float32)
    if value is not None:
        probabilities[-1, 0] = value
    return probabilities


@pytest.mark.parametrize("average", ["null", "ema", "swa"])
@pytest.mark.parametrize("validated", [True, False])
def test_a_last_update_that_explodes_is_no_finished_run(
    call: Call, tiny: Path, people: Path, tmp_path: Path, average: str, validated: bool
) -> None:
    kind = "kfold" if validated else "all"
    code, out, err = call(
        "train", tiny, people, "optimizer.lr=1e30", "training.epochs=1", "training.batch_size=512",
        f"training.average={average}", f"folds.kind={kind}", "--out", tmp_path / "run",
    )  # fmt: skip
    assert (code, out) == (2, "")
    last = err.splitlines()[-1]
    assert last.startswith("maskgate: fold 0")
    assert "not finite" in last
    assert "lower optimizer.lr, or set training.clip_norm" in last
    assert "Traceback" not in err
    assert not (tmp_path / "run").exists()  # nothing of it is of use


@pytest.mark.parametrize("where", ["weights", "averages", "statistics"])
def test_weights_are_looked_at_after_the_last_update(
    train: Train, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    update, average = TrainingStep.update, EMA.after_update

    def break_one(network: nn.Module, name: str = "") -> None:
        state = network.state_dict().items()
        last = [t for key, t in state if t.is_floating_point() and key.endswith(name)]
        last[-1].view(-1)[0] = torch.inf

    def updated(self: TrainingStep, *arguments: Any) -> Any:
        done = update(self, *arguments)
        break_one(self.bare_network, "running_var" if where == "statistics" else "")
        return done

    def averaged(self: EMA) -> None:
        average(self)
        assert self.averaged is not None
        break_one(self.averaged)

    if where == "averages":
        monkeypatch.setattr(EMA, "after_update", averaged)
    else:
        monkeypatch.setattr(TrainingStep, "update", updated)
    with pytest.raises(MaskgateError, match=r"fold 0, update 1: 1 of .* not finite \(first"):
        train(tmp_path / "run", "training.epochs=1", "training.batch_size=512",
            "training.average=ema")  # fmt: skip
    assert not (tmp_path / "run").exists()


def test_what_never_was_finite_may_stay_so() -> None:
    state = {"mask": torch.tensor([-torch.inf]), "weight": torch.ones(1), "n": torch.tensor(3)}
    known = finite.non_finite(state)
    assert known == {"mask"}
    finite.check_weights(state, known, "it")
    with pytest.raises(MaskgateError, match=r"it: 1 of 3 tensors .*first weight"):
        finite.check_weights(state | {"weight": torch.tensor([torch.nan])}, known, "it")


@pytest.mark.slow
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_no_command_predicts_with_weights_that_are_not_finite(
    call: Call, trained: Path, people: Path, tmp_path: Path, value: float,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    run = copied(trained, tmp_path)
    state = load_file(run.weights_file(1))
    first = next(
        iter(name for name, t in state.items() if t.is_floating_point() and "weight" in name)
    )
    state[first].view(-1)[0] = value
    save_file(state, run.weights_file(1))
    for words in (
        ("predict", run.path, people / "eval", "-o", "out.csv"),
        ("submit", run.path, people, "-o", "out.csv"),
        ("submit", run.path, trained, people, "-o", "out.csv"),
        ("combine", run.path, "-o", "out", "--tta", "flip"),
    ):
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        last = err.splitlines()[-1]
        assert f"model.safetensors: 1 of {len(state)} tensors" in last
        assert "train it again" in last
        assert not Path("out.csv").exists()
        assert not Path("out").exists()


def test_no_photo_is_called_something_by_probabilities_that_are_none(
    call: Call, trained: Path, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = network.create

    def odd(*arguments: Any, **more: Any) -> network.Network:
        model = create(*arguments, **more)
        model.head.register_forward_hook(lambda *hook_arguments: hook_arguments[-1]._replace(
            log_probabilities=hook_arguments[-1].log_probabilities * torch.nan))  # fmt: skip
        return model

    monkeypatch.setattr(network, "create", odd)
    for words in (
        ("predict", trained, people / "eval", "-o", tmp_path / "out.csv"),
        ("submit", trained, people, "-o", tmp_path / "out.csv"),
    ):
        code, out, err = call(*words)
        assert (code, out) == (2, "")
        assert "the model: the probabilities of " in err.splitlines()[-1]
        assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_probabilities_are_neither_written_nor_read(tmp_path: Path, value: float) -> None:
    path, table = tmp_path / "oof.parquet", pd.DataFrame({"photo": list("abc")})
    with pytest.raises(MaskgateError, match=r"oof\.parquet: the probabilities of 1 of 3 photos"):
        tables.write_probabilities(path, table, sure(3, value))
    assert not path.exists()
    tables.write_probabilities(path, table, sure(3))
    table = pd.read_parquet(path)
    table.loc[1, "p03"] = value
    table.to_parquet(path)
    with pytest.raises(MaskgateError, match=r"oof\.parquet: the probabilities of 1 of 3 photos"):
        tables.read_probabilities(path)


def test_members_with_them_are_not_combined(call: Call, trained: Path, tmp_path: Path) -> None:
    run = copied(trained, tmp_path)
    table = pd.read_parquet(run.oof_file)
    table.loc[3, "p03"] = np.nan
    table.to_parquet(run.oof_file)
    for how in ("soft_vote", "hard_vote", "weights", "stacking"):
        code, out, err = call("combine", run.path, trained, "-o", tmp_path / "both", "--combine",
            how, "--adjust", "offsets")  # fmt: skip
        assert (code, out) == (2, "")
        assert "oof.parquet: the probabilities of 1 of" in err.splitlines()[-1]
        assert not (tmp_path / "both").exists()


@pytest.mark.parametrize("how", ["weights", "stacking", "offsets", "near_tie"])
def test_what_is_learned_of_them_is_told(how: str) -> None:
    every = tuple(labels.ATTRIBUTES)
    members = [MemberProbabilities(sure(6).astype(np.float64), every) for _ in range(2)]
    is_adjustment = how in combining.ADJUSTMENTS
    spec = EnsembleSpec(
        Component(name="soft_vote" if is_adjustment else how),
        (Component(name=how),) if is_adjustment else (),
    )
    combine = {"weights": {name: [np.nan, 1.0] for name in every},
        "stacking": {name: {"weights": np.full((2 * n, n), np.nan).tolist(), "bias": [0.0] * n}
                     for name, n in zip(every, labels.SIZES, strict=True)},
        "offsets": {"offsets": [np.nan] * labels.COUNT, "penalty": None},
    }  # fmt: skip
    if how == "near_tie":
        members = [MemberProbabilities(sure(6, np.nan).astype(np.float64), every) for _ in range(2)]
        combine["near_tie"] = {"best": [0, 1]}
    with pytest.raises(MaskgateError, match=r"(combine|adjust) \w+: the probabilities of"):
        Combination(spec, combine)(members)


def test_they_are_not_scored_and_label_nothing() -> None:
    nothing = np.zeros(6, dtype=int)
    table = photo_table.build("abcdef", "abcdef", nothing, nothing, np.full(6, 20.0))
    with pytest.raises(MaskgateError, match="the probabilities to score"):
        metrics.evaluate(sure(6, np.nan), table, resamples=10)
    with pytest.raises(MaskgateError, match="the probabilities to score"):
        metrics.paired_comparison(sure(6), sure(6, np.inf), table)
    settings = Pseudo(photos="photos", run="run")
    with pytest.raises(MaskgateError, match="pseudo labels"):
        pseudo_labels.choose(sure(6, np.nan), list("abcdef"), nothing.astype(bool), settings)
    with pytest.raises(MaskgateError, match="the model"):
        Predictions(list("abcdef"), sure(6, np.nan))


def test_a_learning_rate_that_diverges_is_what_the_finder_looks_for(
    call: Call, tiny: Path, people: Path, tmp_path: Path
) -> None:
    code, out, err = call("lr", tiny, people, "--high", "1e30", "--updates", "30", "--out",
        tmp_path / "lr")  # fmt: skip
    assert code == 0, err
    assert "it diverges" in out or "no suggestion" in out


def test_photos_of_one_colour_give_no_statistics(trained: Path) -> None:
    recipe = RunFolder(trained).recipe()
    with pytest.raises(MaskgateError, match=r"model\.normalise=data"):
        network.create(recipe, ([0.5] * 3, [0.1, 0.0, 0.1]))


def test_a_run_that_ended_so_before_is_told(call: Call, trained: Path, tmp_path: Path) -> None:
    """Older versions ended a run whose weights were no numbers."""
    run = copied(trained, tmp_path)
    table = pd.read_parquet(run.oof_file)
    table[list(labels.PROBABILITY_COLUMNS)] = np.nan
    table.to_parquet(run.oof_file)
    assert json.loads(run.status_file.read_text())["finished"]
    for words in (("report", run.path), ("compare", trained, run.path)):
        code, _, err = call(*words)
        assert code == 2
        assert "not finite" in err.splitlines()[-1]
