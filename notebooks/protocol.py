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
# # Who is held out
#
# *Who trains, who validates and who is tested, so that no voice is known in advance?*
#
# Paper: section III-A, Table I. [The introduction to this part](../book/part_training.md) states the rule. This page draws
# it for the corpora of the profile, and checks it.

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
from matplotlib.patches import Patch

from sercore.data import class_weights, load_utterances, loso_split, shared_speakers
from sercore.experiment import FOLDS, Experiment
from sercore.labels import EMOTIONS
from sercore.page import ACCENT, INK, PALE, format_arm, glue, read_paper
from sercore.page import set_style, show_banner, show_figure, show_table

set_style()
experiment = Experiment.from_profile(profile, **settings)
show_banner(experiment)

# %% [markdown]
# ## Five folds
#
# A session holds its speakers and nobody else's. Fold $k$ tests on session $k$, validates on the next one, and trains on the
# other three. The permanent corpus trains in every fold, and in no other role.

# %%
tables = [load_utterances(name, experiment)[0] for name in experiment.corpora]
primary, permanent = tables[0], tables[1:]
splits = {fold: loso_split(primary, fold, *permanent) for fold in FOLDS}

# %% tags=["hide-input"]
ROLES = {"train": (PALE, ""), "validation": ("white", "////"), "test": (ACCENT, "")}
sizes = primary.groupby("session").size()
starts = sizes.cumsum() - sizes
extra = sum(map(len, permanent))
figure, axis = plt.subplots(figsize=(7, 3.6))
for row, split in enumerate(splits.values()):
    for role, part in split.parts.items():
        color, hatch = ROLES[role]
        look = {"facecolor": color, "edgecolor": INK, "hatch": hatch}
        for session in part.loc[part["corpus"] == experiment.primary, "session"].unique():
            axis.barh(row, sizes[session], left=starts[session], **look)
            ink = "white" if role == "test" else INK
            axis.text(starts[session] + sizes[session] / 2, row, session, ha="center", va="center", color=ink)
gap = 0.08 * len(primary)
if extra:  # as wide as the primary corpus: its own size would leave no room for the folds
    axis.barh(range(len(FOLDS)), len(primary) / 3, left=len(primary) + gap, facecolor=PALE, edgecolor=INK)
    place = len(primary) + gap + len(primary) / 6
    for row in range(len(FOLDS)):
        axis.text(place, row, f"all {extra:,}", ha="center", va="center")
axis.set(yticks=range(len(FOLDS)), yticklabels=[f"fold {fold}" for fold in FOLDS], xticks=[len(primary) / 2])
axis.set_xticks([len(primary) / 2, *([len(primary) * 7 / 6 + gap] if extra else [])])
axis.set_xticklabels([f"sessions of {format_arm(experiment.primary)}", *map(format_arm, experiment.corpora[1:])])
axis.invert_yaxis()
axis.tick_params(length=0)
axis.spines[:].set_visible(False)
handles = [Patch(facecolor=color, hatch=hatch, edgecolor=INK, label=role) for role, (color, hatch) in ROLES.items()]
figure.legend(handles=handles, loc="outside upper center", ncols=3)
alt = "; ".join(f"fold {fold}: tests session {fold}, validates {fold % len(FOLDS) + 1}" for fold in FOLDS)
show_figure(figure, "Who trains, validates and is tested. A block is a session, as wide as it has utterances.", alt)

# %%
counts = pd.DataFrame(
    {(fold, role): len(part) for fold, split in splits.items() for role, part in split.parts.items()}, [0]
)
counts = counts.T[0].unstack()[["train", "validation", "test"]]
who = {fold: {role: part["speaker"].nunique() for role, part in split.parts.items()} for fold, split in splits.items()}
table = pd.concat({"utterances": counts, "speakers": pd.DataFrame(who).T}, axis=1).rename_axis("fold")
show_table(table, "Utterances and speakers of each part, by fold.", "{:,}")

# %% [markdown]
# ## No voice is in two parts
#
# A split that puts a speaker, a file or an identical recording on both sides is refused when it is made. Asked again, from
# the tables:

# %%
leaks = {fold: len(shared_speakers(split)) for fold, split in splits.items()}
tested = pd.concat(split.test for split in splits.values())
assert not any(leaks.values()) and tested["utterance"].is_unique and len(tested) == len(primary)
balance = pd.crosstab(primary["session"], primary["sex"]).join(
    pd.crosstab(primary["session"], primary["emotion"])[[*EMOTIONS]]
)
show_table(balance, f"Sessions of {format_arm(experiment.primary)}: utterances by sex and emotion.")

# %% [markdown]
# ## What it fixes
#
# The paper does not print which session validates. It prints class weights, means over its five folds, and these depend on
# who trains. With the next session validating they come out to the last printed digit; the tests check that on the counts of
# IEMOCAP. Here are the paper's, and those of this profile.

# %%
weights = pd.DataFrame([class_weights(split.train) for split in splits.values()], FOLDS, EMOTIONS)
printed = read_paper().query("metric == 'class_weight'").set_index("emotion")["value"]
beside = {"paper: IEMOCAP + CREMA-D": printed, format_arm(experiment.arm): weights.mean()}
show_table(pd.DataFrame(beside).rename_axis(None), "Class weights, means over five folds.", "{:.3f}")

# %% tags=["remove-cell"]
glue(arm=format_arm(experiment.arm), primary=format_arm(experiment.primary), speakers=primary["speaker"].nunique())
glue(tested=len(tested), leaks=sum(leaks.values()), least=int(counts["test"].min()), most=int(counts["test"].max()))
glue(trained=counts["train"].mean(), spread=float(np.ptp(weights.to_numpy(), axis=0).max()))

# %% [markdown]
# ## What it means
#
# Each of the {glue:text}`tested:,d` utterances of {glue:text}`primary` is tested once, by a model that has not met its
# speaker ({glue:text}`leaks:d` of {glue:text}`speakers:d` speakers are shared). A fold tests on {glue:text}`least:d` to
# {glue:text}`most:d` utterances and trains on {glue:text}`trained:,.0f` on average: five numbers from few speakers each,
# which is why the book draws speakers again for its intervals and does not trust a mean of five.
#
# **Next:** [what each utterance counts in training](loss.ipynb).
