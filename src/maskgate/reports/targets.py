"""Output paths of a report, checked before the work, without heavy imports."""

from pathlib import Path

from maskgate.core import files


def of_comparison(out: Path) -> tuple[Path, Path]:
    """The paths of page and CSV: `out` is a `.html` file, or the folder of `compare.html`.

    Raises MaskgateError if they cannot be written.
    """
    if out.suffix != ".html":
        files.check_folder(out)
        return out / "compare.html", out / "compare.csv"
    for path in (out, out.with_suffix(".csv")):
        files.check_target(path)
    return out, out.with_suffix(".csv")
