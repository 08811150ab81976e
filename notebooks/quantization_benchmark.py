# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # A file a phone can load
#
# *How small and how fast does the model get in eight bits, and how far is that from what the machine could do?*
#
# Paper: sections III-C and V-A, which promise an ONNX file in eight bits and print no latency of it. Size and speed
# depend on the geometry of a model and not on its weights, so those are random here. Accuracy needs trained ones:
# [the next page](quantization_accuracy.ipynb).

# %% tags=["setup", "remove-cell"]
# Kaggle and Colab: sercore from the wheel of an attached dataset, else from the repository; torch and numpy stay.
# fmt: off
import glob, importlib.metadata, importlib.util
if not importlib.util.find_spec("sercore"):
    wheels = [f"{wheel}[book]" for wheel in glob.glob("/kaggle/input/**/sercore-*.whl", recursive=True)]
    pins = " ".join(f"{name}=={importlib.metadata.version(name)}" for name in ("torch", "numpy"))
    get_ipython().run_line_magic("pip", f"install -q '{[*wheels, 'sercore[book] @ git+the-address-of-the-repository-goes-into-_config.yml'][0]}' {pins}")
# fmt: on

# %% tags=["parameters"]
profile = "demo"
settings = {}  # of the experiment, beside the profile's, such as {"geometry": "small"}

# %%
import platform
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import pandas as pd

from sercore import paths
from sercore.audio_files import SAMPLE_RATE
from sercore.data import load_split
from sercore.experiment import Experiment
from sercore.export import SCHEMES, latency, sample_calibration, write_scheme_files
from sercore.page import ACCENT, PALE, glue, record_table, set_style
from sercore.page import show_banner, show_figure, show_provenance, show_table
from sercore.page.process_memory import measure_memory
from sercore.training import build_classifier, find_runs

set_style()
SECONDS, LONGEST, THREADS = (1, 3, 8), 8, (1, 2)
SHIPPED = [scheme for scheme in SCHEMES if scheme not in ("fp32", "paper")]
experiment = Experiment.from_profile(profile, **{"split": "disjoint", **settings})
repeats = 5 if experiment.geometry == "tiny" else 15
show_banner(experiment)

# %% [markdown]
# ## The schemes
#
# Every file takes a recorded waveform at 16 kHz and gives a probability for each emotion. Trimming, pre-emphasis and
# the peak are inside the graph, and labels, terms and scores are in its metadata. A scheme is a recipe for the numbers
# inside. Some of them fix the ranges of activations in advance, from training speech.

# %%
recipes = pd.Series({name: scheme.recipe for name, scheme in SCHEMES.items()}, name="recipe")
show_table(recipes.to_frame(), "The schemes.")

# %% tags=["hide-output"]
split, _ = load_split(experiment)
model = build_classifier(experiment.geometry).eval()
folder = paths.runs_root() / experiment.profile / f"geometry-{experiment.geometry}"
files = write_scheme_files(model, folder, sample_calibration(split))

# %%
INTEGER = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear")
sizes = pd.DataFrame([{"scheme": scheme} | latency.describe_file(file) for scheme, file in files.items()])
inside = [{name: own[name] for name in INTEGER if name in own} for own in sizes.pop("operators")]
sizes["integer operators"] = [", ".join(f"{name} {count}" for name, count in own.items()) for own in inside]
show_table(sizes, "The files.", form={"bytes": "{:,}", "MB": "{:.2f}", "MiB": "{:.2f}"}, index=False)

# %% [markdown]
# ## How fast they are
#
# All files and both peers in PyTorch take turns in one process, so that what slows the machine slows all of them
# alike. Compare ratios; milliseconds belong to this machine.

# %% tags=["hide-output"]
times = latency.tabulate_latency(files, SECONDS, THREADS, repeats, latency.make_torch_peers(model))

# %%
milliseconds = times.assign(**1000 * times[["median", "low", "high"]])
milliseconds["cell"] = milliseconds.apply("{median:.1f} ({low:.1f}–{high:.1f})".format_map, axis=1)
wide = milliseconds.pivot(index="scheme", columns=["threads", "seconds"], values="cell").loc[times["scheme"].unique()]
show_table(wide, "Median latency in milliseconds (quartiles), by threads and seconds of audio.")

# %%
longest = times.query("seconds == @LONGEST").pivot(index="scheme", columns="threads", values=["median", "rtf"])
faster = longest.loc["fp32", "median"] / longest["median"]
speed = pd.concat({"times as fast as fp32": faster, "share of real time": longest["rtf"]}, axis=1).loc[wide.index]
show_table(speed, "Ratios for the longest waveform, by threads.", form="{:.3g}")

# %% tags=["hide-input"]
one_thread = milliseconds.query("seconds == @LONGEST and threads == 1").set_index("scheme").loc[[*files]]
one_thread = one_thread.join(sizes.set_index("scheme"))
figure, (left, right) = plt.subplots(1, 2, sharey=True, figsize=(7, 3.4))
left.barh(one_thread.index, one_thread["MB"], color=PALE)
right.hlines(one_thread.index, one_thread["low"], one_thread["high"], color=PALE, linewidth=4)
right.plot(one_thread["median"], one_thread.index, "o", color=ACCENT, markersize=9)
left.set(xlabel="file (MB)")
right.set(xlabel="latency (ms)", xlim=(0, None))
left.invert_yaxis()
alt = "; ".join(one_thread.reset_index().apply("{scheme} {MB:.1f} MB, {median:.0f} ms".format_map, axis=1))
show_figure(figure, "Size, and median latency of the longest waveform on one thread (line: quartiles).", alt)


# %%
def profile_operators(file: str | Path, seconds: float, repeats: int = 5) -> pd.Series:
    """Milliseconds per waveform in each operator type, most first, on one thread, by the runtime's own profile."""
    waveform = np.random.default_rng(0).normal(0, 0.1, (1, round(seconds * SAMPLE_RATE))).astype(np.float32)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.enable_profiling = 1, True
    with TemporaryDirectory() as folder:
        options.profile_file_prefix = f"{folder}/profile"
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
        for _ in range(1 + repeats):
            session.run(None, {"waveform": waveform})
        events = pd.read_json(session.end_profiling())
    second = events.loc[events["name"] == "model_run", "ts"].sort_values().iloc[1]
    kernels = events[events["name"].str.endswith("_kernel_time") & (events["ts"] >= second)]
    spent = kernels["dur"].groupby(kernels["args"].str["op_name"]).sum()
    return spent.div(1000 * repeats).sort_values(ascending=False)


fastest = one_thread.loc[SHIPPED, "median"].idxmin()
operators = pd.DataFrame({name: profile_operators(files[name], LONGEST) for name in ("fp32", fastest)})
operators = operators.fillna(0).rename_axis("operator").sort_values("fp32", ascending=False)

# %% tags=["hide-input"]
shown = operators[(operators >= 0.02 * operators.sum()).any(axis=1)]
axis = shown.plot.barh(color=[PALE, ACCENT], width=0.8, figsize=(7, 1.4 + 0.45 * len(shown)))
plt.setp(axis.containers[1], hatch="///", edgecolor="white")
axis.set(xlabel="milliseconds per waveform", ylabel="")
axis.invert_yaxis()
axis.legend(loc="lower right")
alt = "; ".join(f"{name} {row['fp32']:.1f} and {row[fastest]:.1f} ms" for name, row in shown.head(6).iterrows())
show_figure(axis, "Time by operator, fp32 and the fastest scheme that ships (a fiftieth or more of either).", alt)

# %%
memory = pd.DataFrame({scheme: measure_memory(file, LONGEST) for scheme, file in files.items()}).T / 10**6
memory = memory.add_suffix(" (MB)").assign(**{"load (ms)": 1000 * pd.Series(latency.measure_load(files))})
show_table(memory, "Peak memory of a process of its own for the longest waveform, and time to load.", form="{:.0f}")

# %% [markdown]
# ## What the machine would need at least
#
# A layer multiplies and adds once for each of its weights and each frame that it gives; attention also for each pair of
# frames. Biases, norms, activations and softmax are not counted.


# %%
def count_work(config, seconds: float) -> pd.Series:
    """Multiply-accumulates of each stage for one waveform, in the order of the data."""
    frames, channels, work = round(seconds * SAMPLE_RATE), 1, {}
    layers = zip(config.conv_dim, config.conv_kernel, config.conv_stride, strict=True)
    for number, (width, kernel, stride) in enumerate(layers, 1):
        frames = (frames - kernel) // stride + 1
        work[f"convolution {number}"] = frames * width * kernel * channels
        channels = width
    hidden, depth = config.hidden_size, config.num_hidden_layers
    kernel, groups = config.num_conv_pos_embeddings, config.num_conv_pos_embedding_groups
    work["feature projection"] = frames * channels * hidden
    work["positional convolution"] = frames * hidden * kernel * hidden // groups
    work["attention, linear"] = depth * 4 * frames * hidden**2
    work["attention, products"] = depth * 2 * frames**2 * hidden
    work["feed-forward"] = depth * 2 * frames * hidden * config.intermediate_size
    work["head"] = frames * hidden * config.classifier_proj_size + config.classifier_proj_size * config.num_labels
    return pd.Series(work)


# %% [markdown]
# How long that takes at least: a large matrix product in the same runtime gives the rate, in float and in 8 bits.


# %%
def open_product(operator: str, x: np.ndarray, weight: np.ndarray, result: str):
    """A function that multiplies x by a fixed weight in the runtime, on one thread."""
    form = f"product ({x.dtype.name.replace('float32', 'float')}[n, n] x) => ({result}[n, n] y)"
    model = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["": 17]> {form} {{ y = {operator}(x, w) }}')
    model.graph.initializer.append(onnx.numpy_helper.from_array(weight, "w"))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return lambda waveform: session.run(None, {"x": x})


SIDE = 1024
weight = np.random.default_rng(0).integers(0, 127, (SIDE, SIDE), np.int8)
real = weight.astype(np.float32)
products = {"fp32": ("MatMul", real, real, "float"), "int8": ("MatMulInteger", weight.view(np.uint8), weight, "int32")}
turns = {name: open_product(*product) for name, product in products.items()}
rates = SIDE**3 / latency.measure_latency(turns, seconds=1, repeats=repeats)["median"]

# %%
work = count_work(model.config, LONGEST)
floors = pd.DataFrame({"million multiply-accumulates": work / 1e6, "share (percent)": 100 * work / work.sum()})
floors = floors.assign(**{f"{name} at least (ms)": 1000 * work / rate for name, rate in rates.items()})
floors.loc["total"] = floors.sum()
show_table(floors, "Work by stage for the longest waveform.", form="{:,.1f}")

# %%
distance = one_thread[["median"]].set_axis(["takes (ms)"], axis=1)
distance["arithmetic"] = np.where(distance.index.isin(["fp32", "w8"]), "fp32", "int8")  # w8 computes in float
distance["at least (ms)"] = [floors.loc["total", f"{kind} at least (ms)"] for kind in distance["arithmetic"]]
distance["times its floor"] = distance["takes (ms)"] / distance["at least (ms)"]
show_table(distance, "How far each scheme is from its floor, longest waveform, one thread.")

# %% tags=["remove-cell"]
for name, table in {"sizes": sizes, "latency": times, "operators": operators.reset_index()}.items():
    record_table(experiment, f"quantization_{name}", table)
small, fast = one_thread.loc[SHIPPED].nsmallest(1, "bytes").iloc[0], one_thread.loc[fastest]
than = one_thread["median"] / fast["median"]
glue(smallest=small.name, smallest_MB=small["MB"], smallest_MiB=small["MiB"], than_fp32=than["fp32"])
glue(fastest=fastest, fastest_MB=fast["MB"], fastest_MiB=fast["MiB"], than_paper=than["paper"])
glue(floor=distance.loc[fastest, "times its floor"], machine=platform.machine(), runtime=onnxruntime.__version__)

# %% [markdown]
# ## What it means
#
# The smallest file that ships, {glue:text}`smallest`, takes {glue:text}`smallest_MB:.1f` MB
# ({glue:text}`smallest_MiB:.1f` MiB). The fastest, {glue:text}`fastest`, takes {glue:text}`fastest_MB:.1f` MB
# ({glue:text}`fastest_MiB:.1f` MiB). For the longest waveform on one thread it is {glue:text}`than_fp32:.2f` times as
# fast as fp32 and {glue:text}`than_paper:.2f` times as fast as the paper's recipe, and it takes {glue:text}`floor:.1f`
# times as long as its multiplications alone would (ONNX Runtime {glue:text}`runtime`, {glue:text}`machine`).
#
# The control follows the paper's recipe with unsigned weights. With signed ones, its convolutions are of a kind that
# older versions of ONNX Runtime refuse, which is what stopped an app built on the paper's model. No scheme that ships
# has either.

# %% tags=["remove-input"]
show_provenance(*find_runs(experiment.profile, "disjoint"))

# %% [markdown]
# **Next:** [what eight bits cost in accuracy](quantization_accuracy.ipynb).
