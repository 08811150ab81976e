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
# # How theatrical it is
#
# *Do the corpora differ in how their speakers act?*
#
# Paper: section V-B explains the loss in [the unseen corpus](ravdess_analysis.ipynb) by theatrical acting. Level,
# pitch, movement of the pitch and duration can be measured, on the same number of utterances of each emotion in every
# corpus.

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

from sercore import page
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import load_split, load_target
from sercore.data.preprocessing import TRIM_TOP_DB
from sercore.experiment import Experiment
from sercore.labels import COLORS, EMOTIONS
from sercore.page import INK, show_figure, show_table
from sercore.paths import runs_root

page.set_style()
experiment = Experiment.from_profile(profile, **{"split": "random", **settings})
page.show_banner(experiment)

# %% [markdown]
# ## Four measures that need no model
#
# The pitch is tracked by pYIN; an utterance without a voiced frame has none and is left out. The level depends on the
# recording as well.


# %%
PITCH = {"fmin": 65, "fmax": 600, "frame_length": 1024, "hop_length": 512}  # Hz, samples
MEASURES = ["level (dB)", "pitch (Hz)", "pitch range (semitones)", "duration (s)"]


def measure_voice(path):
    """Level, median pitch, its deviation in semitones and duration, silence trimmed; NaN without a voiced frame."""
    trimmed, _ = librosa.effects.trim(read_audio(path), top_db=TRIM_TOP_DB)
    pitch, voiced, _ = librosa.pyin(trimmed, sr=SAMPLE_RATE, resolution=0.2, **PITCH)
    heights = pd.Series(12 * np.log2(pitch[voiced]))
    level = 10 * np.log10(np.mean(trimmed**2)) if voiced.any() else np.nan
    measured = [level, 2 ** (heights.median() / 12), heights.std(ddof=0), len(trimmed) / SAMPLE_RATE]
    return dict(zip(MEASURES, measured, strict=True))


# %% tags=["hide-output"]
def measure_sample():
    """Up to fifty utterances of each emotion of each corpus, a row each."""
    everything = pd.concat([split.train, target]).groupby(["corpus", "emotion"], sort=False)
    sample = everything.apply(lambda own: own.sample(min(50, len(own)), random_state=0)).reset_index()
    return sample[["corpus", "emotion"]].join(pd.DataFrame(map(measure_voice, sample["path"]))).dropna()


(split, audio), (target, _) = load_split(experiment), load_target(experiment)
here = page.is_here(runs_root() / experiment.profile / experiment.name, audio)  # else what is recorded is shown
voices = page.measure_table(experiment, "acoustics", measure_sample if here else None)
titles = voices["corpus"].map(page.format_arm)
voices["corpus"], voices["emotion"] = (
    pd.Categorical(titles, titles.unique()),
    pd.Categorical(voices["emotion"], EMOTIONS),
)

# %%
medians = voices.groupby(["corpus", "emotion"], observed=True).median().reset_index()
form = dict(zip(MEASURES, ["{:.1f}", "{:.0f}", "{:.1f}", "{:.2f}"], strict=True))
show_table(medians, "Medians over up to 50 utterances of each emotion.", form, index=False)

# %% tags=["hide-input"]
corpora = voices["corpus"].cat.categories
figure, panels = plt.subplots(2 * len(corpora), 2, figsize=(7, 2.9 + 2.4 * len(corpora)), sharey=True)
look = {"y": "emotion", "hue": "emotion", "palette": COLORS, "order": EMOTIONS, "hue_order": EMOTIONS, "legend": False}
look |= {
    "dodge": False,
    "saturation": 1,
    "fliersize": 0,
    "linecolor": INK,
    "medianprops": {"color": "white", "linewidth": 2.2},
}
for place, measure in enumerate(MEASURES):
    for row, corpus in enumerate(corpora, start=place // 2 * len(corpora)):
        axis = panels[row, place % 2]
        sns.boxplot(voices[voices["corpus"] == corpus], x=measure, ax=axis, **look)
        axis.set(xlim=voices[measure].quantile([0.01, 0.99]), ylabel="")
        axis.set_title(corpus, loc="left", fontsize=13)
pitch = medians.pivot(index="corpus", columns="emotion", values="pitch (Hz)").round().to_dict("index")
show_figure(
    figure, "Boxes: the middle half, the median in white.", f"Boxes of four measures. Median pitch in Hz: {pitch}."
)

# %% tags=["remove-cell"]
(home, *own), (abroad, *other) = medians.query("emotion == 'anger'")[["corpus", "level (dB)", "pitch (Hz)"]].to_numpy()[
    [0, -1]
]
page.glue(home=home, abroad=abroad, home_level=own[0], home_pitch=own[1], level=other[0], pitch=other[1])

# %% [markdown]
# ## What it means
#
# In anger, the median pitch is {glue:text}`home_pitch:.0f` Hz in {glue:text}`home` and {glue:text}`pitch:.0f` Hz in
# {glue:text}`abroad`, and the median level {glue:text}`home_level:.1f` dB and {glue:text}`level:.1f` dB. Where the boxes of
# an emotion lie apart between the corpora, the same emotion is spoken in another way, or recorded in another room. Such a
# shift asks for no other model: [speaker normalization](speaker_normalization.ipynb) undoes a part of it.

# %% [markdown]
# **Next:** [arousal without ratings](arousal.ipynb).
