"""Which two members S3's rule for near ties compares."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from maskgate import labels
from maskgate.core import confusions
from maskgate.ensemble.votes import Floats, MemberProbabilities


def learn(
    probabilities: Floats, members: Sequence[MemberProbabilities], truth: pd.DataFrame
) -> dict[str, Any]:
    """The numbers of the two `best` members that predict all attributes, by macro F1 on the photo
    table `truth`."""
    codes = truth["label"].to_numpy()
    scores = {
        number: confusions.macro_f1(
            confusions.confusion(codes, member.probabilities.argmax(1), labels.COUNT)
        )
        for number, member in enumerate(members)
        if set(member.attributes) == set(labels.ATTRIBUTES)
    }
    return {"best": sorted(scores, key=lambda number: (-scores[number], number))[:2]}
