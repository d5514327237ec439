"""Which runs are of one recipe, whatever way its numbers were typed."""

from typing import Any

import pytest

from maskgate.evaluation.groups import recipe_key

RECIPE: dict[str, Any] = {"augment": [{"name": "rotate", "degrees": 10}], "dropout": 0.5}


@pytest.mark.parametrize(
    ("changes", "is_same"),
    [
        ({}, True),
        ({"augment": [{"degrees": 10.0, "name": "rotate"}]}, True),
        ({"augment": [{"degrees": 10.5, "name": "rotate"}]}, False),
        ({"augment": [{"degrees": True, "name": "rotate"}]}, False),
        ({"dropout": "0.5"}, False),
        ({"dropout": None}, False),
    ],
)
def test_settings_of_the_same_values_are_one_recipe(changes: dict[str, Any], is_same: bool) -> None:
    assert (recipe_key(RECIPE) == recipe_key(RECIPE | changes)) is is_same
