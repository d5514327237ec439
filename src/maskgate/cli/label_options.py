"""The options that say how a data set is read: --photo-column and so on, and --map."""

import inspect
from collections.abc import Callable
from functools import wraps
from typing import Annotated, Any, Final

import typer

_PANEL: Final = "Columns and words of the data"
_HELP: Final = {
    "photo": "Column with the photo's file name, or the picture itself.",
    "person": "Column with the person.",
    "mask": "Column with the mask.",
    "gender": "Column with the gender.",
    "age": "Column with the age in years.",
    "age_group": "Column with the age group.",
    "class": "Column with the class, a word or several for mask, gender and age group.",
}


def _column_option(column: str) -> Any:
    name = f"--{column.replace('_', '-')}-column"
    option = typer.Option(name, metavar="NAME", help=_HELP[column], rich_help_panel=_PANEL)
    return Annotated[str | None, option]


_COLUMNS: Final = {f"{column}_column": column for column in _HELP}
_OPTIONS: Final[dict[str, Any]] = {
    parameter: _column_option(column) for parameter, column in _COLUMNS.items()
} | {
    "mapped": Annotated[
        list[str] | None,
        typer.Option(
            "--map",
            metavar="COLUMN:WORD=OURS,...",
            help="Words in a column, or names of folders as class, such as"
            " gender:M=male,F=female; repeat for several.",
            rich_help_panel=_PANEL,
        ),
    ]
}


def with_label_map(command: Callable[..., None]) -> Callable[..., None]:
    """The command with these options, which it receives as one argument, `label_map`."""

    @wraps(command)
    def with_options(**arguments: Any) -> None:
        from maskgate.data import label_map

        words = arguments.pop("mapped") or []
        name_of = {column: arguments.pop(parameter) for parameter, column in _COLUMNS.items()}
        columns = {column: name for column, name in name_of.items() if name is not None}
        command(**arguments, label_map=label_map.parse(columns, words))

    signature = inspect.signature(command)
    parameters = [each for each in signature.parameters.values() if each.name != "label_map"]
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
    annotations = command.__annotations__ | _OPTIONS
    del annotations["label_map"]
    with_options.__annotations__ = annotations
    return with_options
