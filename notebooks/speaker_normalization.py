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
# # Speaker normalization
#
# *How much of what a model loses in another corpus can be had back without a label?*
#
# Paper: section V-B, which explains the gap by theatrical acting and proposes adversarial training or style transfer.
# The model and its utterances are those of [the unseen corpus](ravdess_analysis.ipynb). Nothing is fitted here.

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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from scipy.special import softmax

from sercore import evaluation, page
from sercore.data import load_split, load_target
from sercore.evaluation import align_moments, score, tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import COLORS, EMOTIONS
from sercore.page import INK, MARKERS, show_figure, show_table
from sercore.runtime.speaker import PRIOR, center_logits
from sercore.training import classify_embeddings, embed, read_head, read_moments, train

page.set_style()
experiment = Experiment.from_profile(profile, **{"split": "random", **settings})
page.show_banner(experiment)

# %% tags=["hide-output"]
run = train(experiment)
(target, audio), (split, other) = load_target(experiment), load_split(experiment)
speakers, head = target["speaker"].to_numpy(), read_head(run)
embeddings, source = embed(run, target, audio), read_moments(run, split.train, other)

# %% [markdown]
# ## How much of the gap is a shift of moments
#
# Another corpus has other rooms, microphones and actors. If that only moves and stretches the embeddings, it can be
# undone without any label: map each dimension so that its mean and deviation on the new speech are those of the
# training speech, then classify as before. Over the whole corpus, or for each speaker.
#
# A phone can do with less. The head is linear, so that moving a speaker's embeddings moves the logits of all of their
# utterances alike: the mean logits, four numbers, are all of a speaker's mean that matters. As utterances arrive, it
# is the mean so far, with {glue:text}`prior:d` utterances of the training speakers' mean counted as come before.


# %%
home = center_logits(classify_embeddings(source[0][None], head))[0]  # mean logits of the training speakers
logits = center_logits(classify_embeddings(embeddings, head))


def adjust(order):
    """Probabilities (utterances, emotions) as they arrive in this order, each by the speaker's mean logits so far."""
    arrived = pd.DataFrame(logits[order]).groupby(speakers[order])
    count = PRIOR + 1 + arrived.cumcount().to_numpy()[:, None]
    return softmax(logits[order] - (PRIOR * home + arrived.cumsum()) / count + home, axis=1)[order.argsort()]


own_mean = pd.DataFrame(logits).groupby(speakers).transform("mean").to_numpy()
probabilities = {
    "as it is": classify_embeddings(embeddings, head),
    "whole corpus": classify_embeddings(align_moments(embeddings, source), head),
    "per speaker": classify_embeddings(align_moments(embeddings, source, speakers), head),
    "per speaker, mean logits": softmax(logits - own_mean + home, axis=1),
    "per speaker, arriving": adjust(np.random.default_rng(0).permutation(len(target))),
}
predictions = {name: tabulate_predictions(target, own) for name, own in probabilities.items()}
rows = {}
for name, own in predictions.items():
    found = evaluation.bootstrap_scores(predictions["as it is"], own)
    ua = found.loc["UA", ["other", "other_low", "other_high", "gain", "gain_low", "gain_high"]]
    rows[name] = {**ua.rename(lambda column: column.replace("other", "UA")), **found["other"].filter(regex="WA|recall")}
alignments = pd.DataFrame(rows).T

# %% tags=["hide-input"]
recalls = alignments.filter(like="recall_")
figure, axis = plt.subplots(figsize=(7, 4.6))
axis.hlines(alignments.index, alignments["UA_low"], alignments["UA_high"], color=INK, linewidth=3)
axis.plot(alignments["UA"], alignments.index, "|", color=INK, markersize=22, markeredgewidth=4)
for name, values in recalls.items():
    emotion = name.removeprefix("recall_")
    look = {"color": COLORS[emotion], "markersize": 9, "markeredgecolor": "white", "label": emotion}
    axis.plot(values, np.arange(len(values)) + 0.26, MARKERS[emotion], **look)
axis.axvline(1 / len(EMOTIONS), color=INK, linewidth=1, linestyle=":")
axis.set(xlim=(-0.02, 1.02), ylim=(len(recalls) - 0.4, -0.5))
axis.set_xlabel("bar: UA with 95 % interval\nmarks: recalls (dotted: chance)")
figure.legend(loc="outside upper center", ncols=4, handletextpad=0.1, columnspacing=1)
alt = f"UA by alignment: {alignments['UA'].round(3).to_dict()}."
show_figure(figure, "The same model, the same utterances; nothing is trained again.", alt)

# %%
columns = ["WA", "UA", "UA_low", "UA_high", "gain", "gain_low", "gain_high", *recalls]
show_table(alignments[columns].T, "Scores with 95 % intervals, speakers drawn again.")

# %% [markdown]
# ## How many utterances of a speaker it takes
#
# Over many random orders of arrival, every utterance stands at every position, so that positions differ in how much of
# the speaker is known and not in which utterances happen to stand there.

# %%
rng, trials = np.random.default_rng(0), []
for _ in range(100):
    own = tabulate_predictions(target, adjust(order := rng.permutation(len(target)))).iloc[order]
    position = own.groupby("speaker").cumcount() + 1
    trials.append(own.assign(utterances=position, hit=own["y_true"] == own["y_pred"]))
trials = pd.concat(trials).query(f"utterances <= {target['speaker'].value_counts().min()}")
shares = evaluation.bootstrap_shares(trials, "utterances", over="y_true").sort_index()
curve = evaluation.summarize_draws(shares).rename(columns={"value": "UA"})
before, after = alignments.loc["as it is", "UA"], alignments.loc["per speaker", "UA"]

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 3.8))
axis.fill_between(curve.index, curve["low"], curve["high"], color="#dddddd", linewidth=0)
axis.plot(curve.index, curve["UA"], color=INK)
for value, name, dash in [(before, "not aligned", ":"), (after, "all of the speaker's utterances", "--")]:
    axis.axhline(value, color=INK, linewidth=1.4, linestyle=dash, label=name)
axis.set(xlabel="utterances of the speaker so far", ylabel="UA (band: 95 %)")
figure.legend(loc="outside upper center", ncols=2)
first, last = curve["UA"].iloc[[0, -1]]
alt = f"UA {first:.3f} at the first utterance, {last:.3f} at the last; not aligned {before:.3f}."
show_figure(figure, "UA of the utterance that has just arrived, over many orders of arrival.", alt)

# %% [markdown]
# ## What it assumes
#
# Aligning assumes that the new speech holds the emotions in about the training proportions. A person who is mostly sad
# is moved toward the middle, and the sadness with them. Below, the mean logits come from only {glue:text}`count:d`
# utterances of each speaker, more and more of them of one emotion.

# %%
fewest = pd.crosstab(target["speaker"], target["emotion"]).min().loc[lambda counts: counts > 0]
usable, count = fewest.index, int(min(16, fewest.min()))  # emotions that every speaker has


def pick(own, emotion, share, count, rng):
    """So many of a speaker's utterances: a share of one emotion, the rest evenly of the others."""
    shuffled = rng.choice(len(own), len(own), replace=False)
    labels, places = own["emotion"].to_numpy()[shuffled], own.index.to_numpy()[shuffled]
    one, others = places[labels == emotion][: round(share * count)], labels[labels != emotion]
    turns = np.tril(others[:, None] == others).sum(axis=1)  # how often an emotion has come so far
    return [*one, *places[labels != emotion][np.argsort(turns, kind="stable")][: count - len(one)]]


def score_picked(emotion, share, rng):
    """UA over all utterances, each speaker adjusted by the mean logits of those picked."""
    known = target.reset_index(drop=True)[target["emotion"].isin(usable).to_numpy()].groupby("speaker")
    means = {speaker: logits[pick(own, emotion, share, count, rng)].mean(axis=0) for speaker, own in known}
    own = tabulate_predictions(target, softmax(logits - np.array([*map(means.get, speakers)]) + home, axis=1))
    return score(own["y_true"], own["y_pred"])["UA"]


plan = [(emotion, share) for emotion in usable for share in (0.25, 0.5, 0.75, 1) for _ in range(20)]
rows = [(emotion, share, score_picked(emotion, share, rng)) for emotion, share in plan]
picked = pd.DataFrame(rows, columns=["emotion", "share", "UA"])
unbalanced = picked.groupby(["emotion", "share"])["UA"].agg(UA="mean", UA_least="min", UA_most="max").reset_index()

# %%
wide = unbalanced.pivot(index="emotion", columns="share", values="UA").rename(columns="{:.0%}".format)
show_table(wide.rename_axis(index=None), f"UA by the share of one emotion in what is known; not aligned {before:.3f}.")

# %% tags=["remove-cell"]
tables = {"alignments": alignments.rename_axis("alignment"), "arrival": curve}
for name, table in (tables | {"unbalanced": unbalanced.set_index("emotion")}).items():
    page.record_table(experiment, name, table)
page.glue(arm=page.format_arm(experiment.arm), target=page.format_arm(experiment.target), count=count)
page.glue(origin=page.format_origin(experiment), before=before, after=after, first=first, last=last, prior=PRIOR)
page.glue(mean=alignments.loc["per speaker, mean logits", "UA"])
page.glue(**(100 * alignments.loc["per speaker", ["gain", "gain_low", "gain_high"]]))

# %% [markdown]
# ## What it means
#
# From {glue:text}`arm` to {glue:text}`target` ({glue:text}`origin`), the UA is {glue:text}`before:.3f` as it is. With
# the moments aligned per speaker, it is {glue:text}`after:.3f`: {glue:text}`gain:+.1f` points (95 % interval
# {glue:text}`gain_low:+.1f` to {glue:text}`gain_high:+.1f`) without a single label. Four numbers of each speaker, the
# mean logits, give {glue:text}`mean:.3f`; as they arrive, {glue:text}`first:.3f` at a speaker's first utterance and
# {glue:text}`last:.3f` at the last that all speakers have. That is what `SpeakerClassifier` does in an app. The paper
# proposes adversarial training or style transfer for this gap. Aligning two moments is the cheaper thing to try first,
# as long as what is known of a speaker is not all of one emotion.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [what a known speaker is worth](known_speaker.ipynb).
