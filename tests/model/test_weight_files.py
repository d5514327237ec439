"""Weights are found in a file however they were saved, and nothing else is taken for them."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel

from maskgate.config.recipe import Model
from maskgate.core.geometry import Geometry
from maskgate.errors import MaskgateError
from maskgate.model import backbone

State = dict[str, Tensor]
SIZE = Geometry(32, 24)
FIRST = "conv1.0.weight"


def weights(seed: int = 1, classes: int = 10) -> State:
    """The state of test_resnet with its classifier `fc`."""
    torch.manual_seed(seed)
    return dict(timm.create_model("test_resnet", num_classes=classes).state_dict())


def loaded(path: Path) -> State:
    return backbone.create(Model(backbone="test_resnet", weights=str(path)), SIZE).state_dict()


def saved(content: Any, folder: Path) -> Path:
    path = folder / "weights.pth"
    torch.save(content, path)
    return path


def under(prefix: str) -> Callable[[State], State]:
    return lambda state: {f"{prefix}{key}": tensor for key, tensor in state.items()}


class Lightning(nn.Module):
    """As a LightningModule holds a model, its loss beside it."""

    def __init__(self) -> None:
        super().__init__()
        self.model = nn.Module()
        self.model.backbone = timm.create_model("test_resnet", num_classes=0)
        self.model.head_mask = nn.Linear(64, 3)
        self.loss = nn.CrossEntropyLoss(torch.ones(3))


SHAPES: dict[str, Callable[[State], Any]] = {
    "bare": lambda state: state,
    "module.": under("module."),
    "model.": under("model."),
    "net.": under("net."),
    "backbone.": under("backbone."),
    "module.backbone.": under("module.backbone."),
    "model.module.net.backbone.": under("model.module.net.backbone."),
    "timm_model.": under("timm_model."),
    "_orig_mod.": under("_orig_mod."),
    "_orig_mod.module.": under("_orig_mod.module."),
    "module._orig_mod.": under("module._orig_mod."),
    "model._orig_mod.backbone.": under("model._orig_mod.backbone."),
    "compiled blocks": lambda state: {
        key.replace("layer1.", "layer1._orig_mod."): tensor for key, tensor in state.items()
    },
    "fsdp": under("_fsdp_wrapped_module."),
    "state_dict": lambda state: {"state_dict": state, "epoch": 3},
    "model_state_dict": lambda state: {"model_state_dict": state, "loss": 0.5},
    "model": lambda state: {"model": state},
    "net": lambda state: {"net": state},
    "model: state_dict": lambda state: {"model": {"state_dict": state}},
    "model_state_dict, module.": lambda state: {"model_state_dict": under("module.")(state)},
    "lightning": lambda state: {
        "pytorch-lightning_version": "2.5.0",
        "hyper_parameters": {"lr": 0.1},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(3.0)}}}],
        "state_dict": under("model.backbone.")(state) | {
            "model.head_mask.weight": torch.zeros(3, 64), "loss.weight": torch.ones(3),
        },
    },
    "with an optimiser": lambda state: {
        "model_state_dict": state,
        "optimizer_state_dict": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "args": argparse.Namespace(lr=0.1),
        "best": np.float64(0.7),
        "epochs": np.int64(3),
    },
    "timm's average": lambda state: {
        "state_dict": {key: torch.zeros_like(t) for key, t in state.items()},
        "state_dict_ema": state,
    },
    "average beside": lambda state: under("model.")(
        {key: torch.zeros_like(t) for key, t in state.items()}
    ) | under("ema_model.")(state),
    "twice the same": lambda state: {"state_dict": state, "model": under("module.")(state)},
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_weights_are_found_wherever_they_lie(shape: str, tmp_path: Path) -> None:
    state = weights()
    loaded_state = loaded(saved(SHAPES[shape](state), tmp_path))
    assert len(loaded_state) == len(state) - 2, "all but the classifier"
    for key, tensor in loaded_state.items():
        assert torch.equal(tensor, state[key]), key


def test_so_of_the_real_wrappers(tmp_path: Path) -> None:
    torch.manual_seed(1)
    plain = timm.create_model("test_resnet", num_classes=0)
    lightning = Lightning()
    lightning.model.backbone.load_state_dict(plain.state_dict())
    model: Any
    for model in (
        nn.DataParallel(plain),
        torch.compile(plain),
        torch.compile(nn.DataParallel(plain)),
        AveragedModel(plain),
        lightning,
    ):
        loaded_state = loaded(saved({"state_dict": model.state_dict()}, tmp_path))
        for key, tensor in plain.state_dict().items():
            assert torch.equal(loaded_state[key], tensor), type(model)
    save_file(under("module.")(weights()), tmp_path / "a.safetensors")
    assert torch.equal(loaded(tmp_path / "a.safetensors")[FIRST], weights()[FIRST])


def test_two_models_that_fit_are_not_guessed_between(tmp_path: Path) -> None:
    both = under("student.backbone.")(weights(1)) | under("teacher.backbone.")(weights(2))
    with pytest.raises(MaskgateError, match=r"2 sets of weights .*student\.backbone\..*teacher"):
        loaded(saved({"state_dict": both}, tmp_path))


@pytest.mark.parametrize("prefix", ["", "module.", "model.backbone."])
def test_what_does_not_fit_is_told_wherever_it_lies(prefix: str, tmp_path: Path) -> None:
    state, name = weights(), FIRST
    for fault, changed in {
        r"1 missing \(first conv1": {key: t for key, t in state.items() if key != name},
        r"1 of another shape \(first conv1": state | {name: torch.zeros(2)},
        r"1 unknown \(first extra": state | {"extra.weight": torch.zeros(2)},
        r"1 unknown \(first layer4\.9": state | {"layer4.9." + "x" * 10_000: torch.zeros(2)},
    }.items():
        with pytest.raises(MaskgateError, match=f"does not fit the backbone, .*{fault}") as error:
            loaded(saved({"model_state_dict": under(prefix)(changed)}, tmp_path))
        assert len(str(error.value)) < 500
    with pytest.raises(MaskgateError, match=r"none of its .* tensors is there"):
        loaded(saved({"a": torch.zeros(2)}, tmp_path))
    larger = timm.create_model("resnet34", num_classes=0).state_dict()
    path = saved(under(prefix)(dict(larger)), tmp_path)
    with pytest.raises(MaskgateError, match="unknown"):
        backbone.create(Model(backbone="resnet18", weights=str(path)), SIZE)


@pytest.mark.parametrize("name", ["fold-0/model.safetensors", "checkpoint.pt"])
def test_the_model_of_a_run_is_named_by_its_run(name: str, trained: Path, tmp_path: Path) -> None:
    path = trained / name
    if name == "checkpoint.pt":
        from safetensors.torch import load_file

        state = load_file(trained / "fold-0" / "model.safetensors")
        path = saved({"format": 2, "weights": under("module.")(state)}, tmp_path)
    with pytest.raises(MaskgateError, match=r"model of a run.*model\.init=RUN"):
        loaded(path)


class Odd:
    """What runs when it is unpickled."""

    def __reduce__(self) -> tuple[Any, tuple[str]]:
        return Path.touch, (Path("imported"),)  # type: ignore[return-value]


def test_a_file_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(MaskgateError, match=r"contains Python objects \(.*\).*state_dict\(\)"):
        loaded(saved({"state_dict": weights(), "config": Odd()}, tmp_path))
    with pytest.raises(MaskgateError, match=r"contains Python objects .*timm"):
        loaded(saved(timm.create_model("test_resnet"), tmp_path))
    assert not Path("imported").exists()


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    state = weights()
    state[FIRST][0, 0, 0, 0] = torch.nan
    with pytest.raises(MaskgateError, match=r"1 of .* not finite \(first conv1\.0\.weight\)"):
        loaded(saved({"state_dict": state}, tmp_path))
