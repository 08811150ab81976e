"""The four classes, in the paper's order (Table I), which holds wherever order matters."""

EMOTIONS = ("anger", "happiness", "neutral", "sadness")
