"""Times and sizes in the units that a person reads."""

from typing import Final

_STEPS: Final = ((86_400, "d", 3600, "h"), (3600, "h", 60, "min"))
_SIZES: Final = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def duration(seconds: float) -> str:
    """A time such as `45 s`, `12 min`, `3 h 20 min` or `2 d 4 h`."""
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    if seconds < 99.5 * 60:
        return f"{seconds / 60:.0f} min"
    for large, name, small, small_name in _STEPS:
        count, rest = divmod(round(seconds / small), large // small)
        if count:
            return f"{count} {name} {rest} {small_name}" if rest else f"{count} {name}"
    raise AssertionError("a time of hours has hours")


def size(count: float) -> str:
    """A number of bytes, such as `7.4 MB` or `1.2 GB`."""
    for unit, name in _SIZES:
        if count >= unit * 0.9995:
            return (
                f"{count / unit:.1f} {name}"
                if count < 99.95 * unit
                else f"{count / unit:.0f} {name}"
            )
    return f"{count:.0f} bytes"
