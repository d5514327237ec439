"""Measures the true and the apparent gain of offsets for macro F1.

    python benchmarks/offsets.py RUN…

Offsets are found in two ways: by searching macro F1 itself, class by class, and as `maskgate` does
(`adjust: offsets`). Each is scored on the people it was fitted to, and on people held out.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pandas as pd

from maskgate import labels
from maskgate.core import confusions
from maskgate.core.progress import track
from maskgate.ensemble.learning import groups, offsets
from maskgate.runs import open_run, tables

Floats = npt.NDArray[np.floating]
Codes = npt.NDArray[np.int64]
STEPS = np.linspace(-1.5, 1.5, 31)
SHRINKS = (1.0, 0.5, 0.25)


def macro_f1(codes: Codes, logs: Floats) -> float:
    return float(confusions.macro_f1(confusions.confusion(codes, logs.argmax(1), labels.COUNT)))


def searched(logs: Floats, table: pd.DataFrame) -> Floats:
    """Offsets (18,) from a search of macro F1, class by class, with ever smaller steps."""
    codes = table["label"].to_numpy(np.int64)
    best_offsets, best_score = np.zeros(labels.COUNT), macro_f1(codes, logs)
    for shrink in SHRINKS:
        for c in range(labels.COUNT):
            start = best_offsets[c]
            for step in STEPS * shrink:
                offsets_to_try = best_offsets.copy()
                offsets_to_try[c] = start + step
                if (score := macro_f1(codes, logs + offsets_to_try)) > best_score:
                    best_offsets, best_score = offsets_to_try, score
    return best_offsets


def main() -> None:
    for path in sys.argv[1:]:
        table, probabilities = tables.oof(open_run(Path(path)))
        logs = np.log(probabilities.clip(1e-9).astype(np.float64))
        codes, group = table["label"].to_numpy(np.int64), groups.of_people(table)
        print(f"{path}: macro F1 {macro_f1(codes, logs):.4f} without")
        for name, find in (("searched", searched), ("offsets", learned)):
            print(f"{name}: {gains(find, table, logs, codes, group)}")


def learned(logs: Floats, table: pd.DataFrame) -> Floats:
    """Offsets (18,) as `adjust: offsets` learns them."""
    return np.array(offsets.learn(np.exp(logs), (), table)["offsets"])


def gains(
    find: Callable[[Floats, pd.DataFrame], Floats],
    table: pd.DataFrame,
    logs: Floats,
    codes: Codes,
    group: Codes,
) -> str:
    """The gain on the people the offsets were fitted to, and on each group held out in turn."""
    plain = macro_f1(codes, logs)
    same = macro_f1(codes, logs + find(logs, table))
    shifted, numbers = logs.copy(), np.unique(group).tolist()
    for number in track(numbers, "leaving people out", len(numbers)):
        left_out = group == number
        shifted[left_out] += find(logs[~left_out], table[~left_out].reset_index(drop=True))
    others = macro_f1(codes, shifted)
    return f"{same - plain:+.4f} on the people found on, {others - plain:+.4f} on others"


if __name__ == "__main__":
    main()
