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
# # Half way back
#
# *How much of what fine-tuning adds should be kept?*
#
# Paper: section III-D, which keeps all of it. Weights between the pretrained and the fine-tuned ones are often better
# than either, above all on data of another kind {cite}`wortsman2022robust`.

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
import pandas as pd

from sercore import page, training
from sercore.data import load_split, load_target
from sercore.evaluation import align_moments, fit_moments, score
from sercore.experiment import Experiment
from sercore.page import ACCENT, INK, PALE, show_figure, show_table
from sercore.training import build_classifier
from sercore.training.embeddings import pool_utterances
from sercore.training.regression_head import choose_head

page.set_style()
experiment = Experiment.from_profile(profile, **{**settings, "split": "disjoint"})
unseen = page.format_arm(experiment.target)
SHARES = (0, 0.25, 0.5, 0.75, 1)
CASES = ["validation speakers", "held-out speakers", f"{unseen}, as it is", f"{unseen}, per speaker"]
adapted, origin = experiment.adapter_rank > 0, page.format_origin(experiment)
if not adapted:
    print(
        "This profile fine-tunes without an adapter: there is nothing between the two ends. See what open corpora gave."
    )
    origin, experiment = "results/open", Experiment.from_profile("open", split="disjoint")
page.show_banner(experiment)

# %% [markdown]
# Fine-tuning adds a low-rank adapter to the backbone. A share of what it adds makes a model in between, which needs
# nothing but a new last layer, a regression on the embeddings of training speakers. The share was decided on validation
# speakers. Held-out speakers had no say, nor had the target corpus, which is scored once and chooses nothing.

# %% tags=["hide-output"]
if adapted:
    run = training.train(experiment)
    (split, audio), (target, sound) = load_split(experiment), load_target(experiment)
    here = page.is_here(run.path, audio)  # else what is recorded is shown


# %%
def score_share(share):
    """UA by case of the model that keeps this share."""
    model = training.adapter.load_adapter(build_classifier(experiment.backbone), run.path / "adapter")
    training.adapter.scale_adapter(model, share / experiment.interpolation)  # the saved one carries its share already
    own = {name: pool_utterances(model, experiment, part, audio) for name, part in split.parts.items()}
    pooled = pool_utterances(model, experiment, target, sound)
    head = choose_head(*((own[name], split.parts[name]["emotion"]) for name in ("train", "validation")))
    aligned = align_moments(pooled, fit_moments(own["train"]), target["speaker"])
    tested = [(split.validation, own["validation"]), (split.test, own["test"]), (target, pooled), (target, aligned)]
    return [score(part["emotion"], head.predict(embeddings))["UA"] for part, embeddings in tested]


def score_shares():
    return pd.DataFrame({share: score_share(share) for share in SHARES}, CASES).T.rename_axis("share").reset_index()


measured = page.measure_table(experiment, "interpolation", score_shares if adapted and here else None)
curve = measured.set_index("share")[CASES]
show_table(curve.rename("{:g}".format).rename_axis(None), f"UA by the share of the adapter that is kept ({origin}).")

# %% tags=["hide-input"]
look = {"style": ["o-", "s-", "^:", "D--"], "color": [INK, ACCENT, PALE, PALE], "markersize": 9, "legend": False}
axis = curve.plot(xlabel="share kept (0: backbone, 1: fine-tuned)", ylabel="UA", **look)
axis.axvline(experiment.interpolation, color=INK, linewidth=1)
axis.figure.legend(axis.lines[:-1], CASES, loc="outside upper center", ncols=2)
show_figure(axis, "UA by share; line: decided on validation speakers.", f"UA: {curve.round(3).to_dict()}.")

# %% tags=["remove-cell"]
points = 100 * curve.reindex([experiment.interpolation, 0, 1])
page.glue(origin=origin, target=unseen, share=experiment.interpolation)
for name, case in zip(("validation", "home", "abroad", "aligned"), CASES, strict=True):
    kept, backbone, tuned = points[case]
    page.glue(**{name: kept, f"{name}_backbone": kept - backbone, f"{name}_tuned": kept - tuned})

# %% [markdown]
# ## What it means
#
# With a share of {glue:text}`share:g` ({glue:text}`origin`), UA on held-out speakers is {glue:text}`home:.1f` %:
# {glue:text}`home_backbone:+.1f` points against the backbone as it was, {glue:text}`home_tuned:+.1f` against all of the
# fine-tuning. On {glue:text}`target` as it is, it is {glue:text}`abroad:.1f` % ({glue:text}`abroad_backbone:+.1f` and
# {glue:text}`abroad_tuned:+.1f`), and aligned per speaker {glue:text}`aligned:.1f` %
# ({glue:text}`aligned_backbone:+.1f` and {glue:text}`aligned_tuned:+.1f`). The best share at home need not be the best
# elsewhere. In use it costs nothing, since the adapter is scaled and merged into the weights.

# %% tags=["remove-input"]
page.show_provenance(*([run] if adapted else []))

# %% [markdown]
# **Next:** [a model a fifth of the size](distillation.ipynb).
