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
# # Baselines under one protocol
#
# *What does a pretrained network add to hand-made features, and what does fine-tuning add to that?*
#
# Paper: section IV-B, whose table sets systems side by side that were tested under different protocols. Here all have
# the same training speakers, the same test speakers and the same interval: the folds of both arms, the held-out
# speakers of the [production model](production_model.ipynb), and [the unseen corpus](ravdess_analysis.ipynb).

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
import hashlib
import timeit

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from sercore import page, paths
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import load_split, load_utterances
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments, tabulate_predictions
from sercore.experiment import FOLDS, Experiment
from sercore.labels import EMOTIONS
from sercore.page import ACCENT, INK, PALE, show_figure, show_table
from sercore.training import build_classifier, find_runs, train
from sercore.training.embeddings import pool_utterances

page.set_style()
loso = Experiment.from_profile(profile, **settings)
experiment = Experiment.from_profile(profile, **{**settings, "split": "disjoint"})
page.show_banner(experiment)
INKS, MARKS = [PALE, INK, ACCENT, "#7a9ad0", "#9a9a9a"], "sDo^v"
COLUMNS = {"value": "UA", "low": "UA_low", "high": "UA_high"}
HOME, ABROAD, ALIGNED = "new speakers", "unseen corpus", "unseen corpus, per speaker"

# %% tags=["hide-output"]
run = train(experiment)
corpora = dict.fromkeys([*loso.corpora, *experiment.corpora, experiment.target])
loaded = {name: load_utterances(name, experiment) for name in corpora}
here = page.is_here(run.path, *(audio for _, audio in loaded.values()))  # else what is recorded is shown

# %% [markdown]
# ## Two ways to describe an utterance
#
# The extended Geneva minimalistic set, eGeMAPS {cite}`eyben2016geneva`, is 88 numbers of an utterance's pitch, loudness,
# formants and spectrum, chosen by phoneticians; openSMILE {cite}`eyben2010opensmile` computes them. The frozen backbone is
# the other way: mean and deviation over time of its last layer, with nothing trained on emotions. Both go to the same
# support vector machine, whose settings are fixed beforehand, so that nothing is chosen on any speaker.


# %%
def load_smile():
    """openSMILE, which is free for research and teaching, but not for products."""
    import opensmile

    return opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)


def extract_egemaps(table, audio):
    """88 functionals of each recording as it is, float32 (utterances, 88)."""
    smile = load_smile()
    return np.vstack([smile.process_signal(read_audio(path), SAMPLE_RATE) for path in table["path"]]).astype(np.float32)


def pool_frozen(table, audio):
    """Mean and deviation of the frozen backbone's last layer, float32 (utterances, dimensions)."""
    return pool_utterances(build_classifier(experiment.backbone), experiment, table, audio)


def describe(compute):
    """Features of all utterances by their names, kept in the cache."""
    parts = []
    for name, (table, audio) in loaded.items():
        source = f"{experiment.backbone} {len(table)} {table['digest'].str.cat()}"
        file = paths.cache_root() / f"{compute.__name__}-{name}-{hashlib.sha1(source.encode()).hexdigest()[:12]}.npy"
        if not file.is_file():
            paths.write_array(file, compute(table, audio))
        parts.append(pd.DataFrame(np.load(file), table["utterance"]))
    return pd.concat(parts)


def predict(features, learned, tested, per_speaker=False):
    """Predictions of a support vector machine; per speaker, at the training speakers' mean and deviation."""
    machine = make_pipeline(StandardScaler(), SVC(C=3, class_weight="balanced"))
    known, new = (features.loc[part["utterance"]].to_numpy() for part in (learned, tested))
    new = align_moments(new, fit_moments(known), tested["speaker"]) if per_speaker else new
    labels = machine.fit(known, learned["emotion"]).predict(new)
    return tabulate_predictions(tested, (labels[:, None] == np.array(EMOTIONS)).astype(float))


# %% [markdown]
# ## The same speakers for all
#
# The fine-tuned models' predictions are those of their runs. Where a case has folds, the predictions of all five are
# scored together, each utterance once.


# %%
def change(**changes):
    """Who trains and who tests in an experiment of this profile."""
    split, _ = load_split(Experiment.from_profile(profile, **{**settings, **changes}))
    return split.train, split.test


def list_cases():
    """By case, pairs of training and test tables."""
    cases = {}
    for arm in dict.fromkeys(["", loso.permanent]):
        pairs = [change(fold=fold, permanent=arm) for fold in FOLDS]
        cases["+".join(filter(None, [loso.primary, arm]))] = pairs
    learned, _ = change(split="random")
    return cases | {HOME: [change(split="disjoint")], ABROAD: [(learned, loaded[experiment.target][0])]}


def time_egemaps():
    """Median milliseconds that the functionals of 8 s take."""
    smile, sound = load_smile(), np.random.default_rng(0).normal(0, 0.1, 8 * SAMPLE_RATE).astype(np.float32)
    return 1000 * np.median(timeit.repeat(lambda: smile.process_signal(sound, SAMPLE_RATE), number=1, repeat=9))


def measure_machines():
    """UA of both descriptions in every case."""
    rows = []
    for system, compute in {"eGeMAPS, SVM": extract_egemaps, "frozen backbone, SVM": pool_frozen}.items():
        features, tables = describe(compute), {}
        for case, pairs in list_cases().items():
            tables[case] = pd.concat([predict(features, *pair) for pair in pairs])
        tables[ALIGNED] = predict(features, *pairs[0], per_speaker=True)
        rows += [{"system": system, "case": case, **bootstrap_scores(own).loc["UA"]} for case, own in tables.items()]
    return pd.DataFrame(rows).rename(columns=COLUMNS).assign(milliseconds=time_egemaps())


machines = page.measure_table(experiment, "baselines", measure_machines if here else None)

# %%
systems = (
    {"base, fine-tuned": "open", "small, distilled": "small"} if profile == "open" else {"fine-tuned": loso.profile}
)
rows = []
for system, name in systems.items():
    folds = {arm: [one for one in find_runs(name) if one.experiment.arm == arm] for arm in machines["case"]}
    tables = {arm: pd.concat([one.predictions for one in own]) for arm, own in folds.items() if own}
    tables[HOME] = find_runs(name, "disjoint")[0].predictions
    rows += [{"system": system, "case": case, **bootstrap_scores(own).loc["UA"]} for case, own in tables.items()]
    if not (abroad := page.read_open("alignments", name)).empty:
        abroad = abroad.set_index("alignment").loc[["as it is", "per speaker"], [*COLUMNS.values()]]
        abroad = abroad.assign(system=system, case=[ABROAD, ALIGNED])
        rows += abroad.rename(columns=dict(zip(COLUMNS.values(), COLUMNS, strict=True))).to_dict("records")
if profile == "open":  # the same network as the small one, from random weights
    plain = page.read_open("student").set_index("score").loc["UA", ["one", "one_low", "one_high"]]
    rows.append({"system": "small, not distilled", "case": HOME, **dict(zip(COLUMNS, plain, strict=True))})
scores = pd.concat([machines, pd.DataFrame(rows).rename(columns=COLUMNS)], ignore_index=True)
titles = {arm: f"{page.format_arm(arm)}, five folds" for arm in (loso.primary, loso.arm)}
titles[HOME] = f"{page.format_arm(experiment.arm)}, {HOME}"
titles[ABROAD] = f"{page.format_arm(experiment.target)}, {ABROAD}"
titles[ALIGNED] = f"{page.format_arm(experiment.target)}, per speaker"
wide = scores.pivot(index="system", columns="case", values="UA").reindex(scores["system"].unique())[[*titles]]

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 6))
for turn, (system, own) in enumerate(scores.groupby("system", sort=False)):
    place = own["case"].map([*titles].index) + 0.15 * (turn - 2)
    reach = abs(own[["UA_low", "UA_high"]].T - own["UA"])
    axis.errorbar(
        own["UA"], place, xerr=reach, fmt=MARKS[turn], color=INKS[turn], markersize=8, linewidth=2, label=system
    )
axis.axvline(1 / len(EMOTIONS), color=INK, linewidth=1, linestyle=":")
axis.set(yticks=range(len(titles)), yticklabels=[*titles.values()], ylim=(len(titles) - 0.4, -0.6))
axis.set_xlabel("UA, 95 % over speakers\n(dotted: chance)")
figure.legend(loc="outside upper center", ncols=2)
alt = "; ".join(f"{system}: {own.round(2).to_dict()}" for system, own in wide.iterrows())
drawn = show_figure(figure, "Every system on the same utterances.", f"UA of {alt}.")
shown = wide.rename(columns=titles).T.rename_axis(index=None, columns=None)
page.stack(drawn, show_table(shown, "UA of every system in every case.", "{:.3f}"))

# %% [markdown]
# ## What it costs
#
# Milliseconds that one processor thread takes for eight seconds, against UA on new speakers. Hand-made features are not
# the cheap way: openSMILE computes them frame by frame.

# %% tags=["hide-input"]
found = page.read_open("quantization_models").set_index(["model", "scheme"])["median"]
costs = {"frozen backbone, SVM": found["whisper-base, trained", "fp32"]}
costs |= {"base, fine-tuned": found["whisper-base, trained", "w8a8"]}
costs |= {"small, distilled": found["student, trained", "w8a8-conv"], "eGeMAPS, SVM": machines["milliseconds"].iloc[0]}
own = scores[scores["case"] == HOME].set_index("system").assign(milliseconds=costs).dropna()
figure, axis = plt.subplots(figsize=(7, 4))
axis.errorbar(own["milliseconds"], own["UA"], yerr=abs(own[["UA_low", "UA_high"]].T - own["UA"]), fmt="o", color=ACCENT)
for system, row in own.iterrows():
    axis.annotate(system, (row["milliseconds"], row["UA"]), (6, 6), textcoords="offset points", fontsize=12)
axis.set(xscale="log", xlim=(8, 400), xlabel="milliseconds for 8 s, one thread", ylabel="UA on new speakers")
alt = f"Milliseconds and UA: {own[['milliseconds', 'UA']].round(2).T.to_dict('list')}."
show_figure(figure, "What a system costs, and what it is worth; of networks, from results/open.", alt)

# %% tags=["remove-cell"]
best = "base, fine-tuned" if profile == "open" else "fine-tuned"
page.glue(origin=page.format_origin(experiment), home=page.format_arm(experiment.arm))
page.glue(
    hand=wide.loc["eGeMAPS, SVM", HOME], frozen=wide.loc["frozen backbone, SVM", HOME], tuned=wide.loc[best, HOME]
)
page.glue(hand_abroad=wide.loc["eGeMAPS, SVM", ABROAD], frozen_abroad=wide.loc["frozen backbone, SVM", ABROAD])
page.glue(hand_aligned=wide.loc["eGeMAPS, SVM", ALIGNED], frozen_aligned=wide.loc["frozen backbone, SVM", ALIGNED])

# %% [markdown]
# ## What it means
#
# On new speakers of {glue:text}`home` ({glue:text}`origin`), hand-made features with a support vector machine reach a UA of
# {glue:text}`hand:.3f`, the frozen backbone with the same machine {glue:text}`frozen:.3f`, and fine-tuned
# {glue:text}`tuned:.3f`: the step is from features to pretraining, and fine-tuning is a small one at home. On the unseen
# corpus as it is, neither machine is much use ({glue:text}`hand_abroad:.3f` and {glue:text}`frozen_abroad:.3f`); with a
# speaker's two moments aligned, {glue:text}`hand_aligned:.3f` and {glue:text}`frozen_aligned:.3f`.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [how systems compare as they are published](comparison.ipynb).
