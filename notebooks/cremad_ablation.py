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
# Paper: section IV-A, Table II. The folds themselves have [pages of their own](loso_fold_1.ipynb); this one reads the
# finished runs of the current profile and trains nothing.

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
from sercore.config import FOLDS, Experiment
from sercore.evaluation import ablation, plots, statistics, tables
from sercore.evaluation.published import open_table
from sercore.training import find_runs

experiment = Experiment.from_parameters(globals())
arms = ablation.two_arms(find_runs(experiment.profile), experiment)
folds = ablation.common_folds(arms)
book.banner(experiment)

# %%
book.remarks(ablation.remarks(arms))

# %% [markdown]
# ## Table II, rebuilt
#
# Mean ± standard deviation over the folds. The better value of each pair is bold, as in the paper. The columns of the
# paper and of these runs stand side by side; they come from different models and, but for the `paper` profile, from
# different speech.

# %%
cells, better = ablation.results(arms, experiment)
book.table(cells, "Both arms, all scores, and the gain in percentage points.", bold=better)

# %% [markdown]
# ## What the printed numbers can show
#
# A paired t test asks whether the gain is large beside its spread from fold to fold. The paper prints the mean and the
# spread of each arm and not of the gain, so the t value is not known. Its range is: the spread of the gain lies between
# the difference and the sum of the two printed spreads, whatever the folds were.

# %%
limits = ablation.printed_limits()
drawn = plots.t_ranges(limits, statistics.t_critical(len(FOLDS)))
book.figure(drawn, "What a paired t test over five folds can give at the printed means and spreads of Table II.")

# %%
book.table(ablation.printed_limits_told(limits), "The same in numbers, and the F test of the two printed spreads.")

# %% tags=["remove-cell"]
book.glue(**ablation.findings(arms, experiment))

# %% [markdown]
# The critical value is {glue:text}`critical`. At the printed values, t is at most {glue:text}`t_WA` for WA and
# {glue:text}`t_macro_f1` for macro F1: whatever the folds were, neither gain is significant at five percent. The
# scores that could be: {glue:text}`beyond`. Allowing each printed number its rounding, the list of those that could be is
# {glue:text}`beyond_rounded`, in the best of all cases. The rank test of Wilcoxon cannot fall below
# p = {glue:text}`wilcoxon_least` with five folds, even if every fold gains.
#
# The paper speaks of a reduction of the variance by {glue:text}`less_spread`. That is the reduction of the standard
# deviation of WA; its variance falls by {glue:text}`less_variance`. Five folds cannot tell such a ratio from chance
# (F = {glue:text}`F_WA`, p = {glue:text}`p_WA`), and the spread of anger's F1 rises.

# %% [markdown]
# ## What these runs show, fold by fold

# %%
scores = ablation.paired_scores(arms)
book.figure(plots.paired_folds(scores) if folds else None, "Each line is a fold in both arms, the thick one the mean.")

# %%
book.table(ablation.tests(arms), "Gain, its standard deviation over the folds, paired t test and exact Wilcoxon test.")

# %%
book.table(ablation.spreads(arms), "Standard deviation over the folds in each arm, F test and Levene's around the median.")

# %% [markdown]
# ## What these runs show, utterance by utterance
#
# A second way to ask: all test utterances of the folds together, the two arms paired, and whole speakers drawn again and
# again. The interval says how far the gain could be off with other speakers of the same kind. It says nothing about
# another seed in training, which the folds mix in.

# %%
pooled = ablation.pooled(arms)
drawn = plots.gains(pooled) if folds else None
book.figure(drawn, "Gain of each score over all test utterances. Filled: the interval leaves zero out.")

# %%
told = ablation.intervals(pooled, *map(tables.arm_title, arms))
book.table(told, "Pooled over the common folds: value and 95 % interval, speakers drawn again.")

# %%
told = ablation.discordant(arms)
book.table(told, "Utterances that one arm alone gets right. McNemar's test takes utterances as independent, the intervals do not.", index=False)

# %%
told = ablation.intervals(open_table("ablation"), *map(tables.arm_title, ("ravdess", "ravdess+cremad")))
book.table(told, "The same on the open corpora, measured by this project with the backbone small (results/open).")

# %% [markdown]
# ## What it means
#
# Trained on {glue:text}`arms`, {glue:text}`folds` folds in both arms: {glue:text}`here`
#
# The paper concludes that CREMA-D regularizes: a higher WA, a higher macro F1, less spread. The direction may be right.
# Its printed numbers do not carry the conclusion, because five folds are too few for gains of this size, and UA, the score
# that the paper leads with, fell.

# %% [markdown]
# **Next:** [the production model](production_model.ipynb), trained on nearly everything.
