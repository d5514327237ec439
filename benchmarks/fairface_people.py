"""Splits FairFace's people into those who are trained on and those who are held out.

    python benchmarks/fairface_people.py FAIRFACE OUT
    maskgate wear OUT/train DRESSED            # to train on: `maskgate train RECIPE DRESSED`
    maskgate wear OUT/held-out DRESSED-OUT     # to score on: benchmarks/default_model.py

FAIRFACE is a folder with the photos and `faces.csv`, whose column `photo` has names such as
`images/00000.webp`; one photo is one person. Held out are the people listed in
`fairface-held-out.txt` beside this script: those whose name has a SHA-256 that is divisible by 10.
Never train on them.

Writes `OUT/train/faces.csv` and `OUT/held-out/faces.csv`, with all columns of FAIRFACE's, and
beside each a link to FAIRFACE's photos.
"""

import argparse
import hashlib
from pathlib import Path
from typing import Final

from maskgate.core import files, terminal
from maskgate.data import csv_files
from maskgate.errors import MaskgateError, disk_error, listed

LIST: Final = Path(__file__).with_name("fairface-held-out.txt")
TABLE: Final = "faces.csv"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("fairface", type=Path, help="the folder with faces.csv")
    parser.add_argument("out", type=Path)
    arguments = parser.parse_args()
    try:
        counts = split(arguments.fairface, arguments.out)
    except MaskgateError as error:
        parser.error(str(error))
    for name, count in counts.items():
        terminal.show(f"{arguments.out / name}: {count:,} people")


def is_held_out(photo: str) -> bool:
    """Whether the rule holds out the person of a photo with that name in `faces.csv`."""
    return int(hashlib.sha256(photo.encode()).hexdigest(), 16) % 10 == 0


def held_out() -> set[str]:
    """The names of the photos of all people who are held out."""
    return set(LIST.read_text("utf-8").split())


def split(fairface: Path, out: Path) -> dict[str, int]:
    """Write the two folders; the number of people in each, by its name.

    Raises MaskgateError where `faces.csv` is unreadable, has no column `photo`, or does not have
    the people of the list, or where `out` exists already.
    """
    table = csv_files.load(fairface / TABLE)
    if "photo" not in table.columns:
        raise MaskgateError(f"{fairface / TABLE}: lacks the column 'photo'")
    by_rule = {name for name in table["photo"].dropna() if is_held_out(name)}
    if differing := sorted(by_rule ^ held_out()):
        raise MaskgateError(
            f"{fairface / TABLE}: {len(differing)} people differ from {LIST.name}"
            f" ({listed(differing)}); give the FairFace that it was made from"
        )
    if out.exists():
        raise MaskgateError(f"{out}: exists already; remove it, or name another folder")
    is_out = table["photo"].isin(by_rule)
    parts = {"train": table[~is_out], "held-out": table[is_out]}
    photos = sorted({Path(name).parts[0] for name in table["photo"].dropna()})
    with files.new_folder(out):
        try:
            for name, rows in parts.items():
                (out / name).mkdir()
                rows.to_csv(out / name / TABLE, index=False)
                for each in photos:
                    (out / name / each).symlink_to((fairface / each).resolve())
        except OSError as error:
            raise disk_error(error, out) from error
    return {name: len(rows) for name, rows in parts.items()}


if __name__ == "__main__":
    main()
