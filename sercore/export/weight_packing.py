"""Two weights in a byte: 4-bit weights that a graph unpacks itself, with standard operators, when it is loaded.

ONNX Runtime computes at load what follows from constants alone: what runs is as fast as without packing, in every
version. A block's weights are `code * step + offset`, by QuantizeLinear, as 8-bit operators are not computed at load.
"""

from collections.abc import Collection
from math import gcd

import numpy as np
import onnx
from onnx import ModelProto, NodeProto, TensorProto, numpy_helper

BLOCK = 32  # weights of one output channel that share a step and an offset, of a byte each
LEVELS = 15  # the largest code


def pack(model: ModelProto, names: Collection[str]) -> None:
    """Replaces int8 initializers of a graph by 4-bit codes and the operators that unpack them, in place.

    Args:
        model: with convolutions (output, input, ...) or matrices (input, output).
        names: of the initializers.
    """
    weights = {tensor.name: tensor for tensor in model.graph.initializer}
    for number, name in enumerate(sorted(names)):
        packed, nodes = _packed(name, f"packed{number}", numpy_helper.to_array(weights[name]))
        model.graph.initializer.remove(weights[name])
        model.graph.initializer.extend(numpy_helper.from_array(array, part) for part, array in packed.items())
        for place, node in enumerate(nodes):
            model.graph.node.insert(place, node)


def encode(blocks: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The nearest 4-bit codes of blocks of weights; none leaves the range of its block.

    Args:
        blocks: int8 (blocks, weights).

    Returns:
        Codes uint8 (blocks, weights), step uint8 (blocks,) and offset int8 (blocks,).
    """
    low, high = blocks.min(1).astype(int), blocks.max(1).astype(int)
    step = np.maximum((high - low) // LEVELS, 1)
    offset = low + np.maximum(high - low - LEVELS * step, 0) // 2
    codes = np.rint((blocks - offset[:, None]) / step[:, None]).clip(0, LEVELS)
    return codes.astype(np.uint8), step.astype(np.uint8), offset.astype(np.int8)


def _packed(name: str, prefix: str, weight: np.ndarray) -> tuple[dict[str, np.ndarray], list[NodeProto]]:
    """Constants that replace a weight, and the nodes from them to it. The prefix is that of all names but its own."""
    channels = weight.T if weight.ndim == 2 else weight
    codes, step, offset = encode(channels.reshape(-1, gcd(BLOCK, channels[0].size)))
    first, second = np.split(codes, 2, axis=1)
    arrays = {"codes": first + 16 * second, "step": step, "offset": offset, "shape": np.array(channels.shape)}
    arrays |= {"four": np.uint8(4), "sixteen": np.uint8(16)}

    def node(operator: str, inputs: str, output: str, **attributes) -> NodeProto:
        inputs = [f"{prefix}_{part}" for part in inputs.split()]
        return onnx.helper.make_node(operator, inputs, [f"{prefix}_{output}" if output else name], **attributes)

    return {f"{prefix}_{part}": array for part, array in arrays.items()}, [
        node("Mod", "codes sixteen", "first"),
        node("BitShift", "codes four", "second", direction="RIGHT"),
        node("Concat", "first second", "both", axis=1),
        node("Cast", "both", "float", to=TensorProto.FLOAT),
        node("Cast", "step", "times", to=TensorProto.FLOAT),
        node("Reciprocal", "times", "scale"),
        node("QuantizeLinear", "float scale offset", "blocks", axis=0),  # code * step + offset, in whole numbers
        node("Reshape", "blocks shape", "channels"),
        node("Transpose", "channels", "", perm=(1, 0) if weight.ndim == 2 else range(weight.ndim)),
    ]
