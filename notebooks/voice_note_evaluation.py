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
# # Does the voice-note pipeline do what it should?
#
# *Does finding the speech first take the neutral bias out of long recordings, and does averaging steady the label?*
#
# Paper: section V-C, which proposes [the pipeline](voice_note.ipynb), and section VI, which leaves its test to future
# work. The notes here are put together from utterances of known emotion; nobody in them is in a training set.

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
from concurrent.futures import ThreadPoolExecutor
from itertools import product

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sercore.audio_files import SAMPLE_RATE
from sercore.data import load_split, load_target
from sercore.page.note_assembly import assemble_note, choose_notes, trim_utterance
from sercore.evaluation import bootstrap_shares, summarize_draws
from sercore.experiment import Experiment
from sercore.export import sample_calibration, write_scheme_files
from sercore.labels import EMOTIONS
from sercore.page import ACCENT, INK, format_arm, glue, is_here, measure_table, record_table, set_style
from sercore.page import show_banner, show_figure, show_provenance, show_table
from sercore.runtime import EmotionClassifier, VoiceNoteSettings, analyze_voice_note
from sercore.training import train

set_style()
UTTERANCES, SHARES = 8, (0.0, 0.2, 0.4, 0.6, 0.8)  # in a note; of it that is pause
NOTE = ["note", "filler", "share", "vad"]
NOISES_DB = {"silence": -np.inf, "room tone": -40, "noise 20 dB": -20, "noise 10 dB": -10, "noise 0 dB": 0}  # to speech
experiment = Experiment.from_profile(profile, **{"split": "disjoint", **settings})
show_banner(experiment)

# %% tags=["hide-output"]
run = train(experiment)
split, audio = load_split(experiment)
here = is_here(run.path, audio)  # else what is recorded is shown
if here:
    files = write_scheme_files(run, run.path / "onnx", sample_calibration(split))
    classifier = EmotionClassifier(files["w8a8-conv"], threads=1)

# %% [markdown]
# ## The notes
#
# Each note is one speaker and one emotion: trimmed utterances, and pauses between them until a given share of the note
# is pause. Where a speaker has too few, they are repeated. Pauses are digital silence, or there is noise over the whole
# note, as loud as in a quiet room (room tone) or louder; decibels are speech to noise. Every note is analysed twice,
# with voice activity detection (VAD) and without; its utterances also one at a time. The label of a note is the most
# probable emotion of its windows, averaged.


# %%
def analyze_note(note) -> list[dict]:
    """Every window under every condition, a row each; where no speech is found, a row without a window."""
    rows, utterances = [], [trim_utterance(path) for path in note.paths]
    for share, (filler, noise_db), vad in product(SHARES, NOISES_DB.items(), ("without", "with")):
        rng = np.random.default_rng([experiment.seed, note.Index])  # the same pauses and noise in each
        recording, _ = assemble_note(utterances, share, noise_db, rng)
        found = analyze_voice_note(recording, classifier, settings=VoiceNoteSettings(vad=vad == "with"))
        known = dict(zip(NOTE, (note.note, filler, share, vad), strict=True))
        known |= {"seconds": found.seconds, "kept": found.speech_seconds}
        rows += [known | window for window in found.windows or [{}]]
    known = dict(zip(NOTE, (note.note, "silence", 0.0, "one at a time"), strict=True))
    alone = [{"start": place, "weight": len(own) / SAMPLE_RATE} for place, own in enumerate(utterances)]
    return rows + [known | row | classifier.predict(own) for row, own in zip(alone, utterances, strict=True)]


def analyze_notes() -> pd.DataFrame:
    """The rows of all notes."""
    most_speakers = 2 if experiment.synthetic else 12  # of each corpus; each note is analysed fifty times
    table = pd.concat([split.test, load_target(experiment)[0]])
    notes = choose_notes(table, UTTERANCES, experiment.seed, most_speakers)
    with ThreadPoolExecutor() as pool:  # the networks run outside Python's lock
        trial = pd.DataFrame([row for rows in pool.map(analyze_note, notes.itertuples()) for row in rows])
    return trial[[*NOTE, "seconds", "kept", "start", "weight", *EMOTIONS]].round(4)


trial = measure_table(experiment, "voice_trial", analyze_notes if here else None)
trial[["corpus", "speaker", "y_true"]] = trial["note"].str.split("/", expand=True)  # actors' names are a corpus's own
trial["speaker"] = trial["corpus"] + "/" + trial["speaker"]
one_at_a_time = trial["vad"] == "one at a time"
single, windows = trial[one_at_a_time], trial[~one_at_a_time].dropna(subset="weight")
analyses = trial[~one_at_a_time].drop_duplicates(NOTE).assign(spoken=lambda own: own["seconds"] * (1 - own["share"]))
overview = analyses.groupby("corpus").agg({"speaker": "nunique", "note": "nunique"})
seconds = analyses.pivot_table("seconds", "corpus", "share", aggfunc="median").astype(int).add_prefix("seconds at ")
show_table(overview.join(seconds).rename(format_arm), "The notes: speakers, notes, median length by pause.")

# %%
weighted = windows.assign(**windows[[*EMOTIONS]].mul(windows["weight"], axis=0)).groupby(NOTE)[[*EMOTIONS]]
alike = windows.groupby(NOTE)[[*EMOTIONS]]
averages = {"weighted": weighted.sum(), "mean": alike.mean(), "median": alike.median()}
labels = pd.DataFrame({rule: average.idxmax(axis=1) for rule, average in averages.items()})
labelled = analyses.drop(columns=[*EMOTIONS]).join(labels, on=NOTE)

# %% [markdown]
# ## Does finding the speech remove the neutral bias?
#
# How many labels are neutral, and UA over notes, where a missing one counts as wrong. As UA is, all shares here are
# means over the true emotions. Intervals draw whole speakers again; of few speakers they are too narrow.


# %%
def compare(trials: pd.DataFrame, by: list[str], level: str, one, other) -> pd.DataFrame:
    """Shares of hits by condition: one value of a level, the other, and the gain, with intervals."""
    draws = bootstrap_shares(trials, [level, *by], over="y_true")
    return summarize_draws(draws.loc[one], draws.loc[other])


y_pred = labelled["weighted"]
hits = pd.DataFrame({"UA": y_pred == labelled["y_true"], "no speech": y_pred.isna()}).astype(float)
hits["neutral"] = (y_pred == "neutral").astype(float).where(y_pred.notna())
trials = labelled.join(hits).melt([*NOTE, "corpus", "speaker", "y_true"], hits.columns, "score", "hit")
bias = compare(trials, ["score", "filler", "share"], "vad", "without", "with")


# %% tags=["hide-input"]
def show_arms(table: pd.DataFrame, x: str, names: tuple[str, str], title: str, chance: float = 1 / len(EMOTIONS)):
    """Both arms with their intervals by x, a panel per noise, and the last of each in words."""
    figure, panels = plt.subplots(2, 3, sharex=True, sharey=True, figsize=(7, 5))
    for axis, (noise, own) in zip(panels.flat, table.groupby("filler", sort=False), strict=False):
        for arm, name, side, ink, mark in zip(("one", "other"), names, (-0.1, 0.1), (INK, ACCENT), "so", strict=True):
            spread = [own[arm] - own[f"{arm}_low"], own[f"{arm}_high"] - own[arm]]
            axis.errorbar(np.arange(len(own)) + side, own[arm], spread, fmt=mark, color=ink, label=name)
        axis.axhline(chance, color=INK, linewidth=1, linestyle=":")
        axis.set(title=noise, xticks=range(len(own)), xticklabels=own.index.get_level_values(x))
        axis.tick_params(labelbottom=True)
    panels.flat[-1].set_axis_off()
    panels.flat[-1].legend(*panels.flat[0].get_legend_handles_labels(), loc="center")
    figure.supylabel(title, fontsize=14)
    figure.supxlabel({"share": "share of the note that is pause"}.get(x, ""), fontsize=14)
    words = f"{{filler}}, {x} {{{x}}}, {names[0]} {{one:.2f}}, {names[1]} {{other:.2f}}"
    alt = "; ".join(table.groupby("filler", sort=False).tail(1).reset_index().apply(words.format_map, axis=1))
    return show_figure(figure, f"{title[0].upper()}{title[1:]}, with 95 % intervals. Dotted: {chance:g}.", alt)


display(show_arms(bias.loc["neutral"], "share", ("without VAD", "with VAD"), "share of neutral labels"))
show_arms(bias.loc["UA"], "share", ("without VAD", "with VAD"), "UA over notes")

# %%
gains = bias.loc[["neutral", "UA"], ["gain", "gain_low", "gain_high"]].stack().unstack("share")
shares = gains.rename(columns="{:.0%}".format)
display(show_table(shares, "What VAD changes, by noise and share of pause.", form="{:+.1%}"))
labels = pd.crosstab([labelled["vad"], labelled["share"].map("{:.0%}".format)], y_pred.rename(""), normalize="index")
display(show_table(labels, "The labels, over all noises, by VAD and share of pause.", form="{:.0%}"))
overall = compare(pd.concat([trials, trials.assign(corpus="all")]), ["score", "corpus"], "vad", "without", "with")
display(show_table(overall, "Over all conditions, without VAD (one) and with it (other), with 95 % intervals."))
sums = analyses.query("vad == 'with'").pivot_table(["kept", "spoken"], "filler", "y_true", aggfunc="sum", sort=False)
kept = (sums["kept"] / sums["spoken"])[[*EMOTIONS]]
show_table(kept, "Seconds found to be speech, with margins, relative to those that are spoken.", form="{:.0%}")

# %% [markdown]
# ## Which aggregation
#
# So far, windows were weighted by the speech that each adds. The paper proposes the plain mean; another is the median.

# %%
rules = labelled.melt(["speaker", "y_true", "vad", "share"], averages, "rule", "y_pred")
rules["hit"] = rules["y_pred"] == rules["y_true"]
pooled = pd.concat({rule: compare(rules, ["vad"], "rule", "mean", rule) for rule in averages}, names=["rule"])
show_table(pooled, "UA over all conditions: the mean (one), each rule (other), and the paired difference.")

# %% [markdown]
# ## Does averaging steady the label?
#
# Jitter is the share of windows whose label is not that of the window before, in the same note. After averaging, the
# label is that of the weighted mean of the note so far. A window holds several utterances without VAD and pauses, one
# with VAD and long pauses. One at a time, each utterance is a window, as in training.


# %%
def score_averaging(windows: pd.DataFrame) -> pd.DataFrame:
    """Changes of the label and right labels, of windows alone and averaged so far, in notes of at least two windows."""
    windows, tables = windows[windows.groupby(NOTE)["start"].transform("size") > 1], {}
    weighted = windows.assign(**windows[[*EMOTIONS]].mul(windows["weight"], axis=0)).groupby(NOTE)[[*EMOTIONS]]
    for stage, probabilities in {"alone": windows[[*EMOTIONS]], "averaged": weighted.cumsum()}.items():
        table = windows.assign(label=probabilities.idxmax(axis=1))
        before = table.groupby(NOTE)["label"].shift()
        scored = table if stage == "alone" else table.drop_duplicates(NOTE, keep="last")
        tables["changes", stage] = table.assign(hit=(table["label"] != before).astype(float).where(before.notna()))
        tables["UA", stage] = scored.assign(hit=scored["label"] == scored["y_true"])
    return pd.concat(tables, names=["measure", "stage"]).reset_index(["measure", "stage"])


steps = score_averaging(pd.concat([windows, single], ignore_index=True))
jitter = compare(steps[steps["vad"] != "one at a time"], ["measure", "vad", "filler"], "stage", "alone", "averaged")
smoothed = compare(steps, ["measure", "vad"], "stage", "alone", "averaged")
show_table(smoothed, "Over all conditions: windows before averaging (one) and notes after (other).")

# %% tags=["hide-input"]
show_arms(jitter.loc["changes"], "vad", ("windows alone", "averaged"), "changes of the label", chance=0)

# %% tags=["remove-cell"]
for name, table in {"bias": bias, "aggregation": pooled, "jitter": jitter}.items():
    record_table(experiment, f"voice_{name}", table.reset_index())
paused = compare(trials, ["score", "share"], "vad", "without", "with").loc[("neutral", SHARES[-1])]
glue(**(100 * paused).add_prefix("neutral_"), **(100 * overall.loc[("UA", "all")]).add_prefix("UA_"), most=SHARES[-1])
quiet, by_UA = kept.loc[["silence", "room tone"]].mean(), pooled.xs("with", level="vad")["other"]
glue(least=quiet.idxmin(), found=quiet.min(), rule=by_UA.idxmax(), spread=100 * np.ptp(by_UA))
glue(no_speech=overall.loc[("no speech", "all"), "other"], notes=analyses["note"].nunique(), analyses=len(analyses))
for name, vad in {"windows": "with", "single": "one at a time"}.items():
    table = smoothed.xs(vad, level="vad")
    glue(**table["one"].add_prefix(f"{name}_"), **table["other"].add_prefix(f"{name}_averaged_"))

# %% [markdown]
# ## What it means
#
# Over {glue:text}`analyses` analyses of {glue:text}`notes` notes, VAD moves UA by {glue:text}`UA_gain:+.1f` points (95 %
# interval {glue:text}`UA_gain_low:+.1f` to {glue:text}`UA_gain_high:+.1f`). Where pause takes {glue:text}`most:.0%` of a
# note, it brings neutral labels from {glue:text}`neutral_one:.0f` to {glue:text}`neutral_other:.0f` in a hundred,
# {glue:text}`neutral_gain:+.1f` points ({glue:text}`neutral_gain_low:+.1f` to {glue:text}`neutral_gain_high:+.1f`); one in
# four notes is neutral. With VAD, {glue:text}`no_speech:.1%` of the notes
# have no label; in quiet, {glue:text}`found:.0%` of {glue:text}`least` is found, and of no other emotion less.
#
# Which rule aggregates matters by {glue:text}`spread:.1f` points of UA with VAD; {glue:text}`rule` is first. Averaging
# brings jitter from {glue:text}`windows_changes:.1%` to {glue:text}`windows_averaged_changes:.1%`, and UA from
# {glue:text}`windows_UA:.3f` over windows to {glue:text}`windows_averaged_UA:.3f` over notes. One utterance at a time
# reaches {glue:text}`single_UA:.3f`, and {glue:text}`single_averaged_UA:.3f` averaged: the rest is what cutting costs.

# %% tags=["remove-input"]
show_provenance(run)

# %% [markdown]
# **Next:** [the pipeline in your browser](../book/try_it.md).
