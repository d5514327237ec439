"""Which two members are asked by S3's rule for near ties."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from maskgate import labels
from maskgate.core import confusions
from maskgate.ensemble.votes import Floats, Voice


def learn(probabilities: Floats, voices: Sequence[Voice], truth: pd.DataFrame) -> dict[str, Any]:
    """Which two members, that know all, are the `best`: by macro F1 on the photo table `truth`."""
    codes = truth["label"].to_numpy()
    scores = {
        number: confusions.macro_f1(
            confusions.confusion(codes, voice.probabilities.argmax(1), labels.COUNT)
        )
        for number, voice in enumerate(voices)
        if set(voice.attributes) == set(labels.ATTRIBUTES)
    }
    return {"best": sorted(scores, key=lambda number: (-scores[number], number))[:2]}
