"""4-bit weights come out of the graph as the 8-bit weights nearest to those that went in, before anything runs."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sercore.export.weight_packing import BLOCK, LEVELS, encode, pack

SHAPES = {"matrix": (96, 5), "convolution": (6, 8, 16), "short blocks": (6, 3, 2), "its own block": (2 * BLOCK, 1)}


def draw_weights(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 40, shape).clip(-127, 127).astype(np.int8)


def make_graph(weight: np.ndarray) -> onnx.ModelProto:
    """A graph that gives its one weight, packed."""
    result = helper.make_tensor_value_info("out", TensorProto.INT8, weight.shape)
    node, constant = helper.make_node("Identity", ["w"], ["out"]), numpy_helper.from_array(weight, "w")
    graph = helper.make_graph([node], "g", [], [result], [constant])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    pack(model, ["w"])
    onnx.checker.check_model(model, full_check=True)
    return model


def unpack(weight: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(make_graph(weight).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {})[0]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_weights_keep_their_shape_and_stay_close(shape):
    """A step is at most 255 // 15 = 17, so rounding moves 8; 15 steps leave out less than 15 of a range, 7 a side."""
    weight = draw_weights(shape)
    found = unpack(weight)
    assert found.shape == weight.shape and found.dtype == np.int8
    assert np.abs(found.astype(int) - weight).max() <= 8


def test_what_fits_sixteen_levels_is_kept_exactly():
    """Sixteen neighbouring levels; the two ends of the widest range; a quiet column beside a loud one."""
    rng, quiet = np.random.default_rng(0), np.random.default_rng(0).integers(-7, 8, (BLOCK, 2)).astype(np.int8)
    neighbours, widest = rng.integers(100, 116, (64, 7)).astype(np.int8), np.array([[-128, 127] * BLOCK], np.int8).T
    assert np.array_equal(unpack(neighbours), neighbours) and np.array_equal(unpack(widest), widest)
    assert np.array_equal(unpack(quiet * np.array([1, 18], np.int8))[:, 0], quiet[:, 0])


@pytest.mark.parametrize("scale", [1, 10, 127])
def test_no_weight_leaves_the_range_of_its_block(scale):
    """Else sums of 7-bit weights could overflow."""
    weight = np.random.default_rng(0).integers(-scale, scale + 1, (108, BLOCK)).astype(np.int8)
    codes, step, offset = encode(weight)
    found = codes.astype(int) * step[:, None] + offset[:, None]
    assert codes.max() <= LEVELS
    assert (found.min(1) >= weight.min(1)).all() and (found.max(1) <= weight.max(1)).all()


def test_two_weights_take_a_byte():
    arrays = {tensor.name: tensor for tensor in make_graph(draw_weights((4 * BLOCK, 10))).graph.initializer}
    assert len(arrays["packed0_codes"].raw_data) == 20 * BLOCK
    assert len(arrays["packed0_step"].raw_data) == len(arrays["packed0_offset"].raw_data) == 40


def test_weights_are_unpacked_when_the_graph_is_loaded(tmp_path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    graph = make_graph(draw_weights((64, 5))).SerializeToString()
    onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    assert {node.op_type for node in onnx.load(options.optimized_model_filepath).graph.node} <= {"Identity"}
