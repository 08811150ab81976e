"""A classifier that gets to know one speaker, whose mean it moves to where the mean of the training speakers lies."""

import json
from pathlib import Path

import numpy as np

from sercore.audio_files import SAMPLE_RATE
from sercore.paths import write_json
from sercore.runtime.classifier import EmotionClassifier

PRIOR = 8  # utterances with the training speakers' mean, which count as come before; fixed beforehand, not tuned
CALM = "neutral"  # the label of what a speaker is enrolled with
LEAST = 1e-9  # of a probability, before its logarithm


class SpeakerClassifier:
    """An `EmotionClassifier` for one speaker, of whom it keeps a number for each label, and a count.

    A head is linear: moving a speaker's embeddings moves the logits of all their utterances alike. So their mean logits
    are all of their mean embedding that matters, and logarithms of probabilities will do, as softmax takes no notice of
    what is added to all logits.

    >>> mine = SpeakerClassifier(sercore.load(), "me.json")  # doctest: +SKIP
    >>> mine.enroll("calm.wav")  # doctest: +SKIP
    >>> analyze_voice_note("voice.ogg", mine).label  # doctest: +SKIP

    Args:
        classifier: of a file whose metadata says, as `speakers`, where the training speakers' mean lies.
        file: where `save` keeps what is known of the speaker; need not be there yet. None keeps nothing.

    Raises:
        ValueError: the model's file says nothing of speakers, or the speaker's is damaged or of another model.
    """

    def __init__(self, classifier: EmotionClassifier, file: str | Path | None = None):
        if "speakers" not in classifier.metadata:
            raise ValueError("the model's file says nothing of its training speakers; use a model that ships.")
        self.labels, self.metadata = classifier.labels, classifier.metadata
        self.file, self._classifier = file, classifier
        self._home, self._calm = (np.array(self.metadata["speakers"][name]) for name in ("mean", "calm"))
        self.count, self._total = PRIOR, PRIOR * self._home
        if file and Path(file).is_file():
            self._read(Path(file))

    def enroll(self, audio, sample_rate: float = SAMPLE_RATE) -> None:
        """Gets to know the speaker by a calm utterance; arguments as of `EmotionClassifier.probabilities`."""
        self._meet(center_logits(self._classifier.probabilities(audio, sample_rate)) - self._calm + self._home)

    def predict(self, audio, sample_rate: float = SAMPLE_RATE) -> dict[str, float]:
        """The probability of each label for the speaker's next utterance, which becomes part of what is known."""
        logits = center_logits(self._classifier.probabilities(audio, sample_rate))
        self._meet(logits)
        odds = np.exp(logits - self._total / self.count + self._home)
        return dict(zip(self.labels, (odds / odds.sum()).tolist(), strict=True))

    def save(self) -> None:
        """Writes what is known of the speaker, whole or not at all."""
        known = {"count": self.count, "total": self._total.tolist(), "speakers": self.metadata["speakers"]}
        write_json(self.file, known)

    def _read(self, file: Path) -> None:
        try:
            known = json.loads(file.read_text(encoding="utf-8"))
            self.count, self._total, speakers = known["count"], np.array(known["total"]), known["speakers"]
        except (ValueError, KeyError, TypeError):
            raise ValueError(f"{file}: not what SpeakerClassifier.save writes; name another file.") from None
        if speakers != self.metadata["speakers"]:
            raise ValueError(f"{file}: this speaker is known to another model; name another file for this one.")

    def _meet(self, logits: np.ndarray) -> None:
        self.count, self._total = self.count + 1, self._total + logits


def center_logits(probabilities: np.ndarray) -> np.ndarray:
    """The logits with mean 0 over the labels that give probabilities (..., labels)."""
    logits = np.log(np.maximum(np.asarray(probabilities, float), LEAST))
    return logits - logits.mean(axis=-1, keepdims=True)


def describe_speakers(probabilities: np.ndarray, emotions: np.ndarray) -> dict[str, list[float]]:
    """What a model's file says of its training speakers: their mean logits, and those of what they say calmly.

    Args:
        probabilities: (utterances, labels) of the training set.
        emotions: (utterances,), names.
    """
    logits = center_logits(probabilities)
    means = {"mean": logits.mean(axis=0), "calm": logits[emotions == CALM].mean(axis=0)}
    return {name: mean.round(6).tolist() for name, mean in means.items()}
