"""Files that a recipe names are found, or missed in one sentence."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from maskgate.config import recipe_files
from maskgate.core import files
from maskgate.errors import MaskgateError


def test_corrections_are_found_by_path_or_name(tmp_path: Path) -> None:
    fixes = tmp_path / "fixes.csv"
    fixes.touch()
    assert recipe_files.corrections(str(fixes)) == fixes
    shipped = files.shipped("corrections") / "competition.csv"
    assert recipe_files.corrections("competition") == shipped
    with pytest.raises(MaskgateError, match="did you mean competition"):
        recipe_files.corrections("competitoin")
    with pytest.raises(MaskgateError, match=r"did you mean .*fixes\.csv"):
        recipe_files.corrections(str(tmp_path / "fixs.csv"))
    with pytest.raises(MaskgateError, match="no such file of corrections; shipped are competition"):
        recipe_files.corrections("qqq")


@pytest.mark.parametrize(
    ("check", "sentence"),
    [
        (recipe_files.check_weights, "no such file of weights; see model.weights"),
        (recipe_files.check_extra, "no such file or folder, but the recipe's data names it; fix"),
        (recipe_files.check_unlabelled, "no such folder, but pseudo.photos names it; give a"),
        (recipe_files.check_fold_file, "not a fold file with columns person,fold (cannot be read"
         " (No such file or directory); give a CSV that can); give a run's folds.csv"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_one_sentence(
    check: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "place"
    with pytest.raises(MaskgateError, match="^" + re.escape(f"{path}: {sentence}")):
        check(path)
    if check is recipe_files.check_unlabelled:
        path.touch()
        with pytest.raises(MaskgateError, match=r"is a file, but pseudo\.photos names it"):
            check(path)
        path.unlink()
        path.mkdir()
    else:
        path.touch()
    check(path)
