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
# *What happens to a recording between the microphone and its emotion?*
#
# Paper: section V-C, which proposes the pipeline. The note here is put together from utterances of one speaker of the
# held-out ones. [The next page](voice_note_evaluation.ipynb) puts the pipeline to the test.

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
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import soundfile

from sercore import MODELS
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import load_split
from sercore.page.note_assembly import assemble_note, choose_notes, trim_utterance
from sercore.experiment import Experiment
from sercore.export import sample_calibration, write_scheme_files
from sercore.page.process_memory import measure_process
from sercore.labels import COLORS, EMOTIONS
from sercore.page import find_file, glue, is_here, measure_table, set_style, tables_root
from sercore.page import show_audio, show_banner, show_figure, show_provenance, show_table
from sercore.page.style import ACCENT, INK, PALE
from sercore.page.timeline import draw_spans, draw_timeline
from sercore.paths import whole_file
from sercore.runtime import EmotionClassifier, VoiceNoteStream, analyze_voice_note
from sercore.training import train

set_style()
UTTERANCES, PAUSE, ROOM_TONE_DB = 8, 3.0, -40  # of each emotion; seconds between emotions; noise against speech
LENGTHS = {"1 s": 1, "10 s": 10, "1 min": 60, "10 min": 600, "1 h": 3600, "2 h": 7200}
experiment = Experiment.from_profile(profile, **{"split": "disjoint", **settings})
show_banner(experiment)

# %% tags=["hide-output"]
run = train(experiment)
split, audio = load_split(experiment)
here = is_here(run.path, audio)  # else the note is the recorded one, for a model that ships
file = MODELS["small" if experiment.backbone == "student" else "base"]
if here:
    file = write_scheme_files(run, run.path / "onnx", sample_calibration(split))["w8a8-conv"]
classifier = EmotionClassifier(file, threads=1)

# %% [markdown]
# ## A note of known emotion
#
# One speaker, one emotion after the other, pauses and room tone between them. A note of one emotion would have one
# label; this one shows what the windows say on the way. A model that was trained here does not know the speaker. Where
# none was, the model that ships analyses a recorded note of CREMA-D, all of whose speakers it knows: see here how the
# pipeline works, and on the next page how well.


# %%
def make_note():
    """The note (samples,), and of each emotion in it: speaker, start and end in seconds."""
    notes = choose_notes(split.test, UTTERANCES, experiment.seed)
    own = notes[notes["speaker"] == notes["speaker"].value_counts(sort=False).idxmax()]  # a speaker with most emotions
    emotions = [np.concatenate([trim_utterance(path) for path in paths]) for paths in own["paths"]]
    pause = PAUSE * SAMPLE_RATE * (len(own) - 1)
    share = pause / (pause + sum(map(len, emotions)))
    recording, spans = assemble_note(emotions, share, ROOM_TONE_DB, np.random.default_rng(experiment.seed))
    spoken = own[["speaker", "y_true"]].rename(columns={"y_true": "emotion"}).reset_index(drop=True)
    return recording, spoken.assign(start=spans[:, 0] / SAMPLE_RATE, end=spans[:, 1] / SAMPLE_RATE)


recording, truth = make_note() if here else (None, None)
if here:
    with whole_file(tables_root(experiment) / "voice_note.ogg") as part:
        soundfile.write(part, recording, SAMPLE_RATE, format="OGG", subtype="OPUS")
else:
    recording = read_audio(find_file(experiment, "voice_note.ogg"))
truth = measure_table(experiment, "voice_truth", (lambda: truth) if here else None)
form = {"start": "{:.1f}", "end": "{:.1f}"}
show_table(truth, f"What {truth['speaker'].iloc[0]} says, in seconds.", form, index=False)

# %% tags=["remove-input"]
show_audio(recording, "The note.")

# %% [markdown]
# ## The pipeline in one call
#
# A voice activity detector (VAD) finds the speech, windows of at most eight seconds are cut from it, the classifier
# gets each, and their probabilities are averaged, each as heavy as the speech that it adds. The audio may also be a
# file of any rate and length, which is read piece by piece.

# %%
note = analyze_voice_note(recording, classifier)
whole = {"label": note.label or "none", "certainty": note.certainty, "agreement": note.agreement}
whole |= (note.probabilities or {}) | {"seconds": note.seconds, "of them speech": note.speech_seconds}
show_table(pd.DataFrame([whole | {"windows": len(note.windows)}]), "What one call returns.", index=False)

# %%
windows = pd.DataFrame(note.windows, columns=["start", "end", "speech", "weight", *EMOTIONS])
show_table(windows, "Windows: seconds, share of speech, seconds that each adds, probabilities.", form="{:.2f}")


# %% tags=["hide-input"]
def draw_level(axis, unit):
    """The level of the recording, in 700 equal pieces."""
    peaks = np.maximum.reduceat(np.abs(recording), np.linspace(0, len(recording), 701).astype(int)[:-1])
    level, time = peaks / peaks.max(), np.linspace(0, note.seconds / unit, len(peaks))
    axis.fill_between(time, -level, level, color=PALE, linewidth=0)
    axis.set(yticks=[], ylim=(-1, 1), ylabel="level")
    axis.spines["left"].set_visible(False)


def draw_truth(axis, unit):
    """What is spoken, each emotion in its block."""
    spans = truth[["start", "end"]].to_numpy() / unit
    draw_spans(axis, "true", spans, [COLORS[emotion] for emotion in truth["emotion"]])
    for middle, emotion in zip(spans.mean(axis=1), truth["emotion"], strict=True):
        ink = INK if emotion == "happiness" else "white"
        axis.text(middle, 0, emotion, color=ink, ha="center", va="center", fontsize=13, fontweight="bold")


figure = draw_timeline(note, [(1.4, draw_level), (0.4, draw_truth)])
labels = ", ".join(windows[[*EMOTIONS]].idxmax(axis=1)) or "none"
alt = f"Spoken in turn: {', '.join(truth['emotion'])}. Most probable in each of {len(windows)} windows: {labels}."
show_figure(figure, "What is spoken, what is found to be speech, what each window says.", alt)

# %% [markdown]
# ## While it is recorded
#
# The same pipeline takes a recording as it comes. A window is there as soon as its speech has ended or fills it, and
# the note is the same in the end, whatever the pieces were.


# %%
stream, rows = VoiceNoteStream(classifier), []
for second in np.split(recording, range(SAMPLE_RATE, len(recording), SAMPLE_RATE)):
    rows += [{"after": stream.seconds, **window} for window in stream.feed(second)]
assert stream.finish().probabilities == note.probabilities
arriving = pd.DataFrame(rows, columns=["after", "start", "end"])
show_table(arriving, "Windows as they were there, in seconds; in the end, the note is the same.", "{:.1f}", index=False)

# %% [markdown]
# ## What it costs
#
# One thread, each length in a process of its own: the note, repeated, arrives in pieces.

# %%
measured = [length for length, seconds in LENGTHS.items() if seconds <= 600 or experiment.backbone != "tiny"]


def measure_costs():
    """Seconds of work per second of audio, and bytes, by length."""
    costs = pd.DataFrame([measure_process(file, LENGTHS[length], recording) for length in measured])
    costs = costs.rename(columns={"loaded": "before", "running": "peak"})
    costs["vad"] = costs.pop("rest")  # voice activity detection, and all else that is not the classifier
    costs[["classifier", "vad"]] = costs[["classifier", "vad"]].div(costs["seconds"], axis=0)
    return costs[["seconds", "classifier", "vad", "before", "peak"]]


costs = measure_table(experiment, "voice_cost", measure_costs if here else None)

# %%
work = costs["classifier"] + costs["vad"]
shown = pd.DataFrame({"share of real time": work, "of it VAD and the rest": costs["vad"] / work})
shown["takes (s)"] = work * costs["seconds"]
shown[["loaded (MB)", "peak (MB)"]] = costs[["before", "peak"]] / 10**6
form = {"share of real time": "{:.4f}", "of it VAD and the rest": "{:.0%}", "takes (s)": "{:.2f}"}
form |= {"loaded (MB)": "{:.0f}", "peak (MB)": "{:.0f}"}
show_table(shown.set_axis(measured), "Time and memory, by length of the recording.", form=form)

# %% tags=["hide-input"]
figure, (time, memory) = plt.subplots(2, 1, sharex=True, figsize=(7, 5.6))
milliseconds = 1000 * costs[["vad", "classifier"]].set_axis(measured)
milliseconds.set_axis(["VAD and the rest", "classifier"], axis=1).plot.bar(stacked=True, ax=time, color=[PALE, ACCENT])
plt.setp(time.containers[1], hatch="///", edgecolor="white")
time.set(ylabel="work (ms per s\nof audio)", ylim=(0, 1.35 * milliseconds.sum(axis=1).max()))
time.legend(loc="upper right", ncols=2)
memory.plot(range(len(costs)), costs["peak"] / 10**6, "o-", color=INK)
memory.set(ylabel="peak memory\n(MB)", xlabel="length of the recording", ylim=(0, 1.3e-6 * costs["peak"].max()))
memory.tick_params("x", rotation=0)
alt = "; ".join(f"{name} {1000 * ms:.1f} ms" for name, ms in zip(measured, work, strict=True))
show_figure(figure, "Work per second of audio, and peak memory.", f"By length: {alt}.")

# %% [markdown]
# Those are of the machine that measured them. On the one that built this page, a minute of audio takes
# {glue:text}`live_ms:.1f` ms of work a second and at most {glue:text}`live_peak:.0f` MB, with a file of
# {glue:text}`file_MB:.1f` MB.

# %% tags=["remove-cell"]
live = measure_process(file, 60, recording)
glue(live_ms=1000 * (live["classifier"] + live["rest"]) / live["seconds"], live_peak=live["running"] / 10**6)
glue(file_MB=file.stat().st_size / 10**6)
glue(seconds=note.seconds, speech=note.speech_seconds, spoken=(truth["end"] - truth["start"]).sum())
glue(windows=len(windows), label=note.label, certainty=note.certainty, agreement=note.agreement, longest=measured[-1])
glue(faster=1 / work.iloc[-1], vad=costs["vad"].iloc[-1] / work.iloc[-1], growth=np.ptp(costs["peak"]) / 10**6)

# %% [markdown]
# ## What it means
#
# Of {glue:text}`seconds:.1f` seconds, {glue:text}`spoken:.1f` are utterances and {glue:text}`speech:.1f` are found to
# be speech; the classifier gets {glue:text}`windows` windows of it and no long pause. The label of the note is
# {glue:text}`label`, with a certainty of {glue:text}`certainty:.2f` (0 where all emotions are equally probable) and an
# agreement of {glue:text}`agreement:.2f` (the share of speech whose window has this label). That several emotions are
# in one note is what these two numbers are there to show.
#
# A recording of {glue:text}`longest` is analysed {glue:text}`faster:.0f` times as fast as it is spoken,
# {glue:text}`vad:.0%` of the time for VAD, and takes at most {glue:text}`growth:.0f` MB more than the shortest.

# %% tags=["remove-input"]
show_provenance(run)

# %% [markdown]
# **Next:** [does the pipeline do what it should?](voice_note_evaluation.ipynb)
