"""`import maskgate` gives every name of the interface, and imports nothing heavy for it."""

import subprocess
import sys

import pytest

import maskgate
from maskgate.core import extras
from maskgate.errors import MaskgateError

SCRIPT = """
import sys, maskgate
names = dir(maskgate)
assert set(maskgate.__all__) <= set(names), names
print(sorted({"torch", "pandas", "numpy"} & set(sys.modules)))
"""


def test_an_import_is_light() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("name", maskgate.__all__)
def test_every_name_is_there_and_says_what_it_does(name: str) -> None:
    value = getattr(maskgate, name)
    assert name == "__version__" or value.__doc__
    assert not hasattr(maskgate, f"{name}_")


def test_a_missing_package_names_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(name: str) -> None:
        raise ModuleNotFoundError("No module named 'pandas'", name="pandas")

    monkeypatch.delitem(vars(maskgate), "compare", raising=False)
    monkeypatch.setattr("importlib.import_module", fail)
    with pytest.raises(MaskgateError, match=r"maskgate\.compare needs the package pandas") as error:
        _ = maskgate.compare
    assert extras.install("train") in str(error.value)
