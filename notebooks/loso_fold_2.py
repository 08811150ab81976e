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
# # Fold 2: one session held out
#
# *How well are emotions recognized in speakers who are new to the model?*
#
# Paper: sections III-A and IV, Table II. There are five such pages, one for each session that is held out.
# [The introduction to this part](../book/part_training.md) explains the protocol, the model and the loss.

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
fold = 2
settings = {}  # of the experiment, beside the profile's, such as {"epochs": 2}

# %%
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator
from sklearn.metrics import classification_report

from sercore import page
from sercore.data import load_split
from sercore.evaluation import score
from sercore.experiment import Experiment
from sercore.labels import COLORS, EMOTIONS
from sercore.page import ACCENT, INK, METRICS, PALE, format_arm, format_origin, glue, read_loso, read_open
from sercore.page import set_style, show_banner, show_figure, show_players, show_provenance, show_table
from sercore.training import train

set_style()
experiment = Experiment.from_profile(profile, **{"fold": fold, **settings})
show_banner(experiment)

# %% [markdown]
# ## Who is held out
#
# One session tests, the next one validates, the other three train. The permanent corpus, where there is one, is in the
# training part only.


# %%
def name_few(values):
    """The values in order, or their number where there are more than six."""
    names = sorted(map(str, values.unique()))
    return ", ".join(names) if len(names) <= 6 else f"{len(names)} in all"


split, audio = load_split(experiment)
utterances = pd.concat(split.parts, names=["part"]).reset_index("part")
utterances["corpus"] = utterances["corpus"].map(format_arm)
who = utterances.groupby(["part", "corpus"], sort=False).agg(
    sessions=("session", name_few),
    speakers=("speaker", name_few),
    utterances=("utterance", "size"),
    minutes=("duration", lambda seconds: seconds.sum() / 60),
)
show_table(who, "Who trains, validates and is held out.", {"minutes": "{:.1f}"})

# %% [markdown]
# No speaker may be in two parts.

# %%
parts = utterances.groupby(["corpus", "speaker"])["part"].nunique()
show_table(parts.value_counts().rename_axis("parts").to_frame("speakers"), "In how many parts a speaker is.")

# %%
balance = pd.crosstab([utterances["part"], utterances["corpus"]], utterances["emotion"])
balance = balance.reindex(index=who.index, columns=EMOTIONS, fill_value=0)
show_table(balance, "Utterances of each emotion in each part.")

# %% tags=["hide-input"]
figure, panels = plt.subplots(1, 3, figsize=(7, 3.4), sharex=True, sharey=True)
colors = COLORS.values()  # the permanent corpus is hatched
looks = {"color": colors}, {"facecolor": "white", "edgecolor": colors, "hatch": "////"}
for axis, (part, own) in zip(panels, balance.groupby("part", sort=False), strict=True):
    for counts, left, look in zip(own.to_numpy(), (own.cumsum() - own).to_numpy(), looks, strict=False):
        bars = axis.barh(EMOTIONS, counts, left=left, **look)
    axis.bar_label(bars, own.sum().map("{:,}".format), padding=4, fontsize=12)
    axis.set(title=part, xlim=(0, 1.45 * balance.groupby("part").sum().to_numpy().max()))
    axis.xaxis.set_major_locator(MaxNLocator(2, integer=True))
axis.invert_yaxis()
figure.supxlabel("utterances", fontsize=14)
looks = {"color": PALE}, {"facecolor": "white", "edgecolor": PALE, "hatch": "////"}
handles = [Patch(label=format_arm(name), **look) for name, look in zip(experiment.corpora, looks, strict=False)]
figure.legend(handles=handles, loc="outside upper right", ncols=2)
alt = balance.groupby("part", sort=False).sum().to_csv(lineterminator="; ")
show_figure(figure, "Utterances of each emotion in each part.", f"Bars of utterances. {alt}")

# %% [markdown]
# ## Training
#
# [The introduction](../book/part_training.md) explains these settings.

# %%
HOW = ["backbone", "adapter_rank", "interpolation", "head", "augmentation", "length", "steps", "epochs"]
how = pd.Series({name: str(getattr(experiment, name)) for name in HOW}, name="value")
show_table(how.to_frame(), "What is trained, and how. Where steps are not 0, they count instead of epochs.")

# %% [markdown]
# One line per epoch. A run that was interrupted goes on from its last epoch, and one that is finished is read. The model
# of the epoch with the best validation UA is kept.

# %% tags=["hide-output"]
run = train(experiment)
page.check_utterances(run, split.test)

# %%
kept = run.history.loc[run.history["UA"].idxmax()]
show_table(kept.to_frame().T, "The epoch that is kept.", {"epoch": "{:.0f}", "learning_rate": "{:.1e}"}, index=False)

# %% tags=["hide-input"]
figure, (loss, recall) = plt.subplots(2, figsize=(7, 5.4), sharex=True)
run.history.plot("epoch", "train_loss", ax=loss, color=INK, style="o-", markersize=4, label="train")
run.history.plot("epoch", "validation_loss", ax=loss, color=PALE, style="s--", markersize=4, label="validation")
run.history.plot("epoch", "UA", ax=recall, color=INK, style="o-", markersize=4)
run.history.plot("epoch", "WA", ax=recall, color=PALE, style="s--", markersize=4)
for axis in (loss, recall):
    axis.axvline(kept["epoch"], color=INK, linewidth=1, linestyle=":")
loss.set(ylabel="focal loss")
recall.set(ylabel="validation score", xlabel=f"epoch (dotted: epoch {kept['epoch']:.0f}, kept)")
recall.xaxis.set_major_locator(MaxNLocator(8, integer=True))
alt = run.history.to_csv(columns=["epoch", "UA"], index=False, lineterminator="; ", float_format="%.3f")
several = figure if len(run.history) > 1 else None
show_figure(several, "Losses and validation scores by epoch.", f"Curves over the epochs. Validation: {alt}")

# %% [markdown]
# ## How well it does on the session held out
#
# WA is the share of utterances that are recognized. UA is the mean recall of the emotions: the macro average below.

# %%
y_true, y_pred = run.predictions["y_true"], run.predictions["y_pred"]
print(classification_report(y_true, y_pred, labels=EMOTIONS, digits=3, zero_division=0))

# %% [markdown]
# One fold is one draw of a few speakers. Means over five folds stand beside it, in columns of their own.

# %%
scores = score(y_true, y_pred)
per_class = pd.DataFrame(scores["per_class"]).T
f1 = per_class["f1"].where(per_class["support"] > 0)
here = pd.concat([pd.Series(scores)[["WA", "UA", "macro_f1"]], f1.add_prefix("f1_")]).astype(float)
paper = read_loso()["iemocap+cremad" if experiment.permanent else "iemocap"]
columns = {format_origin(experiment): here.to_frame(f"fold {fold}"), "paper, IEMOCAP": paper}
recorded = read_open("loso").reindex(columns=["arm", *METRICS]).query("arm == @experiment.arm")[[*METRICS]]
if len(recorded):
    columns["open, five folds"] = recorded.agg(["mean", "std"]).T
beside = pd.concat(columns, axis=1).rename(index=METRICS, columns={"value": "mean", "spread": "±", "std": "±"})
show_table(beside, f"Test scores: {format_arm(experiment.arm)}, fold {fold}, beside means over five folds.", "{:.3f}")

# %%
confusion = pd.DataFrame(scores["confusion"], index=EMOTIONS, columns=EMOTIONS)
shares = confusion.div(confusion.sum(axis=1), axis=0).fillna(0)

# %% tags=["hide-input"]
labels = shares.map("{:.0%}\n".format) + confusion.map("{:,}".format)
figure, axis = plt.subplots(figsize=(7, 5.6))
look = {"cmap": "Greys", "vmin": 0, "vmax": 1, "linewidths": 1, "linecolor": "#dddddd", "square": True, "cbar": False}
sns.heatmap(shares, annot=labels, fmt="", ax=axis, **look)
for text, share in zip(axis.texts, shares.to_numpy().flat, strict=True):
    text.set_color("white" if share > 0.58 else INK)
axis.tick_params(length=0, rotation=0)
axis.set(xlabel="y_pred", ylabel="y_true")
caption = "Confusion matrix: share of each true emotion, and number of utterances."
alt = shares.to_csv(lineterminator="; ", float_format="%.2f")
show_figure(figure, caption, f"Confusion matrix, a row per true emotion: {alt}")

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 3.4))
marks = {"precision": (">", "white"), "recall": ("o", "white"), "f1": ("D", ACCENT)}
axis.hlines(EMOTIONS, per_class[[*marks]].min(axis=1), per_class[[*marks]].max(axis=1), color=PALE, zorder=1)
for name, (mark, fill) in marks.items():
    look = {"marker": mark, "facecolor": fill, "edgecolor": ACCENT, "linewidth": 1.8, "s": 90}
    axis.scatter(per_class[name], EMOTIONS, label=name.replace("f1", "F1"), **look)
axis.set(xlim=(-0.02, 1.02), ylim=(len(EMOTIONS) - 0.6, -0.4), xlabel="score", axisbelow=True)
axis.grid(axis="x", color="#dddddd", linewidth=0.8)
figure.legend(loc="outside upper center", ncols=3)
alt = per_class[[*marks]].to_csv(lineterminator="; ", float_format="%.3f")
show_figure(figure, "Precision, recall and F1 of each emotion.", f"Marks on one line per emotion: {alt}")

# %% [markdown]
# ## What it is most wrong about
#
# A confident error is worth hearing: is it the model, or the label?

# %%
wrong = run.predictions.query("y_true != y_pred")
caption = f"The most confident of {len(wrong)} errors among {len(y_true)} test utterances."
wrong = wrong.assign(confidence=wrong[[*EMOTIONS]].max(axis=1)).nlargest(6, "confidence")
wrong = wrong.merge(split.test[["utterance", "path"]], on="utterance")
wrong["confidence"] = wrong["confidence"].map("{:.0%}".format)
show_players(wrong, ["y_true", "y_pred", "listen", "confidence", "utterance", "speaker"], caption)

# %% tags=["remove-cell"]
errors = confusion.where(~np.eye(len(EMOTIONS), dtype=bool)).stack()
taken, taken_for = errors.idxmax()
glue(
    fold=fold, primary=format_arm(experiment.primary), arm=format_arm(experiment.arm), origin=format_origin(experiment)
)
glue(kept_UA=kept["UA"], validation_UA=run.metrics["validation"]["UA"])
glue(UA=scores["UA"], WA=scores["WA"], chance=1 / len(EMOTIONS), errors=int(errors.sum()), utterances=len(y_true))
glue(commonest=y_true.mode()[0], always_commonest=y_true.value_counts(normalize=True).max())
glue(best=f1.idxmax(), worst=f1.idxmin(), taken=taken, taken_for=taken_for, share=shares.loc[taken, taken_for])

# %% [markdown]
# ## What it means
#
# On session {glue:text}`fold` of {glue:text}`primary` ({glue:text}`origin`), the model trained on {glue:text}`arm`
# reaches a UA of {glue:text}`UA:.3f` and a WA of {glue:text}`WA:.3f`. Guessing gives a UA of {glue:text}`chance:.3f`,
# and always predicting {glue:text}`commonest` a WA of {glue:text}`always_commonest:.3f`. F1 is highest for
# {glue:text}`best` and lowest for {glue:text}`worst`. Of {glue:text}`errors` errors among {glue:text}`utterances`
# utterances, the most frequent is to take {glue:text}`taken` for {glue:text}`taken_for`, with
# {glue:text}`share:.0%` of that emotion.
#
# The test session was scored once. The validation session chose the epoch, and the strength of the regression where that
# is the head. On it, UA was {glue:text}`kept_UA:.3f` at the epoch that is kept, and is {glue:text}`validation_UA:.3f` with
# the model that was tested: where an adapter is scaled or the head refitted, that comes in between.

# %% tags=["remove-input"]
show_provenance(run)

# %% [markdown]
# **Next:** the folds [1](loso_fold_1.ipynb), [2](loso_fold_2.ipynb), [3](loso_fold_3.ipynb), [4](loso_fold_4.ipynb)
# and [5](loso_fold_5.ipynb). Their means are on [the front page](../book/index.md).
