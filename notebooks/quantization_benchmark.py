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
# *How small and how fast does the model get in eight bits, where does the file run, and what does it cost in accuracy?*
#
# Paper: sections III-C and V-A, which promise an ONNX file in eight bits and print no score for it. Size and speed
# depend on the geometry of a model and not on its weights; accuracy needs a trained one.

# %% tags=["setup", "remove-cell"]
# Kaggle and Colab: makes sercore importable, from an attached dataset or Drive, else from the repository.
# The installed torch and numpy stay as they are. Anywhere else this cell does nothing.
def set_up(repository, mounts):
    import glob, os, subprocess, sys, tomllib
    from importlib.metadata import version

    if {"KAGGLE_KERNEL_RUN_TYPE", "COLAB_RELEASE_TAG"}.isdisjoint(os.environ):
        return
    levels = [mount + "/*" * level for mount, depth in mounts.items() for level in range(depth + 1)]
    places = [f"{level}/sercore/__init__.py" for level in levels]
    if not any(map(glob.glob, places)) and repository:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", repository, "sercore-repository"])
    found = [os.path.abspath(hit) for place in places for hit in sorted(glob.glob(place))]
    if not found:
        raise ModuleNotFoundError("sercore not found; attach the repository as a dataset, or put it on Drive.")
    sys.path.insert(0, found[0].removesuffix("/sercore/__init__.py"))
    with open(f"{sys.path[0]}/pyproject.toml", "rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    wanted += [f"{name}=={version(name)}" for name in ("torch", "numpy")]
    if subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", *wanted]).returncode:
        print("Some packages could not be installed (see above); switch the internet on and run this cell again.")


set_up(repository="", mounts={"/kaggle/input": 4, "/content/drive/MyDrive": 2, ".": 1})

# %% tags=["parameters"]
profile = "demo"

# %%
import pandas as pd

from sercore import book
from sercore.config import Experiment
from sercore.data import load_split, load_target
from sercore.deployment import benchmark, cost, report, targets
from sercore.deployment.quantize import calibration_sample
from sercore.evaluation import plots
from sercore.training import build_classifier, fit

experiment = Experiment.from_parameters(globals(), "disjoint")
book.banner(experiment)

# %% [markdown]
# ## The schemes
#
# Every file takes a recorded waveform at 16 kHz and gives four probabilities. Trimming, pre-emphasis and the peak are inside
# the graph, and labels, terms and scores are in its metadata. A scheme is a recipe for the numbers inside.

# %% tags=["hide-output"]
run = fit(experiment)
split, audio = load_split(experiment)
calibration = calibration_sample(split)
trained = benchmark.scheme_files(run, run.path / "onnx", calibration)

# %% tags=["hide-output"]
model = build_classifier(experiment.geometry).eval()
files = benchmark.scheme_files(model, report.folder(experiment), calibration)

# %%
book.table(report.schemes(), "The schemes.")

# %%
sizes = benchmark.sizes(files)
book.table(report.sizes(sizes), "The files, at the geometry that is benchmarked (its weights are random).")

# %% [markdown]
# ## How fast they are
#
# All files and both peers in PyTorch take turns in one process, so that what slows the machine slows all of them alike.
# Compare ratios; milliseconds belong to this machine.

# %%
latency = benchmark.latency_table(files, report.SECONDS, report.THREADS, report.repeats(experiment), benchmark.torch_peers(model))
longest = report.at(latency, sizes)
book.table(report.latency(latency), "Median latency in milliseconds by seconds of audio and threads; how much faster than fp32.")

# %%
book.figure(plots.size_and_speed(longest), "The longest waveform, one thread.")

# %%
times = {name: benchmark.operator_times(files[name], report.SECONDS[-1]) for name in ("fp32", report.best(longest))}
book.figure(plots.operator_times(times), "Time by operator, fp32 and the fastest scheme that ships, one thread.")

# %%
book.table(report.memory(files), "Load time, and peak memory of a process of its own for the longest waveform.")

# %% [markdown]
# ## What the machine would need at least
#
# The multiply-accumulates of each stage, and the time they would take at the rate of a large matrix product.

# %%
rates = cost.matrix_rates()
floors = cost.floors(model.config, report.SECONDS[-1], rates)
book.table(report.floors(floors), "Work by stage for the longest waveform.")

# %%
book.table(report.distance(floors, longest), "How far each scheme is from its floor, longest waveform, one thread.")

# %% [markdown]
# ## How ranges are found
#
# A calibrated scheme fixes the range of each activation in advance, from training speech. How to find it is chosen on the
# validation speakers, by how far the probabilities move from those of fp32.

# %%
methods = benchmark.calibration_methods(trained["fp32"], "w8a8-conv", calibration, split.validation)
book.table(report.methods(methods), "Ways to find ranges, for w8a8-conv on the validation speakers.")

# %% [markdown]
# ## What quantization costs in accuracy
#
# The trained model on speakers it has not heard: its hold-out and the target corpus. A gain over fp32 that is negative is a
# loss; the interval draws whole speakers again.

# %%
target, _ = load_target(experiment)
answers = {name: benchmark.answers(trained, table) for name, table in (("hold_out", split.test), ("target", target))}
losses = {name: benchmark.losses(found) for name, found in answers.items()}
book.table(report.losses(losses), "Scores, drift of the probabilities and equal answers, against fp32.", index=False)

# %%
book.figure(plots.size_and_loss(report.with_size(losses["target"], trained)), "UA on the target corpus against size.")

# %% [markdown]
# ## What runs where
#
# Committed measurements: each scheme of the full geometry (random weights) and of a small model that was trained, loaded
# and run on old and new versions of ONNX Runtime and on the browser's (web), with golden waveforms. A runtime answers
# otherwise where another emotion is the most probable one.

# %%
book.table(report.compatibility(), "Largest change of a probability against the newest runtime, or what the runtime says.")

# %% [markdown]
# ## What was aimed at
#
# Committed measurements too: size, speed and operators at the geometry of DistilHuBERT, accuracy of the small model trained on
# open corpora, of its hold-out and the target corpus the one that loses more. A negative loss is a gain.

# %%
book.table(targets.told(targets.targets()), "Goals for the files that ship, and what was measured.")

# %% tags=["remove-cell"]
kept = {"sizes": sizes, "methods": methods} | {f"losses_{name}": table for name, table in losses.items()}
kept = {name: table.rename_axis("method" if name == "methods" else "scheme").reset_index() for name, table in kept.items()}
operators = pd.DataFrame(times).fillna(0).rename_axis("operator").reset_index()
report.keep(experiment, latency=latency, operators=operators, **kept)
book.glue(**report.findings(sizes, latency, losses, experiment))

# %% [markdown]
# ## What it means
#
# The smallest file that ships, {glue:text}`smallest`, takes {glue:text}`smallest_size`. The fastest,
# {glue:text}`fastest`, takes {glue:text}`fastest_size` and is {glue:text}`faster_than_fp32` times as fast as fp32 and
# {glue:text}`faster_than_paper` times as fast as the paper's recipe for the longest waveform on one thread. On the target
# corpus, its UA moves by {glue:text}`fastest_gain` points (interval {glue:text}`fastest_interval`).
#
# The control follows the paper's recipe with unsigned weights. With signed ones, its convolutions are of a kind that older
# versions of ONNX Runtime refuse, which is what stopped an app built on the paper's model. No scheme that ships has either.

# %% tags=["remove-input"]
book.provenance(run)

# %% [markdown]
# **Next:** [a voice note, start to end](voice_note.ipynb).
