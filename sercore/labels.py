"""The emotions in one table, in the paper's order (Table I), which holds wherever order matters; the dimensions."""

from typing import NamedTuple


class Emotion(NamedTuple):
    """One class: its name, its colour in every figure, its arousal (paper, section V-B)."""

    name: str
    color: str
    arousal: str


TABLE = (
    Emotion("anger", "#c1272d", "high"),
    Emotion("happiness", "#e8a33d", "high"),
    Emotion("neutral", "#6b7a8f", "low"),
    Emotion("sadness", "#2b4c8c", "low"),
)
EMOTIONS = tuple(emotion.name for emotion in TABLE)
COLORS = {emotion.name: emotion.color for emotion in TABLE}
AROUSAL = {emotion.name: emotion.arousal for emotion in TABLE}
DIMENSIONS = ("valence", "activation", "dominance")  # columns of a rated corpus, from 1 to 5
