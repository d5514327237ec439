"""An outside opinion in words."""

from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from maskgate import labels
from maskgate.data.table import Photos
from maskgate.label_errors import opinion_tables
from maskgate.label_errors.evidence import Evidence
from maskgate.review.people import People, Rows


@dataclass(frozen=True)
class Opinion:
    """What a CSV says about the photos of a table (N rows)."""

    evidence: Evidence

    def about(self, attribute: str, rows: Rows) -> str:
        """The most frequent value in these rows in words, with its share if values differ; empty if
        there is none."""
        if attribute not in self.evidence.probabilities:
            return ""
        probabilities = self.evidence.probabilities[attribute][rows]
        codes = probabilities[np.isfinite(probabilities).all(1)].argmax(1).tolist()
        if not codes:
            return ""
        (code, count), *others = Counter(codes).most_common()
        value = labels.ATTRIBUTES[attribute][code]
        return f"{value} ({count} of {len(codes)} photos)" if others else value


def read(path: Path, people: People) -> Opinion:
    """The opinion of a CSV; see `opinion_tables.of_csv`, also for what is raised."""
    return Opinion(opinion_tables.of_csv(path, Photos(people.root, people.table)))
