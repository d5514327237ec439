"""The command line. Nothing heavy is imported until a command needs it."""

import sys  # noqa: I001
from typing import NoReturn

import typer

from maskgate import interruption, threads

# In the order in which `maskgate --help` lists their commands.
from maskgate.cli import data, training, tune, answers, together  # noqa: F401
from maskgate.cli import experiments, ablate, pseudo, demo  # noqa: F401
from maskgate.cli.app import app
from maskgate.errors import MaskgateError, of_disk

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; a fault is one line on stderr and exit code 2."""
    interruption.watch()
    threads.wait_politely()
    try:
        code = app(sys.argv[1:] or ["--help"], prog_name="maskgate", standalone_mode=False)
    except MaskgateError as error:
        _fail(str(error))
    except typer.TyperException as error:
        _fail(_misused(error))
    except interruption.Interrupted:
        _fail("interrupted; to go on, repeat the command")
    except OSError as error:
        _fail(str(of_disk(error, error.filename or "a file")))
    raise SystemExit(code)


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
    print(f"maskgate: {message}", file=sys.stderr)
    interruption.end()
    raise SystemExit(2)
