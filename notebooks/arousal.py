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
# # Arousal without ratings
#
# *Does a model of four categories follow how strongly an emotion is played, which nobody has shown it?*
#
# Paper: section VI, which proposes to predict dimensions and speaks of "the model's demonstrated strength in arousal
# detection". Open corpora have no ratings of arousal, but their actors played at two or three intensities. The models are
# the [production models](production_model.ipynb), which know emotions alone: speakers that one holds out, and the unseen
# corpus by the other.

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
import seaborn as sns
from scipy import stats
from statsmodels.stats.multitest import multipletests

from sercore import page
from sercore.data import load_split, load_target
from sercore.evaluation import tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import COLORS, EMOTIONS
from sercore.page import MARKERS, show_figure, show_table
from sercore.training import classify_embeddings, embed, read_head, train

page.set_style()
experiment = Experiment.from_profile(profile, **{**settings, "split": "random"})
page.show_banner(experiment)
LEVELS = ("low", "medium", "normal", "high", "strong")  # as the corpora name them, the weaker first
AROUSED = ["anger", "happiness"]  # against neutral and sadness, which are not

# %% tags=["hide-output"]
run, disjoint = train(experiment), train(Experiment.from_profile(profile, **{**settings, "split": "disjoint"}))
target, audio = load_target(experiment)
held_out = load_split(disjoint.experiment)[0].test

# %% [markdown]
# ## What stands for arousal
#
# Anger and happiness are aroused, neutral and sadness are not. The log odds of the two pairs, by the model's
# probabilities, is a number for each utterance. Only utterances whose intensity the corpus names count.


# %%
def measure_arousal(part, predictions):
    """Log odds of the aroused emotions, in utterances of named intensity."""
    table = part.merge(predictions[["utterance", *EMOTIONS]], on="utterance")
    share = table[AROUSED].sum(axis=1).clip(1e-6, 1 - 1e-6)
    return table.assign(arousal=np.log(share / (1 - share))).query("intensity in @LEVELS")


abroad = tabulate_predictions(target, classify_embeddings(embed(run, target, audio), read_head(run)))
arousal = pd.concat([measure_arousal(held_out, disjoint.predictions), measure_arousal(target, abroad)])
arousal["intensity"] = pd.Categorical(arousal["intensity"], LEVELS, ordered=True)
arousal["corpus"] = arousal["corpus"].map(page.format_arm)
counts = arousal.pivot_table(
    index=["corpus", "emotion"], columns="intensity", values="arousal", aggfunc="size", observed=True
)
show_table(counts.rename_axis(index=[None, None], columns=None), "Utterances of named intensity.", "{:.0f}")

# %% [markdown]
# ## Within each emotion, from weak to strong

# %% tags=["hide-input"]
figure, panels = plt.subplots(1, arousal["corpus"].nunique(), figsize=(7, 4), sharey=True, squeeze=False)
for axis, (corpus, own) in zip(panels[0], arousal.groupby("corpus", sort=False), strict=True):
    own = own.assign(intensity=own["intensity"].cat.remove_unused_categories())
    look = {
        "hue_order": EMOTIONS,
        "palette": COLORS,
        "markers": [MARKERS[emotion] for emotion in EMOTIONS],
        "dodge": 0.25,
    }
    sns.pointplot(own, x="intensity", y="arousal", hue="emotion", ax=axis, seed=0, **look)
    axis.set(xlabel="", ylabel="arousal (log odds)")
    axis.set_title(corpus, loc="left")
    axis.get_legend().remove()
figure.legend(*axis.get_legend_handles_labels(), loc="outside upper center", ncols=4)
means = arousal.groupby(["corpus", "emotion", "intensity"], observed=True)["arousal"].mean()
alt = f"Mean arousal: {means.round(2).to_dict()}."
show_figure(figure, "Mean arousal by the intensity that was played, 95 % intervals over utterances.", alt)

# %% [markdown]
# Each actor plays all intensities, so that the test is one of pairs: an actor's mean at the strongest against the mean at
# the weakest, by Wilcoxon's signed ranks, corrected for the number of tests by Holm's method.

# %%
mean = arousal.pivot_table(index=["corpus", "emotion", "speaker"], columns="intensity", values="arousal", observed=True)
ends = mean.apply(
    lambda row: row.dropna().iloc[-1] - row.dropna().iloc[0] if row.count() > 1 else np.nan, axis=1
).dropna()
ends = ends.groupby(level=["corpus", "emotion"])
steps = ends.agg(actors="size", difference="mean", rise=lambda own: (own > 0).mean())
steps["p"] = multipletests([stats.wilcoxon(own).pvalue for _, own in ends], method="holm")[1]
caption = "Arousal at the strongest less arousal at the weakest: mean over actors, share of actors where it rises, p."
forms = {"difference": "{:+.2f}", "rise": "{:.0%}", "p": "{:.1g}"}
show_table(steps.rename_axis(index=[None, None]), caption, forms)

# %% tags=["remove-cell"]
page.glue(origin=page.format_origin(experiment), tests=len(steps), rising=int((steps["difference"] > 0).sum()))
page.glue(sure=int((steps["p"] < 0.05).sum()), least=" ".join(steps["difference"].idxmin()))
page.glue(most=" ".join(steps["difference"].idxmax()), low=steps["difference"].min(), high=steps["difference"].max())

# %% [markdown]
# ## What it means
#
# In {glue:text}`rising:d` of {glue:text}`tests:d` emotions of a corpus ({glue:text}`origin`), arousal rises from the weakest to
# the strongest playing, in {glue:text}`sure:d` of them beyond chance. The rise is largest in {glue:text}`most`
# ({glue:text}`high:+.2f` log odds) and least in {glue:text}`least` ({glue:text}`low:+.2f`). So the categories hold some of the
# dimension, as far as an actor's intensity is arousal: strong calm, which counts as neutral, should fall, and a sadness
# that is played more strongly may be a louder one or a more sunken one; nothing here says which.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [valence, activation, dominance](dimensional.ipynb).
