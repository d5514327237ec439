"""Photos for a reviewer: only those of the data, and of a run only those that it was trained on."""

from PIL import Image

from maskgate.data import contents
from maskgate.imaging import pixels
from maskgate.imaging.pixels import PhotoError
from maskgate.review.people import People


def read(people: People, row: int) -> Image.Image:
    """The photo of a row of the table. Raises PhotoError if it cannot be read, or if its content is
    another than the run's: a run may come from a stranger, and name any file."""
    name = people.table["photo"].iloc[row]
    path, digest = people.root / name, people.digests.get(name)
    try:
        if digest is not None and contents.file_digest(path).hex() != digest:
            raise PhotoError("not the photo that the run was trained on")
    except OSError as error:
        raise PhotoError("no such file, or it cannot be read") from error
    return pixels.decode(path)
