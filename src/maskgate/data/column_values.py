"""What columns of the training table and of a run's tables may hold, besides labels; free of
pandas, which reads tables."""

from typing import Final

NEVER: Final = -1  # the fold of people who are trained on and never validated on

# Where a row of the training table comes from, in the column `source`.
PRIMARY: Final = "primary"  # the data set of the command line: the only one validated on
EXTRA: Final = "extra"  # the recipe's `data`
UNLABELLED: Final = "unlabelled"  # the recipe's `pseudo.photos`

# Why a row of the training table is not trained on, in the column `left_out`; empty where it is.
# In a fold's table also UNSURE, CAPPED and BARRED, below.
AGE: Final = "age"
NO_LABELS: Final = "no labels"
VALIDATED: Final = "validated"  # by the fold

# What becomes of a photo without labels, in the column `use`.
TRAINED: Final = "trained on"
UNSURE: Final = "unsure"
CAPPED: Final = "over the cap"
BARRED: Final = "of somebody validated"
USES: Final = (TRAINED, UNSURE, CAPPED, BARRED)
