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
# # Domain adaptation
#
# *Do the paper's proposals for the theatricality gap beat two moments of a speaker's embeddings?*
#
# Paper: section VI, which proposes adversarial training and style transfer for the gap of section V-B. Both are tried on
# models that ship, beside what is simpler. They see the target corpus without labels; settings were fixed beforehand.

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
import torch
from scipy.linalg import fractional_matrix_power
from torch import nn

from sercore import page
from sercore.data import load_split, load_target
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments, tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.page import ACCENT, INK, show_figure, show_table
from sercore.training import classify_embeddings, embed, load_classifier, read_head, train
from sercore.training.embeddings import pool_utterances
from sercore.training.log_mel import mask_frames

page.set_style()
experiment = Experiment.from_profile(profile, **{**settings, "split": "random"})
page.show_banner(experiment)
SEEDS, STEPS, HIDDEN, REVERSED = 3, 2_000, 128, 1.0  # networks of each kind; of each network
NOTHING = "nothing"

# %% tags=["hide-output"]
run = train(experiment)
target, audio = load_target(experiment)
here = page.is_here(run.path, audio)  # else what is recorded is shown
back = {"primary": experiment.target, "permanent": "", "target": experiment.corpora[0]}  # the other direction,
back["steps"] = Experiment.from_profile(profile, **settings).steps  # which has a fold's utterances
directions = [experiment, Experiment.from_profile(profile, **{**settings, **back, "split": "random"})]

# %% [markdown]
# ## Without training: moments, correlations, spectra
#
# Aligning moments shifts and scales each dimension of the embeddings on its own ([speaker
# normalization](speaker_normalization.ipynb)). CORAL {cite}`sun2016return` matches whole covariances, which needs more speech
# than a speaker has, so that it is for a corpus. Style transfer by statistics (AdaIN {cite}`huang2017arbitrary`) gives each
# band of an utterance's spectrogram the mean and deviation that the training corpus has, before the first layer.


# %%
def align_correlations(embeddings, source, shrinkage=1.0):
    """Whitens with the target's covariance and colours with the source's (CORAL); both with an added identity."""
    new, old = (np.cov(own.T) + shrinkage * np.eye(own.shape[1]) for own in (embeddings, source))
    whiten, colour = fractional_matrix_power(new, -0.5).real, fractional_matrix_power(old, 0.5).real
    return (embeddings - embeddings.mean(axis=0)) @ whiten @ colour + source.mean(axis=0)


def read_bands(model, experiment, part, sound):
    """Mean and deviation of each band of the spectrogram over a corpus, (1, bands, 1) each."""
    sums = []

    def add(log_mel, inputs, features):
        inside = mask_frames(inputs[1], features.shape[2])[:, None]
        values = (features * inside).double()
        sums.append(torch.stack([values.sum((0, 2)), values.square().sum((0, 2)), inside.sum() + 0 * values[0, :, 0]]))

    hook = model.log_mel.register_forward_hook(add)
    pool_utterances(model, experiment, part, sound)
    hook.remove()
    total, square, count = sum(sums)
    mean = total / count
    return [own.float()[None, :, None] for own in (mean, (square / count - mean.square()).sqrt())]


def transfer_style(model, source):
    """Gives each band of each utterance the mean and deviation of the source from now on; returns the hook."""

    def change(log_mel, inputs, features):
        inside = mask_frames(inputs[1], features.shape[2])[:, None]
        count = inside.sum(2, keepdim=True)
        mean = (features * inside).sum(2, keepdim=True) / count
        deviation = (((features - mean) * inside).square().sum(2, keepdim=True) / count).sqrt()
        return ((features - mean) / (deviation + 1e-3) * source[1] + source[0]) * inside

    return model.log_mel.register_forward_hook(change)


# %% [markdown]
# ## With training: a corpus that cannot be recognized
#
# Adversarial training {cite}`ganin2016domain` adds an output that tells the corpora apart, and turns its gradient around, so
# that the layer below learns what does not tell them. Here that layer is {glue:text}`hidden:d` units on the embeddings; the
# same network without the reversal shows what the reversal does.


# %%
def turn_gradient(values):
    """The identity, whose gradient is turned around."""
    return (1 + REVERSED) * values.detach() - REVERSED * values


def train_network(known, labels, new, reverse, seed):
    """Probabilities (utterances, emotions) of new embeddings; where it reverses, these are shown without labels."""
    torch.manual_seed(seed)
    mean, deviation = fit_moments(known)
    known, new = (torch.from_numpy((own - mean) / deviation).float() for own in (known, new))
    body = nn.Sequential(nn.Linear(known.shape[1], HIDDEN), nn.ReLU(), nn.Dropout(0.2))
    emotion = nn.Linear(HIDDEN, len(EMOTIONS))
    corpus = nn.Sequential(nn.Linear(HIDDEN, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, 1))
    networks, labels = nn.ModuleList([body, emotion, corpus]), torch.from_numpy(labels)
    optimizer, random = torch.optim.AdamW(networks.parameters(), 1e-3, weight_decay=0.01), np.random.default_rng(seed)
    for _ in range(STEPS):
        rows, others = (random.integers(len(own), size=256) for own in (known, new))
        hidden = body(torch.cat([known[rows], new[others]]))
        loss = nn.functional.cross_entropy(emotion(hidden[:256]), labels[rows])
        if reverse:
            whose = torch.cat([torch.zeros(256, 1), torch.ones(256, 1)])
            loss = loss + nn.functional.binary_cross_entropy_with_logits(corpus(turn_gradient(hidden)), whose)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        return emotion(body.eval()(new)).softmax(1).numpy()


def adapt(experiment):
    """Probabilities of the target by every way, several where there are seeds."""
    model, (split, sound), (target, audio) = train(experiment), load_split(experiment), load_target(experiment)
    known, new, head = embed(model, split.train, sound), embed(model, target, audio), read_head(model)
    labels = split.train["emotion"].map(EMOTIONS.index).to_numpy()
    moments, speakers = fit_moments(known), target["speaker"]
    mapped = {NOTHING: new, "moments, whole corpus": align_moments(new, moments)}
    mapped |= {"moments, per speaker": align_moments(new, moments, speakers), "CORAL": align_correlations(new, known)}
    network = load_classifier(model.path / "model")
    if hasattr(network, "log_mel"):
        hook = transfer_style(network, read_bands(network, experiment, split.train, sound))
        mapped["style transfer"] = pool_utterances(network, experiment, target, audio)
        mapped["style transfer, per speaker"] = align_moments(mapped["style transfer"], moments, speakers)
        hook.remove()
    found = {way: [classify_embeddings(own, head)] for way, own in mapped.items()}
    for way in ("network", "adversarial", "adversarial, per speaker"):
        own = mapped["moments, per speaker"] if "per speaker" in way else new
        found[way] = [train_network(known, labels, own, way != "network", seed) for seed in range(SEEDS)]
    return target, found


def measure():
    """UA by way and direction, the gain on nothing, and the spread over seeds."""
    rows = []
    for direction in directions:
        target, found = adapt(direction)
        tables = {way: [tabulate_predictions(target, one) for one in own] for way, own in found.items()}
        for way, own in tables.items():
            scores = [bootstrap_scores(tables[NOTHING][0], one).loc["UA"] for one in own]
            middle = scores[int(np.argsort([one["other"] for one in scores])[len(scores) // 2])]  # of the seeds
            row = {"trained on": "+".join(direction.corpora), "adaptation": way, **middle.filter(regex="other|gain")}
            rows.append(row | {"seeds": np.ptp([one["other"] for one in scores])})
    return pd.DataFrame(rows).rename(columns=lambda column: column.replace("other", "UA"))


adapted = page.measure_table(experiment, "domain_adaptation", measure if here else None)
adapted["trained on"] = adapted["trained on"].map(page.format_arm)

# %% [markdown]
# ## Both directions
#
# A network's number is that of the middle one of {glue:text}`count:d` seeds.

# %% tags=["hide-input"]
figure, panels = plt.subplots(1, adapted["trained on"].nunique(), figsize=(7, 4.6), sharex=True, sharey=True)
for axis, (name, own) in zip(panels, adapted.groupby("trained on", sort=False), strict=True):
    reach = abs(own[["UA_low", "UA_high"]].T - own["UA"])
    axis.errorbar(own["UA"], own["adaptation"], xerr=reach, fmt="o", color=ACCENT, markersize=8, linewidth=2.5)
    axis.axvline(own["UA"].iloc[0], color=INK, linewidth=1.2, linestyle=":")
    axis.set(xlabel="UA", ylim=(len(own) - 0.5, -0.5))
    axis.set_title(f"trained on {name}", loc="left")
wide = adapted.pivot(index="adaptation", columns="trained on", values="UA").loc[adapted["adaptation"].unique()]
alt = f"UA by adaptation: {wide.round(2).T.to_dict('list')}."
drawn = show_figure(figure, "UA on the other corpus, 95 % intervals over speakers (dotted: nothing done).", alt)
caption, forms = "UA, its gain on nothing, and its range over seeds.", dict.fromkeys(adapted.columns[2:], "{:.3f}")
page.stack(drawn, show_table(adapted, caption, forms, index=False))

# %% [markdown]
# ## Style transfer inside training
#
# MixStyle {cite}`zhou2021domain` (`workflow/mixstyle.py`): in half of the batches that the student learns from, before
# each of its first two layers, each channel's mean and deviation are mixed with those of another utterance, of the source
# or, for half of them, of the target. Gains are on nothing mixed, with the same seed (seeds: {glue:text}`mixed:d`). All of
# the way of fine-tuning is kept. There is no way back: the student was distilled from CREMA-D, with its labels.

# %% tags=["hide-input"]
mixed, rows = page.read_open("mixstyle"), []
for _, own in mixed.groupby("way", sort=False):
    rows.append({**own.sort_values(["gain", "UA"]).iloc[len(own) // 2], "seeds": np.ptp(own["UA"])})
styles = pd.DataFrame(rows, columns=["way", *adapted.columns[2:], "UA, per speaker", "gain, per speaker"])
show_table(styles, "UA of the student, in the middle seed.", dict.fromkeys(styles.columns[1:], "{:.3f}"), index=False)

# %% tags=["remove-cell"]
first = adapted[adapted["trained on"] == adapted["trained on"].iloc[0]].set_index("adaptation")
ways = {name: name for name in (NOTHING, "CORAL", "network", "adversarial")} | {"two": "moments, per speaker"}
page.glue(**{name: first.loc[way, "UA"] for name, way in ways.items()}, both=first["UA"]["adversarial, per speaker"])
style = f"{first['UA']['style transfer']:.3f}" if "style transfer" in first.index else "nothing (it has no spectrogram)"
beaten = (wide.filter(regex="adversarial|style", axis=0).max() > wide.loc["moments, per speaker"]).sum()
page.glue(verdict=f"in {beaten or 'none'} of {wide.shape[1]} directions", origin=page.format_origin(experiment))
page.glue(arm=page.format_arm("+".join(experiment.corpora)), target=page.format_arm(experiment.target))
moved = 100 * styles.set_index("way")[["gain", "gain_low", "gain_high"]]
foreign, own = ("{:+.1f} [{:+.1f}, {:+.1f}]".format(*moved.loc[way]) for way in ("with the target", "among the source"))
page.glue(style=style, count=SEEDS, hidden=HIDDEN, foreign=foreign, own=own, mixed=mixed["seed"].nunique())

# %% [markdown]
# ## What it means
#
# What the paper proposes, alone or on a speaker's aligned moments, beats these moments alone {glue:text}`verdict`
# ({glue:text}`origin`). From {glue:text}`arm` to {glue:text}`target`, UA is {glue:text}`nothing:.3f` with nothing done,
# {glue:text}`two:.3f` with moments aligned, {glue:text}`adversarial:.3f` after adversarial training (the same network without
# it {glue:text}`network:.3f`), {glue:text}`style` after style transfer and {glue:text}`CORAL:.3f` after CORAL. On aligned
# embeddings, adversarial training has {glue:text}`both:.3f`. Styles mixed with the target's move the student's UA by
# {glue:text}`foreign` points, styles mixed among the source, which need no target, by {glue:text}`own`. All else assumes
# about the training proportions of emotions in the new speech; all but the alignment per speaker, a whole corpus of it.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [baselines under one protocol](baselines.ipynb).
