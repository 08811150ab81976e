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
# # What the loss looks at
#
# *Which utterances does the adaptive focal loss learn from, and what changes against cross-entropy?*
#
# Paper: section III-D, equation 1. [The introduction to this part](../book/part_training.md) says where label smoothing
# enters. This page draws the loss, and weighs real predictions with it.

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
settings = {}  # of the experiment, beside the profile's

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from torch.nn.functional import cross_entropy

from sercore import page
from sercore.data import class_weights, load_split
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.page import ACCENT, INK, PALE, show_figure, show_table
from sercore.training import AdaptiveFocalLoss, train

page.set_style()
experiment = Experiment.from_profile(profile, **{"split": "disjoint", **settings})
page.show_banner(experiment)

# %% [markdown]
# ## From cross-entropy to the focal loss
#
# Cross-entropy of one utterance is $-\log p_t$, where $p_t$ is the probability of its true emotion. Lin et al. multiply it
# by $(1 - p_t)^\gamma$, which is near one while the model is wrong and near zero once it is right, and by the weight of the
# class, $\alpha_t$:
#
# $$\mathrm{FL}(p_t) = -\alpha_t\,(1 - p_t)^{\gamma} \log p_t$$
#
# With $\gamma = 0$ it is cross-entropy again, and so it is in the library:

# %%
logits, labels = torch.randn(64, len(EMOTIONS), generator=torch.manual_seed(0)), torch.arange(64) % len(EMOTIONS)
one = [1.0] * len(EMOTIONS)
plain = AdaptiveFocalLoss(one, gamma=0.0, label_smoothing=0.0)(logits, labels)
assert torch.isclose(plain, cross_entropy(logits, labels))


def weigh(p_t, gamma):
    """The loss (utterances,) of utterances whose true emotion has the probability p_t; classes count the same."""
    rest = torch.as_tensor(1 - p_t)[:, None] / (len(EMOTIONS) - 1)
    log_p = torch.cat([torch.as_tensor(p_t)[:, None], rest.expand(-1, len(EMOTIONS) - 1)], 1).log()
    loss = AdaptiveFocalLoss(one, gamma, label_smoothing=0.0)
    return np.array([loss(row[None], torch.zeros(1, dtype=torch.long)).item() for row in log_p])


# %% tags=["hide-input"]
grid = np.linspace(0.01, 0.99, 99)
figure, axis = plt.subplots(figsize=(7, 3.8))
curves = {0.0: (PALE, "--"), 1.0: (INK, ":"), experiment.gamma: (ACCENT, "-")}
for gamma, (color, style) in curves.items():
    name = "cross-entropy" if gamma == 0 else f"focal, gamma {gamma:g}"
    axis.plot(grid, weigh(grid, gamma), style, color=color, label=name)
axis.set(xlabel="probability of the true emotion", ylabel="loss of one utterance", ylim=(0, 3))
figure.legend(loc="outside upper center", ncols=3)
alt = f"At a probability of a half: {weigh(np.array([0.5]), 0.0)[0]:.2f} and {weigh(np.array([0.5]), experiment.gamma)[0]:.2f}."
show_figure(figure, "The loss of one utterance.", alt)

# %% [markdown]
# ## What real predictions weigh
#
# The predictions of the [speaker-disjoint model](production_model.ipynb) for speakers that it does not know. Utterances
# are sorted into how sure it is of the true emotion; bars say which share of the total loss each group holds.

# %% tags=["hide-output"]
run = train(experiment)

# %%
predictions = run.predictions
p_t = predictions[[*EMOTIONS]].to_numpy()[np.arange(len(predictions)), predictions["y_true"].map(EMOTIONS.index)]
p_t = np.clip(p_t, 1e-6, 1 - 1e-6)
groups = pd.cut(p_t, [0, 0.25, 0.5, 0.75, 1], labels=["under 1/4", "to 1/2", "to 3/4", "over 3/4"])
losses = pd.DataFrame({"cross-entropy": weigh(p_t, 0.0), "focal": weigh(p_t, experiment.gamma)})
shares = losses.groupby(groups, observed=False).sum() / losses.sum()
shares["utterances"] = pd.Series(groups).value_counts(normalize=True, sort=False)
show_table(
    shares.rename_axis("probability of the true emotion"), "Shares of the loss, and of the utterances.", "{:.0%}"
)

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 3.6))
for place, (name, color, hatch) in enumerate(
    [("utterances", "white", ""), ("cross-entropy", PALE, "///"), ("focal", ACCENT, "")]
):
    axis.bar(
        np.arange(len(shares)) + 0.27 * (place - 1),
        shares[name],
        0.27,
        color=color,
        edgecolor=INK,
        hatch=hatch,
        label=name,
    )
axis.set(xticks=range(len(shares)), xticklabels=shares.index, ylabel="share", xlabel="probability of the true emotion")
figure.legend(loc="outside upper center", ncols=3)
alt = "; ".join(f"{name}: {own.round(2).to_dict()}" for name, own in shares.items())
show_figure(figure, "Which utterances the loss is made of.", alt)

# %% [markdown]
# ## What a class weighs
#
# $\alpha_t$ is the number of training utterances, divided by the number of classes times the utterances of the class.

# %%
split, _ = load_split(experiment)
alpha = pd.DataFrame({"utterances": split.train["emotion"].value_counts()[[*EMOTIONS]]})
alpha["weight"] = class_weights(split.train)
show_table(alpha.rename_axis(None), "Training set of that model.", {"weight": "{:.3f}"})

# %% tags=["remove-cell"]
page.glue(origin=page.format_origin(experiment), arm=page.format_arm(experiment.arm), gamma=experiment.gamma)
page.glue(sure=shares.loc["over 3/4", "utterances"], sure_plain=shares.loc["over 3/4", "cross-entropy"])
page.glue(sure_focal=shares.loc["over 3/4", "focal"], wrong=shares.loc["under 1/4", "utterances"])
page.glue(wrong_plain=shares.loc["under 1/4", "cross-entropy"], wrong_focal=shares.loc["under 1/4", "focal"])

# %% [markdown]
# ## What it means
#
# On {glue:text}`arm` ({glue:text}`origin`), the model is sure of the true emotion in {glue:text}`sure:.0%` of the
# utterances. They hold {glue:text}`sure_plain:.0%` of the cross-entropy and {glue:text}`sure_focal:.0%` of the focal loss
# with $\gamma$ at {glue:text}`gamma:g`. The {glue:text}`wrong:.0%` that it gets most wrong hold {glue:text}`wrong_plain:.0%`
# and {glue:text}`wrong_focal:.0%`. So the focal loss looks at what is wrong. Where labels are doubtful, as they can be
# in acted speech, that is not only an advantage: a wrong label looks like a hard utterance.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [the first fold](loso_fold_1.ipynb).
