"""Speech emotion recognition with a distilled HuBERT: the library behind the book."""

from pathlib import Path

__version__ = "0.3.0"
MODELS = {name: Path(__file__).with_name("models") / f"{name}.onnx" for name in ("base", "small")}  # that ship


def load(name: str = "base"):
    """A model that ships, as a classifier; nothing is downloaded.

    >>> sercore.load().predict("voice.wav")  # doctest: +SKIP
    {'anger': 0.05, 'happiness': 0.11, 'neutral': 0.71, 'sadness': 0.13}

    Args:
        name: "base", the better one, or "small", a quarter of its size. The card of each lies beside its file.

    Returns:
        A `sercore.runtime.EmotionClassifier`.

    Raises:
        ValueError: no model has this name.
        FileNotFoundError: this checkout holds no such model yet.
    """
    if name not in MODELS:
        raise ValueError(f"unknown model {name!r}; choose {' or '.join(MODELS)}, or name a file that ends in .onnx.")
    if not MODELS[name].is_file():
        raise FileNotFoundError(f"{MODELS[name]}: no such file; make it from trained runs with `make ship`.")
    from sercore.runtime import EmotionClassifier  # here, so that `import sercore` stays light

    return EmotionClassifier(MODELS[name])
