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
# depend on the geometry of a model and not on its weights, so the paper's geometry has random ones here. Beside it stand
# the trained models of this project, whose accuracy is on [the next page](quantization_accuracy.ipynb).

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
profile = "open"
settings = {}  # of the experiment, beside the profile's, such as {"geometry": "small"}

# %%
import platform
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
import onnx
import onnxruntime
import pandas as pd
import torch

from sercore import paths
from sercore.data import load_split
from sercore.experiment import Experiment
from sercore.export import SCHEMES, latency, sample_calibration, write_scheme_files
from sercore.page import ACCENT, INK, PALE, glue, is_here, measure_table, set_style
from sercore.page import show_banner, show_figure, show_provenance, show_table
from sercore.page.process_memory import measure_process
from sercore.training import build_classifier, find_runs, load_classifier, train

set_style()
SECONDS, LONGEST, THREADS, WORK = (1, 3, 8), 8, (1, 2), "million multiply-accumulates"
INTEGER = ("ConvInteger", "MatMulInteger", "DynamicQuantizeLinear", "QuantizeLinear", "DequantizeLinear")
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

# Calibration needs training speech; where nothing was trained, the tables are those of `results/open`.

# %%
show_table(pd.DataFrame({"recipe": {name: scheme.recipe for name, scheme in SCHEMES.items()}}), "The schemes.")

# %% tags=["hide-output"]
(split, audio), _ = load_split(experiment), torch.manual_seed(experiment.seed)  # random weights, the same each time
model, run = build_classifier(experiment.geometry).eval(), train(experiment)
folder = paths.runs_root() / experiment.profile / f"geometry-{experiment.geometry}"
here = is_here(run.path, audio)  # else what is recorded is shown
files = write_scheme_files(model, folder, sample_calibration(split)) if here else {}


# %%
def describe_files():
    """Size, versions and integer operators of each file, peak memory of a process of its own, and time to load."""
    sizes = pd.DataFrame([{"scheme": scheme} | latency.describe_file(file) for scheme, file in files.items()])
    inside = [[f"{name} {own[name]}" for name in INTEGER if name in own] for own in sizes.pop("operators")]
    sizes["integer operators"] = list(map(", ".join, inside))
    memory = pd.DataFrame([measure_process(file, LONGEST) for file in files.values()]) / 10**6
    memory = memory[["runtime", "loaded", "running"]].add_suffix(" (MB)")
    return sizes.join(memory.assign(**{"load (s)": latency.measure_load(files).values()}))


sizes = measure_table(experiment, "quantization_sizes", describe_files if here else None)
form = {"bytes": "{:,}", "MB": "{:.2f}", "MiB": "{:.2f}"}
show_table(sizes.drop(columns=sizes.filter(regex="[(]")), "The files.", form, index=False)

# %% [markdown]
# ## How fast they are
#
# All files and both peers in PyTorch take turns in one process. Compare ratios; milliseconds belong to one machine.

# %% tags=["hide-output"]
compute = partial(latency.tabulate_latency, files, SECONDS, THREADS, repeats, latency.make_torch_peers(model))
times = measure_table(experiment, "quantization_latency", compute if here else None)

# %%
milliseconds = times.assign(**1000 * times[["median", "low", "high"]])
milliseconds["cell"] = milliseconds.apply("{median:.1f} ({low:.1f}–{high:.1f})".format_map, axis=1)
wide = milliseconds.pivot(index="scheme", columns=["threads", "seconds"], values="cell").loc[times["scheme"].unique()]
show_table(wide, "Median latency in milliseconds (quartiles), by threads and seconds of audio.")

# %%
one_thread = milliseconds.query("seconds == @LONGEST and threads == 1").merge(sizes, on="scheme").set_index("scheme")
times_as_fast = one_thread["median"]["fp32"] / one_thread["median"]
speed = pd.DataFrame({"times as fast as fp32": times_as_fast, "share of real time": one_thread["rtf"]})
speed = speed.join(one_thread.filter(regex="[(]"))
show_table(speed.rename_axis(None), "The longest waveform, one thread; memory of a process of its own.", "{:.3g}")

# %% [markdown]
# ## What the machine would need at least
#
# A layer multiplies and adds once for each of its weights and each frame that it gives; attention also for each pair of
# frames. PyTorch counts both as a model runs, and neither biases nor norms, activations and softmax. How long that takes
# at least, a large matrix product in the same runtime tells, in float and in 8 bits.


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
products = {"fp32": ("MatMul", *2 * [weight.astype(np.float32)], "float")}
products["int8"] = "MatMulInteger", weight.view(np.uint8), weight, "int32"
turns = {name: open_product(*product) for name, product in products.items()}
compute = lambda: latency.measure_latency(turns, 1, repeats).reset_index(names="product")  # noqa: E731
rates = (
    SIDE**3 / measure_table(experiment, "quantization_rates", compute if here else None).set_index("product")["median"]
)

# %%
work = latency.count_operations(model, LONGEST)
floors = {WORK: work / 1e6, "share (percent)": 100 * work / work.sum()}
floors = pd.DataFrame(floors | {f"{name} at least (ms)": 1000 * work / rate for name, rate in rates.items()})
floors.loc["total"] = floors.sum()
show_table(floors, "Work by stage for the longest waveform.", "{:,.1f}")

# %%
distance = one_thread[["median"]].set_axis(["takes (ms)"], axis=1)
distance["arithmetic"] = np.where(distance.index.isin(["fp32", "w8"]), "fp32", "int8")  # w8 computes in float
distance["at least (ms)"] = [floors.loc["total", f"{kind} at least (ms)"] for kind in distance["arithmetic"]]
distance["times its floor"] = distance["takes (ms)"] / distance["at least (ms)"]
show_table(distance, "How far each scheme is from its floor, longest waveform, one thread.")

# %% [markdown]
# ## The models that ship
#
# The paper's geometry above has its waveform read by convolutions, which is most of its work. The backbone of `open` and
# the student begin with a spectrogram instead. A student's row appears where profile `small` has been run.


# %%
def compare_models():
    """Parameters, work, and size and latency of each scheme, of the geometry above and of the trained models."""
    students = [] if experiment.synthetic or profile == "small" else find_runs("small", "disjoint")
    models, own_files = {experiment.geometry: model}, {experiment.geometry: files}
    for own in (run, *students):
        name, calibration = own.experiment.backbone, sample_calibration(load_split(own.experiment)[0])
        models[f"{name}, trained"] = load_classifier(own.path / "model")
        own_files[f"{name}, trained"] = write_scheme_files(own, own.path / "onnx", calibration)
    several = {f"{name}: {scheme}": file for name, own in own_files.items() for scheme, file in own.items()}
    turns = latency.tabulate_latency(several, [LONGEST], [1], repeats).set_index("scheme")[["median", "low", "high"]]
    shipped = pd.DataFrame(turns.index.str.split(": ").to_list(), columns=["model", "scheme"], index=turns.index)
    work = {name: latency.count_operations(own, LONGEST).sum() / 1e6 for name, own in models.items()}
    shipped["million parameters"] = [models[name].num_parameters() / 1e6 for name in shipped["model"]]
    shipped[WORK] = shipped["model"].map(work)
    shipped["MB"] = [file.stat().st_size / 1e6 for file in several.values()]
    return shipped.join(1000 * turns).reset_index(drop=True)


shipped = measure_table(experiment, "quantization_models", compare_models if here else None)
form = {WORK: "{:,.0f}", **dict.fromkeys(["median", "low", "high"], "{:.1f}")}
show_table(shipped, "Size, work, and milliseconds (quartiles) of the longest waveform, one thread.", form, index=False)

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 4.2))
for (name, own), mark, fill in zip(shipped.groupby("model", sort=False), "sD^", ("white", ACCENT, PALE), strict=False):
    axis.scatter(own["MB"], own["median"], marker=mark, facecolor=fill, edgecolor=INK, s=110, label=name)
axis.set(xscale="log", yscale="log", xlabel="file (MB, logarithmic)", ylabel="latency (ms, logarithmic)")
figure.legend(loc="outside upper center", ncols=3)
alt = "; ".join(shipped.apply("{model} {scheme} {MB:.1f} MB, {median:.0f} ms".format_map, axis=1))
show_figure(figure, "Size, and median latency of the longest waveform on one thread; a mark for each scheme.", alt)

# %% tags=["remove-cell"]
fastest = one_thread.loc[SHIPPED, "median"].idxmin()
small, fast = one_thread.loc[SHIPPED].nsmallest(1, "bytes").iloc[0], one_thread.loc[fastest]
than = one_thread["median"] / fast["median"]
glue(smallest=small.name, smallest_MB=small["MB"], smallest_MiB=small["MiB"], than_fp32=than["fp32"])
glue(fastest=fastest, fastest_MB=fast["MB"], fastest_MiB=fast["MiB"], than_paper=than["paper"])
(geometry, own, *_) = shipped["model"].unique()
million = shipped.groupby("model")[WORK].first()
ships = shipped[(shipped["model"] == own) & shipped["scheme"].isin(SHIPPED)]
glue(geometry=geometry, own=own, own_parameters=ships["million parameters"].iloc[0], own_MB=ships["MB"].min())
glue(own_work=million[own] / million[geometry], own_ms=ships["median"].min())
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
# Of the trained models, {glue:text}`own` has {glue:text}`own_parameters:.1f` million parameters and needs
# {glue:text}`own_work:.1%` of the multiplications of {glue:text}`geometry`. Its smallest file that ships takes
# {glue:text}`own_MB:.1f` MB, its fastest {glue:text}`own_ms:.0f` ms.
#
# The control follows the paper's recipe with unsigned weights. With signed ones, older versions of ONNX Runtime refuse
# its convolutions, which is what stopped an app built on the paper's model. No scheme that ships has either.

# %% tags=["remove-input"]
show_provenance(run)

# %% [markdown]
# **Next:** [what eight bits cost in accuracy](quantization_accuracy.ipynb).
