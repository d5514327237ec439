"""Self-contained HTML pages: templates and pictures in one file."""

import base64
import io
import re
from pathlib import Path
from typing import Any, Final

import jinja2
from markupsafe import Markup, escape
from PIL import Image

from maskgate.core import files

_PLACES: Final = re.compile(r"([_/=](?=.)|[.:](?=[^\W\d_]))")  # so that a number stays whole
_PICTURE: Final = "data:image/jpeg;base64,"
_TEMPLATES = jinja2.Environment(
    loader=jinja2.PackageLoader("maskgate.reports"),
    autoescape=True,
    trim_blocks=True,
    lstrip_blocks=True,
    undefined=jinja2.StrictUndefined,
)


def breaking(text: object) -> Markup:
    """The text for HTML, with places in long names where a line may end: after `. _ / = :`, never
    within a word or a number."""
    return Markup(_PLACES.sub("\\1<wbr>", str(escape(text))))


_TEMPLATES.filters["breaking"] = breaking


def write(path: Path, template: str, **context: Any) -> None:
    """Fill the template of that name and replace the file at `path`."""
    files.replace_text(path, render(template, **context))


def render(template: str, **context: Any) -> str:
    """The template of that name, filled."""
    return _TEMPLATES.get_template(template).render(**context)


def has_photos(path: Path) -> bool:
    """Whether the page shows any `picture`."""
    return _PICTURE in path.read_text("utf-8")


def picture(image: Image.Image, longest: int) -> str:
    """The image as a `data:` URL (JPEG), its longest side at most `longest` pixels."""
    small = image.copy()
    small.info = {}  # else comments are saved too, and may name the person
    small.thumbnail((longest, longest))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return _PICTURE + base64.b64encode(buffer.getvalue()).decode()
