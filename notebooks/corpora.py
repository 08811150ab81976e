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
# # The corpora
#
# *What does the model hear, and how is it spread over emotions, speakers and seconds?*
#
# Paper: sections III-A and III-B, Table I. [The introduction to this part](../book/part_data.md) tells how each corpus
# is read, and what happens to a file before the model hears it. This page looks at the data at hand.

# %% tags=["setup", "remove-cell"]
# Kaggle and Colab: makes sercore importable, from an attached dataset or Drive, else from the repository.
# The installed torch and numpy stay as they are. Anywhere else this cell does nothing.
def set_up(repository, mounts):
    import glob, os, subprocess, sys, tomllib
    from importlib.metadata import version

    if {"KAGGLE_KERNEL_RUN_TYPE", "COLAB_RELEASE_TAG"}.isdisjoint(os.environ):
        return
    levels = [mount + "/*" * level for mount, depth in mounts.items() for level in range(depth + 1)]
    places = [f"{level}/sercore/__init__.py" for level in levels]
    if not any(map(glob.glob, places)) and repository:
        subprocess.run(["git", "clone", "--quiet", "--depth", "1", repository, "sercore-repository"])
    found = [os.path.abspath(hit) for place in places for hit in sorted(glob.glob(place))]
    if not found:
        raise ModuleNotFoundError("sercore not found; attach the repository as a dataset, or put it on Drive.")
    sys.path.insert(0, found[0].removesuffix("/sercore/__init__.py"))
    with open(f"{sys.path[0]}/pyproject.toml", "rb") as file:
        wanted = tomllib.load(file)["project"]["dependencies"]
    wanted += [f"{name}=={version(name)}" for name in ("torch", "numpy")]
    if subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--retries", "1", *wanted]).returncode:
        print("Some packages could not be installed (see above); switch the internet on and run this cell again.")


set_up(repository="", mounts={"/kaggle/input": 4, "/content/drive/MyDrive": 2, ".": 1})

# %% tags=["parameters"]
profile = "demo"

# %%
import numpy as np

from sercore import book
from sercore.config import FOLDS, Experiment
from sercore.data import class_weights, load_corpus, loso_split, suspicious, with_audio
from sercore.evaluation import tables

experiment = Experiment.from_parameters(globals())
book.banner(experiment)

# %%
heard = {
    name: with_audio(load_corpus(name, experiment.root(name), experiment.calm))
    for name in dict.fromkeys([*experiment.corpora, "ravdess"])
}
corpora = {name: table for name, (table, audio) in heard.items()}

# %% [markdown]
# ## How many of each emotion
#
# The paper counts two of the three corpora in its Table I. Where the data at hand are the real corpora, the columns
# should agree.

# %%
book.table(tables.class_counts(corpora, experiment), "Utterances by corpus and emotion, beside Table I of the paper.")

# %% [markdown]
# ## What is left out
#
# Nothing is skipped in silence. Most reasons are other emotions than the four.

# %%
book.table(tables.left_out(corpora), "Utterances left out, by reason.", index=False)

# %% [markdown]
# Some utterances can be read but not believed: silence, and one recording under two labels. They stay in, because the
# paper's counts include them; `drop_suspicious` leaves them out.

# %%
doubtful = {tables.TITLES[name]: suspicious(table) for name, table in corpora.items()}
book.table(tables.stacked(doubtful), "Utterances to doubt.", index=False)

# %% [markdown]
# ## Who speaks
#
# A session's speakers are in no other session, so a session that is held out holds out its speakers.

# %%
speaking = {tables.TITLES[name]: tables.sessions(table) for name, table in corpora.items()}
book.table(tables.stacked(speaking), "Speakers, minutes and utterances by session.", index=False)

# %% [markdown]
# ## What the emotions sound like
#
# One utterance per emotion, from one speaker of each corpus. The spectrograms show what the model gets: trimmed, with
# high frequencies raised, at one peak level. The players have the recordings.

# %%
book.together(book.examples(table, audio) for table, audio in heard.values())

# %% [markdown]
# ## How long they are
#
# What is longer than the dashed line is cut. Shorter utterances are padded, to that line or to the longest of their
# batch.

# %%
book.together(book.durations(table, experiment.max_seconds) for table in corpora.values())

# %% [markdown]
# ## What each emotion weighs
#
# The loss weighs each emotion by how rare it is in the training set. The weights are means over the five folds, as in
# the last row of Table I.

# %%
permanent = [corpora[name] for name in experiment.corpora[1:]]
splits = [loso_split(corpora[experiment.primary], fold, *permanent) for fold in FOLDS]
weights = np.mean([class_weights(split.train) for split in splits], axis=0)
book.table(tables.class_weights(weights, experiment), "Class weights, mean over the folds.")

# %% tags=["remove-cell"]
book.glue(**tables.corpus_findings(corpora, experiment))

# %% [markdown]
# ## What it means
#
# {glue:text}`utterances` utterances of {glue:text}`speakers` speakers are at hand, {glue:text}`hours` hours in all.
# {glue:text}`cut` of them are longer than the model hears at once, and {glue:text}`cut_after_trimming` still are after
# trimming. In {glue:text}`primary`, the corpus that is tested on, the fewest are of {glue:text}`rarest` and the most of
# {glue:text}`commonest`: a model that always answers {glue:text}`commonest` is right
# {glue:text}`always_commonest` of the time. That is why every page gives UA beside WA.
#
# **Next:** [how the models are trained](../book/part_training.md).
