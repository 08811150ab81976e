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
# # Fold 4: one session held out
#
# *How well are the emotions of speakers recognized whom the model has never heard?*
#
# Paper: sections III-A and IV, Table II. There are five such pages, one for each session that is held out.
# [The introduction to this part](../book/part_training.md) tells of the protocol, the model and the loss.

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
fold = 4

# %%
from sercore import book
from sercore.config import Experiment
from sercore.data import load_split
from sercore.evaluation import plots, tables
from sercore.training import fit

experiment = Experiment.from_parameters(globals())
book.banner(experiment)

# %% [markdown]
# ## Who is held out
#
# No speaker of the test part is in the other two. The permanent corpus, where there is one, is in the training part
# only.

# %%
split, audio = load_split(experiment)

# %%
book.table(tables.parts(split), "Who trains, validates and is held out.", index=False)

# %%
book.figure(plots.class_balance(split), "Utterances of each emotion in each part.")

# %% [markdown]
# ## Training
#
# One line per epoch. A run that was interrupted goes on from its last epoch, and one that is finished is read.

# %% tags=["hide-output"]
run = fit(experiment)

# %%
curves = plots.learning_curves(run.history, run.metrics["best_epoch"])
book.figure(curves, "The epoch with the best validation UA is kept.")

# %% [markdown]
# ## How well it does on the session held out
#
# One fold is one draw of two or a few speakers. The means over five folds stand beside it, in columns of their own.

# %%
book.table(tables.scores(run), "Test scores of this fold.")

# %%
book.figure(plots.confusion(run.metrics["test"]), "Share of each true emotion, and number of utterances.")

# %%
book.figure(plots.per_class_scores(run.metrics["test"]), "Precision, recall and F1 of each emotion.")

# %% [markdown]
# ## What it is most wrong about
#
# A confident error is worth hearing: is it the model, or the label?

# %%
book.most_wrong(run, split)

# %% tags=["remove-cell"]
book.glue(**tables.fold_findings(run))

# %% [markdown]
# ## What it means
#
# On session {glue:text}`fold` of {glue:text}`primary`, the model trained on {glue:text}`arm` reaches a UA of
# {glue:text}`UA` and a WA of {glue:text}`WA`. Guessing gives a UA of {glue:text}`chance`, and always answering
# {glue:text}`commonest` a WA of {glue:text}`always_commonest`. By F1, the model knows {glue:text}`best` best and
# {glue:text}`worst` worst. Its most frequent error: {glue:text}`error`.
#
# The test session was scored once, with the epoch that the validation session chose.

# %% tags=["remove-input"]
book.provenance(run)

# %% [markdown]
# **Next:** the folds [1](loso_fold_1.ipynb), [2](loso_fold_2.ipynb), [3](loso_fold_3.ipynb), [4](loso_fold_4.ipynb)
# and [5](loso_fold_5.ipynb). Their means are on [the front page](../book/index.md).
