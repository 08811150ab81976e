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
# # Calibration
#
# *Do the probabilities of the production model mean what they say?*
#
# Paper: section V-A, which prints the score of this model and not its calibration. The models are those of
# [the previous page](production_model.ipynb).
#
# An app shows a probability, so it should be right as often as it says. The focal loss and the smoothed labels make a
# model hesitant, and so does the strong regularization of a regression as its head; one number, the temperature, can undo
# most of that {cite}`guo2017calibration`.

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
from scipy.optimize import minimize_scalar
from scipy.special import softmax
from sklearn.calibration import calibration_curve
from sklearn.metrics import log_loss
from sklearn.model_selection import GroupKFold

from sercore import page
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.page import INK, PALE, ACCENT, show_figure, show_table
from sercore.training import train

page.set_style()
SPLITS = {"disjoint": "speaker-disjoint split", "random": "random split"}
experiments = {split: Experiment.from_profile(profile, **{**settings, "split": split}) for split in SPLITS}
experiment = experiments["disjoint"]
page.show_banner(experiment)

# %% tags=["hide-output"]
runs = {name: train(experiment) for name, experiment in experiments.items()}

# %% [markdown]
# ## One number to fit
#
# Every log probability is divided by the temperature T: above 1 it makes a model less sure, below 1 surer, and what is
# predicted stays. T is the one of the least log loss. What is measured after comes from temperatures fitted on other
# speakers, so that it is honest.


# %%
def scale(predictions, temperature=1.0):
    """Probabilities (utterances, emotions): softmax(log p / T); predictions.csv holds six digits."""
    logs = np.log(predictions[sorted(EMOTIONS)].to_numpy().clip(1e-7))
    return softmax(logs / np.reshape(temperature, (-1, 1)), axis=1)


def measure_loss(predictions, temperature=1.0):
    """Log loss: mean -log of the probability of the true emotion."""
    return log_loss(predictions["y_true"], scale(predictions, temperature), labels=sorted(EMOTIONS))


def fit_temperature(predictions):
    """The T between 0.05 and 20 of the least log loss."""
    search = {"bounds": np.log([0.05, 20]), "method": "bounded"}
    return np.exp(minimize_scalar(lambda power: measure_loss(predictions, np.exp(power)), **search).x)


def fit_across(predictions, parts=5):
    """A temperature for each utterance, fitted on other speakers (utterances,)."""
    speakers, fitted = predictions["speaker"], np.empty(len(predictions))
    for others, own in GroupKFold(min(parts, speakers.nunique())).split(predictions, groups=speakers):
        fitted[own] = fit_temperature(predictions.iloc[others])
    return fitted


# %% [markdown]
# ## Two ways to measure it
#
# The expected calibration error (ECE) sorts utterances into ten bins by the probability of what is predicted, and
# compares that with the share that is right. The log loss needs no bins.


# %%
def measure_error(predictions, temperature=1.0, bins=10):
    """Expected calibration error: mean distance of accuracy from confidence over bins of confidence, by utterances."""
    table = pd.DataFrame({"confidence": scale(predictions, temperature).max(axis=1)})
    table["right"] = (predictions["y_true"] == predictions["y_pred"]).to_numpy()
    groups = table.groupby(pd.cut(table["confidence"], np.linspace(0, 1, bins + 1)), observed=True)
    return np.average((groups["right"].mean() - groups["confidence"].mean()).abs(), weights=groups.size())


rows = {}
for name, run in runs.items():
    own, across = run.predictions, fit_across(run.predictions)
    rows[SPLITS[name]] = [measure_error(own), measure_loss(own), fit_temperature(own)]
    rows[SPLITS[name]] += [measure_error(own, across), measure_loss(own, across)]
columns = ["ECE", "log loss", "temperature", "ECE, scaled", "log loss, scaled"]
calibration = pd.DataFrame.from_dict(rows, orient="index", columns=columns).rename_axis("split")
show_table(calibration.rename_axis(None), "Calibration on the hold-out, as trained and scaled.")

# %% tags=["hide-input"]
own = runs["disjoint"].predictions
right = own["y_true"] == own["y_pred"]
figure, (curve, count) = plt.subplots(2, 1, figsize=(7, 6.2), sharex=True, height_ratios=(3, 1))
curve.plot([0, 1], [0, 1], color=PALE, linewidth=1.2, linestyle=":")
looks = {"as trained": (1.0, "o-", INK), "with a temperature": (fit_temperature(own), "s--", ACCENT)}
for label, (temperature, look, color) in looks.items():
    shares, confidences = calibration_curve(right, scale(own, temperature).max(axis=1), n_bins=10)
    curve.plot(confidences, shares, look, color=color, label=label, markersize=7)
curve.set(ylabel="share that is right", ylim=(-0.03, 1.03), xlim=(0, 1))
curve.legend(loc="lower right")
count.hist(scale(own).max(axis=1), bins=np.linspace(0, 1, 11), color=PALE, rwidth=0.9)
count.set(xlabel="probability of the predicted emotion", ylabel="utterances")
caption = "The speaker-disjoint model on its hold-out. Dotted: a perfect match. Below: utterances, as trained."
show_figure(figure, caption, f"Reliability diagram. ECE as trained {calibration.loc[SPLITS['disjoint'], 'ECE']:.3f}.")

# %% tags=["remove-cell"]
page.record_table(experiment, "calibration", calibration)
before, loss, temperature, after, loss_after = calibration.loc[SPLITS["disjoint"]]
page.glue(arm=page.format_arm(experiment.arm), origin=page.format_origin(experiment))
page.glue(before=before, after=after, temperature=temperature, loss=loss, loss_after=loss_after)

# %% [markdown]
# ## What it means
#
# On speakers that training lacks, the model trained on {glue:text}`arm` ({glue:text}`origin`) has an ECE of
# {glue:text}`before:.3f` and a log loss of {glue:text}`loss:.3f`. With temperatures of other speakers they are
# {glue:text}`after:.3f` and {glue:text}`loss_after:.3f`; over the whole hold-out the best temperature is
# {glue:text}`temperature:.2f`. Below 1, it says that the model was more often right than it said.

# %% tags=["remove-input"]
page.show_provenance(*runs.values())

# %% [markdown]
# **Next:** [an unseen corpus](ravdess_analysis.ipynb).
