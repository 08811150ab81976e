"""What a file costs: bytes, operators, load time and latency; what is compared takes turns."""

import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from timeit import timeit

import numpy as np
import onnx
import pandas as pd
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from sercore.audio_files import SAMPLE_RATE
from sercore.runtime import EmotionClassifier

WARM_UP = 3  # turns that do not count


def describe_file(file: str | Path) -> dict:
    """Bytes, MB, MiB, IR, opset, number of nodes, and operators (type to number, most first) of an ONNX file."""
    model, size = onnx.load(file), Path(file).stat().st_size
    operators = Counter(node.op_type for node in model.graph.node)
    opset = max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx"))
    facts = {"bytes": size, "MB": size / 10**6, "MiB": size / 2**20, "IR": model.ir_version, "opset": opset}
    return facts | {"nodes": operators.total(), "operators": dict(operators.most_common())}


@torch.no_grad()
def count_operations(model: torch.nn.Module, seconds: float) -> pd.Series:
    """Multiply-adds for one waveform by the model's own names of its modules; all transformer layers are one.

    PyTorch counts them as the model runs: of convolutions and products of matrices alone. Weights are not looked at.
    """
    with sdpa_kernel(SDPBackend.MATH), FlopCounterMode(display=False) as counter:
        model.eval()(torch.zeros(1, round(seconds * SAMPLE_RATE)))
    counts = pd.Series({name: sum(own.values()) // 2 for name, own in counter.get_flop_counts().items()})
    whole, names = counts.pop("Global"), counts.index
    leaves = counts[[not names.str.startswith(f"{name}.").any() for name in names]]
    stages = leaves.index.str.partition(".").get_level_values(2).str.replace(r"\blayers\.\d+\.", "layers.", regex=True)
    work = leaves.groupby(stages, sort=False).sum()
    return pd.concat([work, pd.Series({"attention products": whole - work.sum()})])


def measure_load(files: dict[str, Path], repeats: int = 5) -> dict[str, float]:
    """Median seconds from file to classifier, on one thread, by name."""
    tasks = {name: partial(EmotionClassifier, file, threads=1) for name, file in files.items()}
    return _take_turns(tasks, repeats).median().to_dict()


def measure_latency(models: dict[str, Callable], seconds: float, repeats: int) -> pd.DataFrame:
    """Median time of each model (rows) for one waveform of noise, and the quartiles low and high, in seconds.

    Args:
        models: name to a function of a waveform (1, samples).
        seconds: of audio.
        repeats: turns that count.
    """
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, round(seconds * SAMPLE_RATE))).astype(np.float32)
    times = _take_turns({name: partial(run, waveform) for name, run in models.items()}, WARM_UP + repeats)
    return times[WARM_UP:].quantile([0.5, 0.25, 0.75]).T.set_axis(["median", "low", "high"], axis=1)


def tabulate_latency(
    files: dict[str, Path], lengths: Iterable[float], threads: Iterable[int], repeats: int, peers: dict | None = None
) -> pd.DataFrame:
    """Latency of every file at every length and number of threads.

    Args:
        files: scheme to file.
        lengths: seconds of audio.
        threads: numbers of threads.
        repeats: turns that count.
        peers: name to a function of (waveform, threads), timed in the same turns.

    Returns:
        Columns scheme, median, low, high (seconds), seconds (of audio), threads, rtf (share of real time).
    """
    rows = []
    for count in threads:
        models = {name: EmotionClassifier(file, count).probabilities for name, file in files.items()}
        models |= {name: partial(run, threads=count) for name, run in (peers or {}).items()}
        for seconds in lengths:
            table = measure_latency(models, seconds, repeats).assign(seconds=seconds, threads=count)
            rows.append(table.assign(rtf=table["median"] / seconds).rename_axis("scheme").reset_index())
    return pd.concat(rows, ignore_index=True)


def make_torch_peers(model: torch.nn.Module) -> dict[str, Callable]:
    """A classifier in PyTorch, without preprocessing, as it is and in dynamic 8 bits: peers for `tabulate_latency`."""
    with warnings.catch_warnings(action="ignore"):  # deprecated in PyTorch, and still what its users have
        small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    @torch.inference_mode()
    def run(own, waveform, threads):
        torch.set_num_threads(threads)
        return own(torch.from_numpy(waveform)).logits

    return {"PyTorch fp32": partial(run, model), "PyTorch dynamic int8": partial(run, small)}


def _take_turns(tasks: dict[str, Callable], turns: int) -> pd.DataFrame:
    """Seconds of each task (columns) in each turn; what slows the machine slows all."""
    return pd.DataFrame([{name: timeit(task, number=1) for name, task in tasks.items()} for _ in range(turns)])
