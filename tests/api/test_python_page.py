"""The code of docs/python.md runs, from its first line to its last, on drawn people."""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import maskgate

Call = Callable[..., tuple[int, str, str]]

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
QUICK = {
    "photo.height": 32, "photo.width": 24, "model.backbone": "test_resnet", "model.arguments": {},
    "model.weights": None, "model.start_head": False,
    "folds.count": 2, "schedule.warmup_epochs": 0,
}  # fmt: skip


@pytest.mark.slow
def test_its_code_and_its_commands_run(
    people: Path, call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "people").symlink_to(people)
    monkeypatch.chdir(tmp_path)
    original = maskgate.train

    def train(recipe: str, data: str, changes: dict[str, Any], **options: Any) -> maskgate.Run:
        return original(recipe, data, QUICK | changes, **options)

    monkeypatch.setattr(maskgate, "train", train)
    names: dict[str, Any] = {}
    blocks = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    assert len(blocks) > 5
    for block in blocks:
        exec(compile(block, "docs/python.md", "exec"), names)
    assert Path("submission.csv").is_file() and Path("compare.html").is_file()
    commands = re.findall(r"^    maskgate (.*)", PAGE, re.MULTILINE)
    assert commands
    for command in commands:
        code, _, err = call(*shlex.split(command))
        assert code == 0, err
    assert len(names["run"].notes) == 2
