"""Silence for packages whose warnings and logs speak of their own workings."""

import contextlib
import logging
import warnings
from collections.abc import Iterator


@contextlib.contextmanager
def quiet(*names: str) -> Iterator[None]:
    """Without warnings, and without what the loggers of these names, the root logger by default,
    say below an error."""
    loggers = [logging.getLogger(name) for name in names or ("",)]
    levels = [logger.level for logger in loggers]
    nothing = logging.NullHandler()  # a root logger without a handler would be given one that stays
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for logger in loggers:
            logger.setLevel(logging.ERROR)
            logger.addHandler(nothing)
        try:
            yield
        finally:
            for logger, level in zip(loggers, levels, strict=True):
                logger.removeHandler(nothing)
                logger.setLevel(level)
