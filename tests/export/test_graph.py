"""A network in ONNX."""

from pathlib import Path

import maskgate
from maskgate.export import graph
from maskgate.inference.backends import torch as torch_backend
from maskgate.runs import RunFolder


def test_a_graph_names_no_folder_of_this_machine(trained: Path) -> None:
    run = RunFolder(trained)
    content = graph.to_onnx(torch_backend.restore(run, 0), run.recipe().photo.geometry, "fold 0")
    assert str(Path(maskgate.__file__).parent).encode() not in content
    assert b"site-packages" not in content
