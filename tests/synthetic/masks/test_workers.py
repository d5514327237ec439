"""What becomes of the work when a process that does it is killed."""

import multiprocessing
import operator
from itertools import count

import pytest

from maskgate.errors import MaskgateError
from maskgate.synthetic.masks.workers import map_in_processes


def test_a_killed_worker_is_one_sentence() -> None:
    products = map_in_processes(operator.mul, 3, count(), 2)
    assert next(products) == 0
    workers = multiprocessing.active_children()
    assert len(workers) == 2
    workers[0].kill()
    with pytest.raises(MaskgateError, match=r"process was killed.* fewer --workers .* to resume$"):
        list(products)
    assert not multiprocessing.active_children()
