"""The backbone in an ONNX file is the one that was exported."""

from collections.abc import Callable
from pathlib import Path

import onnx
import pytest
import torch

from maskgate.config.recipe import Recipe
from maskgate.errors import MaskgateError
from maskgate.export import graph, precision
from maskgate.model import network, onnx_weights, pretrained
from maskgate.model.network import Network

RECIPE = Recipe.model_validate(
    {"photo": {"height": 32, "width": 24}, "model": {"backbone": "test_resnet"}}
)
Exported = Callable[..., Path]


@pytest.fixture(scope="module")
def trained_network() -> Network:
    """A network whose batch normalisations have statistics of their own."""
    torch.manual_seed(3)
    model = network.create(RECIPE)
    photos = torch.randint(0, 256, (64, 32, 24, 3), dtype=torch.uint8)
    for _ in range(3):
        model.train()(photos)
    return model.eval()


@pytest.fixture(scope="module")
def contents(trained_network: Network) -> dict[str, bytes]:
    """The network unfolded in 32 and 16 bits, and folded."""
    geometry = RECIPE.photo.geometry
    unfolded = graph.to_onnx(trained_network, geometry, "network", fold_batch_norm=False)
    folded = graph.to_onnx(trained_network, geometry, "network")
    return {"fp32": unfolded, "fp16": precision.to_fp16(unfolded), "folded": folded}


@pytest.fixture
def exported(contents: dict[str, bytes], tmp_path: Path) -> Exported:
    """`exported(kind)` is the file of the network."""

    def write(kind: str) -> Path:
        path = tmp_path / f"{kind}.onnx"
        path.write_bytes(contents[kind])
        return path

    return write


@pytest.mark.parametrize(("kind", "tolerance"), [("fp32", 0), ("fp16", 1e-3)])
def test_every_tensor_is_read(
    kind: str, tolerance: float, exported: Exported, trained_network: Network
) -> None:
    backbone = trained_network.backbone
    fresh = network.create(RECIPE).backbone
    state = onnx_weights.read(exported(kind), "backbone", fresh.state_dict())
    assert list(state) == list(backbone.state_dict())
    for name, tensor in backbone.state_dict().items():
        if name.endswith("num_batches_tracked"):
            continue
        assert state[name].dtype == torch.float32
        exact = tolerance == 0 or tensor.ndim < 2
        torch.testing.assert_close(
            state[name], tensor, rtol=0 if exact else tolerance, atol=0 if exact else 1e-5, msg=name
        )
    fresh.load_state_dict(state)
    photos = torch.rand(5, 3, 32, 24)
    with torch.no_grad():
        torch.testing.assert_close(
            fresh.eval()(photos), backbone(photos), rtol=tolerance, atol=tolerance * 10
        )


def test_the_head_is_read_too(
    exported: Exported, trained_network: Network, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = exported("fp32")
    monkeypatch.setattr(pretrained, "path", lambda _: path)
    faces = pretrained.WEIGHTS["faces"]["tf_efficientnet_lite0"]
    monkeypatch.setitem(pretrained.WEIGHTS["faces"], "test_resnet", faces)
    content = RECIPE.model_dump(mode="json")
    content["model"] |= {"weights": "faces", "start_head": True}
    started = network.create(Recipe.model_validate(content)).head.state_dict()
    for name, tensor in trained_network.head.state_dict().items():
        torch.testing.assert_close(started[name], tensor, rtol=0, atol=0)
    content["model"]["head"] = {"name": "factored", "age": "years"}
    with pytest.raises(MaskgateError, match=r"does not fit the head, .*start_head=false"):
        network.create(Recipe.model_validate(content))


def test_folded_or_not_the_probabilities_are_the_same(
    contents: dict[str, bytes], trained_network: Network
) -> None:
    import onnxruntime

    photos = torch.randint(0, 256, (7, 32, 24, 3), dtype=torch.uint8)
    with torch.no_grad():
        expected = trained_network(photos).log_probabilities.exp().numpy()
    for kind, tolerance in (("fp32", 1e-5), ("folded", 1e-5), ("fp16", 2e-3)):
        session = onnxruntime.InferenceSession(contents[kind])
        (probabilities,) = session.run(None, {"photos": photos.numpy()})
        assert abs(probabilities - expected).max() < tolerance, kind
    kinds = {node.op_type for node in onnx.load_from_string(contents["fp32"]).graph.node}
    assert "BatchNormalization" in kinds


def test_another_network_is_refused(exported: Exported, tmp_path: Path) -> None:
    expected = network.create(RECIPE).backbone.state_dict()
    with pytest.raises(MaskgateError, match=r"folded.onnx: does not fit the backbone, \d+ of its"):
        onnx_weights.read(exported("folded"), "backbone", expected)
    wide = {name: tensor[..., None] for name, tensor in expected.items()}
    with pytest.raises(MaskgateError, match="missing or have another shape"):
        onnx_weights.read(exported("fp32"), "backbone", wide)
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(MaskgateError, match=r"text.onnx: not an ONNX file"):
        onnx_weights.read(tmp_path / "text.onnx", "backbone", expected)
