"""Files of weights, however they were saved: the tensors of a backbone, wherever they lie in one.

What training code saves is a state dict, alone or beside other things (`state_dict`,
`model_state_dict`, timm's `state_dict_ema` …), of a model that holds the backbone somewhere
(Lightning's `model.`, DataParallel's `module.`, `backbone.`, `net.`, and these in each other) and
may be wrapped (torch.compile's `_orig_mod`, FSDP). So the backbone's own names are looked for at
the ends of the names in the file.
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
_DEEP: Final = 4  # dicts in dicts that are looked into
_LONGEST: Final = 80  # characters of a name in a message
_SCALAR: Final = np.float64(0).__reduce__()[0]  # what makes a number of NumPy's
# Plain data that training code likes to save beside the tensors; nothing else is unpickled.
_PLAIN: Final[list[Any]] = [
    argparse.Namespace,
    _SCALAR,
    (_SCALAR, "numpy.core.multiarray.scalar"),  # its name in older files
    np.dtype,
    *{type(np.dtype(kind)) for kind in (np.float64, np.float32, np.int64, np.int32, np.bool_)},
]


@dataclass(frozen=True)
class _Place:
    """Tensors (by the backbone's names) that lie under a prefix of a state dict of the file."""

    name: str
    tensors: Mapping[str, Tensor]
    of_a_run: bool  # maskgate's own network; the file does not list the people it has seen

    def fits(self, expected: Mapping[str, Tensor]) -> int:
        """How many tensors of the backbone it holds in their shape."""
        return sum(
            key in self.tensors and self.tensors[key].shape == tensor.shape
            for key, tensor in expected.items()
        )


def read(path: Path, expected: Mapping[str, Tensor], heads: Collection[str]) -> dict[str, Tensor]:
    """The tensors of a backbone, by its names, from the file at `path`.

    `expected` is the state of that backbone. Of the model in the file that holds it only
    classifiers, the modules `heads`, may be left over; what lies outside of that model does not
    matter. Where averaged weights (EMA) lie beside others they are used, as timm does. Raises
    MaskgateError where a tensor is missing, has another shape or is unknown, and where several sets
    of weights fit.
    """
    places = [place for state in _states(_loaded(path)) for place in _places(*state, expected)]
    if not places:
        raise MaskgateError(
            f"{path}: does not fit the backbone, none of its {len(expected)} tensors is there; use"
            " the backbone they come from, or model.init=RUN for those of a run"
        )
    most = max(place.fits(expected) for place in places)
    best = [place for place in places if place.fits(expected) == most]
    if any(place.of_a_run for place in best):
        raise MaskgateError(
            f"{path}: does not fit the backbone: it is the whole model of a run, and whom that has"
            " seen is missing; name the run itself, model.init=RUN, so that none of them is"
            " validated on"
        )
    place = best[0]
    if faults := _faults(place, expected, heads):
        raise MaskgateError(
            f"{path}: does not fit the backbone, tensors {', '.join(faults)}; use the backbone they"
            " come from, or model.init=RUN for those of a run"
        )
    chosen = [each for each in best if re.search(r"(?:^|[._])ema(?:[._]|$)", each.name)] or best
    if any(not _equal(chosen[0], each, expected) for each in chosen[1:]):
        names = listed([_shortened(each.name) for each in chosen])
        raise MaskgateError(
            f"{path}: holds {len(chosen)} sets of weights that fit the backbone ({names}); save the"
            " one to use in a file of its own"
        )
    return {key: chosen[0].tensors[key] for key in expected}


def _loaded(path: Path) -> Any:
    """What the file holds, of which nothing is run. Raises MaskgateError."""
    recipe_files.check_weights(path)
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        with torch.serialization.safe_globals(_PLAIN):
            return torch.load(path, map_location="cpu", weights_only=True)
    except pickle.UnpicklingError as error:
        if names := _objects(path):
            raise MaskgateError(
                f"{path}: holds Python objects ({names}), which are not loaded from a file; save"
                " the tensors alone, torch.save(model.state_dict(), FILE)"
            ) from error
        raise _none(path, error) from error
    except Exception as error:
        raise _none(path, error) from error


def _none(path: Path, error: Exception) -> MaskgateError:
    return MaskgateError(
        f"{path}: not a file of weights ({type(error).__name__}); give a .safetensors or .pth"
    )


def _objects(path: Path) -> str:
    """The first classes that a file would need beside tensors; nothing is loaded of it."""
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
    except Exception:  # it is no file of torch's
        return ""
    return listed([_shortened(name) for name in sorted(names)], 3)


def _states(
    content: Any, name: str = "", deep: int = _DEEP
) -> Iterator[tuple[str, dict[str, Any]]]:
    """The state dicts in what a file holds, with the keys that lead to them."""
    if not isinstance(content, Mapping) or not deep:
        return
    own = {key: each for key, each in content.items() if isinstance(key, str)}
    if any(isinstance(each, Tensor) for each in own.values()):
        yield name, own
    for key, each in own.items():
        yield from _states(each, f"{name}{key}.", deep - 1)


def _places(
    name: str, state: Mapping[str, Any], expected: Mapping[str, Tensor]
) -> Iterator[_Place]:
    """Where in a state dict names of the backbone lie, most of them first."""
    named = {
        ".".join(part for part in key.split(".") if part not in _WRAPPERS): each
        for key, each in state.items()
        if isinstance(each, Tensor)
    }
    prefixes: Counter[str] = Counter()
    for key in named:
        parts = key.split(".")
        for start in range(len(parts)):
            if ".".join(parts[start:]) in expected:
                prefixes["".join(f"{part}." for part in parts[:start])] += 1
    for prefix, _ in prefixes.most_common():
        tensors = {
            key.removeprefix(prefix): each for key, each in named.items() if key.startswith(prefix)
        }
        around = prefix.removesuffix("backbone.")
        of_a_run = around != prefix and f"{around}normalise.mean" in named
        yield _Place(f"{name}{prefix}", tensors, of_a_run)


def _faults(place: _Place, expected: Mapping[str, Tensor], heads: Collection[str]) -> list[str]:
    """In what the tensors at a place are not those of the backbone, in a few words each."""
    tensors = place.tensors
    missing = sorted(expected.keys() - tensors.keys())
    both = expected.keys() & tensors.keys()
    shaped = [key for key in both if expected[key].shape != tensors[key].shape]
    unknown = [key for key in tensors.keys() - expected.keys() if not _is_of(key, heads)]
    return [
        f"{len(keys)} {what} (first {_shortened(min(keys))})"
        for what, keys in (("missing", missing), ("of another shape", shaped), ("unknown", unknown))
        if keys
    ]


def _is_of(key: str, modules: Collection[str]) -> bool:
    return any(key.startswith(f"{module}.") for module in modules)


def _equal(one: _Place, other: _Place, expected: Mapping[str, Tensor]) -> bool:
    return all(torch.equal(one.tensors[key], other.tensors[key]) for key in expected)


def _shortened(name: str) -> str:
    """A name from a file, cut where it is too long for a sentence."""
    return truncate(name, _LONGEST)
