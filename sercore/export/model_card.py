"""The model card: what a model is, what it was trained on, how good it is, and under which terms it may be used."""

import json
from collections.abc import Sequence
from pathlib import Path

import pandas as pd
from huggingface_hub import EvalResult, ModelCard, ModelCardData

from sercore.data import CORPORA, preprocessing
from sercore.evaluation import bootstrap_scores
from sercore.labels import EMOTIONS
from sercore.paths import whole_file
from sercore.training import Run

METRICS = {"WA": "WA", "UA": "UA", "macro_f1": "macro F1"}
SHOWN = METRICS | {f"recall_{emotion}": f"recall of {emotion}" for emotion in EMOTIONS}  # rows of `bootstrap_scores`
TEMPLATE = Path(__file__).with_suffix(".md")  # Jinja, as the hub's own cards


def write_model_card(
    run: Run,
    file: str | Path | None = None,
    twin: Run | None = None,
    transfer: pd.DataFrame | None = None,
    notes: Sequence[str] = (),
) -> ModelCard:
    """Writes the card of a finished run, in the format of the Hugging Face hub, and returns it.

    Args:
        run: whose model it is.
        file: to write, which also names the model; None for `model/README.md` of the run.
        twin: a run alike that held whole speakers back; its scores stand for those of the run.
        transfer: scores on the run's target corpus, as of `bootstrap_scores`.
        notes: sentences on the file, such as its size.
    """
    experiment, specs = run.experiment, [CORPORA[corpus] for corpus in run.experiment.corpora]
    file, tested = Path(file or run.path / "model" / "README.md"), twin or run
    name = run.path.name if file.name == "README.md" else file.stem
    origin, prefix = ("synthetic", "synthetic ") if experiment.synthetic else ("measured", "")
    corpora = " + ".join(prefix + spec.title for spec in specs)
    scores, transfer = (
        table if table is None else table.rename(index=SHOWN).reindex([*SHOWN.values()]).dropna()
        for table in (bootstrap_scores(tested.predictions), transfer)
    )
    task, split = "audio-classification", f"{tested.experiment.split}, {tested.experiment.part}"
    results = [
        EvalResult(task, origin, corpora, title, round(float(scores.loc[title, "value"]), 4), dataset_split=split)
        for title in METRICS.values()
    ]
    names = {"model_name": name, "pipeline_tag": task, "license": "other", "language": "en"}
    card = ModelCard.from_template(
        ModelCardData(**names, eval_results=results),
        str(TEMPLATE),
        name=name,
        run=run,
        tested=tested,
        experiment=experiment,
        corpora=corpora,
        scores=scores,
        transfer=transfer,
        target=prefix + CORPORA[experiment.target].title,
        notes=notes,
        emotions=EMOTIONS,
        chain=preprocessing,
        licenses=[spec.license for spec in specs],
        notice=json.loads((run.path / "model" / "config.json").read_text(encoding="utf-8")).get("notice"),
    )
    with whole_file(file) as part:
        part.write_text(str(card), encoding="utf-8")
    return card
