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
# # A voice note, start to end
#
# *Does finding the speech first take the neutral bias out of long recordings, and does averaging steady the answer?*
#
# Paper: section V-C, which proposes the pipeline, and section VI, which leaves its test to future work. The notes here are put
# together from utterances of known emotion; nobody in them has been heard in training.

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
import pandas as pd

from sercore import book
from sercore.config import Experiment
from sercore.data import load_split, load_target
from sercore.deployment import EmotionClassifier, analyze_voice_note, assembly, benchmark, trial, voice_report
from sercore.deployment.quantize import calibration_sample
from sercore.evaluation import plots
from sercore.training import fit

experiment = Experiment.from_parameters(globals(), "disjoint")
book.banner(experiment)

# %% tags=["hide-output"]
run = fit(experiment)
split, _ = load_split(experiment)
target, _ = load_target(experiment)
unheard = pd.concat([split.test, target])

# %% tags=["hide-output"]
files = benchmark.scheme_files(run, run.path / "onnx", calibration_sample(split))
file = files[voice_report.SHIPPED]

# %% [markdown]
# ## The pipeline in one call
#
# A voice activity detector (VAD) finds the speech, windows of at most eight seconds are cut from it, the classifier hears
# each, and their probabilities are averaged, each as heavy as the speech that it adds.

# %%
classifier = EmotionClassifier(file, threads=1)
worked, truth = assembly.worked_note(unheard, experiment.seed)
note = analyze_voice_note(worked, classifier)
book.table(voice_report.answer(note), "What one call says of a note.")

# %% [markdown]
# ## A worked note
#
# One speaker, one emotion after the other, pauses and room tone between them. A note of one emotion would have one answer;
# this one shows what the windows say on the way.

# %%
book.figure(plots.timeline(note, assembly.envelope(worked), truth), "What is spoken, what is heard as speech, what each window says.")

# %%
book.sound(worked, "The same note.")

# %% [markdown]
# ## Does finding the speech remove the neutral bias?
#
# Each note is one speaker and one emotion: the same utterances without the silence at their ends, and pauses between them until
# a given share of the note is pause. That share is one of lengths, so that no detector has a say in it. Pauses are digital
# silence, or there is noise over the whole note, as loud as a quiet room (room tone) or louder; decibels are speech to noise.
# Every note is heard twice, with VAD and without.

# %% tags=["hide-output"]
notes = assembly.choose(unheard, voice_report.speakers(experiment), experiment.seed)
answers, windows = assembly.hear(notes, classifier, experiment.seed)

# %%
book.table(voice_report.notes_told(answers, notes, experiment), "The notes. Where a speaker has too few utterances, they are repeated.")

# %%
bias = trial.bias(answers)
book.figure(plots.by_pause(bias, "neutral"), "How many of the answers are neutral. Dotted: how many of the notes are.")

# %%
book.table(voice_report.gains(bias, "neutral"), "What VAD changes in the share of neutral answers, in points, with 95 % intervals.")

# %%
book.figure(plots.by_pause(bias, "UA"), "UA over notes. A note without an answer counts as wrong. Dotted: chance.")

# %%
book.table(voice_report.gains(bias, "UA"), "What VAD changes in UA, in points, with 95 % intervals; speakers are drawn again.")

# %%
book.table(voice_report.answered(trial.answered(answers)), "What is answered, over all fillers.", index=False)

# %%
corpora = trial.bias(answers, ["corpus"])
book.table(voice_report.by_corpus(corpora, experiment), "Over all conditions, by corpus.", index=False)

# %% [markdown]
# ### What the detector hears
#
# What it misses, the classifier never hears. Where it finds no speech at all, there is no answer. Margins around speech, and
# pauses taken for it, can make more than all.

# %%
book.table(voice_report.detected(trial.detected(answers)), "Seconds taken for speech, relative to those that are spoken.")

# %% [markdown]
# ## Which aggregation
#
# The same windows, averaged in three ways: weighted by the speech that each adds, all alike (the paper's proposal), or the
# median of each probability.

# %%
aggregation = trial.aggregation(answers)
book.figure(plots.by_rule(aggregation), "UA of each rule, over all fillers.")

# %%
pooled = trial.aggregation(answers, ["vad"])
book.table(voice_report.aggregation(pooled), "UA over all conditions, and the paired difference.", index=False)

# %% [markdown]
# ## Does averaging steady the answer?
#
# Jitter is the share of windows whose label is not that of the window before, in the same note. After averaging, the label
# is that of the weighted mean of the note so far. What is in a window differs: without VAD and pauses, several utterances; with
# VAD and long pauses, one. So the same utterances are also heard one at a time, as in training.

# %%
jitter = trial.jitter(windows)
book.figure(plots.jitter(jitter), "Jitter before averaging and after, notes of at least two windows.")

# %%
alone = assembly.one_by_one(notes, classifier)
smoothed = pd.concat([trial.jitter(heard, ["vad"]) for heard in (windows, alone)])
book.table(voice_report.jitter(smoothed), "Over all conditions: windows before averaging, notes after.", index=False)

# %% [markdown]
# ## What it costs
#
# One thread, each length in a process of its own. The recording arrives in pieces.

# %%
costs = trial.cost(file, worked, voice_report.lengths(experiment))
book.figure(plots.by_length(costs), "Work per second of audio, and peak memory.")

# %%
book.table(voice_report.cost(costs), "Time as a share of real time, and memory of the process.", index=False)

# %% tags=["remove-cell"]
tables = {"voice_bias": bias, "voice_aggregation": aggregation, "voice_jitter": jitter, "voice_cost": costs}
voice_report.keep(run, **tables)
book.glue(**voice_report.findings(notes, answers, smoothed, costs, experiment))

# %% [markdown]
# ## What it means
#
# {glue:text}`notes` notes of {glue:text}`speakers` speakers ({glue:text}`corpora`) were heard {glue:text}`analyses` times.
# Where {glue:text}`most_pause` of a note is pause, {glue:text}`neutral_without` of the answers are neutral without VAD and
# {glue:text}`neutral_with` with it, where {glue:text}`neutral_true` of the notes are: {glue:text}`bias_verdict`.
# {glue:text}`pull`. Over all conditions, {glue:text}`UA_verdict`. {glue:text}`unanswered`: of {glue:text}`least_heard`, the
# detector takes {glue:text}`least_heard_part` of what is spoken for speech where it is quiet, and less of no other emotion.
#
# Which rule aggregates matters by {glue:text}`rule_spread` points of UA with VAD; {glue:text}`best_rule` is first. Averaging
# brings the jitter from {glue:text}`jitter_before` to {glue:text}`jitter_after`, and UA from {glue:text}`window_UA` over
# windows to {glue:text}`note_UA` over notes. The same utterances one at a time reach {glue:text}`alone_UA`, and
# {glue:text}`alone_note_UA` averaged over their notes: the distance to that is what cutting by pauses costs or gains.
#
# A recording of {glue:text}`longest` is heard {glue:text}`real_time` times as fast as it is spoken, {glue:text}`vad_part` of
# the time for VAD, and takes {glue:text}`memory_growth` MB more than one of a second.

# %% tags=["remove-input"]
book.provenance(run)

# %% [markdown]
# **Next:** [the pipeline in your browser](../book/try_it.md).
