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
# # The production model
#
# *How good is a model that trains on nearly everything, and how much of its score is the voices that it knows already?*
#
# Paper: section V-A. The model to be shipped is no longer tested on a session of its own. The paper keeps a small part
# of all utterances back at random. This page trains that model, and a second one alike in everything but its hold-out:
# whole speakers.

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
from sercore import book
from sercore.config import Experiment
from sercore.data import load_split, shared_speakers
from sercore.deployment import write_card
from sercore.evaluation import ablation, calibration, plots, production
from sercore.evaluation.published import open_table
from sercore.training import fit

experiments = {split: Experiment.from_parameters(globals(), split) for split in production.SPLITS}
experiment = experiments["random"]
book.banner(experiment)

# %% [markdown]
# ## Two ways to keep something back
#
# A random shuffle leaves utterances of nearly every speaker on both sides. What the model knows of a voice then helps on
# the hold-out, and a new user has no such voice.

# %%
splits = {name: load_split(experiment)[0] for name, experiment in experiments.items()}
heard = {name: shared_speakers(split) for name, split in splits.items()}
book.table(production.hold_outs(splits, heard), "What is held back, for validation and testing alike.")

# %% [markdown]
# ## Training
#
# One line per epoch. A run that was interrupted goes on from its last epoch, and one that is finished is read.

# %% tags=["hide-output"]
runs = {name: fit(experiment) for name, experiment in experiments.items()}

# %%
curves = plots.validation_curves({production.SPLITS[name]: run.history for name, run in runs.items()})
book.figure(curves, "UA on the hold-out. The best epoch is kept, so the hold-out has a say in the model.")

# %%
curves = plots.learning_curves(runs["random"].history, runs["random"].metrics["best_epoch"])
book.figure(curves, "The model of the random split, which is the one to be shipped: losses and validation scores.")

# %% [markdown]
# ## What the leak is worth
#
# The same model, the same training, another hold-out. The difference is what knowing the speakers adds, together with
# the luck of who was held back; the interval draws the speakers of both hold-outs again.

# %%
found = production.leak(runs)
drawn = plots.gains(found, "random minus disjoint")
book.figure(drawn, "How much higher the random hold-out scores. Filled: the interval leaves zero out.")

# %%
titles = (production.SPLITS["disjoint"], production.SPLITS["random"])
told = ablation.intervals(found, *titles)
book.table(told, "Scores of the two models on their own hold-outs, 95 % intervals, speakers drawn again.")

# %%
told = ablation.intervals(open_table("leak"), *titles)
book.table(told, "The same on CREMA-D, measured by this project with the backbone small (results/open).")

# %%
book.figure(plots.confusion(runs["random"].metrics["test"]), "The random split's hold-out: share and number of utterances.")

# %% [markdown]
# ## Whether its probabilities mean what they say
#
# An app shows a probability, so it should be right as often as it says. The focal loss and the smoothed labels make a
# model hesitant; one number, the temperature, can undo most of that {cite}`guo2017calibration`.

# %%
answers = runs["disjoint"].predictions
before = calibration.reliability(answers)
after = calibration.reliability(calibration.scaled(answers, calibration.temperature(answers)))
book.figure(plots.reliability(before, after), "The speaker-disjoint model on its hold-out. Dotted: a perfect match.")

# %%
book.table(production.calibration(runs), "Calibration on the hold-out; scaled with temperatures fitted on other speakers.")

# %% [markdown]
# ## The printed score
#
# The paper prints {glue:text}`printed_WA` for its production model. A hold-out of whole utterances gives only certain
# percentages, so the printed one tells what was held out:

# %%
book.table(production.arithmetic(), "Hold-outs of the printed share, and the whole numbers behind the printed WA.", index=False)

# %% [markdown]
# Only a hold-out from both corpora fits. So the printed score mixes CREMA-D in, shares its speakers with training, and
# does not compare with the leave-one-session-out scores of Table II.

# %% tags=["remove-cell"]
book.glue(**production.findings(runs, experiment))

# %% [markdown]
# ## The model and its card
#
# Each run's folder now holds the weights and a model card: what the model was trained on, how it scored, under which terms
# it may be used.

# %%
cards = {name: write_card(run) for name, run in runs.items()}

# %% [markdown]
# ## What it means
#
# Trained on {glue:text}`corpora`, the model reaches a UA of {glue:text}`random_UA` where its speakers are known and of
# {glue:text}`disjoint_UA` where they are new: a difference of {glue:text}`leak` points. Its interval,
# {glue:text}`leak_interval`, {glue:text}`verdict`. The paper's {glue:text}`printed_WA` ({glue:text}`behind`) is a score
# of the first kind.

# %% tags=["remove-input"]
book.together(map(book.provenance, runs.values()))

# %% [markdown]
# **Next:** [a corpus that it has never heard](ravdess_analysis.ipynb).
