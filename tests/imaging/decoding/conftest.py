"""The hostile files of the benchmark, made by hand, for tests of their structure."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

BENCHMARK = Path(__file__).parents[3] / "benchmarks" / "hostile_photos.py"


@pytest.fixture(scope="session")
def hostile() -> ModuleType:
    """The module `benchmarks/hostile_photos.py`."""
    spec = importlib.util.spec_from_file_location("hostile_photos", BENCHMARK)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module
