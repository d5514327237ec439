"""Languages of the check."""

import json
from pathlib import Path
from typing import Any

import pytest

from maskgate.door.acceptance import texts
from maskgate.errors import MaskgateError

ENGLISH = Path(texts.__file__).parent / "accept-en.json"


def changed(folder: Path, change: Any) -> str:
    content = json.loads(ENGLISH.read_text("utf-8"))
    change(content)
    path = folder / "language.json"
    path.write_text(json.dumps(content), "utf-8")
    return str(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda each: each["labels"].pop("open"), "labels.open is missing; add its text"),
        (lambda each: each["states"].pop("go"), "states.go is missing; add its text"),
        (lambda each: each["passages"].pop("hand"), "passages.hand is missing; add its text"),
        (lambda each: each["labels"].update(wait="{status}"), "labels.wait: it has other values"),
        (lambda each: each["labels"].update(seconds="{seconds"), "labels.seconds: it has other"),
        (lambda each: each["labels"].update(seconds="{seconds:.9x}"), "labels.seconds: it has"),
        (lambda each: each.update(code="x"), "code: String should match pattern"),
    ],
)
def test_a_language_of_ones_own(change: Any, message: str, tmp_path: Path) -> None:
    file = changed(tmp_path, lambda each: each.update(code="fr", name="Français"))
    assert texts.load(file).code == "fr"
    file = changed(tmp_path, change)
    with pytest.raises(MaskgateError) as raised:
        texts.load(file)
    assert str(raised.value).startswith(f"{file}: {message}")


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({"LANG": "ko_KR.UTF-8"}, "ko"),
        ({"LANG": "ko_KR.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "fr_FR.UTF-8"}, "en"),
        ({}, "en"),
    ],
)
def test_the_language_of_the_system(
    variables: dict[str, str], language: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert texts.default() == language
