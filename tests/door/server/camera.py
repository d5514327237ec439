"""Films of drawn people, which Chromium shows as its camera."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

FRAME = (360, 640)


def scene(*people: tuple[Image.Image, int]) -> Image.Image:
    """A frame with each portrait at its left edge in pixels."""
    frame = Image.new("RGB", FRAME[::-1], (150, 155, 160))
    for portrait, left in people:
        frame.paste(portrait, (left, (FRAME[0] - portrait.height) // 2))
    return frame


def film(path: Path, frame: Image.Image, frames: int = 6, light: float = 1) -> Path:
    """A film of one frame with a camera's noise."""
    rng, clean = np.random.default_rng(3), np.asarray(frame) * light
    with path.open("wb") as file:
        for _ in range(frames):
            noisy = np.clip(clean + rng.integers(-3, 4, clean.shape), 0, 255).astype(np.uint8)
            out = io.BytesIO()
            Image.fromarray(noisy).save(out, "JPEG", quality=90)
            file.write(out.getvalue())
    return path
