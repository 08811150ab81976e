"""What a model must compute at least: multiply-accumulates per stage, and the time they take at this machine's best."""

import time

import numpy as np
import onnxruntime as ort
import pandas as pd
from onnx import TensorProto, helper

from sercore.data import SAMPLE_RATE

SIDE = 1024  # of the square matrices that measure the machine


def multiply_accumulates(config, seconds: float) -> pd.Series:
    """Multiply-accumulates of each stage for one waveform.

    Args:
        config: of a HuBERT classifier.
        seconds: of audio.

    Returns:
        Stage to number, in the order of the data. Biases, norms, activations and softmax are not counted.
    """
    frames, channels, stages = round(seconds * SAMPLE_RATE), 1, {}
    shapes = zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
    for number, (width, kernel, stride) in enumerate(shapes, 1):
        frames = (frames - kernel) // stride + 1
        stages[f"convolution {number}"] = frames * width * kernel * channels
        channels = width
    hidden, inner, layers = config.hidden_size, config.intermediate_size, config.num_hidden_layers
    stages["feature projection"] = frames * channels * hidden
    kernel, groups = config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups
    stages["positional convolution"] = frames * hidden * kernel * hidden // groups
    stages["attention, linear"] = layers * 4 * frames * hidden**2
    stages["attention, products"] = layers * 2 * frames**2 * hidden
    stages["feed-forward"] = layers * 2 * frames * hidden * inner
    stages["head"] = frames * hidden * config.classifier_proj_size + config.classifier_proj_size * config.num_labels
    return pd.Series(stages)


def matrix_rates(threads: int = 1, repeats: int = 15) -> dict[str, float]:
    """Multiply-accumulates per second of a large matrix product in the runtime, float and 8-bit: the median of turns.

    Args:
        threads: of the runtime.
        repeats: turns that count.
    """
    random = np.random.default_rng(0)
    products = {
        "fp32": ("MatMul", random.normal(size=(2, SIDE, SIDE)).astype(np.float32), TensorProto.FLOAT, TensorProto.FLOAT),
        "int8": ("MatMulInteger", random.integers(0, 127, (2, SIDE, SIDE)).astype(np.uint8), TensorProto.UINT8, TensorProto.INT32),
    }
    opened = {name: _product(*product, threads) for name, product in products.items()}
    times = {name: [] for name in opened}
    for turn in range(repeats + 2):
        for name, run in opened.items():
            began = time.perf_counter()
            run()
            if turn > 1:
                times[name].append(time.perf_counter() - began)
    return {name: SIDE**3 / float(np.median(own)) for name, own in times.items()}


def _product(operator, factors, kind, result, threads):
    weight = factors[1] if kind == TensorProto.FLOAT else factors[1].astype(np.int8)
    constant = helper.make_tensor("w", kind if kind == TensorProto.FLOAT else TensorProto.INT8, weight.shape, weight.tobytes(), raw=True)
    node = helper.make_node(operator, ["x", "w"], ["y"])
    shape = [SIDE, SIDE]
    values = helper.make_tensor_value_info("x", kind, shape), helper.make_tensor_value_info("y", result, shape)
    graph = helper.make_graph([node], "product", [values[0]], [values[1]], [constant])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    options = ort.SessionOptions()
    options.intra_op_num_threads = threads
    opened = ort.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda: opened.run(None, {"x": factors[0]})


def floors(config, seconds: float, rates: dict[str, float]) -> pd.DataFrame:
    """Milliseconds that each stage takes at least, in float and in 8 bits, at the measured rates."""
    counts = multiply_accumulates(config, seconds)
    table = pd.DataFrame({"million multiply-accumulates": counts / 1e6, "share": counts / counts.sum()})
    return table.assign(**{f"{name} at least (ms)": 1000 * counts / rate for name, rate in rates.items()})
