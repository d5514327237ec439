"""The notebooks in examples/ run from their first cell to their last, on drawn people."""

from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="the extra dev brings it")

EXAMPLES = Path(__file__).parents[1] / "examples"
NOTEBOOKS = sorted(EXAMPLES.glob("*.ipynb"))
LARGEST = 300_000  # bytes


def read(path: Path) -> Any:
    notebook = nbformat.read(path, 4)
    nbformat.validate(notebook)
    return notebook


def code(notebook: Any) -> list[str]:
    return [cell.source for cell in notebook.cells if cell.cell_type == "code"]


def test_there_are_two() -> None:
    assert [path.stem for path in NOTEBOOKS] == ["first-run", "what-helped"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_is_small_and_holds_no_picture_and_no_path_of_a_machine(path: Path) -> None:
    assert path.stat().st_size < LARGEST
    text = path.read_text("utf-8")
    for word in ("image/", "base64", "/tmp", "/home", "/root", "Traceback"):
        assert word not in text, word
    for source in code(read(path)):
        compile(source, path.name, "exec")


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path) -> None:
    from nbclient import NotebookClient

    notebook = read(path)
    for cell in notebook.cells:
        cell.pop("outputs", None) if cell.cell_type != "code" else cell.update(outputs=[])
    place = {"metadata": {"path": str(tmp_path)}}
    NotebookClient(notebook, timeout=1200, kernel_name="python3", resources=place).execute()
    outputs = [cell.outputs for cell in notebook.cells if cell.cell_type == "code"]
    assert "text/html" in outputs[-1][-1]["data"], "results show themselves"
    assert (tmp_path / path.stem / "submission.csv").is_file()
