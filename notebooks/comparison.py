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
# # Against other systems
#
# *How small is the model, how good is it for its size, and against whom can one say so?*
#
# Paper: section IV-B, with the claims that the abstract and sections IV-A, IV-C and VI build on it. Nothing on this
# page is measured here, so it is the same in every profile. It puts printed numbers side by side, each with the
# protocol it was obtained under, and repeats the arithmetic that the paper does with them.

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
settings = {}  # of the experiment, beside the profile's; this page has none

# %%
import matplotlib.pyplot as plt
import pandas as pd
from matplotlib.ticker import FuncFormatter

from sercore.experiment import FOLDS
from sercore.page import ACCENT, INK, PALE, glue, set_style, show_figure, show_table
from sercore.page import read_loso, read_number, read_peers

set_style()
OWN, BASELINE, FROZEN = "DistilHuBERT (the paper)", "wav2vec 2.0 Base", "DistilHuBERT"
BENCHMARK, GLOBAL = "LOSO, frozen (SUPERB)", "LOSO 3/1/1, frozen, normalized globally"
MB, MIB = 10**6, 2**20  # bytes
FLOAT32, INT8 = 4, 1  # bytes per parameter

# %% [markdown]
# ## Score against size

# %%
peers = read_peers()
parameters = peers[peers["metric"] == "parameters"].set_index("system")["value"]
scores = peers[peers["unit"] == "percent"]
scores = scores.assign(million=scores["system"].map(parameters) / 1e6)
systems = scores[scores["corpus"] == "IEMOCAP"]

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 9))
fills = ("white", PALE, ACCENT) * 3
for (protocol, own), mark, fill in zip(systems.groupby("protocol", sort=False), "osD^vPXh", fills, strict=False):
    look = {"marker": mark, "facecolor": fill, "edgecolor": INK, "linewidth": 1.6, "s": 110, "zorder": 2}
    axis.scatter(own["million"], own["value"], label=protocol, **look)
for name, own in systems.groupby("system"):
    ranked = own[["million", "value"]].sort_values("value")
    for _, close in ranked.groupby((ranked["value"].diff() > 1.2).cumsum()):  # marks close together share a name
        million, height = close.mean()
        beside = systems["million"].between(1.5 * million, 20 * million)
        crowded = beside & ((systems["value"] - height).abs() < 0.7)
        side = {"ha": "right", "xytext": (-10, 0)} if crowded.any() else {"ha": "left", "xytext": (10, 0)}
        axis.annotate(name, (million, height), textcoords="offset points", va="center", fontsize=13, **side)
axis.set(xscale="log", xlabel="parameters (million, logarithmic)", ylabel="printed score (percent)")
axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
axis.margins(x=0.25, y=0.06)
figure.legend(loc="outside lower left", fontsize=13)
points = [f"{row.system} {row.million:g} million, {row.metric} {row.value:g}" for row in systems.itertuples()]
caption = "Published: printed scores on IEMOCAP against the number of parameters. Only equal marks compare."
show_figure(figure, caption, f"Score against size, marks by protocol. {'; '.join(points)}.")

# %%
COLUMNS = ["system", "score (%)", "protocol", "million parameters", "test speakers", "source", "remark"]
FORM = {"million parameters": "{:.2f}"}


def as_printed(rows):
    """Scores to the digits that are printed: one where a spread stands beside them, else two."""
    alone = rows["metric"] + rows["value"].map(" {:.2f}".format)
    spread = rows["metric"] + rows["value"].map(" {:.1f}".format) + rows["spread"].map(" ± {:.1f}".format)
    rows = rows.assign(score=alone.where(rows["spread"].isna(), spread))
    return rows[["system", "score", "protocol", "million", "speakers", "source", "note"]].set_axis(COLUMNS, axis=1)


show_table(as_printed(systems), "Published: the scores of the figure.", FORM, index=False)

# %% [markdown]
# The paper compares itself with two of these systems. One is a large pretrained model whose features feed a small
# classifier {cite}`pepino2021emotion`, the *baseline* below. The other, LIGHT-SERNET {cite}`aftab2022lightsernet`, is a
# small convolutional network on cepstral coefficients. The other rows come from two benchmarks of frozen models, SUPERB
# {cite}`yang2021superb` and EmoBox {cite}`ma2024emobox`, which between them score DistilHuBERT
# {cite}`chang2022distilhubert`, HuBERT {cite}`hsu2021hubert`, wav2vec {cite}`baevski2020wav2vec2` and WavLM
# {cite}`chen2022wavlm`, and from emotion2vec {cite}`ma2024emotion2vec`, which is pretrained on emotional speech,
# IEMOCAP's included. LOSO means that one session is left out: in LOSO 3/1/1, three sessions train, one validates, and
# one tests. Wav2Small {cite}`kounadis2024wav2small`, with {glue:text}`lightest_parameters:,.0f` parameters the smallest
# of all, predicts arousal, dominance and valence and has no score to put here.
#
# ## Why ten folds and five sessions do not compare
#
# LIGHT-SERNET is smaller than the paper's model ({glue:text}`light_parameters:,.0f` parameters) and has a higher UA in
# print: {glue:text}`light_UA:.2f`% against {glue:text}`UA:.1f`%. The paper replies that ten-fold cross-validation may
# put one speaker on both sides. It may, and here it does. In the
# [authors' code](https://github.com/AryaAftab/LIGHT-SERNET), the ten folds follow the first six characters of the file
# names: the session and a letter. This letter says who wore the markers in that dialog, and not who speaks ([what to
# know about the labels](../book/part_data.md)). Each fold therefore tests on both speakers of a session and trains on
# the other dialogs of the same two. The weights that are kept are those of the epoch with the best accuracy on the test
# fold.
#
# Both habits tend to raise a score, and nobody can say by how much without repeating the experiment. So the comparison
# is open in both directions. The higher number does not show that LIGHT-SERNET is better, and the protocol does not
# show that the paper's model is. With one session held out, the smaller network may be worse, equal or better.
# [The production model](production_model.ipynb) shows the same effect from the other side, on one model with and
# without speakers in common.
#
# ## From IEMOCAP to RAVDESS

# %%
across = scores[scores["corpus"] == "IEMOCAP to RAVDESS"]
show_table(as_printed(across), "Published: trained on IEMOCAP, tested on RAVDESS.", FORM, index=False)

# %% [markdown]
# EmoBox tests on a selection of RAVDESS that has the same number of utterances of each class and no *calm*. The paper's
# digits fit only the larger set in which *calm* counts as neutral, so that always predicting neutral already does
# better than guessing.
#
# There is a second trap. Each of EmoBox's numbers has a direction, from one corpus to another. What is listed first
# here stands under the opposite direction on the benchmark's website, and the website's caption does not settle it.
# Both readings are in the table. Under both, the accuracy of the paper's second version is above those of the frozen
# models. No more can be said: the test sets differ, and the paper's model is fine-tuned, probably on CREMA-D as well.
#
# ## The arithmetic of the footprint
#
# One MB is a million bytes, and one MiB is two to the power of twenty. File managers show either.

# %%
own, full = parameters[OWN], parameters[BASELINE]
small, large = read_number("footprint", "abstract"), read_number("footprint", "IV-B")  # MB
by_parameters, by_printed_sizes = 1 - own / full, 1 - small / large
by_mixed_bytes, bytes_each = 1 - own * INT8 / (full * FLOAT32), large * MB / full
UA, baseline_UA = read_number("UA", "abstract"), read_number("UA", "IV-B", "wav2vec2")
printed = scores.set_index(["system", "metric", "protocol"])["value"].sort_index()
baseline_UA_alike = printed[BASELINE, "UA", GLOBAL]
frozen, frozen_baseline = (printed[system, "accuracy", BENCHMARK] for system in (FROZEN, BASELINE))
share, share_alike, share_frozen = UA / baseline_UA, UA / baseline_UA_alike, frozen / frozen_baseline
arms, kept = ["iemocap+cremad", "iemocap", "cremad"], (len(FOLDS) - 2) / len(FOLDS)  # one session tests, one validates
counts = {arm: read_number("utterances", "I", arm) for arm in arms}
growth = counts["iemocap+cremad"] / counts["iemocap"]
growth_of_a_fold = 1 + counts["cremad"] / (kept * counts["iemocap"])
sd, sd_both = read_loso().loc["WA"].xs("spread", level=1)
narrower, narrower_variance = 1 - sd_both / sd, 1 - (sd_both / sd) ** 2

# %% tags=["hide-input"]
reduction, printed_share = (f"{read_number(name):g}%" for name in ("parameter_reduction", "share_of_baseline"))
variance, factor = read_number("variance_reduction"), f"nearly {read_number('training_growth'):g}, in words"
shorter, longer = f"{own / 1e6:.2f}M", f"{full / 1e6:.2f}M"
int8, float32 = (f"{size / MB:.1f} MB = {size / MIB:.1f} MiB" for size in (own * INT8, full * FLOAT32))
both, alone, added = map("{:,.0f}".format, counts.values())
rows = [
    ("reduction by parameters", reduction, f"{by_parameters:.1%}", f"1 − {shorter} / {longer}"),
    ("reduction by the printed sizes", reduction, f"{by_printed_sizes:.1%}", f"1 − {small:g} MB / {large:g} MB"),
    ("reduction, 8 bits against 32", reduction, f"{by_mixed_bytes:.1%}", f"1 − {shorter} / ({FLOAT32} × {longer})"),
    ("the paper's model in 8 bits", f"{small:g} MB", int8, f"{shorter} × {INT8} byte"),
    ("the baseline in 32 bits", f"{large:g} MB", float32, f"{longer} × {FLOAT32} bytes"),
    ("bytes per parameter of the baseline", "not printed", f"{bytes_each:.2f}", f"{large:g} MB / {longer}"),
    ("share of the baseline's UA", printed_share, f"{share:.1%}", f"{UA}% / {baseline_UA}%"),
    ("the same, no normalization by speaker", printed_share, f"{share_alike:.1%}", f"{UA}% / {baseline_UA_alike}%"),
    ("growth of the corpora", factor, f"{growth:.2f}", f"{both} / {alone}"),
    ("growth of a training set, mean", factor, f"{growth_of_a_fold:.2f}", f"1 + {added} / ({kept:g} × {alone})"),
    ("fall of the standard deviation of WA", f"{variance:g}% of variance", f"{narrower:.1%}", f"1 − {sd_both} / {sd}"),
    ("fall of the variance of WA", f"{variance:g}%", f"{narrower_variance:.1%}", f"1 − ({sd_both} / {sd})²"),
]
arithmetic = pd.DataFrame(rows, columns=["quantity", "printed", "recomputed", "how"])
show_table(arithmetic, "Printed by the paper, and recomputed from printed numbers.", index=False)

# %% tags=["remove-cell"]
WA, light_UA = 100 * read_number("WA", "II", "iemocap+cremad"), read_number("UA", "IV-B", "light-sernet")
glue(UA=UA, WA=WA, baseline_UA=baseline_UA, baseline_UA_alike=baseline_UA_alike, share=share, share_alike=share_alike)
glue(by_parameters=by_parameters, reduction=reduction, footprint=small, baseline_footprint=large, bytes_each=bytes_each)
glue(int8=int8, float32=float32, frozen=frozen, frozen_baseline=frozen_baseline, share_frozen=share_frozen)
glue(growth=growth, growth_of_a_fold=growth_of_a_fold, variance_reduction=variance, narrower_variance=narrower_variance)
glue(light_UA=light_UA, light_parameters=parameters["LIGHT-SERNET"], lightest_parameters=parameters["Wav2Small"])

# %% [markdown]
# ## What it means
#
# **The reduction is one of bytes.** The abstract calls it a reduction of parameters. Counted in parameters it is
# {glue:text}`by_parameters:.1%`. The printed {glue:text}`reduction` is the ratio of {glue:text}`footprint:g` MB to
# {glue:text}`baseline_footprint:g` MB, a model in eight bits against one that is not. The baseline can be quantized
# too, and then distillation is left with its own share. Where {glue:text}`baseline_footprint:g` MB comes from is not
# printed. It is {glue:text}`bytes_each:.2f` bytes per parameter, and four would be {glue:text}`float32`.
#
# **The size and the score may belong to two models.** {glue:text}`footprint:g` MB is the size of a quantized model.
# {glue:text}`UA:.1f`% is the mean of five folds, and nothing says that one of them was scored after quantization.
# Moreover, {glue:text}`footprint:g` MB is reached only if the convolutions are in eight bits as well, at
# {glue:text}`int8`.
#
# **The share of the baseline depends on what the baseline may know.** Its {glue:text}`baseline_UA:.1f`% is obtained
# with features normalized by speaker, which takes other utterances of each test speaker. The paper's model has no such
# help. Without it, the baseline's authors print {glue:text}`baseline_UA_alike:.1f`%, and the share rises from
# {glue:text}`share:.1%` to {glue:text}`share_alike:.1%`. So here the paper is more modest than it had to be.
#
# **Distillation alone costs little.** Only SUPERB has the distilled model and the baseline's under one protocol:
# {glue:text}`frozen:.2f`% and {glue:text}`frozen_baseline:.2f`% accuracy, a share of {glue:text}`share_frozen:.1%`.
# Most of the gap to the baseline then probably comes from something else than size: the training, the choice of layers,
# the normalization. The frozen model's accuracy is even above the fine-tuned one's WA, {glue:text}`WA:.1f`%, though its
# protocol leaves it more to train on. This speaks against the paper's reading that its model is near the limit of its
# capacity.
#
# **A Pareto front is not shown.** It takes several sizes under one protocol, and the paper measures one. Of the two
# systems it is set against, one is larger and better, and the other is smaller and has the higher number. Within
# SUPERB, the distilled model does lie on the front, because no model there is both smaller and better; that is a result
# of the benchmark. Nor does accuracy per megabyte single out a system: always predicting the commonest class takes no
# megabytes at all.
#
# **More data, and less spread.** The corpora together grow by a factor of {glue:text}`growth:.2f`, which the paper
# calls nearly doubled. A fold trains on three sessions, and its training set grows by a factor of
# {glue:text}`growth_of_a_fold:.2f` on average. The {glue:text}`variance_reduction:g`% by which the variance between
# folds is said to fall is that of the standard deviation; the variance falls by {glue:text}`narrower_variance:.1%`.
# Whether a fall between two sets of five folds means anything is the question of
# [the ablation](cremad_ablation.ipynb).
#
# What carries over to a phone is smaller and firmer than the claim: a model with a quarter of the baseline's
# parameters, scored on unseen speakers, that can be stored in a few tens of megabytes.
#
# **Next:** [how to obtain the corpora](../book/appendix/obtain_corpora.md).
