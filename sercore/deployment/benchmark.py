"""What a file costs: bytes, load time, latency, memory and operators, all measured in one run and side by side."""

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import onnx
import onnxruntime as ort
import pandas as pd
import torch

from sercore.data import SAMPLE_RATE, read_audio
from sercore.deployment.classifier import EmotionClassifier
from sercore.deployment.export import export_onnx
from sercore.deployment.quantize import METHODS, SCHEMES, quantize
from sercore.emotions import EMOTIONS
from sercore.evaluation import predictions
from sercore.evaluation.statistics import bootstrap

MB, MIB = 10**6, 2**20
INTEGER = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear")
FIRST = 3  # runs that warm up and do not count
PEAK = """
import json, os, resource, sys, time
import numpy as np
def peak():
    if os.path.exists("/proc/self/status"):  # what getrusage tells there began with the memory of the calling process
        return 1024 * int(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
"""  # bytes, for a process that measures its own memory
PEAK_MEMORY = f"""{PEAK}
import onnxruntime as ort
file, samples = sys.argv[1], int(sys.argv[2])
options = ort.SessionOptions()
options.intra_op_num_threads = 1
before = peak()
session = ort.InferenceSession(file, options, providers=["CPUExecutionProvider"])
loaded = peak()
session.run(None, {{"waveform": np.random.default_rng(0).normal(0, 0.1, (1, samples)).astype("float32")}})
print(json.dumps({{"runtime": before, "loaded": loaded, "running": peak()}}))
"""


def describe(file: str | Path) -> dict:
    """Bytes, MB, MiB, IR, opset and operators of an ONNX file."""
    model = onnx.load(file)
    size = Path(file).stat().st_size
    operators = Counter(node.op_type for node in model.graph.node)
    return {
        "bytes": size,
        "MB": size / MB,
        "MiB": size / MIB,
        "IR": model.ir_version,
        "opset": max(entry.version for entry in model.opset_import if entry.domain in ("", "ai.onnx")),
        "nodes": operators.total(),
        "operators": dict(operators.most_common()),
    }


def session(file: str | Path, threads: int = 1, profile: str = "") -> ort.InferenceSession:
    """A session with a fixed number of threads.

    Args:
        file: ONNX.
        threads: within an operator.
        profile: start of the name of a profile to be written; "" for none.
    """
    options = ort.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.enable_profiling, options.log_severity_level = bool(profile), 3
    if profile:
        options.profile_file_prefix = profile
    return ort.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])


def load_times(files: dict[str, Path], repeats: int = 5) -> dict[str, float]:
    """Median seconds from file to session, in turn."""
    found = {name: [] for name in files}
    for _ in range(repeats):
        for name, file in files.items():
            began = time.perf_counter()
            session(file)
            found[name].append(time.perf_counter() - began)
    return {name: float(np.median(times)) for name, times in found.items()}


def latencies(models: dict[str, Callable], seconds: float, repeats: int, seed: int = 0) -> pd.DataFrame:
    """How long each model takes for one waveform; all take turns, so that what slows the machine slows all.

    Args:
        models: name to a function of a waveform (1, samples).
        seconds: of audio.
        repeats: turns that count.
        seed: of the noise that is classified.

    Returns:
        A row per model: median, and the quartiles low and high, in seconds.
    """
    waveform = np.random.default_rng(seed).normal(0, 0.1, (1, round(seconds * SAMPLE_RATE))).astype(np.float32)
    times = {name: [] for name in models}
    for turn in range(FIRST + repeats):
        for name, run in models.items():
            began = time.perf_counter()
            run(waveform)
            if turn >= FIRST:
                times[name].append(time.perf_counter() - began)
    quartiles = {name: np.percentile(own, [50, 25, 75]) for name, own in times.items()}
    return pd.DataFrame.from_dict(quartiles, orient="index", columns=["median", "low", "high"])


def latency_table(files: dict[str, Path], lengths, threads, repeats: int, peers: dict | None = None) -> pd.DataFrame:
    """Latency of every file at every length and number of threads.

    Args:
        files: scheme to file.
        lengths: seconds.
        threads: numbers of threads.
        repeats: turns that count.
        peers: name to a function of (waveform, threads), timed in the same turns.

    Returns:
        Columns scheme, seconds, threads, median, low, high, rtf (share of real time).
    """
    rows = []
    for count in threads:
        models = {name: _runner(session(file, count)) for name, file in files.items()}
        models |= {name: lambda waveform, run=run: run(waveform, count) for name, run in (peers or {}).items()}
        for seconds in lengths:
            found = latencies(models, seconds, repeats).assign(seconds=seconds, threads=count)
            rows.append(found.assign(rtf=found["median"] / seconds).rename_axis("scheme").reset_index())
    return pd.concat(rows, ignore_index=True)


def _runner(opened: ort.InferenceSession) -> Callable:
    return lambda waveform: opened.run(None, {"waveform": waveform})


def torch_peers(model) -> dict[str, Callable]:
    """The same model in PyTorch, as it is and with its linear layers in 8 bits (dynamic), as functions for `latency_table`.

    Args:
        model: a classifier; the preprocessing, which is in every ONNX file, is left out here.
    """
    small = torch.ao.quantization.quantize_dynamic(model, {torch.nn.Linear}, dtype=torch.qint8)

    def runner(own):
        def run(waveform, threads):
            torch.set_num_threads(threads)
            with torch.inference_mode():
                return own(torch.from_numpy(waveform)).logits

        return run

    return {"PyTorch fp32": runner(model), "PyTorch dynamic int8": runner(small)}


def peak_memory(file: str | Path, seconds: float) -> dict[str, int]:
    """Peak memory of a process of its own, in bytes: with the runtime alone, with the model, and after one waveform."""
    command = [sys.executable, "-c", PEAK_MEMORY, str(file), str(round(seconds * SAMPLE_RATE))]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def operator_times(file: str | Path, seconds: float, repeats: int = 5) -> pd.Series:
    """Milliseconds per waveform spent in each operator type, one thread, by the runtime's own profile.

    Args:
        file: ONNX.
        seconds: of noise.
        repeats: runs that count.
    """
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, round(seconds * SAMPLE_RATE))).astype(np.float32)
    with TemporaryDirectory() as folder:
        opened = session(file, 1, f"{folder}/profile")
        for _ in range(1 + repeats):
            opened.run(None, {"waveform": waveform})
        events = json.loads(Path(opened.end_profiling()).read_text())
    starts = [event["ts"] for event in events if event["name"] == "model_run"]
    kernels = [event for event in events if event["name"].endswith("_kernel_time") and event["ts"] >= sorted(starts)[1]]
    times = pd.Series([event["dur"] for event in kernels], [event["args"]["op_name"] for event in kernels], dtype=float)
    return times.groupby(level=0).sum().div(1000 * repeats).sort_values(ascending=False)


def scheme_files(source, folder: Path, calibration) -> dict[str, Path]:
    """One file per scheme; those that are there are kept.

    Args:
        source: a finished run, or a model, which `export_onnx` takes.
        folder: where they are written, as <scheme>.onnx.
        calibration: waveforms of training speech, from `calibration_sample`.
    """
    files = {scheme: folder / f"{scheme}.onnx" for scheme in SCHEMES}
    folder.mkdir(parents=True, exist_ok=True)
    if not files["fp32"].is_file():
        export_onnx(source, files["fp32"])
    for scheme, file in files.items():
        if not file.is_file():
            quantize(files["fp32"], scheme, file, calibration)
    return files


def sizes(files: dict[str, Path]) -> pd.DataFrame:
    """What each file is: bytes, IR, opset, number of nodes, and the operators that compute in 8 or 4 bits."""
    told = {name: describe(file) for name, file in files.items()}
    table = pd.DataFrame.from_dict(told, orient="index")
    integer = table.pop("operators").map(lambda own: ", ".join(f"{name} {own[name]}" for name in INTEGER if name in own))
    return table.assign(**{"integer operators": integer})


def answers(files: dict[str, Path], table: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """What the model in each file says of utterances as recorded, one by one.

    Args:
        files: scheme to file.
        table: utterances with path and emotion.
    """
    classifiers = {name: EmotionClassifier(file, threads=1) for name, file in files.items()}
    found = {name: [] for name in files}
    for path in table["path"]:
        waveform = read_audio(path)
        for name, classifier in classifiers.items():
            found[name].append(classifier.probabilities(waveform))
    return {name: predictions(table, np.stack(rows)) for name, rows in found.items()}


def calibration_methods(float_file: Path, scheme: str, calibration, table: pd.DataFrame) -> pd.DataFrame:
    """What each way to find the range of an activation changes against float.

    Args:
        float_file: from `export_onnx`, of a trained model.
        scheme: one that is calibrated.
        calibration: waveforms of training speech.
        table: utterances to compare on, with path and emotion; not those that a score is reported on.

    Returns:
        A row per method: drift_mean and drift_most of a probability, and agreement, the share of equal answers.
    """
    with TemporaryDirectory() as folder:
        files = {name: quantize(float_file, scheme, Path(folder, f"{name}.onnx"), calibration, method=name) for name in METHODS}
        found = answers({"fp32": float_file} | files, table)
    return losses(found, draws=1).loc[[*METHODS], ["drift_mean", "drift_most", "agreement"]]


def losses(found: dict[str, pd.DataFrame], draws: int = 10_000) -> pd.DataFrame:
    """What each scheme changes against fp32 on the same utterances.

    Args:
        found: from `answers`.
        draws: of the bootstrap, which draws whole speakers.

    Returns:
        A row per scheme: WA, UA, drift (mean and largest change of a probability), agreement (share of equal answers)
        and the gain of UA over fp32 with its 95 % interval (a loss is negative).
    """
    float_ = found["fp32"]
    rows = {}
    for name, own in found.items():
        change = np.abs(own[[*EMOTIONS]].to_numpy() - float_[[*EMOTIONS]].to_numpy())
        scores = bootstrap(float_, own, draws)
        rows[name] = {"WA": scores.loc["WA", "other"], "UA": scores.loc["UA", "other"]}
        rows[name] |= {"drift_mean": change.mean(), "drift_most": change.max()}
        rows[name] |= {"agreement": (own["predicted"] == float_["predicted"]).mean()}
        rows[name] |= scores.loc["UA", ["gain", "gain_low", "gain_high"]].to_dict()
    return pd.DataFrame.from_dict(rows, orient="index")
