"""Reads a backbone's weights from the files that training code writes.

Such a file has a state dict, alone or under a key (`state_dict`, `model_state_dict`, timm's
`state_dict_ema` …). The backbone may be part of the saved model (Lightning's `model.`,
DataParallel's `module.`, `backbone.`, `net.`, also nested), and the model may be wrapped
(torch.compile's `_orig_mod`, FSDP). So the backbone's tensor names are searched at the ends of the
names in the file.
"""

import argparse
import pickle
import re
from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from safetensors.torch import load_file
from torch import Tensor

from maskgate.config import recipe_files
from maskgate.errors import MaskgateError, listed, truncate

_WRAPPERS: Final = {"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module"}
_MAX_DEPTH: Final = 4  # levels of nested dicts that are searched
_MAX_NAME: Final = 80  # characters of a name in a message
_SCALAR: Final = np.float64(0).__reduce__()[0]  # the function that unpickles a NumPy number
# Plain data that training code often saves besides tensors; nothing else is unpickled.
_SAFE_CLASSES: Final[list[Any]] = [
    argparse.Namespace,
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),  # its name in older files
    np.dtype,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)},
]


@dataclass(frozen=True)
class _Candidate:
    """Tensors under one prefix of a state dict in the file, by the backbone's names."""

    name: str
    tensors: Mapping[str, Tensor]
    is_run: bool  # a network of maskgate; the file does not list its training people

    def matches(self, expected: Mapping[str, Tensor]) -> int:
        """How many tensors of the backbone it has in the right shape."""
        return sum(
            key in self.tensors and self.tensors[key].shape == tensor.shape
            for key, tensor in expected.items()
        )


def read(path: Path, expected: Mapping[str, Tensor], heads: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a backbone, by its names, from the file at `path`.

    `expected` is the state dict of that backbone. The model in the file may have classifiers, the
    modules `heads`, besides the backbone; the rest of the file is ignored. Averaged weights (EMA)
    are preferred, as in timm. Raises MaskgateError if a tensor is missing, has another shape or is
    unknown, or if several sets of weights fit.
    """
    candidates = [
        candidate
        for state in _state_dicts(load(path))
        for candidate in _candidates(*state, expected)
    ]
    if not candidates:
        raise MaskgateError(
            f"{path}: does not fit the backbone, none of its {len(expected)} tensors is there; use"
            " the backbone of these weights, or model.init=RUN for those of a run"
        )
    most = max(candidate.matches(expected) for candidate in candidates)
    best = [candidate for candidate in candidates if candidate.matches(expected) == most]
    if any(candidate.is_run for candidate in best):
        raise MaskgateError(
            f"{path}: does not fit the backbone: it is the whole model of a run, and the list of"
            " its training people is missing; name the run itself, model.init=RUN, so that none of"
            " them is validated on"
        )
    candidate = best[0]
    if faults := _mismatches(candidate, expected, heads):
        raise MaskgateError(
            f"{path}: does not fit the backbone, tensors {', '.join(faults)}; use the backbone of"
            " these weights, or model.init=RUN for those of a run"
        )
    chosen = [each for each in best if re.search(r"(?:^|[._])ema(?:[._]|$)", each.name)] or best
    if any(not _same_tensors(chosen[0], each, expected) for each in chosen[1:]):
        names = listed([_cut_name(each.name) for each in chosen])
        raise MaskgateError(
            f"{path}: has {len(chosen)} sets of weights that fit the backbone ({names}); save the"
            " one to use in a separate file"
        )
    return {key: chosen[0].tensors[key] for key in expected}


def load(path: Path) -> Any:
    """The content of a file of weights; no code in it is run. Raises MaskgateError."""
    recipe_files.check_weights(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_SAFE_CLASSES):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if names := _unsafe_classes(path):
            raise MaskgateError(
                f"{path}: contains Python objects ({names}), which are not loaded from a file; save"
                " only the tensors, torch.save(model.state_dict(), FILE)"
            ) from error
        raise _not_weights(path, error) from error
    except Exception as error:
        raise _not_weights(path, error) from error


def _not_weights(path: Path, error: Exception) -> MaskgateError:
    return MaskgateError(
        f"{path}: not a file of weights ({type(error).__name__}); give a .safetensors or .pth"
    )


def _unsafe_classes(path: Path) -> str:
    """The first classes that the file would unpickle besides tensors; nothing is loaded."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # not a torch file
        return ""
    return listed([_cut_name(name) for name in sorted(names)], 3)


def _state_dicts(
    content: Any, name: str = "", depth: int = _MAX_DEPTH
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The state dicts in a file's content, with the keys that lead to them."""
    if not isinstance(content, Mapping) or not depth:
        return
    entries = {key: each for key, each in content.items() if isinstance(key, str)}
    if any(isinstance(each, Tensor) for each in entries.values()):
        yield name, entries
    for key, each in entries.items():
        yield from _state_dicts(each, f"{name}{key}.", depth - 1)


def _candidates(
    name: str, state: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> Iterator[_Candidate]:
    """The prefixes in a state dict under which the backbone's names occur, the most names first."""
    tensors = {
        ".".join(part for part in key.split(".") if part not in _WRAPPERS): each
        for key, each in state.items()
        if isinstance(each, Tensor)
    }
    prefixes: Counter[str] = Counter()
    for key in tensors:
        parts = key.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in expected:
                prefixes["".join(f"{part}." for part in parts[:start])] += 1
    for prefix, _ in prefixes.most_common():
        inside = {
            key.removeprefix(prefix): each
            for key, each in tensors.items()
            if key.startswith(prefix)
        }
        parent = prefix.removesuffix("backbone.")
        is_run = parent != prefix and f"{parent}normalise.mean" in tensors
        yield _Candidate(f"{name}{prefix}", inside, is_run)


def _mismatches(
    candidate: _Candidate, expected: Mapping[str, Tensor], heads: Collection[str]
) -> list[str]:
    """How the candidate's tensors differ from the backbone's, in a few words each."""
    tensors = candidate.tensors
    missing = sorted(expected.keys() - tensors.keys())
    both = expected.keys() & tensors.keys()
    reshaped = [key for key in both if expected[key].shape != tensors[key].shape]
    unknown = [key for key in tensors.keys() - expected.keys() if not _is_inside(key, heads)]
    return [
        f"{len(keys)} {what} (first {_cut_name(min(keys))})"
        for what, keys in (
            ("missing", missing),
            ("of another shape", reshaped),
            ("unknown", unknown),
        )
        if keys
    ]


def _is_inside(key: str, modules: Collection[str]) -> bool:
    return any(key.startswith(f"{module}.") for module in modules)


def _same_tensors(one: _Candidate, other: _Candidate, expected: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one.tensors[key], other.tensors[key]) for key in expected)


def _cut_name(name: str) -> str:
    """A name from a file, shortened for a message."""
    return truncate(name, _MAX_NAME)
