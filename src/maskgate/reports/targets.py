"""Output paths of a report, checked before the work, without heavy imports."""

from pathlib import Path

from maskgate.core import files


def of_comparison(out: Path) -> tuple[Path, Path]:
    """The paths of page and CSV: `out` is a `.html` file, or the folder of `compare.html`.

    Raises MaskgateError if they cannot be written, or exist.
    """
    if out.suffix != ".html":
        files.check_folder(out)
        page, csv_file = out / "compare.html", out / "compare.csv"
    else:
        page, csv_file = out, out.with_suffix(".csv")
        files.check_target(page)
        files.check_target(csv_file)
    files.check_new(page, csv_file)
    return page, csv_file
