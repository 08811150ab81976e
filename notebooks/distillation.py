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
# # Distillation
#
# *How much of a fine-tuned model fits into a small one, and what in the recipe carries it over?*
#
# Paper: section III-C, whose backbone DistilHuBERT {cite}`chang2022distilhubert` is a student of HuBERT. Here teacher
# and student are the two models that ship. A profile without an adapter distils a very small one, to show that this runs;
# where nothing was trained, the page shows what was recorded.

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
import torch
from sklearn.linear_model import RidgeCV

from sercore import MODELS, page, training
from sercore.data import Collator, load_split, load_target
from sercore.evaluation import align_moments, bootstrap_scores, fit_moments, tabulate_predictions
from sercore.experiment import Experiment
from sercore.export.latency import count_operations
from sercore.page import ACCENT, INK, METRICS, PALE, show_figure, show_table
from sercore.training import build_classifier, classify_embeddings, embed, load_classifier
from sercore.training.distillation import Distillation, distil
from sercore.training.teacher_views import QUICK, make_views

page.set_style()
GAIN = dict.fromkeys(("gain", "gain_low", "gain_high"), "{:+.1f}")  # points
experiment = Experiment.from_profile(profile, **{**settings, "split": "disjoint"})
adapted = experiment.adapter_rank > 0
(split, audio), (target, other) = load_split(experiment), load_target(experiment)
page.show_banner(experiment)

# %% tags=["hide-output"]
run = training.train(experiment)
here = page.is_here(run.path, audio)  # else what is recorded is shown, and not measured
student = distil(run, Distillation(**{} if adapted else QUICK)) if here else run.path.with_name("distillation")


def measure(name, compute):
    return page.measure_table(experiment, name, compute if here else None)


# %% [markdown]
# ## Teacher and student side by side
#
# The student has two teachers, the backbone as it was and the model that is fine-tuned from it. It is shown the training
# speakers of the [speaker-disjoint split](production_model.ipynb), sentences in synthetic voices, and nobody else.


# %%
def describe(model, seconds=8):
    """Shape of a classifier, and the multiply-adds of its convolutions and products of matrices."""
    queries, shapes = [part for name, part in model.named_modules() if name.endswith("q_proj")], []
    queries[0].register_forward_hook(lambda layer, inputs, output: shapes.append(output.shape))  # batch, frames, width
    operations = count_operations(model, seconds).sum()
    row = {"layers": len(queries), "width": shapes[0][2], "frames a second": round(shapes[0][1] / seconds)}
    return row | {"parameters": model.num_parameters(), "multiply-adds (millions)": operations / 1e6}


def compare_sizes():
    """One row for each teacher, and one for the student."""
    models = {"backbone, frozen": build_classifier(experiment.backbone)}
    models |= {"fine-tuned": load_classifier(run.path / "model"), "student": load_classifier(student / "model")}
    return pd.DataFrame([{"model": name, **describe(model)} for name, model in models.items()])


sizes = measure("student_sizes", compare_sizes).set_index("model")
found = [file.stat().st_size if adapted and file.is_file() else np.nan for file in MODELS.values()]
sizes = sizes.assign(**{"bytes in 8 bits": [np.nan, *found]}).rename_axis(None).T
show_table(sizes, "Both teachers and their student: multiply-adds for 8 s; bytes of the files that ship.", "{:,.0f}")

# %% [markdown]
# ## How the student learns
#
# A student's progress shows without labels: the share of the variance of its targets that it predicts, on speakers that
# it was not shown. Targets are the mean and deviation over time of the backbone's last two layers, and the embedding of
# the fine-tuned model. Views are the same clips with their sentence destroyed and in another channel.

# %% tags=["hide-input"]
history, targets = (pd.read_csv(student / f"{name}.csv") for name in ("history", "targets"))
predicted = targets.pivot(index="target", columns="clips", values="R2").rename_axis(index=None, columns=None)
shares = history.set_index("epoch").drop(columns=["loss", "seconds"])
shares.columns = shares.columns.str.replace("_R2", "").str.replace("_views", " of views")
look = {"style": ["-", "-", ":", "--", "--"], "color": [PALE, ACCENT, INK, PALE, ACCENT], "legend": False}
axis = shares.plot(figsize=(7, 4.6), ylabel="UA, or share of variance", **look)
axis.figure.legend(loc="outside upper center", ncols=3, columnspacing=1)
drawn = show_figure(axis, "By epoch, on validation speakers.", f"At the end: {shares.iloc[-1].round(3).to_dict()}.")
page.stack(show_table(predicted, "Share of each target's variance that is predicted, on validation speakers."), drawn)

# %% [markdown]
# ## What other sentences and speakers add
#
# CREMA-D says twelve sentences, and a student learns them with the voice; `workflow/speak_sentences.py` speaks others.
# Four students are measured by a regression on their embeddings, before any fine-tuning (`workflow/compare_students.py`):
# shown none of them, half, and all, which is the one that ships; and all together with the validation speakers. Besides,
# the first two saw five views of each clip, not six, the last fewer epochs; each teacher was trained anew.

# %%
spoken = page.read_open("student_sentences")
spoken["UA"] = spoken.apply("{value:.3f} [{low:.3f}, {high:.3f}]".format_map, axis=1)
shown = spoken.pivot(index=["utterances", "embeddings"], columns="student", values="UA").rename_axis(columns=None)
show_table(shown[spoken["student"].unique()], "UA of CREMA-D and RAVDESS, 95 % intervals over speakers (results/open).")

# %% [markdown]
# ## What each kind of view adds
#
# One thing is changed at a time, in students that are shown fewer speakers, fewer epochs and no sentences. All are measured
# on the same validation clips: by UA, and by the share of the fine-tuned teacher's embedding that a linear regression
# predicts from theirs, fitted anew for each student on the same views.

# %% tags=["hide-output"]
VARIANTS = {"all": {}, "no views": {"views": 1}, "no splicing": {"splice": False}}
VARIANTS |= {"no other content": {"content": False}, "no other channel": {"channel": False}}
VARIANTS |= {"teachers get the student's view": {"undistorted": False}}
VARIANTS |= {"no fine-tuned teacher": {"embedding": 0.0, "probabilities": 0.0}}
brief = {"speakers": 4, "views": 2, "epochs": 12, "average": 0.98} if adapted else QUICK


@torch.inference_mode()
def embed_view(model, view):
    """Embeddings of one view of all clips, (clips, dimensions)."""
    batches = torch.utils.data.DataLoader(view, 16, sampler=range(len(view.labels)), collate_fn=Collator("longest", 8))
    pooled = [model.pool_layers(batch["input_values"], batch["attention_mask"])[-1] for batch in batches]
    return model.norm(torch.cat(pooled)).numpy()


def vary_views():
    """UA of each brief student, its gain on the first, and the share of the embedding that it predicts."""
    shown, validation = make_views(run, Distillation(**brief))
    views, tables, kinds = {"plain": validation[0], "views": validation[1], "train": shown[1]}, {}, {}
    known = {name: view.targets["embedding"].astype(float) for name, view in views.items()}
    for name, changed in [*VARIANTS.items()][: None if adapted else 2]:
        folder = distil(run, Distillation(**brief | changed))
        model = load_classifier(folder / "model")
        own = {kind: embed_view(model, view) for kind, view in views.items()}
        head = [part.detach().numpy() for part in (model.classifier.weight, model.classifier.bias)]
        tables[name] = tabulate_predictions(split.validation, classify_embeddings(own["plain"], head))
        found = bootstrap_scores(tables["all"], tables[name]).loc["UA"]
        linear = RidgeCV(np.logspace(-2, 4, 7)).fit(own["train"], known["train"])
        kinds[name] = {"UA": found["other"], **100 * found[[*GAIN]]}
        kinds[name]["embedding"] = linear.score(own["views"], known["views"])
    return pd.DataFrame(kinds).T.rename_axis("students").reset_index()


kinds = measure("student_views", vary_views).set_index("students")

# %% tags=["hide-input"]
figure, panels = plt.subplots(1, 2, figsize=(7, 4), sharey=True)
reach = abs(kinds[["gain_low", "gain_high"]].T - kinds["gain"])
panels[0].errorbar(kinds["gain"], kinds.index, xerr=reach, fmt="o", color=ACCENT, markersize=9, linewidth=3)
panels[0].axvline(0, color=INK, linewidth=1)
panels[0].set(xlabel="difference in UA\n(points)", ylim=(len(kinds) - 0.5, -0.5))
panels[1].plot(kinds["embedding"], kinds.index, "s", color=INK, markersize=9)
panels[1].set(xlabel="share of the\nembedding")
drawn = show_figure(figure, "One thing is changed at a time; 95 % intervals.", f"{kinds.round(2).T.to_dict('list')}.")
caption = "UA, its gain on the first (points, 95 % intervals over speakers), share of the embedding predicted on views."
page.stack(show_table(kinds.rename_axis(None), caption, GAIN), drawn)

# %% [markdown]
# ## What distillation adds
#
# The same network is fine-tuned with the same labels and settings from the distilled weights and from random ones.
# Held-out speakers come first; RAVDESS is scored once, last, and chooses nothing.


# %% tags=["hide-output"]
def train_both():
    """Runs of the same network from random weights and from the student's."""
    small = {**settings, "split": "disjoint"}
    starts = [small | {"backbone": "student-scratch", "interpolation": 1.0}, small]
    return [training.train(Experiment.from_profile("small", **own)) for own in starts]


def measure_home():
    """Scores of both on held-out speakers, and the gain."""
    scores = bootstrap_scores(*(own.predictions for own in train_both()))
    return scores.filter(METRICS, axis="index").rename_axis("score").reset_index()


def measure_abroad():
    """UA of both, and of the teacher, on the target, as it is and per speaker."""
    runs, abroad = [*train_both(), run], []
    for name, own in zip(("random weights", "the student", "(the teacher)"), runs, strict=True):
        pooled, source = embed(own, target, other), fit_moments(embed(own, split.train, audio))
        aligned = align_moments(pooled, source, target["speaker"])
        for case, mapped in {"as it is": pooled, "per speaker": aligned}.items():
            table = tabulate_predictions(target, classify_embeddings(mapped, training.read_head(own)))
            abroad.append({"from": name, "embeddings": case, **bootstrap_scores(table).loc["UA"]})
    return pd.DataFrame(abroad)


added = measure("student", measure_home) if adapted else page.read_open("student")
abroad = measure("student_transfer", measure_abroad) if adapted else page.read_open("student_transfer")
added, source = added.set_index("score"), "" if adapted else " (results/open)"

# %%
home = page.show_gains(added, ["random weights", "the student", "gain (points)"], f"Held-out speakers, from{source}:")
page.stack(home, show_table(abroad, f"UA on RAVDESS, with 95 % intervals{source}.", index=False))

# %% tags=["remove-cell"]
page.glue(**(100 * added.loc["UA", [*GAIN]]), predicted=predicted.loc["embedding, fine-tuned", "views"])
page.glue(**sizes.loc["parameters", ["student", "fine-tuned"]].set_axis(["parameters", "teacher"]))
page.glue(origin=page.format_origin(experiment), speakers=split.validation["speaker"].nunique(), reach=np.max(reach))
points = spoken.query("embeddings == 'as they are'").set_index(["utterances", "student"])["value"]
page.glue(**{f"{place.split()[1]}_{student.split()[0]}": value for (place, student), value in points.items()})

# %% [markdown]
# ## What it means
#
# A student of {glue:text}`parameters:,.0f` parameters ({glue:text}`origin`) predicts {glue:text}`predicted:.2f` of the
# variance of the embedding of a teacher of {glue:text}`teacher:,.0f` on views of speakers that it was not shown.
# Fine-tuned on open corpora, one gains {glue:text}`gain:+.1f` points of UA over random weights (95 % interval
# {glue:text}`gain_low:+.1f` to {glue:text}`gain_high:+.1f`). What it is shown in training matters most abroad: with none,
# half and all of the sentences that nobody in CREMA-D says, UA on RAVDESS as it is: {glue:text}`corpus_none:.3f`,
# {glue:text}`corpus_half:.3f` and {glue:text}`corpus_all:.3f`, and with more speakers {glue:text}`corpus_more:.3f`. At home,
# on held-out speakers of CREMA-D, neither moves it: {glue:text}`speakers_none:.3f`, {glue:text}`speakers_half:.3f`,
# {glue:text}`speakers_all:.3f` and {glue:text}`speakers_more:.3f`. Of the kinds of views, {glue:text}`speakers:d`
# validation speakers settle little (intervals of up to {glue:text}`reach:.1f` points).

# %% tags=["remove-input"]
page.show_provenance(run)

# %% [markdown]
# **Next:** [does the second corpus help?](cremad_ablation.ipynb)
