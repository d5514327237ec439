"""Networks in 16-bit floats and in 8-bit integers."""

import logging
import tempfile
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from maskgate.errors import MaskgateError
from maskgate.evaluation import validation_photos
from maskgate.export import graph, precision
from maskgate.export.models import ModelRun, models
from maskgate.imaging.pixels import Pixels
from maskgate.inference.backends import torch as torch_backend
from maskgate.inference.backends.onnx import OnnxBackend
from maskgate.runs import RunFolder, tables


@pytest.fixture(scope="module")
def single(trained: Path, cache: Path) -> ModelRun:
    """The tiny run."""
    (only,) = models(RunFolder(trained), cache)
    return only


@pytest.fixture(scope="module")
def content(single: ModelRun) -> bytes:
    """The network of its first fold, in ONNX."""
    network = torch_backend.restore(single.run, 0)
    return graph.to_onnx(network, single.recipe.photo.geometry, "fold 0")


@pytest.fixture(scope="module")
def pictures(single: ModelRun) -> Pixels:
    """What the model sees of the validated photos."""
    photos = validation_photos.read(single.run, single.cache, tables.oof(single.run)[0])
    return photos.inputs(np.arange(len(photos.table)))


def probabilities(single: ModelRun, content: bytes, pictures: Pixels) -> np.ndarray:
    geometry, known = single.recipe.photo.geometry, ("mask", "gender", "age_band")
    return OnnxBackend(content, "network", geometry=geometry, attributes=known)(
        pictures
    ).probabilities


def one_line(error: pytest.ExceptionInfo[MaskgateError]) -> str:
    assert "\n" not in str(error.value)
    return str(error.value)


def test_fp16_halves_the_file_and_predicts_the_same(
    single: ModelRun, content: bytes, pictures: Pixels
) -> None:
    short = precision.to_fp16(content)
    onnx.checker.check_model(onnx.load_from_string(short))
    weights = sum(
        numpy_helper.to_array(each).nbytes
        for each in onnx.load_from_string(content).graph.initializer
    )
    assert len(content) - len(short) == pytest.approx(weights / 2, rel=0.05)
    np.testing.assert_allclose(
        probabilities(single, short, pictures), probabilities(single, content, pictures), atol=2e-3
    )


def test_numbers_too_large_for_fp16_stay(pictures: Pixels) -> None:
    large = np.full((1, precision._LARGE), 1e6, np.float32)
    weights = {"large": large, "fits": large / 1e4, "few": np.ones((1, 3), np.float32)}
    model = helper.make_model(
        helper.make_graph(
            [helper.make_node("Concat", list(weights), ["all"], axis=1)],
            "weights",
            [],
            [helper.make_tensor_value_info("all", TensorProto.FLOAT, None)],
            [numpy_helper.from_array(value, name) for name, value in weights.items()],
        ),
        opset_imports=[helper.make_opsetid("", graph.OPSET)],
        ir_version=10,
    )
    short = precision.to_fp16(model.SerializeToString())
    kinds = {each.name: each.data_type for each in onnx.load_from_string(short).graph.initializer}
    assert kinds == {
        "large": TensorProto.FLOAT, "fits.fp16": TensorProto.FLOAT16, "few": TensorProto.FLOAT
    }  # fmt: skip
    (values,) = onnxruntime.InferenceSession(short).run(None, {})
    np.testing.assert_array_equal(values, np.concatenate(list(weights.values()), axis=1))


def test_int8_computes_in_integers(
    single: ModelRun,
    content: bytes,
    pictures: Pixels,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    handlers, level = list(logging.getLogger().handlers), logging.getLogger().level
    reduced = precision.to_int8(content, "network", pictures)
    assert (logging.getLogger().handlers, logging.getLogger().level) == (handlers, level)
    assert not any((tmp_path / "temporary").iterdir())
    assert capfd.readouterr() == ("", "")
    assert not caplog.records

    kinds = {node.op_type for node in onnx.load_from_string(reduced).graph.node}
    assert {"QuantizeLinear", "DequantizeLinear"} <= kinds
    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    onnxruntime.InferenceSession(reduced, options)
    nodes = onnx.load(tmp_path / "optimized.onnx").graph.node
    count = sum(node.op_type == "Conv" for node in onnx.load_from_string(content).graph.node)
    assert sum(node.op_type == "QLinearConv" for node in nodes) == count - 1
    assert sum(node.op_type in ("Conv", "FusedConv") for node in nodes) == 1  # of the photo itself
    assert len(reduced) < 0.5 * len(content)
    np.testing.assert_allclose(
        probabilities(single, reduced, pictures), probabilities(single, content, pictures), atol=0.1
    )


def test_int8_is_refused_with_the_reason(content: bytes, pictures: Pixels) -> None:
    with pytest.raises(MaskgateError, match="fold 0: cannot be reduced to int8") as error:
        precision.to_int8(content, "fold 0", pictures[:, 1:])
    assert one_line(error).endswith("export it with --precision fp16 or fp32")
    photos = helper.make_tensor_value_info("photos", TensorProto.UINT8, pictures.shape[1:])
    means = helper.make_tensor_value_info("means", TensorProto.FLOAT, None)
    nodes = [
        helper.make_node("Cast", ["photos"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["means"]),
    ]
    imports = [helper.make_opsetid("", graph.OPSET)]
    model = helper.make_model(
        helper.make_graph(nodes, "means", [photos], [means]), opset_imports=imports, ir_version=10
    )
    with pytest.raises(MaskgateError, match="nothing in it can be computed in integers") as error:
        precision.to_int8(model.SerializeToString(), "fold 0", pictures[0])
    one_line(error)


def test_calibration_is_of_the_people_the_fold_was_trained_on(
    single: ModelRun, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = validation_photos.read(single.run, single.cache, tables.oof(single.run)[0])
    for fold in single.run.folds:
        rows = np.flatnonzero(photos.table["fold"] != fold)
        others = {picture.tobytes() for picture in photos.inputs(rows)}
        validated = {
            picture.tobytes()
            for picture in photos.inputs(np.flatnonzero(photos.table["fold"] == fold))
        }
        everybody = precision.calibration_photos(single, fold, None)
        assert len(everybody) == min(precision.PHOTOS, len(rows))
        with monkeypatch.context() as patch:
            patch.setattr(precision, "PHOTOS", 20)
            few = precision.calibration_photos(single, fold, None)
            np.testing.assert_array_equal(precision.calibration_photos(single, fold, None), few)
        assert len(few) == 20
        for drawn in (everybody, few):
            contents = {picture.tobytes() for picture in drawn}
            assert contents <= others
            assert not contents & validated
