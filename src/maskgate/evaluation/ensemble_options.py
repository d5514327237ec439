"""The ensemble that a user asks for: runs or a system's file, with `combine`, `adjust` and `tta`.

Imports nothing heavy: all of it is checked before torch and pandas are imported.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from maskgate.config import settings
from maskgate.config import system as systems
from maskgate.config.system import System
from maskgate.ensemble import combining
from maskgate.ensemble.combining import EnsembleSpec
from maskgate.errors import MaskgateError
from maskgate.imaging.tta import check_tta
from maskgate.runs import bundle_error, is_bundle


def check_no_bundle(runs: Sequence[Path]) -> None:
    """Raise MaskgateError if there is a bundle among the runs."""
    if bundle := next(filter(is_bundle, runs), None):
        raise bundle_error(bundle)


def check_unchanged(bundle: Path, combine: str | None, adjust: Sequence[str] | None) -> None:
    """Raise MaskgateError if a bundle is to combine its networks in another way."""
    if (combine, adjust) != (None, None):
        raise MaskgateError(
            f"{bundle}: a bundle combines its networks as it was exported; leave out --combine and"
            " --adjust, or give runs"
        )


def system_file(runs: Sequence[Path]) -> tuple[Path, System] | None:
    """The system file among the paths, if there is one, and its system. Raises MaskgateError."""
    file = next((path for path in runs if path.is_file()), None)
    if file is None:
        return None
    if len(runs) > 1:
        raise MaskgateError(
            f"{file}: give a system's file alone; or turn it into a run with maskgate combine,"
            " and give that run with the others"
        )
    system = systems.load(file, [])
    if not system.is_of_runs:
        raise MaskgateError(
            f"{file}: its members are recipes; train it with maskgate train, and give the run"
        )
    return file, system


def changes(
    file: tuple[Path, System] | None,
    combine: str | None,
    adjust: Sequence[str] | None,
    tta: Sequence[str] | None,
) -> dict[str, Any]:
    """The options `combine`, `adjust` and `tta`, each if it is given, `["none"]` for none. Raises
    MaskgateError for an unknown name in the options or in the system's file."""
    requested: dict[str, Any] = {}
    if combine is not None:
        requested["combine"] = settings.parse_component(combine)
    for option, names in (("adjust", adjust), ("tta", tta)):
        if names is not None:
            requested[option] = (
                () if list(names) == ["none"] else tuple(map(settings.parse_component, names))
            )
    spec = (
        EnsembleSpec(settings.Component(name="soft_vote"))
        if file is None
        else EnsembleSpec.from_system(file[1])
    )
    combining.check_names(
        EnsembleSpec(requested.get("combine", spec.combine), requested.get("adjust", spec.adjust))
    )
    tta_settings = [requested["tta"]] if "tta" in requested else []
    if file is not None and not tta_settings:
        tta_settings = [member.tta or () for member in file[1].members]
    for each in tta_settings:
        check_tta(each)
    return requested


def requested_system(
    runs: Sequence[Path], file: tuple[Path, System] | None, requested: dict[str, Any]
) -> tuple[System, str]:
    """The system of runs that the user asks for, and its name; `requested` are the `changes`.
    Raises MaskgateError."""
    from maskgate.evaluation import ensemble

    system = ensemble.system_of(runs) if file is None else file[1]
    name = "+".join(member.name for member in system.members) if file is None else file[0].stem
    system_changes = {key: value for key, value in requested.items() if key != "tta"}
    if "tta" in requested:
        system_changes["members"] = tuple(
            member.model_copy(update={"tta": requested["tta"]}) for member in system.members
        )
    return systems.apply_changes(system, system_changes), name
