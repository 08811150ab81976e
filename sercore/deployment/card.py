"""The model card: what a model is, what it was trained on, how good it is, and under which terms it may be used."""

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from sercore.emotions import EMOTIONS
from sercore.evaluation.tables import METRICS, in_words, origin
from sercore.training import Run
from sercore.training.runs import write_text

LICENSES = {
    "iemocap": "IEMOCAP: licensed by the University of Southern California for research, on request",
    "cremad": "CREMA-D: Open Database License",
    "ravdess": "RAVDESS: CC BY-NC-SA 4.0, no commercial use",
}
HELD = {
    "loso": "session {fold}, whose speakers are in no other part",
    "random": "5 % of the utterances at random; their speakers are in the training part too, so the scores flatter",
    "disjoint": "whole speakers, about 5 % of them, whom training has not heard",
}
TEXT = """
# {title}

Classifies a spoken utterance (16 kHz, mono, up to {seconds:g} s) as {emotions}.
{synthetic}
## Training

- corpora: {corpora}
- backbone: `{backbone}`, {epochs} epochs, the best {best}; seed {seed}
- held out: {held}
- preprocessing: trim at 20 dB below the peak, pre-emphasis, peak normalization

## Scores on what was held out

{scores}

## Limits

Acted speech of adult speakers of English. A new language, a new room or spontaneous speech lowers the scores; so
does a corpus that is played differently. Do not use it to decide about people.

## Terms

The weights are bound by the terms of the corpora:

{terms}
"""


def write_card(run: Run) -> ModelCard:
    """Writes `model/README.md` of a run, in the format of the Hugging Face hub.

    Args:
        run: a finished run.

    Returns:
        The card, with the scores of the run's test part.
    """
    experiment, test = run.experiment, run.metrics["test"]
    values = {"WA": test["WA"], "UA": test["UA"], "macro_f1": test["macro_f1"]}
    where = origin(experiment), in_words(experiment, experiment.corpora)
    split = f"{experiment.split}, {experiment.part}"
    results = [
        EvalResult("audio-classification", *where, METRICS[name], round(value, 4), dataset_split=split)
        for name, value in values.items()
    ]
    data = ModelCardData(language="en", pipeline_tag="audio-classification", license="other", model_name=run.path.name, eval_results=results)
    card = ModelCard(f"---\n{data.to_yaml()}\n---\n{_text(run, values)}")
    write_text(run.path / "model" / "README.md", str(card))
    return card


def _text(run: Run, values: dict[str, float]) -> str:
    experiment = run.experiment
    synthetic = [corpus for corpus in experiment.corpora if experiment.root(corpus) == "synthetic"]
    generated = f"Trained on generated voices ({in_words(experiment, synthetic)}); what they teach holds for no real one."
    lines = [f"- {METRICS[name]}: {value:.3f}" for name, value in values.items()]
    lines += [f"- recall of {emotion}: {found['recall']:.3f}" for emotion, found in run.metrics["test"]["per_class"].items()]
    return TEXT.format(
        title=run.path.name,
        seconds=experiment.max_seconds,
        emotions=", ".join(EMOTIONS),
        synthetic=f"\n**{generated}**\n" * bool(synthetic),
        corpora=in_words(experiment, experiment.corpora),
        backbone=experiment.backbone,
        epochs=run.metrics["epochs"],
        best=run.metrics["best_epoch"],
        seed=experiment.seed,
        held=HELD[experiment.split].format(fold=experiment.fold),
        scores="\n".join(lines),
        terms="\n".join(f"- {LICENSES[corpus]}" for corpus in experiment.corpora),
    )
