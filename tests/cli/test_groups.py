"""Each command is in a group of `maskgate --help` and has an example that parses."""

import shlex

import pytest
import typer

from maskgate.cli import app, groups
from maskgate.config import recipe
from maskgate.studies import space

GROUP = typer.main.get_command(app)
COMMANDS = GROUP.commands  # type: ignore[attr-defined]


def test_all_commands_have_a_group_and_no_other_is_listed() -> None:
    assert set(groups.COMMANDS) == set(COMMANDS)
    panels = {name: command.rich_help_panel for name, command in COMMANDS.items()}
    assert panels == {name: panel for name, (panel, _) in groups.COMMANDS.items()}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_example_parses(name: str) -> None:
    example = groups.COMMANDS[name][1]
    assert COMMANDS[name].epilog == f"Example: {example}"
    program, command, *words = shlex.split(example)
    assert (program, command) == ("maskgate", name)
    parser = typer.main.get_command(app).commands[name]  # type: ignore[attr-defined]
    for parameter in parser.params:
        parameter.callback = None  # whether a path exists is not asked
    values = parser.make_context(name, list(words)).params
    arguments = {each.metavar or each.name: values[each.name] for each in parser.params}
    if arguments.get("RECIPE") and name != "distill":
        changes = arguments.get("[KEY.SUB=VALUE]...") or []
        recipe.load(recipe.find(arguments["RECIPE"]), list(changes))
    if "space" in arguments:
        space.find(arguments["space"])


def test_help_shows_groups_and_the_example(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    GROUP.main(["--help"], standalone_mode=False)
    out = capsys.readouterr().out
    panels = {panel for panel, _ in groups.COMMANDS.values()}
    assert all(f"─ {panel} ─" in out for panel in panels)
    assert "─ Commands ─" not in out
    GROUP.main(["runs", "--help"], standalone_mode=False)
    assert groups.COMMANDS["runs"][1] in " ".join(capsys.readouterr().out.split())
