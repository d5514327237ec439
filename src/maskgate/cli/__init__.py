"""The command line. Nothing heavy is imported until a command needs it."""

import contextlib  # noqa: I001
import shlex
import sys
from typing import Final, NoReturn

import typer

from maskgate.core import extras, interruption, terminal, threads

# In the order in which `maskgate --help` lists their commands.
from maskgate.cli import data, compare_data, recipes, training, tune, predict  # noqa: F401
from maskgate.cli import ensemble, export, serve, watch, accept, door_report  # noqa: F401
from maskgate.cli import thresholds, compare, explain, suspects  # noqa: F401
from maskgate.cli import dashboard, note, review, ablate, pseudo, distill, demo  # noqa: F401
from maskgate.cli import groups
from maskgate.cli.app import app
from maskgate.errors import MaskgateError, disk_error

__all__ = ["app", "main"]

groups.name_groups()

_BROKEN_PIPE_CODE: Final = 128 + 13  # the exit code in shells of a process that SIGPIPE ended


def main() -> None:
    """Run the command line; an error is one line on stderr and exit code 2."""
    terminal.prepare()
    interruption.watch()
    threads.limit_spinning()
    try:
        code = app(_arguments(), prog_name="maskgate", standalone_mode=False)
        terminal.flush()
    except MaskgateError as error:
        _fail(str(error))
    except typer.TyperException as error:
        _fail(_usage_error(error))
    except interruption.Interrupted:
        _fail("interrupted; repeat the command to resume")
    except ModuleNotFoundError as error:
        missing = extras.missing_package(error, shlex.join(["maskgate", *sys.argv[1:2]]))
        if missing is None:
            raise
        _fail(str(missing))
    except BrokenPipeError:
        _end_broken_pipe()
    except OSError as error:
        _fail(str(disk_error(error, error.filename or _unnamed_file())))
    except SystemExit as end:  # Typer's, and Rich's
        if isinstance(end.__context__, BrokenPipeError):
            _end_broken_pipe()
        raise
    raise SystemExit(code)


def _arguments() -> list[str]:
    arguments = sys.argv[1:] or ["--help"]
    if any("\0" in argument for argument in arguments):
        raise MaskgateError("the command contains the character U+0000; remove it")
    return arguments


def _unnamed_file() -> str:
    """What an OSError without a file name is about."""
    try:
        terminal.flush()
    except (MaskgateError, OSError):
        return "standard output"
    return "a file"


def _end_broken_pipe() -> NoReturn:
    """The reader of the output, such as `head`, has closed it: that is not an error."""
    if terminal.is_read():
        _fail("another process has ended: Broken pipe; repeat the command")
    terminal.discard()
    raise SystemExit(_BROKEN_PIPE_CODE)


def _usage_error(error: typer.TyperException) -> str:
    """What is wrong with the command line, and which command prints the help."""
    message = error.format_message().rstrip(".")
    variable = getattr(getattr(error, "param", None), "envvar", None)
    if variable and message.startswith("Missing"):
        message += f", which {variable} can set"
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "maskgate"
    return f"{message[0].lower()}{message[1:]} (see {command} --help)"


def _fail(message: str) -> NoReturn:
    with contextlib.suppress(OSError):
        print(f"maskgate: {MaskgateError(message)}", file=sys.stderr, flush=True)
    terminal.discard()
    interruption.end()
    raise SystemExit(2)
