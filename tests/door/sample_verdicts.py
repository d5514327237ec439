"""Verdicts on faces, for tests of what is decided by them."""

import numpy as np

from maskgate import labels
from maskgate.door.decision.tracking import Box
from maskgate.door.verdict import Verdict, verdicts


def of_mask(state: str, probability: float = 0.95, box: Box = (100, 100, 220, 220)) -> Verdict:
    """A verdict whose likeliest mask state has this probability, which is at least 1/3."""
    rest = (1 - probability) / (len(labels.MASKS) - 1)
    masks = [probability if name == state else rest for name in labels.MASKS]
    classes = np.repeat(np.array(masks) / 6, 6)[None].astype(np.float32)
    (verdict,) = verdicts(np.array([[*box, 0.9]], np.float32), classes, ("mask",))
    return verdict
