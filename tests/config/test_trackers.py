"""The trackers that a recipe names."""

import importlib.util
from pathlib import Path

import pytest

from maskgate.config import recipe, trackers
from maskgate.config.recipe import Recipe
from maskgate.config.trackers import TrackerSettings
from maskgate.errors import MaskgateError


def load(folder: Path, *overrides: str) -> Recipe:
    path = folder / "recipe.yaml"
    path.write_text("seed: 1\n")
    return recipe.load(path, list(overrides))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("tensorboard", ["tensorboard"]),
        ("[tensorboard, wandb]", ["tensorboard", "wandb"]),
        ("{name: mlflow, uri: 'http://localhost:5000', experiment: masks}", ["mlflow"]),
        ("[{name: wandb, mode: offline, project: door}]", ["wandb"]),
        ("", []),
        ("[]", []),
    ],
)
def test_one_line_names_one_tracker_or_several(text: str, names: list[str], tmp_path: Path) -> None:
    tracking = load(tmp_path, f"tracking={text}").tracking
    assert [each.name for each in tracking] == names


@pytest.mark.parametrize(
    "settings",
    [
        TrackerSettings(name="tensorboard", folder="boards"),
        TrackerSettings(name="mlflow", uri="http://localhost:5000", experiment="masks"),
        TrackerSettings(name="wandb", project="masks", mode="offline", photos=True),
    ],
    ids=lambda settings: settings.name,
)
def test_each_has_its_own_keys(settings: TrackerSettings) -> None:
    assert TrackerSettings.model_validate(settings.model_dump()) == settings
    own_keys = settings.model_fields_set - {"name", "photos"}
    for name in {"tensorboard", "mlflow", "wandb"} - {settings.name}:
        for key in own_keys:
            with pytest.raises(ValueError, match=f"{key} is not for {name}"):
                TrackerSettings.model_validate({"name": name, key: getattr(settings, key)})


def test_a_written_recipe_has_the_trackers(tmp_path: Path) -> None:
    tracked = load(tmp_path, "tracking=[tensorboard, {name: wandb, mode: offline}]")
    tracked.write(tmp_path / "written.yaml")
    assert recipe.load(tmp_path / "written.yaml") == tracked


def test_tracking_is_not_part_of_the_digest(tmp_path: Path) -> None:
    digests = {
        load(tmp_path, *changes).digest("data")
        for changes in ((), ("tracking=tensorboard",), ("tracking={name: wandb, photos: true}",))
    }
    assert len(digests) == 1


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("tensorbord", "tracking.0.name: Input should be 'tensorboard', 'mlflow' or 'wandb'"),
        ("{name: mlflow, url: x}", "unknown key tracking.0.url, did you mean uri?"),
        ("{name: mlflow, folder: x}", "folder is not for mlflow, which takes experiment, uri"),
        ("{name: wandb, mode: of}", "Input should be 'online' or 'offline'"),
        ("{name: mlflow, uri: 'http://me:secret@host'}", "MLFLOW_TRACKING_PASSWORD"),
        ("3", "tracking: is a list"),
    ],
)
def test_an_error_says_what_to_write(text: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(MaskgateError) as error:
        load(tmp_path, f"tracking={text}")
    assert message in str(error.value)


def test_mlflow_needs_an_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    tracking = load(tmp_path, "tracking=mlflow").tracking
    with pytest.raises(MaskgateError, match="give its uri, such as http://localhost:5000, or set"):
        trackers.check(tracking)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://me:secret@host:5000/a")
    trackers.check(tracking)
    assert tracking[0].place == "mlflow at https://host:5000/a"


def test_a_missing_package_is_an_error_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    find = importlib.util.find_spec
    monkeypatch.setattr(
        "maskgate.core.extras.find_spec", lambda name: None if name == "wandb" else find(name)
    )
    with pytest.raises(MaskgateError, match=r'pip install "maskgate\[tracking\]"'):
        trackers.check([TrackerSettings(name="wandb")])
