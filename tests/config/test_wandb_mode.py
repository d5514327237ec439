"""What the user has set for Weights & Biases decides whether anything leaves the machine."""

import importlib.util
from pathlib import Path
from typing import get_args

import pytest

from maskgate.config import trackers, wandb_mode
from maskgate.config.trackers import TrackerSettings
from maskgate.errors import MaskgateError

WANDB = TrackerSettings(name="wandb")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder to work in, of a user who has set nothing."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("WANDB_CONFIG_DIR", str(tmp_path / "config"))
    for name in ("WANDB_MODE", "WANDB_DISABLED"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def write(path: Path, mode: str) -> None:
    path.parent.mkdir()
    path.write_text(f"[default]\nproject = masks\nmode = {mode}\n")


@pytest.mark.parametrize(
    ("name", "mode"),
    [
        ("", "online"),
        ("online", "online"),
        ("run", "online"),
        ("offline", "offline"),
        ("dryrun", "offline"),
        ("Offline ", "offline"),
        ("disabled", "disabled"),
    ],
)
def test_the_variable_has_the_names_of_the_package(
    name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_MODE", name)
    assert wandb_mode.mode(None) == mode
    assert bool(WANDB.switched_off) == (mode == "disabled")
    trackers.check([WANDB])


@pytest.mark.slow
def test_every_mode_of_the_package_is_known_or_refused() -> None:
    wandb = pytest.importorskip("wandb")
    names = get_args(wandb.Settings.model_fields["mode"].annotation)
    assert set(names) == {*wandb_mode._MODES, "shared"}


@pytest.mark.parametrize("name", ["shared", "of", "0"])
def test_an_unknown_mode_is_an_error(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WANDB_MODE", name)
    message = f"WANDB_MODE is '{name}'; set it to online, offline or disabled"
    with pytest.raises(MaskgateError, match=message):
        trackers.check([WANDB])


def test_a_recipe_decides_unless_the_user_has_switched_it_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("WANDB_MODE", "offline")
    assert wandb_mode.mode("online") == "online"
    monkeypatch.setenv("WANDB_MODE", "disabled")
    assert wandb_mode.mode("online") == wandb_mode.mode("offline") == "disabled"


@pytest.mark.parametrize(("value", "is_off"), [("true", True), ("1", True), ("False", False)])
def test_the_variable_of_other_tools_switches_it_off(
    value: str, is_off: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WANDB_DISABLED", value)
    assert WANDB.switched_off == (f"WANDB_DISABLED is {value}" if is_off else "")


def test_the_files_of_the_package_are_read(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(folder / "config" / "settings", "disabled")
    assert wandb_mode.switched_off() == f"mode in {folder / 'config' / 'settings'} is disabled"
    write(folder / "wandb" / "settings", "offline")  # of the folder, before that of the user
    assert wandb_mode.mode(None) == "offline"
    write(folder / ".wandb" / "settings", "disabled")
    assert wandb_mode.mode(None) == "disabled"
    monkeypatch.setenv("WANDB_MODE", "online")
    assert wandb_mode.mode(None) == "online"


@pytest.mark.parametrize("content", [b"", b"[other]\nmode=disabled\n", b"mode", b"\xff\xfe\x00"])
def test_a_file_of_another_format_says_nothing(content: bytes, folder: Path) -> None:
    (folder / "wandb").mkdir()
    (folder / "wandb" / "settings").write_bytes(content)
    assert wandb_mode.mode(None) == "online"


def test_the_package_is_not_needed_where_it_is_switched_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "maskgate.core.extras.find_spec", lambda name: None if name == "wandb" else find(name)
    )
    with pytest.raises(MaskgateError, match="needs the package wandb"):
        trackers.check([WANDB])
    monkeypatch.setenv("WANDB_MODE", "disabled")
    trackers.check([WANDB])
