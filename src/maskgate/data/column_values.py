"""Values, other than labels, in columns of the training table and of a run's tables.

This module does not import pandas.
"""

from typing import Final

NEVER: Final = -1  # the fold of people who are trained on and never validated on

# The column `source` of the training table: where a row comes from.
PRIMARY: Final = "primary"  # the data set of the command line: the only one validated on
EXTRA: Final = "extra"  # the recipe's `data`
UNLABELLED: Final = "unlabelled"  # the recipe's `pseudo.photos`

# The column `left_out` of the training table: why a row is not trained on; empty if it is.
# In a fold's table also UNSURE, CAPPED and BARRED, below.
AGE: Final = "age"
DROPPED: Final = "dropped"  # by a correction
NO_LABELS: Final = "no labels"
VALIDATED: Final = "validated"  # by the fold

# The column `use`: whether a pseudo-labelled photo is trained on.
TRAINED: Final = "trained on"
UNSURE: Final = "unsure"
CAPPED: Final = "over the cap"
BARRED: Final = "of somebody validated"
USES: Final = (TRAINED, UNSURE, CAPPED, BARRED)
