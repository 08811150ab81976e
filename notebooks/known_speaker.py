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
# # A known speaker
#
# *What is it worth to know who speaks: in use alone, in training too, or from a few calm sentences?*
#
# Paper: section VI, whose voice notes come from one phone, and so mostly from one person. The model is the
# [speaker-disjoint one](production_model.ipynb), whose held-out speakers are "at home"; another corpus is "abroad".

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
import numpy as np
import pandas as pd
from scipy.special import softmax

from sercore import page
from sercore.data import load_split, load_target
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments, score, tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.page import show_table
from sercore.runtime.speaker import CALM, PRIOR, center_logits, describe_speakers
from sercore.training import embed, train
from sercore.training.regression_head import choose_head

page.set_style()
experiment = Experiment.from_profile(profile, **{**settings, "split": "disjoint"})
page.show_banner(experiment)

# %% tags=["hide-output"]
run = train(experiment)
(target, audio), (split, other) = load_target(experiment), load_split(experiment)
here = page.is_here(run.path, other)  # else what is recorded is shown
places = {"held-out speakers": split.test, page.format_arm(experiment.target): target}

# %% [markdown]
# ## In use, and in training too
#
# A head that learned from embeddings as they are can get those of a known speaker at the training speakers' mean and
# deviation, or at their mean alone. Standardized per speaker in training as well, embeddings lose what distinguishes
# voices in both, and the head, fitted anew, has less to be wrong about. The regularization of every head is chosen on
# validation speakers.


# %%
def code(part):
    """Labels as numbers."""
    return part["emotion"].map(EMOTIONS.index).to_numpy()


def normalize(embeddings, part, source=(0.0, 1.0)):
    """Each speaker's embeddings (utterances, dimensions) at this mean and deviation, here 0 and 1."""
    return align_moments(embeddings, source, part["speaker"])


def center(values, part):
    """Each speaker's embeddings or logits with mean 0."""
    return values - pd.DataFrame(values).groupby(part["speaker"].to_numpy()).transform("mean").to_numpy()


def embed_all():
    """By part of the split, and by place: its table, and its embeddings by the model."""
    tables = split.parts | places
    return {name: (part, embed(run, part, audio if part is target else other)) for name, part in tables.items()}


def fit_again(parts, change):
    """A head on changed embeddings of training speakers."""
    return choose_head(*((change(own, part), code(part)) for part, own in (parts["train"], parts["validation"])))


def measure_known():
    """UA, and its gain on embeddings as they are, where the speaker is known in use, and in training too."""
    parts = embed_all()
    plain, both = fit_again(parts, lambda own, part: own), fit_again(parts, normalize)
    source, rows = fit_moments(parts["train"][1]), {}
    for place in places:
        part, own = parts[place]
        used = {"as it is": (plain, own), "in use": (plain, normalize(own, part, source))}
        used["in use, mean alone"] = plain, center(own, part) + source[0]
        used["in training and in use"] = both, normalize(own, part)
        tables = {way: tabulate_predictions(part, head.predict_proba(x)) for way, (head, x) in used.items()}
        for way, table in tables.items():
            found = bootstrap_scores(tables["as it is"], table).loc["UA"].filter(regex="other|gain")
            rows[place, way] = found.rename(lambda column: column.replace("other", "UA"))
    return pd.DataFrame(rows).T.rename_axis(["tested on", "normalized per speaker"]).reset_index()


known = page.measure_table(experiment, "known_speaker", measure_known if here else None)
show_table(known, "UA and its gain, with 95 % intervals, and where the speaker is known.", index=False)

# %% [markdown]
# ## From a few calm sentences
#
# Who is asked for a few calm sentences gives their voice away without any other emotion. The mean logits of calm speech
# are not those of all speech, but the training speakers' difference between the two can stand in for the speaker's own.
# As everywhere here, {glue:text}`prior:d` utterances of the training speakers' mean count as come before.


# %%
def score_enrolled(logits, part, speakers, count, rng):
    """UA over what is left of each speaker, adjusted by so many calm utterances."""
    home, calm, left = *map(np.array, speakers.values()), []
    for _, rows in part.reset_index(drop=True).groupby("speaker"):
        taken = rng.permutation(rows.index[rows["emotion"] == CALM])[:count]
        mean = (PRIOR * home + (logits[taken] - calm + home).sum(axis=0)) / (PRIOR + count)
        rest = rows.index.difference(taken)
        left.append(tabulate_predictions(part.iloc[rest], softmax(logits[rest] - mean + home, axis=1)))
    left = pd.concat(left)
    return score(left["y_true"], left["y_pred"])["UA"]


def enroll():
    """UA by the number of calm utterances, the mean over draws of them."""
    parts, rng, rows = embed_all(), np.random.default_rng(0), []
    head = fit_again(parts, lambda own, part: own)
    table, own = parts["train"]
    speakers = describe_speakers(head.predict_proba(own), table["emotion"].to_numpy())
    for place in places:
        part, own = parts[place]
        logits = center_logits(head.predict_proba(own))
        for count in (0, 1, 2, 4, 8):
            drawn = [score_enrolled(logits, part, speakers, count, rng) for _ in range(20)]
            rows.append({"tested on": place, "calm utterances": count, "UA": np.mean(drawn)})
    return pd.DataFrame(rows)


enrolled = page.measure_table(experiment, "enrolled", enroll if here else None)
wide = enrolled.pivot(index="tested on", columns="calm utterances", values="UA").loc[[*places]]
show_table(wide.rename_axis(None), "UA by the number of calm utterances that a speaker is enrolled with.")

# %% tags=["remove-cell"]
page.glue(origin=page.format_origin(experiment), prior=PRIOR, speakers=split.test["speaker"].nunique())
page.glue(target=page.format_arm(experiment.target), most=wide.columns[-1])
for where, place in zip(["home", "abroad"], places, strict=True):
    values = known[known["tested on"] == place]["UA"]
    page.glue(**{f"{where}_{way}": value for way, value in zip(["plain", "used", "mean", "both"], values, strict=True)})
    page.glue(**{f"{where}_calm": wide.loc[place].iloc[-1]})

# %% [markdown]
# ## What it means
#
# On {glue:text}`speakers:d` held-out speakers at home ({glue:text}`origin`), UA is {glue:text}`home_plain:.3f` as it is,
# {glue:text}`home_used:.3f` where the use alone knows the speaker, and {glue:text}`home_both:.3f` where training does
# too. On {glue:text}`target`, in the same order: {glue:text}`abroad_plain:.3f`, {glue:text}`abroad_used:.3f`,
# {glue:text}`abroad_both:.3f`. The mean alone, which is four numbers of logits, has {glue:text}`home_mean:.3f` and
# {glue:text}`abroad_mean:.3f`: almost all of it, so this is what `SpeakerClassifier` keeps of a speaker. With
# {glue:text}`most:d` calm utterances alone it is {glue:text}`home_calm:.3f` and {glue:text}`abroad_calm:.3f`.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [domain adaptation](domain_adaptation.ipynb).
