"""The command line. Nothing heavy is imported until a command needs it."""

import contextlib  # noqa: I001
import shlex
import sys
from typing import Final, NoReturn

import typer

from maskgate.core import extras, interruption, terminal, threads

# In the order in which `maskgate --help` lists their commands.
from maskgate.cli import data, training, tune, predict, ensemble  # noqa: F401
from maskgate.cli import export, compare, ablate, pseudo, demo  # noqa: F401
from maskgate.cli.app import app
from maskgate.errors import MaskgateError, disk_error

__all__ = ["app", "main"]

_UNREAD: Final = 128 + 13  # as shells tell of a process that SIGPIPE has ended


def main() -> None:
    """Run the command line; a fault is one line on stderr and exit code 2."""
    terminal.prepare()
    interruption.watch()
    threads.limit_spinning()
    try:
        code = app(_words(), prog_name="maskgate", standalone_mode=False)
        terminal.flush()
    except MaskgateError as error:
        _fail(str(error))
    except typer.TyperException as error:
        _fail(_misused(error))
    except interruption.Interrupted:
        _fail("interrupted; to go on, repeat the command")
    except ModuleNotFoundError as error:
        missing = extras.missing_package(error, shlex.join(["maskgate", *sys.argv[1:2]]))
        if missing is None:
            raise
        _fail(str(missing))
    except BrokenPipeError:
        _end_unread()
    except OSError as error:
        _fail(str(disk_error(error, error.filename or _unnamed())))
    except SystemExit as end:  # Typer's, and Rich's
        if isinstance(end.__context__, BrokenPipeError):
            _end_unread()
        raise
    raise SystemExit(code)


def _words() -> list[str]:
    words = sys.argv[1:] or ["--help"]
    if any("\0" in word for word in words):
        raise MaskgateError("the command holds the character U+0000; leave it out")
    return words


def _unnamed() -> str:
    """What an error of the system is of, where it does not say."""
    try:
        terminal.flush()
    except (MaskgateError, OSError):
        return "standard output"
    return "a file"


def _end_unread() -> NoReturn:
    """Who reads what is printed, such as `head`, has had enough: that is no fault."""
    if terminal.is_read():
        _fail("a process beside this one has ended: Broken pipe; repeat the command")
    terminal.discard()
    raise SystemExit(_UNREAD)


def _misused(error: typer.TyperException) -> str:
    """What is wrong with the words of the command line, and where the right ones are told."""
    told = error.format_message().rstrip(".")
    variable = getattr(getattr(error, "param", None), "envvar", None)
    if variable and told.startswith("Missing"):
        told += f", which {variable} could give"
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "maskgate"
    return f"{told[0].lower()}{told[1:]} (see {command} --help)"


def _fail(message: str) -> NoReturn:
    with contextlib.suppress(OSError):
        print(f"maskgate: {MaskgateError(message)}", file=sys.stderr, flush=True)
    terminal.discard()
    interruption.end()
    raise SystemExit(2)
