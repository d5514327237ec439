"""Converts a stored image to upright RGB, strip by strip to save memory."""

from PIL import Image

from maskgate.imaging.decoding import limits

_STRIP = 1_000_000  # pixels
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def upright_rgb(image: Image.Image, orientation: int) -> Image.Image:
    """The loaded `image` upright in RGB, on white, with at most LARGE pixels; `image` is closed.

    `orientation` is EXIF's, 1 to 8.
    """
    factor = limits.reduction(image.width, image.height)
    if image.mode == "RGB" and factor == 1 and not image.has_transparency_data:
        plain = image.copy()
    else:
        plain = _in_strips(image, factor)
    image.close()
    method = _UPRIGHT.get(orientation)
    return plain if method is None else plain.transpose(method)


def _in_strips(image: Image.Image, factor: int) -> Image.Image:
    """The image in RGB, both sides divided by `factor`: each pixel is the mean of a square."""
    width, height = image.size
    plain = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    rows = factor * max(1, _STRIP // (factor * width))
    for top in range(0, height, rows):
        strip = _rgb(image.crop((0, top, width, min(height, top + rows))))
        plain.paste(strip.reduce(factor) if factor > 1 else strip, (0, top // factor))
    return plain


def _rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith("I"):  # 16 bits a pixel: convert() would clip instead of scale
        import numpy as np  # imported here because a decoding process seldom needs it

        sixteen = np.clip(np.asarray(image), 0, 65535).astype(np.uint16)
        image = Image.fromarray((sixteen >> 8).astype(np.uint8))
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return image.convert("RGB")
