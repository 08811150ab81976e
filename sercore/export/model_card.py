"""The model card: what a model is, what it was trained on, how good it is, and under which terms it may be used."""

from pathlib import Path

from huggingface_hub import EvalResult, ModelCard, ModelCardData

from sercore.data import CORPORA, preprocessing
from sercore.labels import EMOTIONS
from sercore.paths import whole_file
from sercore.training import Run

METRICS = {"WA": "WA", "UA": "UA", "macro_f1": "macro F1"}
TEMPLATE = Path(__file__).with_suffix(".md")  # Jinja, as the hub's own cards


def write_model_card(run: Run) -> ModelCard:
    """Writes `model/README.md` of a finished run, in the format of the Hugging Face hub, and returns it."""
    experiment, specs = run.experiment, [CORPORA[corpus] for corpus in run.experiment.corpora]
    origin, prefix = ("synthetic", "synthetic ") if experiment.synthetic else ("measured here", "")
    corpora = " + ".join(prefix + spec.title for spec in specs)
    scores = {title: run.metrics["test"][name] for name, title in METRICS.items()}
    task, split = "audio-classification", f"{experiment.split}, {experiment.part}"
    results = [EvalResult(task, origin, corpora, name, round(scores[name], 4), dataset_split=split) for name in scores]
    names = {"model_name": run.path.name, "pipeline_tag": task, "license": "other", "language": "en"}
    card = ModelCard.from_template(
        ModelCardData(**names, eval_results=results),
        str(TEMPLATE),
        run=run,
        experiment=experiment,
        corpora=corpora,
        scores=scores,
        emotions=EMOTIONS,
        chain=preprocessing,
        licenses=[spec.license for spec in specs],
    )
    with whole_file(run.path / "model" / "README.md") as part:
        part.write_text(str(card), encoding="utf-8")
    return card
