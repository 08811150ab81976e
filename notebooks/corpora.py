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
# Paper: sections III-A and III-B, Table I. [The introduction to this part](../book/part_data.md) says how each corpus
# is read, and what happens to a file before the model gets it. This page counts, shows and plays what has been read.

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
settings = {}  # of the experiment, beside the profile's, such as {"calm": "exclude"}

# %%
import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import seaborn as sns
from matplotlib.ticker import MaxNLocator

from sercore.audio_files import SAMPLE_RATE
from sercore.data import CORPORA, class_weights, find_suspicious, load_utterances, loso_split
from sercore.experiment import FOLDS, Experiment
from sercore.labels import COLORS, EMOTIONS
from sercore.page import INK, find_file, format_arm, format_origin, glue, read_paper
from sercore.page import set_style, show_banner, show_figure, show_players, show_table, stack, tables_root
from sercore.paths import whole_file

set_style()
experiment = Experiment.from_profile(profile, **settings)
show_banner(experiment)

# %% [markdown]
# Each corpus becomes a table with one row per utterance. Its audio is preprocessed once and kept.

# %%
tables, audio = {}, {}
for name in dict.fromkeys([*experiment.corpora, experiment.target]):
    tables[name], audio[name] = load_utterances(name, experiment)
titles = {name: CORPORA[name].title for name in tables}
utterances = pd.concat(tables.values(), ignore_index=True)
utterances["corpus"] = pd.Categorical(utterances["corpus"].map(titles), titles.values())
utterances["emotion"] = pd.Categorical(utterances["emotion"], EMOTIONS)

# %% [markdown]
# ## How many of each emotion
#
# The paper counts two of the three corpora in its Table I. Where the real corpora have been read, the columns should
# agree.

# %%
counts = pd.crosstab(utterances["emotion"], utterances["corpus"], margins=True, margins_name="total")
paper = read_paper().query("metric == 'utterances'").replace({"emotion": {"": "total"}})
paper = paper.pivot(index="emotion", columns="arm", values="value").rename(columns=titles)
paper = paper.rename_axis(index=None, columns=counts.columns.name)
beside = pd.concat({"paper": paper, format_origin(experiment): counts}, axis=1).swaplevel(axis=1)
beside = beside[[column for title in titles.values() for column in beside if column[0] == title]]
show_table(beside, "Utterances by corpus and emotion, beside Table I of the paper.", "{:,.0f}")

# %% [markdown]
# ## What is left out
#
# Nothing is skipped in silence. Most reasons are other emotions than the four.

# %%
left_out = [
    {"corpus": titles[name], "reason": reason, "number": len(names), "for example": ", ".join(names[:2])}
    for name, table in tables.items()
    for reason, names in table.attrs["left_out"].items()
]
show_table(pd.DataFrame(left_out), "Utterances left out, by reason.", index=False)

# %% [markdown]
# Some utterances can be read but not believed: silence, and one recording under two labels. They stay in, because the
# paper's counts include them; `drop_suspicious` leaves them out.

# %%
doubtful = pd.concat({titles[name]: find_suspicious(table) for name, table in tables.items()}, names=["corpus"])
show_table(doubtful.reset_index("corpus"), "Utterances to doubt.", index=False)

# %% [markdown]
# ## Who speaks
#
# A session's speakers are in no other session, so a session that is held out holds out its speakers.

# %%
session = [utterances["corpus"], utterances["session"]]
speaking = utterances.groupby(session, observed=True).agg(
    speakers=("speaker", "nunique"),
    minutes=("duration", lambda seconds: seconds.sum() / 60),
    utterances=("path", "size"),
)
speaking = speaking.join(pd.crosstab(session, utterances["sex"])).join(pd.crosstab(session, utterances["emotion"]))
show_table(speaking, "Speakers, minutes and utterances by session.", {"minutes": "{:.1f}"})

# %% [markdown]
# ## What the emotions sound like
#
# One utterance per emotion, from one speaker of each corpus. The spectrograms show what the model gets: trimmed, with
# high frequencies raised, at one peak level. The players, which are there where the corpus is, have the recordings.


# %%
def pick_examples(table):
    """One utterance of each emotion, of median duration, from the first speaker with most emotions."""
    speaker = table.groupby("speaker")["emotion"].nunique().idxmax()
    emotions = table[table["speaker"] == speaker].groupby("emotion")["duration"]
    away = (emotions.transform(lambda seconds: seconds - seconds.median())).abs()
    return table.loc[[away[rows].idxmin() for _, rows in emotions.groups.items()]]


def compute_level(waveform):
    """Spectrogram (frequencies, frames) in dB below its loudest point: windows of 25 ms, one every 10 ms."""
    spectrum = librosa.stft(waveform, n_fft=SAMPLE_RATE // 40, hop_length=SAMPLE_RATE // 100)
    return librosa.amplitude_to_db(np.abs(spectrum), ref=np.max, top_db=80)


# %% tags=["hide-input"]
def draw_spectrograms(chosen, waveforms):
    """One panel per emotion, as the model gets them."""
    longest = max(map(len, waveforms)) / SAMPLE_RATE
    figure, panels = plt.subplots(-(-len(chosen) // 2), 2, figsize=(7, 5.6), sharex=True, sharey=True, squeeze=False)
    for axis, emotion, waveform in zip(panels.flat, chosen["emotion"], waveforms, strict=False):
        extent = (0, len(waveform) / SAMPLE_RATE, 0, SAMPLE_RATE / 2000)
        image = axis.imshow(compute_level(waveform), origin="lower", aspect="auto", extent=extent, cmap="magma")
        image.set_clim(-80, 0)
        axis.set_title(emotion, color=COLORS[emotion], fontweight="bold")
        axis.set_xlim(0, longest)
        axis.xaxis.set_major_locator(MaxNLocator(4))
    figure.supxlabel("time (s)", fontsize=14)
    figure.supylabel("frequency (kHz)", fontsize=14)
    figure.colorbar(image, ax=panels, label="level relative to the loudest point (dB)", aspect=30, pad=0.02)
    return figure


parts = []
for name, table in tables.items():
    chosen = pick_examples(table)
    title, drawn = (
        f"{titles[name]}, speaker {chosen['speaker'].iloc[0]}",
        find_file(experiment, f"spectrograms_{name}.webp"),
    )
    if audio[name]:
        figure = draw_spectrograms(chosen, [audio[name][row]["waveform"] for row in chosen.index])
        drawn = tables_root(experiment) / f"spectrograms_{name}.webp"
        with whole_file(drawn) as part:
            figure.savefig(part, format="webp", dpi=160, pil_kwargs={"quality": 70})
        plt.close(figure)
    alt = f"Spectrograms, time against frequency. Seconds: {chosen.set_index('emotion')['seconds'].round(1).to_dict()}."
    parts.append(show_figure(drawn, f"{title}: what the model gets.", alt))
    chosen = chosen.assign(seconds=chosen["duration"].map("{:.1f}".format))
    parts.append(show_players(chosen, ["emotion", "listen", "seconds", "utterance"], f"{title}: the recordings."))
stack(*parts)

# %% [markdown]
# ## How long they are
#
# What is longer than the dashed line is cut. Shorter utterances are padded, to that line or to the longest of their
# batch.

# %%
longer = utterances.assign(cut=utterances["duration"] > experiment.max_seconds)
cut = longer.pivot_table(index="emotion", columns="corpus", values="cut", observed=False)

# %% tags=["hide-input"]
figure, panels = plt.subplots(len(titles), figsize=(7, 2.9 * len(titles)), squeeze=False)
look = {"palette": COLORS, "hue_order": EMOTIONS, "order": EMOTIONS, "legend": False, "saturation": 1, "dodge": False}
look |= {"fliersize": 2, "linecolor": INK, "linewidth": 1.2, "medianprops": {"color": "white", "linewidth": 2.2}}
for axis, (corpus, own) in zip(panels.flat, utterances.groupby("corpus", observed=True), strict=True):
    sns.boxplot(own, x="duration", y="emotion", hue="emotion", ax=axis, **look)
    axis.axvline(experiment.max_seconds, color=INK, linestyle="--", linewidth=1.2)
    for row, text in [(-0.75, f"over {experiment.max_seconds:g} s"), *enumerate(cut[corpus].map("{:.1%}".format))]:
        axis.text(1.02, row, text, transform=axis.get_yaxis_transform(), va="center")
    axis.set(title=corpus, xlim=(0, 1.04 * max(own["duration"].max(), experiment.max_seconds)), xlabel="", ylabel="")
axis.set_xlabel("duration (s)")
alt = "; ".join(
    f"{name}: " + ", ".join(f"{emotion} {share:.1%}" for emotion, share in cut[name].items()) for name in cut
)
show_figure(figure, "Duration of the recordings.", f"Box of durations per corpus and emotion. Too long: {alt}.")

# %% [markdown]
# ## What each emotion weighs
#
# The loss weighs each emotion by how rare it is in the training set: the number of utterances, divided by the number
# of classes times the utterances of the class. The weights are means over the five folds, as in the last row of
# Table I.

# %%
permanent = [tables[name] for name in experiment.corpora[1:]]
splits = [loso_split(tables[experiment.primary], fold, *permanent) for fold in FOLDS]
weights = pd.DataFrame([class_weights(split.train) for split in splits], index=FOLDS, columns=EMOTIONS)
here = f"{format_origin(experiment)}: {format_arm(experiment.arm)}"
printed = read_paper().query("metric == 'class_weight'").set_index("emotion")["value"]
beside = pd.DataFrame({f"paper: {format_arm('iemocap+cremad')}": printed, here: weights.mean()})
show_table(beside.rename_axis(None), "Class weights, mean over the folds.", "{:.3f}")

# %% tags=["remove-cell"]
primary = tables[experiment.primary]["emotion"].value_counts()
glue(utterances=len(utterances), speakers=utterances.groupby("corpus", observed=True)["speaker"].nunique().sum())
glue(hours=utterances["duration"].sum() / 3600, cut=longer["cut"].sum())
glue(cut_after_trimming=(utterances["seconds"] > experiment.max_seconds).sum(), primary=titles[experiment.primary])
glue(origin=format_origin(experiment))
glue(rarest=primary.idxmin(), commonest=primary.idxmax(), always_commonest=primary.max() / primary.sum())

# %% [markdown]
# ## What it means
#
# The corpora of this page hold {glue:text}`utterances:,d` utterances of {glue:text}`speakers` speakers,
# {glue:text}`hours:.1f` hours in all. {glue:text}`cut:,d` of the recordings are longer than the model's input, and
# {glue:text}`cut_after_trimming:,d` still are after trimming. In {glue:text}`primary` ({glue:text}`origin`), the corpus
# that is tested on, no emotion has fewer utterances than {glue:text}`rarest` and none has more than {glue:text}`commonest`: a model that
# always predicts {glue:text}`commonest` is right {glue:text}`always_commonest:.1%` of the time. That is why every page
# gives UA beside WA.
#
# **Next:** [what augmentation does](augmentation.ipynb).
