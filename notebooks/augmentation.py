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
# # Augmentation
#
# *What does augmentation do to an utterance, and what must it leave alone?*
#
# Paper: section III-B. [The introduction to this part](../book/part_data.md) lists transforms, ranges and probabilities. This
# page shows each of them on one utterance, before and after.

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
import audiomentations
import librosa
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import load_split, preprocess, views
from sercore.data.augmentation import GAIN_DB, NOISE_AMPLITUDE, PITCH_SEMITONES
from sercore.data.preprocessing import PRE_EMPHASIS
from sercore.experiment import Experiment
from sercore.page import find_file, glue, read_open
from sercore.page import set_style, show_audio, show_banner, show_figure, show_table, stack

set_style()
experiment = Experiment.from_profile(profile, **{"split": "disjoint", **settings})
show_banner(experiment)

# %% [markdown]
# ## One utterance
#
# Before anything else, every file is trimmed, pre-emphasized and brought to one peak. What is augmented is the result.

# %%
if recorded := find_file(experiment, "voice_note.ogg"):  # a recorded note of CREMA-D; its first utterances
    end = read_open("voice_truth", experiment.profile)["end"].iloc[0]
    spoken = read_audio(recorded)[: round(min(end, 3) * SAMPLE_RATE)]
else:
    split, _ = load_split(experiment)
    spoken = read_audio(split.test["path"].iloc[0])
waveform = preprocess(spoken)


def draw(sounds, columns=2):
    """Mel spectrograms of waveforms (samples,), a panel each."""
    rows = -(-len(sounds) // columns)
    figure, panels = plt.subplots(rows, columns, figsize=(7, 0.6 + 1.9 * rows), sharex=True, sharey=True, squeeze=False)
    longest = max(map(len, sounds.values())) / SAMPLE_RATE
    for axis, (name, sound) in zip(panels.flat, sounds.items(), strict=False):
        mel = librosa.feature.melspectrogram(y=sound, sr=SAMPLE_RATE, n_fft=400, hop_length=160, n_mels=64)
        extent = (0, len(sound) / SAMPLE_RATE, 0, 64)
        level = librosa.power_to_db(mel, ref=1.0, top_db=None)
        axis.imshow(level, origin="lower", aspect="auto", extent=extent, cmap="magma", vmin=-50, vmax=30)
        axis.set(title=name, xlim=(0, longest), yticks=[])
    for axis in panels.flat[len(sounds) :]:
        axis.set_axis_off()
    figure.supxlabel("time (s)", fontsize=14)
    figure.supylabel("mel band", fontsize=14)
    return figure


# %% tags=["hide-input"]
caption = "As recorded, and as the model gets it: trimmed, with high frequencies raised, at one peak."
drawn = show_figure(draw({"as recorded": spoken, "preprocessed": waveform}), caption, "Two spectrograms.")
stack(show_audio(spoken, "As recorded."), show_audio(waveform, "Preprocessed."), drawn)

# %% [markdown]
# ## The paper's transforms
#
# Each by itself, at the end of its range. Gain and polarity change nothing that a spectrogram of peak-normalized audio
# shows.

# %%
PAPER = {
    "gain": audiomentations.Gain(GAIN_DB[0], GAIN_DB[0], p=1.0),
    "noise": audiomentations.AddGaussianNoise(NOISE_AMPLITUDE[1], NOISE_AMPLITUDE[1], p=1.0),
    "pitch down": audiomentations.PitchShift(PITCH_SEMITONES[0], PITCH_SEMITONES[0], p=1.0),
    "pitch up": audiomentations.PitchShift(PITCH_SEMITONES[1], PITCH_SEMITONES[1], p=1.0),
    "polarity": audiomentations.PolarityInversion(p=1.0),
}
np.random.seed(experiment.seed)  # noqa: NPY002, whose generator audiomentations draws from
paper = {"before": waveform} | {name: own(waveform, SAMPLE_RATE) for name, own in PAPER.items()}

# %% tags=["hide-input"]
drawn = show_figure(draw(paper), "The paper's transforms.", f"Spectrograms: {', '.join(paper)}.")
stack(drawn, *(show_audio(sound, f"The paper's transforms: {name}.") for name, sound in paper.items()))

# %% [markdown]
# ## Views
#
# `open` and `small` draw from these instead. They keep the voice and its emotion, and destroy the sentence, the pace and the
# room, which a network would learn from a corpus of few sentences.

# %%
changes = [change for change, _ in views.CONTENT + views.CHANNEL]
seen = {"before": waveform}
for number, change in enumerate(changes):
    name = change.__name__.replace("_", " ")
    seen[name] = views.draw_view(waveform, (experiment.seed, number), ((change, 1.0),))

# %% tags=["hide-input"]
drawn = show_figure(draw(seen), "Views, one change at a time.", f"Spectrograms: {', '.join(seen)}.")
stack(drawn, *(show_audio(sound, f"Views: {name}.") for name, sound in seen.items()))

# %% [markdown]
# ## What is left alone
#
# How far a change moves an utterance, in the terms of the model's input: the mean difference of the log-mel spectrograms
# where both have the same length.


# %%
def measure_change(sound):
    """Mean absolute difference of log-mel levels from the utterance before, in dB; NaN where the length differs."""
    if len(sound) != len(waveform):
        return np.nan
    levels = []
    for own in (waveform, sound):
        mel = librosa.feature.melspectrogram(y=own / np.abs(own).max(), sr=SAMPLE_RATE, n_fft=400, hop_length=160)
        levels.append(librosa.power_to_db(mel, top_db=80))
    return np.abs(levels[0] - levels[1]).mean()


table = pd.Series({name: measure_change(sound) for name, sound in (paper | seen).items() if name != "before"})
lengths = {name: len(sound) / SAMPLE_RATE for name, sound in (paper | seen).items() if name != "before"}
changed = pd.DataFrame({"change (dB)": table, "seconds": lengths})
show_table(changed, "How far each change moves the input, at one peak (–: another length).", "{:.1f}")

# %% tags=["remove-cell"]
glue(seconds=len(waveform) / SAMPLE_RATE, before=len(spoken) / SAMPLE_RATE, coefficient=PRE_EMPHASIS)
glue(gain=table["gain"], polarity=table["polarity"], noise=table["noise"], room=table["add room"])

# %% [markdown]
# ## What it means
#
# Of {glue:text}`before:.1f` seconds, {glue:text}`seconds:.1f` are left after trimming. At one peak, gain moves the
# spectrogram by {glue:text}`gain:.1f` dB and polarity by {glue:text}`polarity:.1f` dB: for a model that reads spectrograms
# they are no augmentation at all, and for one that reads the waveform they are what keeps it from counting on level and
# sign. Noise moves it by {glue:text}`noise:.1f` dB, a room by {glue:text}`room:.1f` dB. What is learned from each kind of
# view is measured where the student is [distilled](distillation.ipynb).
#
# **Next:** [how the models are trained](../book/part_training.md).
