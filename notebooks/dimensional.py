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
# # Valence, activation, dominance
#
# *How good is a predicted number, and why is a high correlation not enough?*
#
# Paper: section VI, which proposes to predict dimensions. Raters of IEMOCAP {cite}`busso2008iemocap` scored valence
# (unpleasant to pleasant), activation (calm to excited) and dominance (weak to strong) from 1 to 5. Open corpora have no
# ratings ([what they have instead](arousal.ipynb)): here, constructed numbers explain the score.

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

from sercore import page
from sercore.data import load_utterances
from sercore.evaluation import score_dimensions
from sercore.experiment import Experiment
from sercore.labels import DIMENSIONS
from sercore.page import ACCENT, INK, show_figure, show_table
from sercore.training import train

page.set_style()
experiment = Experiment.from_profile(profile, **settings)
page.show_banner(experiment)

# %%
utterances = pd.concat(load_utterances(name, experiment)[0] for name in experiment.corpora)
rated = utterances.reindex(columns=DIMENSIONS).notna().all(axis=1).groupby(utterances["corpus"], sort=False)
counts = rated.agg(utterances="size", rated="sum").rename_axis(None)
show_table(counts.rename(index=page.format_arm), "Utterances, and how many have ratings of the dimensions.")

# %% [markdown]
# ## Concordance by hand
#
# Lin's concordance correlation coefficient (CCC) {cite}`lin1989concordance` of ratings $x$ and predictions $y$ is
#
# $$\mathrm{CCC} = \frac{2\,\sigma_{xy}}{\sigma_x^2 + \sigma_y^2 + (\mu_x - \mu_y)^2}$$
#
# with covariance, variances and means over utterances. It is the correlation where means and variances agree, less
# elsewhere, and 1 only where every prediction equals its rating. Four constructed utterances, and the library's score:


# %%
def compare(rating, prediction):
    """Correlation, mean squared error and, by the formula above, CCC of predictions (utterances,)."""
    covariance, gap = np.cov(rating, prediction, ddof=0)[0, 1], np.mean(rating) - np.mean(prediction)
    ccc = 2 * covariance / (np.var(rating) + np.var(prediction) + gap**2)
    error = np.mean((rating - prediction) ** 2)
    return {"correlation": np.corrcoef(rating, prediction)[0, 1], "squared error": error, "CCC": ccc}


four = pd.DataFrame({"rating": [1.0, 2.0, 3.0, 4.0], "prediction": [2.0, 2.0, 3.0, 3.0]})
steps = pd.Series({**four.var(ddof=0).add_prefix("variance of "), "covariance": four.cov(ddof=0).iloc[0, 1]})
steps["CCC"] = compare(four["rating"], four["prediction"])["CCC"]
steps["CCC, sercore"] = score_dimensions(*(np.tile(four[[name]], len(DIMENSIONS)) for name in four))["CCC"]
show_table(steps.to_frame("value"), "Constructed: four utterances.", "{:.3f}")

# %% [markdown]
# ## Why not correlation, why not squared error
#
# Constructed ratings, and one set of predictions four times, moved or stretched: with the mean and spread of the ratings;
# as least squares fits them; one point too high; twice as far from the mean.

# %%
random = np.random.default_rng(0)
rating = np.clip(random.normal(3, 0.7, 300), 1, 5)
noisy = rating + random.normal(0, 1.1, len(rating))
alike = rating.mean() + (noisy - noisy.mean()) / noisy.std() * rating.std()
predictions = {"same spread": alike, "least squares": np.polyval(np.polyfit(alike, rating, 1), alike)}
predictions |= {"one too high": alike + 1, "exaggerated": 2 * alike - rating.mean()}
found = pd.DataFrame({name: compare(rating, own) for name, own in predictions.items()}).T
show_table(found, "Constructed: the same predictions four times.", "{:.2f}")

# %% tags=["hide-input"]
figure, panels = plt.subplots(2, 2, figsize=(7, 7.2), sharex=True, sharey=True)
for axis, (name, own) in zip(panels.flat, predictions.items(), strict=True):
    axis.plot([-0.5, 6.5], [-0.5, 6.5], color=INK, linewidth=1.2, linestyle=":")
    axis.scatter(rating, own, s=12, color=ACCENT, alpha=0.5, linewidths=0)
    axis.set_title(f"{name}\nCCC {found.loc[name, 'CCC']:.2f}", loc="left")
    axis.set(xlim=(-0.5, 6.5), ylim=(-0.5, 6.5), xticks=range(1, 6), yticks=range(1, 6), aspect="equal")
figure.supxlabel("rating (constructed)", fontsize=14)
figure.supylabel("prediction", fontsize=14)
alt = "Four clouds of points. " + "; ".join(f"{name}: CCC {value:.2f}" for name, value in found["CCC"].items())
show_figure(figure, "Constructed ratings and predictions. Dotted: predictions that equal the ratings.", f"{alt}.")

# %% [markdown]
# ## A fold of a rated corpus
#
# The setting `task: dimensional` puts the dimensions in the place of the emotions. Training minimizes one less the CCC, mean
# over the dimensions (`sercore.training.ConcordanceLoss`), and the validation session's CCC ends it. Sessions and utterances
# are those of the [folds](loso_fold_1.ipynb), without the permanent corpus, which has no ratings. Those of the profile
# `demo` are synthetic, and show that it runs. With IEMOCAP:
#
# ```bash
# export SERCORE_IEMOCAP=/path/to/IEMOCAP_full_release
# sercore train paper --set task=dimensional --set fold=1
# ```

# %% tags=["hide-output"]
rateable = Experiment.from_profile(profile, **{**settings, "task": "dimensional"})
run = train(rateable) if counts.loc[experiment.primary, "rated"] else None

# %%
pairs = {name: run.predictions[[f"y_true_{name}", f"y_pred_{name}"]].T.to_numpy() for name in DIMENSIONS if run}
scores = pd.DataFrame({name: compare(*pair) for name, pair in pairs.items()}).T
show_table(scores, f"The session held out: ratings of {page.format_arm(rateable.arm)}.", "{:.3f}")

# %% tags=["remove-cell"]
page.glue(correlation=found["correlation"].mean(), best=found["CCC"].idxmax(), highest=found["CCC"].max())
page.glue(least=(least := found["squared error"].idxmin()), lower=found.loc[least, "CCC"], worst=found["CCC"].min())
held_out = f"is {run.metrics['test']['CCC']:.2f} ({page.format_origin(rateable)})" if run else "is not measured here"
page.glue(held_out=held_out)

# %% [markdown]
# ## What it means
#
# Of four constructed sets of predictions, all with a correlation of {glue:text}`correlation:.2f`, the CCC puts
# "{glue:text}`best`" first ({glue:text}`highest:.2f`) and goes down to {glue:text}`worst:.2f`. Squared error puts
# "{glue:text}`least`" first, which keeps close to the middle of the scale (CCC {glue:text}`lower:.2f`), and correlation sees
# neither spread nor offset. Hence the loss: with the same knowledge, it asks for predictions as far apart as the ratings.
# On the session held out, the mean CCC of the three dimensions {glue:text}`held_out`.

# %% tags=["remove-input"]
page.show_provenance(*filter(None, [run]))

# %% [markdown]
# **Next:** [speaker normalization](speaker_normalization.ipynb).
