"""Where a page goes, checked before the work; nothing heavy is imported for that."""

from pathlib import Path

from maskgate.core import files


def of_comparison(out: Path) -> tuple[Path, Path]:
    """Page and CSV that `out` names: a `.html` file, or the folder of `compare.html`.

    Raises MaskgateError where they cannot be written.
    """
    if out.suffix != ".html":
        files.check_folder(out)
        return out / "compare.html", out / "compare.csv"
    for path in (out, out.with_suffix(".csv")):
        files.check_target(path)
    return out, out.with_suffix(".csv")
