"""4-bit weights come out of the graph as the 8-bit weights nearest to those that went in, before anything runs."""

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper, numpy_helper

from sercore.deployment.packing import BLOCK, LEVELS, code, pack

SHAPES = {"matrix": (96, 5), "convolution": (6, 8, 16), "short blocks": (6, 3, 2), "block of its own": (2 * BLOCK, 1)}


def drawn(shape: tuple[int, ...]) -> np.ndarray:
    return np.random.default_rng(0).normal(0, 40, shape).clip(-127, 127).astype(np.int8)


def packed(weight: np.ndarray) -> onnx.ModelProto:
    """A graph that gives its one weight, packed."""
    result = helper.make_tensor_value_info("out", TensorProto.INT8, weight.shape)
    graph = helper.make_graph([helper.make_node("Identity", ["w"], ["out"])], "g", [], [result], [numpy_helper.from_array(weight, "w")])
    model = helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17)])
    pack(model, ["w"])
    onnx.checker.check_model(model, full_check=True)
    return model


def unpacked(weight: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(packed(weight).SerializeToString(), providers=["CPUExecutionProvider"])
    return session.run(None, {})[0]


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES.keys())
def test_graph_gives_weights_of_the_same_shape_close_to_those_it_was_given(shape):
    """A step is at most 255 // 15 = 17, so rounding moves by 8; what 15 steps leave out of a range is less than 15, 7 a side."""
    weight = drawn(shape)
    found = unpacked(weight)
    assert found.shape == weight.shape and found.dtype == np.int8
    assert np.abs(found.astype(int) - weight).max() <= 8


def test_sixteen_neighbouring_levels_are_kept_exactly():
    weight = np.random.default_rng(0).integers(100, 116, (64, 7)).astype(np.int8)
    assert np.array_equal(unpacked(weight), weight)


def test_widest_block_overflows_nowhere():
    weight = np.tile(np.array([-128, 127], np.int8), BLOCK)[:, None]
    assert np.array_equal(unpacked(weight), weight)


@pytest.mark.parametrize("scale", [1, 10, 127])
def test_no_weight_leaves_the_range_of_its_block(scale):
    """Else sums of 7-bit weights could overflow."""
    weight = np.random.default_rng(0).integers(-scale, scale + 1, (108, BLOCK)).astype(np.int8)
    codes, step, offset = code(weight)
    found = codes.astype(int) * step[:, None] + offset[:, None]
    assert codes.max() <= LEVELS
    assert (found.min(1) >= weight.min(1)).all() and (found.max(1) <= weight.max(1)).all()


def test_blocks_of_a_matrix_run_down_its_columns():
    """A loud column, whose steps are wide, costs its neighbours nothing."""
    weight = np.random.default_rng(0).integers(-7, 8, (BLOCK, 2)).astype(np.int8)
    weight[:, 1] *= 18
    assert np.array_equal(unpacked(weight)[:, 0], weight[:, 0])


def test_two_weights_take_a_byte():
    arrays = {tensor.name: tensor for tensor in packed(drawn((4 * BLOCK, 10))).graph.initializer}
    assert len(arrays["packed0_codes"].raw_data) == 20 * BLOCK
    assert len(arrays["packed0_step"].raw_data) == len(arrays["packed0_offset"].raw_data) == 40


def test_weights_are_unpacked_when_the_graph_is_loaded(tmp_path):
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.optimized_model_filepath = str(tmp_path / "loaded.onnx")
    onnxruntime.InferenceSession(packed(drawn((64, 5))).SerializeToString(), options, providers=["CPUExecutionProvider"])
    loaded = onnx.load(options.optimized_model_filepath).graph
    assert {node.op_type for node in loaded.node} <= {"Identity"}
