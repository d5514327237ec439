"""How far a system is whose members are being trained."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from maskgate.dashboard import curves
from maskgate.dashboard.curves import Progress
from maskgate.errors import MaskgateError
from maskgate.runs import RunFolder


@dataclass(frozen=True)
class MemberProgress:
    """Whether a member is finished; otherwise how far it is, None if it has not begun."""

    name: str
    finished: bool
    progress: Progress | None


@dataclass(frozen=True)
class SystemProgress:
    """The members of an unfinished system, in its order, and when one of them last wrote its place
    (ISO 8601)."""

    members: tuple[MemberProgress, ...]
    updated: str


def of_system(run: RunFolder, settings: Mapping[str, Any]) -> SystemProgress | None:
    """How far an unfinished system with these settings is; None if its members are damaged."""
    try:
        names = [member.name for member in run.system().members]
        runs = run.members()
        members = tuple(
            _of_member(name, member, settings["members"][name])
            for name, member in zip(names, runs, strict=True)
        )
    except MaskgateError:
        return None
    written = curves.last_written([each.status_file for each in (run, *runs)])
    times = [each.progress.updated for each in members if each.progress is not None]
    return SystemProgress(members, max(written, *times))


def _of_member(name: str, member: RunFolder, settings: Mapping[str, Any]) -> MemberProgress:
    if not member.status_file.exists():
        return MemberProgress(name, finished=False, progress=None)
    if member.is_system or member.files.is_finished:
        return MemberProgress(name, member.files.is_finished, progress=None)
    return MemberProgress(name, finished=False, progress=curves.so_far(member, settings)[1])
