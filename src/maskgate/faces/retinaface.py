"""RetinaFace (Deng et al., CVPR 2020), as the package uniface has it."""

from pathlib import Path
from typing import Any

import numpy as np

from maskgate.config.settings import lookup
from maskgate.core import extras, onnx_sessions
from maskgate.errors import MaskgateError
from maskgate.faces import model_files, resizing
from maskgate.faces.arguments import number, whole
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import NONE, Faces
from maskgate.imaging.pixels import Pixels


class RetinaFace:
    """Finds faces in the photo scaled into a square of `side` pixels.

    `variant` is one of uniface's models, whose weights it downloads into the cache where no run
    keeps them and `file` does not name them. Faces below `score` are dropped; of those that overlap
    by more than `overlap` (intersection over union) the surest stays. Raises MaskgateError without
    uniface.
    """

    name = "retinaface"

    def __init__(
        self,
        folders: Folders,
        file: str | None,
        variant: str,
        score: float,
        side: int,
        overlap: float,
    ) -> None:
        self.arguments: dict[str, Any] = {
            "variant": variant,
            "score": number("score", score, 0.01, 1),
            "side": whole("side", side, 64, 2048),
            "overlap": number("overlap", overlap, 0, 1),
        }
        try:
            from uniface.common import generate_anchors
            from uniface.constants import RetinaFaceWeights
            from uniface.detection import RetinaFace as UniFace
        except ImportError as error:
            raise MaskgateError(
                "detector retinaface: the package uniface is not installed"
                f" ({error}); {extras.install('retinaface')}, or train with yunet or mtcnn"
            ) from error
        known = {each.value.removeprefix("retinaface_"): each for each in RetinaFaceWeights}
        model = lookup("variant of retinaface", str(variant), known)
        if kept := folders.kept_file(self.name):
            path = kept
        elif file is not None:
            path = model_files.named(file, f"file of detector {self.name}")
        else:
            path = _weights(model, folders.cache / "models")
        self.sha256 = model_files.sha256(path)
        self.files = {model_files.kept_name(self.name): path}
        # Its constructor knows only models that it downloads, into a folder of its own, and
        # sessions that use every core; what it would set is set here.
        self._network = network = UniFace.__new__(UniFace)
        network.confidence_threshold, network.nms_threshold = score, overlap
        network.pre_nms_topk, network.post_nms_topk = 5000, 750
        network.dynamic_size, network.input_size = False, (side, side)
        network._priors = generate_anchors(image_size=(side, side))
        network.session = onnx_sessions.load(path)
        network.input_names = network.session.get_inputs()[0].name
        network.output_names = [output.name for output in network.session.get_outputs()]
        if len(network.output_names) != 3:
            raise MaskgateError(f"{path}: a model, but not RetinaFace; name the file of RetinaFace")

    def __call__(self, photo: Pixels) -> Faces:
        side = self.arguments["side"]
        # Scaled here: uniface fails on a photo that is far longer than wide.
        scale = side / max(photo.shape[:2])
        height, width = (max(1, round(length * scale)) for length in photo.shape[:2])
        canvas = np.zeros((side, side, 3), np.uint8)
        small = resizing.by_area(photo, height, width)
        canvas[:height, :width] = small[..., ::-1]
        found = sorted(self._network.detect(canvas), key=lambda face: -face.confidence)
        if not found:
            return NONE
        back = np.array([photo.shape[1] / width, photo.shape[0] / height], np.float32)
        return Faces(
            np.stack([face.bbox for face in found]).astype("f4") * np.tile(back, 2),
            np.stack([face.landmarks for face in found]).astype("f4") * back,
            np.array([face.confidence for face in found], np.float32),
        )


def at_hand(folder: Path, variant: str) -> bool:
    """Whether uniface has the variant's file in the cache `folder`, whole where it can tell."""
    file = folder / "models" / f"retinaface_{variant}.onnx"
    if not file.is_file():
        return False
    try:
        from uniface.constants import MODEL_REGISTRY
    except ImportError:
        return True
    sums = {model.value: about.sha256 for model, about in MODEL_REGISTRY.items()}
    return sums.get(file.stem) in ("", model_files.sha256(file))


def _weights(model: Any, folder: Path) -> Path:
    """The model's file in `folder`, downloaded and checked by uniface where it is not there."""
    from uniface import model_store

    try:
        found = model_store.verify_model_weights(model, str(folder), timeout=20, max_retries=1)
    except Exception as error:  # requests' own among them
        raise MaskgateError(
            f"detector retinaface: its model {model.value} cannot be downloaded by uniface"
            f" ({error}); connect to the network, or download it elsewhere and name it as"
            f" file: or put it at {folder / model.value}.onnx, or train with mtcnn, which needs"
            " none"
        ) from error
    return Path(found)
