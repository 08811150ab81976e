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
# # Does the second corpus help?
#
# *What does CREMA-D in the training set change, and can five folds show it?*
#
# Paper: section IV-A, Table II. The folds have [pages of their own](loso_fold_1.ipynb). This one compares two arms
# over all five: the primary corpus alone, and the same with the permanent corpus added to every training set.

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
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from sercore import page
from sercore.evaluation import bootstrap_scores
from sercore.experiment import FOLDS, Experiment
from sercore.page import ACCENT, INK, METRICS, PALE, show_figure, show_table
from sercore.training import train

page.set_style()
experiment = Experiment.from_profile(profile, **settings)
if not experiment.permanent:
    raise ValueError("permanent is ''; to compare two arms, name the corpus that is added to the training set.")
page.show_banner(experiment)

# %% [markdown]
# ## What the printed numbers can show
#
# A paired t test asks whether the gain is large beside its spread from fold to fold. The paper prints the mean and the
# spread of each arm and not of the gain, so the t value is not known. Its range is: the spread of the gain lies
# between the difference and the sum of the two printed spreads, whatever the folds were.


# %%
def range_t(gain, sd_one, sd_other, rounding=0.0):
    """Least and largest paired t of a printed gain and two printed spreads, each number off by up to `rounding`."""
    low, high = gain - 2 * rounding, gain + 2 * rounding
    least, most = np.maximum(abs(sd_one - sd_other) - 2 * rounding, 0), sd_one + sd_other + 2 * rounding
    low, high = np.where(low < 0, low / least, low / most), np.where(high < 0, high / most, high / least)
    return low * np.sqrt(len(FOLDS)), high * np.sqrt(len(FOLDS))


def compare_spreads(sd_one, sd_other):
    """F of two spreads, the larger variance over the smaller, and its two-sided p."""
    ratio = (np.maximum(sd_one, sd_other) / np.minimum(sd_one, sd_other)) ** 2
    return ratio, 2 * stats.f.sf(ratio, len(FOLDS) - 1, len(FOLDS) - 1)


paper = page.read_loso().rename(index=METRICS).rename_axis(None)
arms = paper.columns.get_level_values(0).unique()
gain = paper[arms[1], "value"] - paper[arms[0], "value"]
sds = paper[arms[0], "spread"], paper[arms[1], "spread"]
limits = pd.DataFrame({"gain (points)": 100 * gain})
limits["least t"], limits["largest t"] = range_t(gain, *sds)
limits["least t, rounded"], limits["largest t, rounded"] = range_t(gain, *sds, rounding=0.0005)
limits["F of the spreads"], limits["p (F)"] = compare_spreads(*sds)
critical = stats.t.isf(0.025, len(FOLDS) - 1)
show_table(limits, "What Table II allows; rounded: with every printed number off by half its last digit.", "{:.2f}")

# %% tags=["hide-input"]
figure, axis = plt.subplots()
axis.axvspan(-critical, critical, facecolor="#eeeeee", edgecolor=INK, linestyle="--", zorder=0)
axis.hlines(limits.index, limits["least t"], limits["largest t"], color=ACCENT, linewidth=3)
axis.plot(limits[["least t", "largest t"]], limits.index, "|", color=ACCENT, markersize=14, markeredgewidth=3)
axis.set(xlabel=f"t over five folds (grey: not significant, |t| < {critical:.3f})", ylim=(len(limits) - 0.5, -0.5))
alt = f"Ranges of t against the critical {critical:.3f}: {limits[['least t', 'largest t']].round(2).T.to_dict('list')}."
show_figure(figure, "What a paired t test can give at the printed means and spreads of Table II.", alt)

# %% tags=["remove-cell"]
beyond = limits.filter(like=" t").abs() > critical
ratio = sds[1]["WA"] / sds[0]["WA"]
page.glue(critical=critical, t_WA=limits.loc["WA", "largest t"], t_macro_f1=limits.loc["macro F1", "largest t"])
page.glue(F_WA=limits.loc["WA", "F of the spreads"], p_WA=limits.loc["WA", "p (F)"])
page.glue(beyond=", ".join(limits.index[beyond[["least t", "largest t"]].any(axis=1)]))
page.glue(beyond_rounded=", ".join(limits.index[beyond.any(axis=1)]))
page.glue(least_wilcoxon=stats.wilcoxon([*FOLDS]).pvalue, less_spread=1 - ratio, less_variance=1 - ratio**2)

# %% [markdown]
# The critical value is {glue:text}`critical:.3f`. At the printed values, t is at most {glue:text}`t_WA:.2f` for WA and
# {glue:text}`t_macro_f1:.2f` for macro F1: whatever the folds were, neither gain is significant at five percent. The
# scores that could be: {glue:text}`beyond`; at best, with every number off by its rounding:
# {glue:text}`beyond_rounded`. Wilcoxon's rank test cannot fall below p = {glue:text}`least_wilcoxon:.4f` with five
# folds, even if all gain.
#
# The paper speaks of a reduction of the variance by {glue:text}`less_spread:.0%`. That is the reduction of the
# standard deviation of WA; its variance falls by {glue:text}`less_variance:.0%`. Five folds cannot tell such a ratio
# from chance (F = {glue:text}`F_WA:.2f`, p = {glue:text}`p_WA:.2f`), and the spread of anger's F1 rises.

# %% [markdown]
# ## Table II, rebuilt
#
# A fold that is finished is read; one that is not is trained here. Mean ± standard deviation over the folds, the
# better value bold as in the paper, whose values come from another model and, but for the `paper` profile, other
# speech.

# %% tags=["hide-output"]
plan = [{"permanent": permanent, "fold": fold} for permanent in ("", experiment.permanent) for fold in FOLDS]
runs = [train(Experiment.from_profile(profile, **{**settings, **own})) for own in plan]


# %%
scores = pd.DataFrame([{"arm": run.experiment.arm, "fold": run.experiment.fold, **run.metrics["test"]} for run in runs])
f1 = [{f"f1_{name}": own["f1"] for name, own in test.items() if own["support"]} for test in scores["per_class"]]
scores = scores.join(pd.DataFrame(f1)).reindex(columns=["arm", "fold", *METRICS])  # no F1 of what a test set lacks
folds = scores.groupby("arm", sort=False)[[*METRICS]]


def show_arms(means, sds, caption):
    """Mean ± spread of two arms and the gain in points, the better arm in bold."""
    gain = 100 * (means.iloc[:, 1] - means.iloc[:, 0]).round(9)
    texts = (means.map("{:.3f}".format) + " ± " + sds.map("{:.3f}".format)).rename(columns=page.format_arm)
    texts = texts.assign(**{"gain (points)": gain.map("{:+.1f}".format)}).rename(index=METRICS)
    return show_table(
        texts.rename_axis(index=None, columns=None), caption, bold=np.c_[gain < 0, gain > 0, gain > np.inf]
    )


printed = [paper.xs(kind, axis=1, level=1)[arms] for kind in ("value", "spread")]
page.stack(
    show_arms(*printed, "Published: Table II of the paper."),
    show_arms(folds.mean().T, folds.std().T, f"These runs ({page.format_origin(experiment)})."),
)

# %% [markdown]
# Both arms train alike. Where the profile counts updates instead of epochs, they have the same number of them, so that the
# arm with both corpora sees each utterance less often, and not more.
#
# ## What these runs show, fold by fold

# %% tags=["hide-input"]
one, other = scores["arm"].unique()
titles = page.format_arm(one), page.format_arm(other)
wide = scores.pivot(index="arm", columns="fold")
figure, panels = plt.subplots(1, 3, figsize=(7, 4.6), sharey=True)
for axis, metric in zip(panels, ("WA", "UA", "macro_f1"), strict=True):
    look = {"ax": axis, "legend": False, "title": METRICS[metric], "xlabel": "", "ylabel": "test score"}
    wide[metric].plot(**look, style=["o-", "s-", "D-", "^-", "v-"], color=PALE, linewidth=1.4, markersize=8)
    wide[metric].mean(axis=1).plot(**look, color=ACCENT, linewidth=4)
    axis.set_xticks([0, 1], ["alone", "both"])
    axis.set_xlim(-0.3, 1.3)
figure.legend(panels[0].lines[:-1], FOLDS, title="fold", loc="outside lower center", ncols=len(FOLDS))
caption = f"{titles[0]} alone, and {titles[1]}. Each mark is a fold, the thick line their mean."
show_figure(figure, caption, f"Means of both arms: {folds.mean().round(3).to_dict('list')}.")

# %%
alone, both = (scores[scores["arm"] == arm].set_index("fold")[[*METRICS]] for arm in (one, other))
gain = (both - alone).round(12)
tested = gain.columns[gain.notna().all() & (gain.nunique() > 1)]  # in every fold, and not the same gain in each
alone, both, gain = alone[tested], both[tested], gain[tested]
t, ranks, levene = stats.ttest_rel(both, alone), stats.wilcoxon(gain), stats.levene(alone, both, center="median")
tests = pd.DataFrame({"gain (points)": 100 * gain.mean(), "spread of the gain": 100 * gain.std()})
tests["t"], tests["p (paired t)"], tests["p (Wilcoxon)"] = t.statistic, t.pvalue, ranks.pvalue
tests["spread, alone"], tests["spread, both"], tests["p (Levene)"] = alone.std(), both.std(), levene.pvalue
tests["F"], tests["p (F)"] = compare_spreads(alone.std(), both.std())
form = {"gain (points)": "{:+.1f}", "spread of the gain": "{:.1f}"}
show_table(tests.rename(index=METRICS), "Over the folds: tests of the gain, and of the spreads of the arms.", form)

# %% [markdown]
# ## What these runs show, utterance by utterance
#
# All test utterances of the folds together, the two arms paired, and whole speakers drawn again and again. The
# interval says how far the gain could be off with other speakers of the same kind, and nothing about another seed in
# training.

# %%
predictions = {arm: pd.concat([run.predictions for run in runs if run.experiment.arm == arm]) for arm in (one, other)}
pooled = bootstrap_scores(predictions[one], predictions[other]).filter(METRICS, axis="index").rename_axis("score")
caption = "Pooled over the folds: value and 95 % interval, speakers drawn again."
shown = [page.show_gains(pooled, [*titles, "gain (points)"], caption)]
if profile != "open":
    recorded, arms = page.read_open("ablation").set_index("score"), ["RAVDESS", "RAVDESS + CREMA-D", "gain (points)"]
    shown.append(page.show_gains(recorded, arms, "The same on open corpora (results/open)."))
page.stack(*shown)

# %% tags=["hide-input"]
points = 100 * pooled.rename(index=METRICS)[["gain", "gain_low", "gain_high"]]
figure, axis = plt.subplots()
reach = abs(points[["gain_low", "gain_high"]].T - points["gain"])
axis.errorbar(points["gain"], points.index, xerr=reach, fmt="o", color=ACCENT, markersize=9, linewidth=3)
axis.axvline(0, color=INK, linewidth=1)
axis.set(xlabel="gain (percentage points)", ylim=(len(points) - 0.5, -0.5))
alt = f"Gain, low and high end in points: {points.round(1).T.to_dict('list')}."
show_figure(figure, "Gain of each score over all test utterances, with 95 % intervals.", alt)

# %%
right = pd.DataFrame({arm: own.set_index("utterance").eval("y_true == y_pred") for arm, own in predictions.items()})
counts = pd.crosstab(right[one], right[other]).reindex(index=[False, True], columns=[False, True], fill_value=0)
table = pd.DataFrame({f"only {titles[0]} right": [counts.iloc[1, 0]], f"only {titles[1]} right": [counts.iloc[0, 1]]})
table["p (McNemar, exact)"] = mcnemar(counts, exact=True).pvalue
caption = "Utterances that one arm alone gets right. The test takes them as independent, the intervals above do not."
show_table(table, caption, index=False)

# %% tags=["remove-cell"]
scores[["epochs", "best_epoch"]] = [[run.metrics["epochs"], run.metrics["best_epoch"]] for run in runs]
scores["seconds_per_epoch"] = [round(run.history["seconds"].mean(), 1) for run in runs]
for name, table in {"loso": scores.set_index("arm"), "ablation": pooled}.items():
    page.record_table(experiment, name, table)
page.glue(arms=titles[1], origin=page.format_origin(experiment), folds=len(FOLDS))
page.glue(**{f"{part}_{name}": points.loc[METRICS[name], part] for name in ("WA", "UA", "macro_f1") for part in points})

# %% [markdown]
# ## What it means
#
# {glue:text}`arms`, {glue:text}`origin`, {glue:text}`folds:d` folds in both arms: the permanent corpus moves WA by
# {glue:text}`gain_WA:+.1f` points (95 % interval {glue:text}`gain_low_WA:+.1f` to {glue:text}`gain_high_WA:+.1f`), UA
# by {glue:text}`gain_UA:+.1f` ({glue:text}`gain_low_UA:+.1f` to {glue:text}`gain_high_UA:+.1f`) and macro F1 by
# {glue:text}`gain_macro_f1:+.1f` ({glue:text}`gain_low_macro_f1:+.1f` to {glue:text}`gain_high_macro_f1:+.1f`). An
# interval that holds zero leaves the direction open.
#
# The paper concludes that CREMA-D regularizes: a higher WA, a higher macro F1, less spread. The direction may be
# right. Its printed numbers do not carry it: five folds are too few for such gains, and UA, its leading score, fell.

# %% tags=["remove-input"]
page.show_provenance(*runs)

# %% [markdown]
# **Next:** [the production model](production_model.ipynb), trained on nearly everything.
