"""Prints what counting, weighing, one training step and scoring give, whatever the number of emotions; see its test.

python five_emotions.py CORPUS_FOLDER     # a synthetic IEMOCAP
"""

import json
import sys

import torch

from sercore.data import Collator, UtteranceDataset, class_weights, load_split
from sercore.evaluation import score, tabulate_predictions
from sercore.experiment import Experiment
from sercore.labels import EMOTIONS
from sercore.training import AdaptiveFocalLoss, build_classifier

torch.manual_seed(0)
split, audio = load_split(Experiment(permanent="", roots={"iemocap": sys.argv[1]}))
weights = class_weights(split.train)
loss = AdaptiveFocalLoss(weights)
model = build_classifier("tiny")
optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
dataset = UtteranceDataset(split.test, audio)
batch = Collator("longest", 1.0)([dataset[row] for row in range(len(dataset))])
labels = batch.pop("labels")
losses = []
for _ in range(2):
    losses.append(loss(model(**batch).logits, labels))
    optimizer.zero_grad()
    losses[-1].backward()
    optimizer.step()
with torch.no_grad():
    logits = model(**batch).logits
predictions = tabulate_predictions(split.test, logits.softmax(-1).numpy())
scores = score(predictions["y_true"], predictions["y_pred"])
found = {
    "emotions": EMOTIONS,
    "counts": split.train["emotion"].value_counts().to_dict(),
    "weights": weights,
    "logits": list(logits.shape),
    "losses": [float(value) for value in losses],
    "columns": list(predictions),
    "scores": {"UA": scores["UA"], "per_class": list(scores["per_class"]), "confusion": scores["confusion"]},
}
print(json.dumps(found))
