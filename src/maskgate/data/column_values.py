"""What columns of a run's tables may hold, besides labels; free of pandas, which reads tables."""

from typing import Final

NEVER: Final = -1  # the fold of people who are trained on and never validated on

# What becomes of a photo without labels, in the column `use`.
TRAINED: Final = "trained on"
UNSURE: Final = "unsure"
CAPPED: Final = "over the cap"
BARRED: Final = "of somebody validated"
USES: Final = (TRAINED, UNSURE, CAPPED, BARRED)
