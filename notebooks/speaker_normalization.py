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
# *How much of what a model loses in another corpus can be had back without a label, and what is a known speaker worth?*
#
# Paper: section V-B, which explains the gap by theatrical acting and proposes adversarial training or style transfer.
# The model and its utterances are those of [the unseen corpus](ravdess_analysis.ipynb). Only the last part fits anything:
# a regression on embeddings that are normalized in training too.

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

from sercore import evaluation, page
from sercore.data import load_split, load_target
from sercore.evaluation import align_arriving, align_moments, fit_moments, score, tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import COLORS, EMOTIONS
from sercore.page import INK, MARKERS, show_figure, show_table
from sercore.training import classify_embeddings, embed, read_head, read_moments, train
from sercore.training.regression_head import choose_head

page.set_style()
experiment = Experiment.from_profile(profile, **{"split": "random", **settings})
page.show_banner(experiment)

# %% tags=["hide-output"]
run = train(experiment)
(target, audio), (split, training_audio) = load_target(experiment), load_split(experiment)
speakers, head = target["speaker"].to_numpy(), read_head(run)
embeddings, source = embed(run, target, audio), read_moments(run, split.train, training_audio)

# %% [markdown]
# ## How much of the gap is a shift of moments
#
# Another corpus has other rooms, microphones and actors. If that only moves and stretches the embeddings, it can be
# undone without any label: map each dimension so that its mean and deviation on the new speech are those of the
# training speech, then classify as before. Over the whole corpus, for each speaker, or for each speaker as utterances
# arrive, which is what a phone could do.

# %%
order = np.random.default_rng(0).permutation(len(target))
aligned = {
    "as it is": embeddings,
    "whole corpus": align_moments(embeddings, source),
    "per speaker": align_moments(embeddings, source, speakers),
    "per speaker, arriving": align_arriving(embeddings, source, speakers, order),
}
predictions = {name: tabulate_predictions(target, classify_embeddings(own, head)) for name, own in aligned.items()}
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
tables = {"Scores with 95 % intervals, speakers drawn again.": alignments}
if profile != "open":
    tables["From CREMA-D to RAVDESS (results/open)."] = page.read_open("alignments").set_index("alignment")
page.stack(*(show_table(own[columns].T.rename_axis(columns=None), caption) for caption, own in tables.items()))

# %% [markdown]
# ## How many utterances of a speaker it takes
#
# Over many random orders of arrival, every utterance stands at every position, so that positions differ in how much of
# the speaker is known and not in which utterances happen to stand there.

# %%
rng, trials = np.random.default_rng(0), []
for _ in range(100):
    arrived = align_arriving(embeddings, source, speakers, order := rng.permutation(len(target)))
    own = tabulate_predictions(target, classify_embeddings(arrived, head)).iloc[order]
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
# Aligning moments assumes that the new speech holds the emotions in about the training proportions. A person who is
# mostly sad is moved toward the middle, and the sadness with them. Below, the moments come from only
# {glue:text}`count:d` utterances of each speaker, more and more of them of one emotion.

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
    """UA over all utterances, each speaker mapped with the moments of those picked."""
    mapped = np.empty_like(embeddings)
    for _, own in target.reset_index(drop=True).groupby("speaker"):
        mean, deviation = fit_moments(embeddings[pick(own[own["emotion"].isin(usable)], emotion, share, count, rng)])
        scaling = np.divide(source[1], deviation, out=np.zeros_like(deviation), where=deviation > 0)
        mapped[own.index] = (embeddings[own.index] - mean) * scaling + source[0]
    own = tabulate_predictions(target, classify_embeddings(mapped, head))
    return score(own["y_true"], own["y_pred"])["UA"]


plan = [(emotion, share) for emotion in usable for share in (0.25, 0.5, 0.75, 1) for _ in range(20)]
rows = [(emotion, share, score_picked(emotion, share, rng)) for emotion, share in plan]
picked = pd.DataFrame(rows, columns=["emotion", "share", "UA"])
unbalanced = picked.groupby(["emotion", "share"])["UA"].agg(UA="mean", UA_least="min", UA_most="max").reset_index()

# %%
wide = unbalanced.pivot(index="emotion", columns="share", values="UA").rename(columns="{:.0%}".format)
show_table(wide.rename_axis(index=None), f"UA by the share of one emotion in what is known; not aligned {before:.3f}.")

# %% [markdown]
# ## When the speaker is known in training too
#
# So far the head has learned from embeddings as they are. Standardized per speaker in training and in use, they lose what
# distinguishes voices in both. Below, the head of the [speaker-disjoint model](production_model.ipynb) is fitted again on
# either kind, and tested on the speakers that its split holds out, too.


# %%
def normalize(embeddings, part):
    """Each speaker's embeddings (utterances, dimensions) with mean 0 and deviation 1."""
    return align_moments(embeddings, (0.0, 1.0), part["speaker"])


model = train(Experiment.from_profile(profile, **{**settings, "split": "disjoint"}))
split, sound = load_split(model.experiment)
here = bool(sound) and (model.path / "model").is_dir()  # else what is recorded is shown


def fit_again():
    """UA at home and abroad where the speaker is known nowhere, in use, and in training too."""
    parts = {name: (part, embed(model, part, sound)) for name, part in split.parts.items()}
    parts["target"] = target, embed(model, target, audio)
    normal = {name: (part, normalize(own, part)) for name, (part, own) in parts.items()}
    heads, moments, known = [], fit_moments(parts["train"][1]), {}
    for kind in (parts, normal):
        known_to = [(own, part["emotion"].map(EMOTIONS.index)) for part, own in (kind["train"], kind["validation"])]
        heads.append(choose_head(*known_to))
    for name, title in {"test": "held-out speakers", "target": page.format_arm(experiment.target)}.items():
        part, own = parts[name]
        used = {"as it is": (heads[0], own), "in use": (heads[0], align_moments(own, moments, part["speaker"]))}
        used["in training and in use"] = heads[1], normal[name][1]
        scored = {way: tabulate_predictions(part, head.predict_proba(x)) for way, (head, x) in used.items()}
        for way, table in scored.items():
            found = evaluation.bootstrap_scores(scored["as it is"], table).loc["UA"].filter(regex="other|gain")
            known[title, way] = found.rename(lambda column: column.replace("other", "UA"))
    return pd.DataFrame(known).T.rename_axis(["tested on", "normalized per speaker"]).reset_index()


known = page.measure_table(experiment, "known_speaker", fit_again if here else None)
show_table(known, "UA and its gain, with 95 % intervals, and where the speaker is known.", index=False)

# %% tags=["remove-cell"]
tables = {"alignments": alignments.rename_axis("alignment"), "arrival": curve}
for name, table in (tables | {"unbalanced": unbalanced.set_index("emotion")}).items():
    page.record_table(experiment, name, table)
page.glue(arm=page.format_arm(experiment.arm), target=page.format_arm(experiment.target), count=count)
page.glue(origin=page.format_origin(experiment), home_speakers=split.test["speaker"].nunique())
for place, own in known.groupby("tested on", sort=False)["UA"]:
    where = "home" if place == "held-out speakers" else "abroad"
    page.glue(**{f"{where}_{name}": value for name, value in zip(["plain", "used", "both"], own, strict=True)})
page.glue(before=before, after=after, first=first, last=last)
page.glue(**(100 * alignments.loc["per speaker", ["gain", "gain_low", "gain_high"]]))

# %% [markdown]
# ## What it means
#
# From {glue:text}`arm` to {glue:text}`target` ({glue:text}`origin`), the UA is {glue:text}`before:.3f` as it is. With
# the moments aligned per speaker, it is {glue:text}`after:.3f`: {glue:text}`gain:+.1f` points (95 % interval
# {glue:text}`gain_low:+.1f` to {glue:text}`gain_high:+.1f`) without a single label. Utterance by utterance, it is
# {glue:text}`first:.3f` at a speaker's first and {glue:text}`last:.3f` at the last that all speakers have. The paper
# proposes adversarial training or style transfer for this gap. Aligning two moments is the cheaper thing to try first,
# as long as what is known of a speaker is not all of one emotion.
#
# On {glue:text}`home_speakers` held-out speakers at home, UA is {glue:text}`home_plain:.3f` as it is,
# {glue:text}`home_used:.3f` where the use alone knows the speaker, and {glue:text}`home_both:.3f` where training does
# too. On {glue:text}`target`, in the same order: {glue:text}`abroad_plain:.3f`, {glue:text}`abroad_used:.3f`,
# {glue:text}`abroad_both:.3f`.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [how the systems compare](comparison.ipynb).
