"""HTML pages that hold all they show: templates and pictures in one file, nothing fetched."""

import base64
import io
from pathlib import Path
from typing import Any

import jinja2
from PIL import Image

from maskgate.core import files

_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("maskgate.reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def write(path: Path, template: str, **shown: Any) -> None:
    """Fill the template of that name and replace the file at `path`."""
    files.replace_text(path, _TEMPLATES.get_template(template).render(**shown))


def picture(image: Image.Image, longest: int) -> str:
    """The image, its longest side at most that many pixels, as a `data:` address (JPEG)."""
    small = image.copy()
    small.info = {}  # a comment would be saved along, and may tell who is shown
    small.thumbnail((longest, longest))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
