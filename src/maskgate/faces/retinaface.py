"""RetinaFace (Deng et al., CVPR 2020), from the package uniface."""

from pathlib import Path
from typing import Any

import numpy as np

from maskgate.config.settings import lookup
from maskgate.core import extras, onnx_sessions
from maskgate.errors import MaskgateError
from maskgate.faces import model_files, resizing
from maskgate.faces.arguments import check_integer, check_number
from maskgate.faces.model_files import Folders
from maskgate.faces.protocol import NO_FACES, Faces
from maskgate.imaging.pixels import Pixels


class RetinaFace:
    """Finds faces in the photo scaled into a square of `side` pixels.

    `variant` is one of uniface's models. uniface downloads its weights into the cache, unless the
    run keeps them or `file` names them. Faces below `score` are dropped; of faces that overlap by
    more than `overlap` (intersection over union) the one with the highest score is kept. Raises
    MaskgateError without uniface.
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
            "score": check_number("score", score, 0.01, 1),
            "side": check_integer("side", side, 64, 2048),
            "overlap": check_number("overlap", overlap, 0, 1),
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
            path = model_files.existing_file(file, f"file of detector {self.name}")
        else:
            path = _weights(model, folders.cache / "models")
        self.sha256 = model_files.sha256(path)
        self.files = {model_files.kept_name(self.name): path}
        # uniface's constructor always downloads the model, into a folder of its own, and its
        # session uses every core. So its attributes are set here instead.
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
        # Scaled here, because uniface fails on a photo that is far longer than wide.
        scale = side / max(photo.shape[:2])
        height, width = (max(1, round(length * scale)) for length in photo.shape[:2])
        canvas = np.zeros((side, side, 3), np.uint8)
        small = resizing.resize_area(photo, height, width)
        canvas[:height, :width] = small[..., ::-1]
        detections = sorted(self._network.detect(canvas), key=lambda face: -face.confidence)
        if not detections:
            return NO_FACES
        scale_back = np.array([photo.shape[1] / width, photo.shape[0] / height], np.float32)
        return Faces(
            np.stack([face.bbox for face in detections]).astype("f4") * np.tile(scale_back, 2),
            np.stack([face.landmarks for face in detections]).astype("f4") * scale_back,
            np.array([face.confidence for face in detections], np.float32),
        )


def is_available(folder: Path, variant: str) -> bool:
    """Whether the variant's file is in the cache `folder`, undamaged if uniface is installed to
    check it."""
    file = folder / "models" / f"retinaface_{variant}.onnx"
    if not file.is_file():
        return False
    try:
        from uniface.constants import MODEL_REGISTRY
    except ImportError:
        return True
    hashes = {model.value: info.sha256 for model, info in MODEL_REGISTRY.items()}
    return hashes.get(file.stem) in ("", model_files.sha256(file))


def _weights(model: Any, folder: Path) -> Path:
    """The model's file in `folder`; uniface downloads and checks it if it is missing."""
    from uniface import model_store

    try:
        path = model_store.verify_model_weights(model, str(folder), timeout=20, max_retries=1)
    except Exception as error:  # requests' own among them
        raise MaskgateError(
            f"detector retinaface: its model {model.value} cannot be downloaded by uniface"
            f" ({error}); connect to the network, or download it elsewhere and name it as"
            f" file: or put it at {folder / model.value}.onnx, or train with mtcnn, which needs"
            " none"
        ) from error
    return Path(path)
