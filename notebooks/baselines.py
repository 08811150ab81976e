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
# *What does a pretrained network add to hand-made features and to a small network, and what does fine-tuning add to that?*
#
# Paper: section IV-B, whose table sets systems side by side that were tested under different protocols. Here all have
# the same test speakers and the same interval: the folds of both arms, the held-out speakers of the
# [production model](production_model.ipynb), and [the unseen corpus](ravdess_analysis.ipynb).

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
hub_models = []  # frozen ones to set beside, such as ["ntu-spml/distilhubert", "facebook/wav2vec2-base"]

# %%
import hashlib

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import torch
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from transformers import AutoFeatureExtractor, AutoModel

from sercore import page, paths
from sercore.audio_files import SAMPLE_RATE, read_audio
from sercore.data import UtteranceDataset, load_split, load_utterances
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments, tabulate_predictions
from sercore.experiment import FOLDS, Experiment
from sercore.labels import EMOTIONS
from sercore.page import ACCENT, INK, PALE, read_number, show_figure, show_table
from sercore.training import build_classifier, find_runs, train
from sercore.training.embeddings import pool_utterances

page.set_style()
loso = Experiment.from_profile(profile, **settings)
experiment = Experiment.from_profile(profile, **{**settings, "split": "disjoint"})
page.show_banner(experiment)
INKS, MARKS = [PALE, INK, "#b8860b", ACCENT, "#7a9ad0", "#9a9a9a", *["#555555"] * 4], "sDXo^vP*<>"
COLUMNS, SPAN = {"value": "UA", "low": "UA_low", "high": "UA_high"}, ["UA_low", "UA_high"]
arms, ships = [*dict.fromkeys([loso.primary, loso.arm])], {"base, fine-tuned": "open", "small, distilled": "small"}
HOME, ABROAD, ALIGNED = "new speakers", "unseen corpus", "unseen corpus, per speaker"

# %% tags=["hide-output"]
run = train(experiment)
loaded = {name: load_utterances(name, experiment) for name in {*loso.corpora, *experiment.corpora, experiment.target}}
here = page.is_here(run.path, *(audio for _, audio in loaded.values()))  # else what is recorded is shown
if hub_models and not here:
    raise ValueError("hub_models needs the corpora and the run's weights here; name their folders and train it first.")

# %% [markdown]
# ## Ways to describe an utterance
#
# The extended Geneva minimalistic set, eGeMAPS {cite}`eyben2016geneva`, is 88 numbers of an utterance's pitch, loudness,
# formants and spectrum, chosen by phoneticians; openSMILE {cite}`eyben2010opensmile` computes them. The frozen backbone is
# the other way: mean and deviation over time of its last layer, with nothing trained on emotions. Models of the hub that
# `hub_models` names are taken by the average of their layers {cite}`pepino2021emotion`; here none was run. All go to the
# same support vector machine, whose settings are fixed beforehand, so that nothing is chosen on any speaker. Fine-tuned
# models' predictions are those of their runs. Where a case has folds, all five are scored together.


# %%
def extract_egemaps(table, audio, _):
    """88 functionals of each recording as it is, float32 (utterances, 88)."""
    import opensmile  # free for research and teaching, but not for products

    smile = opensmile.Smile(opensmile.FeatureSet.eGeMAPSv02, opensmile.FeatureLevel.Functionals)
    return np.vstack([smile.process_signal(read_audio(path), SAMPLE_RATE) for path in table["path"]]).astype(np.float32)


def pool_frozen(table, audio, backbone):
    """Mean and deviation of the frozen backbone's last layer, float32 (utterances, dimensions)."""
    return pool_utterances(build_classifier(backbone), experiment, table, audio)


@torch.inference_mode()
def pool_layers(table, audio, backbone):
    """Mean and deviation of the average of a hub model's layers, float32 (utterances, dimensions)."""
    extract, model, pooled = AutoFeatureExtractor.from_pretrained(backbone), AutoModel.from_pretrained(backbone), []
    for item in UtteranceDataset(table, audio):
        inputs = extract(item["input_values"], sampling_rate=SAMPLE_RATE, return_tensors="pt")
        layers = model.eval()(**inputs, output_hidden_states=True).hidden_states
        pooled.append(torch.cat(torch.std_mean(torch.stack(layers).mean(0)[0], 0, correction=0)[::-1]))
    return torch.stack(pooled).numpy()


def describe(compute, backbone):
    """Features of all utterances by their names, kept in the cache."""
    parts = []
    for name, (table, audio) in loaded.items():
        source = f"{backbone} {len(table)} {table['digest'].str.cat()}"
        file = paths.cache_root() / f"{compute.__name__}-{name}-{hashlib.sha1(source.encode()).hexdigest()[:12]}.npy"
        if not file.is_file():
            paths.write_array(file, compute(table, audio, backbone))
        parts.append(pd.DataFrame(np.load(file), table["utterance"]))
    return pd.concat(parts)


def predict(features, learned, tested, per_speaker=False):
    """Predictions of a support vector machine; per speaker, at the training speakers' mean and deviation."""
    machine = make_pipeline(StandardScaler(), SVC(C=3, class_weight="balanced"))
    known, new = (features.loc[part["utterance"]].to_numpy() for part in (learned, tested))
    new = align_moments(new, fit_moments(known), tested["speaker"]) if per_speaker else new
    labels = machine.fit(known, learned["emotion"]).predict(new)
    return tabulate_predictions(tested, (labels[:, None] == np.array(EMOTIONS)).astype(float))


def list_cases():
    """By case, pairs of training and test tables."""
    changes = {arm: [{"fold": fold, "permanent": arm.partition("+")[2]} for fold in FOLDS] for arm in arms}
    changes, make = changes | {HOME: [{"split": "disjoint"}], ABROAD: [{"split": "random"}]}, Experiment.from_profile
    splits = {case: [load_split(make(profile, **settings | one))[0] for one in own] for case, own in changes.items()}
    cases = {case: [(split.train, split.test) for split in own] for case, own in splits.items()}
    return cases | {ABROAD: [(cases[ABROAD][0][0], loaded[experiment.target][0])]}


def score_cases(system, tables):
    """UA of a system in every case, a row each, from its predictions."""
    found = {case: bootstrap_scores(own).loc["UA"].rename(COLUMNS) for case, own in tables.items()}
    return [{"system": system, "case": case, **own} for case, own in found.items()]


def measure_machines():
    """UA of every description in every case."""
    rows, ways = [], {"eGeMAPS": (extract_egemaps, ""), "frozen backbone": (pool_frozen, experiment.backbone)}
    for system, way in (ways | {name: (pool_layers, name) for name in hub_models}).items():
        features, cases = describe(*way), list_cases()
        tables = {case: pd.concat([predict(features, *pair) for pair in pairs]) for case, pairs in cases.items()}
        tables[ALIGNED] = predict(features, *cases[ABROAD][0], per_speaker=True)
        rows += score_cases(f"{system}, SVM", tables)
    return pd.DataFrame(rows)


machines = page.measure_table(experiment, "baselines", measure_machines if here else None)
systems = ships if profile == "open" else {"fine-tuned": loso.profile}
rows = page.read_open("light_sernet", loso.profile).to_dict("records")
for system, name in systems.items():
    folds = {arm: [one for one in find_runs(name) if one.experiment.arm == arm] for arm in arms}
    tables = {arm: pd.concat([one.predictions for one in own]) for arm, own in folds.items() if own}
    rows += score_cases(system, tables | {HOME: find_runs(name, "disjoint")[0].predictions})
    abroad = page.read_open("alignments", name).rename(columns={"alignment": "case"}).assign(system=system)
    rows += abroad.replace({"as it is": ABROAD, "per speaker": ALIGNED}).to_dict("records")
if profile == "open":  # the same network as the small one, from random weights
    plain = page.read_open("student").set_index("score").loc["UA", ["one", "one_low", "one_high"]]
    rows.append({"system": "small, not distilled", "case": HOME, **dict(zip(COLUMNS.values(), plain, strict=True))})
home, target = page.format_arm(experiment.arm), page.format_arm(experiment.target)
titles = {arm: f"{page.format_arm(arm)}, five folds" for arm in arms}
titles |= {HOME: f"{home}, {HOME}", ABROAD: f"{target}, {ABROAD}", ALIGNED: f"{target}, per speaker"}
scores = pd.concat([machines, pd.DataFrame(rows)])[["system", "case", "UA", *SPAN]].query("case in @titles")
wide = scores.pivot(index="system", columns="case", values="UA").reindex(scores["system"].unique())[[*titles]]

# %% tags=["hide-input"]
figure, axis = plt.subplots(figsize=(7, 6))
for turn, (system, own) in enumerate(scores.groupby("system", sort=False)):
    place, reach = own["case"].map([*titles].index) + 0.13 * (turn - 2.5), abs(own[SPAN].T - own["UA"])
    axis.errorbar(own["UA"], place, xerr=reach, fmt=MARKS[turn], color=INKS[turn], ms=8, lw=2, label=system)
axis.axvline(1 / len(EMOTIONS), color=INK, linewidth=1, linestyle=":")
axis.set(yticks=range(len(titles)), yticklabels=[*titles.values()], ylim=(len(titles) - 0.4, -0.6))
axis.set_xlabel("UA, 95 % over speakers\n(dotted: chance)")
figure.legend(loc="outside upper center", ncols=2)
alt = "; ".join(f"{system}: {own.round(2).to_dict()}" for system, own in wide.iterrows())
drawn = show_figure(figure, "Every system on the same utterances.", f"UA of {alt}.")
shown = wide.rename(columns=titles).T.rename_axis(index=None, columns=None)
page.stack(drawn, show_table(shown, "UA of every system in every case; a dash: not measured.", "{:.3f}"))

# %% [markdown]
# ## A small network of its own, and its leak
#
# LIGHT-SERNET {cite}`aftab2022lightsernet` learns from labels alone: cepstral coefficients go through three parallel
# convolutions, along time, along frequency and along both, then through five blocks. `python workflow/light_sernet.py`,
# written anew from its description, trains it in {glue:text}`minutes:.0f` minutes of one processor thread: for
# {glue:text}`epochs:.0f` epochs ({glue:text}`production_epochs:.0f` of CREMA-D) instead of 300, so short of what it can do.
# Published are {glue:text}`published:.2f` percent on IEMOCAP, in folds that share speakers, with the epoch chosen on the
# test fold. These two habits, on the same utterances of RAVDESS, in folds of one size: of speakers, or in random order.

# %% tags=["hide-input"]
leak = page.read_open("light_sernet_leak").set_index(["speakers", "epoch chosen on"])
gain = ["gain", "gain_low", "gain_high"]
leak[gain] *= 100
show_table(leak, "LIGHT-SERNET on RAVDESS: UA, and points over the honest protocol.", dict.fromkeys(gain, "{:+.1f}"))

# %% [markdown]
# ## What it costs
#
# Of one thread, for eight seconds of audio, LIGHT-SERNET's untrimmed. openSMILE computes frame by frame: not cheap.

# %% tags=["hide-input"]
networks = ["frozen backbone, SVM", "base, fine-tuned", "small, distilled"]
schemes = [("whisper-base, trained", "fp32"), ("whisper-base, trained", "w8a8"), ("student, trained", "w8a8-conv")]
costs = page.read_open("quantization_models").set_index(["model", "scheme"]).loc[schemes].set_axis(networks)
facts = page.read_open("light_sernet_facts").set_axis(["LIGHT-SERNET"])
timed = page.read_open("light_sernet_costs").set_index("system")
costs = timed.combine_first(pd.concat([costs, facts[[*costs][:3]]]))[[*costs]]
own = scores[scores["case"] == HOME].set_index("system").join(costs, how="inner")
reach = {"xerr": abs(own[["low", "high"]].T - own["median"]), "yerr": abs(own[SPAN].T - own["UA"])}
figure, axis = plt.subplots(figsize=(7, 4))
axis.errorbar(own["median"], own["UA"], fmt="o", color=ACCENT, **reach)
for system, row in own.iterrows():
    axis.text(row["median"], row["UA_low"] - 0.005, system, ha="center", va="top", fontsize=12)
axis.set(xscale="log", xlim=(5, 400), ymargin=0.15, xlabel="milliseconds for 8 s", ylabel="UA on new speakers")
alt = f"Milliseconds and UA: {own[['median', 'UA']].round(2).T.to_dict('list')}."
drawn = show_figure(figure, "Cost (processor time; of the frozen backbone, elapsed) and worth; from results/open.", alt)
page.stack(drawn, show_table(own.drop(columns="case").rename_axis(None), "UA, size, work, milliseconds, quartiles."))

# %% tags=["remove-cell"]
page.glue(origin=page.format_origin(experiment), home=home, tuned=wide.loc[next(iter(systems)), HOME])
page.glue(**wide.loc["eGeMAPS, SVM", HOME:].set_axis(["hand", "hand_abroad", "hand_aligned"]))
page.glue(**wide.loc["frozen backbone, SVM", HOME:].set_axis(["frozen", "frozen_abroad", "frozen_aligned"]))
page.glue(published=read_number("UA", "IV-B", "light-sernet"), honest=leak["UA"].iloc[0], leaky=leak["UA"].iloc[-1])
page.glue(**facts[["epochs", "production_epochs", "minutes"]].iloc[0], **leak[gain].iloc[-1])

# %% [markdown]
# ## What it means
#
# On new speakers of {glue:text}`home` ({glue:text}`origin`), hand-made features with a support vector machine reach a UA of
# {glue:text}`hand:.3f`, the frozen backbone with the same machine {glue:text}`frozen:.3f`, and fine-tuned
# {glue:text}`tuned:.3f`: the step is from features to pretraining, and fine-tuning is a small one at home. On the unseen
# corpus as it is, neither machine is much use ({glue:text}`hand_abroad:.3f` and {glue:text}`frozen_abroad:.3f`); with a
# speaker's two moments aligned, {glue:text}`hand_aligned:.3f` and {glue:text}`frozen_aligned:.3f`. The small network has
# {glue:text}`honest:.3f` on RAVDESS, and with its authors' habits {glue:text}`leaky:.3f`: {glue:text}`gain:+.1f` points,
# {glue:text}`gain_low:+.1f` to {glue:text}`gain_high:+.1f`, that no new speaker sees.

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [how systems compare as they are published](comparison.ipynb).
