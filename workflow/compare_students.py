"""What distilled students are worth before any fine-tuning: a regression on their embeddings, at home and abroad.

python workflow/compare_students.py NAME=FOLDER NAME=FOLDER …: folders of `distil`, each with its model. Writes
student_sentences.csv where the pages' tables go: UA on held-out speakers and on the unseen corpus, as they are and
normalized per speaker in training and use, with 95 % intervals over speakers.
"""

import sys
from pathlib import Path

import pandas as pd

from sercore import page
from sercore.data import load_split, load_target
from sercore.evaluation import align_moments, bootstrap_scores, tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training import load_classifier
from sercore.training.embeddings import pool_utterances
from sercore.training.regression_head import choose_head

PARTS = {"test": "held-out speakers", "target": "unseen corpus"}


def compare(students: dict[str, Path]) -> pd.DataFrame:
    """One row by student, utterances and treatment: value, low, high of the UA."""
    experiment, rows = Experiment.from_profile("small", split="disjoint"), []
    split, audio = load_split(experiment)
    target, other = load_target(experiment)
    tables = split.parts | {"target": target}
    labels = {part: table["emotion"].map(EMOTIONS.index).to_numpy() for part, table in tables.items()}
    for name, folder in students.items():
        model, pooled = load_classifier(folder / "model"), {}
        for part, table in tables.items():
            pooled[part] = pool_utterances(model, experiment, table, other if part == "target" else audio)
        alike = {part: align_moments(own, (0.0, 1.0), tables[part]["speaker"]) for part, own in pooled.items()}
        for treatment, own in {"as they are": pooled, "per speaker": alike}.items():
            head = choose_head(*((own[part], labels[part]) for part in ("train", "validation")))
            for part, title in PARTS.items():
                predictions = tabulate_predictions(tables[part], head.predict_proba(own[part]))
                found = bootstrap_scores(predictions).loc["UA"]
                rows.append({"student": name, "utterances": title, "embeddings": treatment, **found})
    return pd.DataFrame(rows)


if __name__ == "__main__":
    folders = {name: Path(folder) for name, _, folder in (text.partition("=") for text in sys.argv[1:])}
    table = compare(folders)
    page.record_table(Experiment.from_profile("open"), "student_sentences", table)
    print(table.round(3).to_string(index=False))
