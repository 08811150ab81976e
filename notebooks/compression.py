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
# # Compression
#
# *What makes a model small for the least accuracy: fewer bits, a smaller student, or channels taken out of one?*
#
# Paper: section VI, which names pruning and smaller architectures as future work. All models here are fine-tuned
# with the same labels, settings and speakers, and measured on the same held-out ones.

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
settings = {}  # of the experiment, beside the profile's, such as {"epochs": 2}

# %%
import json

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict

from sercore import page, paths
from sercore.audio_files import read_audio
from sercore.data import load_split, load_target
from sercore.evaluation import bootstrap_scores, tabulate_predictions
from sercore.experiment import Experiment
from sercore.export import export_onnx, quantize, sample_calibration, write_scheme_files
from sercore.export.latency import count_operations, tabulate_latency
from sercore.export.pruning import prune
from sercore.page import ACCENT, INK, PALE, show_figure, show_table
from sercore.runtime import EmotionClassifier
from sercore.training import build_classifier, load_classifier, read_run, train
from sercore.training.distillation import Distillation, distil
from sercore.training.embeddings import pool_utterances
from sercore.training.model import STUDENT
from sercore.training.runs import LAST, run_folder
from sercore.training.teacher_views import QUICK

page.set_style()
SECONDS, SCHEME, SHARES = 8, "w8a8-conv", [0.5, 0.75]  # of the operations that go
SHAPES = [{"d_model": w, "encoder_layers": n, "encoder_ffn_dim": 3 * w} for w, n in ((96, 3), (144, 4))]
BITS, LADDER, PRUNED, START = "fewer bits", "smaller students", "pruned", ("fewer bits", SCHEME)
INTERVAL = {"ms": "{:.1f} [{:.1f}, {:.1f}]", "UA": "{:.3f} [{:.3f}, {:.3f}]", "gain": "{:+.3f} [{:+.3f}, {:+.3f}]"}
experiment = Experiment.from_profile(profile, **{**settings, "split": "disjoint"})
real = experiment.adapter_rank > 0  # else a very small student, only to show that this runs
small = "small" if real else profile  # whose settings fine-tune all models of this page
page.show_banner(experiment)

# %% tags=["hide-output"]
(split, audio), (target, other) = load_split(experiment), load_target(experiment)


def find_run(profile, **changed):
    """A run that is finished here is read, whatever code made it; others are recorded, or trained now."""
    own = Experiment.from_profile(profile, **settings | {"split": "disjoint"} | changed)
    return read_run(run_folder(own)) if (run_folder(own) / LAST).is_file() else train(own)


run, largest = find_run(profile), "student"
if page.is_here(run.path, audio) and not real:
    SHAPES, SHARES = [], SHARES[:1]
    largest = distil(run, Distillation(**QUICK)) / "model"
whole = find_run(small, backbone=str(largest))
here = page.is_here(run.path, audio, other) and page.is_here(whole.path)  # else what is recorded is shown

# %% [markdown]
# ## Three ways down from one student
#
# The [student](distillation.ipynb) is the start, in one [scheme](quantization_accuracy.ipynb): as recorded here, the one
# that was shown half of the sentences. Other schemes have fewer bits, or more. Smaller students are distilled by its recipe.
# Pruning takes channels out of it before it is fine-tuned: width, feed-forward channels and the dimensions of each head
# lose the same share, those whose weights are smallest in all layers that a channel passes {cite}`fang2023depgraph`.
# What is left is a smaller network of its class, with a half or a quarter of the operations behind the spectrogram.


# %%
def measure_costs(models, files):
    """Millions of parameters and multiply-adds, MB, and milliseconds of each file on one thread, with quartiles."""
    rows = {name: [one.num_parameters(), count_operations(one, SECONDS).sum()] for name, one in models.items()}
    table = pd.DataFrame(rows, ["million parameters", "million multiply-adds"]).T / 1e6
    table["MB"] = [file.stat().st_size / 1e6 for file in files.values()]
    times = 1000 * tabulate_latency(files, [SECONDS], [1], 15)[["median", "low", "high"]].to_numpy()
    return table.join(pd.DataFrame(times, table.index, ["ms", "ms_low", "ms_high"]))


def score_files(files, part, place):
    """UA of each file on utterances as recorded, and the gain on the start, both with intervals over speakers."""
    classifiers = [EmotionClassifier(file, threads=1) for file in files.values()]
    rows = [[own.probabilities(waveform) for own in classifiers] for waveform in map(read_audio, part["path"])]
    tables = {name: tabulate_predictions(part, np.stack(own)) for name, *own in zip(files, *rows, strict=True)}
    found = pd.DataFrame({name: bootstrap_scores(tables[START], own).loc["UA"] for name, own in tables.items()}).T
    return found.iloc[:, 3:].rename(columns=lambda name: f"{place} {name.replace('other', 'UA')}")


def measure_models():
    """Costs of each model, its UA on new speakers and on the unseen corpus, and what it gains there on the start."""
    models, files, backbones, calibration = {}, {}, {}, sample_calibration(split)
    for scheme, file in write_scheme_files(whole, whole.path / "onnx", calibration).items():
        models[BITS, scheme], files[BITS, scheme] = load_classifier(whole.path / "model"), file
    for shape in SHAPES:
        folder = distil(run, Distillation(geometry=json.dumps(STUDENT | shape))) / "model"
        backbones[LADDER, f"{load_classifier(folder).num_parameters() / 1e6:.1f} M"] = folder
    for share in SHARES:
        backbones[PRUNED, f"by {share:.0%}"] = folder = whole.path.with_name(f"pruned-{share}")
        prune(build_classifier(str(largest)), share).save_pretrained(folder)
    for name, backbone in backbones.items():
        own = find_run(small, backbone=str(backbone), interpolation=1.0)  # nothing pruned is worth going back to
        models[name], folder = load_classifier(own.path / "model"), own.path / "onnx"
        files[name] = quantize(export_onnx(own, folder / "fp32.onnx"), SCHEME, folder / f"{SCHEME}.onnx", calibration)
    scores = [score_files(files, split.test, "new speakers"), score_files(files, target, "unseen corpus")]
    return pd.concat([measure_costs(models, files), *scores], axis=1).rename_axis(["kind", "model"]).reset_index()


models = page.measure_table(experiment, "compression", measure_models if here else None).set_index(["kind", "model"])

# %%
shown = models.iloc[:, :3].rename_axis([None, None])
for name in models.columns[3::3]:  # each with the ends of its interval
    rows = models[[name, f"{name}_low", f"{name}_high"]].to_numpy()
    shown[name] = [INTERVAL[name.split()[-1]].format(*row) for row in rows]
caption = f"8 s on one thread, with quartiles; UA and its gain on {SCHEME}, in which students and what is pruned are."
show_table(shown, f"{caption} 95 % intervals over speakers.", dict.fromkeys(shown.columns[:3], "{:,.2f}"))

# %% tags=["hide-input"]
ways = {kind: pd.concat([models.loc[[START]], own]) for kind, own in models.groupby(level="kind", sort=False)}
figure, panels = plt.subplots(2, 2, figsize=(7, 6), sharex="col", sharey="row")
for row, place in zip(panels, ("new speakers", "unseen corpus"), strict=True):
    for axis, cost in zip(row, ("MB", "ms"), strict=True):
        for (kind, own), mark, ink in zip(ways.items(), "osD", (INK, ACCENT, PALE), strict=False):
            axis.vlines(own[cost], own[f"{place} UA_low"], own[f"{place} UA_high"], color=ink, linewidth=1)
            axis.plot(own[cost], own[f"{place} UA"], mark, color=ink, markeredgecolor=INK, markersize=8, label=kind)
        axis.set(xlabel=cost, ylabel=f"UA, {place}")
        axis.label_outer()
figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=3)
alt = "; ".join(f"{' '.join(name)}: {own['MB']:.2f} MB, {own.iloc[6]:.3f}" for name, own in models.iterrows())
show_figure(figure, f"Bytes, time and UA; every way starts at {SCHEME}; 95 % intervals over speakers.", f"{alt}.")

# %% [markdown]
# ## Which layer can go first
#
# A transformer layer is left out and nothing is trained again, but a logistic regression on the embedding of validation
# speakers, scored on those that it was not fitted on: what the embedding still holds.


# %%
def measure_layers():
    """UA on validation speakers of both models that ship, whole and without each of their layers, and its gain."""
    part, rows = split.validation, []
    chosen = {"groups": part["speaker"], "cv": GroupKFold(5), "method": "predict_proba"}
    for name, own in {"base": run, "student": whole}.items():
        model, tables = load_classifier(own.path / "model"), []
        layers, machine = model.layers, LogisticRegression(C=0.1, max_iter=1000)
        for number in range(len(layers) + 1):  # the first time all stay
            model.layers = layers[: max(0, number - 1)] + layers[number:]
            pooled = pool_utterances(model, own.experiment, part, audio)
            probabilities = cross_val_predict(machine, pooled, part["emotion"], **chosen)
            tables.append(tabulate_predictions(part, probabilities))
            found = bootstrap_scores(tables[0], tables[-1]).loc["UA", ["other", "gain", "gain_low", "gain_high"]]
            rows.append({"model": name, "without": number} | found.to_dict())
    return pd.DataFrame(rows).rename(columns={"other": "UA"})


compute = measure_layers if here and real else None
layers = page.measure_table(experiment, "compression_layers", compute) if real else page.read_open("compression_layers")

# %% tags=["hide-input"]
figure, panels = plt.subplots(1, 2, figsize=(7, 3.2), sharey=True)
for axis, (name, own) in zip(panels, layers[layers["without"] > 0].groupby("model"), strict=True):
    axis.vlines(own["without"], 100 * own["gain_low"], 100 * own["gain_high"], color=PALE, linewidth=4)
    axis.plot(own["without"], 100 * own["gain"], "o", color=ACCENT, markersize=9)
    axis.axhline(0, color=INK, linewidth=1, linestyle=":")
    axis.set(title=name, xlabel="layer left out", xticks=own["without"])
panels[0].set_ylabel("difference in UA (points)")
alt = "; ".join(layers.apply("{model} without {without}: {UA:.3f}, {gain:+.3f}".format_map, axis=1))
show_figure(figure, "Without one layer, on validation speakers; 95 % intervals over speakers.", f"UA. {alt}.")

# %% [markdown]
# ## DistilHuBERT's geometry
#
# The function takes channels out of the paper's geometry, its convolutions too. Its weights are random here, so that
# only costs are measured, and its accuracy after pruning is open. `prune(model, share)` works on a model that was
# fine-tuned from `ntu-spml/distilhubert`, too.


# %%
def measure_geometry():
    """Costs of the geometry, whole and pruned."""
    torch.manual_seed(experiment.seed)
    models, files, calibration = {}, {}, sample_calibration(split)
    folder = paths.runs_root() / experiment.profile / f"geometry-{experiment.geometry}"
    for share in (0, *SHARES):
        models[name := f"pruned by {share:.0%}"] = own = prune(build_classifier(experiment.geometry), share)
        fp32 = export_onnx(own, folder / f"pruned-{share}-fp32.onnx")
        files[name] = quantize(fp32, SCHEME, folder / f"pruned-{share}.onnx", calibration)
    return measure_costs(models, files).rename_axis("model").reset_index()


geometry = page.measure_table(experiment, "compression_geometry", measure_geometry if here else None).set_index("model")
show_table(geometry.rename_axis(None), f"In {SCHEME}, 8 s on one thread, with quartiles.", "{:,.1f}")

# %% tags=["remove-cell"]
marks = {"start": models.loc[START], "least": ways.get(LADDER, models).sort_values("MB").iloc[0]}
marks |= {"half": models.loc[PRUNED].iloc[0], "most": models.loc[PRUNED].iloc[-1]}
marks |= {"bits": models.loc[BITS].sort_values("MB").iloc[0]}
for name, own in marks.items():
    names = [f"{name}_MB", f"{name}_UA", f"{name}_abroad"]
    page.glue(**own[["MB", "new speakers UA", "unseen corpus UA"]].set_axis(names))
spared = layers[(layers["without"] > 0) & (layers["model"] == "student")].nlargest(1, "UA").iloc[0]
page.glue(layer=spared["without"], gain=100 * spared["gain"], origin=page.format_origin(experiment))
page.glue(fast=geometry["ms"].iloc[0] / geometry["ms"].iloc[-1])

# %% [markdown]
# ## What it means
#
# From {glue:text}`start_MB:.1f` MB to {glue:text}`least_MB:.1f` MB, a smaller student takes UA on new speakers from
# {glue:text}`start_UA:.3f` to {glue:text}`least_UA:.3f`, on the unseen corpus from {glue:text}`start_abroad:.3f` to
# {glue:text}`least_abroad:.3f` ({glue:text}`origin`). Pruned by half of its operations the student has
# {glue:text}`half_UA:.3f` and {glue:text}`half_abroad:.3f` in {glue:text}`half_MB:.1f` MB, by three quarters
# {glue:text}`most_UA:.3f` and {glue:text}`most_abroad:.3f` in {glue:text}`most_MB:.1f` MB. With the fewest bits it has
# {glue:text}`bits_UA:.3f` and {glue:text}`bits_abroad:.3f` in {glue:text}`bits_MB:.1f` MB. Where the interval of a gain
# holds zero, these speakers leave its direction open. Of its layers, number {glue:text}`layer:d` is missed least
# ({glue:text}`gain:+.1f` points). The paper's geometry, pruned most, is {glue:text}`fast:.1f` times as fast.

# %% tags=["remove-input"]
page.show_provenance(run, whole)

# %% [markdown]
# **Next:** [a voice note, start to end](voice_note.ipynb).
